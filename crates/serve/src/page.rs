//! The status page: HTML without scripts, and one small stylesheet in it. Everything that comes from elsewhere is escaped, and the
//! Content-Security-Policy lets nothing else be loaded or run.

use crate::answer::{Answer, of_type};
use crate::body::Body;
use crate::machines::{Machine, Recovery, Standing};
use crate::state::{Known, Told};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS};
use jiff::Timestamp;
use lifeboat_machine::bytes::{counted, grouped, human, printable};
use lifeboat_machine::event::Event;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::LazyLock;

const STYLE: &str = include_str!("page.css");
/// Seconds until the page is loaded again, while something is recovering and else.
const REFRESH: (u32, u32) = (5, 60);

/// The style by its hash, and nothing else (https://www.w3.org/TR/CSP3/).
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// A page as an answer.
pub fn answer(html: String) -> Answer {
    let mut answer = of_type(StatusCode::OK, "text/html; charset=utf-8", Body::Whole(Bytes::from(html)));
    let headers = answer.headers_mut();
    let fixed: [(HeaderName, &str); 3] =
        [(CONTENT_SECURITY_POLICY, &POLICY), (X_FRAME_OPTIONS, "DENY"), (REFERRER_POLICY, "no-referrer")];
    for (name, value) in fixed {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    answer
}

/// Text in HTML; control characters are spelled out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text.as_bytes()).replace("\\\\", "\\").chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn frame(title: &str, refresh: u32, now: i64, body: &str) -> String {
    let time = Timestamp::from_second(now)
        .map_or_else(|_| String::new(), |now| now.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"{refresh}\"><title>{}</title><style>{STYLE}</style></head><body><main>{body}<p class=\"soft foot\">As of {time}; loaded again every {refresh} s.</p></main></body></html>\n",
        escape(title)
    )
}

/// An age in one unit: hours up to two days, then days.
fn age(seconds: i64) -> String {
    let (number, unit) = match seconds.max(0) {
        seconds @ ..120 => (seconds, "second"),
        seconds @ ..7200 => (seconds / 60, "minute"),
        seconds @ ..172_800 => (seconds / 3600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    counted(usize::try_from(number).unwrap_or(0), unit)
}

/// A time as its age, with the time itself where a pointer rests.
fn ago(unix: i64, now: i64) -> String {
    let time = Timestamp::from_second(unix).map_or_else(|_| String::new(), |time| time.to_string());
    format!("<span title=\"{time}\">{} ago</span>", age(now - unix))
}

fn ago_or(unix: Option<i64>, now: i64, never: &str) -> String {
    unix.map_or_else(|| format!("<span class=\"soft\">{never}</span>"), |unix| ago(unix, now))
}

/// The page of all machines. `now`: seconds since 1970.
pub fn all(machines: &[Machine], now: i64) -> String {
    let count = |is: &dyn Fn(&Machine) -> bool| machines.iter().filter(|machine| is(machine)).count();
    let (overdue, attention) =
        (count(&|machine| machine.overdue), count(&|machine| machine.is_bad() && !machine.overdue));
    let running: Vec<&Machine> = machines.iter().filter(|machine| is_recovering(machine)).collect();
    let stored: u64 = machines.iter().filter(|machine| !machine.shared).map(|machine| machine.stored_bytes).sum();
    let mut sum = vec![counted(machines.len(), "machine"), format!("{} stored", human(stored))];
    match (overdue, attention) {
        (0, 0) => sum.push("<span class=\"good\">all is well</span>".to_owned()),
        _ => {
            sum.extend((overdue > 0).then(|| format!("<span class=\"bad\">{overdue} overdue</span>")));
            let needs = if attention == 1 { "needs" } else { "need" };
            sum.extend((attention > 0).then(|| format!("<span class=\"bad\">{attention} {needs} attention</span>")));
        }
    }
    sum.extend((!running.is_empty()).then(|| format!("<span class=\"busy\">{} recovering</span>", running.len())));
    let mut body = format!("<h1>Lifeboat</h1><p class=\"sum\">{}</p>", sum.join(" · "));
    for machine in &running {
        if let Some(recovery) = &machine.recovery {
            body.push_str(&progress(machine, recovery, now));
        }
    }
    if machines.is_empty() {
        body.push_str(
            "<div class=\"card\"><p>No machine has a token yet. <b>lifeboat serve DIR --add-token NAME --right append-only --path \
             machines/NAME</b> makes one.</p></div>",
        );
    } else {
        body.push_str(&table(machines, now));
    }
    let refresh = if running.is_empty() { REFRESH.1 } else { REFRESH.0 };
    frame("Lifeboat: machines", refresh, now, &body)
}

fn is_recovering(machine: &Machine) -> bool {
    machine.recovery.as_ref().is_some_and(Recovery::is_running)
}

/// A recovery that goes on.
fn progress(machine: &Machine, recovery: &Recovery, now: i64) -> String {
    let mut out = format!(
        "<section class=\"card now\"><p><b>{}</b> {}, told {}</p><p>{}</p>",
        escape(machine.name.as_str()),
        if recovery.standing == Standing::Waiting { "waits for a person" } else { "is recovering" },
        ago(recovery.told_unix, now),
        escape(&recovery.text)
    );
    if recovery.total_bytes > 0 {
        let (done, total) = (recovery.done_bytes.min(recovery.total_bytes), recovery.total_bytes);
        let left = (total - done).checked_div(recovery.rate).and_then(|left| i64::try_from(left).ok());
        let _ = write!(
            out,
            "<progress value=\"{done}\" max=\"{total}\"></progress><p class=\"soft\">{}: {} of {}{}, {}/s{}</p>",
            escape(recovery.phase.as_deref().unwrap_or_default()),
            human(done),
            human(total),
            entries(recovery.entries),
            human(recovery.rate),
            left.map(|left| format!(", {} left", age(left))).unwrap_or_default()
        );
    }
    out.push_str("</section>");
    out
}

fn entries(entries: (u64, u64)) -> String {
    match entries {
        (0, _) => String::new(),
        (done, 0) => format!(", {} entries", grouped(done)),
        (done, all) => format!(", {} of {} entries", grouped(done), grouped(all)),
    }
}

fn table(machines: &[Machine], now: i64) -> String {
    let mut sorted: Vec<&Machine> = machines.iter().collect();
    sorted.sort_by_key(|machine| (!machine.is_bad(), !is_recovering(machine), machine.name.clone()));
    let mut out =
        "<table><thead><tr><th>Machine</th><th>Last backup</th><th>Stored</th><th>Last 14 days</th><th>Verified</th>\
                   <th>Rehearsed</th></tr></thead><tbody>"
            .to_owned();
    for machine in sorted {
        let cell = |label: &str, inner: String| format!("<td data-label=\"{label}\"><div>{inner}</div></td>");
        let _ = write!(
            out,
            "<tr{}><td class=\"name\"><a href=\"/?machine={name}\">{name}</a>{}{}</td>{}{}{}{}{}</tr>",
            if machine.is_bad() { " class=\"wrong\"" } else { "" },
            mark(machine, now),
            problems(machine),
            cell("Last backup", last_backup(machine, now)),
            cell("Stored", stored(machine)),
            cell("Last 14 days", chart(&machine.growth_bytes)),
            cell("Verified", ago_or(machine.last_verify_unix, now, "not reported")),
            cell("Rehearsed", ago_or(machine.last_drill_unix, now, "not reported")),
            name = escape(machine.name.as_str()),
        );
    }
    out.push_str("</tbody></table>");
    out
}

fn mark(machine: &Machine, now: i64) -> String {
    let mut out = String::new();
    if machine.overdue {
        out.push_str("<span class=\"mark bad\">overdue</span>");
    }
    let recovery = machine.recovery.as_ref();
    let (class, word) = match recovery.map(|recovery| (recovery.standing, now - recovery.told_unix)) {
        Some((Standing::Running, _)) => ("busy", "recovering"),
        Some((Standing::Waiting, _)) => ("busy", "waits for a person"),
        Some((Standing::Silent, _)) => ("bad", "recovery is silent"),
        Some((Standing::Failed, _)) => ("bad", "recovery failed"),
        // For a day.
        Some((Standing::Done, ..=86_400)) => ("good", "recovered"),
        Some((Standing::Done, _)) | None => return out,
    };
    let _ = write!(out, "<span class=\"mark {class}\">{word}</span>");
    out
}

fn problems(machine: &Machine) -> String {
    let failed = machine.recovery.as_ref().filter(|recovery| recovery.standing == Standing::Failed);
    let texts =
        failed.map(|recovery| recovery.text.as_str()).into_iter().chain(machine.problems.iter().map(String::as_str));
    texts.fold(String::new(), |out, text| out + &format!("<span class=\"small bad\">{}</span>", escape(text)))
}

fn last_backup(machine: &Machine, now: i64) -> String {
    let never = if machine.shared { "not reported" } else { "never" };
    let mut out = ago_or(machine.last_backup_unix, now, never);
    if machine.overdue && machine.last_backup_unix.is_some() {
        let limit = i64::try_from(machine.overdue_after_seconds).unwrap_or(i64::MAX);
        let _ = write!(out, "<span class=\"small bad\">the limit is {}</span>", age(limit));
    }
    if let Some(bytes) = machine.last_backup_bytes {
        let _ = write!(out, "<span class=\"small\">{} added</span>", human(bytes));
    }
    out
}

fn stored(machine: &Machine) -> String {
    let mut out = human(machine.stored_bytes);
    if let Some(quota) = machine.quota_bytes {
        let percent = machine.stored_bytes.saturating_mul(100) / quota.max(1);
        let class = if percent >= 90 { " bad" } else { "" };
        let _ = write!(out, "<span class=\"small{class}\">{percent} % of {}</span>", human(quota));
    }
    let shared = if machine.shared { ", shared" } else { "" };
    let snapshots = usize::try_from(machine.snapshots).unwrap_or(usize::MAX);
    let _ = write!(out, "<span class=\"small\">{}{shared}</span>", counted(snapshots, "snapshot"));
    out
}

/// A bar for each day. Sizes are attributes, not styles, which the policy does not let pass.
fn chart(days: &[u64]) -> String {
    const HEIGHT: u64 = 28;
    let largest = days.iter().copied().max().unwrap_or(0);
    if largest == 0 {
        return "<span class=\"soft\">nothing added</span>".to_owned();
    }
    let total: u64 = days.iter().sum();
    let label = format!("{} in {}, {} on the most busy one", human(total), counted(days.len(), "day"), human(largest));
    let mut out = format!(
        "<svg width=\"{}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{label}\"><title>{label}</title>",
        days.len() * 8
    );
    for (number, bytes) in days.iter().enumerate() {
        // A day with any growth is seen.
        let height = bytes.saturating_mul(HEIGHT).checked_div(largest).unwrap_or(0).max(if *bytes > 0 { 3 } else { 1 });
        let class = if *bytes > 0 { "" } else { " class=\"none\"" };
        let _ = write!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"6\" height=\"{height}\"{class}/>",
            number * 8,
            HEIGHT - height
        );
    }
    let _ = write!(out, "</svg><span class=\"small\">{} added</span>", human(total));
    out
}

/// The page of one machine. `now`: seconds since 1970.
pub fn one(machine: &Machine, known: &Known, now: i64) -> String {
    let name = escape(machine.name.as_str());
    let mut body = format!("<p class=\"soft\"><a href=\"/\">All machines</a></p><h1>{name}{}</h1>", mark(machine, now));
    if let Some(recovery) = machine.recovery.as_ref().filter(|recovery| recovery.is_running()) {
        body.push_str(&progress(machine, recovery, now));
    }
    let problems = problems(machine);
    if !problems.is_empty() {
        let _ = write!(body, "<section class=\"card wrong\">{problems}</section>");
    }
    let repositories: Vec<String> = machine.repositories.iter().map(|repo| escape(repo.as_str())).collect();
    let mut rows = vec![
        ("Last backup", last_backup(machine, now)),
        ("Stored", stored(machine)),
        ("Last 14 days", chart(&machine.growth_bytes)),
        ("Verified", ago_or(machine.last_verify_unix, now, "not reported")),
        ("Rehearsed", ago_or(machine.last_drill_unix, now, "not reported")),
        ("Status reported", ago_or(machine.reported_unix, now, "never")),
        ("Repositories", if repositories.is_empty() { "none yet".to_owned() } else { repositories.join(", ") }),
    ];
    rows.extend(machine.id.as_ref().map(|id| ("Id", escape(id))));
    let _ = write!(body, "<section class=\"card\"><dl>");
    for (label, value) in rows {
        let _ = write!(body, "<dt>{label}</dt><dd>{value}</dd>");
    }
    let _ = write!(body, "</dl></section><h2>Log of its recoveries</h2>{}", log(known));
    frame(
        &format!("Lifeboat: {}", machine.name),
        if is_recovering(machine) { REFRESH.0 } else { REFRESH.1 },
        now,
        &body,
    )
}

/// What was told, the newest first.
pub(crate) fn log(known: &Known) -> String {
    if known.events.is_empty() {
        return "<p class=\"soft\">It has told nothing yet.</p>".to_owned();
    }
    let lines: String = known.events.iter().rev().map(line).collect();
    format!("<ul class=\"card log\">{lines}</ul>")
}

fn line(told: &Told) -> String {
    let class = match told.event {
        Event::Failed { .. } | Event::Warning { .. } | Event::Entry { .. } => " class=\"bad\"",
        Event::Restored { .. } => " class=\"good\"",
        _ => "",
    };
    let text = told.event.console_line();
    let time = told.at.strftime("%Y-%m-%d %H:%M:%SZ");
    format!("<li{class}><time>{time}</time> {}</li>", escape(text.strip_prefix("lifeboat: ").unwrap_or(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_is_text() {
        assert_eq!(escape("<b a='x' c=\"y\">&\u{1b}"), "&lt;b a=&#39;x&#39; c=&quot;y&quot;&gt;&amp;\\x1b");
        let hostile = "</style><script>alert(1)</script>";
        let machine = Machine {
            name: "web1".parse().unwrap(),
            id: Some(hostile.into()),
            repositories: vec![],
            shared: false,
            snapshots: 1,
            last_backup_unix: Some(1000),
            last_backup_bytes: Some(5),
            stored_bytes: 950,
            quota_bytes: Some(1000),
            growth_bytes: vec![0, 5],
            overdue_after_seconds: 3600,
            overdue: true,
            last_verify_unix: None,
            last_drill_unix: Some(500),
            reported_unix: None,
            problems: vec![hostile.into()],
            recovery: Some(Recovery {
                standing: Standing::Running,
                text: hostile.into(),
                told_unix: 990,
                phase: Some(hostile.into()),
                entries: (1000, 2000),
                done_bytes: 10,
                total_bytes: 20,
                rate: 5,
            }),
        };
        let mut known = Known::default();
        known.events.push_back(Told {
            at: Timestamp::from_second(5).unwrap(),
            teller: None,
            event: Event::Failed { reason: hostile.into() },
        });
        for html in [all(std::slice::from_ref(&machine), 100_000), one(&machine, &known, 100_000)] {
            assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");
            assert!(
                html.contains("overdue") && html.contains("95 % of 1000 B") && html.contains("2 seconds left"),
                "{html}"
            );
            assert!(!html.contains("style=") && !html.contains("://"), "{html}");
        }
        assert!(POLICY.starts_with("default-src 'none'; style-src 'sha256-"));
    }
}
