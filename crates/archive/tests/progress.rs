//! Progress counts what is really read and written: a hole of terabytes is no work, and the end is 100 %.

mod common;

use common::{backup_with, repository, scratch};
use lifeboat_archive::{Observer, Progress, RestoreOptions, Selection, Source};
use std::os::unix::fs::FileExt as _;
use std::sync::Mutex;

/// Keeps what it is told.
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
    let source = Source::new(&tree);
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
