//! The rescue system of a usual server: small enough, and every file of it has its reason. Unpacks the lab's `demo` root,
//! which is made on the first run, and needs root for that.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Most bytes of an initramfs: firmware loads it at a few MB a second from some media.
const MOST_BYTES: u64 = 64_000_000;

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn values(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn root_a_server_has_a_small_initramfs_and_each_file_its_reason() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let archive = output(Command::new(top.join("lab/root.sh")).arg("demo"));
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let (tree, out) = (dir.path().join("tree"), dir.path().join("out"));
    std::fs::create_dir(&tree).unwrap();
    // What no rescue system takes is left out to save time.
    let bulk = ["./dev", "./usr/share/doc", "./usr/share/man", "./usr/lib/gcc", "./usr/include", "./var"];
    output(
        Command::new("tar")
            .args(bulk.map(|path| format!("--exclude={path}")))
            .args(["-C".as_ref(), tree.as_os_str()])
            .args(["-xf", archive.trim()]),
    );
    let lifeboat = || Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    let built = output(lifeboat().args(["dev", "image", "--json", "--out"]).arg(&out).arg("--sysroot").arg(&tree));
    let bytes = values(&built).iter().find_map(|value| value["initramfs_bytes"].as_u64()).unwrap();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes: `lifeboat dev show` says what is in it");

    let shown = values(&output(lifeboat().args(["dev", "show", "--json"]).arg(out.join("initrd.img"))));
    let files: BTreeMap<&str, &str> =
        shown.iter().filter_map(|value| Some((value["path"].as_str()?, value["why"].as_str()?))).collect();
    let unknown: Vec<_> = files.iter().filter(|(_, why)| why.starts_with("unknown")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let names: BTreeSet<&str> = files.keys().filter_map(|path| path.rsplit('/').next()).collect();
    for name in ["ps", "less", "nano", "ip", "init", "lifeboat", "sfdisk", "e2fsck", "udevadm"] {
        assert!(names.contains(name), "{name} is not in the initramfs");
    }
    assert!(!names.contains("systemctl") && !names.contains("libicudata.so.72"));

    let text = output(lifeboat().args(["dev", "show"]).arg(out.join("work/tools.img")));
    for name in ["vim.nox", "xfs_repair"] {
        assert!(text.contains(name), "{name}, which only a person calls, is in tools.img");
    }
    let long: Vec<_> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(long.is_empty(), "{long:?}");
}
