//! House rules that no other tool knows.

use crate::{circles, docs, workspace};
use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this is two files.
const MOST_LINES: usize = 500;
/// Half of all files are not longer than this.
const MEDIAN_LINES: usize = 150;

/// Where the developers' table of crates is.
const GUIDE: &str = "docs/src/developers.md";
/// Crates that the guide names for all.
const WORDS_OF_ALL: [&str; 1] = ["machine"];

/// One rule: what is wrong, a line each.
type Rule = fn(&Path) -> anyhow::Result<Vec<String>>;

const RULES: [(&str, Rule); 7] = [
    ("files are short", files_are_short),
    ("files do not import each other in circles", no_circles),
    ("crates use what the developer guide says", crates_use_what_the_guide_says),
    ("crates have a map", crates_have_a_map),
    ("dependencies have their reason", dependencies_have_their_reason),
    ("fuzz targets are built and have seeds", fuzz_targets_are_whole),
    ("links in documents lead somewhere", docs::links),
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
    let (mut long, mut lengths) = (Vec::new(), Vec::new());
    for path in sources(top)? {
        let lines = read(&path)?.lines().count();
        if lines > MOST_LINES {
            long.push(format!("{} has {lines} lines, {MOST_LINES} are enough", shown(&path, top)));
        }
        lengths.push(lines);
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    if median > MEDIAN_LINES {
        long.push(format!("half of the files have more than {median} lines, {MEDIAN_LINES} are enough"));
    }
    Ok(long)
}

/// Two files may need each other; more cannot be understood one by one.
fn no_circles(top: &Path) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for directory in crates(top)? {
        let source = directory.join("src");
        let circles = circles::circles(&source).with_context(|| format!("cannot READ {}", source.display()))?;
        let name = shown(&directory, top);
        wrong.extend(circles.into_iter().map(|arrows| format!("{name} has a circle:\n  {}", arrows.join("\n  "))));
    }
    Ok(wrong)
}

/// The developer guide's table of crates matches Cargo's: what a crate may use is what its manifest names, or what that uses.
fn crates_use_what_the_guide_says(top: &Path) -> anyhow::Result<Vec<String>> {
    let guide = read(&top.join(GUIDE))?;
    let row = |name: &str| guide.lines().find(|line| line.starts_with(&format!("| `{name}`")));
    let mut wrong = Vec::new();
    for directory in crates(top)?.iter().filter(|directory| !directory.ends_with("xtask")) {
        let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let manifest: toml::Table = read(&directory.join("Cargo.toml"))?.parse().context("cannot READ Cargo.toml")?;
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        let used = dependencies.into_iter().flatten().filter_map(|(name, _)| name.strip_prefix("lifeboat-"));
        let Some(cells) = row(name) else {
            wrong.push(format!("{GUIDE} has no row for {name}"));
            continue;
        };
        let allowed: Vec<&str> =
            words(cells.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default()).collect();
        let used: Vec<&str> = used.collect();
        // The command line may use everything.
        let everything = allowed.starts_with(&["all", "below"]);
        let unnamed = used.iter().filter(|used| !everything && !allowed.contains(used) && !WORDS_OF_ALL.contains(used));
        wrong.extend(unnamed.map(|used| format!("{GUIDE} does not say that {name} uses {used}")));
        let unused = allowed.iter().filter(|crate_| top.join("crates").join(crate_).is_dir() && !used.contains(crate_));
        wrong.extend(unused.filter(|_| !everything).map(|unused| format!("{GUIDE} says that {name} uses {unused}")));
    }
    Ok(wrong)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-')).filter(|word| !word.is_empty())
}

/// The directories of all crates.
fn crates(top: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let parent = top.join("crates");
    let entries = fs::read_dir(&parent).with_context(|| format!("cannot READ {}", parent.display()))?;
    let mut found = vec![top.join("xtask")];
    for entry in entries {
        found.push(entry.with_context(|| format!("cannot READ {}", parent.display()))?.path());
    }
    found.sort();
    Ok(found)
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

/// A target that cannot start ends `make fuzz`, and those after it are not run.
fn fuzz_targets_are_whole(top: &Path) -> anyhow::Result<Vec<String>> {
    let manifest: toml::Table = read(&top.join("fuzz/Cargo.toml"))?.parse().context("cannot READ fuzz/Cargo.toml")?;
    let built = manifest.get("bin").and_then(toml::Value::as_array).context("fuzz/Cargo.toml has no [[bin]]")?;
    let is_built = |path: &str| built.iter().any(|bin| bin.get("path").and_then(toml::Value::as_str) == Some(path));
    let (mut targets, mut wrong) = (Vec::new(), Vec::new());
    collect(&top.join("fuzz/targets"), "rs", &mut targets)?;
    for target in targets {
        let name = target.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !is_built(&format!("targets/{name}.rs")) {
            wrong.push(format!("fuzz/Cargo.toml does not build {name}"));
        }
        let seeds = top.join("fuzz/seeds").join(&name);
        if !fs::read_dir(&seeds).is_ok_and(|mut entries| entries.next().is_some()) {
            wrong.push(format!("{} has no seeds", shown(&seeds, top)));
        }
    }
    Ok(wrong)
}

/// All Rust sources of the workspace.
fn sources(top: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(&top.join("crates"), "rs", &mut found)?;
    collect(&top.join("xtask"), "rs", &mut found)?;
    found.sort();
    Ok(found)
}

/// All files below a directory that end so.
pub fn collect(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
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

/// The text of a file.
pub fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot READ {}", path.display()))
}

/// A path below the top, for messages.
pub fn shown(path: &Path, top: &Path) -> String {
    path.strip_prefix(top).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rules_of_the_house_hold() {
        super::run().unwrap();
    }
}
