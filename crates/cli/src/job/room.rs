//! Whether the machine's files would fit into its filesystems again, and would be as they are.

use crate::error::CommandError;
use crate::session::Session;
use lifeboat_archive::{FileTree, Room};
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_restore::observe::Observing;
use std::path::Path;

/// Warns about filesystems into which their files would not fit again.
pub fn warn(session: &Session, machine: &Machine, room: &Room) {
    let mut machine = machine.clone();
    lifeboat_restore::room::fill(&mut machine, room);
    for (place, shortage) in lifeboat_restore::room::shortages(&machine) {
        let text = format!(
            "{place}: {}; a recovery onto disks of this size will be refused: blocks that files share or had \
             compressed would take their full size; try more room there, a mount option or property that compresses \
             what is written, or excluding what need not be saved",
            shortage.text()
        );
        session.reporter.emit(&Event::Warning { text });
    }
}

/// Examines the filesystems whose files may share blocks, be compressed or be encrypted, and warns.
pub fn check(session: &Session, machine: &Machine, sysroot: &Path) -> Result<(), CommandError> {
    let mut room = Room::default();
    for tree in lifeboat_restore::room::trees(machine) {
        let inside = tree.top.strip_prefix("/").unwrap_or(&tree.top);
        let mut source = FileTree::new(sysroot.join(inside));
        // Paths below a tree begin at its top.
        let below = |path: &Path| path.strip_prefix(&tree.top).ok().map(|rest| Path::new("/").join(rest));
        for mount in &tree.mounts {
            source = source.mount(mount);
        }
        for path in session.config.backup.exclude.iter().filter_map(|path| below(path)) {
            source = source.exclude(path);
        }
        for path in session.config.backup.exclude_contents.iter().filter_map(|path| below(path)) {
            source = source.without_content(path);
        }
        for file in machine.layout.swap_files.iter().filter_map(|file| below(file.path.as_path())) {
            source = source.exclude(file);
        }
        let observer = Observing::new(&session.reporter, "check");
        let measured = lifeboat_archive::measure::measure(&source, &observer);
        session.reporter.finish();
        let measured = measured?;
        room.roots.extend(measured.room.below(&tree.top).roots);
        for mut entry in measured.encrypted {
            let inside = entry.path.strip_prefix("/").unwrap_or(&entry.path);
            entry.path = tree.top.join(inside);
            session.reporter.emit(&Event::Warning { text: entry.at_backup() });
        }
    }
    warn(session, machine, &room);
    Ok(())
}
