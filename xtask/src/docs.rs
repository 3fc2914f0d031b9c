//! What `make docs` checks before it builds the handbook: links, what is included, screens, and the commands that are shown.

use crate::check::{collect, read, shown};
use crate::workspace;
use anyhow::bail;
use lifeboat_drill::lab::handbook::{self, Runs};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where screens are recorded by tests.
const SCREENS: [&str; 2] = ["crates/cli/tests/snapshots", "crates/screen/tests/snapshots"];

/// Checks everything; fails with all that is wrong.
pub fn run() -> anyhow::Result<()> {
    let wrong = wrong(&workspace::top())?;
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

fn wrong(top: &Path) -> anyhow::Result<Vec<String>> {
    let mut wrong = links(top)?;
    wrong.extend(includes(top)?);
    wrong.extend(screens(top)?);
    wrong.extend(commands(top)?);
    Ok(wrong)
}

fn documents(top: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut documents: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].iter().map(|n| top.join(n)).collect();
    collect(&top.join("docs"), "md", &mut documents)?;
    documents.sort();
    Ok(documents)
}

/// Links that lead nowhere, to no file or to no heading.
pub fn links(top: &Path) -> anyhow::Result<Vec<String>> {
    let mut broken = Vec::new();
    let mut headings: HashMap<PathBuf, Vec<String>> = HashMap::new();
    for document in documents(top)? {
        let text = read(&document)?;
        let directory = document.parent().unwrap_or(top);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() { document.clone() } else { directory.join(path) };
            if !file.exists() {
                broken.push(format!("{} links to {target}, which is not there", shown(&document, top)));
            } else if !heading.is_empty() && file.extension().is_some_and(|extension| extension == "md") {
                let known = match headings.get(&file) {
                    Some(known) => known,
                    None => {
                        let known = headings_of(&read(&file)?);
                        headings.entry(file.clone()).or_insert(known)
                    }
                };
                if !known.iter().any(|known| known == heading) {
                    broken.push(format!("{} links to {target}, and there is no such heading", shown(&document, top)));
                }
            }
        }
    }
    Ok(broken)
}

/// The ids that mdBook and GitHub give to the headings of a page.
fn headings_of(text: &str) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let Some(title) = line.strip_prefix('#').filter(|_| !is_code) else { continue };
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let id: String = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let double =
            found.iter().filter(|known| known.trim_end_matches(|c: char| c == '-' || c.is_ascii_digit()) == id).count();
        found.push(if double == 0 { id } else { format!("{id}-{double}") });
    }
    found
}

/// Files that pages include, with a part of theirs, and that are not there or end before it.
fn includes(top: &Path) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for document in documents(top)? {
        let text = read(&document)?;
        for include in text.split("{{#include ").skip(1).filter_map(|rest| rest.split("}}").next()) {
            let (path, part) = include.split_once(':').unwrap_or((include, ""));
            let file = document.parent().unwrap_or(top).join(path.trim());
            let first = part.split(':').next().and_then(|first| first.parse::<usize>().ok()).unwrap_or(1);
            let lines = std::fs::read_to_string(&file).map_or(0, |text| text.lines().count());
            if lines < first {
                wrong.push(format!("{} includes {include}, which is not there", shown(&document, top)));
            }
        }
    }
    Ok(wrong)
}

/// Screens that tests record and no page shows.
fn screens(top: &Path) -> anyhow::Result<Vec<String>> {
    let mut pages = String::new();
    for document in documents(top)? {
        pages += &read(&document)?;
    }
    let mut wrong = Vec::new();
    for folder in SCREENS {
        let mut screens = Vec::new();
        collect(&top.join(folder), "snap", &mut screens)?;
        screens.sort();
        let name = |path: &PathBuf| format!("{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        wrong.extend(
            screens
                .iter()
                .map(name)
                .filter(|name| !pages.contains(name.as_str()))
                .map(|name| format!("no page shows {name}")),
        );
    }
    Ok(wrong)
}

/// Commands that are shown and that the command line does not understand, or that no test runs.
fn commands(top: &Path) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for shown in handbook::commands(top) {
        let words = words(shown.line.trim_start_matches("sudo "));
        if let Err(error) = lifeboat::command().try_get_matches_from(&words) {
            let why = error.to_string();
            let why = why.lines().next().unwrap_or_default();
            wrong.push(format!("{}: '{}': {why}", shown.place, shown.line));
        }
        if let Runs::There(file, text) = handbook::runs(&shown.line)
            && !read(&top.join(file))?.contains(text)
        {
            wrong.push(format!("{}: '{}' is not run by {file}: there is no '{text}'", shown.place, shown.line));
        }
    }
    for shown in handbook::forms(top) {
        let command = lifeboat::command();
        // `lifeboat key create | show`: the words after the first belong to the same group, if it is one.
        let mut parts = shown.line.trim_start_matches("sudo ").trim_start_matches("lifeboat ").split(" | ");
        let first: Vec<&str> = parts.next().unwrap_or_default().split(' ').collect();
        let group = command.find_subcommand(first[0]);
        let group = group.filter(|group| group.has_subcommands()).unwrap_or(&command);
        let names = std::iter::once(if std::ptr::eq(group, &command) {
            first[0]
        } else {
            first.get(1).copied().unwrap_or_default()
        })
        .chain(parts.map(|part| part.split(' ').next().unwrap_or_default()));
        wrong.extend(
            names
                .filter(|name| group.find_subcommand(name).is_none())
                .map(|name| format!("{}: '{}': there is no command '{name}'", shown.place, shown.line)),
        );
    }
    Ok(wrong)
}

/// The words of a line as a shell has them, up to a pipe or a redirection.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (vec![], String::new(), None, false);
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, '|' | '>' | '<' | ';') => return words,
            (None, ' ') => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (None, c) => word.push(c),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handbook_holds() {
        assert_eq!(wrong(&workspace::top()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn words_as_a_shell_has_them() {
        assert_eq!(
            words("lifeboat find -i '*.jpg' --larger 5M | less"),
            ["lifeboat", "find", "-i", "*.jpg", "--larger", "5M"]
        );
        assert_eq!(words("lifeboat dump latest / > x"), ["lifeboat", "dump", "latest", "/"]);
    }

    #[test]
    fn headings_have_the_ids_of_the_book() {
        let text = "# Only /etc/fstab\n```\n# no heading\n```\n## check or backup refuses (exit code 3)\n## What boots\n## What boots\n";
        assert_eq!(
            headings_of(text),
            ["only-etcfstab", "check-or-backup-refuses-exit-code-3", "what-boots", "what-boots-1"]
        );
    }
}
