//! Filesystems made by their mkfs, read by probe, made again by rebuild, and compared by their own programs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Image, empty_machine, empty_plan, text_of};
use lifeboat_machine::Content;
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions};
use lifeboat_plan::Step;
use lifeboat_rebuild::{Context, apply};
use lifeboat_sys::SystemRunner;
use std::path::Path;

/// Reads a filesystem, makes it again on an image of the same size, and compares with `describe`.
fn round_trip(title: &str, original: &Image, describe: impl Fn(&Path) -> String) -> Image {
    let content =
        lifeboat_probe::content_of(&SystemRunner, &original.text()).unwrap_or_else(|e| panic!("{title}: {e:?}"));
    let Content::Filesystem(filesystem) = content else { panic!("{title}: {content:?}") };
    let copy = Image::new(original.size);
    rebuild(title, &copy, filesystem);
    pretty(title, &describe(original.path()), &describe(copy.path()));
    copy
}

fn rebuild(title: &str, image: &Image, filesystem: Filesystem) {
    let (machine, plan) = (empty_machine(), empty_plan());
    let context = Context::new(&SystemRunner, "/nonexistent", &machine, &plan);
    let step = Step::MakeFilesystem { device: image.text(), filesystem, resized: false, was: None, further: vec![] };
    let notes = apply(&step, &context).unwrap_or_else(|error| panic!("{title}: {error}"));
    assert!(notes.iter().all(|note| note.contains("UUID_SUB")), "{title}: {notes:?}");
}

fn pretty(title: &str, old: &str, new: &str) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (lines(old), lines(new));
    let differ: Vec<String> = a
        .iter()
        .filter(|line| !b.contains(line))
        .map(|line| format!("- {line}"))
        .chain(b.iter().filter(|line| !a.contains(line)).map(|line| format!("+ {line}")))
        .collect();
    assert!(differ.is_empty(), "{title}:\n{}", differ.join("\n"));
    assert_eq!(a.len(), b.len(), "{title}");
}

#[test]
fn root_ext() {
    // Lines about the moment, not about the filesystem.
    let volatile = [
        "created",
        "write time",
        "mount time",
        "Last checked",
        "Lifetime",
        "Next check",
        "Free blocks",
        "Free inodes",
        "Journal checksum",
        "Checksum:",
        "MMP block",
        "mmp_update_date",
        "mmp_update_time",
        "mmp_device_name",
    ];
    let describe = |path: &Path| {
        let text = text_of("dumpe2fs", &["-h", path.to_str().unwrap()]);
        text.lines().filter(|line| !volatile.iter().any(|word| line.contains(word))).collect::<Vec<_>>().join("\n")
    };
    let variants: &[(&str, u64, &[&str], &[&str])] = &[
        ("ext4", 300, &["-t", "ext4", "-L", "root"], &[]),
        ("ext4 on a large disk", 40_000, &["-t", "ext4"], &[]),
        ("ext3", 300, &["-t", "ext3", "-m", "2"], &["-c", "30", "-i", "180d", "-e", "remount-ro"]),
        ("ext2", 64, &["-t", "ext2"], &[]),
        ("blocks of 1024", 200, &["-t", "ext4", "-b", "1024"], &["-r", "77", "-u", "1000", "-g", "33"]),
        ("small inodes", 200, &["-t", "ext4", "-I", "128", "-O", "^extra_isize"], &[]),
        ("many inodes", 200, &["-t", "ext4", "-N", "100000"], &["-o", "^acl,journal_data_writeback"]),
        ("no journal, no checksums", 200, &["-t", "ext4", "-O", "^has_journal,^metadata_csum,uninit_bg"], &[]),
        ("striped", 500, &["-t", "ext4", "-E", "stride=16,stripe_width=64"], &["-E", "mount_opts=data=journal"]),
        (
            "large inodes and directories",
            300,
            &["-t", "ext4", "-I", "512", "-O", "large_dir,ea_inode,inline_data"],
            &[],
        ),
        ("bigalloc", 2000, &["-t", "ext4", "-O", "bigalloc", "-C", "65536"], &[]),
        (
            "quota and project",
            300,
            &["-t", "ext4", "-O", "quota,project", "-E", "quotatype=usrquota:grpquota:prjquota"],
            &[],
        ),
        ("old seed", 300, &["-t", "ext4", "-O", "metadata_csum_seed"], &["-U", "random"]),
        ("casefold", 300, &["-t", "ext4", "-O", "casefold", "-E", "encoding=utf8,encoding_flags=strict"], &[]),
        ("mmp", 300, &["-t", "ext4", "-O", "mmp", "-E", "mmp_update_interval=7"], &[]),
        ("orphan file", 500, &["-t", "ext4", "-O", "orphan_file"], &["-E", "hash_alg=tea"]),
        ("meta_bg", 500, &["-t", "ext4", "-O", "meta_bg,^resize_inode"], &[]),
        ("few reserved descriptors", 300, &["-t", "ext4", "-E", "resize=1000000", "-G", "32"], &[]),
        ("sparse_super2", 500, &["-t", "ext4", "-O", "sparse_super2,^resize_inode", "-E", "num_backup_sb=1"], &[]),
        ("fast commit", 500, &["-t", "ext4", "-O", "fast_commit"], &[]),
        ("large journal", 800, &["-t", "ext4", "-J", "size=100"], &[]),
        ("smaller than its device", 300, &["-t", "ext4", "@50000"], &[]),
    ];
    for (title, mib, make, tune) in variants {
        let image = Image::new(mib << 20);
        // An argument with @ is the number of blocks, which goes last.
        let (blocks, make): (Vec<&str>, Vec<&str>) = make.iter().partition(|argument| argument.starts_with('@'));
        let mut arguments = vec!["-F", "-q", "-E", "nodiscard"];
        arguments.extend(make);
        let path = image.text();
        arguments.push(&path);
        arguments.extend(blocks.iter().map(|blocks| &blocks[1..]));
        text_of("mke2fs", &arguments);
        if !tune.is_empty() {
            text_of("tune2fs", &[tune, &[path.as_str()][..]].concat());
        }
        let copy = round_trip(title, &image, describe);
        text_of("e2fsck", &["-fn", &copy.text()]);
    }
}

#[test]
fn root_ext_that_grew_to_its_limit() {
    let describe = |path: &Path| {
        let text = text_of("dumpe2fs", &["-h", path.to_str().unwrap()]);
        let of_the_layout =
            ["features", "Reserved GDT", "Inode count", "Block count", "Blocks per group", "Inodes per group"];
        text.lines().filter(|line| of_the_layout.iter().any(|word| line.contains(word))).collect::<Vec<_>>().join("\n")
    };
    // Each block of reserved descriptors is in use, or none was ever there.
    for (title, mib, grown, make) in [
        ("blocks of 1024", 64, 100 << 10, &["-t", "ext4", "-b", "1024"][..]),
        ("blocks of 1024, narrow descriptors", 64, 100 << 10, &["-t", "ext4", "-b", "1024", "-O", "^64bit"]),
        ("ext3, little reserved", 64, 3 << 10, &["-t", "ext3", "-b", "1024", "-E", "resize=2000000"]),
    ] {
        let mut image = Image::new(mib << 20);
        text_of("mke2fs", &[&["-F", "-q"], make, &[image.text().as_str()]].concat());
        let file = std::fs::OpenOptions::new().write(true).open(image.path()).unwrap();
        file.set_len(grown << 20).unwrap();
        text_of("resize2fs", &[&image.text()]);
        image.size = grown << 20;
        let text = describe(image.path());
        assert!(text.contains("resize_inode") && !text.contains("Reserved GDT"), "{title}: {text}");
        let copy = round_trip(title, &image, describe);
        text_of("e2fsck", &["-fn", &copy.text()]);
    }
}

#[test]
fn root_xfs() {
    let describe = |path: &Path| {
        let path = path.to_str().unwrap();
        let text = text_of("xfs_db", &["-r", "-c", "info", "-c", "version", "-c", "uuid", "-c", "label", path]);
        text.replace(path, "IMAGE")
    };
    let variants: &[(&str, u64, &[&str])] = &[
        ("as it comes", 500, &["-L", "root"]),
        ("old format", 500, &["-m", "crc=0,finobt=0"]),
        ("without new features", 500, &["-m", "reflink=0,bigtime=0,inobtcount=0,finobt=0", "-i", "sparse=0,nrext64=0"]),
        ("everything on", 500, &["-m", "rmapbt=1,reflink=1", "-i", "size=1024,nrext64=1,maxpct=30"]),
        ("striped", 2000, &["-d", "su=64k,sw=4"]),
        ("large sectors, log and directories", 800, &["-s", "size=4096", "-l", "size=100m", "-n", "size=16384"]),
        ("many groups", 4000, &["-d", "agcount=13"]),
        ("small blocks", 500, &["-b", "size=1024", "-n", "version=ci"]),
        ("smaller than its device", 900, &["-d", "size=500m"]),
    ];
    for (title, mib, make) in variants {
        let image = Image::new(mib << 20);
        text_of("mkfs.xfs", &[&["-f", "-q"][..], make, &[&image.text()]].concat());
        let copy = round_trip(title, &image, describe);
        text_of("xfs_repair", &["-n", &copy.text()]);
    }
}

#[test]
fn root_fat() {
    let describe = |path: &Path| {
        let sector = std::fs::read(path).unwrap()[..512].to_vec();
        let blkid = text_of("blkid", &["-p", "-o", "export", path.to_str().unwrap()]);
        let blkid = blkid.lines().filter(|line| !line.starts_with("DEVNAME")).collect::<Vec<_>>().join("\n");
        // The parameters, without boot code.
        format!("{blkid}\n{:?}", &sector[..90])
    };
    let variants: &[(&str, u64, &[&str])] = &[
        ("ESP of Debian", 512, &["-F", "32", "-n", "EFI"]),
        ("FAT16", 100, &["-F", "16", "-s", "8", "-r", "1024"]),
        ("FAT12", 2, &["-F", "12", "-M", "0xf0"]),
        ("by size", 100, &[]),
        ("not aligned", 300, &["-F", "32", "-a", "-R", "38", "-h", "2048"]),
        ("large sectors", 600, &["-F", "32", "-S", "4096", "-s", "1"]),
        ("one FAT", 300, &["-F", "32", "-f", "1", "-b", "8"]),
    ];
    for (title, mib, make) in variants {
        let image = Image::new(mib << 20);
        text_of("mkfs.fat", &[make, &[image.text().as_str()][..]].concat());
        let copy = round_trip(title, &image, describe);
        text_of("fsck.fat", &["-n", &copy.text()]);
    }
}

#[test]
fn root_btrfs() {
    // Trees are written anew, and a btrfs that was never mounted counts from the beginning.
    let same = [
        "csum_type",
        "csum_size",
        "fsid",
        "metadata_uuid",
        "label",
        "total_bytes",
        "sectorsize",
        "nodesize",
        "leafsize",
        "stripesize",
        "num_devices",
        "compat_flags",
        "compat_ro_flags",
        "incompat_flags",
        "uuid_tree",
    ];
    let describe = |path: &Path| {
        let text = text_of("btrfs", &["inspect-internal", "dump-super", path.to_str().unwrap()]);
        let kept =
            |line: &&str| same.iter().any(|name| line.split_whitespace().next() == Some(name)) || line.contains('(');
        text.lines().filter(kept).filter(|line| !line.starts_with("csum\t")).collect::<Vec<_>>().join("\n")
    };
    let variants: &[(&str, u64, &[&str])] = &[
        ("as it comes", 500, &["-L", "my data"]),
        ("old features", 500, &["-O", "^no-holes,^extref,^skinny-metadata", "-R", "^free-space-tree"]),
        ("mixed", 300, &["-M", "-n", "4096"]),
        ("other checksum and nodes", 500, &["--csum", "blake2", "-n", "32768", "-d", "dup", "-m", "single"]),
        ("smaller than its device", 900, &["-b", "500m"]),
    ];
    for (title, mib, make) in variants {
        let image = Image::new(mib << 20);
        text_of("mkfs.btrfs", &[&["-f", "-q"][..], make, &[&image.text()]].concat());
        let copy = round_trip(title, &image, describe);
        text_of("btrfs", &["check", "--force", &copy.text()]);
    }
}

#[test]
fn root_resized() {
    for (title, make, options) in
        [("ext4", "mkfs.ext4", vec!["-F", "-q"]), ("xfs", "mkfs.xfs", vec!["-q"]), ("btrfs", "mkfs.btrfs", vec!["-q"])]
    {
        let image = Image::new(800 << 20);
        let path = image.text();
        text_of(make, &[options, vec![path.as_str()]].concat());
        let Ok(Content::Filesystem(mut recorded)) = lifeboat_probe::content_of(&SystemRunner, &path) else { panic!() };
        recorded.used_bytes = 10 << 20;
        for mib in [2000u64, 400] {
            let device = Image::new(mib << 20);
            let new = lifeboat_plan::resize::resized(&recorded, device.size);
            let (machine, plan) = (empty_machine(), empty_plan());
            let context = Context::new(&SystemRunner, "/nonexistent", &machine, &plan);
            let step = Step::MakeFilesystem {
                device: device.text(),
                filesystem: new.clone(),
                resized: true,
                was: None,
                further: vec![],
            };
            apply(&step, &context).unwrap_or_else(|error| panic!("{title} at {mib} MiB: {error}"));
            let Ok(Content::Filesystem(made)) = lifeboat_probe::content_of(&SystemRunner, &device.text()) else {
                panic!()
            };
            assert_eq!(made.uuid, recorded.uuid, "{title}");
            assert_eq!(made.size_bytes, device.size, "{title}");
            if let (FilesystemOptions::Ext(old), FilesystemOptions::Ext(new)) = (&recorded.options, &made.options) {
                assert!(new.inodes >= old.inodes, "{} and {}", old.inodes, new.inodes);
            }
        }
    }
}

#[test]
fn root_kinds_in_place_of_others() {
    let original = Image::new(1 << 30);
    text_of("mke2fs", &["-q", "-F", "-t", "ext4", "-L", "a-long-label-16b", &original.text()]);
    let content = lifeboat_probe::content_of(&SystemRunner, &original.text()).unwrap();
    let Content::Filesystem(recorded) = content else { panic!("{content:?}") };
    for kind in lifeboat_plan::FilesystemKind::ALL {
        // One MiB and a bit less than the image: whole blocks are made.
        let (size, label) = (original.size - (1 << 20) - 512, kind.label(&recorded.label));
        let new = kind.instead_of(&recorded, size);
        let image = Image::new(size);
        let (machine, plan) = (empty_machine(), empty_plan());
        let context = Context::new(&SystemRunner, "/nonexistent", &machine, &plan);
        let was = Some("ext4".to_owned());
        let step =
            Step::MakeFilesystem { device: image.text(), filesystem: new.clone(), resized: true, was, further: vec![] };
        let notes = apply(&step, &context).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(notes, Vec::<String>::new(), "{kind}");
        let content = lifeboat_probe::content_of(&SystemRunner, &image.text()).unwrap();
        let Content::Filesystem(made) = content else { panic!("{kind}: {content:?}") };
        assert_eq!(made.options.mount_type(), kind.name());
        assert_eq!((&made.uuid, &made.label), (&recorded.uuid, &label), "{kind}");
        assert!(made.size_bytes <= size && made.size_bytes + 4096 > size, "{kind}: {}", made.size_bytes);
    }
}
