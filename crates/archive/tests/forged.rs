//! Who may write to the store, and owns a file on the machine, chooses a text that is encrypted with the repository's key, and may
//! put its encrypted bytes wherever he likes. The key's owner takes none of them for a snapshot, an index or a config.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{backup, files_below, repository, restic, scratch};
use lifeboat_archive::{FileTree, Repository, Secret};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn json(location: &Path, key: &Secret, arguments: &[&str]) -> Value {
    let (well, reported) = restic(location, key, &[&["--no-lock", "--quiet"], arguments].concat());
    assert!(well, "{reported}");
    serde_json::from_str(&reported).unwrap()
}

/// The encrypted bytes of a blob of this content.
fn sealed(location: &Path, key: &Secret, content: &[u8]) -> Vec<u8> {
    let id = hex(&Sha256::digest(content));
    for index in files_below(&location.join("index")) {
        let name = index.file_name().unwrap().to_str().unwrap().to_owned();
        for pack in json(location, key, &["cat", "index", &name])["packs"].as_array().unwrap() {
            let found = pack["blobs"].as_array().unwrap().iter().find(|blob| blob["id"] == id);
            if let Some(blob) = found {
                let name = pack["id"].as_str().unwrap();
                let bytes = std::fs::read(location.join("data").join(&name[..2]).join(name)).unwrap();
                let [offset, length] = ["offset", "length"].map(|what| blob[what].as_u64().unwrap() as usize);
                return bytes[offset..offset + length].to_vec();
            }
        }
    }
    panic!("no blob {id}");
}

#[test]
fn what_a_user_saves_passes_for_nothing_else() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("file"), "content").unwrap();
    let location = scratch.path().join("repository");
    let (first, key) = repository(&location);
    backup(&first, &FileTree::new(&tree));
    let name = first.find_snapshot("latest").unwrap().id;
    let mut snapshot = json(&location, &key, &["cat", "snapshot", &name]);
    snapshot["hostname"] = "forged".into();
    let config = json(&location, &key, &["cat", "config"]);
    // As the repository writes such texts, and as older ones have them; frames and random digits do not get smaller.
    let packed = |text: &Value| [&[2][..], &zstd::bulk::compress(text.to_string().as_bytes(), 19).unwrap()].concat();
    let plain = br#"{"a":1}"#.to_vec();
    let texts = [packed(&snapshot), packed(&config), packed(&serde_json::json!({"packs": []})), plain];
    for (number, text) in texts.iter().enumerate() {
        std::fs::write(tree.join(format!("chosen-{number}")), text).unwrap();
    }
    backup(&first, &FileTree::new(&tree));
    let sealed: Vec<Vec<u8>> = texts.iter().map(|text| sealed(&location, &key, text)).collect();
    let places = sealed.iter().flat_map(|bytes| {
        let name = hex(&Sha256::digest(bytes));
        ["snapshots", "index"].map(|directory| (location.join(directory).join(&name), bytes))
    });
    let places: Vec<(PathBuf, &Vec<u8>)> = places.collect();
    places.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    let opened = Repository::open(&location, &key).unwrap();
    let (snapshots, unreadable) = opened.list_snapshots().unwrap();
    assert!(snapshots.iter().all(|snapshot| snapshot.host == "test"), "{snapshots:?}");
    assert_eq!((snapshots.len(), unreadable.len()), (2, texts.len()));
    assert!(unreadable.iter().all(|one| one.cause.contains("its encoding is unknown")), "{unreadable:?}");
    // Nor does restic, and it reads how the contents are stored.
    let (_, reported) = restic(&location, &key, &["--no-lock", "snapshots"]);
    assert!(!reported.contains("forged"), "{reported}");
    places.iter().for_each(|(path, _)| std::fs::remove_file(path).unwrap());
    let config = std::fs::read(location.join("config")).unwrap();
    std::fs::write(location.join("config"), &sealed[1]).unwrap();
    let (well, reported) = restic(&location, &key, &["--no-lock", "cat", "config"]);
    assert!(!well, "{reported}");
    std::fs::write(location.join("config"), config).unwrap();
    let (well, reported) = restic(&location, &key, &["check", "--read-data"]);
    assert!(well, "{reported}");
}
