//! Volumes on tapes: a tape in memory that behaves as drives do, byte by byte.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use lifeboat_archive::stream::{self, Stream, TapeSink, TapeSource};
use lifeboat_archive::{FileTree, Quiet, RestoreOptions, RestoreReport, Secret, Selection};
use lifeboat_sys::tape::drive::{Block, Tape, WritableTape};
use lifeboat_sys::tape::{Reach, VolumeHeader};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What is on a tape.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Block(Vec<u8>),
    Mark,
    /// A block that cannot be read; the drive goes on behind it.
    Bad,
}

/// A tape, in variable mode: a block with each call. Behind `capacity` bytes every second write says that the end is near.
#[derive(Clone)]
struct Memory {
    items: Arc<Mutex<Vec<Item>>>,
    at: usize,
    capacity: usize,
    warned: bool,
    unloaded: Arc<Mutex<bool>>,
}

impl Memory {
    fn new(capacity: usize) -> Memory {
        Memory { items: Arc::default(), at: 0, capacity, warned: false, unloaded: Arc::default() }
    }

    fn of(items: Vec<Item>) -> Memory {
        Memory { items: Arc::new(Mutex::new(items)), ..Memory::new(0) }
    }

    fn written(&self) -> usize {
        let items = self.items.lock().unwrap();
        items.iter().map(|item| if let Item::Block(block) = item { block.len() } else { 0 }).sum()
    }
}

impl WritableTape for Memory {
    fn write_block(&mut self, block: &[u8]) -> io::Result<()> {
        if self.written() + block.len() > self.capacity {
            self.warned = !self.warned;
            if self.warned {
                return Err(io::Error::from_raw_os_error(28));
            }
        }
        assert!(self.written() < self.capacity + (8 << 20), "the tape itself ends");
        self.items.lock().unwrap().push(Item::Block(block.to_vec()));
        Ok(())
    }

    fn write_filemark(&mut self) -> io::Result<()> {
        self.items.lock().unwrap().push(Item::Mark);
        Ok(())
    }

    fn unload(&mut self) -> io::Result<()> {
        *self.unloaded.lock().unwrap() = true;
        Ok(())
    }
}

impl Tape for Memory {
    fn space_files(&mut self, count: u32) -> io::Result<()> {
        for _ in 0..count {
            let items = self.items.lock().unwrap();
            let mark = items[self.at..].iter().position(|item| *item == Item::Mark);
            self.at += mark.ok_or_else(|| io::Error::from_raw_os_error(5))? + 1;
        }
        Ok(())
    }

    fn back_blocks(&mut self, count: u32) -> io::Result<()> {
        self.at -= count as usize;
        Ok(())
    }

    fn is_blank(&mut self) -> bool {
        false
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> io::Result<Block> {
        let items = self.items.lock().unwrap();
        let Some(item) = items.get(self.at) else { return Ok(Block::EndOfData) };
        self.at += 1;
        match item {
            Item::Mark => Ok(Block::Filemark),
            Item::Bad => Err(io::Error::from_raw_os_error(5)),
            Item::Block(block) if block.len() > buffer.len() => Ok(Block::TooLarge),
            Item::Block(block) => {
                buffer[..block.len()].copy_from_slice(block);
                Ok(Block::Data(block.len()))
            }
        }
    }
}

/// A tree of files that no compressor shortens.
fn tree(folder: &Path) -> PathBuf {
    let tree = folder.join("tree");
    std::fs::create_dir(&tree).unwrap();
    for number in 0..8_u8 {
        let mut bytes = vec![0; 3_000_000];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
        std::fs::write(tree.join(format!("f{number}")), bytes).unwrap();
    }
    tree
}

/// Saves the tree onto as many tapes as it takes.
fn save(tree: &Path, key: &Secret, capacity: usize) -> Vec<Vec<Item>> {
    let tapes = Arc::new(Mutex::new(vec![Memory::new(capacity)]));
    let first = tapes.lock().unwrap()[0].clone();
    let all = Arc::clone(&tapes);
    let change = move |number: u32, set: &str| {
        let mut tapes = all.lock().unwrap();
        assert_eq!(number as usize, tapes.len() + 1);
        let full = tapes.last().unwrap().clone();
        assert!(*full.unloaded.lock().unwrap(), "the full tape is given out before anyone is asked");
        let first = full.items.lock().unwrap()[0].clone();
        let Item::Block(header) = &first else { panic!() };
        assert_eq!(VolumeHeader::parse(header).unwrap().set, set);
        tapes.push(Memory::new(capacity));
        Ok(tapes.last().cloned())
    };
    let sink = TapeSink::new(first, Box::new(change), "tape".into());
    let manifest = common::machine_manifest("id-1", "test");
    let source = FileTree::new(tree);
    let request = common::machine_request(&source, "id-1", "test", &manifest);
    let report = stream::backup(&request, Box::new(sink), key, None, &Quiet).unwrap();
    assert_eq!(report.report.problems, []);
    let tapes = tapes.lock().unwrap();
    assert_eq!(report.volumes as usize, tapes.len());
    tapes.iter().map(|tape| tape.items.lock().unwrap().clone()).collect()
}

/// Restores from tapes; returns the report and how many files are right.
fn restore(tree: &Path, key: &Secret, tapes: &[Vec<Item>]) -> (RestoreReport, usize) {
    let rest: Vec<Vec<Item>> = tapes[1..].to_vec();
    let mut rest = rest.into_iter();
    let change = move |_: u32| Ok(rest.next().map(Memory::of));
    let source = TapeSource::new(Memory::of(tapes[0].clone()), Box::new(change), Reach::Near, "tape".into());
    let mut stream = Stream::open(source, key).unwrap();
    let target = tempfile::tempdir_in("/var/tmp").unwrap();
    let options = RestoreOptions::default();
    let report = stream.restore(target.path(), &Selection::Everything, &options, &Quiet).unwrap();
    let files = std::fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().path());
    let right = files.map(|path| {
        let wanted = std::fs::read(tree.join(path.file_name().unwrap())).unwrap();
        assert!(std::fs::read(&path).unwrap() == wanted, "{path:?}");
    });
    (report, right.count())
}

fn texts(report: &RestoreReport) -> String {
    report.problems.iter().map(|problem| format!("{} {}\n", problem.path.display(), problem.message)).collect()
}

#[test]
fn header_payload_and_trailer_are_between_filemarks() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let (tree, key) = (tree(folder.path()), Secret::generate().unwrap());
    let tapes = save(&tree, &key, usize::MAX / 2);
    let [tape] = &tapes[..] else { panic!("{}", tapes.len()) };
    let marks: Vec<usize> = (0..tape.len()).filter(|at| tape[*at] == Item::Mark).collect();
    assert_eq!(marks, [1, tape.len() - 3, tape.len() - 1]);
    let blocks: Vec<&Vec<u8>> =
        tape.iter().filter_map(|item| if let Item::Block(block) = item { Some(block) } else { None }).collect();
    assert!(blocks.iter().all(|block| block.len() == 65536), "all full");
    assert!(blocks[0].starts_with(b"LIFEBOAT STREAM 1\n") && blocks[1].starts_with(b"age-encryption.org/v1\n"));
    assert!(blocks.last().unwrap().starts_with(b"LIFEBOAT TRAILER 1\n"));
    let (report, right) = restore(&tree, &key, &tapes);
    assert_eq!((report.problems.len(), right), (0, 8), "{}", texts(&report));
}

#[test]
fn the_next_tape_takes_what_the_last_one_could_not() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let (tree, key) = (tree(folder.path()), Secret::generate().unwrap());
    let tapes = save(&tree, &key, 9_000_000);
    assert!(tapes.len() >= 2, "{}", tapes.len());
    let (report, right) = restore(&tree, &key, &tapes);
    assert_eq!((report.problems.len(), right), (0, 8), "{}", texts(&report));
    // Nobody has the second one.
    let (report, right) = restore(&tree, &key, &tapes[..1]);
    assert!(right < 8 && right > 0, "{right}");
    let text = texts(&report);
    assert!(text.contains("volume 2 is missing") && text.contains("the set was cut"), "{text}");
    // The first one again.
    let (report, right) = restore(&tree, &key, &[tapes[0].clone(), tapes[0].clone()]);
    assert!(right < 8 && texts(&report).contains("volume 2: volume 1 is in its place"), "{}", texts(&report));
}

#[test]
fn damage_is_named() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let (tree, key) = (tree(folder.path()), Secret::generate().unwrap());
    let tape = save(&tree, &key, usize::MAX / 2).remove(0);
    // Filemarks are not trusted.
    let without: Vec<Item> = tape.iter().filter(|item| **item != Item::Mark).cloned().collect();
    assert_eq!(restore(&tree, &key, &[without]).1, 8);
    // What a drive returns behind the last one neither: blocks of nothing.
    let mut junk = tape.clone();
    junk.push(Item::Block(vec![7; 65536]));
    let (report, right) = restore(&tree, &key, &[junk]);
    assert_eq!((report.problems.len(), right), (0, 8), "{}", texts(&report));
    let (report, right) = restore(&tree, &key, &[tape[..tape.len() / 2].to_vec()]);
    assert!(right < 8 && texts(&report).contains("it was cut"), "{}", texts(&report));
    let mut flipped = tape.clone();
    let Item::Block(block) = &mut flipped[tape.len() / 2] else { panic!() };
    block[100] ^= 1;
    let (report, right) = restore(&tree, &key, &[flipped]);
    assert!(right < 8 && right > 4 && texts(&report).contains("are damaged"), "{right} {}", texts(&report));
    for (items, wanted) in [
        (vec![], "blank"),
        (vec![Item::Block(vec![0; 512])], "begins with"),
        (vec![Item::Block(vec![0; 4096]), Item::Mark], "begins with"),
    ] {
        let source = TapeSource::new(Memory::of(items), Box::new(|_| Ok(None)), Reach::Near, "tape".into());
        let error = Stream::open(source, &key).err().unwrap().to_string();
        assert!(error.contains(wanted) || error.contains("nothing"), "{error}");
    }
}

#[test]
fn a_block_that_cannot_be_read_costs_what_is_in_it() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let (tree, key) = (tree(folder.path()), Secret::generate().unwrap());
    let mut tapes = save(&tree, &key, 9_000_000);
    assert!(tapes.len() >= 2, "{}", tapes.len());
    let middle = tapes[0].len() / 2;
    tapes[0][middle] = Item::Bad;
    let (report, right) = restore(&tree, &key, &tapes);
    let text = texts(&report);
    // A frame has parts of at most three files.
    assert!(
        (5..8).contains(&right) && text.contains("are damaged") && !text.contains("the set was cut"),
        "{right} {text}"
    );
    // A tape that cannot be read from some place on is given up; the next one is asked for.
    tapes[0][middle..].fill(Item::Bad);
    let (report, right) = restore(&tree, &key, &tapes);
    let text = texts(&report);
    assert!(right > 2 && right < 8 && !text.contains("is missing"), "{right} {text}");
    // One whose beginning cannot be read, too.
    let mut third = save(&tree, &key, 6_000_000);
    assert!(third.len() >= 3, "{}", third.len());
    third[1] = vec![Item::Bad; 100];
    let (report, right) = restore(&tree, &key, &third);
    let text = texts(&report);
    assert!(
        right > 2 && right < 8 && text.contains("volume 2: ") && !text.contains("the set was cut"),
        "{right} {text}"
    );
}

#[test]
fn a_set_is_read_from_its_first_tape() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let (tree, key) = (tree(folder.path()), Secret::generate().unwrap());
    let mut tapes = save(&tree, &key, 9_000_000);
    let source = TapeSource::new(Memory::of(tapes.remove(1)), Box::new(|_| Ok(None)), Reach::Near, "tape".into());
    let error = Stream::open(source, &key).err().unwrap().to_string();
    assert!(error.contains("volume 1 of the set is needed first, and this is volume 2 of set "), "{error}");
}
