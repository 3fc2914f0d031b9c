//! Time spans such as `1y6m` or `14d12h`, counted back from a snapshot as Go's `Time.AddDate` does, which restic uses.

use super::Moment;
use jiff::ToSpan as _;
use jiff::civil::Date;
use std::fmt;
use std::str::FromStr;

/// A time span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Within {
    years: i32,
    months: i32,
    days: i32,
    hours: i32,
}

/// The most of each unit.
const MOST: i32 = 100_000;

impl Within {
    /// Nanoseconds since 1970 of the time that is so much before a moment.
    pub(super) fn before(&self, moment: &Moment) -> i128 {
        let civil = moment.civil;
        let months = i64::from(civil.year()) * 12 + i64::from(civil.month()) - 1;
        let months = months - i64::from(self.years) * 12 - i64::from(self.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        // The 31st of a shorter month is a day of the next one.
        let first = i16::try_from(year).ok().and_then(|year| Date::new(year, month as i8, 1).ok());
        let days = i64::from(civil.day()) - 1 - i64::from(self.days);
        let Some(date) = first.and_then(|first| first.checked_add(days.days()).ok()) else { return i128::MIN };
        let Ok(between) = civil.date().since(date) else { return i128::MIN };
        let hours = i128::from(between.get_days()) * 24 + i128::from(self.hours);
        moment.nanoseconds - hours * 3_600_000_000_000
    }
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.years, 'y'), (self.months, 'm'), (self.days, 'd'), (self.hours, 'h')];
        parts.iter().filter(|(count, _)| *count != 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

impl FromStr for Within {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("'{text}': expected a time span such as 1y6m, 14d or 36h (y years, m months, d days, h hours)");
        let mut within = Within::default();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let (digits, unit) = rest.split_at(end);
            let place = match unit.chars().next() {
                Some('y') => &mut within.years,
                Some('m') => &mut within.months,
                Some('d') => &mut within.days,
                Some('h') => &mut within.hours,
                _ => return Err(wrong()),
            };
            *place = digits.parse().ok().filter(|count| *count <= MOST).ok_or_else(wrong)?;
            rest = &unit[1..];
        }
        if within == Within::default() { Err(wrong()) } else { Ok(within) }
    }
}
