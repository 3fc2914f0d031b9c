//! A page to put on the case of a medium, or on the machine: what it is, how to boot it, whether it holds the key, and its id as a QR
//! code. 80 columns of text, for a terminal and any printer.

use lifeboat_machine::MediumManifest;
use lifeboat_machine::boot_list::SIGNING_CERTIFICATE;
use lifeboat_machine::bytes::printable;
use lifeboat_machine::stick::short_id;
use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};
use std::fmt::Write as _;

/// Columns of the page.
pub const WIDTH: usize = 80;
/// Columns of the words before the facts.
const NAMES: usize = 10;
/// Light modules around a code (ISO/IEC 18004, 6.3.8).
const QUIET: i32 = 4;

/// What a page is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Machine, as it is called.
    pub machine: String,
    /// When it was made, RFC 3339 or shorter.
    pub made: String,
    /// Its whole id, hex.
    pub id: String,
    /// What it is.
    pub kind: LabelKind,
    /// What its archive is, and what opens it.
    pub archive: Archive,
}

/// Kinds of media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelKind {
    /// A disc, or a stick with its image.
    Image {
        /// What UEFI starts is signed with a key of the machine's owner.
        signed: bool,
    },
    /// A stick that is written again.
    Stick {
        /// The same.
        signed: bool,
    },
    /// A disc of a set.
    Disc {
        /// Its number; the first boots.
        number: u32,
        /// What UEFI starts is signed with a key of the machine's owner.
        signed: bool,
    },
    /// A tape.
    Tape {
        /// It begins with a rescue system.
        boots: bool,
        /// Number of the volume in its set.
        volume: u32,
    },
}

/// Whether there is an archive, and what opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// None: it comes from elsewhere.
    Elsewhere {
        /// The medium holds the machine's key.
        key: bool,
    },
    /// On the medium, encrypted.
    Here {
        /// The medium holds a key of its own.
        key: bool,
    },
}

impl Label {
    /// That of a medium with a manifest.
    pub fn of(manifest: &MediumManifest) -> Label {
        let signed = manifest.files.contains_key(SIGNING_CERTIFICATE);
        let key = manifest.embedded_key;
        Label {
            machine: printable(manifest.machine_name.as_bytes()),
            made: printable(manifest.created_at.as_bytes()),
            id: manifest.medium_id.clone(),
            kind: match (&manifest.repository, &manifest.set) {
                (Some(_), _) => LabelKind::Stick { signed },
                (None, Some(_)) => LabelKind::Disc { number: 1, signed },
                (None, None) => LabelKind::Image { signed },
            },
            archive: if manifest.has_archive() { Archive::Here { key } } else { Archive::Elsewhere { key } },
        }
    }

    /// The id as people know it.
    pub fn short_id(&self) -> String {
        short_id(&self.id)
    }

    /// What the QR code says.
    pub fn code(&self) -> String {
        format!("LIFEBOAT:{}", self.id.to_ascii_uppercase())
    }

    /// The page; with `ascii` the code is drawn with `##`, for printers that know nothing else.
    pub fn page(&self, ascii: bool) -> String {
        let mut page = String::new();
        let rule = "=".repeat(WIDTH);
        let noun = self.noun().to_uppercase();
        let title = format!("LIFEBOAT RECOVERY {noun} OF {}{}", self.machine, self.volume());
        for line in [&rule, &title, &rule] {
            page.push_str(&cut(line));
            page.push('\n');
        }
        page.push('\n');
        let day: String = self.made.chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect();
        for (name, text) in [
            ("machine", self.machine.clone()),
            ("made", format!("{day} UTC")),
            ("id", self.short_id()),
            ("what", self.what().to_owned()),
            ("BIOS", self.bios().to_owned()),
            ("UEFI", self.uefi().to_owned()),
            ("key", self.key()),
            ("by hand", self.by_hand().to_owned()),
        ] {
            fact(&mut page, name, &text);
        }
        page.push('\n');
        page.push_str(&drawn(&self.code(), ascii));
        let _ = writeln!(page, "{}{}", " ".repeat(QUIET as usize), cut(&self.code()));
        page
    }

    fn noun(&self) -> &'static str {
        match self.kind {
            LabelKind::Image { .. } => "medium",
            LabelKind::Stick { .. } => "stick",
            LabelKind::Tape { .. } => "tape",
            LabelKind::Disc { .. } => "disc",
        }
    }

    /// Which tape or disc of a set it is.
    fn volume(&self) -> String {
        match self.kind {
            LabelKind::Tape { volume, .. } => format!(", TAPE {volume}"),
            LabelKind::Disc { number, .. } => format!(", DISC {number}"),
            LabelKind::Image { .. } | LabelKind::Stick { .. } => String::new(),
        }
    }

    fn what(&self) -> &'static str {
        match (&self.kind, self.archive) {
            (LabelKind::Stick { .. }, Archive::Here { .. }) => {
                "boots, and brings the machine back from the latest backup on it; later backups go onto it, too \
                 (lifeboat backup --to usb)"
            }
            (LabelKind::Tape { boots: true, .. }, _) => {
                "boots by itself in a drive with One-Button Disaster Recovery; a backup follows"
            }
            (LabelKind::Tape { boots: false, .. }, _) => {
                "a backup; does not boot: start a rescue medium that was made with --source tape"
            }
            (LabelKind::Disc { number: 1, .. }, _) => {
                "boots, and brings the machine back from the backup on it and on the other discs of its set, which it asks for"
            }
            (LabelKind::Disc { .. }, _) => {
                "a part of a backup; does not boot: start disc 1 of the set, which asks for this one. A set without any of its discs is \
                 not whole"
            }
            (_, Archive::Here { .. }) => "boots, and brings the machine back from the backup on it",
            (_, Archive::Elsewhere { .. }) => {
                "boots, and brings the machine back from a backup that is elsewhere: keep the two together"
            }
        }
    }

    fn bios(&self) -> &'static str {
        match self.kind {
            LabelKind::Disc { number: 2.., .. } => "start disc 1",
            LabelKind::Image { .. } | LabelKind::Disc { .. } => {
                "insert the disc or stick, open the boot menu at power-on (F8 to F12, or Esc), choose it"
            }
            LabelKind::Stick { .. } => {
                "plug it in, open the boot menu at power-on (F8 to F12, or Esc), choose the stick"
            }
            LabelKind::Tape { boots: true, .. } => {
                "insert the tape, hold the drive's eject button at power-on, then choose the drive as a disc"
            }
            LabelKind::Tape { boots: false, .. } => "as the rescue medium says",
        }
    }

    fn uefi(&self) -> &'static str {
        match self.kind {
            LabelKind::Disc { number: 2.., .. } => "start disc 1",
            LabelKind::Image { signed: true }
            | LabelKind::Stick { signed: true }
            | LabelKind::Disc { signed: true, .. } => {
                "the same; choose the entry with UEFI. Secure Boot may stay on where the firmware trusts the owner's key"
            }
            LabelKind::Image { signed: false }
            | LabelKind::Stick { signed: false }
            | LabelKind::Disc { signed: false, .. } => {
                "the same; choose the entry with UEFI. Secure Boot may stay on if it was on when the medium was made"
            }
            LabelKind::Tape { boots: true, .. } => "the same, where the firmware boots from discs",
            LabelKind::Tape { boots: false, .. } => "as the rescue medium says",
        }
    }

    fn key(&self) -> String {
        let machine = &self.machine;
        match self.archive {
            Archive::Here { key: true } => {
                "is on it: whoever has this medium can read the backup. Keep it locked up".to_owned()
            }
            Archive::Here { key: false } => {
                format!(
                    "is not on it: the backup is encrypted, and opens with the 24 recovery words of {machine}, or its key file"
                )
            }
            Archive::Elsewhere { key: true } => {
                format!("is on it: whoever has this medium can read all backups of {machine}. Keep it locked up")
            }
            Archive::Elsewhere { key: false } => {
                format!("is not on it: the recovery asks for the 24 recovery words of {machine}, or its key file")
            }
        }
    }

    fn by_hand(&self) -> &'static str {
        match self.kind {
            LabelKind::Tape { .. } => {
                "dd, age, zstd and tar read it: 'lifeboat key show --age' prints the identity for age"
            }
            LabelKind::Disc { number: 2.., .. } => {
                "/RECOVER-BY-HAND.txt on it says how files come back with stock tools"
            }
            LabelKind::Image { .. } | LabelKind::Stick { .. } | LabelKind::Disc { .. } => {
                "/lifeboat/RECOVER-BY-HAND.txt on it says how to recover with stock tools"
            }
        }
    }
}

/// A word and what it is about, wrapped.
fn fact(page: &mut String, name: &str, text: &str) {
    let mut line = format!("{name:<NAMES$}");
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(page, "{}", cut(line.trim_end()));
            line = " ".repeat(NAMES);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(page, "{}", cut(line.trim_end()));
}

fn cut(line: &str) -> String {
    line.chars().take(WIDTH).collect()
}

/// The code of a text, dark modules in ink: two modules a character, or, in ASCII, two characters a module.
fn drawn(text: &str, ascii: bool) -> String {
    let mut out = String::new();
    let segments = QrSegment::make_segments(text);
    // Medium correction where that needs no larger code; an id always fits.
    let Ok(code) = QrCode::encode_segments_advanced(&segments, QrCodeEcc::Low, Version::MIN, Version::MAX, None, true)
    else {
        return out;
    };
    let (from, to) = (-QUIET, code.size() + QUIET);
    let step = if ascii { 1 } else { 2 };
    for y in (from..to).step_by(step) {
        let line: String = (from..to)
            .map(|x| match (ascii, code.get_module(x, y), code.get_module(x, y + 1)) {
                (true, true, _) => "##",
                (true, false, _) => "  ",
                (false, true, true) => "█",
                (false, true, false) => "▀",
                (false, false, true) => "▄",
                (false, false, false) => " ",
            })
            .collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::testing;

    fn labels() -> Vec<Label> {
        let stick = Label::of(&testing::medium_manifest());
        let image =
            Label { kind: LabelKind::Image { signed: true }, archive: Archive::Here { key: true }, ..stick.clone() };
        let tape = |boots| LabelKind::Tape { boots, volume: 1 };
        let mut labels = vec![stick.clone(), image.clone()];
        labels.extend([true, false].map(|key| Label { archive: Archive::Elsewhere { key }, ..image.clone() }));
        labels.extend([true, false].map(|boots| Label { kind: tape(boots), ..stick.clone() }));
        let disc = |number| LabelKind::Disc { number, signed: false };
        labels.extend([1, 12].map(|number| Label { kind: disc(number), ..stick.clone() }));
        labels.push(Label { machine: "a-very-long-name".repeat(9), ..stick });
        labels
    }

    #[test]
    fn a_page_fits_on_a_terminal_and_a_printer() {
        for label in labels() {
            for ascii in [true, false] {
                let page = label.page(ascii);
                assert!(page.lines().all(|line| line.chars().count() <= WIDTH), "{page}");
                assert!(page.lines().count() <= 66, "{}: {page}", page.lines().count());
                assert!(!ascii || page.is_ascii(), "{page}");
                assert!(page.contains("id        0a1b2c3d\n") && page.contains("2026-11-24 07:01 UTC"), "{page}");
            }
        }
    }

    #[test]
    fn the_key_is_named_where_it_is() {
        let pages: Vec<String> = labels().iter().map(|label| label.page(true).replace("\n          ", " ")).collect();
        assert!(
            pages[0].contains("is not on it: the backup is encrypted, and opens with the 24 recovery words of box")
        );
        assert!(pages[1].contains("is on it: whoever has this medium can read the backup."));
        assert!(pages[2].contains("can read all backups of box"));
        assert!(pages[5].contains("does not boot"));
        assert!(pages[6].contains("DISC 1\n") && pages[6].contains("asks for"), "{}", pages[6]);
        assert!(pages[7].contains("DISC 12\n") && pages[7].contains("does not boot"), "{}", pages[7]);
    }

    /// Both drawings have the same modules, and the three corners by which a code is found.
    #[test]
    fn the_code_is_the_same_in_both_drawings() {
        let text = labels()[0].code();
        let code = QrCode::encode_text(&text, QrCodeEcc::Low).unwrap();
        assert_eq!(code.size(), 25, "41 characters fit into version 2");
        let ascii: Vec<Vec<char>> = drawn(&text, true).lines().map(|line| line.chars().collect()).collect();
        let halves: Vec<Vec<char>> = drawn(&text, false).lines().map(|line| line.chars().collect()).collect();
        for y in 0..25 {
            for x in 0..25 {
                let dark = code.get_module(x, y);
                let (column, row) = ((x + QUIET) as usize, (y + QUIET) as usize);
                assert_eq!(ascii[row].get(2 * column) == Some(&'#'), dark, "{x} {y}");
                let half = halves[row / 2].get(column).copied().unwrap_or(' ');
                let upper = row % 2 == 0;
                assert_eq!(matches!((half, upper), ('█', _) | ('▀', true) | ('▄', false)), dark, "{x} {y}");
            }
        }
        for (x, y) in [(0, 0), (24, 0), (0, 24)] {
            assert!(code.get_module(x, y));
        }
    }
}
