//! The boot tree: `DIR/boot` at `/boot/…`, for everybody, read-only.
//!
//! GRUB's signed network image asks for `/grub/grub.cfg` of the server's root, wherever it came from itself; so `/grub/…` is `DIR/boot/grub`.
//! Firmware asks by HEAD before each GET, and wants the length.
//!
//! A rescue system says `POST /boot/machines/NAME/done`, with a secret that it was given, when the machine was recovered: then the machine is
//! not recovered again at its next start.

use crate::answer::{Answer, Refusal, done, file};
use crate::arriving::Arriving;
use crate::folder::{Folder, Known};
use crate::path::LONGEST_PATH;
use crate::place::blocking;
use crate::room::BOOT;
use hyper::body::Incoming;
use hyper::{Method, Request};
use lifeboat_machine::netboot::{ARMED, DONE, ENTRY, Entry, LONGEST_SECRET, MACHINES, is_folder};
use rustix::fs::AtFlags;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _};
use std::time::Duration;

/// Methods.
pub const METHODS: &[&str] = &["GET", "HEAD"];
/// Methods of [`DONE`].
const POST: &[&str] = &["POST"];
/// An entry is no larger, in bytes.
const LARGEST_ENTRY: u64 = 1 << 20;
/// How long its secret may take to come.
const PATIENCE: Duration = Duration::from_secs(3);

const NOT_THERE: Refusal = Refusal::Missing("there is no such file in the boot tree");

/// Answers a request for a path that begins with `/boot/` or `/grub/`.
///
/// # Errors
/// [`Refusal`].
pub async fn answer(root: &Folder, request: &mut Request<Incoming>) -> Result<Answer, Refusal> {
    if let Some(machine) = done_machine(request.uri().path()) {
        return disarm(root, machine, request).await;
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Refusal::Method(METHODS));
    }
    let Some(below) = below(request.uri().path()) else { return Err(NOT_THERE) };
    let (root, wanted) = (root.clone(), below.clone());
    let opened = blocking(move || Ok(open_file(&root, &wanted)?));
    match opened.await {
        Ok((opened, known)) => Ok(file(request.method(), request.headers(), opened, known)),
        Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
            // XDEV: a link leads out of the tree (openat2(2), RESOLVE_BENEATH).
            Some(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::LOOP
                | Errno::XDEV
                | Errno::ISDIR
                | Errno::NXIO
                | Errno::NAMETOOLONG,
            ) => Err(NOT_THERE),
            _ => Err(Refusal::system("READ", format!("{BOOT}/{below}"), error)),
        },
    }
}

/// The machine of a path `/boot/machines/NAME/done`.
pub(crate) fn done_machine(path: &str) -> Option<String> {
    let below = below(path)?;
    match below.split('/').collect::<Vec<_>>().as_slice() {
        [machines, name, last] if *machines == MACHINES && *last == DONE && is_folder(name) => Some((*name).to_owned()),
        _ => None,
    }
}

/// Takes the sign away by which a machine is recovered without a question, if the secret fits.
async fn disarm(root: &Folder, machine: String, request: &mut Request<Incoming>) -> Result<Answer, Refusal> {
    if request.method() != Method::POST {
        return Err(Refusal::Method(POST));
    }
    let secret = Arriving::new(request.body_mut(), LONGEST_SECRET, PATIENCE).whole().await?;
    let root = root.clone();
    let what = format!("{BOOT}/{MACHINES}/{machine}");
    let disarmed = blocking(move || {
        let folder = root.enter([BOOT, MACHINES, machine.as_str()])?;
        let entry = entry(&folder)?;
        let expected = blake3::Hash::from_hex(&entry.done_blake3);
        // Compared in constant time.
        if !expected.is_ok_and(|expected| expected == blake3::hash(&secret)) {
            return Ok(false);
        }
        match rustix::fs::unlinkat(folder.held(), ARMED, AtFlags::empty()) {
            Err(Errno::NOENT) => {}
            removed => {
                removed?;
                folder.sync()?;
                tracing::info!("{} was recovered; it starts from its own disk again", entry.machine_name);
            }
        }
        Ok(true)
    });
    match disarmed.await {
        Ok(true) => Ok(done()),
        Ok(false) => Err(Refusal::Forbidden("this is not the secret of the rescue system in the boot tree".to_owned())),
        Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Err(NOT_THERE),
            _ => Err(Refusal::system("CHANGE", what, error)),
        },
    }
}

/// Reads the entry of a machine in its folder.
pub(crate) fn entry(folder: &Folder) -> io::Result<Entry> {
    let (file, _) = folder.open(ENTRY)?;
    let mut json = vec![];
    file.take(LARGEST_ENTRY).read_to_end(&mut json)?;
    Entry::from_json(&json).map_err(io::Error::other)
}

/// Opens a regular file of the tree. The tree is opened anew each time: one that is exchanged as a whole is another folder.
pub(crate) fn open_file(root: &Folder, path: &str) -> Result<(File, Known), Errno> {
    let opened = open(&root.enter([BOOT])?, path)?;
    let status = rustix::fs::fstat(&opened)?;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => Ok((opened, status.into())),
        _ => Err(Errno::NOENT),
    }
}

/// Links inside the tree are followed, those out of it are not.
fn open(tree: &Folder, path: &str) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(tree.held(), path, flags, Mode::empty(), resolve) {
        // Kernels before 5.6, and sandboxes that do not know the call: no link is followed at all.
        Err(Errno::NOSYS | Errno::PERM) => {
            let (folders, name) = path.rsplit_once('/').map_or((None, path), |(folders, name)| (Some(folders), name));
            let folder = tree.enter(folders.into_iter().flat_map(|folders| folders.split('/')))?;
            folder.open(name).map(|(file, _)| file)
        }
        opened => opened.map(File::from),
    }
}

/// The path below the tree of a request's path: decoded once, without empty and dotted components.
pub(crate) fn below(path: &str) -> Option<String> {
    if path.len() > LONGEST_PATH {
        return None;
    }
    let decoded = decode(path)?;
    match decoded.strip_prefix("/boot/") {
        Some(below) => below_tree(below),
        None => below_tree(decoded.strip_prefix('/').filter(|rest| rest.starts_with("grub/"))?),
    }
}

/// A path in the tree, as TFTP names it: with or without a slash before it.
pub(crate) fn below_tree(path: &str) -> Option<String> {
    if path.len() > LONGEST_PATH || path.chars().any(char::is_control) {
        return None;
    }
    // GRUB and iPXE put paths together with two slashes at times.
    let components: Vec<&str> = path.split('/').filter(|component| !component.is_empty()).collect();
    let is_plain = !components.is_empty() && !components.iter().any(|component| matches!(*component, "." | ".."));
    (is_plain && !path.ends_with('/')).then(|| components.join("/"))
}

/// Decodes `%41`; `None` for what is no text or holds control characters.
fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(match byte {
            b'%' => digit(rest.next())? << 4 | digit(rest.next())?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_tree() {
        for (path, expected) in [
            ("/boot/vmlinuz", Some("vmlinuz")),
            ("/boot//a//b", Some("a/b")),
            ("/boot/a%20b%2fc", Some("a b/c")),
            ("/boot/...", Some("...")),
            ("/grub/grub.cfg", Some("grub/grub.cfg")),
            ("/boot/grub/x86_64-efi/command.lst", Some("grub/x86_64-efi/command.lst")),
            ("/boot/", None),
            ("/boot/a/", None),
            ("/boot/../serve.toml", None),
            ("/boot/%2e%2e/serve.toml", None),
            ("/boot/a/%2E./%2e./serve.toml", None),
            ("/boot/..%2fserve.toml", None),
            ("/boot/./a", None),
            ("/boot/a%00", None),
            ("/boot/%0a", None),
            ("/boot/%", None),
            ("/boot/%4", None),
            ("/boot/%zz", None),
            ("/boot/%ff", None),
            ("/boot", None),
            ("/grub", None),
            ("/grubx/a", None),
            ("/%2fboot/a", None),
        ] {
            assert_eq!(below(path).as_deref(), expected, "{path}");
        }
        assert_eq!(below(&format!("/boot/{}", "a".repeat(2000))), None);
        for (path, expected) in [
            ("bootx64.efi", Some("bootx64.efi")),
            ("//grub//grub.cfg", Some("grub/grub.cfg")),
            ("/boot/x", Some("boot/x")),
            ("../serve.toml", None),
            ("a/../../serve.toml", None),
            ("a%2e", Some("a%2e")),
            ("a\nb", None),
            ("", None),
        ] {
            assert_eq!(below_tree(path).as_deref(), expected, "{path}");
        }
    }
}
