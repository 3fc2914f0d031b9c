//! A machine that comes back on another layout than it had: the edited description beside the snapshot's own.

use crate::archived::Archived;
use crate::failure::Failure;
use lifeboat_machine::{Content, Device, Event, EventSink, Machine};
use lifeboat_plan::Policy;
use lifeboat_plan::consequence::{self, Required};
use std::path::Path;

/// How a machine shall come back: as an edited description says, or as it was.
///
/// # Errors
/// [`Failure::Plan`] when the description is of another machine, or lacks one of its filesystems.
pub fn description(edited: Option<&Machine>, recorded: &Machine, sink: &dyn EventSink) -> Result<Machine, Failure> {
    let Some(edited) = edited else { return Ok(recorded.clone()) };
    let mut description = edited.clone();
    fill_from(&mut description, recorded);
    lifeboat_plan::wanted(recorded, &description, &Policy::default())?;
    let text =
        "the machine comes back on an edited layout; lifeboat.layout=recorded would bring back the one that it had";
    sink.emit(&Event::Note { text: text.into() });
    Ok(description)
}

/// It learns from the snapshot's own description how full its filesystems are.
fn fill_from(description: &mut Machine, recorded: &Machine) {
    for device in &mut description.layout.devices {
        let Content::Filesystem(filesystem) = &mut device.content else { continue };
        let own = recorded.layout.devices.iter().filter_map(Device::filesystem).find(|own| own.uuid == filesystem.uuid);
        if let Some(own) = own {
            filesystem.used_bytes = filesystem.used_bytes.max(own.used_bytes);
            if own.options.mount_type() == filesystem.options.mount_type() {
                (filesystem.used_bytes, filesystem.restored) = (own.used_bytes, own.restored);
            }
        }
    }
}

/// Refuses storage that the restored system has no program for.
///
/// # Errors
/// [`Failure::Unusable`] with the package; when the list of files cannot be read.
pub fn check_packages(archived: &Archived, recorded: &Machine, wanted: &Machine) -> Result<(), Failure> {
    let mut missing = consequence::required(recorded, wanted);
    if missing.is_empty() {
        return Ok(());
    }
    archived.with_table(|table| {
        for entry in table.entries() {
            missing.retain(|one| !one.files.iter().any(|file| entry.path == Path::new(file)));
        }
    })?;
    missing.first().map_or(Ok(()), |one| Err(lacking(one)))
}

/// What can be done about it must be possible where the machine is dead.
fn lacking(one: &Required) -> Failure {
    Failure::Unusable {
        what: format!("the new layout for {}", one.what),
        reason: format!(
            "the restored system has no package {package}, which it needs for it; try the layout that the machine had \
             (lifeboat.layout=recorded on the kernel command line, or 'lifeboat restore' without --layout). When it runs again, install \
             {package} (apt install {package}), back up, and recover onto the new layout",
            package = one.package
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_machine_gets_advice_that_it_can_follow() {
        let one = Required { what: "the array root".into(), files: &["/usr/sbin/mdadm"], package: "mdadm" };
        let text = lacking(&one).to_string();
        assert!(text.contains("lifeboat.layout=recorded") && text.contains("without --layout"), "{text}");
    }
}
