//! `lifeboat find`: where something is, in which snapshots.

use super::ls;
use crate::command::FindArgs;
use crate::error::{CommandError, CommandResult};
use crate::job::look;
use crate::listing::{self, LONG, Owners, local_text};
use crate::output::counted;
use crate::session::Session;
use lifeboat_archive::repository::SharedIndex;
use lifeboat_archive::{Entry, Kind, Pattern};
use lifeboat_machine::bytes::parse_size;

pub fn run(session: &Session, args: &FindArgs) -> CommandResult {
    let wanted = Wanted::of(args)?;
    let archive = look::open(session, &args.from)?;
    let snapshots = look::several(session, &archive, &args.which)?;
    let (mut index, mut lost, mut found, mut holding) = (SharedIndex::default(), 0, 0_usize, 0_usize);
    for snapshot in snapshots.iter().rev() {
        if session.reporter.is_lost() {
            break;
        }
        let contents = archive.repository.contents_with(snapshot, &mut index)?;
        look::report(session, &contents, &mut lost);
        let mut rows = vec![];
        let owners = if args.long { ls::owners(&archive.repository, snapshot) } else { Owners::default() };
        for entry in contents.table().entries().filter(|entry| wanted.has(entry)) {
            session.reporter.value(&ls::json(&entry, &snapshot.id));
            let path = ls::shown(&entry.path);
            rows.push(if args.long { listing::long(&entry, &path, &owners) } else { vec![path] });
        }
        if rows.is_empty() {
            continue;
        }
        if holding > 0 {
            session.reporter.line("");
        }
        found += rows.len();
        holding += 1;
        let (time, host) = (local_text(&snapshot.time), &snapshot.host);
        session.reporter.line(format!("snapshot {} of {time}, {host}:", snapshot.short_id()));
        let columns = if args.long { &LONG[..] } else { &LONG[6..] };
        listing::table(columns, &rows).iter().for_each(|line| session.reporter.lines(line));
    }
    let looked = counted(snapshots.len(), "snapshot");
    session.reporter.note(match found {
        0 => format!("nothing was found in {looked}"),
        found => format!("{} found in {holding} of {looked}", counted(found, "entry")),
    });
    look::whole(lost)
}

/// What is looked for.
struct Wanted {
    patterns: Vec<Pattern>,
    oldest: Option<jiff::Timestamp>,
    newest: Option<jiff::Timestamp>,
    larger: Option<u64>,
    smaller: Option<u64>,
}

impl Wanted {
    fn of(args: &FindArgs) -> Result<Wanted, CommandError> {
        let pattern = |text: &String| Pattern::new(text, args.ignore_case).map_err(CommandError::usage);
        Ok(Wanted {
            patterns: args.patterns.iter().map(pattern).collect::<Result<_, _>>()?,
            oldest: args.oldest.as_deref().map(time).transpose()?,
            newest: args.newest.as_deref().map(time).transpose()?,
            larger: args.larger.as_deref().map(size).transpose()?,
            smaller: args.smaller.as_deref().map(size).transpose()?,
        })
    }

    fn has(&self, entry: &Entry) -> bool {
        let sized = self.larger.is_some() || self.smaller.is_some();
        let at = |bound: &jiff::Timestamp| entry.mtime.seconds.cmp(&bound.as_second());
        (!sized || entry.kind == Kind::File)
            && self.larger.is_none_or(|least| entry.size >= least)
            && self.smaller.is_none_or(|most| entry.size <= most)
            && self.oldest.as_ref().is_none_or(|bound| at(bound).is_ge())
            && self.newest.as_ref().is_none_or(|bound| at(bound).is_le())
            && self.patterns.iter().any(|pattern| pattern.matches(&entry.path))
    }
}

/// A time as people type it: a day, a moment of local time, or RFC 3339.
pub fn time(text: &str) -> Result<jiff::Timestamp, CommandError> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time);
    }
    let civil = text
        .replacen(' ', "T", 1)
        .parse::<jiff::civil::DateTime>()
        .or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.to_datetime(jiff::civil::Time::midnight())));
    let zoned = civil.and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map(|zoned| zoned.timestamp()).map_err(|_| {
        CommandError::usage(format!("'{text}' is not a time; expected e.g. 2026-11-30, or '2026-11-30 14:00'"))
    })
}

/// A size as people type it; a number without a unit counts bytes.
pub fn size(text: &str) -> Result<u64, CommandError> {
    parse_size(text, 1)
        .ok_or_else(|| CommandError::usage(format!("'{text}' is not a size; expected e.g. 4096, 100k, 10M or 2G")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_as_people_type_them() {
        for (text, bytes) in
            [("0", 0), ("100", 100), ("5k", 5120), ("10M", 10 << 20), ("2GiB", 2 << 30), ("1TB", 1 << 40)]
        {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "k", "5x", "-1", "99999999999T"] {
            assert_eq!(size(text).unwrap_err().kind, crate::Kind::Usage, "{text}");
        }
        assert_eq!(time("2026-11-30T01:00:00Z").unwrap().as_second(), 1_796_000_400);
        let (day, moment) = (time("2026-11-30").unwrap(), time("2026-11-30 14:00").unwrap());
        assert_eq!(moment.as_second() - day.as_second(), 14 * 3600);
        assert!(time("yesterday").is_err());
    }
}
