//! `lifeboat compare`

use super::by_hand;
use crate::command::CompareArgs;
use crate::error::CommandResult;
use crate::job::snapshot::{self, Use};
use crate::job::{archive, compared, look};
use crate::session::Session;
use lifeboat_restore::observe::Observing;
use lifeboat_restore::recovery::target_source;
use lifeboat_restore::rescue::{RescueDirectories, is_rescue_system};
use std::path::Path;

pub fn run(session: &Session, args: &CompareArgs) -> CommandResult {
    let (snapshot, paths) = look::named_first(args.snapshot.as_deref(), &args.paths)?;
    let args = &CompareArgs { snapshot, paths, ..args.clone() };
    let root = match &args.root {
        Some(root) => root.as_path(),
        // There, what is at / is the rescue system.
        None if is_rescue_system(&RescueDirectories::default()) => return by_hand::compare(session, args),
        None => Path::new("/"),
    };
    if let Some(from) = archive::stream(session, args.source.from.as_deref())? {
        return super::streams::compare(session, args, &from);
    }
    let archive = archive::open(session, args.source.from.as_deref(), &args.source.key)?;
    let snapshot = snapshot::choose(session, &archive, args.snapshot.as_deref(), root, Use::Elsewhere)?;
    let selection = compared::selection(args);
    let observer = Observing::new(&session.reporter, "compare");
    let (machine, _) = archive::describe(&archive.repository, &snapshot)?;
    let source = target_source(&machine, root);
    let report = archive.repository.compare(&snapshot, &source, &selection, &observer)?;
    compared::report(session, &report)
}
