//! `[retention]`: which snapshots `lifeboat forget` keeps when no option says so.

use lifeboat_archive::repository::{Count, Policy, Within};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// The `[retention]` table; the keys are those of the options.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionTable {
    /// The last ones.
    pub keep_last: Kept,
    /// The last of each hour.
    pub keep_hourly: Kept,
    /// The last of each day.
    pub keep_daily: Kept,
    /// The last of each week.
    pub keep_weekly: Kept,
    /// The last of each month.
    pub keep_monthly: Kept,
    /// The last of each year.
    pub keep_yearly: Kept,
    /// All that are not older than the latest by more.
    pub keep_within: Option<Span>,
    /// Those with one of these tags; several, with commas between them, must all be there.
    pub keep_tags: Vec<String>,
}

/// A number, or `"unlimited"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept(pub Count);

/// A time span such as `"14d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Within);

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Text(String),
        }
        match Written::deserialize(deserializer) {
            Ok(Written::Number(number)) => Ok(Kept(Count::Some(number))),
            Ok(Written::Text(text)) if text == "unlimited" => Ok(Kept(Count::All)),
            _ => Err(D::Error::custom("expected a number, or \"unlimited\"")),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Span).map_err(D::Error::custom)
    }
}

impl RetentionTable {
    /// The rules.
    pub fn policy(&self) -> Policy {
        Policy {
            last: self.keep_last.0,
            hourly: self.keep_hourly.0,
            daily: self.keep_daily.0,
            weekly: self.keep_weekly.0,
            monthly: self.keep_monthly.0,
            yearly: self.keep_yearly.0,
            within: self.keep_within.map(|span| span.0),
            tags: self.keep_tags.iter().map(|list| tags(list)).collect(),
            ..Policy::default()
        }
    }
}

/// A list of tags, with commas between them.
pub fn tags(list: &str) -> Vec<String> {
    list.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn rules_are_read_and_mistakes_are_named() {
        let config = Config::parse(
            "[retention]\nkeep_last = 3\nkeep_daily = 14\nkeep_monthly = 'unlimited'\nkeep_within = '14d'\nkeep_tags = ['a,b', 'c']\n",
        );
        let policy = config.unwrap().retention.policy();
        assert_eq!((policy.last, policy.daily, policy.weekly), (Count::Some(3), Count::Some(14), Count::None));
        assert_eq!((policy.monthly, policy.within), (Count::All, Some("14d".parse().unwrap())));
        assert_eq!(policy.tags, [vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]]);
        assert!(Config::parse("").unwrap().retention.policy().is_empty());
        for (text, named) in [
            ("keep_daily = -1", "unlimited"),
            ("keep_daily = 'all'", "unlimited"),
            ("keep_within = 14", "string"),
            ("keep_within = '14x'", "1y6m"),
            ("keep_dayly = 1", "keep_dayly"),
        ] {
            let error = Config::parse(&format!("[retention]\n{text}\n")).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
