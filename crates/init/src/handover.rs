//! What `lifeboat` gets before it takes over.

use crate::state::Init;
use lifeboat_machine::run;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// The program that does the work.
pub const PROGRAM: &str = "/usr/bin/lifeboat";

/// Writes the parameters to a file: from it `lifeboat` knows that it runs in a rescue system.
pub fn tell_parameters(init: &Init) -> Result<(), String> {
    write_json(run::PARAMETERS, &init.parameters)
}

/// Writes a value that only root may read.
pub fn write_json(path: &str, value: &impl serde::Serialize) -> Result<(), String> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| error.to_string())?;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(&text)).map_err(|error| format!("cannot WRITE {path}: {error}"))
}
