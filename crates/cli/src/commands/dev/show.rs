//! `lifeboat dev show`: what is inside a medium, and why.

use crate::command::DevShowArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::session::Session;
use lifeboat_machine::bytes::human;
use lifeboat_rescue::look::{self, Image};
use lifeboat_rescue::{Content, RescueError};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// A terminal's width, and the width of the columns.
const WIDTH: usize = 80;
const REASON: usize = 27;
const PATH: usize = WIDTH - 10 - 1 - REASON - 2;

/// What is on a medium beside the rescue system's images, by its name below `/lifeboat`.
const ON_MEDIUM: [(&str, &str); 8] = [
    ("kernel", "the machine's own kernel"),
    ("initrd.img", "the rescue system"),
    ("tools.img", "additional tools"),
    ("manifest.json", "binds machine, archive and rescue system"),
    ("machine.json", "describes the machine"),
    ("repo", "the archive"),
    ("repository.key", "the key of the archive"),
    ("RECOVER-BY-HAND.txt", "recovery without Lifeboat"),
];

pub fn run(session: &Session, args: &DevShowArgs) -> CommandResult {
    let work = tempfile::Builder::new().prefix("lifeboat-show-").tempdir()?;
    let images = images(session, &args.what, work.path())?;
    let mut rows: Vec<(&str, &Content)> =
        images.iter().flat_map(|image| image.contents.iter().map(|content| (image.name, content))).collect();
    rows.sort_by(|a, b| b.1.size_bytes.cmp(&a.1.size_bytes).then_with(|| a.1.path.cmp(&b.1.path)));
    for (image, content) in &rows {
        session.reporter.value(&serde_json::json!({
            "image": image, "path": content.path, "size_bytes": content.size_bytes, "why": content.why,
        }));
        session.reporter.line(match args.wide {
            true => format!("{:>10} {}  {}", human(content.size_bytes), content.path, content.why),
            false => row(content),
        });
    }
    let mut kinds: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for (_, content) in &rows {
        let sum = kinds.entry(look::kind(&content.why)).or_default();
        *sum = (sum.0 + 1, sum.1 + content.size_bytes);
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (_, bytes))| std::cmp::Reverse(*bytes));
    session.reporter.line("");
    for (kind, (files, bytes)) in kinds {
        session.reporter.value(&serde_json::json!({"kind": kind, "files": files, "size_bytes": bytes}));
        session.reporter.line(format!("{:>10} {files:>6} files  {}", human(bytes), end_of(kind, 55)));
    }
    session.reporter.line("");
    for image in &images {
        let unpacked: u64 = image.contents.iter().map(|content| content.size_bytes).sum();
        let (name, files) = (image.name, image.contents.len());
        session.reporter.value(&serde_json::json!({
            "total": name, "files": files, "size_bytes": unpacked, "image_bytes": image.size_bytes,
        }));
        session.reporter.line(format!(
            "{:>10} {files:>6} files  in {name}, which itself has {}",
            human(unpacked),
            human(image.size_bytes)
        ));
    }
    Ok(())
}

/// One line of at most [`WIDTH`] columns: the end of long paths, the beginning of long reasons.
fn row(content: &Content) -> String {
    let why = match content.why.chars().count() {
        0..=REASON => content.why.clone(),
        _ => content.why.chars().take(REASON - 1).chain(['…']).collect(),
    };
    format!("{:>10} {why:<REASON$}  {}", human(content.size_bytes), end_of(&content.path, PATH))
}

fn end_of(text: &str, width: usize) -> String {
    match text.chars().count() {
        count if count <= width => text.to_owned(),
        count => std::iter::once('…').chain(text.chars().skip(count - width + 1)).collect(),
    }
}

/// What the path turns out to be, opened.
fn images(session: &Session, path: &Path, work: &Path) -> Result<Vec<Image>, CommandError> {
    let metadata = std::fs::metadata(path).map_err(|source| io("READ", path, source))?;
    if metadata.is_dir() {
        return medium(session, path, work);
    }
    if !metadata.is_file() && !metadata.file_type().is_block_device() {
        return Err(CommandError::usage(format!("{}: not a folder, a file or a device", path.display())));
    }
    let mut magic = [0; 6];
    let read = std::fs::File::open(path).and_then(|file| file.take(6).read(&mut magic));
    read.map_err(|source| io("READ", path, source))?;
    // An initramfs begins with a cpio archive, plain, or packed with zstd or gzip.
    if [&b"070701"[..], b"\x28\xb5\x2f\xfd", b"\x1f\x8b"].iter().any(|begin| magic.starts_with(begin)) {
        return Ok(look::initramfs(path, work, &session.runner)?);
    }
    if magic.starts_with(b"hsqs") {
        return Ok(vec![look::tools(path, work, &session.runner)?]);
    }
    let mounted = Mounted(work.join("medium"));
    std::fs::create_dir(&mounted.0)?;
    let _ending = lifeboat_sys::ending::register_mount(mounted.0.clone(), work.to_owned());
    lifeboat_restore::on_disk::mount(path, &mounted.0, &session.runner).map_err(|error| {
        CommandError::new(Kind::Failed, error.to_string())
            .hint("the image or device of a medium, as root; or a mounted medium; or its lifeboat/initrd.img")
    })?;
    medium(session, &mounted.0, work)
}

/// A mounted medium.
fn medium(session: &Session, mount_point: &Path, work: &Path) -> Result<Vec<Image>, CommandError> {
    let lifeboat = mount_point.join("lifeboat");
    if !lifeboat.join("initrd.img").is_file() {
        let text = format!("{}: there is no lifeboat/initrd.img, so it is not a medium", mount_point.display());
        return Err(CommandError::usage(text));
    }
    let mut contents = Vec::new();
    for top in list(mount_point)? {
        let parts = if top == lifeboat { list(&lifeboat)? } else { vec![top.clone()] };
        for part in parts {
            let name = part.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let known = ON_MEDIUM.iter().find(|(known, _)| top == lifeboat && *known == name);
            contents.push(Content {
                path: format!("/{}", part.strip_prefix(mount_point).unwrap_or(&part).display()),
                size_bytes: size(&part)?,
                why: known.map_or("boot loader and its menu", |(_, why)| why).to_owned(),
            });
        }
    }
    let size_bytes = contents.iter().map(|content| content.size_bytes).sum();
    let mut images = vec![Image { name: "medium", size_bytes, contents }];
    images.extend(look::initramfs(&lifeboat.join("initrd.img"), work, &session.runner)?);
    let tools = lifeboat.join("tools.img");
    if tools.is_file() {
        images.push(look::tools(&tools, work, &session.runner)?);
    }
    Ok(images)
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let entries = std::fs::read_dir(directory).map_err(|source| io("READ", directory, source))?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|source| io("READ", directory, source))?;
    paths.sort();
    Ok(paths)
}

/// Bytes of a file, or of everything below a directory.
fn size(path: &Path) -> Result<u64, CommandError> {
    let metadata = path.symlink_metadata().map_err(|source| io("READ", path, source))?;
    match metadata.is_dir() {
        true => list(path)?.iter().map(|path| size(path)).sum(),
        false => Ok(metadata.len()),
    }
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> CommandError {
    RescueError::Io { action, path: path.to_owned(), source }.into()
}

/// A medium that is unmounted on drop.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // A mount that never happened is not a failure, and nothing could be done about a real one.
        let _ = lifeboat_sys::mount::unmount(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fit_a_terminal() {
        let content = |path: &str, why: &str| Content { path: path.into(), size_bytes: 13_422_000, why: why.into() };
        let long = "/usr/lib/modules/6.1.0-50-amd64/kernel/drivers/net/ethernet/mellanox/mlx5/core/mlx5_core.ko";
        let row_of = |path: &str, why: &str| row(&content(path, why));
        let cut = row_of(long, "library of /usr/lib/x86_64-linux-gnu/libproc2.so.0.0.1");
        assert_eq!(cut.chars().count(), WIDTH, "{cut}");
        assert!(cut.ends_with("mlx5_core.ko") && cut.contains("library of /usr/lib/x86"), "{cut}");
        assert_eq!(row_of("/init", "short"), format!("  12.8 MiB {:<27}  /init", "short"));
    }
}
