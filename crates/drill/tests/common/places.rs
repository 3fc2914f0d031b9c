//! Files of a disc, read and overwritten where they lie, without mounting it; and files over those of an initramfs.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

/// Where each file of a disc begins, in bytes, and its size.
pub struct Places(pub BTreeMap<String, (u64, u64)>);

impl Places {
    pub fn read(iso: &Path) -> Places {
        // xorriso(1), -find … report_lba: "File data lba: extent , lba , blocks , bytes , 'path'".
        let output = Command::new("xorriso")
            .args(["-report_about", "FAILURE", "-indev"])
            .arg(iso)
            .args(["-find", "/lifeboat", "-type", "f", "-exec", "report_lba"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = |line: &str| {
            let fields: Vec<&str> = line.strip_prefix("File data lba:")?.split(',').map(str::trim).collect();
            let [_, lba, _, size, path] = fields[..] else { panic!("{line}") };
            Some((path.trim_matches('\'').to_owned(), (lba.parse::<u64>().unwrap() * 2048, size.parse().unwrap())))
        };
        let places: BTreeMap<_, _> = text.lines().filter_map(line).collect();
        assert!(places.contains_key("/lifeboat/manifest.json"), "{text}");
        Places(places)
    }

    pub fn content(&self, iso: &Path, path: &str) -> Vec<u8> {
        let (start, size) = self.0[path];
        let mut content = vec![0; size as usize];
        std::fs::File::open(iso).unwrap().read_exact_at(&mut content, start).unwrap();
        content
    }

    /// Not every test tampers with its medium.
    #[allow(dead_code)]
    pub fn replace(&self, iso: &Path, path: &str, content: &[u8]) {
        let (start, size) = self.0[path];
        assert_eq!(content.len() as u64, size, "{path} keeps its size");
        std::fs::File::options().write(true).open(iso).unwrap().write_all_at(content, start).unwrap();
    }
}

/// Makes `changed` of an initramfs, with a file that the kernel unpacks over those in it: a second archive behind the first one
/// (Documentation/driver-api/early-userspace/buffer-format.rst).
pub fn overlay(initrd: &Path, path: &str, content: &[u8], changed: &Path) {
    let tree = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(tree.path().join(path).parent().unwrap()).unwrap();
    std::fs::write(tree.path().join(path), content).unwrap();
    let script = format!("printf '%s\\n' '{path}' | cpio --quiet -o -H newc");
    let archive = Command::new("sh").arg("-c").arg(script).current_dir(tree.path()).output().unwrap();
    assert!(archive.status.success(), "{}", String::from_utf8_lossy(&archive.stderr));
    std::fs::copy(initrd, changed).unwrap();
    let mut file = std::fs::File::options().append(true).open(changed).unwrap();
    let end = file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(&vec![0; (end.next_multiple_of(512) - end) as usize]).unwrap();
    file.write_all(&archive.stdout).unwrap();
}

/// Puts a partition with somebody's files on a blank disk.
pub fn foreign_data(disk: &Path) {
    let table = format!("printf 'label: gpt\\nstart=2048, size=4194304\\n' | sfdisk --quiet {}", disk.display());
    let files = format!("mke2fs -q -F -t ext4 -L PHOTOS -E offset=1048576 {} 2097152k", disk.display());
    for command in [table, files] {
        assert!(Command::new("sh").arg("-c").arg(&command).status().unwrap().success(), "{command}");
    }
}
