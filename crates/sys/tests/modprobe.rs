//! The same answers as modprobe(8), on what depmod of real Debians wrote (fixtures/modules.gen.sh).
#![allow(clippy::unwrap_used)]

use lifeboat_sys::modules::{Config, Index, LoadPlan, LoadStep, module_name};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/modules");
    let mut found: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(found.len() >= 2, "{found:?}");
    found
}

fn files(plan: &LoadPlan) -> Vec<String> {
    let file = |step: &LoadStep| match step {
        LoadStep::File { path, .. } => path.clone(),
        LoadStep::Command { name, .. } => panic!("{name} has no install command"),
    };
    plan.steps.iter().map(file).collect()
}

#[test]
fn modprobe_would_load_the_same() {
    for directory in fixtures() {
        let index = Index::read(&directory).unwrap();
        let resolved = std::fs::read_to_string(directory.join("resolved")).unwrap();
        for line in resolved.lines() {
            let (wanted, expected) = line.split_once('\t').unwrap();
            let plan = LoadPlan::new(&index, &Config::default(), wanted);
            let found: BTreeSet<String> = files(&plan).into_iter().collect();
            let expected: BTreeSet<String> = expected.split_whitespace().map(str::to_owned).collect();
            assert_eq!(found, expected, "{wanted} of {}", directory.display());
        }
    }
}

#[test]
fn everything_comes_after_what_it_needs() {
    for directory in fixtures() {
        let index = Index::read(&directory).unwrap();
        for name in index.modules.keys() {
            let plan = LoadPlan::new(&index, &Config::default(), name);
            let mut loaded = BTreeSet::new();
            for file in files(&plan) {
                let name = module_name(&file).unwrap();
                for dependency in &index.modules[&name].dependencies {
                    assert!(loaded.contains(dependency), "{name} comes before {dependency}");
                }
                assert!(loaded.insert(name), "{file} twice");
            }
        }
    }
}

#[test]
fn built_in_aliases_and_nodes() {
    for directory in fixtures() {
        let index = Index::read(&directory).unwrap();
        assert!(!index.builtin_aliases.is_empty() && index.builtin.len() > 50, "{}", directory.display());
        assert!(index.static_nodes.iter().any(|node| node.name == "loop-control" && node.device == (10, 237)));
    }
}
