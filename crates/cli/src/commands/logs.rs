//! `lifeboat logs`

use crate::command::LogsArgs;
use crate::error::{CommandError, CommandResult};
use crate::job::{failure, network};
use crate::session::Session;
use lifeboat_restore::logs;
use lifeboat_restore::rescue::{RescueDirectories, RescueSystem, is_rescue_system};

pub fn run(session: &Session, args: &LogsArgs) -> CommandResult {
    let directories = RescueDirectories::default();
    if !is_rescue_system(&directories) {
        return Err(CommandError::usage(
            "'lifeboat logs' saves the logs of a rescue system; this is not a rescue system",
        ));
    }
    let mut rescue = RescueSystem::open(directories)?;
    rescue.network = network::of_session(session)?;
    let place = logs::save(&rescue, &args.to, &session.runner).map_err(failure::explain)?;
    session.reporter.line(format!("the logs are in {place}"));
    Ok(())
}
