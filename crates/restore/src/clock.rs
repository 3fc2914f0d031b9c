//! The machine's clock against the age of an archive. A board whose battery is empty starts years ago: certificates are
//! not valid then, and files would be dated before their backup.

use jiff::{SignedDuration, Timestamp};

/// Clocks differ by this much; time zones that firmware keeps as local time differ by 14 hours at most.
const TOLERANCE: SignedDuration = SignedDuration::from_hours(24);
/// An archive older than this is worth a warning.
const OLD: SignedDuration = SignedDuration::from_hours(180 * 24);

/// What a person should know when a snapshot's time (RFC 3339) and the clock are far apart.
pub fn remark(snapshot_time: &str, now: Timestamp) -> Option<String> {
    let taken: Timestamp = snapshot_time.parse().ok()?;
    let age = now.duration_since(taken);
    let [taken, now] = [taken, now].map(|time| time.strftime("%Y-%m-%d %H:%M UTC").to_string());
    if age < -TOLERANCE {
        return Some(format!(
            "the archive is dated {taken}, and this machine's clock shows {now}, {} earlier: this clock is wrong, or \
             that of the backup was; set it with 'date --set' and 'hwclock --systohc', or in the firmware",
            days(-age)
        ));
    }
    (age > OLD).then(|| {
        format!(
            "the archive is dated {taken}, {} earlier than this machine's clock ({now}): either it is old, or the \
             clock is wrong",
            days(age)
        )
    })
}

fn days(span: SignedDuration) -> String {
    match span.as_hours() / 24 {
        1 => "1 day".to_owned(),
        days @ ..800 => format!("{days} days"),
        days => format!("{} years", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_far_from_an_archive() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        for (time, expected) in [
            ("2026-11-28T11:00:00Z", None),
            ("2026-11-29T11:00:00Z", None),
            ("2026-11-29T02:00:00.123456789+14:00", None),
            ("2026-07-01T00:00:00Z", None),
            ("2026-12-01T13:00:00Z", Some("3 days earlier: this clock is wrong")),
            ("2038-01-20T00:00:00+01:00", Some("11 years earlier: this clock is wrong")),
            ("2025-11-28T12:00:00Z", Some("365 days earlier than this machine's clock")),
            ("1999-01-01T00:00:00Z", Some("27 years earlier than this machine's clock")),
            ("no time", None),
        ] {
            let found = remark(time, now);
            match expected {
                None => assert_eq!(found, None, "{time}"),
                Some(part) => assert!(found.as_deref().is_some_and(|text| text.contains(part)), "{time}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_board_without_a_battery() {
        let now: Timestamp = "1970-01-01T00:05:00Z".parse().unwrap();
        let text = remark("2026-11-28T12:00:00Z", now).unwrap();
        assert!(text.contains("1970-01-01 00:05 UTC, 56 years earlier"), "{text}");
    }
}
