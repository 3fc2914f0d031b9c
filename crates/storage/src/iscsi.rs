//! iSCSI (iscsiadm(8)): disks of a server on the network. Names and passwords for CHAP are in iscsid.conf(5), never in an
//! argument.

use crate::layer::{StorageError, tool};
use lifeboat_machine::iscsi::IscsiTarget;
use lifeboat_sys::program::{ISCSIADM, ISCSID};
use lifeboat_sys::{Invocation, Runner};

/// iscsiadm's exit code for a session that exists already (iscsiadm(8)).
const SESSION_EXISTS: i32 = 15;

/// Logs in; the kernel then shows the target's disks. A session that exists is fine.
///
/// # Errors
/// [`StorageError::Run`] with iscsiadm's words.
pub fn login(runner: &dyn Runner, target: &IscsiTarget) -> Result<(), StorageError> {
    let portal = target.portal();
    // The record of the target is made by hand: a discovery may ask for other credentials than the login.
    let node = |operation: &[&str]| -> Invocation {
        tool(ISCSIADM).args(["-m", "node", "-T", &target.name, "-p", &portal]).args(operation)
    };
    // Any second daemon ends at once, for the first one holds its lock.
    runner.run(&tool(ISCSID).accept(1).accept(255))?;
    runner.run(&node(&["-o", "new"]))?;
    runner.run(&node(&["--login"]).accept(SESSION_EXISTS))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::FakeRunner;

    #[test]
    fn a_login() {
        let runner = FakeRunner::lenient();
        login(&runner, &IscsiTarget::parse("iqn.2026-01.x:store@192.0.2.7").unwrap()).unwrap();
        let node = "iscsiadm -m node -T iqn.2026-01.x:store -p 192.0.2.7:3260";
        assert_eq!(runner.command_lines(), ["iscsid".to_owned(), format!("{node} -o new"), format!("{node} --login")]);
    }
}
