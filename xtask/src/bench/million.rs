//! A million empty files: how much memory and time a backup of them takes.

use super::disk::Fresh;
use super::measure::Call;
use super::report::Million;
use super::tree;
use crate::workspace;
use anyhow::{Context as _, bail};
use std::fs::File;
use std::path::Path;

const FILES: u64 = 1_000_000;
const DIRECTORIES: u64 = 1_000;

/// Makes the files in memory, backs them up, and checks that all of them were.
pub fn measure(directory: &Path) -> anyhow::Result<Million> {
    let work = directory.join("million");
    super::folder::empty(&work)?;
    let fresh = Fresh::memory(&work)?;
    let files = fresh.folder()?;
    for number in 0..DIRECTORIES {
        let folder = files.join(number.to_string());
        std::fs::create_dir(&folder).with_context(|| format!("cannot MAKE {}", folder.display()))?;
        for number in 0..FILES / DIRECTORIES {
            let path = folder.join(format!("an-empty-file-{number}"));
            File::create(&path).with_context(|| format!("cannot MAKE {}", path.display()))?;
        }
    }
    let description = work.join("machine.json");
    std::fs::write(&description, tree::machine(&files)?.to_json())?;
    let (key, log) = (work.join("key"), directory.join("million.log"));
    let lifeboat = |words: &[&str]| -> anyhow::Result<Call> {
        Ok(Call::new(workspace::program("lifeboat")?).args(words).args(["--key-file".as_ref(), key.as_os_str()]))
    };
    lifeboat(&["key", "create"])?.measure(&log)?;
    let measured = lifeboat(&["--json", "backup", "--init"])?
        .args(["--to".as_ref(), work.join("repository").as_os_str()])
        .args(["--sysroot".as_ref(), files.as_os_str(), "--machine".as_ref(), description.as_os_str()])
        .measure(&log)?;
    let reported = std::fs::read_to_string(&log).with_context(|| format!("cannot READ {}", log.display()))?;
    let values = reported.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let entries = values.filter(|value| value.get("snapshot").is_some()).find_map(|value| value["entries"].as_u64());
    // With the root directory.
    if entries != Some(FILES + DIRECTORIES + 1) {
        bail!("the backup of {FILES} files has {entries:?} entries");
    }
    println!(
        "lifeboat  1,000,000 files {:>6.2} s {:>6.0} MiB",
        measured.seconds,
        measured.peak_memory_bytes as f64 / (1024.0 * 1024.0)
    );
    drop(fresh);
    std::fs::remove_dir_all(&work).with_context(|| format!("cannot REMOVE {}", work.display()))?;
    Ok(Million { seconds: measured.seconds, peak_memory_bytes: measured.peak_memory_bytes })
}
