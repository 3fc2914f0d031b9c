//! Restores with their problems, and trees that change while they are saved.

use lifeboat_archive::{Observer, Problem, Progress, Quiet, Repository, RestoreOptions, Selection};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub fn messages(problems: &[Problem]) -> Vec<String> {
    let mut list: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.path.display(), p.message)).collect();
    list.sort();
    list
}

pub fn overwrite() -> RestoreOptions {
    RestoreOptions { overwrite: true, ..RestoreOptions::default() }
}

pub fn restore(repository: &Repository, target: &Path, selection: &Selection) -> Vec<String> {
    std::fs::create_dir_all(target).unwrap();
    let snapshot = repository.find_snapshot("latest").unwrap();
    messages(&repository.restore(&snapshot, target, selection, &overwrite(), &Quiet).unwrap().problems)
}

pub fn paths(paths: &[&str]) -> Selection {
    Selection::Paths(paths.iter().map(PathBuf::from).collect())
}

/// A tree whose last directory, in the walk's order, is walked after everything else: what is done at the first progress of
/// reading is between walk and reading.
pub fn tree(scratch: &Path, files: &[(&str, &str)]) -> PathBuf {
    let tree = scratch.join("tree");
    for (path, content) in files {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    tree
}

/// What a test does once, in the middle of a walk.
pub type Once<'a> = Box<dyn FnOnce() + Send + 'a>;

/// The first progress of the walk is reported when the root directory was read, before its directories are: the second one is
/// caught by counting.
pub struct AfterDirectories<'a>(usize, Mutex<(usize, Option<Once<'a>>)>);

impl Observer for AfterDirectories<'_> {
    fn progress(&self, progress: &Progress) {
        if progress.phase == "walk" {
            let mut state = self.1.lock().unwrap();
            state.0 += 1;
            if state.0 == self.0
                && let Some(act) = state.1.take()
            {
                act();
            }
        }
    }
}

pub fn after_walk<'a>(directories: usize, act: impl FnOnce() + Send + 'a) -> AfterDirectories<'a> {
    AfterDirectories(directories, Mutex::new((0, Some(Box::new(act)))))
}
