//! What is inside a finished image, and why: the images hold a list of reasons ([`crate::system::REASONS`]).

use crate::cpio;
use crate::error::RescueError;
use crate::initramfs::ROOT_SQUASHFS;
use crate::system::{REASONS, TOOLS_REASONS};
use crate::tree::Content;
use lifeboat_sys::program::UNSQUASHFS;
use lifeboat_sys::{Invocation, Runner};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The reason for a file that the list does not name: images of earlier releases have none.
const UNKNOWN: &str = "unknown: the image does not say";
/// A list of reasons is a few hundred KiB; a larger file is not one.
const MOST_REASONS: u64 = 16 << 20;

/// One image and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `initramfs`, `root` (the squashfs inside it) or `tools`.
    pub name: &'static str,
    /// Size of the image itself, in bytes.
    pub size_bytes: u64,
    /// Its files and links; sizes are those before compression.
    pub contents: Vec<Content>,
}

/// Reads an initramfs, and the packed root inside it, which is unpacked to `work` for that.
///
/// # Errors
/// When it is not an initramfs of Lifeboat; when unsquashfs is missing or fails.
pub fn initramfs(path: &Path, work: &Path, runner: &dyn Runner) -> Result<Vec<Image>, RescueError> {
    let file = File::open(path).map_err(RescueError::io("READ", path))?;
    let size_bytes = file.metadata().map_err(RescueError::io("READ", path))?.len();
    let (mut nodes, mut reasons, mut root) = (vec![], String::new(), None);
    let packed = work.join("root.squashfs");
    cpio::read_all(BufReader::with_capacity(1 << 20, file), path, |met, data| {
        if !met.is_file_or_link() {
            return Ok(());
        }
        if met.path == Path::new(REASONS) {
            data.take(MOST_REASONS).read_to_string(&mut reasons)?;
        } else if met.path == Path::new(ROOT_SQUASHFS) {
            let mut out = File::options().write(true).create_new(true).mode(0o600).open(&packed)?;
            std::io::copy(data, &mut out)?;
            root = Some(packed.clone());
        }
        nodes.push((met.path.display().to_string(), met.size_bytes));
        Ok(())
    })?;
    let mut images = vec![Image { name: "initramfs", size_bytes, contents: explained(nodes, &reasons) }];
    if let Some(root) = root {
        images.push(squashfs("root", &root, work, runner)?);
    }
    Ok(images)
}

/// Reads tools.img.
///
/// # Errors
/// When it is not a squashfs; when unsquashfs is missing or fails.
pub fn tools(path: &Path, work: &Path, runner: &dyn Runner) -> Result<Image, RescueError> {
    squashfs("tools", path, work, runner)
}

fn squashfs(name: &'static str, path: &Path, work: &Path, runner: &dyn Runner) -> Result<Image, RescueError> {
    let size_bytes = std::fs::metadata(path).map_err(RescueError::io("READ", path))?.len();
    let list = runner.run(&Invocation::new(UNSQUASHFS).args(["-no-progress", "-lln"]).arg(path))?;
    let target = work.join(name);
    let reasons_at = if name == "tools" { TOOLS_REASONS } else { REASONS };
    let extract = Invocation::new(UNSQUASHFS).args(["-no-progress", "-quiet", "-no-xattrs", "-dest"]).args([
        target.as_path(),
        path,
        Path::new(reasons_at.trim_start_matches('/')),
    ]);
    runner.run(&extract)?;
    let reasons = target.join(reasons_at.trim_start_matches('/'));
    let reasons = match std::fs::read_to_string(&reasons) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(RescueError::io("READ", &reasons)(error)),
    };
    Ok(Image { name, size_bytes, contents: explained(listed(&list.text()), &reasons) })
}

/// Files and links of `unsquashfs -lln`: mode, owner, size, date, time, path below `squashfs-root`.
fn listed(text: &str) -> Vec<(String, u64)> {
    let mut nodes = vec![];
    for line in text.lines() {
        let mut rest = line;
        let mut word = || {
            rest = rest.trim_start();
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after;
            word
        };
        let (mode, _owner, size, _date, _time) = (word(), word(), word(), word(), word());
        let Some(path) = rest.strip_prefix("squashfs-root") else { continue };
        match mode.as_bytes().first() {
            Some(b'-') => nodes.push((path.to_owned(), size.parse().unwrap_or(0))),
            Some(b'l') => nodes.push((path.split(" -> ").next().unwrap_or(path).to_owned(), 0)),
            _ => {}
        }
    }
    nodes
}

fn explained(nodes: Vec<(String, u64)>, reasons: &str) -> Vec<Content> {
    let reasons: BTreeMap<&str, &str> = reasons.lines().filter_map(|line| line.split_once('\t')).collect();
    let why = |path: &str| reasons.get(path).copied().unwrap_or(UNKNOWN).to_owned();
    nodes.into_iter().map(|(path, size_bytes)| Content { why: why(&path), path, size_bytes }).collect()
}

/// The category of a reason, for sums: `library of /usr/bin/less` is a library.
pub fn kind(why: &str) -> &str {
    let ends = [" of /", " needed by ", " wanted by ", " named by ", " ("].iter().filter_map(|part| why.find(part));
    why.get(..ends.min().unwrap_or(why.len())).unwrap_or(why).trim_end_matches(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_unsquashfs() {
        let text = "Parallel unsquashfs: Using 2 processors\n\
                    drwxr-xr-x 0/0               200 1970-01-01 00:00 squashfs-root\n\
                    -rwxr-xr-x 0/0          13422000 1970-01-01 00:00 squashfs-root/usr/bin/lifeboat\n\
                    lrwxrwxrwx 0/0                 7 1970-01-01 00:00 squashfs-root/bin -> usr/bin\n\
                    -rw-r--r-- 0/0                12 1970-01-01 00:00 squashfs-root/etc/a b\n";
        let expected = [("/usr/bin/lifeboat", 13_422_000), ("/bin", 0), ("/etc/a b", 12)];
        assert_eq!(listed(text), expected.map(|(path, size)| (path.to_owned(), size)));
    }

    #[test]
    fn kinds_of_reasons() {
        for (why, expected) in [
            ("library of /usr/bin/less", "library"),
            ("module: network", "module: network"),
            ("module: needed by iw_cm", "module"),
            ("firmware: named by bnx2", "firmware"),
            ("called by lifeboat (udev)", "called by lifeboat"),
            ("expert mode: shell", "expert mode: shell"),
        ] {
            assert_eq!(kind(why), expected);
        }
    }

    #[test]
    fn what_is_no_initramfs_is_reported_to_be_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("initrd.img");
        for bytes in [
            &b"\x1f\x8b compressed by somebody else, and long enough for a header of a hundred and ten bytes \
                       which this text therefore has as well"[..],
            b"070701",
            b"",
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = initramfs(&path, dir.path(), &lifeboat_sys::FakeRunner::new()).unwrap_err().to_string();
            assert!(error.starts_with("cannot READ"), "{error}");
        }
    }
}
