//! `lifeboat check`

use super::{Session, counted};
use crate::command::CheckArgs;
use crate::error::CommandResult;
use crate::job::protect;

pub fn run(session: &Session, args: &CheckArgs) -> CommandResult {
    let probed = protect::probe(session, &args.sysroot.sysroot, session.config.repository.as_deref())?;
    protect::warn(session, &probed);
    session.reporter.value(&serde_json::json!({
        "machine": probed.machine.name,
        "protectable": probed.refusals.is_empty(),
        "refusals": probed.refusals.iter().map(|refusal| serde_json::json!({
            "subject": refusal.subject, "reason": refusal.reason, "remedy": refusal.remedy,
        })).collect::<Vec<_>>(),
        "warnings": probed.warnings,
    }));
    protect::refuse(session, &probed)?;
    let machine = &probed.machine;
    session.reporter.line(format!(
        "{} can be protected: {}, {} on {}, {}",
        machine.name,
        machine.os.pretty_name,
        counted(machine.layout.mounts.len(), "mounted filesystem"),
        counted(machine.layout.disks().count(), "disk"),
        match machine.boot.firmware {
            lifeboat_machine::boot::Firmware::Bios => "boots by BIOS".to_owned(),
            lifeboat_machine::boot::Firmware::Uefi { secure_boot } =>
                format!("boots by UEFI, Secure Boot {}", if secure_boot { "on" } else { "off" }),
        }
    ));
    Ok(())
}
