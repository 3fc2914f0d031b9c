//! A million empty files are backed up in less than 1 GB of memory.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{repository, scratch};
use lifeboat_archive::{FileTree, Quiet};
use std::process::Command;

const CHILD: &str = "LIFEBOAT_ARCHIVE_TEST_CHILD";

/// Backs up in a process of its own, so that the peak is that of the backup; by itself it has nothing to do.
#[test]
fn child_backs_up() {
    let Ok(tree) = std::env::var(CHILD) else { return };
    let scratch = scratch();
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = common::backup_with(&repository, &FileTree::new(&tree), &Quiet);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("entries {} peak {}", report.entries, peak.trim());
}

fn million(directories: u32) {
    let scratch = scratch();
    let mount = scratch.path().join("files");
    std::fs::create_dir(&mount).unwrap();
    run!("mount", "-t", "tmpfs", "-o", "nr_inodes=0,size=2g", "none", &mount);
    for directory in 0..directories {
        let directory = mount.join(format!("{directory}"));
        std::fs::create_dir(&directory).unwrap();
        for file in 0..1_000_000 / directories {
            std::fs::File::create(directory.join(format!("an-empty-file-{file}"))).unwrap();
        }
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_backs_up", "--nocapture"])
        .env(CHILD, &mount)
        .output()
        .unwrap();
    run!("umount", &mount);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find_map(|line| line.find("entries ").map(|at| &line[at..]))
        .unwrap_or_else(|| panic!("{output:?}"));
    println!("{directories} directories: {line}");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[1].parse::<u32>().unwrap(), 1_000_001 + directories);
    let kilobytes: u64 = words[3].parse().unwrap();
    assert!(kilobytes * 1024 < 1_000_000_000, "{line}");
}

#[test]
fn root_a_million_files_in_a_thousand_directories() {
    million(1000);
}

#[test]
fn root_a_million_files_in_one_directory() {
    million(1);
}
