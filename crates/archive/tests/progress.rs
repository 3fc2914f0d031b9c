//! Progress counts what is really read and written: a hole of terabytes is no work, and the end is 100 %.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{backup_with, repository, scratch};
use lifeboat_archive::{FileTree, Observer, Progress, RestoreOptions, Selection};
use std::os::unix::fs::FileExt as _;
use std::sync::Mutex;

/// Keeps what is reported.
#[derive(Default)]
struct Notes(Mutex<Vec<Progress>>);

impl Observer for Notes {
    fn progress(&self, progress: &Progress) {
        self.0.lock().unwrap().push(progress.clone());
    }
}

impl Notes {
    /// The largest number of bytes done in a phase, and the total.
    fn most(&self, phase: &str) -> (u64, u64) {
        let notes = self.0.lock().unwrap();
        let of_phase: Vec<&Progress> = notes.iter().filter(|progress| progress.phase == phase).collect();
        assert!(of_phase.iter().all(|progress| progress.bytes <= progress.bytes_total), "{of_phase:?}");
        let last = of_phase.iter().max_by_key(|progress| progress.bytes);
        last.map(|progress| (progress.bytes, progress.bytes_total)).unwrap()
    }
}

#[test]
fn holes_are_no_work() {
    const HOLE: u64 = 1 << 36;
    const SLACK: u64 = 1 << 20;
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let sparse = std::fs::File::create(tree.join("sparse")).unwrap();
    sparse.set_len(HOLE).unwrap();
    sparse.write_all_at(&vec![7; 3 << 20], 100 << 20).unwrap();
    std::fs::write(tree.join("dense"), vec![8; 5 << 20]).unwrap();
    std::fs::hard_link(tree.join("dense"), tree.join("linked")).unwrap();

    let (repository, _) = repository(&scratch.path().join("repository"));
    let (first, second) = (Notes::default(), Notes::default());
    let source = FileTree::new(&tree);
    let report = backup_with(&repository, &source, &first);
    assert_eq!(report.bytes, HOLE + (10 << 20), "the report counts sizes");
    let stored = 13 << 20;
    let (done, total) = first.most("read");
    assert!(total.abs_diff(stored) <= SLACK, "{total}");
    assert_eq!(done, total, "the bar ends at 100 %");
    backup_with(&repository, &source, &second);
    assert!(second.0.lock().unwrap().iter().all(|progress| progress.bytes <= stored + SLACK));

    let snapshot = repository.find_snapshot("latest").unwrap();
    let (target, restored) = (scratch.path().join("target"), Notes::default());
    std::fs::create_dir(&target).unwrap();
    let report =
        repository.restore(&snapshot, &target, &Selection::Everything, &RestoreOptions::default(), &restored).unwrap();
    assert_eq!((report.problems, report.bytes), (vec![], HOLE + (10 << 20)));
    assert!(restored.most("restore").1.abs_diff(stored) <= SLACK);
}

/// Asserts that a backup's progress, once totals are known, only ever goes on: to all bytes and all entries.
fn assert_steady(notes: &Notes, entries: u64) {
    let notes = notes.0.lock().unwrap();
    let known: Vec<&Progress> = notes.iter().filter(|progress| progress.phase != "walk").collect();
    let first = known.first().unwrap();
    for pair in known.windows(2) {
        let totals = |progress: &Progress| (progress.entries_total, progress.bytes_total);
        assert_eq!(totals(pair[0]), totals(pair[1]));
        // Of several threads the one that counted first may report last.
        let is_read = pair[1].phase == "read";
        assert!(is_read || (pair[0].entries <= pair[1].entries && pair[0].bytes <= pair[1].bytes), "{pair:?}");
        assert!(pair[1].entries <= pair[1].entries_total && pair[1].bytes <= pair[1].bytes_total, "{pair:?}");
    }
    let last = known.last().unwrap();
    assert_eq!((last.phase, last.entries, last.bytes), ("store", entries, last.bytes_total));
    assert_eq!((last.entries_total, first.bytes_total), (entries, last.bytes_total));
}

#[test]
fn directories_are_the_last_of_the_entries() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    for number in 0..2_500 {
        std::fs::create_dir_all(tree.join(format!("d{}/e{number}", number % 7))).unwrap();
    }
    std::fs::write(tree.join("d3/file"), vec![1; 40 << 20]).unwrap();
    let (repository, _) = repository(&scratch.path().join("repository"));
    let source = FileTree::new(&tree);
    for changed in [40 << 20, 0, 12_345] {
        if changed > 0 {
            std::fs::write(tree.join("d3/file"), vec![changed as u8; changed]).unwrap();
        }
        let notes = Notes::default();
        let report = backup_with(&repository, &source, &notes);
        assert_eq!(report.entries, 2_509);
        assert_steady(&notes, 2_509);
        let reported = notes.0.lock().unwrap().iter().filter(|progress| progress.phase == "store").count();
        assert_eq!(reported, 3, "two thousands, and the end");
    }
}

#[test]
fn names_that_are_tried_in_vain_do_not_count_twice() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("deep")).unwrap();
    std::fs::write(tree.join("a"), "content").unwrap();
    for name in ["b", "c", "deep/d"] {
        std::fs::hard_link(tree.join("a"), tree.join(name)).unwrap();
    }
    /// Removes the first names once the walk is over.
    struct Removing<'a>(Notes, &'a std::path::Path);
    impl Observer for Removing<'_> {
        fn progress(&self, progress: &Progress) {
            if progress.phase == "walk" && progress.entries == 6 {
                for name in ["a", "b"] {
                    let _ = std::fs::remove_file(self.1.join(name));
                }
            }
            self.0.progress(progress);
        }
    }
    let (repository, _) = repository(&scratch.path().join("repository"));
    let observer = Removing(Notes::default(), &tree);
    let report = backup_with(&repository, &FileTree::new(&tree), &observer);
    assert_eq!((report.problems.len(), report.entries), (2, 4), "{:?}", report.problems);
    assert_steady(&observer.0, 6);
}
