//! The report of a failed run: as a mail and as a JSON document.

use std::fmt::Write as _;

/// Shorter secrets would be found in ordinary words.
const SHORTEST: usize = 6;
/// The longest line of a mail, RFC 5322, section 2.1.1.
const LONGEST_LINE: usize = 900;

/// What is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The machine.
    pub machine: String,
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// What failed; `None` for a test.
    pub failure: Option<Failure>,
}

/// A unit that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub unit: String,
    /// The exit code of its program, as far as there is one.
    pub code: Option<i32>,
    /// systemd's word for what happened: `exit-code`, `timeout`, `signal`, …
    pub result: String,
    /// What the run said at its end.
    pub error: Option<String>,
    /// The end of its log.
    pub lines: Vec<String>,
}

impl Report {
    /// The report without secrets: each of these, and passwords in addresses, become `***`.
    pub fn without(mut self, secrets: &[String]) -> Report {
        let clean = |text: &str| {
            let text = secrets
                .iter()
                .filter(|secret| secret.len() >= SHORTEST)
                .fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"));
            without_passwords(&text)
        };
        if let Some(failure) = &mut self.failure {
            failure.error = failure.error.as_deref().map(clean);
            failure.lines = failure.lines.iter().map(|line| clean(line)).collect();
        }
        self
    }

    /// One line.
    pub fn subject(&self) -> String {
        match &self.failure {
            None => format!("lifeboat on {}: a test message", self.machine),
            Some(Failure { unit, code: Some(5), .. }) => {
                format!("lifeboat on {}: {unit} could not save or restore some entries", self.machine)
            }
            Some(Failure { unit, code: Some(code), .. }) => {
                format!("lifeboat on {}: {unit} failed with code {code}", self.machine)
            }
            Some(Failure { unit, result, .. }) => format!("lifeboat on {}: {unit} failed ({result})", self.machine),
        }
    }

    /// All of it as text.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n\nmachine: {}\ntime:    {}\n", self.subject(), self.machine, self.time);
        let Some(failure) = &self.failure else { return out };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "unit:    {}\nresult:  {}", failure.unit, failure.result);
        if let Some(error) = &failure.error {
            let _ = writeln!(out, "\n{error}");
        }
        if !failure.lines.is_empty() {
            let _ = writeln!(out, "\nThe end of the log:\n\n{}", failure.lines.join("\n"));
        }
        let _ = writeln!(
            out,
            "\n'lifeboat status' on the machine says what is overdue; 'journalctl -u {}' has all of it.",
            failure.unit
        );
        out
    }

    /// The mail, RFC 5322.
    pub fn mail(&self, to: &[String], from: Option<&str>) -> String {
        let line = |text: &str| -> String {
            text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
        };
        let mut out = String::new();
        if let Some(from) = from {
            let _ = writeln!(out, "From: {}", line(from));
        }
        let _ = writeln!(out, "To: {}\nSubject: {}", line(&to.join(", ")), line(&self.subject()));
        let _ = writeln!(
            out,
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit"
        );
        // Nobody's holiday notice answers it (RFC 3834).
        let _ = writeln!(out, "Auto-Submitted: auto-generated\n");
        for text in self.text().lines() {
            let text: Vec<char> = text.chars().filter(|c| !c.is_control() || *c == '\t').collect();
            let pieces = text.chunks(LONGEST_LINE / 4);
            match text.is_empty() {
                true => out.push('\n'),
                false => pieces.for_each(|piece| {
                    let _ = writeln!(out, "{}", piece.iter().collect::<String>());
                }),
            }
        }
        out
    }

    /// The document for a webhook. `text` is what chat services show.
    pub fn json(&self) -> serde_json::Value {
        let failure = self.failure.as_ref();
        serde_json::json!({
            "text": self.subject(),
            "program": "lifeboat",
            "version": env!("CARGO_PKG_VERSION"),
            "machine": self.machine,
            "time": self.time,
            "test": failure.is_none(),
            "unit": failure.map(|failure| &failure.unit),
            "code": failure.and_then(|failure| failure.code),
            "result": failure.map(|failure| &failure.result),
            "error": failure.and_then(|failure| failure.error.as_ref()),
            "log": failure.map(|failure| &failure.lines),
        })
    }
}

/// `//user:password@host` without the password.
fn without_passwords(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("//") {
        let (before, after) = rest.split_at(at + 2);
        out.push_str(before);
        let end = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        let (authority, further) = after.split_at(end);
        match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
            Some((user, host)) => {
                let _ = write!(out, "{user}:***@{host}");
            }
            None => out.push_str(authority),
        }
        rest = further;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            machine: "web1\r\nBcc: all@example.org".into(),
            time: "2026-11-30T01:00:00Z".into(),
            failure: Some(Failure {
                unit: "lifeboat-backup.service".into(),
                code: Some(1),
                result: "exit-code".into(),
                error: Some("lifeboat: cannot OPEN https://me:hunter2secret@nas/x: no".into()),
                lines: vec!["AWS_SECRET_ACCESS_KEY=abcdef123456 \u{1b}[2J".into(), "x".repeat(3000)],
            }),
        }
    }

    #[test]
    fn no_secret_leaves_the_machine() {
        let report = report().without(&["abcdef123456".into(), "x".into()]);
        for text in [report.text(), report.mail(&["root".into()], None), report.json().to_string()] {
            assert!(!text.contains("hunter2secret") && !text.contains("abcdef123456"), "{text}");
            assert!(
                text.contains("me:***@nas") && text.contains("lifeboat-backup.service failed with code 1"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_mail_has_the_headers_that_it_should_have_and_no_others() {
        let mail = report().mail(&["root@example.org".into(), "b@c".into()], Some("me@d"));
        let (head, body) = mail.split_once("\n\n").unwrap();
        let names: Vec<&str> = head.lines().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(
            names,
            ["From", "To", "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Auto-Submitted"]
        );
        assert!(body.lines().all(|line| line.len() < 998) && !body.contains('\u{1b}'));
    }

    #[test]
    fn a_test_says_that_it_is_one() {
        let test = Report { failure: None, ..report() };
        assert!(test.subject().contains("test") && test.json()["test"] == true && test.json()["unit"].is_null());
    }
}
