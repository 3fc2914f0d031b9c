//! The repository that a medium holds: a key of its own, and a second copy of what opens it.
//!
//! Whoever finds a medium that carries its key must not get at the repository of all machines, so the medium's repository has a
//! master key that is made for it alone. The machine's key opens it, as it opens everything of the machine; the key that
//! `--embed-key` puts beside it opens nothing else.

use crate::error::{CommandError, CommandResult, Kind};
use crate::job::archive;
use crate::job::medium::Workshop;
use lifeboat_archive::{Repository, RepositoryOptions, Secret};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Below `/lifeboat/` of a medium: the repository's `config` and `keys/` once more, without which nothing of it can be read.
pub const SPARE: &str = "spare";
/// The host that `key list` shows for the key that a medium carries.
const ON_MEDIUM: &str = "this medium";

/// Makes the repository in the workshop. `machines` is the key of the machine; the second of the results is the one to be embedded.
pub fn create(
    workshop: &Workshop,
    machines: &Secret,
    machine: &str,
    embed: bool,
) -> Result<(Repository, Option<Secret>), CommandError> {
    let options = RepositoryOptions { host: machine.to_owned() };
    let repository = Repository::init(&workshop.repository(), machines, &options).map_err(archive::explain)?;
    if !embed {
        return Ok((repository, None));
    }
    let own =
        Secret::generate().map_err(|error| CommandError::new(Kind::Failed, format!("cannot MAKE a key: {error}")))?;
    repository.add_key(&own, ON_MEDIUM)?;
    Ok((repository, Some(own)))
}

/// Copies what opens the finished repository.
pub fn keep_spare(workshop: &Workshop) -> CommandResult {
    let (repository, spare) = (workshop.repository(), workshop.lifeboat().join(SPARE));
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
        let target = spare.join(file.strip_prefix(&repository).unwrap_or(&file));
        let bytes = std::fs::read(&file).map_err(|error| failed(&file, error))?;
        let mut options = std::fs::File::options();
        let out = options.write(true).create_new(true).mode(0o600).open(&target);
        out.and_then(|mut out| std::io::Write::write_all(&mut out, &bytes)).map_err(|error| failed(&target, error))?;
    }
    Ok(())
}
