//! Writes an image from files of a folder, for trying boot loaders: `iso SYSROOT LIFEBOAT_FOLDER WORK OUT [MODE]`.
//! The folder becomes /lifeboat on the medium and must hold machine.json and manifest.json.
#![allow(clippy::unwrap_used)]

use lifeboat_machine::{Machine, MediumManifest, Mode};
use lifeboat_media::{MediumInputs, Menu, MenuOptions, write_iso};
use lifeboat_sys::SystemRunner;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sysroot, folder, work, out, mode @ ..] = &arguments[..] else {
        eprintln!("usage: iso SYSROOT LIFEBOAT_FOLDER WORK OUT [MODE]");
        std::process::exit(2);
    };
    let folder = Path::new(folder);
    let machine = Machine::from_json(&std::fs::read(folder.join("machine.json")).unwrap()).unwrap();
    let manifest: MediumManifest =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let files: BTreeMap<String, PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .collect();
    let options = MenuOptions {
        default_mode: mode.first().and_then(|name| Mode::from_name(name)),
        timeout_seconds: Some(1),
        ..MenuOptions::default()
    };
    let inputs = MediumInputs {
        sysroot: Path::new(sysroot),
        work: Path::new(work),
        out: Path::new(out),
        keep_old: false,
        files: &files,
        manifest: &manifest,
        menu: &Menu::new(&machine, &manifest, &options),
        seal: None,
        signing: None,
        progress: &|progress| eprintln!("{progress:?}"),
    };
    match write_iso(&inputs, &SystemRunner) {
        Ok(report) => println!("{report:#?}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
