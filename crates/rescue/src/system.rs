//! [`build`]: from a root filesystem to the parts of a rescue system.

use crate::closure::check_closure;
use crate::error::RescueError;
use crate::etc;
use crate::firmware;
use crate::gather::Gatherer;
use crate::inputs::{Compression, Inputs};
use crate::kernel::Kernel;
use crate::modules::{self, Place};
use crate::packing::Packing;
use crate::squashfs;
use crate::sysroot::Sysroot;
use crate::tools;
use crate::tree::{Content, FileContent, Tree};
use lifeboat_sys::Runner;
use lifeboat_sys::modules::Index;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Where `lifeboat` is in the rescue system.
pub const LIFEBOAT: &str = "/usr/bin/lifeboat";
/// The name of `lifeboat-init` in the rescue system, a link to [`EARLY_INIT`].
pub const INIT: &str = "/usr/bin/lifeboat-init";
/// Where `lifeboat-init` is, once: init makes this directory of the initramfs visible in its root as well. `/init` is a link.
pub const EARLY_INIT: &str = "/lifeboat/init";
/// Where the root and the initramfs say why each file is there.
pub const REASONS: &str = "/lifeboat/contents";
/// Where tools.img says so.
pub const TOOLS_REASONS: &str = "/usr/lib/lifeboat/tools-contents";
/// Modules that init loads before the root, and `early.list` with their order.
pub const EARLY_DIRECTORY: &str = "/lifeboat/modules";

/// The root of the rescue system.
#[derive(Clone, Debug)]
pub enum Root {
    /// A squashfs, stored in the initramfs as /lifeboat/root.squashfs.
    Squashfs(PathBuf),
    /// The same files, in the initramfs itself: the kernel cannot mount a squashfs.
    Cpio(Tree),
}

/// The parts of a rescue system; [`crate::write_initramfs`] assembles them.
#[derive(Clone, Debug)]
pub struct RescueSystem {
    /// Release of its kernel.
    pub kernel_release: String,
    /// Bootable image of its kernel, in the root filesystem.
    pub kernel: PathBuf,
    /// Its root.
    pub root: Root,
    /// What the initramfs holds beside it.
    pub early: Tree,
    /// How that is packed.
    pub packing: Packing,
    /// Names of the modules that init loads before the root, in order.
    pub early_modules: Vec<String>,
    /// The image of additional tools, when there are some.
    pub tools: Option<PathBuf>,
    /// Every file of the root, with size and reason.
    pub contents: Vec<Content>,
    /// Every file of tools.img.
    pub tools_contents: Vec<Content>,
    /// What a person should know: programs that were left out.
    pub warnings: Vec<String>,
}

/// Builds the parts of a rescue system in `inputs.work`: `root.squashfs` and perhaps `tools.img`, mode 0600.
///
/// # Errors
/// [`RescueError`] with what is missing and which package has it.
pub fn build(inputs: &Inputs, runner: &dyn Runner) -> Result<RescueSystem, RescueError> {
    let sysroot = Sysroot::new(&inputs.sysroot);
    let host = Sysroot::new("/");
    let kernel = Kernel::find(&sysroot, inputs.kernel_release.as_deref())?;
    let index = Index::read(&sysroot.outside(&kernel.modules)).map_err(|error| RescueError::Io {
        action: "READ",
        path: error.path,
        source: error.source,
    })?;
    make_private(&inputs.work)?;

    let mut gatherer = Gatherer::new(&sysroot, &host)?;
    etc::add(&mut gatherer.tree, &sysroot)?;
    etc::authorized_keys(&mut gatherer.tree, &sysroot, &inputs.authorized_keys)?;
    gatherer.own_program(&inputs.lifeboat, Path::new(LIFEBOAT), "lifeboat")?;
    gatherer.own_libraries(&inputs.init, Path::new(INIT))?;
    gatherer.tree.link(Path::new(INIT), Path::new(EARLY_INIT), "lifeboat");
    let heavy = gatherer.programs(Place::Root)?;
    gatherer.shell()?;
    gatherer.udev()?;
    gatherer.character_sets()?;
    let (mut tree, mut warnings) = (gatherer.tree, gatherer.warnings);

    let selection = modules::select(&index, &kernel.release, Some(Place::Root), &[])?;
    modules::add_files(&mut tree, &sysroot, &kernel, &index, &selection)?;
    modules::add_indexes(&mut tree, &sysroot, &kernel, &index, &selection)?;

    let (mut tools, more) = tools::gather(inputs, (&sysroot, &host), &kernel, &index, selection, &heavy)?;
    warnings.extend(more);
    if inputs.with_firmware && !sysroot.list(Path::new("/lib/firmware"))?.is_empty() {
        for (name, (place, module)) in firmware::wanted(&tree, &tools, &sysroot, &kernel)? {
            let target = if place == Place::Root { &mut tree } else { &mut tools };
            firmware::add(target, &sysroot, &kernel.release, &name, &format!("firmware: named by {module}"))?;
        }
    }
    tools::settle(&mut tools, &mut tree);
    tree.add_reasons(REASONS);
    if !tools.is_empty() {
        tools.add_reasons(TOOLS_REASONS);
    }

    let early_modules = modules::early(&index).filter(|_| kernel.has_squashfs());
    let early = early_tree(inputs, (&sysroot, &host), &kernel, &index, early_modules.as_deref().unwrap_or(&[]))?;

    let staging = inputs.work.join("root");
    let contents = stage(&tree, &staging)?;
    refuse_missing(&staging)?;
    let packing = kernel.initramfs_packing();
    let root = if early_modules.is_some() {
        let image = inputs.work.join("root.squashfs");
        squashfs::pack(&staging, &image, kernel.squashfs_compressor(), inputs.compression, runner)?;
        Root::Squashfs(image)
    } else {
        warnings.push(format!(
            "kernel {} cannot mount a squashfs: the initramfs holds the files themselves and needs more memory",
            kernel.release
        ));
        Root::Cpio(tree)
    };
    remove(&staging)?;

    // A kernel that cannot mount one squashfs cannot mount the other.
    let (tools, tools_contents) = match (tools.is_empty(), &root) {
        (true, _) | (_, Root::Cpio(_)) => (None, vec![]),
        (false, Root::Squashfs(_)) => {
            let staging = inputs.work.join("tools");
            let contents = stage(&tools, &staging)?;
            let image = inputs.work.join("tools.img");
            let compression = Compression { level: inputs.compression.level.min(3), ..inputs.compression };
            squashfs::pack(&staging, &image, kernel.squashfs_compressor(), compression, runner)?;
            remove(&staging)?;
            (Some(image), contents)
        }
    };
    Ok(RescueSystem {
        kernel_release: kernel.release,
        kernel: kernel.image,
        root,
        early,
        packing,
        early_modules: early_modules.unwrap_or_default(),
        tools,
        contents,
        tools_contents,
        warnings,
    })
}

/// `/init` with its libraries, and the modules before the root.
fn early_tree(
    inputs: &Inputs,
    (sysroot, host): (&Sysroot, &Sysroot),
    kernel: &Kernel,
    index: &Index,
    early: &[String],
) -> Result<Tree, RescueError> {
    let mut gatherer = Gatherer::new(sysroot, host)?;
    gatherer.own_program(&inputs.init, Path::new(EARLY_INIT), "the kernel starts it")?;
    let mut tree = gatherer.tree;
    tree.link(Path::new("/init"), Path::new(EARLY_INIT), "the kernel starts it");
    for path in ["/dev", "/proc", "/sys", "/run", "/tmp", "/lifeboat"] {
        tree.directory(Path::new(path), 0o755, "directory");
    }
    let mut list = String::new();
    for name in early {
        let Some(path) = modules::path_of(index, name) else { continue };
        let Some((_, outside)) = sysroot.file(&kernel.modules.join(path))? else {
            return Err(RescueError::Module { name: name.clone(), release: kernel.release.clone() });
        };
        list.push_str(&format!("{name}.ko\n"));
        let target = Path::new(EARLY_DIRECTORY).join(format!("{name}.ko"));
        tree.file(&target, FileContent::Packed(outside), 0o644, "needed before the root is mounted");
    }
    tree.text(&format!("{EARLY_DIRECTORY}/early.list"), list, "the order of the modules before the root");
    Ok(tree)
}

fn stage(tree: &Tree, staging: &Path) -> Result<Vec<Content>, RescueError> {
    // What an earlier, interrupted build left.
    remove(staging)?;
    tree.write_to(staging)
}

fn remove(staging: &Path) -> Result<(), RescueError> {
    match std::fs::remove_dir_all(staging) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(RescueError::io("REMOVE", staging)(e)),
        _ => Ok(()),
    }
}

fn refuse_missing(staging: &Path) -> Result<(), RescueError> {
    match check_closure(staging)?.into_iter().next() {
        Some(missing) => Err(RescueError::Library { library: missing.library, file: missing.file }),
        None => Ok(()),
    }
}

fn make_private(directory: &Path) -> Result<(), RescueError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(RescueError::io("MAKE", directory))
}
