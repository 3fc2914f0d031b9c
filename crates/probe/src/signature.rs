//! blkid's answers: what a device holds.

use crate::prober::Prober;
use lifeboat_machine::layout::log_identity;
use lifeboat_storage::blkid;
use lifeboat_sys::{Invocation, RunError, program};
use std::collections::BTreeMap;

/// What blkid found on a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signature {
    /// `TYPE`: `ext4`, `LVM2_member`, `swap`, …
    pub kind: Option<String>,
    /// `USAGE`: `filesystem`, `raid`, `crypto`, `other`.
    pub usage: Option<String>,
    /// `UUID`.
    pub uuid: Option<String>,
    /// The filesystem that it is the log of, by its `LOGUUID`, when it has no UUID of its own ([`log_identity`]).
    pub log: Option<String>,
    /// `LABEL`, for people.
    pub label: Option<String>,
    /// `PTTYPE`: `gpt`, `dos`, …
    pub table: Option<String>,
    /// Several signatures exclude each other.
    pub ambiguous: bool,
}

impl Signature {
    /// By what it is known: its UUID, or whose log it is.
    pub fn identity(&self) -> Option<String> {
        self.uuid.clone().or_else(|| self.log.clone())
    }

    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        self.kind.is_none() && self.table.is_none() && !self.ambiguous
    }
}

/// Asks blkid about a device, past its cache.
pub(crate) fn read(prober: &Prober<'_>, device: &str) -> Result<Signature, RunError> {
    // 2: nothing found (or not readable, which the message reports); 8: several signatures (blkid(8), "EXIT STATUS").
    let call = Invocation::new(program::BLKID).args(["-p", "-o", "export"]).arg(prober.host(device));
    let output = prober.runner.run(&call.accept(2).accept(8))?;
    let reported = String::from_utf8_lossy(&output.stderr);
    if output.code == 2 && reported.contains("error:") && !reported.contains("ambivalent") {
        let message = reported.trim().trim_start_matches("blkid: error: ").to_owned();
        return Err(RunError::Failed { command: format!("blkid -p {device}"), code: 2, message });
    }
    let mut signature = parse(&output.text());
    signature.ambiguous = output.code == 8;
    Ok(signature)
}

/// Reads `blkid -o export` of one device.
pub(crate) fn parse(text: &str) -> Signature {
    let values: BTreeMap<&str, String> = blkid::values(text).collect();
    let value = |name: &str| values.get(name).cloned().filter(|value| !value.is_empty());
    Signature {
        kind: value("TYPE"),
        usage: value("USAGE"),
        uuid: value("UUID"),
        log: value("LOGUUID").filter(|_| value("UUID").is_none()).map(|uuid| log_identity(&uuid)),
        label: value("LABEL"),
        table: value("PTTYPE"),
        ambiguous: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sysroot::Sysroot;
    use lifeboat_sys::{FakeRunner, Output};

    #[test]
    fn real_answers() {
        let ext = parse(include_str!("../fixtures/blkid-ext4.txt"));
        assert_eq!(ext.kind.as_deref(), Some("ext4"));
        assert_eq!(ext.label.as_deref(), Some("a b"));
        assert_eq!(ext.usage.as_deref(), Some("filesystem"));
        let gpt = parse(include_str!("../fixtures/blkid-gpt.txt"));
        assert_eq!((gpt.kind, gpt.table.as_deref()), (None, Some("gpt")));
        assert!(parse("").is_empty());
        // As util-linux 2.38.1 prints the log of an XFS, and the journal of an ext4, on devices of their own.
        let log = parse(
            "DEVNAME=/dev/loop1\nLOGUUID=11111111-2222-4333-8444-555555555555\nTYPE=xfs_external_log\nUSAGE=other\n",
        );
        assert_eq!(
            (log.uuid.as_ref(), log.identity().as_deref()),
            (None, Some("11111111-2222-4333-8444-555555555555-log"))
        );
        let journal = parse("DEVNAME=/dev/loop1\nUUID=3333\nVERSION=1.0\nLOGUUID=3333\nTYPE=jbd\nUSAGE=other\n");
        assert_eq!(journal.identity().as_deref(), Some("3333"));
    }

    #[test]
    fn exit_codes() {
        let sysroot = Sysroot::default();
        let with = |code, stderr: &str| {
            let output = Output { code, stdout: vec![], stderr: stderr.as_bytes().to_vec() };
            let runner = FakeRunner::new().answer_with("blkid -p -o export /dev/sda", output);
            read(&Prober::new(&runner, &sysroot), "/dev/sda")
        };
        assert!(with(2, "").unwrap().is_empty());
        assert!(with(8, "").unwrap().ambiguous);
        let error = with(2, "blkid: error: /dev/sda: Operation not permitted\n").unwrap_err();
        assert!(error.to_string().contains("/dev/sda: Operation not permitted"), "{error}");
    }
}
