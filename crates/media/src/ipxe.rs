//! The menu of the boot tree for iPXE: one script for all machines.
//!
//! A script has no quotes: whatever is between blanks is a word, `&&` and `||` are words of their own, and `${…}` is a setting
//! (<https://ipxe.org/scripting>). So texts are written without what could be one of these.

use crate::menu::{Action, kernel_word};
use crate::netboot_menu::{LOCAL_SECONDS, MachineMenu};
use lifeboat_machine::netboot::{ARMED, Entry, MACHINES};

/// The part of a script that belongs to one machine; `menu.ipxe` in its folder.
pub(crate) fn of_machine(machine: &MachineMenu<'_>) -> String {
    let mut lines: Vec<String> = vec!["#!ipxe".into(), "# Written by lifeboat.".into()];
    let mut line = |text: String| lines.push(text);
    let (default, armed) = machine.default();
    line(format!("set choice {default}"));
    line(format!("set wait {}", u64::from(machine.menu.timeout_seconds) * 1000));
    if armed {
        // It is fetched and thrown away: there is no other way to ask whether a file exists.
        line("set armed no".into());
        line(format!("imgfetch --name armed {ARMED} && set armed yes ||"));
        line("imgfree armed ||".into());
        line("iseq ${armed} yes && goto show ||".into());
        line("set choice local".into());
        line(format!("set wait {}", LOCAL_SECONDS * 1000));
    }
    line(":show".into());
    line(format!("menu {}", plain(&machine.menu.title)));
    for entry in &machine.menu.entries {
        line(format!("item {} {}", entry.id, plain(&entry.title)));
    }
    line("choose --default ${choice} --timeout ${wait} choice && goto ${choice} || exit".into());
    for entry in &machine.menu.entries {
        line(format!(":{}", entry.id));
        match &entry.action {
            Action::LocalDisk => line("exit".into()),
            Action::Rescue(mode) => {
                let words = machine.menu.parameters.iter().chain(&entry.parameters);
                let words: Vec<String> = words.map(|word| kernel_word(word)).filter(|word| is_word(word)).collect();
                // With UEFI the kernel is told the name of its initramfs. Paths are relative to this script.
                line(format!(
                    "kernel lifeboat/kernel initrd=initrd.img lifeboat.mode={mode} {} {}",
                    words.join(" "),
                    machine.parameters("${tree}", Some("${netX/mac}")).join(" ")
                ));
                line("initrd lifeboat/initrd.img".into());
                line("boot || goto show".into());
            }
        }
    }
    text(&lines)
}

/// The script that finds out who starts.
pub(crate) fn script(entries: &[(String, Entry)], url: Option<&str>) -> String {
    let mut lines: Vec<String> = vec!["#!ipxe".into(), "# Written by lifeboat.".into()];
    let mut line = |text: String| lines.push(text);
    // The address of the folder that holds this script ends in a slash, which the rescue system does not mind.
    match url {
        Some(url) => line(format!("set tree {url}")),
        None => {
            line("set tree http://${next-server}/boot".into());
            line("isset ${cwduri} && set tree ${cwduri} ||".into());
        }
    }
    line("goto mac-${netX/mac:hexhyp} || goto unknown".into());
    for (folder, entry) in entries {
        for mac in entry.addresses() {
            line(format!(":mac-{}", mac.to_string().replace(':', "-")));
        }
        line(format!(":{folder}"));
        line(format!("chain {MACHINES}/{folder}/menu.ipxe || goto unknown"));
    }
    line(":unknown".into());
    line("menu Lifeboat: which machine is this?".into());
    for (folder, entry) in entries {
        line(format!("item {folder} {}", plain(&entry.title)));
    }
    line("item local Boot from the local disk".into());
    line(format!("choose --default local --timeout {} choice && goto ${{choice}} || exit", LOCAL_SECONDS * 1000));
    line(":local".into());
    line("exit".into());
    text(&lines)
}

fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// A text for people as a script can have it.
fn plain(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || " .,:;()/?!+_-".contains(c) { c } else { '_' };
    text.chars().map(safe).collect()
}

/// A kernel parameter that a script passes on as it is.
pub(crate) fn is_word(word: &str) -> bool {
    !word.contains("${")
        && !word.chars().any(char::is_control)
        && !["&&", "||"].iter().any(|special| word.contains(special))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_hold_nothing_of_a_script() {
        assert_eq!(plain("db7 && goto nuke ${x} || 'é'\n#"), "db7 __ goto nuke __x_ __ _____");
        for bad in ["a=${net0/mac}", "a&&b", "x||y", "a\nb"] {
            assert!(!is_word(bad), "{bad}");
        }
        assert!(is_word("console=ttyS0,115200") && is_word("a=\"b c\"") && is_word("a=$b"));
    }
}
