//! The status in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/), for the textfile
//! collector of the node exporter.

use super::{Layout, Status};
use lifeboat_sys::durable;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The metrics.
pub fn text(status: &Status) -> String {
    let mut out = String::new();
    let mut metric = |name: &str, help: &str, samples: Vec<(String, String)>| {
        // A metric without samples is left out: "never" has no time.
        if samples.is_empty() {
            return;
        }
        let _ = writeln!(out, "# HELP lifeboat_{name} {help}\n# TYPE lifeboat_{name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(out, "lifeboat_{name}{labels} {value}");
        }
    };
    let of_tasks = |value: &dyn Fn(&super::Item) -> Option<i64>| {
        let sample = |item: &super::Item| Some((format!("{{task=\"{}\"}}", item.task), value(item)?.to_string()));
        status.items.iter().filter_map(sample).collect::<Vec<_>>()
    };
    let one = |value: i64| vec![(String::new(), value.to_string())];
    metric("status_ok", "1 when nothing is overdue or different.", one(i64::from(status.ok)));
    metric("status_timestamp_seconds", "When the status was taken.", one(status.checked_unix));
    metric(
        "last_done_timestamp_seconds",
        "When a task was last done; absent when it never was.",
        of_tasks(&|item| item.done_unix),
    );
    metric("limit_seconds", "The age at which a task is overdue.", of_tasks(&|item| item.limit_seconds));
    metric(
        "overdue",
        "1 when a task is older than its limit, or was never done.",
        of_tasks(&|item| Some(i64::from(item.overdue))),
    );
    metric(
        "problems",
        "How many things about a task need attention.",
        of_tasks(&|item| i64::try_from(item.problems.len()).ok()),
    );
    metric(
        "last_run_exit_code",
        "Exit code of the last run of a task.",
        of_tasks(&|item| item.last_run_code.map(i64::from)),
    );
    let fits = match status.layout {
        Layout::Fits => Some(1),
        Layout::Changed(_) => Some(0),
        Layout::Unknown(_) => None,
    };
    metric("layout_fits", "1 when the layout is as the last backup recorded it.", fits.map(one).unwrap_or_default());
    let readable = status.repository.as_ref().map(|repository| i64::from(repository.error.is_none()));
    metric("repository_readable", "1 when the repository could be read.", readable.map(one).unwrap_or_default());
    out
}

/// Writes the file as a whole. The collector reads what ends in `.prom`, and it is not root.
///
/// # Errors
/// The system's error.
pub fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
    let temporary = path.with_file_name(format!(".{}.new", name.to_string_lossy()));
    let written = || {
        let mut file = durable::create(&temporary, 0o644)?;
        // Whatever the umask.
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        durable::sync_name(path)
    };
    written().inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limit;
    use crate::state::{Run, Runs, Task};
    use crate::status::{Facts, judge, status};

    #[test]
    fn the_format_is_that_of_a_textfile() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let run = Run { at: "2026-11-30T00:00:00Z".into(), code: Some(0), ..Run::default() };
        let runs = Runs { last: Some(run.clone()), done: Some(run) };
        let backup = Facts { runs, limit: Limit::days(2), ..Facts::default() };
        let items = vec![judge(Task::Backup, &backup, now), judge(Task::Drill, &Facts::default(), now)];
        let text = text(&status("m".into(), now, items, Layout::Fits, None));
        assert!(text.contains("\nlifeboat_last_done_timestamp_seconds{task=\"backup\"} 1795996800\n"), "{text}");
        assert!(
            text.contains("lifeboat_overdue{task=\"drill\"} 0\n") && text.contains("lifeboat_status_ok 1\n"),
            "{text}"
        );
        assert!(!text.contains("repository_readable"), "{text}");
        for line in text.lines() {
            assert!(
                line.starts_with("# ") || line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok()),
                "{line}"
            );
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn others_can_read_it_and_half_of_it_is_never_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lifeboat.prom");
        for text in ["one 1\n", "two 2\n"] {
            write(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("none/x.prom"), "x").is_err());
    }
}
