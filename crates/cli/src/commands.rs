//! One file per subcommand.

mod backup;
mod browse;
mod by_hand;
mod check;
mod compare;
mod copy;
mod dev;
mod diff;
mod drill;
mod dump;
mod find;
mod forget;
mod interactive;
mod key;
mod label;
mod layout;
mod list;
mod logs;
mod ls;
mod media;
mod mount;
mod moves;
mod netboot;
mod notify;
mod prune;
pub mod recover;
mod refresh;
mod refresh_stick;
mod rescue;
mod restore;
mod schedule;
mod serve;
mod set;
mod stats;
mod status;
mod storage;
mod streams;
mod tape;
mod terminal;
mod usb;
mod verify;

use crate::command::{Cli, Command, INTRODUCTION};
use crate::config::Config;
use crate::error::CommandResult;
use crate::output::Reporter;
use crate::runs::Tasks;
use crate::session::Session;
use lifeboat_sys::SystemRunner;

/// Runs the requested command.
pub fn dispatch(cli: Cli) -> CommandResult {
    let Some(command) = cli.command else {
        return crate::output::written(crate::output::print(INTRODUCTION));
    };
    // Everything that Lifeboat writes is for root only (design, section 6: Keys).
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let config = Config::load(cli.config.as_deref())?;
    if let Some(fingerprint) = cli.tls_fingerprint {
        crate::job::network::pin(fingerprint);
    }
    let limits = cli.limits.or(config.limits);
    crate::job::limits::apply(&limits)?;
    let session = Session {
        config,
        limits,
        reporter: Reporter::new(cli.json),
        runner: SystemRunner,
        tasks: Tasks::default(),
        held: Default::default(),
    };
    let result = match command {
        Command::Check(args) => check::run(&session, &args),
        Command::Backup(args) => backup::run(&session, &args),
        Command::List(args) => list::run(&session, &args),
        Command::Ls(args) => ls::run(&session, &args),
        Command::Find(args) => find::run(&session, &args),
        Command::Diff(args) => diff::run(&session, &args),
        Command::Dump(args) => dump::run(&session, &args),
        Command::Stats(args) => stats::run(&session, &args),
        Command::Mount(args) => mount::run(&session, &args),
        Command::Browse(args) => browse::run(&session, &args),
        Command::Media(args) => media::run(&session, &args),
        Command::Rescue(args) => rescue::run(&session, &args),
        Command::Layout(args) => layout::run(&session, &args),
        Command::Restore(args) => restore::run(&session, &args),
        Command::Compare(args) => compare::run(&session, &args),
        Command::Verify(args) => verify::run(&session, &args),
        Command::Forget(args) => forget::run(&session, &args),
        Command::Prune(args) => prune::run(&session, &args),
        Command::Copy(args) => copy::run(&session, &args),
        Command::Drill(args) => drill::run(&session, &args),
        Command::Status(args) => status::run(&session, &args),
        Command::Schedule(args) => schedule::run(&session, &args),
        Command::Notify(args) => notify::run(&session, &args),
        Command::Serve(args) => serve::run(&session, &args),
        Command::Storage(args) => storage::run(&session, &args),
        Command::Logs(args) => logs::run(&session, &args),
        Command::Key(args) => key::run(&session, &args),
        Command::Dev(args) => dev::run(&session, &args),
    };
    session.reporter.finish();
    let written = session.reporter.outcome();
    let result = match (result, written) {
        // Differences that nobody could read are none that were reported.
        (Err(error), Err(lost)) if error.kind == crate::error::Kind::Differences => Err(lost),
        // The command's failure matters more than its lost result.
        (result, written) => result.and(written),
    };
    session.reporter.end_record(&result);
    session.tasks.end(&result);
    session.reporter.aside(&session.tasks.lost().into_iter().collect::<Vec<_>>());
    result
}
