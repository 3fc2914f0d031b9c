//! [`make`]: the call that makes an array as it was recorded (mdadm(8), "CREATE MODE").
//!
//! Every property is named: mdadm's defaults for data offset, bitmap and names differ from release to release, and what it
//! asks at a terminal it decides by itself without one.

use crate::layer::tool;
use lifeboat_machine::layout::{Array, ArrayLevel, ArrayMember, ArrayMetadata, ArrayRole, Consistency};
use lifeboat_sys::Invocation;
use lifeboat_sys::program::MDADM;

/// The call that makes `array` at `node`, `/dev/md/root`. `members` are the nodes of its members, and where its data begins
/// on each, in bytes; in the order of [`Array::members`].
pub fn make(node: &str, array: &Array, members: &[(&str, u64)]) -> Invocation {
    let of = |wanted: &ArrayMember| {
        array.members.iter().zip(members).find(|(member, _)| *member == wanted).map(|(_, place)| *place)
    };
    let mut call = tool(MDADM).args(["--create", node, "--run"]);
    // --force: without it a RAID 5 is made with its last member as a spare, and a mirror of one is refused. With it an array that
    // lacks members counts as unsynchronised, and the kernel does not start such a one (md.rst, start_dirty_degraded).
    if array.missing() == 0 {
        call = call.arg("--force");
    }
    call = call.arg("--quiet");
    call = call.arg(format!("--metadata={}", array.metadata.name())).arg(format!("--level={}", array.level.name()));
    call = call.arg(format!("--raid-devices={}", array.slots));
    let with_role = |role: ArrayRole| array.members.iter().filter(move |member| member.role == role);
    let spares: Vec<_> = with_role(ArrayRole::Spare).filter_map(of).collect();
    if !spares.is_empty() {
        call = call.arg(format!("--spare-devices={}", spares.len()));
    }
    if let Some(chunk) = array.chunk_bytes {
        call = call.arg(format!("--chunk={}K", chunk / 1024));
    }
    if let Some(layout) = &array.layout {
        call = call.arg(format!("--layout={}", layout_option(array.level, layout)));
    }
    call = match &array.consistency {
        Consistency::Bitmap { chunk_bytes } => {
            call.arg("--bitmap=internal").arg(format!("--bitmap-chunk={}K", chunk_bytes / 1024))
        }
        Consistency::PartialParityLog => call.arg("--consistency-policy=ppl"),
        Consistency::Journal => {
            let journal = with_role(ArrayRole::Journal).find_map(of);
            journal.into_iter().fold(call, |call, (node, _)| call.args(["--write-journal", node]))
        }
        // mdadm 4.4 and later ask for it where it is not named, even with --run.
        Consistency::Resync => call.arg("--bitmap=none"),
        Consistency::None => call,
    };
    if let Some(bytes) = array.member_bytes {
        call = call.arg(format!("--size={}K", bytes / 1024));
    }
    if let Some(bytes) = array.logical_block_bytes {
        call = call.arg(format!("--logical-block-size={bytes}"));
    }
    call = call.arg(format!("--uuid={}", array.uuid));
    if array.metadata != ArrayMetadata::V0_90 {
        // Apart from each other: mdadm 4.4 takes no name with a colon.
        call = call.arg(format!("--homehost={}", array.home_host.as_deref().unwrap_or("any")));
        call = array.name.iter().fold(call, |call, name| call.arg(format!("--name={name}")));
    }
    let active: Vec<Option<(&str, u64)>> = array.active().into_iter().map(|member| member.and_then(of)).collect();
    // A superblock at the end leaves the beginning to the data.
    let offsets: Vec<u64> = active.iter().flatten().chain(&spares).map(|(_, offset)| *offset).collect();
    let same = offsets.first().copied().filter(|first| offsets.iter().all(|offset| offset == first));
    let placed = !array.metadata.is_at_end() && offsets.iter().any(|offset| *offset > 0);
    call = match same {
        Some(offset) if placed => call.arg(format!("--data-offset={}K", offset / 1024)),
        None if placed => call.arg("--data-offset=variable"),
        Some(_) | None => call,
    };
    let device = |(node, offset): (&str, u64)| match same.is_none() && placed {
        true => format!("{node}:{}K", offset / 1024),
        false => node.to_owned(),
    };
    let active = active.into_iter().map(|member| member.map_or_else(|| "missing".to_owned(), device));
    call.args(active.chain(spares.into_iter().map(device)))
}

/// Assembles an array that was made here, to be written.
pub fn assemble(node: &str, array: &Array, members: &[&str]) -> Invocation {
    tool(MDADM).args(["--assemble", node, "--run", "--uuid", &array.uuid]).args(members)
}

/// `n2` of `near=2`; the names of other levels are taken as they are.
fn layout_option(level: ArrayLevel, layout: &str) -> String {
    match layout.split_once('=') {
        Some((kind, count)) if level == ArrayLevel::Raid10 => {
            format!("{}{count}", kind.chars().next().unwrap_or('n'))
        }
        Some(_) | None => layout.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::DeviceId;

    fn member(id: &str, role: ArrayRole) -> ArrayMember {
        ArrayMember { device: DeviceId(id.into()), role, write_mostly: false, fail_fast: false }
    }

    fn mirror() -> Array {
        Array {
            uuid: "0f94ed54:43b725a2:6bb17c3a:1c1a7e44".into(),
            name: Some("root".into()),
            home_host: Some("alpha".into()),
            level: ArrayLevel::Raid1,
            metadata: ArrayMetadata::V1_2,
            slots: 2,
            chunk_bytes: None,
            layout: None,
            consistency: Consistency::Bitmap { chunk_bytes: 64 << 20 },
            member_bytes: Some(1 << 30),
            logical_block_bytes: None,
            members: vec![member("a", ArrayRole::Active { slot: 0 }), member("b", ArrayRole::Active { slot: 1 })],
        }
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_mirror() {
        let call = make("/dev/md/root", &mirror(), &[("/dev/sda1", MIB), ("/dev/sdb1", MIB)]);
        assert_eq!(
            call.command_line(),
            "mdadm --create /dev/md/root --run --force --quiet --metadata=1.2 --level=raid1 --raid-devices=2 \
             --bitmap=internal --bitmap-chunk=65536K --size=1048576K --uuid=0f94ed54:43b725a2:6bb17c3a:1c1a7e44 \
             --homehost=alpha --name=root --data-offset=1024K /dev/sda1 /dev/sdb1"
        );
    }

    #[test]
    fn what_is_special_is_named() {
        let mut array = mirror();
        array.members = vec![
            member("c", ArrayRole::Active { slot: 2 }),
            member("a", ArrayRole::Active { slot: 0 }),
            member("s", ArrayRole::Spare),
        ];
        array.slots = 3;
        let places = [("/dev/sdc", 2 * MIB), ("/dev/sda", MIB), ("/dev/sds", MIB)];
        let text = make("/dev/md/x", &array, &places).command_line();
        assert!(
            text.ends_with("--data-offset=variable /dev/sda:1024K missing /dev/sdc:2048K /dev/sds:1024K"),
            "{text}"
        );
        assert!(text.contains("--spare-devices=1") && !text.contains("--force"), "{text}");
        array = mirror();
        (array.level, array.layout, array.chunk_bytes) = (ArrayLevel::Raid10, Some("far=2".into()), Some(512 << 10));
        (array.consistency, array.metadata) = (Consistency::Resync, ArrayMetadata::V1_0);
        let text = make("/dev/md/x", &array, &[("/dev/sda", 0), ("/dev/sdb", 0)]).command_line();
        assert!(text.contains("--chunk=512K --layout=f2 --bitmap=none") && !text.contains("data-offset"), "{text}");
        (array.metadata, array.home_host, array.name) = (ArrayMetadata::V0_90, None, None);
        let text = make("/dev/md0", &array, &[("/dev/sda", 0), ("/dev/sdb", 0)]).command_line();
        assert!(!text.contains("--name") && !text.contains("--homehost"), "{text}");
        array.consistency = Consistency::Journal;
        array.members.push(member("j", ArrayRole::Journal));
        let text = make("/dev/md0", &array, &[("/dev/sda", 0), ("/dev/sdb", 0), ("/dev/sdj", 0)]).command_line();
        assert!(text.contains("--write-journal /dev/sdj") && text.ends_with("/dev/sda /dev/sdb"), "{text}");
    }
}
