//! A repository that is changed: opening it, pruning it, and what a prune reports.

use crate::command::{PruneLimitArgs, StoreArgs};
use crate::config::PATH;
use crate::error::{CommandError, CommandResult};
use crate::job::stream::StreamPlace;
use crate::job::{archive, keys, network, watch};
use crate::session::Session;
use lifeboat_archive::Repository;
use lifeboat_archive::repository::{Amount, PruneOptions, PruneReport};
use lifeboat_machine::bytes::human;
use lifeboat_restore::observe::Observing;
use std::time::Duration;

/// An open repository that can be written to, and what must live as long.
pub struct Opened {
    /// The repository.
    pub repository: Repository,
    target: network::Target,
    _watch: watch::Watch,
}

impl Opened {
    /// Has what was written at its place.
    pub fn close(self) -> CommandResult {
        drop(self.repository);
        self.target.close()
    }
}

/// Opens the repository that is named, or configured.
pub fn open(session: &Session, args: &StoreArgs) -> Result<Opened, CommandError> {
    let address = match (&args.from, &session.config.repository) {
        (Some(from), _) => from.clone(),
        (None, Some(configured)) => configured.display().to_string(),
        (None, None) => {
            return Err(CommandError::usage("no repository was named; name it with --from REPO")
                .hint(format!("set 'repository' in {PATH}")));
        }
    };
    if StreamPlace::parse(&address)?.is_some() {
        return Err(CommandError::usage("a stream is one backup, and cannot be changed")
            .hint("removing its files, or overwriting its tape"));
    }
    let watch = watch::over(session, &address)?;
    let target = network::target(session, &address)?;
    let secret = keys::find(&args.key, &session.config)?;
    let mut repository = Repository::open_at(&target.place, &secret).map_err(archive::explain)?;
    archive::report_damage(session, &repository);
    repository.wait_for_locks(Duration::from_secs(60 * u64::from(args.wait_lock)));
    Ok(Opened { repository, target, _watch: watch })
}

/// Prunes, and reports it.
pub fn prune(session: &Session, repository: &Repository, limits: &PruneLimitArgs, dry_run: bool) -> CommandResult {
    let options = PruneOptions {
        max_unused: limits.max_unused,
        max_repack: limits.max_repack_size,
        grace: Duration::from_secs(3600 * u64::from(limits.grace)),
        dry_run,
    };
    let observer = Observing::new(&session.reporter, "prune");
    let report = repository.prune(&options, &observer);
    session.reporter.finish();
    let report = report.map_err(archive::explain)?;
    session.reporter.value(&json(&report, dry_run));
    text(&report, dry_run, limits.grace).iter().for_each(|line| session.reporter.line(line));
    Ok(())
}

fn json(report: &PruneReport, dry_run: bool) -> serde_json::Value {
    let amount = |amount: Amount| serde_json::json!({"packs": amount.packs, "bytes": amount.bytes});
    serde_json::json!({
        "dry_run": dry_run, "snapshots": report.snapshots, "all": amount(report.all), "needed_bytes": report.needed,
        "useless": amount(report.useless), "rewritten": amount(report.rewritten), "copied_bytes": report.copied,
        "marked": amount(report.marked), "removed": amount(report.removed), "waiting": amount(report.waiting),
        "put_back": amount(report.put_back), "unused_bytes": report.unused, "not_understood": report.not_understood,
    })
}

/// The report for people.
fn text(report: &PruneReport, dry_run: bool, grace: u32) -> Vec<String> {
    let packs = |amount: Amount| match amount.packs {
        1 => format!("1 pack with {}", human(amount.bytes)),
        count => format!("{count} packs with {}", human(amount.bytes)),
    };
    let [removed, marked, back] = match dry_run {
        false => ["removed", "marked", "put back"],
        true => ["would remove", "would mark", "would put back"],
    };
    let snapshots = crate::output::counted(report.snapshots as usize, "snapshot");
    let mut lines = vec![format!(
        "{snapshots}: {} needed of {} in {} packs",
        human(report.needed),
        human(report.all.bytes),
        report.all.packs
    )];
    if report.removed.packs > 0 {
        lines.push(format!("{removed}: {}, marked by an earlier run", packs(report.removed)));
    }
    if report.put_back.packs > 0 {
        lines.push(format!("{back}: {}, marked by an earlier run, but needed again", packs(report.put_back)));
    }
    if report.marked.packs > 0 {
        let copied = match report.copied {
            0 => String::new(),
            bytes => format!("; what is needed in them is copied: {}", human(bytes)),
        };
        lines.push(format!("{marked}: {}{copied}", packs(report.marked)));
    }
    if report.waiting.packs > 0 {
        lines.push(format!("waiting: {}, marked by an earlier run", packs(report.waiting)));
    }
    if report.unused > 0 {
        lines.push(format!("unused in packs that stay: {}", human(report.unused)));
    }
    match report.not_understood {
        0 => {}
        1 => lines.push("1 pack stays because it is not understood".to_owned()),
        count => lines.push(format!("{count} packs stay because they are not understood")),
    }
    if report.marked.packs + report.waiting.packs > 0 {
        lines.push(format!(
            "what is marked is removed by a run of 'lifeboat prune' after {grace} h, when all who use the repository now have ended"
        ));
    } else if report.removed.packs + report.put_back.packs == 0 {
        lines.push("there is nothing to do".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_goes_and_when() {
        let some = |packs, bytes| Amount { packs, bytes };
        let report = PruneReport {
            snapshots: 3,
            all: some(10, 10 << 20),
            needed: 6 << 20,
            marked: some(2, 3 << 20),
            copied: 1 << 20,
            removed: some(1, 1 << 20),
            ..PruneReport::default()
        };
        let lines = text(&report, false, 23);
        assert_eq!(lines[0], "3 snapshots: 6.0 MiB needed of 10.0 MiB in 10 packs");
        assert_eq!(lines[1], "removed: 1 pack with 1.0 MiB, marked by an earlier run");
        assert_eq!(lines[2], "marked: 2 packs with 3.0 MiB; what is needed in them is copied: 1.0 MiB");
        assert!(lines[3].contains("after 23 h"), "{lines:#?}");
        assert!(text(&report, true, 23)[1].starts_with("would remove"));
        assert_eq!(text(&PruneReport::default(), false, 23).last().unwrap(), "there is nothing to do");
        assert_eq!(json(&report, true)["marked"]["packs"], 2);
    }
}
