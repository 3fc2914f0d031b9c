//! Plain files for a place on the network: logs of a system that keeps nothing.

use crate::{Address, Credentials, Fault, Patience, s3, sftp};

/// Places that take any file, for messages.
const TAKES_FILES: &str = "try nfs://HOST/PATH, smb://USER@HOST/SHARE, sftp://USER@HOST//PATH or s3://BUCKET/PREFIX";

/// Refuses an address that takes no plain files, before anything is done.
///
/// # Errors
/// [`Fault::Final`] with the reason, and what to use instead.
pub fn check(address: &Address) -> Result<(), Fault> {
    let why = match address {
        Address::Nfs(_) | Address::Smb(_) | Address::Sftp(_) | Address::S3(_) => return Ok(()),
        Address::Http(_) => "a plain web server cannot be written to",
        Address::Rest(_) => "restic's REST server accepts only the files of a repository",
    };
    Err(Fault::ended("WRITE", address, format!("{why}; {TAKES_FILES}")))
}

/// Sends files, each named by its path below the address; directories are created. NFS and SMB are mounted and written like a folder, if we
/// may mount.
///
/// # Errors
/// As [`check`]; when the server refuses, or does not come back in time.
pub fn send(
    address: &Address,
    credentials: &Credentials,
    patience: Patience,
    files: &[(String, Vec<u8>)],
) -> Result<(), Fault> {
    check(address)?;
    match address {
        Address::Sftp(place) => {
            let sftp = sftp::Sftp::new(place, credentials, patience)?;
            files.iter().try_for_each(|(path, bytes)| sftp.put_below(path, bytes))
        }
        Address::S3(place) => {
            let s3 = s3::S3::new(place, credentials, patience)?;
            files.iter().try_for_each(|(path, bytes)| s3.put(path, bytes))
        }
        other => Err(Fault::ended("WRITE", other, "it must be mounted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_no_files_says_what_does() {
        for (text, why) in [
            ("https://www.example.org/logs", "a plain web server cannot be written to"),
            ("rest:http://backup:8000/db7", "accepts only the files of a repository"),
        ] {
            let fault = check(&Address::parse(text).unwrap()).unwrap_err().to_string();
            assert!(fault.contains(why) && fault.contains("try nfs://"), "{fault}");
        }
        for text in ["nfs://nas/logs", "sftp://u@nas//srv/logs", "s3://bucket"] {
            check(&Address::parse(text).unwrap()).unwrap();
        }
    }
}
