//! The result of a drill, as text, JSON and one self-contained HTML page.

use crate::DrillError;
use crate::html;
use crate::phases::Phase;
use crate::vm::Acceleration;
use lifeboat_machine::bytes::human;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a drill found out; the content of `report.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillReport {
    /// The medium brought the machine back, and it works.
    pub passed: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Name of the machine.
    pub machine: String,
    /// Its operating system.
    pub os: String,
    /// Its firmware, for people.
    pub firmware: String,
    /// The kernel on the medium.
    pub kernel: String,
    /// Path of the medium.
    pub medium: String,
    /// Id of the medium.
    pub medium_id: String,
    /// When it was made, RFC 3339.
    pub medium_created_at: String,
    /// Its size in bytes.
    pub medium_bytes: u64,
    /// Snapshot on the medium.
    pub snapshot: Option<String>,
    /// Entries that the archive holds.
    pub entries_expected: Option<u64>,
    /// Entries that were restored.
    pub entries_restored: Option<u64>,
    /// How the virtual machine ran.
    pub acceleration: Acceleration,
    /// Its memory in MiB.
    pub memory_mib: u32,
    /// Its disks.
    pub targets: Vec<Target>,
    /// What happened, and when.
    pub phases: Vec<Phase>,
    /// Warnings and entries that could not be restored, as console lines.
    pub warnings: Vec<String>,
    /// Pictures beside the report.
    pub screenshots: Vec<Screenshot>,
    /// The end of the console output.
    pub console_tail: String,
}

/// A disk of the drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The recorded disk, `disk0`.
    pub device: String,
    /// What the new one was attached to.
    pub controller: String,
    /// Size of the recorded disk in bytes.
    pub recorded_bytes: u64,
    /// Size of the new one in bytes.
    pub size_bytes: u64,
}

/// A picture of the screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Screenshot {
    /// `menu`, `recovering`, `recovered`, `booted`, `failure`.
    pub name: String,
    /// Seconds since power-on of that machine.
    pub at: f64,
    /// File name beside the report.
    pub file: String,
}

impl DrillReport {
    /// The verdict in one line.
    pub fn verdict(&self) -> String {
        match &self.reason {
            None => format!("PASSED: {} was recovered and boots", self.machine),
            Some(reason) => format!("FAILED: {}", reason.lines().next().unwrap_or_default()),
        }
    }

    /// What was rehearsed, as label and value.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("Machine", format!("{}, {}", self.machine, self.os)),
            ("Firmware", self.firmware.clone()),
            ("Kernel", self.kernel.clone()),
            ("Medium", format!("{}, {}", self.medium, human(self.medium_bytes))),
            ("Made", format!("{}, id {}", moment(&self.medium_created_at), short(&self.medium_id))),
        ];
        if let Some(snapshot) = &self.snapshot {
            facts.push(("Snapshot", short(snapshot).to_owned()));
        }
        let expected = self.entries_expected.map_or(String::new(), |entries| format!(" of {entries}"));
        let restored = self.entries_restored.map_or("none".to_owned(), |entries| entries.to_string());
        facts.push(("Entries restored", format!("{restored}{expected}")));
        for target in &self.targets {
            let size = match target.recorded_bytes == target.size_bytes {
                true => human(target.size_bytes),
                false => format!("{} instead of {}", human(target.size_bytes), human(target.recorded_bytes)),
            };
            facts.push(("Disk", format!("{}: {size} on {}", target.device, target.controller)));
        }
        let how = match self.acceleration {
            Acceleration::Kvm => "hardware virtualisation",
            Acceleration::Tcg => "emulated, so times are several times those of a real machine",
        };
        facts.push(("Virtual machine", format!("{} MiB, {how}", self.memory_mib)));
        facts
    }

    /// The report for a terminal.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n\n", self.verdict());
        for (label, value) in self.facts() {
            out.push_str(&format!("{label:<18}{value}\n"));
        }
        out.push_str(&format!("\n{:<32}{:>10}{:>10}\n", "phase", "at s", "took s"));
        for phase in &self.phases {
            out.push_str(&format!("{:<32}{:>10.1}{:>10.1}\n", phase.name, phase.start, phase.seconds));
        }
        if !self.warnings.is_empty() {
            out.push_str(&format!("\n{}\n", self.warnings.join("\n")));
        }
        if let Some(reason) = &self.reason {
            out.push_str(&format!("\n{reason}\n"));
        }
        out
    }
}

/// Writes `report.txt`, `report.json` and `report.html` to `directory`, where the screenshots are.
///
/// # Errors
/// When one cannot be written.
pub fn write(report: &DrillReport, directory: &Path) -> Result<(), DrillError> {
    let put = |name: &str, content: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, content).map_err(DrillError::io("WRITE", path))
    };
    put("report.txt", report.text().as_bytes())?;
    let json = serde_json::to_vec_pretty(report).map_err(|error| DrillError::Io {
        action: "WRITE",
        path: directory.join("report.json"),
        source: error.into(),
    })?;
    put("report.json", &json)?;
    // A missing picture leaves a gap in the page.
    let picture = |file: &str| std::fs::read(directory.join(file)).ok();
    put("report.html", html::page(report, &picture).as_bytes())
}

/// A time (RFC 3339, UTC) as people write it, to the second; as it is when it is none.
fn moment(time: &str) -> String {
    match time.split(['.', 'Z']).next().and_then(|time| time.split_once('T')) {
        Some((day, clock)) => format!("{day} {clock} UTC"),
        None => time.to_owned(),
    }
}

/// As much of an id as people compare.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> DrillReport {
        let phase = |name: &str, start, seconds| Phase { name: name.into(), start, seconds };
        DrillReport {
            passed: true,
            reason: None,
            machine: "web<1>".into(),
            os: "Debian GNU/Linux 12 (bookworm)".into(),
            firmware: "UEFI with Secure Boot".into(),
            kernel: "6.1.0-40-amd64".into(),
            medium: "/srv/rescue.iso".into(),
            medium_id: "00112233445566778899aabbccddeeff".into(),
            medium_created_at: "2026-11-24T06:00:00Z".into(),
            medium_bytes: 500 << 20,
            snapshot: Some("abcd1234".into()),
            entries_expected: Some(28_000),
            entries_restored: Some(28_000),
            acceleration: Acceleration::Tcg,
            memory_mib: 2048,
            targets: vec![Target {
                device: "disk0".into(),
                controller: "virtio-blk".into(),
                recorded_bytes: 4 << 30,
                size_bytes: 8 << 30,
            }],
            phases: vec![
                phase("firmware, boot loader", 0.0, 5.5),
                phase("load, kernel", 5.5, 9.0),
                phase("extract", 20.0, 40.25),
                phase("reboot to login", 70.0, 30.0),
            ],
            warnings: vec!["lifeboat: warning: the disk has another size".into()],
            screenshots: vec![Screenshot { name: "menu".into(), at: 5.5, file: "menu.png".into() }],
            console_tail: "web login: \n".into(),
        }
    }

    #[test]
    fn text() {
        insta::assert_snapshot!(sample().text());
    }

    #[test]
    fn a_failure_gives_the_reason() {
        let mut report = sample();
        report.passed = false;
        report.reason =
            Some("timed out after 3600 s waiting for \"login:\" on the console; last output:\npanic".into());
        let text = report.text();
        assert!(text.starts_with("FAILED: timed out after 3600 s waiting for \"login:\""), "{text}");
        assert!(text.ends_with("\npanic\n"), "{text}");
    }

    #[test]
    fn all_three_files_are_written() {
        let directory = tempfile::tempdir().unwrap();
        write(&sample(), directory.path()).unwrap();
        let json = std::fs::read(directory.path().join("report.json")).unwrap();
        assert_eq!(serde_json::from_slice::<DrillReport>(&json).unwrap(), sample());
        assert!(directory.path().join("report.html").is_file() && directory.path().join("report.txt").is_file());
    }
}
