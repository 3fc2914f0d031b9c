//! Where things are.

use anyhow::{Context as _, bail};
use lifeboat_drill::lab::Lab;
use std::path::{Path, PathBuf};

/// The top of the checkout.
pub fn top() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The directory that holds the built programs, including this one.
pub fn programs() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("cannot FIND the running program")?;
    Ok(this.parent().unwrap_or(Path::new("/")).to_owned())
}

/// A built program; `make build` makes it.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = programs()?.join(name);
    if !path.is_file() {
        bail!("cannot FIND {}: it is not built; try make build", path.display());
    }
    Ok(path)
}

/// `target/NAME`, made when it is missing.
pub fn scratch(name: &str) -> anyhow::Result<PathBuf> {
    let programs = programs()?;
    let path = programs.parent().unwrap_or(&programs).join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot MAKE {}", path.display()))?;
    Ok(path)
}

/// The lab's scripts, and where its machines are kept, as lab/lib.sh has it.
pub fn lab() -> Lab {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into()));
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home().join(".cache"), PathBuf::from);
    Lab { scripts: top().join("lab"), cache }
}
