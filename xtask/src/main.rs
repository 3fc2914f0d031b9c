//! Development tasks of the project: generated documents, the demonstration, benchmarks. Called by the Makefile.
//!
//! | module | holds |
//! | --- | --- |
//! | [`generate`] | man pages and shell completions from the command line's definition |
//! | [`bench`] | lifeboat compared with tar, restic, borg and cp; the rescue image and its boot |
//! | [`demo`] | a machine loses its disk and comes back |
//! | [`check`] | house rules that no other tool knows |
//! | [`circles`] | which files of a crate import each other in circles |
//! | [`docs`] | links, screens and commands of the handbook |
//! | [`workspace`] | where things are |

mod bench;
mod check;
mod circles;
mod demo;
mod docs;
mod generate;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "xtask", about = "Chores of the project")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write dist/man and dist/completions again
    Generate,
    /// Fail when dist/man or dist/completions is stale
    CheckGenerated,
    /// Check the rules of the house that no other tool knows
    Check,
    /// Check links, screens and commands of the handbook
    CheckDocs,
    /// Lose a machine's disk and bring it back, in virtual machines
    Demo(demo::Options),
    /// Measure lifeboat beside tar, restic, borg and cp; writes target/bench/report.json
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Generate => generate::write(),
        Task::CheckGenerated => generate::check(),
        Task::Check => check::run(),
        Task::CheckDocs => docs::run(),
        Task::Demo(options) => demo::run(&options),
        Task::Bench(options) => bench::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
