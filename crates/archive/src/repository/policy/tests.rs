use super::super::snapshot::{self, SnapshotFile};
use super::*;
use crate::repository::{Repository, RepositoryOptions};
use crate::{Secret, SnapshotInfo};
use rustic_core::FileType;
use std::collections::BTreeMap;
use std::process::Command;

fn info(time: &str, tags: &[&str]) -> SnapshotInfo {
    let file = SnapshotFile {
        time: time.to_owned(),
        parent: None,
        tree: [7; 32],
        paths: vec!["/".to_owned()],
        hostname: "h".to_owned(),
        username: "root".to_owned(),
        tags: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()),
        program_version: "test".to_owned(),
        summary: None,
    };
    let json = serde_json::to_vec(&file).unwrap();
    snapshot::parse(&crate::repository::crypto::hash(&json), &json).unwrap()
}

fn kept(policy: &Policy, list: &[SnapshotInfo]) -> Vec<Vec<String>> {
    policy.reasons(&list.iter().collect::<Vec<_>>(), "2026-11-30T12:00:00Z".parse().unwrap())
}

#[test]
fn spans_are_read_shown_and_counted_back() {
    for (text, shown) in [("1y6m", "1y6m"), ("14d12h", "14d12h"), ("36h", "36h"), ("6m1y", "1y6m")] {
        assert_eq!(text.parse::<Within>().unwrap().to_string(), shown);
    }
    for text in ["", "5", "d", "5x", "-5d", "5d3", "0d", "99999999999999d", "1.5d"] {
        assert!(text.parse::<Within>().unwrap_err().contains("1y6m"), "{text}");
    }
    let moment = Moment::of(&info("2026-03-31T10:00:00+02:00", &[]));
    let before = |text: &str| {
        let nanoseconds = text.parse::<Within>().unwrap().before(&moment);
        jiff::Timestamp::from_nanosecond(nanoseconds).unwrap().to_string()
    };
    // The 31st of February is the 3rd of March, as Go has it.
    assert_eq!(before("1m"), "2026-03-03T08:00:00Z");
    assert_eq!(before("1y"), "2025-03-31T08:00:00Z");
    assert_eq!(before("1d3h"), "2026-03-30T05:00:00Z");
    assert_eq!("99999y".parse::<Within>().unwrap().before(&moment), i128::MIN);
}

#[test]
fn the_order_is_that_of_writing_and_a_clock_that_was_ahead_moves_no_span() {
    let list = ["2026-11-01T00:00:00Z", "2036-01-01T00:00:00Z", "2026-11-29T00:00:00Z"].map(|time| info(time, &[]));
    let policy = Policy { last: Count::Some(1), ..Policy::default() };
    assert_eq!(kept(&policy, &list), [vec![], vec![], vec!["last snapshot".to_owned()]]);
    let policy = Policy { within: Some("7d".parse().unwrap()), ..Policy::default() };
    let reasons = kept(&policy, &list);
    assert_eq!(reasons.iter().map(|reasons| !reasons.is_empty()).collect::<Vec<_>>(), [false, true, true]);
    assert!(Policy::default().is_empty() && !policy.is_empty());
    assert!(Policy { daily: Count::Some(0), ..Policy::default() }.is_empty());
}

/// Options of restic, and the same policy.
fn policies() -> Vec<(&'static str, Policy)> {
    let span = |text: &str| Some(text.parse::<Within>().unwrap());
    let none = Policy::default;
    let some = Count::Some;
    vec![
        ("--keep-last 5", Policy { last: some(5), ..none() }),
        ("--keep-last 100000", Policy { last: some(100_000), ..none() }),
        ("--keep-hourly 30", Policy { hourly: some(30), ..none() }),
        ("--keep-daily 7", Policy { daily: some(7), ..none() }),
        ("--keep-daily 100000", Policy { daily: some(100_000), ..none() }),
        ("--keep-weekly 9", Policy { weekly: some(9), ..none() }),
        ("--keep-weekly 300", Policy { weekly: some(300), ..none() }),
        ("--keep-monthly 14", Policy { monthly: some(14), ..none() }),
        ("--keep-yearly 2", Policy { yearly: some(2), ..none() }),
        ("--keep-yearly 20", Policy { yearly: some(20), ..none() }),
        (
            "--keep-last 2 --keep-hourly 5 --keep-daily 14 --keep-weekly 4 --keep-monthly 12",
            Policy { last: some(2), hourly: some(5), daily: some(14), weekly: some(4), monthly: some(12), ..none() },
        ),
        ("--keep-within 1m", Policy { within: span("1m"), ..none() }),
        ("--keep-within 2y1m3d7h", Policy { within: span("2y1m3d7h"), ..none() }),
        ("--keep-within-hourly 9d", Policy { within_hourly: span("9d"), ..none() }),
        ("--keep-within-daily 2m", Policy { within_daily: span("2m"), ..none() }),
        ("--keep-within-weekly 1y", Policy { within_weekly: span("1y"), ..none() }),
        ("--keep-within-monthly 20y", Policy { within_monthly: span("20y"), ..none() }),
        ("--keep-within-yearly 20y", Policy { within_yearly: span("20y"), ..none() }),
        (
            "--keep-tag a,b --keep-tag c --keep-last 1",
            Policy { tags: vec![vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]], last: some(1), ..none() },
        ),
        (
            "--keep-daily 3 --keep-within-weekly 3m --keep-yearly 5",
            Policy { daily: some(3), within_weekly: span("3m"), yearly: some(5), ..none() },
        ),
    ]
}

#[test]
fn the_same_are_kept_for_the_same_reasons_as_by_restic() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("repository");
    let key = Secret::generate().unwrap();
    let repository = Repository::init(&location, &key, &RepositoryOptions::default()).unwrap();
    // Some years with gaps, several a day, in several time zones; restic sorts by time, so times grow.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut seconds = 1_640_000_000_i64;
    for number in 0..240_u64 {
        seconds += [600, 3_000, 40_000, 86_400, 200_000, 2_000_000][random(6) as usize] + random(5_000) as i64;
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset([0, 1, -5, 9][random(4) as usize]));
        let time = jiff::Timestamp::from_second(seconds).unwrap().to_zoned(zone);
        let time = time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        let tags: Vec<&str> = ["a", "b", "c"].into_iter().filter(|_| random(4) == 0).collect();
        let tags: Vec<String> = tags.into_iter().map(str::to_owned).collect();
        let file = SnapshotFile {
            time,
            parent: None,
            tree: [number as u8; 32],
            paths: vec!["/".to_owned()],
            hostname: "h".to_owned(),
            username: "root".to_owned(),
            tags: Some(tags),
            program_version: "test".to_owned(),
            summary: None,
        };
        repository.store.write_file(FileType::Snapshot, &serde_json::to_vec(&file).unwrap()).unwrap();
    }
    let list = repository.snapshots().unwrap();
    assert_eq!(list.len(), 240);
    assert!(list.last().unwrap().nanoseconds < jiff::Timestamp::now().as_nanosecond(), "restic looks at the clock");
    for (options, policy) in policies() {
        let mut call = Command::new("restic");
        call.args(["--no-cache", "--no-lock", "--json", "--repo"]).arg(&location);
        call.args(["forget", "--dry-run", "--group-by", "host"]).args(options.split(' '));
        let output = call.env("RESTIC_PASSWORD", key.expose()).output().unwrap();
        assert!(output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stderr));
        let groups: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let theirs: BTreeMap<String, Vec<String>> = groups[0]["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|reason| {
                let id = reason["snapshot"]["tree"].as_str().unwrap().to_owned()
                    + reason["snapshot"]["time"].as_str().unwrap();
                let matches = reason["matches"].as_array().unwrap();
                (id, matches.iter().map(|text| text.as_str().unwrap().to_owned()).collect())
            })
            .collect();
        let ours = policy.reasons(&list.iter().collect::<Vec<_>>(), jiff::Timestamp::now());
        let ours: BTreeMap<String, Vec<String>> = list
            .iter()
            .zip(ours)
            .filter(|(_, reasons)| !reasons.is_empty())
            .map(|(snapshot, reasons)| (crate::repository::crypto::hex(&snapshot.tree) + &snapshot.time, reasons))
            .collect();
        // Go writes UTC as Z. Only newer releases of restic keep the oldest one.
        let plain = |map: BTreeMap<String, Vec<String>>| -> BTreeMap<String, Vec<String>> {
            let plain = map.into_iter().map(|(id, mut reasons)| {
                reasons.retain(|reason| !reason.starts_with("oldest "));
                (id.replace("+00:00", "Z"), reasons)
            });
            plain.filter(|(_, reasons)| !reasons.is_empty()).collect()
        };
        assert_eq!(plain(ours), plain(theirs), "{options:?}");
    }
}
