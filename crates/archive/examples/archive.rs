//! The repository engine as a bare program: for benchmarks, for the test that kills it, and to see what it does.
//!
//! `archive init|backup|restore|compare|verify|list REPO [DIR]`; the key is the content of `REPO.key`.

use lifeboat_archive::repository::{BackupRequest, RepositoryOptions};
use lifeboat_archive::{FileTree, Observer, Problem, Repository, RestoreOptions, Secret, Selection};
use std::path::PathBuf;
use std::time::Instant;

struct Printed;

impl Observer for Printed {
    fn problem(&self, problem: &Problem) {
        eprintln!("{}: {}", problem.path.display(), problem.message);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().collect();
    let [_, command, repository, rest @ ..] = words.as_slice() else {
        return Err("usage: archive init|backup|restore|compare|verify|list REPO [DIR]".into());
    };
    let directory = PathBuf::from(rest.first().map_or("/", String::as_str));
    let location = PathBuf::from(repository);
    let key_file = PathBuf::from(format!("{repository}.key"));
    lifeboat_archive::warnings::capture();
    let started = Instant::now();
    if command == "init" {
        let key = Secret::generate()?;
        std::fs::write(&key_file, key.expose())?;
        Repository::init(&location, &key, &RepositoryOptions::default())?;
        return Ok(());
    }
    let repository = Repository::open(&location, &Secret::new(std::fs::read_to_string(&key_file)?))?;
    let selection = Selection::Everything;
    match command.as_str() {
        "backup" => {
            let source = FileTree::new(directory);
            let manifest =
                |entries: u64, bytes: u64| Ok(format!("{{\"entries\":{entries},\"bytes\":{bytes}}}").into_bytes());
            let request = BackupRequest {
                source: &source,
                host: "example".to_owned(),
                machine_id: String::new(),
                tags: vec![],
                program: "lifeboat example".to_owned(),
                machine: b"{}".to_vec(),
                manifest: &manifest,
                reread: false,
                beside: vec![],
                started: None,
            };
            let report = repository.backup(&request, &Printed)?;
            println!(
                "{} {} entries {} bytes, added {}, new {} changed {} unchanged {}, {} problems",
                report.snapshot,
                report.entries,
                report.bytes,
                report.bytes_added,
                report.new,
                report.changed,
                report.unchanged,
                report.problems.len()
            );
        }
        "restore" => {
            std::fs::create_dir_all(&directory)?;
            let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
            let report =
                repository.restore(&repository.find_snapshot("latest")?, &directory, &selection, &options, &Printed)?;
            println!("{} entries {} bytes, {} problems", report.entries, report.bytes, report.problems.len());
        }
        "compare" => {
            let report = repository.compare(
                &repository.find_snapshot("latest")?,
                &FileTree::new(directory),
                &selection,
                &Printed,
            )?;
            for difference in &report.differences {
                println!("{}: {:?}: {}", difference.path.display(), difference.kind, difference.detail);
            }
            println!(
                "{} entries, {} differences, {} problems",
                report.entries,
                report.differences.len(),
                report.problems.len()
            );
        }
        "verify" => println!("{:?}", repository.verify(&Printed)?),
        "list" => {
            for entry in repository.table(&repository.find_snapshot("latest")?)?.entries() {
                println!("{entry:?}");
            }
        }
        other => return Err(format!("{other} is no command").into()),
    }
    eprintln!("{:.2} s", started.elapsed().as_secs_f64());
    Ok(())
}
