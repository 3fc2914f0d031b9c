//! The commands that README and handbook show, and where each is run. A scenario types them
//! (`tests/handbook.rs`), and `make docs` checks them.

use std::path::{Path, PathBuf};

/// A command as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The document, and the line in it.
    pub place: String,
    /// What is typed, without the prompt and without the remark behind it.
    pub line: String,
}

/// Where a command is run.
#[derive(Clone, Copy, Debug)]
pub enum Runs {
    /// By the scenario in `crates/drill/tests/handbook.rs`, as it stands there.
    Here,
    /// By another test: its file, and what stands there.
    There(&'static str, &'static str),
}

/// What another test runs, by how the line begins: the rescue system, a screen, storage that one machine does not have.
const THERE: [(&str, &str, &str); 40] = [
    ("lifeboat --json status > ", "crates/serve/tests/serve/room.rs", "/api/v1/status"),
    ("lifeboat serve ", "crates/cli/tests/serve.rs", "\"serve\""),
    ("lifeboat media netboot ", "crates/drill/tests/netboot.rs", "lifeboat media netboot --out"),
    ("lifeboat media set ", "crates/drill/tests/sets.rs", "lifeboat media set --size"),
    ("lifeboat list --from /srv/discs", "crates/cli/tests/root_sets.rs", "[\"list\", \"--from\", from]"),
    ("lifeboat verify --from /srv/discs", "crates/cli/tests/root_sets.rs", "[\"verify\", \"--from\", \"./discs\"]"),
    ("lifeboat restore --from /dev/sr0 ", "crates/cli/tests/root_sets.rs", "[\"restore\", \"--from\""),
    ("lifeboat media label /srv/discs", "crates/cli/tests/root_sets.rs", "[\"media\", \"label\", \"./discs\"]"),
    ("lifeboat media usb ", "crates/drill/tests/usb.rs", "lifeboat media usb --to"),
    ("lifeboat backup --to usb", "crates/drill/tests/usb.rs", "lifeboat backup --to usb"),
    ("lifeboat media refresh --out usb", "crates/drill/tests/usb.rs", "lifeboat media refresh --out usb"),
    ("lifeboat list --from usb", "crates/drill/tests/usb.rs", "lifeboat list --from usb"),
    ("lifeboat verify --from usb", "crates/drill/tests/usb.rs", "lifeboat verify --from usb"),
    // What is removed, other commands of the pages would miss.
    ("lifeboat forget ", "crates/cli/tests/root_retention.rs", "\"forget\""),
    ("lifeboat prune", "crates/cli/tests/root_retention.rs", "\"prune\""),
    ("lifeboat copy ", "crates/cli/tests/root_retention.rs", "\"copy\""),
    ("lifeboat browse", "crates/cli/tests/interactive.rs", ".args([\"browse\", \"--from\"])"),
    ("sudo lifeboat drill ", "crates/drill/tests/routine.rs", "starts_with(\"sudo lifeboat drill \")"),
    ("lifeboat backup --to stream:- |", "crates/cli/tests/root_streams.rs", "stream:-"),
    (
        "lifeboat media iso --rescue-only --source nfs",
        "crates/drill/tests/sources.rs",
        "lifeboat media iso --rescue-only",
    ),
    ("lifeboat --json layout show >", "crates/drill/tests/layouts.rs", "layout show"),
    ("lifeboat layout edit ", "crates/drill/tests/layouts.rs", "--raid1-to-disk"),
    ("lifeboat layout plan --layout ", "crates/drill/tests/layouts.rs", "layout plan --layout"),
    ("lifeboat rescue --out box.iso --layout ", "crates/drill/tests/layouts.rs", "--layout"),
    (
        "lifeboat layout plan --from /run/lifeboat/medium",
        "crates/drill/tests/stages.rs",
        "layout plan --from /run/lifeboat/medium",
    ),
    ("lifeboat restore --words", "crates/drill/tests/messages.rs", "--words"),
    ("lifeboat restore --wipe ", "crates/drill/tests/stages.rs", "--wipe"),
    ("lifeboat restore --from …", "crates/cli/tests/root_restore_parts.rs", "\"--to\""),
    ("lifeboat restore --stage plan", "crates/drill/tests/stages.rs", "--stage plan"),
    ("lifeboat restore --stage rebuild", "crates/drill/tests/stages.rs", "--stage rebuild"),
    ("lifeboat restore --stage extract", "crates/drill/tests/stages.rs", "--stage extract"),
    ("lifeboat restore --stage boot", "crates/drill/tests/stages.rs", "--stage boot"),
    ("lifeboat compare --root ", "crates/drill/tests/stages.rs", "lifeboat compare --root"),
    ("lifeboat compare", "crates/drill/tests/stages.rs", "lifeboat compare"),
    ("lifeboat storage show", "crates/drill/tests/stacks.rs", "storage show"),
    ("lifeboat storage activate", "crates/drill/tests/stages.rs", "storage activate"),
    ("lifeboat storage unlock ", "crates/drill/tests/stacks.rs", "storage unlock"),
    ("lifeboat storage login ", "crates/drill/tests/stacks.rs", "storage login"),
    ("lifeboat storage release", "crates/drill/tests/stacks.rs", "storage release"),
    ("lifeboat restore$", "crates/drill/tests/stages.rs", "lifeboat restore"),
];

/// Where a line is run. A `$` in the table is the end of the line.
pub fn runs(line: &str) -> Runs {
    let line = format!("{line}$");
    match THERE.iter().find(|(begin, ..)| line.starts_with(begin)) {
        Some((_, file, text)) => Runs::There(file, text),
        None => Runs::Here,
    }
}

/// All lines of all blocks of code that begin with `lifeboat` or `sudo lifeboat`, below the top of the checkout. Lines that show a form
/// (`lifeboat list --from REPO`) are given by [`forms`].
pub fn commands(top: &Path) -> Vec<Shown> {
    all(top).into_iter().filter(|shown| !is_form(&shown.line)).collect()
}

/// Lines that show the form of a command.
pub fn forms(top: &Path) -> Vec<Shown> {
    all(top).into_iter().filter(|shown| is_form(&shown.line)).collect()
}

/// Words that stand for something, and signs of choices.
fn is_form(line: &str) -> bool {
    const STAND_FOR: [&str; 6] = ["REPO", "SOURCE", "DIR", "FILE", "MEDIUM", "NEW"];
    let choice = |word: &str| ["ls", "stats", "status", "plan", "show"].contains(&word);
    let words: Vec<&str> = line.split(' ').collect();
    words.iter().any(|word| STAND_FOR.contains(word) || word.starts_with('['))
        || words.windows(2).any(|pair| pair[0] == "|" && choice(pair[1]))
        || words.windows(3).any(|three| three[1] == "|" && choice(three[0]))
}

fn all(top: &Path) -> Vec<Shown> {
    let mut documents: Vec<PathBuf> = vec![top.join("README.md")];
    let pages = std::fs::read_dir(top.join("docs/src")).into_iter().flatten().flatten().map(|entry| entry.path());
    documents.extend(pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    documents.sort();
    let mut found = vec![];
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap_or_default();
        let name = document.strip_prefix(top).unwrap_or(&document).display().to_string();
        let mut is_code = false;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with("```") {
                is_code = !is_code;
                continue;
            }
            let typed = line.strip_prefix("# ").unwrap_or(line);
            if is_code && ["lifeboat ", "sudo lifeboat "].iter().any(|begin| typed.starts_with(begin)) {
                // A remark stands behind a `#`, or far to the right.
                let typed = typed.split(" #").next().unwrap_or_default();
                let typed = typed.split("   ").next().unwrap_or_default().trim_end();
                found.push(Shown { place: format!("{name}:{}", number + 1), line: typed.to_owned() });
            }
        }
    }
    found
}
