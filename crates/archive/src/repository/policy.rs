//! Which snapshots a policy keeps, and why: the rules of `restic forget` (internal/restic/snapshot_policy.go), with two differences:
//! snapshots are in the order in which they were written, not in that of clocks, and the latest of a group is always kept.
//!
//! Days, weeks and so on are those of the time zone in which a snapshot is recorded, as restic has it. Lifeboat records UTC.

mod within;

pub use within::Within;

use super::snapshot::SnapshotInfo;
use jiff::civil::DateTime;

/// How many snapshots of a kind are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// None for that reason.
    #[default]
    None,
    /// So many.
    Some(u32),
    /// All.
    All,
}

impl Count {
    fn is_used(self) -> bool {
        !matches!(self, Count::None | Count::Some(0))
    }

    fn take(&mut self) {
        if let Count::Some(left) = self {
            *left = left.saturating_sub(1);
        }
    }
}

/// Which snapshots are kept: each that one of the rules keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The last ones.
    pub last: Count,
    /// The last of each of so many hours that have one.
    pub hourly: Count,
    /// The same of days.
    pub daily: Count,
    /// The same of weeks, ISO 8601.
    pub weekly: Count,
    /// The same of months.
    pub monthly: Count,
    /// The same of years.
    pub yearly: Count,
    /// All that are not older than the latest by more than this.
    pub within: Option<Within>,
    /// Of these the last of each hour.
    pub within_hourly: Option<Within>,
    /// The same of days.
    pub within_daily: Option<Within>,
    /// The same of weeks.
    pub within_weekly: Option<Within>,
    /// The same of months.
    pub within_monthly: Option<Within>,
    /// The same of years.
    pub within_yearly: Option<Within>,
    /// Those that have all tags of one of these lists.
    pub tags: Vec<Vec<String>>,
}

/// A time as a snapshot records it.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// What a clock on the wall showed.
    pub(super) civil: DateTime,
    /// Seconds since 1970 in UTC, with fractions as nanoseconds.
    pub(super) nanoseconds: i128,
}

impl Moment {
    fn of(snapshot: &SnapshotInfo) -> Moment {
        let nanoseconds = snapshot.nanoseconds;
        let utc = || {
            let time = jiff::Timestamp::from_nanosecond(nanoseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            jiff::tz::TimeZone::UTC.to_datetime(time)
        };
        // Without its offset it is what the clock showed.
        let civil = snapshot.time.get(..19).and_then(|text| text.parse().ok()).unwrap_or_else(utc);
        Moment { civil, nanoseconds }
    }
}

/// The hour, day and so on that a snapshot stands for; the last snapshot of each counts.
type Bucket = fn(&Moment, usize) -> i64;

fn each(_: &Moment, number: usize) -> i64 {
    number as i64
}

fn hour(moment: &Moment, number: usize) -> i64 {
    day(moment, number) * 100 + i64::from(moment.civil.hour())
}

fn day(moment: &Moment, number: usize) -> i64 {
    month(moment, number) * 100 + i64::from(moment.civil.day())
}

fn week(moment: &Moment, _: usize) -> i64 {
    let week = moment.civil.date().iso_week_date();
    i64::from(week.year()) * 100 + i64::from(week.week())
}

fn month(moment: &Moment, number: usize) -> i64 {
    year(moment, number) * 100 + i64::from(moment.civil.month())
}

fn year(moment: &Moment, _: usize) -> i64 {
    i64::from(moment.civil.year())
}

impl Policy {
    /// It keeps nothing for any reason.
    pub fn is_empty(&self) -> bool {
        let counts = [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly];
        let no_count = !counts.iter().any(|count| count.is_used());
        no_count && self.tags.is_empty() && self.spans().iter().all(|(span, _, _)| span.is_none())
    }

    fn spans(&self) -> [(Option<Within>, Bucket, &'static str); 6] {
        [
            (self.within, each, ""),
            (self.within_hourly, hour, "hourly "),
            (self.within_daily, day, "daily "),
            (self.within_weekly, week, "weekly "),
            (self.within_monthly, month, "monthly "),
            (self.within_yearly, year, "yearly "),
        ]
    }

    /// Why each snapshot is kept; none of the reasons says that it is not. They are in the order of writing, oldest first.
    pub(super) fn reasons(&self, snapshots: &[&SnapshotInfo], now: jiff::Timestamp) -> Vec<Vec<String>> {
        let moments: Vec<Moment> = snapshots.iter().map(|snapshot| Moment::of(snapshot)).collect();
        // One that is dated in the future says nothing about how old the others are.
        let past = moments.iter().filter(|moment| moment.nanoseconds < now.as_nanosecond());
        let latest = past.max_by_key(|moment| moment.nanoseconds).copied();
        let mut counted: [(Count, Bucket, &str, Option<i64>); 6] = [
            (self.last, each, "last snapshot", None),
            (self.hourly, hour, "hourly snapshot", None),
            (self.daily, day, "daily snapshot", None),
            (self.weekly, week, "weekly snapshot", None),
            (self.monthly, month, "monthly snapshot", None),
            (self.yearly, year, "yearly snapshot", None),
        ];
        let mut spans = self.spans().map(|(span, bucket, name)| (span, bucket, name, None));
        let mut all = vec![vec![]; snapshots.len()];
        for (number, at) in (0..snapshots.len()).rev().enumerate() {
            let (moment, is_oldest, reasons) = (&moments[at], at == 0, &mut all[at]);
            let has = |tag: &String| snapshots[at].tags.contains(tag);
            let tags = self.tags.iter().filter(|list| list.iter().all(has));
            reasons.extend(tags.map(|list| format!("has tags [{}]", list.join(", "))));
            let is_within = |span: &Within| latest.is_some_and(|latest| moment.nanoseconds > span.before(&latest));
            if self.within.is_some_and(|span| is_within(&span)) {
                reasons.extend(self.within.map(|span| format!("within {span}")));
            }
            // The oldest is kept while a rule has a number left: it reaches back furthest.
            let count = |bucket: Bucket, last: &mut Option<i64>, name: &str| {
                let value = bucket(moment, number);
                let is_new = *last != Some(value);
                if is_new || is_oldest {
                    *last = Some(value);
                    return Some(if is_new { name.to_owned() } else { format!("oldest {name}") });
                }
                None
            };
            for (left, bucket, name, last) in &mut counted {
                if left.is_used()
                    && let Some(reason) = count(*bucket, last, name)
                {
                    left.take();
                    reasons.push(reason);
                }
            }
            for (span, bucket, name, last) in spans.iter_mut().skip(1) {
                if let Some(span) = span.filter(&is_within)
                    && let Some(reason) = count(*bucket, last, name)
                {
                    reasons.push(format!("{}within {span}", reason));
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
