//! Exact command lines that make filesystems, by a runner that only records them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{empty_machine, empty_plan, run};
use lifeboat_machine::filesystem::{BtrfsOptions, Filesystem, FilesystemOptions, XfsOptions};
use lifeboat_machine::layout::{Cache, CacheKind, Extents, GroupId, Swap, Volume, VolumeShape};
use lifeboat_machine::{DeviceId, Name};
use lifeboat_plan::Step;
use lifeboat_sys::{FakeRunner, Output};
use std::path::Path;

fn lines(step: Step) -> Vec<String> {
    let runner = FakeRunner::lenient();
    run(&runner, Path::new("/nonexistent"), &empty_machine(), &empty_plan(), &step).unwrap();
    let mut lines = runner.command_lines();
    // What was there goes first, whatever is made.
    assert!(lines.remove(0).starts_with("wipefs --all --force /dev/nowhere"));
    lines
}

fn filesystem(options: FilesystemOptions) -> Filesystem {
    Filesystem {
        uuid: "aaaaaaaa-0000-4000-8000-000000000001".into(),
        label: Name::from("my data"),
        size_bytes: 1 << 30,
        used_bytes: 0,
        options,
        restored: None,
    }
}

fn make(options: FilesystemOptions, resized: bool) -> Step {
    Step::MakeFilesystem {
        device: "/dev/nowhere1".into(),
        filesystem: filesystem(options),
        resized,
        was: None,
        further: vec![],
    }
}

fn xfs() -> XfsOptions {
    XfsOptions {
        block_bytes: 4096,
        sector_bytes: 512,
        inode_bytes: 512,
        allocation_groups: 4,
        allocation_group_blocks: 65536,
        blocks: 262_144,
        max_inode_percent: 25,
        stripe_unit_blocks: 16,
        stripe_width_blocks: 64,
        directory_block_bytes: 4096,
        log_blocks: 16384,
        log_device: None,
        realtime: None,
        log_version: 2,
        log_sector_bytes: 512,
        log_stripe_unit_blocks: 1,
        lazy_count: true,
        features: [
            ("crc", true),
            ("rmapbt", false),
            ("sparse", true),
            ("attr2", true),
            ("ftype", true),
            ("ascii-ci", false),
        ]
        .map(|(name, on)| (name.to_owned(), on))
        .to_vec(),
        metadata_uuid: None,
    }
}

#[test]
fn xfs_names_everything() {
    let device = "mkfs.xfs -f -q -K -b size=4096 -s size=512 -m uuid=aaaaaaaa-0000-4000-8000-000000000001,crc=1,rmapbt=0 \
                  -i size=512,maxpct=25,sparse=1,attr=2";
    assert_eq!(
        lines(make(FilesystemOptions::Xfs(xfs()), false)),
        [format!(
            "{device} -d size=1073741824,agsize=65536b,su=65536,sw=4 \
             -l version=2,sectsize=512,size=16384b,su=4096,lazy-count=1 -n size=4096,ftype=1 -L 'my data' /dev/nowhere1"
        )]
    );
    // At another size mkfs.xfs decides about groups and log.
    assert_eq!(
        lines(make(FilesystemOptions::Xfs(xfs()), true)),
        [format!(
            "{device} -d size=1073741824,su=65536,sw=4 -l version=2,sectsize=512,su=4096,lazy-count=1 \
             -n size=4096,ftype=1 -L 'my data' /dev/nowhere1"
        )]
    );
    let mut unknown = xfs();
    unknown.features.push(("warp".into(), true));
    let runner = FakeRunner::lenient();
    let step = make(FilesystemOptions::Xfs(unknown), false);
    let error = run(&runner, Path::new("/nonexistent"), &empty_machine(), &empty_plan(), &step).unwrap_err();
    assert!(error.to_string().contains("the XFS feature warp"), "{error}");
    assert!(runner.command_lines().iter().all(|line| line.starts_with("wipefs")));
}

fn btrfs(features: &[&str]) -> Step {
    make(
        FilesystemOptions::Btrfs(BtrfsOptions {
            node_bytes: 16384,
            sector_bytes: 4096,
            checksum: "crc32c".into(),
            features: features.iter().map(|name| (*name).to_owned()).collect(),
            data_profile: "single".into(),
            metadata_profile: "dup".into(),
            mixed: false,
            device_uuid: Some("bbbbbbbb-0000-4000-8000-000000000001".into()),
            devid: 1,
            metadata_uuid: None,
            subvolumes: vec![],
            default_subvolume: Name::default(),
        }),
        false,
    )
}

#[test]
fn btrfs_by_what_mkfs_knows() {
    let list = |text: &str| Output { code: 0, stdout: vec![], stderr: text.as_bytes().to_vec() };
    let old = || {
        FakeRunner::lenient()
            .answer_with(
                "mkfs.btrfs -O list-all",
                list("extref  - x (default=3.12)\nno-holes - y (default=5.15)\nraid56 - z (compat=3.9)\n"),
            )
            .answer_with("mkfs.btrfs -R list-all", list("quota - q (compat=3.4)\nfree-space-tree - f (default=5.15)\n"))
    };
    let runner = old();
    let step = btrfs(&["extref", "free-space-tree"]);
    let notes = run(&runner, Path::new("/nonexistent"), &empty_machine(), &empty_plan(), &step).unwrap();
    assert!(notes[0].contains("UUID_SUB"));
    assert_eq!(
        runner.command_lines().last().unwrap(),
        "mkfs.btrfs -f -q -K -U aaaaaaaa-0000-4000-8000-000000000001 -n 16384 -s 4096 --csum crc32c -d single -m dup \
         -O 'extref,^no-holes' -R free-space-tree -L 'my data' /dev/nowhere1"
    );
    let new = FakeRunner::lenient()
        .answer_with("mkfs.btrfs -O list-all", list("extref - x (default=3.12)\nfree-space-tree - f (default=5.15)\n"))
        .answer("mkfs.btrfs --help", "  --device-uuid UUID  set it\n");
    assert_eq!(
        run(&new, Path::new("/nonexistent"), &empty_machine(), &empty_plan(), &step).unwrap(),
        Vec::<String>::new()
    );
    assert!(
        new.command_lines()
            .last()
            .unwrap()
            .contains("-O extref,free-space-tree --device-uuid bbbbbbbb-0000-4000-8000-000000000001 -L")
    );
    let step = btrfs(&["block-group-tree"]);
    let error = run(&old(), Path::new("/nonexistent"), &empty_machine(), &empty_plan(), &step).unwrap_err();
    assert!(error.to_string().contains("try a rescue medium with newer btrfs-progs"), "{error}");
}

#[test]
fn swap_and_tables() {
    let swap = Swap { uuid: Some("u-1".into()), label: Name::from("sw ap"), page_bytes: 65536 };
    assert_eq!(
        lines(Step::MakeSwap { device: "/dev/nowhere2".into(), swap }),
        ["mkswap --force --pagesize 65536 --uuid u-1 --label 'sw ap' /dev/nowhere2"]
    );
}

/// The calls of lvm without the settings for the rescue system.
fn calls_of(runner: &FakeRunner) -> Vec<String> {
    let plain = |line: &String| match line.split_once(" --config ") {
        // They are one word in quotes.
        Some((command, rest)) => format!("{command}{}", rest.rsplit_once('\'').map_or(rest, |(_, rest)| rest)),
        None => line.clone(),
    };
    runner.command_lines().iter().map(plain).collect()
}

#[test]
fn a_cache_is_made_anew_in_front_of_its_volume() {
    let extents = |device: &str| vec![Extents { device: DeviceId(device.into()), first: 0, count: 10 }];
    let cache = Cache {
        kind: CacheKind::Volume,
        name: "fast".into(),
        chunk_bytes: 65_536,
        mode: Some("writethrough".into()),
        policy: Some("smq".into()),
        metadata_format: Some(2),
        metadata_bytes: None,
        settings: vec![],
        extents: extents("disk1"),
    };
    let origin = Box::new(VolumeShape::Linear { extents: extents("disk0") });
    let volume = Volume {
        group: GroupId("group0".into()),
        name: "data".into(),
        uuid: "L".into(),
        tags: vec![],
        read_only: false,
        shape: VolumeShape::Cached { origin, cache },
    };
    let step = Step::MakeVolume {
        node: "/dev/mapper/vg0-data".into(),
        group: "vg0".into(),
        size_bytes: 40 << 20,
        extents: 10,
        volume,
        physical: vec!["/dev/sda".into()],
        pool: None,
        fast: vec!["/dev/sdb".into()],
        write_mostly: vec![],
    };
    let runner = FakeRunner::lenient();
    run(&runner, Path::new("/t"), &empty_machine(), &empty_plan(), &step).unwrap();
    let calls = calls_of(&runner);
    let heads: Vec<String> =
        calls.iter().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        heads,
        [
            // What an attempt that stopped left in front of it.
            "lvm lvconvert",
            "lvm lvremove",
            "lvm lvchange",
            "lvm lvcreate",
            "lvm lvchange",
            "lvm lvconvert",
            "lvm lvchange",
        ],
        "{calls:#?}"
    );
    assert!(calls[3].ends_with("--name fast --extents 10 vg0 /dev/sdb"), "{calls:#?}");
    assert!(calls[4].ends_with("--activate n vg0/data vg0/fast"), "{calls:#?}");
    assert!(calls[6].ends_with("--activate y vg0/data"), "{calls:#?}");
}
