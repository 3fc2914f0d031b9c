//! `lifeboat drill`

use super::Session;
use crate::command::DrillArgs;
use crate::error::{CommandError, CommandResult};

pub fn run(_session: &Session, _args: &DrillArgs) -> CommandResult {
    Err(CommandError::usage("drill"))
}
