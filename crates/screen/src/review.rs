//! A plan for reading: what is lost, made, resized and kept.

use lifeboat_machine::bytes::human;
use lifeboat_machine::{Content, Device, FoundHardware, Machine};
use lifeboat_plan::matching::{content, describe};
use lifeboat_plan::table::title;
use lifeboat_plan::{Plan, Step};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A heading.
    Heading,
    /// Lost.
    Wiped,
    /// Made.
    Made,
    /// Of another size or kind, or at another place, than recorded.
    Resized,
    /// Not touched.
    Kept,
    /// Good to know.
    Note,
}

/// A line of the review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub sign: Sign,
    /// As it is shown.
    pub text: String,
}

/// The plan as lines of at most `columns`.
pub fn lines(plan: &Plan, machine: &Machine, hardware: &FoundHardware, columns: usize) -> Vec<Line> {
    let mut review = Review { lines: vec![], columns };
    review.heading("WIPED: everything on these disks is lost");
    for target in &plan.targets {
        review.item(Sign::Wiped, &target.to_string());
    }
    review.heading("MADE");
    let changed = |step: &Step| matches!(step, Step::MakeFilesystem { was: Some(_), .. });
    let resized = |step: &Step| matches!(step, Step::MakeFilesystem { resized: true, was: None, .. });
    for step in
        plan.steps.iter().filter(|step| !matches!(step, Step::WipeDisk { .. }) && !resized(step) && !changed(step))
    {
        review.item(Sign::Made, &step.to_string());
    }
    if plan.steps.iter().any(changed) {
        review.heading("CHANGED: another filesystem than recorded");
    }
    for step in &plan.steps {
        if let Step::MakeFilesystem { device, filesystem, was: Some(was), .. } = step {
            let (title, size) = (title(filesystem), human(filesystem.size_bytes));
            review.item(Sign::Resized, &format!("{title} on {device}, {size}: was {was}"));
        }
    }
    if !plan.moved.is_empty() {
        review.heading("MOVED: partitions at another position than recorded");
    }
    for text in &plan.moved {
        review.item(Sign::Resized, text);
    }
    if plan.steps.iter().any(resized) {
        review.heading("RESIZED: another size than recorded");
    }
    for step in &plan.steps {
        if let Step::MakeFilesystem { device, filesystem, resized: true, was: None, .. } = step {
            let recorded = machine.layout.devices.iter().filter_map(Device::filesystem);
            let old = recorded.filter(|old| old.uuid == filesystem.uuid).map(|old| human(old.size_bytes)).next();
            let (title, old, new) = (title(filesystem), old.unwrap_or_default(), human(filesystem.size_bytes));
            review.item(Sign::Resized, &format!("{title} on {device}: {old} -> {new}"));
        }
    }
    let targets = |path: &str| plan.targets.iter().any(|target| target.path == path);
    let kept: Vec<_> = hardware.disks.iter().filter(|disk| !targets(&disk.path)).collect();
    if !kept.is_empty() {
        review.heading("KEPT: not touched");
    }
    for disk in kept {
        let why = disk.lock.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        review.item(Sign::Kept, &format!("{}: holds {}{why}", describe(disk), content(disk)));
    }
    if !plan.notes.is_empty() {
        review.heading("PLEASE NOTE");
    }
    for note in &plan.notes {
        review.item(Sign::Note, note);
    }
    review.lines
}

struct Review {
    lines: Vec<Line>,
    columns: usize,
}

impl Review {
    fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Line { sign: Sign::Heading, text: String::new() });
        }
        self.lines.push(Line { sign: Sign::Heading, text: text.to_owned() });
    }

    fn item(&mut self, sign: Sign, text: &str) {
        let mark = match sign {
            Sign::Wiped => "- ",
            Sign::Made => "+ ",
            Sign::Resized => "~ ",
            Sign::Kept => "= ",
            Sign::Heading | Sign::Note => "  ",
        };
        for (index, line) in wrapped(text, self.columns.saturating_sub(2)).into_iter().enumerate() {
            let mark = if index == 0 { mark } else { "  " };
            self.lines.push(Line { sign, text: format!("{mark}{line}") });
        }
    }
}

/// A text in lines of at most `columns`, broken between words where possible.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        let fits = |line: &String, word: &[char]| line.chars().count() + 1 + word.len() <= columns;
        match lines.last_mut() {
            Some(line) if fits(line, &word) => {
                line.push(' ');
                line.extend(word);
            }
            _ => loop {
                let rest = if word.len() > columns { word.split_off(columns) } else { vec![] };
                lines.push(word.iter().collect());
                if rest.is_empty() {
                    break;
                }
                word = rest;
            },
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// What a recorded partition holds, for people.
pub fn holds(device: &Device) -> String {
    match &device.content {
        Content::Filesystem(filesystem) => title(filesystem),
        Content::Swap(_) => "swap".into(),
        Content::BootLoader => "boot loader".into(),
        Content::Extended => "logical partitions".into(),
        Content::Table(_) => "a partition table".into(),
        Content::Empty => "nothing".into(),
        Content::Luks(_) => "encrypted (LUKS)".into(),
        Content::Journal(_) => "journal of another filesystem".into(),
        Content::Member(member) => member.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_broken_too() {
        assert_eq!(wrapped("one two three", 9), ["one two", "three"]);
        assert_eq!(wrapped("a 01234567890123456789 b", 10), ["a", "0123456789", "0123456789", "b"]);
        assert_eq!(wrapped("", 10), [""]);
    }
}
