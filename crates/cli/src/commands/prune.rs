//! `lifeboat prune`

use crate::command::PruneArgs;
use crate::error::CommandResult;
use crate::job::retention;
use crate::session::Session;

pub fn run(session: &Session, args: &PruneArgs) -> CommandResult {
    let opened = retention::open(session, &args.store)?;
    retention::prune(session, &opened.repository, &args.limits, args.store.dry_run)?;
    opened.close()
}
