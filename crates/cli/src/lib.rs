//! The `lifeboat` command line: thin files, one per subcommand, over the libraries.
//!
//! | module | holds |
//! | --- | --- |
//! | [`command`](mod@command) | the whole command line as clap sees it |
//! | [`error`] | [`CommandError`]: what went wrong, its exit code, what to try |
//! | [`output`] | progress, JSON lines, plain lines |
//! | [`meter`] | the line that shows long work |
//! | `listing` | tables, times, entries as `ls -l` shows them |
//! | `wrap` | messages on a terminal, broken between words |
//! | `journal` | what the journal of systemd gets of a message |
//! | [`record`] | the log of work that runs by itself, kept in a file |
//! | [`state`], [`runs`] | what the last runs did, for `status` |
//! | [`report`] | the report of a failed run: as a mail, as JSON |
//! | [`status`] | whether anything is overdue or different: the judgement, and its forms |
//! | [`units`] | the timers of the routine: what systemd is told |
//! | [`config`] | `/etc/lifeboat.toml` |
//! | [`guarded`] | files that decide what root does: who else may write or read them |
//! | `session` | what every command gets |
//! | `commands` | one file per subcommand |
//! | `job` | what several subcommands do: a backup, a medium, finding keys and sources |

pub mod command;
mod commands;
pub mod config;
pub mod error;
pub mod guarded;
mod job;
mod journal;
mod listing;
pub mod meter;
pub mod output;
pub mod record;
pub mod report;
pub mod runs;
mod session;
pub mod state;
pub mod status;
pub mod units;
mod wrap;

pub use command::command;
pub use error::{CommandError, Kind};

use clap::FromArgMatches as _;
use lifeboat_machine::bytes;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line, prints its output, and returns the exit code of design section 5.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    keep_secrets();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = command().try_get_matches_from(&arguments).and_then(|found| command::Cli::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return not_run(&error, &arguments),
    };
    let json = cli.json;
    output::start_log(cli.verbose);
    lifeboat_archive::warnings::capture();
    // Without it a signal leaves mounts and folders behind, but that is no reason to do nothing.
    let _ = lifeboat_sys::ending::on_signals();
    let result = commands::dispatch(cli);
    // When a signal has removed the work in progress, this process ends by the signal.
    lifeboat_sys::ending::wait_when_ending();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print(json);
            ExitCode::from(error.kind.code())
        }
    }
}

/// Help, version, and invalid command lines.
fn not_run(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // Help and version are not errors: clap prints them to standard output, and the exit code is 0.
    if !error.use_stderr() {
        return match output::written(error.print()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                error.print(false);
                ExitCode::from(error.kind.code())
            }
        };
    }
    let word = match error.get(clap::error::ContextKind::InvalidSubcommand) {
        Some(clap::error::ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    if let Some((word, sentence)) = word.and_then(|word| Some((word, command::words::instead_of(word)?))) {
        let error = CommandError::usage(format!("there is no command '{word}': {sentence}"));
        error.hint("lifeboat help").print(arguments.iter().any(|argument| argument == "--json"));
        return ExitCode::from(Kind::Usage.code());
    }
    if let (clap::error::ErrorKind::UnknownArgument, Some(clap::error::ContextValue::String(argument))) =
        (error.kind(), error.get(clap::error::ContextKind::InvalidArg))
        && let Some(command) =
            arguments.iter().skip(1).find_map(|word| word.to_str().filter(|word| !word.starts_with('-')))
        && let Some(sentence) = command::words::instead_of_argument(command, argument)
    {
        let shown = bytes::terminal(argument).replace('\n', "\\x0a");
        let error = CommandError::usage(format!("'lifeboat {command}' has no '{shown}': {sentence}"));
        error.hint(format!("lifeboat help {command}")).print(arguments.iter().any(|argument| argument == "--json"));
        return ExitCode::from(Kind::Usage.code());
    }
    let text = error.render().to_string();
    if arguments.iter().any(|argument| argument == "--json") {
        let line = error::json(Kind::Usage, text.trim_end(), &[]);
        let _ = output::written(output::print(&format!("{line}\n")));
    }
    // The message quotes arguments, whose colours and newlines could not be distinguished from its own.
    let spelled = |argument: &OsString| bytes::terminal(&argument.to_string_lossy()).replace('\n', "\\x0a");
    let harmless: Vec<String> = arguments.iter().map(spelled).collect();
    let reported = match arguments.iter().zip(&harmless).all(|(argument, harmless)| argument == harmless.as_str()) {
        true => Some(error.print()),
        false => command().try_get_matches_from(harmless).err().map(|error| error.print()),
    };
    if reported.is_none() {
        output::tell(&bytes::terminal(&text));
    }
    ExitCode::from(Kind::Usage.code())
}

/// Keys are in this process's memory: it leaves no core dump (core(5)), and nobody but root can look into it (prctl(2)). Programs that
/// it starts dump no core either; they decide for themselves who may look into them.
fn keep_secrets() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
