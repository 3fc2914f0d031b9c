//! How a disc is known before it is opened: its volume label, the name of its image, and the date of which its UUID consists.

use lifeboat_machine::MediumManifest;
use lifeboat_machine::stick::short_id;

/// The longest volume id (ECMA-119, 8.4.8).
const LABEL: usize = 32;
/// Hundredths of a second in a day.
const DAY: u64 = 24 * 60 * 60 * 100;

/// What names a disc.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The machine.
    pub machine: &'a str,
    /// When it was made, RFC 3339.
    pub created_at: &'a str,
    /// The id of the medium or of the set, hex.
    pub id: &'a str,
    /// Its number in a set; `None` for a disc by itself.
    pub disc: Option<u32>,
}

impl<'a> Identity<'a> {
    /// That of a medium, or of the first disc of a set.
    pub fn of(manifest: &'a MediumManifest) -> Identity<'a> {
        Identity {
            machine: &manifest.machine_name,
            created_at: &manifest.created_at,
            id: &manifest.medium_id,
            disc: manifest.set.as_ref().map(|_| 1),
        }
    }

    /// The volume label: `WEB1_20261124_0A1B2C3D`, in a set `WEB1_20261124_0A1B2C3D_2`. ISO 9660 has capital letters, digits and `_`; a long
    /// name of a machine is cut.
    pub fn label(&self) -> String {
        let day: String = self.created_at.chars().filter(char::is_ascii_digit).take(8).collect();
        let disc = self.disc.map(|number| format!("_{number}")).unwrap_or_default();
        let rest = format!("_{day}_{}{disc}", short_id(self.id).to_ascii_uppercase());
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = self.machine.chars().map(letter).take(LABEL.saturating_sub(rest.len())).collect();
        format!("{name}{rest}")
    }

    /// The name of its image: `web1-2026-11-24-0a1b2c3d.iso`, in a set `web1-2026-11-24-0a1b2c3d-disc2.iso`.
    pub fn file_name(&self) -> String {
        match self.disc {
            Some(number) => image_name(&self.stem(), number),
            None => format!("{}.iso", self.stem()),
        }
    }

    /// What the names of all images of a set begin with.
    pub fn stem(&self) -> String {
        let day: String = self.created_at.chars().take(10).collect();
        let letter = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let name: String = self.machine.chars().map(letter).take(64).collect();
        let name = name.trim_start_matches(['.', '-']);
        format!("{}-{day}-{}", if name.is_empty() { "machine" } else { name }, short_id(self.id))
    }

    /// The modification date as xorriso takes it. It is the UUID of the filesystem, and the GUIDs of partitions are made of it: so the day is
    /// the true one, and the time comes from id and number. Two discs of a set never have the same.
    pub(crate) fn date(&self) -> Option<String> {
        let day: String = self.created_at.chars().filter(char::is_ascii_digit).take(8).collect();
        let hash = blake3::hash(self.id.as_bytes());
        let start = hash.as_bytes().iter().take(6).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let time = (start % DAY + u64::from(self.disc.unwrap_or(1))) % DAY;
        let (hours, minutes, seconds) = (time / 360_000, time / 6000 % 60, time / 100 % 60);
        (day.len() == 8).then(|| format!("{day}{hours:02}{minutes:02}{seconds:02}{:02}", time % 100))
    }

    /// The GUID of the disk: the id of the medium as it is written everywhere else.
    pub(crate) fn guid(&self) -> Option<String> {
        let digits: Vec<char> = self.id.chars().filter(char::is_ascii_hexdigit).collect();
        let part = |from: usize, to: usize| digits.get(from..to).map(|part| part.iter().collect::<String>());
        (digits.len() == 32).then_some(())?;
        Some([part(0, 8)?, part(8, 12)?, part(12, 16)?, part(16, 20)?, part(20, 32)?].join("-"))
    }
}

/// The image of a disc of a set whose names begin so.
pub fn image_name(stem: &str, number: u32) -> String {
    format!("{stem}-disc{number}.iso")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

    fn disc(machine: &'static str, disc: Option<u32>) -> Identity<'static> {
        Identity { machine, created_at: "2026-11-24T07:01:02.5Z", id: ID, disc }
    }

    #[test]
    fn labels_and_names() {
        for (identity, label, name) in [
            (disc("web1", None), "WEB1_20261124_0A1B2C3D", "web1-2026-11-24-0a1b2c3d.iso"),
            (disc("web1", Some(2)), "WEB1_20261124_0A1B2C3D_2", "web1-2026-11-24-0a1b2c3d-disc2.iso"),
            (
                disc("db7.example.org/../x", Some(12)),
                "DB7_EXAMPLE_20261124_0A1B2C3D_12",
                "db7.example.org-..-x-2026-11-24-0a1b2c3d-disc12.iso",
            ),
            (disc("..", None), "___20261124_0A1B2C3D", "machine-2026-11-24-0a1b2c3d.iso"),
        ] {
            assert_eq!((identity.label().as_str(), identity.file_name().as_str()), (label, name));
            assert!(identity.label().len() <= LABEL);
        }
    }

    #[test]
    fn no_two_discs_have_one_date() {
        let mut dates: Vec<String> = (1..=999).filter_map(|number| disc("web1", Some(number)).date()).collect();
        assert!(dates.iter().all(|date| date.len() == 16 && date.starts_with("20261124")), "{dates:?}");
        dates.sort();
        dates.dedup();
        assert_eq!(dates.len(), 999);
        let hour = |date: &str| date[8..10].parse::<u32>().unwrap() < 24 && date[10..12].parse::<u32>().unwrap() < 60;
        assert!(dates.iter().all(|date| hour(date)));
        assert_eq!(Identity { created_at: "", ..disc("x", None) }.date(), None);
        assert_eq!(disc("x", None).guid().unwrap(), "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9");
        assert_eq!(Identity { id: "00", ..disc("x", None) }.guid(), None);
    }
}
