//! The text that sfdisk gets for the tables of whole plans.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::Machine;
use lifeboat_machine::testing::*;
use lifeboat_plan::{Policy, Step, plan};
use lifeboat_rebuild::sfdisk::script;

/// The text for the disk of a machine with one.
fn text(machine: &Machine, disk: lifeboat_machine::FoundDisk) -> String {
    let plan = plan(machine, &hardware(vec![disk]), &Policy::default()).unwrap();
    let text = plan.steps.iter().find_map(|step| match step {
        Step::WriteTable { table, entries, .. } => Some(script(table, entries)),
        _ => None,
    });
    text.unwrap()
}

#[test]
fn tables_of_whole_plans() {
    insta::assert_snapshot!("gpt_same_disk", text(&gpt_machine(), found("/dev/vda", 10 * GIB, "SER1")));
    insta::assert_snapshot!("mbr_same_disk", text(&mbr_machine(), found("/dev/sda", 10 * GIB, "SER1")));
    let mut other = found("/dev/nvme0n1", 20 * GIB, "NEW");
    other.disk.transport = Some("nvme".into());
    insta::assert_snapshot!("mbr_to_nvme", text(&mbr_machine(), other));
}
