//! Which archive, and the key that opens it.

use clap::Args;
use std::path::PathBuf;

/// The key of a repository.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// File with the repository key [default: /etc/lifeboat/repository.key]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Ask for the recovery words instead of reading a key file
    #[arg(long, conflicts_with = "key_file")]
    pub words: bool,
    /// Ask for a passphrase that 'lifeboat key add --new-passphrase' set; not on a terminal, read it from standard input
    #[arg(long, conflicts_with_all = ["key_file", "words"])]
    pub passphrase: bool,
}

/// Commands that read an archive.
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct FromArgs {
    /// A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or
    /// http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    #[command(flatten)]
    pub key: KeyArgs,
}
