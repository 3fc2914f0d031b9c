//! [`write_initramfs`]: init, the first modules, what the caller embeds, and the packed root.
//!
//! Two archives in sequence (Documentation/driver-api/early-userspace/buffer-format.rst): init with its
//! libraries and modules, compressed if the kernel can, because firmware loads a few megabytes a second from some media;
//! and a plain one with the rest, nearly all of which is the packed root, so the kernel unpacks it by copying. For a
//! kernel that cannot unpack it, both are one.

use crate::cpio::Writer;
use crate::error::RescueError;
use crate::packing::Packing;
use crate::system::{REASONS, RescueSystem, Root};
use crate::tree::{Content, FileContent, Node, Tree, read_source};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Where the packed root is in the initramfs.
pub const ROOT_SQUASHFS: &str = "/lifeboat/root.squashfs";

/// For the few megabytes of the first archive the best level takes about a second.
const ZSTD_LEVEL: i32 = 19;
/// An archive begins on a multiple of this; the kernel skips the zeros before it.
const SECTOR: usize = 512;

/// A file that the caller puts into the initramfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// Its path without leading slash: `lifeboat/machine.json`.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initramfs {
    /// Size in bytes.
    pub size_bytes: u64,
    /// Its files; those of a packed root are in [`RescueSystem::contents`].
    pub contents: Vec<Content>,
}

/// Writes the initramfs to `out`, mode 0600. Equal inputs give equal bytes.
///
/// # Errors
/// When a part cannot be read or the file cannot be written.
pub fn write_initramfs(system: &RescueSystem, embedded: &[Embedded], out: &Path) -> Result<Initramfs, RescueError> {
    let mut tree = match &system.root {
        Root::Squashfs(_) => Tree::default(),
        Root::Cpio(root) => root.clone(),
    };
    for (path, node, why) in system.early.iter() {
        tree.put(path, node.clone(), why);
    }
    for file in embedded {
        let path = Path::new("/").join(&file.path);
        tree.file(&path, FileContent::Bytes(file.bytes.clone()), file.mode, "embedded");
    }
    if let Root::Squashfs(image) = &system.root {
        tree.file(Path::new(ROOT_SQUASHFS), FileContent::File(image.clone()), 0o600, "the root of the rescue system");
    }
    tree.add_reasons(REASONS);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(out)
        .map_err(RescueError::io("WRITE", out))?;
    let mut out_file = BufWriter::with_capacity(1 << 20, file);
    let first = |path: &Path| {
        system.packing != Packing::Plain
            && matches!(system.root, Root::Squashfs(_))
            && (path == Path::new("/dev") || system.early.contains(path))
    };
    let mut contents = Vec::new();
    let mut packed = Vec::new();
    if first(Path::new("/dev")) {
        let mut writer = Writer::new(Vec::new());
        write_nodes(&mut writer, &tree, first, &mut contents)?;
        packed = pack(&writer.finish()?.0, system.packing).map_err(RescueError::io("WRITE", out))?;
        packed.resize(packed.len().next_multiple_of(SECTOR), 0);
        out_file.write_all(&packed).map_err(RescueError::io("WRITE", out))?;
    }
    let mut writer = Writer::new(out_file);
    write_nodes(&mut writer, &tree, |path| !first(path), &mut contents)?;
    let (output, size) = writer.finish()?;
    let file = output.into_inner().map_err(|e| RescueError::io("WRITE", out)(e.into_error()))?;
    file.sync_all().map_err(RescueError::io("WRITE", out))?;
    Ok(Initramfs { size_bytes: packed.len() as u64 + size, contents })
}

fn pack(archive: &[u8], packing: Packing) -> std::io::Result<Vec<u8>> {
    match packing {
        Packing::Plain => Ok(archive.to_vec()),
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(archive)?;
            encoder.finish()
        }
        Packing::Zstd => zstd::encode_all(archive, ZSTD_LEVEL),
    }
}

fn write_nodes<W: Write>(
    writer: &mut Writer<W>,
    tree: &Tree,
    wanted: impl Fn(&Path) -> bool,
    contents: &mut Vec<Content>,
) -> Result<(), RescueError> {
    if wanted(Path::new("/dev")) {
        // Without /dev/console the kernel starts init without standard streams (init/main.c, console_on_rootfs).
        writer.directory(Path::new("/dev"), 0o755)?;
        writer.character_device(Path::new("/dev/console"), 0o600, (5, 1))?;
    }
    for (path, node, why) in tree.iter().filter(|(path, ..)| *path != Path::new("/dev") && wanted(path)) {
        let size_bytes = match node {
            Node::Directory { mode } => writer.directory(path, *mode).map(|()| 0)?,
            Node::Link { target } => writer.symlink(path, target).map(|()| 0)?,
            Node::File { source, mode } => write_file(writer, path, *mode, source)?,
        };
        contents.push(Content { path: path.display().to_string(), size_bytes, why: why.to_owned() });
    }
    Ok(())
}

fn write_file<W: Write>(
    writer: &mut Writer<W>,
    path: &Path,
    mode: u32,
    source: &FileContent,
) -> Result<u64, RescueError> {
    match source {
        FileContent::File(outside) => {
            let file = File::open(outside).map_err(RescueError::io("READ", outside))?;
            let size = file.metadata().map_err(RescueError::io("READ", outside))?.len();
            writer.file(path, mode, size, file)?;
            Ok(size)
        }
        FileContent::Packed(_) | FileContent::Bytes(_) => {
            let bytes = read_source(source)?;
            writer.file(path, mode, bytes.len() as u64, &bytes[..])?;
            Ok(bytes.len() as u64)
        }
    }
}
