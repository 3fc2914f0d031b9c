//! Files that will be read next, because those before them were read.
//!
//! A request for each small file costs more than its content. So the files of a directory are put into groups, and the kernel is
//! given the content of the next groups. The first file of each group is left to a request of the kernel's own: it shows that
//! somebody still reads, and where.

use crate::slots::{Loaded, locked};
use lifeboat_archive::Kind;
use lifeboat_archive::repository::contents::Number;
use std::collections::HashMap;
use std::sync::Mutex;

/// Files in a group.
const GROUP: usize = 16;
/// Longer files are left to the kernel, which reads ahead in them.
const LONGEST: u64 = 1 << 20;
/// Directories that are kept in mind.
const MOST: usize = 64;
/// Numbers between two files of which one is read after the other. What is below a directory may be between.
const NEAR: usize = 1024;

/// Who reads where.
#[derive(Default)]
pub(crate) struct Neighbours(Mutex<Reading>);

#[derive(Default)]
struct Reading {
    /// Snapshot and number of the file that was begun last.
    last: Option<(usize, Number)>,
    directories: HashMap<(usize, Number), Files>,
    clock: u64,
}

/// The files of a directory that can be given.
#[derive(Default)]
struct Files {
    /// Ascending.
    numbers: Vec<Number>,
    /// Those before this one were given.
    next: usize,
    used: u64,
}

impl Neighbours {
    /// A file is read from its beginning: what shall be given to the kernel.
    pub(crate) fn begun(&self, slot: usize, loaded: &Loaded, number: Number) -> Vec<Number> {
        let mut reading = locked(&self.0);
        let near = reading.is_near(slot, number);
        reading.last = Some((slot, number));
        match near {
            true => reading.files(slot, loaded, loaded.contents.parent(number)).after(number),
            false => vec![],
        }
    }

    /// A directory is listed: what shall be given, if it is the next one of somebody who reads everything.
    pub(crate) fn listed(&self, slot: usize, loaded: &Loaded, directory: Number) -> Vec<Number> {
        let mut reading = locked(&self.0);
        let first = loaded.contents.children(directory).next();
        match first.is_some_and(|first| reading.is_near(slot, first)) {
            true => reading.files(slot, loaded, directory).first(),
            false => vec![],
        }
    }
}

impl Reading {
    fn is_near(&self, slot: usize, number: Number) -> bool {
        self.last.is_some_and(|(of, last)| of == slot && last.abs_diff(number) <= NEAR)
    }

    fn files(&mut self, slot: usize, loaded: &Loaded, directory: Number) -> &mut Files {
        self.clock += 1;
        let clock = self.clock;
        if self.directories.len() >= MOST {
            self.directories.retain(|_, files| files.used + MOST as u64 / 2 > clock);
        }
        let files = self.directories.entry((slot, directory)).or_insert_with(|| {
            let contents = &loaded.contents;
            let can_be_given = |number: &Number| {
                let inode = contents.inode(*number);
                inode.kind == Kind::File
                    && (1..=LONGEST).contains(&inode.size)
                    && contents.holes(*number).is_empty()
                    && loaded.inode(*number).0 == *number
            };
            Files { numbers: contents.children(directory).filter(can_be_given).collect(), ..Files::default() }
        });
        files.used = clock;
        files
    }
}

impl Files {
    /// The rest of a file's group, and the group after it.
    fn after(&mut self, number: Number) -> Vec<Number> {
        match self.numbers.binary_search(&number) {
            Ok(position) => self.given(position + 1, (position / GROUP + 2) * GROUP),
            Err(_) => vec![],
        }
    }

    /// The first group.
    fn first(&mut self) -> Vec<Number> {
        self.given(0, GROUP)
    }

    fn given(&mut self, from: usize, until: usize) -> Vec<Number> {
        let (from, until) = (from.max(self.next), until.min(self.numbers.len()));
        self.next = self.next.max(until);
        (from..until).filter(|position| position % GROUP != 0).map(|position| self.numbers[position]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_given_once_but_the_first_of_each_group() {
        let mut files = Files { numbers: (100..170).collect(), ..Files::default() };
        let mut given = files.first();
        assert_eq!(given, (101..116).collect::<Vec<_>>());
        assert!(files.first().is_empty());
        let mut asked = vec![];
        for number in 100..170 {
            if given.contains(&number) {
                continue;
            }
            asked.push(number);
            let more = files.after(number);
            assert!(more.iter().all(|more| *more > number && !given.contains(more)), "{number}: {more:?}");
            given.extend(more);
        }
        assert_eq!(asked, [100, 116, 132, 148, 164]);
        assert_eq!(given.len() + asked.len(), 70);
        assert!(files.after(5).is_empty());
    }

    #[test]
    fn whoever_reads_here_and_there_is_given_nothing() {
        let mut reading = Reading::default();
        assert!(!reading.is_near(0, 1));
        reading.last = Some((0, 5000));
        assert!(reading.is_near(0, 5001) && reading.is_near(0, 4900));
        assert!(!reading.is_near(1, 5001) && !reading.is_near(0, 9000));
    }
}
