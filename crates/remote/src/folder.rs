//! A repository in a folder of a mounted network filesystem: reads wait for the server.

use crate::{Fault, Files, Kind, Patience};
use lifeboat_sys::{beneath, bounded};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// What has a name in a directory.
enum Found {
    /// A file of so many bytes.
    File(u64),
    Directory,
}

/// The folder.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    place: String,
    patience: Patience,
}

impl Folder {
    /// A repository in `root`, which people know as `place`.
    pub fn new(root: &Path, place: impl Into<String>, patience: Patience) -> Folder {
        Folder { root: root.to_owned(), place: place.into(), patience }
    }

    fn path(&self, kind: Kind, name: &str) -> PathBuf {
        self.root.join(kind.path(name))
    }

    fn insist<T>(&self, action: &str, path: &Path, mut once: impl FnMut() -> io::Result<T>) -> Result<T, Fault> {
        self.patience.insist(|| once().map_err(|error| fault(action, path, &error)))
    }

    fn list_directory(&self, directory: &Path) -> Result<Vec<(String, Found)>, Fault> {
        self.insist("LIST", directory, || {
            let mut list = vec![];
            for entry in std::fs::read_dir(directory)? {
                let entry = entry?;
                let found = match std::fs::metadata(entry.path()) {
                    Ok(metadata) if metadata.is_file() => Found::File(metadata.len()),
                    Ok(metadata) if metadata.is_dir() => Found::Directory,
                    // What anybody left there, or took away meanwhile, stops no list.
                    Ok(_) => continue,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                list.push((entry.file_name().to_string_lossy().into_owned(), found));
            }
            Ok(list)
        })
    }
}

/// The kernel's errors when a server does not answer, or the mount has seen it go: nfs(5), `softerr`.
fn fault(action: &str, path: &Path, error: &io::Error) -> Fault {
    let shown = path.display();
    const PASSING: [i32; 12] = [
        5,   // EIO: a soft mount on kernels before 5.2, a loop device over NFS
        11,  // EAGAIN: a share whose server is being looked for again
        100, // ENETDOWN
        101, // ENETUNREACH
        103, // ECONNABORTED
        104, // ECONNRESET
        107, // ENOTCONN
        110, // ETIMEDOUT
        111, // ECONNREFUSED
        112, // EHOSTDOWN
        113, // EHOSTUNREACH
        116, // ESTALE: the server was restarted
    ];
    match error.raw_os_error() {
        Some(code) if PASSING.contains(&code) => Fault::passing(action, shown, error),
        _ if error.kind() == io::ErrorKind::NotFound => Fault::Missing(shown.to_string()),
        // The errors of `bounded`.
        _ if error.kind() == io::ErrorKind::Other => Fault::impossible(shown, error),
        _ => Fault::ended(action, shown, error),
    }
}

impl Files for Folder {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn list(&self, kind: Kind) -> Result<Vec<(String, u64)>, Fault> {
        let directory = self.root.join(kind.directory());
        let entries = match self.list_directory(&directory) {
            Err(Fault::Missing(_)) => vec![],
            other => other?,
        };
        let mut files = vec![];
        for (name, found) in entries {
            match found {
                Found::File(size) => files.push((name, size)),
                Found::Directory if kind == Kind::Pack => {
                    let inner = self.list_directory(&directory.join(&name))?;
                    files.extend(inner.into_iter().filter_map(|(name, found)| match found {
                        Found::File(size) => Some((name, size)),
                        Found::Directory => None,
                    }));
                }
                Found::Directory => {}
            }
        }
        Ok(files)
    }

    fn read(&self, kind: Kind, name: &str) -> Result<Vec<u8>, Fault> {
        let path = self.path(kind, name);
        self.insist("READ", &path, || bounded::read(&path, kind.largest()))
    }

    fn read_part(&self, kind: Kind, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let path = self.path(kind, name);
        self.insist("READ", &path, || {
            let length = u32::try_from(length).map_err(io::Error::other)?;
            let mut bytes = vec![];
            bounded::read_part(&path, offset, length, &mut bytes)?;
            Ok(bytes)
        })
    }

    fn write(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let path = self.path(kind, name);
        let below = kind.path(name);
        self.insist("WRITE", &path, || beneath::write_durably(&self.root, below.as_ref(), bytes, 0o600))
    }

    fn remove(&self, kind: Kind, name: &str) -> Result<(), Fault> {
        let path = self.path(kind, name);
        let below = kind.path(name);
        self.insist("REMOVE", &path, || beneath::remove(&self.root, below.as_ref()))
    }

    fn create(&self) -> Result<(), Fault> {
        for kind in Kind::DIRECTORIES {
            let path = self.root.join(kind.directory());
            self.insist("CREATE", &path, || std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path))?;
        }
        Ok(())
    }

    fn given_up(&self) -> Option<String> {
        self.patience.given_up()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn pipes_devices_and_giants_are_no_files_of_a_repository() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config");
        let patience = Patience::with("the share", Arc::new(|_| ()), Duration::from_secs(20), Duration::from_secs(600));
        let folder = Folder::new(directory.path(), "nfs://nas/x", patience);
        let giant = |path: &Path| std::fs::File::create(path).unwrap().set_len(1 << 43).unwrap();
        let zeros = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
        let pipe = |path: &Path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        };
        type Make<'a> = &'a dyn Fn(&Path);
        let odd: [(Make, bool); 3] = [(&giant, true), (&zeros, false), (&pipe, false)];
        for (make, has_parts) in odd {
            make(&config);
            let error = folder.read(Kind::Config, "").unwrap_err();
            assert!(matches!(error, Fault::Impossible(_)), "{error}");
            assert_eq!(folder.read_part(Kind::Config, "", 0, 4).is_ok(), has_parts);
            std::fs::remove_file(&config).unwrap();
        }
        std::fs::write(&config, "small").unwrap();
        assert_eq!(folder.read(Kind::Config, "").unwrap(), b"small");
    }
}
