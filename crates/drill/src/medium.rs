//! What a drill reads from a medium: machine, manifest, boot menu, kernel. Through xorriso, or from a stick through debugfs, so without
//! mounting and root.

use crate::DrillError;
use lifeboat_machine::boot_list::SIGNING_CERTIFICATE;
use lifeboat_machine::stick::{self, SECTORS};
use lifeboat_machine::{Machine, MediumManifest};
use lifeboat_secureboot::Certificate;
use lifeboat_sys::program::{DEBUGFS, XORRISO};
use lifeboat_sys::{Invocation, Runner};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Everything that is needed from a medium.
#[derive(Debug)]
pub struct Medium {
    /// The machine that it recovers.
    pub machine: Machine,
    /// What binds it together.
    pub manifest: MediumManifest,
    /// Its boot menu.
    pub menu: Menu,
    /// Its kernel, extracted.
    pub kernel: PathBuf,
    /// It is a stick, or an image of one, and no disc.
    pub stick: bool,
    /// The certificate that what UEFI starts is signed with, on a medium that is signed.
    pub signer: Option<Certificate>,
}

/// The entries of a GRUB menu, as far as needed to choose one with arrow keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// Ids, top to bottom; an entry without an id has an empty one.
    pub ids: Vec<String>,
    /// For each of them, the line in GRUB's editor that names a kernel, from 0, if one does.
    pub kernel_lines: Vec<Option<usize>>,
    /// Id of the entry that is selected first.
    pub default: String,
    /// Title of the first entry, by which the menu is recognised on a console.
    pub first_title: String,
}

/// Files taken from the medium: path there, name here.
const FILES: [(&str, &str); 3] = [
    ("/lifeboat/machine.json", "machine.json"),
    ("/lifeboat/manifest.json", "manifest.json"),
    ("/lifeboat/kernel", "kernel"),
];
/// The menu of an image, and of a stick.
const MENUS: [&str; 2] = ["/boot/grub/grub.cfg", "/lifeboat/grub.cfg"];

/// Where the filesystem of a stick begins, in bytes; `None` for anything else.
fn filesystem_at(medium: &Path) -> Option<u64> {
    let file = File::open(medium).ok()?;
    let size = lifeboat_sys::block::size_bytes(medium).ok()?;
    stick::read(&file, size, &SECTORS).map(|(_, layout, _)| layout.data().0)
}

/// The call that takes a file from a medium.
fn extraction(medium: &Path, stick: Option<u64>, inside: &str, target: &Path) -> Invocation {
    match stick {
        None => Invocation::new(XORRISO)
            .args(["-osirrox", "on", "-report_about", "FAILURE", "-indev"])
            .arg(medium)
            .args(["-extract_single", inside])
            .arg(target),
        Some(offset) => Invocation::new(DEBUGFS)
            .args(["-R", &format!("dump \"{inside}\" \"{}\"", target.display())])
            .arg(format!("{}?offset={offset}", medium.display())),
    }
}

impl Medium {
    /// Reads the medium `iso`; its kernel goes to `directory`.
    ///
    /// # Errors
    /// [`DrillError::Medium`] when it is not a medium of Lifeboat or was made by a release that this one cannot read.
    pub fn read(runner: &dyn Runner, iso: &Path, directory: &Path) -> Result<Medium, DrillError> {
        // xorriso reports a missing image like a missing path on the disc.
        std::fs::File::open(iso).map_err(DrillError::io("OPEN", iso))?;
        let wrong =
            |file: &'static str| move |reason: String| DrillError::Medium { medium: iso.to_owned(), file, reason };
        let stick = filesystem_at(iso);
        let extract = |inside: &'static str, name: &str| {
            let target = directory.join(name);
            // An existing file would make xorriso fail on the second run.
            let _ = std::fs::remove_file(&target);
            runner.run(&extraction(iso, stick, inside, &target)).map(drop).map_err(|error| match error {
                missing @ lifeboat_sys::RunError::Missing { .. } => DrillError::Run(missing),
                other => wrong(inside)(format!("{other}; try a medium made by 'lifeboat rescue'")),
            })
        };
        let in_menu = MENUS[usize::from(stick.is_some())];
        FILES.into_iter().chain([(in_menu, "grub.cfg")]).try_for_each(|(inside, name)| extract(inside, name))?;
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read(&path).map_err(DrillError::io("READ", path))
        };
        let machine = Machine::from_json(&read("machine.json")?)?;
        let manifest: MediumManifest = serde_json::from_slice(&read("manifest.json")?)
            .map_err(|error| wrong("/lifeboat/manifest.json")(error.to_string()))?;
        let mut signer = None;
        if manifest.files.contains_key(SIGNING_CERTIFICATE) {
            let inside = "/lifeboat/signing.crt";
            extract(inside, SIGNING_CERTIFICATE)?;
            let certificate = Certificate::read(&read(SIGNING_CERTIFICATE)?);
            signer = Some(certificate.map_err(|error| wrong(inside)(error.to_string()))?);
        }
        let menu = Menu::parse(&String::from_utf8_lossy(&read("grub.cfg")?));
        let menu = menu.ok_or_else(|| wrong(in_menu)("it has no menu".to_owned()))?;
        Ok(Medium { machine, manifest, menu, kernel: directory.join("kernel"), stick: stick.is_some(), signer })
    }
}

impl Menu {
    /// Reads a grub.cfg that has no submenus; `None` without entries.
    pub fn parse(grub_cfg: &str) -> Option<Menu> {
        let mut menu = Menu { ids: vec![], kernel_lines: vec![], default: String::new(), first_title: String::new() };
        // The editor shows `setparams` and the title, what follows the brace, and then the entry's own lines.
        let mut shown = 1;
        for line in grub_cfg.lines().map(str::trim) {
            shown += 1;
            if line.starts_with("linux ")
                && let Some(kernel) = menu.kernel_lines.last_mut()
            {
                kernel.get_or_insert(shown);
            }
            if let Some(default) = line.strip_prefix("set default=") {
                menu.default = default.trim_matches(['\'', '"']).to_owned();
            } else if let Some(rest) = line.strip_prefix("menuentry ") {
                let id = rest.split("--id").nth(1).map(|id| id.trim_start_matches(['=', ' ']));
                let id = id.and_then(|id| id.split([' ', '{']).next()).unwrap_or_default();
                if menu.ids.is_empty() {
                    menu.first_title = title(rest);
                }
                menu.ids.push(id.trim_matches(['\'', '"']).to_owned());
                menu.kernel_lines.push(None);
                shown = 1;
            }
        }
        (!menu.ids.is_empty()).then_some(menu)
    }

    /// The line in GRUB's editor that names the kernel of the entry `id`.
    pub fn kernel_line(&self, id: &str) -> Option<usize> {
        let place = self.ids.iter().position(|entry| entry == id)?;
        *self.kernel_lines.get(place)?
    }

    /// How far below the default entry (negative: above it) the entry `id` is.
    pub fn distance(&self, id: &str) -> Option<isize> {
        let place = |id: &str| self.ids.iter().position(|entry| entry == id);
        // GRUB accepts a number, too, and uses the first entry for anything that it does not find.
        let default = place(&self.default).or_else(|| self.default.parse().ok()).unwrap_or(0);
        Some(place(id)? as isize - default as isize)
    }
}

/// The first word of a menuentry line, in whichever quotes.
fn title(rest: &str) -> String {
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
    match quote {
        Some(quote) => rest[1..].split(quote).next().unwrap_or_default().to_owned(),
        None => rest.split(' ').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CFG: &str = "set default=expert\nset timeout=30\nmenuentry 'Lifeboat rescue medium of web' --id=title {\n  true\n}\n\
        menuentry 'Expert' --id=expert {\n}\nmenuentry 'Compare' --id=compare {\n}\nmenuentry 'Restore' --id=nuke {\n}\n";

    #[test]
    fn distances_in_a_menu() {
        let menu = Menu::parse(CFG).unwrap();
        assert_eq!(menu.first_title, "Lifeboat rescue medium of web");
        assert_eq!(menu.distance("nuke"), Some(2));
        assert_eq!(menu.distance("title"), Some(-1));
        assert_eq!(menu.distance("interactive"), None);
        assert_eq!(menu.kernel_line("nuke"), None);
        let cfg = "menuentry 'One' --id=one {\n  chainloader /x.efi\n}\nmenuentry 'Two' --id=two {\n  set root=$medium\n  \
                   echo 'x'\n  linux /k a b\n  initrd /i\n}\n";
        let menu = Menu::parse(cfg).unwrap();
        // setparams, an empty line, set, echo, linux.
        assert_eq!((menu.kernel_line("one"), menu.kernel_line("two")), (None, Some(4)));
        assert_eq!(Menu::parse("set timeout=3"), None);
    }

    #[test]
    fn what_is_no_medium_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let iso = directory.path().join("x.iso");
        let read = || Medium::read(&lifeboat_sys::SystemRunner, &iso, directory.path()).unwrap_err().to_string();
        let message = read();
        assert!(message.starts_with("cannot OPEN") && message.contains("No such file"), "{message}");
        let call = extraction(Path::new("/a/stick.img"), Some(69_206_016), "/lifeboat/kernel", Path::new("/b/kernel"));
        let line = call.command_line();
        assert_eq!(line, "debugfs -R 'dump \"/lifeboat/kernel\" \"/b/kernel\"' '/a/stick.img?offset=69206016'");
        std::fs::write(&iso, vec![b'x'; 100_000]).unwrap();
        let message = read();
        assert!(message.starts_with("cannot READ /lifeboat/machine.json on the medium"), "{message}");
    }
}
