//! A new kind of device and of content is missed nowhere: each place in model and plan that distinguishes kinds stops
//! compiling until it was thought of.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pure passes; what applies a plan goes by its steps.
const CRATES: [&str; 2] = ["machine", "plan"];
/// Where the new kinds must be thought of: parents, sides that name each other, kinds that are refused, nodes, steps,
/// sizes, identities.
const EXPECTED: [&str; 9] = [
    "crates/machine/src/layout.rs",
    "crates/machine/src/layout/graph.rs",
    "crates/machine/src/layout/validate.rs",
    "crates/plan/src/edit.rs",
    "crates/plan/src/made.rs",
    "crates/plan/src/nodes.rs",
    "crates/plan/src/steps.rs",
    "crates/plan/src/steps/content.rs",
    "crates/plan/src/wipe.rs",
];
/// Rounds of compiling; each crate needs two.
const ROUNDS: usize = 8;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A workspace with copies of the crates alone.
fn workspace() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let manifest = std::fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let all = "members = [\"crates/*\", \"xtask\"]";
    assert!(manifest.contains(all), "the workspace's members are named otherwise now");
    std::fs::write(copy.path().join("Cargo.toml"), manifest.replace(all, "members = [\"crates/*\"]")).unwrap();
    std::fs::copy(top().join("Cargo.lock"), copy.path().join("Cargo.lock")).unwrap();
    std::fs::create_dir(copy.path().join("crates")).unwrap();
    for name in CRATES {
        let (from, to) = (top().join("crates").join(name), copy.path().join("crates"));
        assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
    }
    copy
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} has no {from:?} any more", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// A match that lacks an arm: its file, and where the matched expression ends in it.
type Gap = (String, usize);

/// Compiles; gives the matches that lack an arm, and fails for any other error.
fn gaps(workspace: &Path) -> Vec<Gap> {
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--release", "--keep-going", "--message-format=json", "-p", "lifeboat-plan"])
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-kind"))
        .env_remove("RUSTFLAGS")
        .current_dir(workspace)
        .output()
        .unwrap();
    let mut found = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(error) = message.get("message").filter(|error| error["level"] == "error") else { continue };
        if error["code"].is_null() {
            continue;
        }
        assert_eq!(error["code"]["code"], "E0004", "{}", error["rendered"].as_str().unwrap_or_default());
        let spans = error["spans"].as_array().unwrap();
        let span = spans.iter().find(|span| span["is_primary"] == true).unwrap();
        found.insert((span["file_name"].as_str().unwrap().to_owned(), span["byte_end"].as_u64().unwrap() as usize));
    }
    assert!(output.status.success() || !found.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    found.into_iter().collect()
}

/// Gives a match an arm for everything else.
fn fill(workspace: &Path, gaps: &[Gap]) {
    // From the end of each file, so that places before stay where they are.
    for (file, end) in gaps.iter().rev() {
        let path = workspace.join(file);
        let mut text = std::fs::read_to_string(&path).unwrap();
        let open = end + text[*end..].find('{').unwrap();
        let mut depth = 0;
        let close = text[open..].char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0
        });
        text.insert_str(open + close.unwrap().0, " _ => unreachable!(), ");
        std::fs::write(&path, text).unwrap();
    }
}

#[test]
fn a_new_kind_is_missed_nowhere() {
    let copy = workspace();
    let layout = copy.path().join("crates/machine/src/layout");
    edit(
        &layout.with_extension("rs"),
        "    /// An open LUKS mapping.\n    Crypt(Crypt),\n",
        "    /// An open LUKS mapping.\n    Crypt(Crypt),\n    /// Made of two others.\n    Pair {\n        /// One.\n        first: DeviceId,\n        \
         /// The other.\n        second: DeviceId,\n    },\n",
    );
    edit(
        &layout.join("content.rs"),
        "    /// A part of something that lies on several devices.\n    Member(Member),\n",
        "    /// A part of something that lies on several devices.\n    Member(Member),\n    /// Half of a pair.\n    Half,\n",
    );
    let mut thought_of = BTreeSet::new();
    for round in 0.. {
        assert!(round < ROUNDS, "it does not end");
        let gaps = gaps(copy.path());
        if gaps.is_empty() {
            break;
        }
        thought_of.extend(gaps.iter().map(|(file, _)| file.clone()));
        fill(copy.path(), &gaps);
    }
    for file in EXPECTED {
        assert!(thought_of.contains(file), "{file} compiles without the new kinds; those that did not: {thought_of:?}");
    }
}
