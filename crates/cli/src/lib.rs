//! The `lifeboat` command line: thin files, one per subcommand, over the libraries.
//!
//! | module | holds |
//! | --- | --- |
//! | [`command`](mod@command) | the whole command line as clap sees it |
//! | [`error`] | [`CommandError`]: what went wrong, its exit code, what to try |
//! | [`output`] | progress, JSON lines, plain lines |
//! | [`config`] | `/etc/lifeboat.toml` |
//! | `commands` | one file per subcommand |
//! | `job` | what several subcommands do: a backup, a medium, finding keys and sources |

pub mod command;
mod commands;
pub mod config;
pub mod error;
mod job;
pub mod output;

pub use command::command;
pub use error::{CommandError, Kind};

use clap::FromArgMatches as _;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line, prints what it has to say, and gives the exit code of design section 5.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are no errors: clap prints them to standard output and wants 0.
            let code = if error.use_stderr() { Kind::Usage.code() } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let cli = match command::Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(Kind::Usage.code());
        }
    };
    output::start_log(cli.verbose);
    lifeboat_archive::warnings::capture();
    match commands::dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print();
            ExitCode::from(error.kind.code())
        }
    }
}
