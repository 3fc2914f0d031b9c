//! The menus of the boot tree for GRUB: one that finds out who starts, and one for each machine.
//!
//! The first sets these variables for the others: `files`, the tree as GRUB reads it; `url`, the tree as the rescue system reads it; `mac`,
//! the hardware address of the card that was started from.

use crate::menu::{From, Menu, console, quoted, text};
use lifeboat_machine::Mode;
use lifeboat_machine::netboot::{ARMED, Entry, HTTP_PATH, MACHINES, MENU};

/// Until an unknown machine, or one that nobody chose anything for, starts from its own disk.
pub(crate) const LOCAL_SECONDS: u32 = 30;

/// What the menu of a machine starts, besides what its rescue system needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineMenu<'a> {
    /// The entries.
    pub menu: &'a Menu,
    /// Folder of the machine in the tree.
    pub folder: &'a str,
    /// The archive is in the tree; otherwise the entries' parameters name it.
    pub archive: bool,
}

impl MachineMenu<'_> {
    /// The entry that starts by itself, and whether that is only so while the machine is armed.
    pub fn default(&self) -> (&str, bool) {
        match Mode::from_name(&self.menu.default) {
            Some(Mode::Nuke) => ("nuke", true),
            // The menu of a disc is shown because somebody put the disc in. This one is shown at every start of a machine that tries the network
            // first.
            Some(Mode::Interactive) | None => ("local", false),
            Some(_) => (&self.menu.default, false),
        }
    }

    /// The machine is recovered without a question when it next starts from the tree.
    pub fn is_armed(&self) -> bool {
        self.default().1
    }

    /// Kernel parameters that depend on where the tree is: `url` and `mac` may be variables of a boot loader; without `mac` the network is
    /// what an address is got for first.
    pub fn parameters(&self, url: &str, mac: Option<&str>) -> Vec<String> {
        let source = self.archive.then(|| format!("lifeboat.source={url}/{MACHINES}/{}", self.folder));
        let network = mac.map_or("ip=dhcp".to_owned(), |mac| format!("BOOTIF={mac}"));
        source.into_iter().chain([format!("lifeboat.netboot={url}"), network]).collect()
    }

    /// What arms the machine: a part of its menu for GRUB.
    pub fn armed(&self) -> String {
        let comment = "# The machine is recovered without a question as long as this file is here.";
        format!("{comment}\nset default={}\nset timeout={}\n", self.default().0, self.menu.timeout_seconds)
    }

    /// The menu for GRUB.
    pub fn grub_cfg(&self) -> String {
        let here = format!("$files/{MACHINES}/{}", self.folder);
        let (default, armed) = self.default();
        let choice = match armed {
            true => vec![
                "set default=local".to_owned(),
                format!("set timeout={LOCAL_SECONDS}"),
                "# While the machine is armed there is this file, which says otherwise. A test for a file would list its folder, which GRUB".to_owned(),
                "# cannot do over the network.".to_owned(),
                format!("source {here}/{ARMED}"),
            ],
            false => vec![format!("set default={default}"), format!("set timeout={}", self.menu.timeout_seconds)],
        };
        let more = format!(" {}", self.parameters("$url", Some("$mac")).join(" "));
        let from = From { before: &[], folder: &here, more: &more };
        text(console().into_iter().chain(choice).chain([String::new()]).chain(self.menu.body(&from)))
    }
}

/// The first menu. `url` is the tree's address when it is not that of the server that machines start from.
pub(crate) fn grub_cfg(entries: &[(String, Entry)], url: Option<&str>) -> String {
    let mut lines = console();
    let mut line = |text: &str| lines.push(text.to_owned());
    line("");
    line("# $root is tftp,SERVER or http,SERVER, as this menu itself was found.");
    line("set server=$net_default_server");
    line("regexp --set=1:server '^[a-z]+,([^,/]+)' \"$root\"");
    line("if regexp '^http' \"$root\"; then");
    line(&format!("  set files=\"($root){HTTP_PATH}\""));
    line("else");
    line("  set files=\"($root)\"");
    line("fi");
    match url {
        Some(url) => line(&format!("set url={}", quoted(url))),
        None => line(&format!("set url=\"http://$server{HTTP_PATH}\"")),
    }
    line("set mac=$net_default_mac");
    line("if [ -z \"$mac\" ]; then set mac=$net_efinet0_mac; fi");
    line("export server files url mac");
    line("");
    for (folder, entry) in entries {
        for mac in entry.addresses() {
            line(&format!("if [ \"$mac\" = \"{mac}\" ]; then configfile $files/{MACHINES}/{folder}/{MENU}; fi"));
        }
    }
    line("");
    line("# A machine that is not known by its card: another one, or new hardware.");
    line("set default=local");
    line(&format!("set timeout={LOCAL_SECONDS}"));
    line(&format!("menuentry {} --id=title {{", quoted("Lifeboat: which machine is this?")));
    line("  true");
    line("}");
    for (folder, entry) in entries {
        line(&format!("menuentry {} --id={folder} {{", quoted(&entry.title)));
        line(&format!("  configfile $files/{MACHINES}/{folder}/{MENU}"));
        line("}");
    }
    line("menuentry 'Boot from the local disk' --id=local {");
    for text in crate::menu::local_disk() {
        line(&format!("  {text}"));
    }
    line("}");
    text(lines)
}
