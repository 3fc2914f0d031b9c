//! `lifeboat key`

use super::from::{FromArgs, KeyArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `key`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key file and print its recovery words
    Create(KeyFileArgs),
    /// Print the recovery words of a key file
    Show(KeyShowArgs),
    /// Write a key file from recovery words, read from standard input
    Import(KeyFileArgs),
    /// List the keys that open a repository
    List(FromArgs),
    /// Let another key open a repository
    Add(KeyAddArgs),
    /// Remove a key from a repository
    Remove(KeyRemoveArgs),
}

/// A key file.
#[derive(Args, Clone, Debug)]
pub struct KeyFileArgs {
    /// The key file [default: /etc/lifeboat/repository.key]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// `key show`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct KeyShowArgs {
    #[command(flatten)]
    pub key: KeyFileArgs,
    /// Print what `age -d -i` takes instead, to read streams without Lifeboat
    #[arg(long)]
    pub age: bool,
}

/// `key add`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct KeyAddArgs {
    /// The repository
    #[arg(long, value_name = "REPO")]
    pub to: Option<String>,
    /// File with the key to add; it is created when it does not exist
    #[arg(long, value_name = "FILE", required_unless_present = "new_passphrase")]
    pub new_key_file: Option<PathBuf>,
    /// Add a passphrase of your own instead: it is asked for, or read from standard input
    #[arg(long, conflicts_with_all = ["new_key_file", "words"])]
    pub new_passphrase: bool,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// `key remove`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct KeyRemoveArgs {
    /// The repository
    #[arg(long, value_name = "REPO")]
    pub to: Option<String>,
    /// Id of the key, as 'lifeboat key list' shows it
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub key: KeyArgs,
}
