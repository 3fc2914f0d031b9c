//! One file per subcommand.

mod backup;
mod by_hand;
mod check;
mod compare;
mod dev;
mod drill;
mod interactive;
mod key;
mod layout;
mod list;
mod logs;
mod media;
pub mod recover;
mod rescue;
mod restore;
mod storage;
mod streams;
mod verify;

use crate::command::{Cli, Command, INTRODUCTION};
use crate::config::Config;
use crate::error::CommandResult;
use crate::output::Reporter;
use crate::session::Session;
use lifeboat_sys::SystemRunner;

/// Runs the requested command.
pub fn dispatch(cli: Cli) -> CommandResult {
    let Some(command) = cli.command else {
        return crate::output::written(crate::output::print(INTRODUCTION));
    };
    // Everything that Lifeboat writes is for root only (design, section 6: Keys).
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let session = Session {
        config: Config::load(cli.config.as_deref())?,
        reporter: Reporter::new(cli.json),
        runner: SystemRunner,
    };
    let result = match command {
        Command::Check(args) => check::run(&session, &args),
        Command::Backup(args) => backup::run(&session, &args),
        Command::List(args) => list::run(&session, &args),
        Command::Media(args) => media::run(&session, &args),
        Command::Rescue(args) => rescue::run(&session, &args),
        Command::Layout(args) => layout::run(&session, &args),
        Command::Restore(args) => restore::run(&session, &args),
        Command::Compare(args) => compare::run(&session, &args),
        Command::Verify(args) => verify::run(&session, &args),
        Command::Drill(args) => drill::run(&session, &args),
        Command::Storage(args) => storage::run(&session, &args),
        Command::Logs(args) => logs::run(&session, &args),
        Command::Key(args) => key::run(&session, &args),
        Command::Dev(args) => dev::run(&session, &args),
    };
    session.reporter.finish();
    let written = session.reporter.outcome();
    // The command's failure matters more than its lost result.
    let result = result.and(written);
    session.reporter.end_record(&result);
    result
}
