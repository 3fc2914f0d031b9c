//! `GET /metrics`: OpenMetrics 1.0 text (https://github.com/prometheus/OpenMetrics, specification/OpenMetrics.md).

use crate::counters::Counters;
use crate::machines::Machine;
use std::fmt::Write as _;

/// The type of the text.
pub const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A family of metrics as it is written.
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    unit: &'a str,
    help: &'a str,
}

/// Samples of the machines: labels and value.
type Samples = Vec<(String, String)>;

/// The text; it ends with `# EOF`.
pub fn text(machines: &[Machine], counters: &Counters, failed_logins: u64) -> String {
    let mut out = String::new();
    of_machines(&mut out, machines);
    let (received, sent, connections) = counters.totals();
    let one = |value: u64| vec![(String::new(), value.to_string())];
    let answers = counters.answers().map(|(class, count)| (format!("{{class=\"{class}xx\"}}"), count.to_string()));
    counter(&mut out, "lifeboat_serve_answers", "", "Answers by the class of their status.", answers.collect());
    counter(&mut out, "lifeboat_serve_received_bytes", "bytes", "Bytes of files received.", one(received));
    counter(&mut out, "lifeboat_serve_sent_bytes", "bytes", "Bytes of answers whose length is known.", one(sent));
    counter(&mut out, "lifeboat_serve_failed_logins", "", "Logins that failed.", one(failed_logins));
    gauge(&mut out, "lifeboat_serve_connections", "", "Connections now.", one(connections));
    out.push_str("# EOF\n");
    out
}

fn of_machines(out: &mut String, machines: &[Machine]) {
    let of = |value: &dyn Fn(&Machine) -> Option<String>| -> Samples {
        let sample = |machine: &Machine| Some((format!("{{machine=\"{}\"}}", machine.name), value(machine)?));
        machines.iter().filter_map(sample).collect()
    };
    let number = |value: &dyn Fn(&Machine) -> u64| of(&|machine| Some(value(machine).to_string()));
    let time = |value: &dyn Fn(&Machine) -> Option<i64>| of(&|machine| Some(value(machine)?.to_string()));
    gauge(
        out,
        "lifeboat_machine_last_backup_timestamp_seconds",
        "seconds",
        "When the last backup was made; absent when there is none.",
        time(&|machine| machine.last_backup_unix),
    );
    gauge(
        out,
        "lifeboat_machine_last_backup_bytes",
        "bytes",
        "What the last backup added to its repository.",
        of(&|machine| Some(machine.last_backup_bytes?.to_string())),
    );
    gauge(
        out,
        "lifeboat_machine_overdue",
        "",
        "1 when the last backup is older than its limit, or there is none.",
        number(&|machine| u64::from(machine.overdue)),
    );
    gauge(
        out,
        "lifeboat_machine_overdue_after_seconds",
        "seconds",
        "The age at which the last backup is overdue.",
        number(&|machine| machine.overdue_after_seconds),
    );
    gauge(
        out,
        "lifeboat_machine_snapshots",
        "",
        "Snapshots in its repositories.",
        number(&|machine| machine.snapshots),
    );
    gauge(
        out,
        "lifeboat_machine_stored_bytes",
        "bytes",
        "What its repositories hold.",
        number(&|machine| machine.stored_bytes),
    );
    gauge(
        out,
        "lifeboat_machine_quota_bytes",
        "bytes",
        "The most that its repositories may hold; absent without a quota.",
        of(&|machine| Some(machine.quota_bytes?.to_string())),
    );
    gauge(
        out,
        "lifeboat_machine_last_verify_timestamp_seconds",
        "seconds",
        "When its archive was last verified, as it reported.",
        time(&|machine| machine.last_verify_unix),
    );
    gauge(
        out,
        "lifeboat_machine_last_drill_timestamp_seconds",
        "seconds",
        "When its recovery was last rehearsed, as it reported.",
        time(&|machine| machine.last_drill_unix),
    );
    gauge(
        out,
        "lifeboat_machine_reported_timestamp_seconds",
        "seconds",
        "When it last reported its status; absent when it never did.",
        time(&|machine| machine.reported_unix),
    );
    gauge(
        out,
        "lifeboat_machine_problems",
        "",
        "Things that need attention, as it reported.",
        number(&|machine| machine.problems.len() as u64),
    );
    let running = |machine: &Machine| machine.recovery.as_ref().filter(|recovery| recovery.is_running()).cloned();
    gauge(
        out,
        "lifeboat_machine_recovering",
        "",
        "1 while it tells of a recovery that goes on.",
        number(&|machine| u64::from(running(machine).is_some())),
    );
    let progress = |value: &dyn Fn(crate::machines::Recovery) -> u64| {
        of(&|machine| running(machine).map(|recovery| value(recovery).to_string()))
    };
    gauge(
        out,
        "lifeboat_machine_recovery_done_bytes",
        "bytes",
        "Bytes done of what its recovery is doing.",
        progress(&|recovery| recovery.done_bytes),
    );
    gauge(
        out,
        "lifeboat_machine_recovery_total_bytes",
        "bytes",
        "Bytes in all of what its recovery is doing; 0 when not known.",
        progress(&|recovery| recovery.total_bytes),
    );
}

fn gauge(out: &mut String, name: &str, unit: &str, help: &str, samples: Samples) {
    family(out, &Family { name, kind: "gauge", unit, help }, "", samples);
}

fn counter(out: &mut String, name: &str, unit: &str, help: &str, samples: Samples) {
    family(out, &Family { name, kind: "counter", unit, help }, "_total", samples);
}

fn family(out: &mut String, family: &Family<'_>, suffix: &str, samples: Samples) {
    let Family { name, kind, unit, help } = family;
    let _ = writeln!(out, "# TYPE {name} {kind}");
    if !unit.is_empty() {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
    let _ = writeln!(out, "# HELP {name} {help}");
    for (labels, value) in samples {
        let _ = writeln!(out, "{name}{suffix}{labels} {value}");
    }
}
