//! `lifeboat check`

use crate::command::CheckArgs;
use crate::error::CommandResult;
use crate::job::{found, headers, moment, place, protect, room, signing};
use crate::output::counted;
use crate::session::Session;
use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::{Content, Event, EventSink as _, Layout, Machine, Member};
use lifeboat_moment::{Choice, Snapshots, Use, Way};
use lifeboat_probe::Remedy;
use lifeboat_sys::Program;
use lifeboat_sys::program::{
    ALL, CRYPTSETUP, LVM, MDADM, MKE2FS, MKFS_BTRFS, MKFS_FAT, MKFS_XFS, MKSQUASHFS, Rescue, XORRISO,
};
use std::path::Path;

pub fn run(session: &Session, args: &CheckArgs) -> CommandResult {
    let probed = protect::probe(session, &args.sysroot.sysroot, place::configured_folder(&session.config).as_deref())?;
    protect::warn(session, &probed);
    if probed.refusals.is_empty() {
        room::check(session, &probed.machine, &args.sysroot.sysroot)?;
        headers::warn_of_passphrases(session, &probed.machine, &args.sysroot.sysroot);
    }
    let missing = missing_programs(&args.sysroot.sysroot, &probed.machine.layout);
    for program in &missing {
        session.reporter.emit(&Event::Warning {
            text: format!(
                "the program {} is missing; 'lifeboat rescue' needs it: try installing the package {}",
                program.name, program.package
            ),
        });
    }
    let media = &session.config.media;
    let signed = signing::load(media, &args.sysroot.sysroot)?.map(|signing| {
        signing::warn_of_firmware(session, &probed.machine, &signing);
        signing.key.certificate().name()
    });
    if signed.is_none() && args.sysroot.sysroot == Path::new("/") {
        signing::suggest(session, &probed.machine);
    }
    let choices = moment::choices(&probed.machine, &session.config.snapshots)?;
    let found = found::look(session, &probed.machine, &args.sysroot.sysroot);
    session.reporter.value(&serde_json::json!({
        "machine": probed.machine.name,
        "protectable": probed.refusals.is_empty(),
        "refusals": probed.refusals.iter().map(|refusal| serde_json::json!({
            "subject": refusal.subject, "reason": refusal.reason, "remedy": refusal.remedy.as_ref().map(Remedy::as_str),
        })).collect::<Vec<_>>(),
        "warnings": probed.warnings,
        "filesystems": choices.iter().map(as_json).collect::<Vec<_>>(),
        "signed_by": signed,
        "found": found,
        "missing_programs": missing.iter().map(|program| program.name).collect::<Vec<_>>(),
    }));
    for line in found.lines(jiff::Timestamp::now()) {
        session.reporter.line(line);
    }
    protect::refuse(session, &probed)?;
    let machine = &probed.machine;
    session.reporter.line(format!(
        "{} can be protected: {}, {} on {}",
        machine.name,
        machine.os.pretty_name,
        counted(machine.layout.mounts.len(), "mounted filesystem"),
        counted(machine.layout.disks().count(), "disk"),
    ));
    how_they_are_read(session, machine, &choices)
}

/// How a filesystem is read, for programs.
fn as_json(choice: &Choice) -> serde_json::Value {
    let (read, why) = match &choice.way {
        Way::Volume { .. } | Way::Subvolumes => ("snapshot", None),
        Way::Frozen => ("frozen", None),
        Way::Live { why, .. } => ("live", Some(why)),
    };
    let mount_points: Vec<String> = choice.roots.iter().map(|root| root.at.display().to_string()).collect();
    serde_json::json!({"mount_points": mount_points, "read": read, "why": why})
}

/// Which filesystems a backup reads from snapshots; where that is off, which it could.
fn how_they_are_read(session: &Session, machine: &Machine, choices: &[Choice]) -> CommandResult {
    let policy = &session.config.snapshots;
    if policy.when != Use::Never || !policy.freeze.is_empty() {
        choices.iter().for_each(|choice| session.reporter.line(choice.line()));
        return Ok(());
    }
    // A suggestion is no reason to fail.
    let possible = moment::choices(machine, &Snapshots { when: Use::Auto, ..policy.clone() }).unwrap_or_default();
    let possible: Vec<String> = possible
        .iter()
        .filter(|choice| choice.has_snapshot())
        .map(|choice| choice.mount_point().display().to_string())
        .collect();
    if !possible.is_empty() {
        session.reporter.note(format!(
            "backups read every filesystem live, while programs write to it; use = 'auto' in [snapshots] of {} would read \
             snapshots of {}",
            crate::config::PATH,
            possible.join(", ")
        ));
    }
    Ok(())
}

/// Programs without which no medium can be made of this machine.
fn missing_programs(sysroot: &Path, layout: &Layout) -> Vec<&'static Program> {
    let makes = layout.devices.iter().filter_map(|device| match &device.content {
        Content::Luks(_) => Some(CRYPTSETUP),
        Content::Member(Member::Array { .. }) => Some(MDADM),
        Content::Member(Member::Group { .. }) => Some(LVM),
        Content::Filesystem(filesystem) => Some(match filesystem.options {
            FilesystemOptions::Ext(_) => MKE2FS,
            FilesystemOptions::Xfs(_) => MKFS_XFS,
            FilesystemOptions::Vfat(_) => MKFS_FAT,
            FilesystemOptions::Btrfs(_) => MKFS_BTRFS,
        }),
        _ => None,
    });
    let always = ALL.iter().copied().filter(|program| program.rescue == Rescue::Always);
    let mut missing: Vec<&Program> =
        always.chain([MKSQUASHFS, XORRISO]).chain(makes).filter(|program| program.find(sysroot).is_none()).collect();
    // Several filesystems of a kind need the same program.
    missing.sort_by_key(|program| program.name);
    missing.dedup();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_system_lacks_everything() {
        let root = tempfile::tempdir().unwrap();
        let names = || -> Vec<&str> {
            let missing = missing_programs(root.path(), &Layout::default());
            missing.into_iter().map(|program| program.name).collect()
        };
        let all = names();
        assert!(all.contains(&"sfdisk") && all.contains(&"xorriso") && !all.contains(&"mke2fs"), "{all:?}");
        std::fs::create_dir_all(root.path().join("usr/bin")).unwrap();
        std::fs::write(root.path().join("usr/bin/xorriso"), "").unwrap();
        assert!(!names().contains(&"xorriso"));
    }
}
