//! Arrays are assembled read-only from the members that name the same one.

use crate::blocks::Blocks;
use crate::kinds::MD_MEMBER;
use crate::layer::{Activated, Incomplete, Layer, LayerKind, tool};
use lifeboat_sys::Runner;
use lifeboat_sys::program::MDADM;
use std::collections::BTreeMap;

/// What a member's superblock says of its array (`mdadm --examine --export`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Superblock {
    uuid: String,
    name: String,
    level: String,
    /// Members that the array had.
    devices: usize,
}

fn parse(text: &str) -> Superblock {
    let mut found = Superblock::default();
    for (key, value) in text.lines().filter_map(|line| line.trim().split_once('=')) {
        match key {
            "MD_UUID" => value.clone_into(&mut found.uuid),
            // `host:name`: the host says nothing here.
            "MD_NAME" => value.rsplit(':').next().unwrap_or(value).clone_into(&mut found.name),
            "MD_LEVEL" => value.clone_into(&mut found.level),
            "MD_DEVICES" => found.devices = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    found
}

/// Assembles what is not assembled.
pub fn activate(runner: &dyn Runner, devices: &Blocks, incomplete: Incomplete, activated: &mut Activated) {
    let members = devices.free(MD_MEMBER);
    if members.is_empty() {
        return;
    }
    let mut arrays: BTreeMap<String, (Superblock, Vec<String>)> = BTreeMap::new();
    for member in members {
        match runner.run(&tool(MDADM).args(["--examine", "--export"]).arg(&member.path)) {
            Err(error) => activated.tool_failed(format!("the md array of {}", member.path), &error),
            Ok(output) => {
                let superblock = parse(&output.text());
                let uuid = superblock.uuid.clone();
                arrays.entry(uuid).or_insert((superblock, vec![])).1.push(member.path.clone());
            }
        }
    }
    for (uuid, (superblock, members)) in arrays {
        let what = format!("the md array '{}' ({uuid}, {})", superblock.name, superblock.level);
        if uuid.is_empty() || superblock.level == "container" {
            // Sets of a firmware (Intel's imsm, ddf) are two layers with rules of their own.
            let members = members.join(", ");
            activated.failed(what, format!("{members} belong to a firmware RAID; try mdadm --assemble --scan"));
            continue;
        }
        if incomplete == Incomplete::Wait && members.len() < superblock.devices {
            let (there, all) = (members.len(), superblock.devices);
            activated.waits(what, format!("{there} of its {all} members are present"));
            continue;
        }
        let Some(node) = free_node(devices, &activated.layers) else {
            activated.failed(what, "no /dev/mdN number is free");
            continue;
        };
        // --run starts it although members are missing, as long as their data can be computed.
        let call = tool(MDADM).args(["--assemble", "--readonly", "--run", "--uuid", &uuid]).arg(&node).args(&members);
        match runner.run(&call) {
            Ok(_) => {
                activated.layers.push(Layer { kind: LayerKind::Md, name: node });
            }
            Err(error) => activated.tool_failed(what, &error),
        }
    }
}

/// Arrays without a number of their own count down from 127.
fn free_node(devices: &Blocks, new: &[Layer]) -> Option<String> {
    let free = |number: &u32| devices.named(&format!("md{number}")).is_none();
    (0..=127)
        .rev()
        .filter(free)
        .map(|number| format!("/dev/md{number}"))
        .find(|node| new.iter().all(|layer| layer.name != *node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::Block;
    use crate::layer::Problem;
    use lifeboat_sys::{FakeRunner, Output};

    fn mentions(problem: &Problem, words: &str) -> bool {
        problem.to_string().contains(words)
    }

    fn member(name: &str) -> Block {
        Block::holding(name, MD_MEMBER)
    }

    const EXAMINED: &str =
        "MD_LEVEL=raid1\nMD_DEVICES=2\nMD_METADATA=1.2\nMD_NAME=server:backup\nMD_UUID=0f94ed54:43b725a2\n";

    #[test]
    fn members_of_one_array_are_assembled_read_only() {
        let devices = Blocks::of(vec![
            Block::holding("md127", ""),
            Block { holders: vec!["md127".into()], ..member("sda1") },
            member("sdb1"),
            member("sdc1"),
        ]);
        let runner = FakeRunner::lenient().answer("mdadm --examine", EXAMINED).answer("mdadm --examine", EXAMINED);
        let mut activated = Activated::default();
        activate(&runner, &devices, Incomplete::Wait, &mut activated);
        assert_eq!(activated.layers, [Layer { kind: LayerKind::Md, name: "/dev/md126".into() }]);
        assert_eq!(
            runner.command_lines().last().unwrap(),
            "mdadm --assemble --readonly --run --uuid 0f94ed54:43b725a2 /dev/md126 /dev/sdb1 /dev/sdc1"
        );
    }

    #[test]
    fn many_arrays_are_assembled_at_once() {
        let names: Vec<String> = (0..20).map(|n| format!("sd{}", char::from(b'a' + n))).collect();
        let devices = Blocks::of(names.iter().map(|name| member(name)).collect());
        let runner = names.iter().fold(FakeRunner::lenient(), |runner, name| {
            runner.answer("mdadm --examine", format!("MD_LEVEL=raid1\nMD_DEVICES=1\nMD_NAME={name}\nMD_UUID={name}\n"))
        });
        let mut activated = Activated::default();
        activate(&runner, &devices, Incomplete::Wait, &mut activated);
        let nodes: std::collections::BTreeSet<_> = activated.layers.iter().map(|layer| &layer.name).collect();
        assert_eq!(nodes.len(), 20, "{activated:?}");
    }

    #[test]
    fn an_incomplete_array_waits_or_is_started() {
        let devices = Blocks::of(vec![member("sdb1")]);
        let run = |incomplete| {
            let runner = FakeRunner::lenient().answer("mdadm --examine", EXAMINED);
            let mut activated = Activated::default();
            activate(&runner, &devices, incomplete, &mut activated);
            activated
        };
        let waits = run(Incomplete::Wait);
        assert!(
            waits.layers.is_empty()
                && matches!(&waits.problems[0], Problem::Waits { missing, .. } if missing.contains("1 of its 2 members")),
            "{waits:?}"
        );
        assert_eq!(run(Incomplete::Start).layers.len(), 1);
    }

    #[test]
    fn what_cannot_be_assembled_is_named() {
        let devices = Blocks::of(vec![member("sda"), member("sdb1")]);
        let refused = Output {
            code: 1,
            stdout: vec![],
            stderr: b"mdadm: /dev/md127 assembled from 1 drive - not enough".to_vec(),
        };
        let runner = FakeRunner::new()
            .answer("mdadm --examine", "MD_LEVEL=container\nMD_UUID=aa:bb\n")
            .answer("mdadm --examine", EXAMINED)
            .answer_with("mdadm --assemble", refused);
        let mut activated = Activated::default();
        activate(&runner, &devices, Incomplete::Start, &mut activated);
        assert!(activated.layers.is_empty());
        assert!(
            activated.problems.iter().any(|p| mentions(p, "'backup'") && mentions(p, "not enough")),
            "{activated:?}"
        );
        assert!(activated.problems.iter().any(|p| mentions(p, "firmware RAID")), "{activated:?}");
    }
}
