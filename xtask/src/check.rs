//! Rules of the house that no other tool knows.

use crate::workspace;
use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this is two files.
const MOST_LINES: usize = 500;

/// One rule: what is wrong, a line each.
type Rule = fn(&Path) -> anyhow::Result<Vec<String>>;

const RULES: [(&str, Rule); 4] = [
    ("files are short", files_are_short),
    ("crates have a map", crates_have_a_map),
    ("dependencies have their reason", dependencies_have_their_reason),
    ("links in documents lead somewhere", links_lead_somewhere),
];

/// Checks all rules.
pub fn run() -> anyhow::Result<()> {
    let top = workspace::top();
    let mut wrong = Vec::new();
    for (name, rule) in RULES {
        wrong.extend(rule(&top)?.into_iter().map(|line| format!("{name}: {line}")));
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

fn files_are_short(top: &Path) -> anyhow::Result<Vec<String>> {
    let mut long = Vec::new();
    for path in sources(top)? {
        let lines = read(&path)?.lines().count();
        if lines > MOST_LINES {
            long.push(format!("{} has {lines} lines, {MOST_LINES} are enough", shown(&path, top)));
        }
    }
    Ok(long)
}

fn crates_have_a_map(top: &Path) -> anyhow::Result<Vec<String>> {
    let mapless = sources(top)?.into_iter().filter(|path| path.ends_with("src/lib.rs"));
    let mut wrong = Vec::new();
    for path in mapless {
        if !read(&path)?.starts_with("//! ") {
            wrong.push(format!("{} does not begin with its map", shown(&path, top)));
        }
    }
    Ok(wrong)
}

fn dependencies_have_their_reason(top: &Path) -> anyhow::Result<Vec<String>> {
    let manifest: toml::Table = read(&top.join("Cargo.toml"))?.parse().context("cannot READ Cargo.toml")?;
    let reasons = read(&top.join("docs/decisions/dependencies.md"))?;
    let dependencies = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let names = dependencies.and_then(toml::Value::as_table).context("Cargo.toml has no [workspace.dependencies]")?;
    let word =
        |text: &str, name: &str| text.split(|c: char| !(c.is_alphanumeric() || "-_".contains(c))).any(|w| w == name);
    Ok(names
        .keys()
        .filter(|name| !name.starts_with("lifeboat-") && !word(&reasons, name))
        .map(|name| format!("{name} is not in docs/decisions/dependencies.md"))
        .collect())
}

fn links_lead_somewhere(top: &Path) -> anyhow::Result<Vec<String>> {
    let mut documents: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].iter().map(|n| top.join(n)).collect();
    collect(&top.join("docs"), "md", &mut documents)?;
    let mut broken = Vec::new();
    for document in documents {
        let text = read(&document)?;
        let directory = document.parent().unwrap_or(top);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") && !directory.join(path).exists() {
                broken.push(format!("{} links to {target}, which is not there", shown(&document, top)));
            }
        }
    }
    Ok(broken)
}

/// All Rust sources of the workspace.
fn sources(top: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(&top.join("crates"), "rs", &mut found)?;
    collect(&top.join("xtask"), "rs", &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot READ {}", directory.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot READ {}", directory.display()))?.path();
        if path.is_dir() {
            collect(&path, extension, found)?;
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot READ {}", path.display()))
}

fn shown(path: &Path, top: &Path) -> String {
    path.strip_prefix(top).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rules_of_the_house_hold() {
        super::run().unwrap();
    }
}
