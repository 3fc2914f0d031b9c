//! btrfs: mkfs.btrfs(8), subvolumes with btrfs(8).

use crate::context::Context;
use crate::error::RebuildError;
use crate::mounts::mounted_at_target;
use lifeboat_machine::Name;
use lifeboat_machine::filesystem::{BtrfsOptions, Filesystem, Subvolume};
use lifeboat_plan::{FurtherDevice, Step};
use lifeboat_sys::program::{BTRFS, BTRFSTUNE, CHATTR, MKFS_BTRFS};
use lifeboat_sys::{Invocation, Runner, block, mount};
use std::path::Path;

/// The id of every filesystem's top level (btrfs-subvolume(8)).
const TOP_LEVEL: u64 = 5;

/// Makes it.
pub(crate) fn make(
    context: &Context,
    device: &Path,
    filesystem: &Filesystem,
    btrfs: &BtrfsOptions,
    further: &[FurtherDevice],
) -> Result<Vec<String>, RebuildError> {
    let runner = context.runner;
    // What mkfs.btrfs knows and turns on by itself differs between releases; older ones have two lists.
    let known = listed(runner, "-O")?;
    let run_time = listed(runner, "-R").unwrap_or_default();
    let wanted = |name: &str| btrfs.features.iter().any(|feature| feature == name);
    let choose = |list: &[(String, bool)]| -> Vec<String> {
        list.iter()
            .filter_map(|(name, default)| match (wanted(name), *default) {
                // --mixed says it.
                _ if name == "mixed-bg" => None,
                (true, _) => Some(name.clone()),
                (false, true) => Some(format!("^{name}")),
                (false, false) => None,
            })
            .collect()
    };
    let run_time: Vec<(String, bool)> =
        run_time.into_iter().filter(|(name, _)| !known.iter().any(|(other, _)| other == name)).collect();
    let names = || known.iter().chain(&run_time).map(|(name, _)| name.as_str());
    if let Some(missing) = btrfs.features.iter().find(|feature| !names().any(|name| name == *feature)) {
        let reason = "this mkfs.btrfs does not support it; try a rescue medium with newer btrfs-progs";
        return Err(RebuildError::unsupported(format!("the btrfs feature {missing}"), device, reason));
    }
    let first_uuid = btrfs.metadata_uuid.as_ref().unwrap_or(&filesystem.uuid);
    let mut call = Invocation::new(MKFS_BTRFS)
        .args(["-f", "-q", "-K", "-U", first_uuid])
        .args(["-n", &btrfs.node_bytes.to_string(), "-s", &btrfs.sector_bytes.to_string()])
        .args(["--csum", &btrfs.checksum]);
    // Profiles can be read from mounted filesystems only.
    for (option, profile) in [("-d", &btrfs.data_profile), ("-m", &btrfs.metadata_profile)] {
        if !profile.is_empty() {
            call = call.arg(option).arg(profile);
        }
    }
    if btrfs.mixed {
        call = call.arg("-M");
    }
    for (option, features) in [("-O", choose(&known)), ("-R", choose(&run_time))] {
        if !features.is_empty() {
            call = call.arg(option).arg(features.join(","));
        }
    }
    let mut notes = vec![];
    // With several devices mkfs.btrfs gives the first one the UUID and says nothing of the others (6.14, 7.1): all get new ones.
    if let Some(uuid) = btrfs.device_uuid.as_ref().filter(|_| further.is_empty()) {
        // Since btrfs-progs 6.3.
        if help(runner).contains("--device-uuid") {
            call = call.arg("--device-uuid").arg(uuid);
        } else {
            notes.push(format!("{} gets a new UUID_SUB: this mkfs.btrfs cannot set it", device.display()));
        }
    }
    if !filesystem.label.0.is_empty() {
        call = call.arg("-L").arg(filesystem.label.to_os_string());
    }
    if further.is_empty() && block::size_bytes(device).is_ok_and(|size| size > filesystem.size_bytes) {
        call = call.arg("-b").arg(filesystem.size_bytes.to_string());
    }
    if !further.is_empty() {
        // The kernel remembers devices that bore this UUID before they were wiped, and would not mount it with other ones (EEXIST).
        runner.run(&Invocation::new(BTRFS).args(["device", "scan", "--forget"]).accept(1))?;
    }
    let call = further.iter().fold(call.arg(device), |call, further| call.arg(&further.device));
    runner.run(&call)?;
    register(context, device)?;
    if btrfs.metadata_uuid.is_some() {
        // It got its UUID after it was made; the metadata keep the first one.
        runner.run(&Invocation::new(BTRFSTUNE).args(["-f", "-M", &filesystem.uuid]).arg(device))?;
    }
    Ok(notes)
}

/// Shows the kernel all devices of a btrfs on several ones before it is mounted: without udev nothing else does, and making another one
/// forgets those that are not mounted.
pub(crate) fn register(context: &Context, device: &Path) -> Result<(), RebuildError> {
    for step in &context.plan.steps {
        if let Step::MakeFilesystem { device: made, further, .. } = step
            && Path::new(made) == device
            && further.iter().any(|further| further.journal.is_none())
        {
            let call = Invocation::new(BTRFS).args(["device", "scan"]).arg(device);
            context.runner.run(&further.iter().fold(call, |call, further| call.arg(&further.device)))?;
        }
    }
    Ok(())
}

/// Features of a list with whether they are on by default; `-R` is gone in releases that have but one list.
fn listed(runner: &dyn Runner, option: &str) -> Result<Vec<(String, bool)>, RebuildError> {
    let output = runner.run(&Invocation::new(MKFS_BTRFS).args([option, "list-all"]).accept(1))?;
    let text = format!("{}{}", output.text(), String::from_utf8_lossy(&output.stderr));
    Ok(parse_list(&text))
}

fn parse_list(text: &str) -> Vec<(String, bool)> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(" - ")?;
            Some((name.trim().to_owned(), rest.contains("default=")))
        })
        .filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace))
        .collect()
}

fn help(runner: &dyn Runner) -> String {
    let output = runner.run(&Invocation::new(MKFS_BTRFS).arg("--help").accept(1));
    output.map(|output| format!("{}{}", output.text(), String::from_utf8_lossy(&output.stderr))).unwrap_or_default()
}

/// Makes subvolumes, and the default one the default.
///
/// # Errors
/// What btrfs reports.
pub fn subvolumes(
    context: &Context,
    device: &Path,
    subvolumes: &[Subvolume],
    default: &Name,
) -> Result<(), RebuildError> {
    let runner = context.runner;
    mounted_at_target(context, device, "btrfs", &["subvolid=5"], |top| {
        for subvolume in subvolumes {
            let path = top.join(subvolume.path.as_path());
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(RebuildError::io("MAKE the directory", parent))?;
            }
            // It is there when this step stopped before and is done anew.
            if path.exists() {
                continue;
            }
            runner.run(&Invocation::new(BTRFS).args(["subvolume", "create"]).arg(&path))?;
            if subvolume.no_cow {
                // Before the first file: files inherit it when they are made.
                runner.run(&Invocation::new(CHATTR).arg("+C").arg(&path))?;
            }
        }
        if !default.0.is_empty() {
            let path = top.join(default.as_path());
            runner.run(&Invocation::new(BTRFS).args(["subvolume", "set-default"]).arg(path))?;
        }
        Ok(())
    })
}

/// The id of a subvolume, by which it is mounted: its name would be syntax to mount(2), where a comma ends an option.
/// `place` is a free directory.
///
/// # Errors
/// When there is no such subvolume, or what btrfs reports.
pub fn subvolume_id(runner: &dyn Runner, device: &Path, place: &Path, name: &Name) -> Result<u64, RebuildError> {
    if name.0.is_empty() {
        return Ok(TOP_LEVEL);
    }
    mount::mount(device, place, "btrfs", &["ro", "subvolid=5"])?;
    let call = Invocation::new(BTRFS).args(["inspect-internal", "rootid"]).arg(place.join(name.as_path()));
    let output = runner.run(&call);
    let unmounted = mount::unmount(place);
    let text = output?.text();
    unmounted?;
    text.trim().parse().map_err(|_| {
        RebuildError::unsupported(
            format!("a mount of the subvolume {name}"),
            device,
            format!(
                "btrfs reported an unexpected id: \
         {text}"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feature_lists() {
        let text = "Filesystem features available:\nmixed-bg            - mixed data (compat=2.6.37, safe=2.6.37)\n\
                    extref              - increased limit (compat=3.7, safe=3.12, default=3.12)\n";
        assert_eq!(parse_list(text), [("mixed-bg".to_owned(), false), ("extref".to_owned(), true)]);
    }
}
