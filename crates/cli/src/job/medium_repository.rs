//! The repository that a medium holds: a key of its own, and a second copy of what opens it.
//!
//! Whoever finds a medium with its key must not get access to the repository of all machines, so the medium's repository has a
//! master key that is made for it alone. The machine's key opens it, as it opens everything else of the machine; the key that
//! `--embed-key` puts beside it opens nothing else.

use crate::error::{CommandError, CommandResult, Kind};
use crate::job::{archive, keys};
use lifeboat_archive::{Repository, RepositoryOptions, Secret};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Below `/lifeboat/` of a medium: copies of the repository's `config` and `keys/`, without which it cannot be read.
pub use lifeboat_archive::repository::SPARE;
/// The host that `key list` shows for the key that a medium carries.
const ON_MEDIUM: &str = "this medium";

/// Makes the repository in a folder. `machines` is the key of the machine; the second of the results is the one to be embedded.
pub fn create(
    folder: &Path,
    machines: &Secret,
    machine: &str,
    embed: bool,
) -> Result<(Repository, Option<Secret>), CommandError> {
    let own = embed.then(keys::generate).transpose()?;
    Ok((create_with(folder, machines, machine, own.as_ref())?, own))
}

/// The same with the key that is to be embedded, if one is.
pub fn create_with(
    folder: &Path,
    machines: &Secret,
    machine: &str,
    own: Option<&Secret>,
) -> Result<Repository, CommandError> {
    let options = RepositoryOptions { host: machine.to_owned() };
    let repository = Repository::init(folder, machines, &options).map_err(archive::explain)?;
    if let Some(own) = own {
        repository.add_key(own, ON_MEDIUM)?;
    }
    Ok(repository)
}

/// Copies what opens the finished repository into the folder [`SPARE`] beside it.
pub fn keep_spare(repository: &Path) -> CommandResult {
    let spare = repository.with_file_name(SPARE);
    let failed = |path: &Path, error: std::io::Error| {
        CommandError::new(Kind::Failed, format!("cannot COPY {}: {error}", path.display()))
    };
    let keys = repository.join("keys");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(spare.join("keys")).map_err(|e| failed(&spare, e))?;
    let mut files = vec![repository.join("config")];
    for entry in std::fs::read_dir(&keys).map_err(|error| failed(&keys, error))? {
        files.push(entry.map_err(|error| failed(&keys, error))?.path());
    }
    for file in files {
        let target = spare.join(file.strip_prefix(repository).unwrap_or(&file));
        let bytes = std::fs::read(&file).map_err(|error| failed(&file, error))?;
        let mut options = std::fs::File::options();
        let out = options.write(true).create_new(true).mode(0o600).open(&target);
        out.and_then(|mut out| std::io::Write::write_all(&mut out, &bytes)).map_err(|error| failed(&target, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_archive::ArchiveError;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    fn master_key(repository: &Path, secret: &Secret) -> String {
        let key = repository.with_extension("key");
        std::fs::write(&key, secret.expose()).unwrap();
        let mut call = Command::new("restic");
        call.args(["--no-cache", "--no-lock", "-r"]).arg(repository).arg("--password-file").arg(&key);
        let output = call.args(["cat", "masterkey"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_key_on_a_medium_opens_that_medium_only() {
        let dir = tempfile::tempdir().unwrap();
        let machines = Secret::generate().unwrap();
        let at = |name: &str| dir.path().join(name);
        let shared = Repository::init(&at("shared"), &machines, &RepositoryOptions::default()).unwrap();
        let (one, first) = create(&at("one"), &machines, "m", true).unwrap();
        let (two, second) = create(&at("two"), &machines, "m", true).unwrap();
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(one.id() != shared.id() && one.id() != two.id());
        for (repository, secret, opens) in [
            ("shared", &machines, true),
            ("one", &machines, true),
            ("two", &machines, true),
            ("one", &first, true),
            ("two", &second, true),
            ("shared", &first, false),
            ("two", &first, false),
            ("one", &second, false),
        ] {
            match Repository::open(&at(repository), secret) {
                Ok(_) => assert!(opens, "{repository}"),
                Err(ArchiveError::WrongKey { .. }) => assert!(!opens, "{repository}"),
                Err(other) => panic!("{repository}: {other}"),
            }
        }
        // The holder of a key can take only another key along, and stock restic opens each with either.
        let of_one = master_key(&at("one"), &first);
        assert_eq!(of_one, master_key(&at("one"), &machines));
        assert_ne!(of_one, master_key(&at("shared"), &machines));
        assert_ne!(of_one, master_key(&at("two"), &second));
        assert_eq!(one.list_keys().unwrap().iter().filter(|key| key.host == ON_MEDIUM).count(), 1);
    }

    #[test]
    fn a_medium_without_key_has_none_and_a_spare_copy_opens_it() {
        let dir = tempfile::tempdir().unwrap();
        let machines = Secret::generate().unwrap();
        let folder = dir.path().join("repo");
        let (repository, own) = create(&folder, &machines, "m", false).unwrap();
        assert!(own.is_none() && repository.list_keys().unwrap().iter().all(|key| key.host == "m"));
        drop(repository);
        keep_spare(&folder).unwrap();
        let spare = dir.path().join(SPARE);
        std::fs::write(folder.join("config"), "torn").unwrap();
        std::fs::remove_dir_all(folder.join("keys")).unwrap();
        std::fs::copy(spare.join("config"), folder.join("config")).unwrap();
        std::fs::rename(spare.join("keys"), folder.join("keys")).unwrap();
        Repository::open(&folder, &machines).unwrap();
        assert_eq!(spare.join("config").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(keep_spare(&dir.path().join("none")).is_err());
    }
}
