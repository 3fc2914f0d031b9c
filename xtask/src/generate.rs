//! Man pages and shell completions, made from the definition of the command line and checked in below `dist/`, so that
//! a package needs no second program to build them, and a change of the help text shows in its diff; and the handbook's page
//! on fields, made from the lists beside the parsers.

use crate::workspace;
use anyhow::{Context as _, bail};
use clap_complete::Shell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Sections that `lifeboat.1` has beyond what clap knows.
const FILES_AND_MORE: &str = include_str!("lifeboat.1.part");
/// Sections of every other page.
const EVERY_PAGE: &str = include_str!("every.1.part");

/// Writes the files.
pub fn write() -> anyhow::Result<()> {
    let top = workspace::top();
    for (path, content) in files()? {
        let path = top.join(path);
        let directory = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(directory).with_context(|| format!("cannot MAKE {}", directory.display()))?;
        std::fs::write(&path, content).with_context(|| format!("cannot WRITE {}", path.display()))?;
    }
    for path in left_over()? {
        std::fs::remove_file(&path).with_context(|| format!("cannot REMOVE {}", path.display()))?;
    }
    Ok(())
}

/// Fails when a file differs from what would be written.
pub fn check() -> anyhow::Result<()> {
    let top = workspace::top();
    let mut stale: Vec<PathBuf> = left_over()?;
    stale.extend(
        files()?
            .into_iter()
            .filter(|(path, content)| std::fs::read(top.join(path)).ok().as_ref() != Some(content))
            .map(|(path, _)| path),
    );
    if !stale.is_empty() {
        bail!("stale: {stale:?}; try make generate");
    }
    Ok(())
}

/// Man pages of commands that no longer exist. Pages of section 5 are written by hand.
fn left_over() -> anyhow::Result<Vec<PathBuf>> {
    let wanted = files()?;
    let directory = workspace::top().join("dist/man");
    let Ok(entries) = std::fs::read_dir(&directory) else { return Ok(vec![]) };
    let mut left = Vec::new();
    for entry in entries {
        let name = entry.with_context(|| format!("cannot READ {}", directory.display()))?.file_name();
        let path = Path::new("dist/man").join(&name);
        if path.extension().is_some_and(|section| section == "1") && !wanted.contains_key(&path) {
            left.push(directory.join(name));
        }
    }
    Ok(left)
}

/// Every generated file by its path below the top.
fn files() -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut command = lifeboat::command().disable_help_subcommand(true);
    command.build();
    pages(&command, &mut files)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        // A hidden command is for developers; completions show none of it.
        let mut command = visible(lifeboat::command());
        let mut content = Vec::new();
        clap_complete::generate(shell, &mut command, "lifeboat", &mut content);
        let name = match shell {
            Shell::Zsh => "_lifeboat".to_owned(),
            other => format!("lifeboat.{other}"),
        };
        files.insert(Path::new("dist/completions").join(name), content);
    }
    files.insert("docs/src/fields.md".into(), lifeboat_probe::fields::page().into_bytes());
    Ok(files)
}

/// The command without its hidden subcommands.
fn visible(command: clap::Command) -> clap::Command {
    let hidden: Vec<String> =
        command.get_subcommands().filter(|sub| sub.is_hide_set()).map(|sub| sub.get_name().to_owned()).collect();
    if hidden.is_empty() {
        return command;
    }
    // clap cannot remove a subcommand: build the command again from its parts.
    let mut rebuilt = clap::Command::new("lifeboat")
        // No completion shows it, but clap wants one for --version.
        .version("0")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(command.get_arguments().cloned());
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        rebuilt = rebuilt.subcommand(sub.clone());
    }
    rebuilt
}

fn pages(command: &clap::Command, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> anyhow::Result<()> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages(sub, files)?;
    }
    let top = command.get_display_name().is_none_or(|name| name == "lifeboat");
    let man = clap_mangen::Man::new(command.clone()).manual("Lifeboat manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    if top {
        page.write_all(FILES_AND_MORE.as_bytes())?;
    } else {
        page.write_all(EVERY_PAGE.as_bytes())?;
        page.write_all(examples(man.get_filename().as_str()).as_bytes())?;
        page.write_all(b".SH \"SEE ALSO\"\n\\fBlifeboat\\fR(1), \\fBlifeboat.toml\\fR(5)\n")?;
    }
    files.insert(Path::new("dist/man").join(man.get_filename()), page);
    Ok(())
}

/// The examples of a page, by its file name: `lifeboat-media-iso.1`.
fn examples(file: &str) -> String {
    let path = file.trim_start_matches("lifeboat-").trim_end_matches(".1").replace('-', " ");
    let shown = |text: &str| text.replace('\\', "\\e").replace('-', "\\-");
    let examples = lifeboat::command::examples::of(&path);
    let entries = examples.iter().map(|(line, what)| format!(".TP\n\\fB{}\\fR\n{}.\n", shown(line), shown(what)));
    match examples {
        [] => String::new(),
        _ => format!(".SH EXAMPLES\n{}", entries.collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn man_pages_and_completions_are_fresh() {
        super::check().unwrap();
    }
}
