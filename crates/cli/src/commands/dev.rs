//! `lifeboat dev`: looks inside images.

mod show;

use crate::command::{DevCommand, DevImageArgs};
use crate::error::CommandResult;
use crate::job::{medium, moment};
use crate::session::Session;
use lifeboat_machine::bytes::human;

pub fn run(session: &Session, command: &DevCommand) -> CommandResult {
    match command {
        DevCommand::Image(args) => image(session, args),
        DevCommand::Show(args) => show::run(session, args),
        DevCommand::Keep(args) => moment::keep(&args.run),
        DevCommand::Release => {
            moment::clean(session);
            Ok(())
        }
    }
}

fn image(session: &Session, args: &DevImageArgs) -> CommandResult {
    std::fs::create_dir_all(&args.out)?;
    let system = medium::timed(session, "rescue-system", || {
        medium::rescue_system(session, &args.medium, args.out.join("work"))
    })?;
    let initrd = args.out.join("initrd.img");
    let initramfs = lifeboat_rescue::write_initramfs(&system, &[], &initrd)?;
    std::fs::copy(&system.kernel, args.out.join("kernel"))?;
    let mut contents: Vec<_> = system.contents.iter().collect();
    contents.sort_by_key(|content| std::cmp::Reverse(content.size_bytes));
    for content in contents {
        session.reporter.line(format!("{:>10}  {}  ({})", human(content.size_bytes), content.path, content.why));
    }
    let initramfs_bytes = initramfs.size_bytes;
    session.reporter.value(&serde_json::json!({"initramfs_bytes": initramfs_bytes, "kernel": system.kernel_release}));
    session.reporter.line(format!("{} in all: {}", initrd.display(), human(initramfs_bytes)));
    Ok(())
}
