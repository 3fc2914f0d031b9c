//! The boot menu: what it offers, as values, and as a grub.cfg.
//!
//! No entry that writes to disks is ever chosen by time alone, unless the medium was made for that
//! ([`MenuOptions::default_mode`]).

use crate::inherited;
use lifeboat_machine::{Machine, MediumManifest, Mode, bytes::printable};

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Starts the rescue system in this mode.
    Rescue(Mode),
    /// Starts the first local disk, or gives control back to the firmware.
    LocalDisk,
}

/// One line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuEntry {
    /// Name for grub's `default`: one word.
    pub id: String,
    /// The line.
    pub title: String,
    /// What it does, for the help entry.
    pub help: String,
    /// What it does.
    pub action: Action,
    /// Kernel parameters of this entry only.
    pub parameters: Vec<String>,
}

/// The menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// Above the entries.
    pub title: String,
    /// The entries, top to bottom.
    pub entries: Vec<MenuEntry>,
    /// Id of the entry that is selected first.
    pub default: String,
    /// Seconds until the default starts.
    pub timeout_seconds: u32,
    /// Kernel parameters of all entries that start the rescue system.
    pub parameters: Vec<String>,
}

/// What the caller may choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MenuOptions {
    /// The mode that starts by itself. `Some(Mode::Nuke)` makes a medium for unattended use: anyone who boots it loses
    /// what is on the machine's disks. Without it the default entry only reads.
    pub default_mode: Option<Mode>,
    /// Seconds until the default starts; otherwise 30 for a harmless default, 10 for a chosen one.
    pub timeout_seconds: Option<u32>,
    /// More kernel parameters.
    pub parameters: Vec<String>,
}

/// The default entries in the order of preference: the first that the menu has is selected.
const HARMLESS: [Mode; 3] = [Mode::Interactive, Mode::Expert, Mode::Compare];
const HARMLESS_SECONDS: u32 = 30;
const CHOSEN_SECONDS: u32 = 10;

impl Menu {
    /// The menu of a medium.
    pub fn new(machine: &Machine, manifest: &MediumManifest, options: &MenuOptions) -> Menu {
        let name = printable(machine.name.as_bytes());
        let mut entries = vec![MenuEntry {
            id: "interactive".into(),
            title: Mode::Interactive.offer().into(),
            help: format!(
                "Starts the rescue system and guides you: which backup, which disks, what will be wiped. Nothing is \
                 written before you type the name {name}."
            ),
            action: Action::Rescue(Mode::Interactive),
            parameters: vec![],
        }];
        entries.push(MenuEntry {
            id: "expert".into(),
            title: Mode::Expert.offer().into(),
            help:
                "Starts the rescue system and gives you a shell. `lifeboat restore` and all tools of the machine are \
                   there; nothing happens until you type it."
                    .into(),
            action: Action::Rescue(Mode::Expert),
            parameters: vec![],
        });
        entries.push(MenuEntry {
            id: "compare".into(),
            title: Mode::Compare.offer().into(),
            help: "Reads the archive and the disks, and lists every difference. Writes nothing.".into(),
            action: Action::Rescue(Mode::Compare),
            parameters: vec![],
        });
        entries.push(MenuEntry {
            id: "nuke".into(),
            title: Mode::Nuke.offer().into(),
            help: format!(
                "Rebuilds the disks of {name} and restores all files, without a question. It goes ahead only when \
                 every disk is blank or is the original one; otherwise it stops and says what to do."
            ),
            action: Action::Rescue(Mode::Nuke),
            parameters: vec![],
        });
        entries.push(MenuEntry {
            id: "local".into(),
            title: "Boot from the local disk".into(),
            help: "Leaves this medium and starts what is installed on the machine.".into(),
            action: Action::LocalDisk,
            parameters: vec![],
        });
        let has = |mode: Mode| entries.iter().find(|entry| entry.action == Action::Rescue(mode));
        let chosen = options.default_mode.and_then(has);
        let default = chosen.or_else(|| HARMLESS.iter().find_map(|mode| has(*mode)));
        let default = default.map_or_else(|| "local".to_owned(), |entry| entry.id.clone());
        let seconds = if chosen.is_some() { CHOSEN_SECONDS } else { HARMLESS_SECONDS };
        let mut parameters = inherited::parameters(&machine.boot.command_line);
        parameters.push("quiet".to_owned());
        parameters.extend(options.parameters.iter().cloned());
        Menu {
            title: manifest.title(),
            entries,
            default,
            timeout_seconds: options.timeout_seconds.unwrap_or(seconds),
            parameters,
        }
    }

    /// The grub.cfg. `medium_id` names the marker file by which GRUB finds the medium again.
    pub fn grub_cfg(&self, medium_id: &str) -> String {
        let find =
            [format!("search --no-floppy --file --set=root {}", marker(medium_id)), "set medium=$root".to_owned()];
        let head = console().into_iter().chain([
            format!("set default={}", self.default),
            format!("set timeout={}", self.timeout_seconds),
            String::new(),
        ]);
        let from = From { before: &["set root=$medium"], folder: "", more: "" };
        text(find.into_iter().chain(head).chain(self.body(&from)))
    }

    /// The lines of the entries and their explanation.
    pub(crate) fn body(&self, from: &From<'_>) -> Vec<String> {
        let mut out = vec![];
        let mut line = |text: &str| out.push(text.to_owned());
        line("# GRUB shows no title of its own above a menu; who chooses it gets the help.");
        line(&format!("menuentry {} --id=title {{", quoted(&self.title)));
        line("  explain");
        line("}");
        for entry in &self.entries {
            line(&format!("menuentry {} --id={} {{", quoted(&entry.title), entry.id));
            for text in self.entry_lines(entry, from) {
                line(&format!("  {text}"));
            }
            line("}");
        }
        line("menuentry 'Help: what do these entries do?' --id=help {");
        line("  explain");
        line("}");
        line("function explain {");
        line("  clear");
        for entry in &self.entries {
            line(&format!("  echo {}", quoted(&entry.title)));
            for text in wrapped(&entry.help, 72) {
                line(&format!("  echo {}", quoted(&format!("    {text}"))));
            }
        }
        line(
            "  echo 'Without GRUB: /lifeboat/RECOVER-BY-HAND.txt on this medium says how to recover with stock tools.'",
        );
        line("  echo 'Press Esc to go back to the menu.'");
        // `sleep --interruptible` is in every signed GRUB; `read` is not.
        line("  sleep --interruptible 3600");
        line("}");
        out
    }

    /// The kernel's command line on a medium whose menu comes with the rescue system (`lifeboat.menu`): only the signed
    /// program counts, so the choice of GRUB's menu is made there.
    pub fn command_line(&self) -> String {
        let mode = self.entries.iter().find(|entry| entry.id == self.default).map(|entry| &entry.action);
        let mode = match mode {
            Some(Action::Rescue(mode)) => *mode,
            _ => Mode::Interactive,
        };
        let mut words = vec![format!("lifeboat.mode={mode}"), format!("lifeboat.menu={}", self.timeout_seconds)];
        words.extend(self.parameters.iter().map(|word| kernel_word(word)));
        words.join(" ")
    }

    fn entry_lines(&self, entry: &MenuEntry, from: &From<'_>) -> Vec<String> {
        match &entry.action {
            Action::Rescue(mode) => {
                let mut parameters = vec![format!("lifeboat.mode={mode}")];
                parameters.extend(self.parameters.iter().chain(&entry.parameters).map(|word| quoted_parameter(word)));
                let mut lines: Vec<String> = from.before.iter().map(|line| (*line).to_owned()).collect();
                lines.extend([
                    "echo 'Loading the rescue system ...'".to_owned(),
                    format!("linux {}/lifeboat/kernel {}{}", from.folder, parameters.join(" "), from.more),
                    format!("initrd {}/lifeboat/initrd.img", from.folder),
                ]);
                lines
            }
            Action::LocalDisk => local_disk().map(str::to_owned).to_vec(),
        }
    }
}

/// Starts the first local disk, or gives control back to the firmware.
pub(crate) fn local_disk() -> [&'static str; 10] {
    [
        "if [ \"$grub_platform\" = efi ]; then",
        "  exit",
        "fi",
        "# The firmware gives the disk that it booted from the number 0.",
        "if regexp '^hd0' \"$medium\"; then",
        "  set root=hd1",
        "else",
        "  set root=hd0",
        "fi",
        "chainloader +1",
    ]
}

/// Where GRUB finds what an entry starts.
pub(crate) struct From<'a> {
    /// Lines before it.
    pub before: &'a [&'static str],
    /// The folder that has `/lifeboat/`, as GRUB names it.
    pub folder: &'a str,
    /// What is added to the kernel's parameters, with a blank before it.
    pub more: &'a str,
}

/// The lines by which a menu looks the same everywhere.
pub(crate) fn console() -> Vec<String> {
    [
        "# On UEFI the firmware's console covers screen and serial line; on BIOS both are asked, when there is a port.",
        "if [ \"$grub_platform\" = pc ]; then",
        "  if serial --unit=0 --speed=115200 --word=8 --parity=no --stop=1; then",
        "    terminal_input console serial",
        "    terminal_output console serial",
        "  fi",
        "fi",
        "set color_normal=light-gray/black",
        "set color_highlight=black/light-gray",
        "set menu_color_normal=white/black",
        "set menu_color_highlight=black/cyan",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A grub.cfg of these lines.
pub(crate) fn text(lines: impl IntoIterator<Item = String>) -> String {
    let mut out = "# Written by lifeboat.\n".to_owned();
    for line in lines {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Path of the file by which GRUB finds this medium among all disks.
pub fn marker(medium_id: &str) -> String {
    format!("/boot/grub/medium-{medium_id}")
}

/// A word for GRUB's script: in single quotes, in which nothing is special but the quote itself.
pub(crate) fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("'{}'", plain.replace('\'', "'\\''"))
}

fn quoted_parameter(word: &str) -> String {
    if word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.,:/=@%+".contains(c)) {
        return word.to_owned();
    }
    // GRUB takes the single quotes away.
    quoted(&kernel_word(word))
}

/// A parameter as the kernel reads it: blanks stay inside double quotes.
pub(crate) fn kernel_word(word: &str) -> String {
    match word.split_once('=') {
        Some((key, value)) if word.contains(char::is_whitespace) && !value.contains('"') => {
            format!("{key}=\"{value}\"")
        }
        _ => word.to_owned(),
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
