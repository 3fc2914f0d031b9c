//! modprobe.d(5) and what the kernel command line says about modules.

use super::alias::AliasTable;
use super::index::{SoftDependencies, soft_dependencies};
use super::pattern::normalise;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

/// The directories of modprobe.d(5), highest priority first: a file hides those of the same name further down.
pub const DIRECTORIES: [&str; 5] =
    ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];

/// What the administrator wants.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `alias`: patterns that come before those of the index.
    pub aliases: AliasTable,
    /// `blacklist`: modules whose own aliases are ignored.
    pub blacklist: BTreeSet<String>,
    /// `options`: parameters by module.
    pub options: BTreeMap<String, String>,
    /// `install`: a shell command in place of loading.
    pub install: BTreeMap<String, String>,
    /// `softdep`.
    pub soft_dependencies: BTreeMap<String, SoftDependencies>,
}

impl Config {
    /// Reads the modprobe.d directories below `root`, then adds the kernel command line.
    /// A file that cannot be read counts as empty: a broken configuration must not keep a rescue system from its disks.
    pub fn read(root: &Path, command_line: &str) -> Config {
        let mut files: BTreeMap<OsString, std::path::PathBuf> = BTreeMap::new();
        for directory in DIRECTORIES {
            for entry in std::fs::read_dir(root.join(&directory[1..])).into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|extension| extension == "conf") {
                    files.entry(entry.file_name()).or_insert(entry.path());
                }
            }
        }
        let mut config = Config::default();
        for path in files.values() {
            if let Ok(bytes) = std::fs::read(path) {
                config.add(&String::from_utf8_lossy(&bytes));
            }
        }
        config.add_command_line(command_line);
        config
    }

    /// Adds the commands of one file. Unknown ones are skipped; modprobe warns about them.
    pub fn add(&mut self, text: &str) {
        for line in joined_lines(text) {
            let line = line.trim();
            let Some((command, rest)) = line.split_once(char::is_whitespace) else { continue };
            let rest = rest.trim();
            let pair = rest.split_once(char::is_whitespace).map(|(name, value)| (normalise(name), value.trim()));
            match (command, pair) {
                ("alias", Some((pattern, module))) => self.aliases.insert(&pattern, module),
                ("blacklist", None) if !rest.is_empty() => {
                    self.blacklist.insert(normalise(rest));
                }
                ("options", Some((module, options))) => self.add_options(&module, options),
                ("install", Some((module, command))) => {
                    self.install.insert(module, command.to_owned());
                }
                ("softdep", _) => {
                    if let Some((module, dependencies)) = soft_dependencies(rest) {
                        let entry = self.soft_dependencies.entry(module).or_default();
                        entry.pre.extend(dependencies.pre);
                        entry.post.extend(dependencies.post);
                    }
                }
                _ => {}
            }
        }
    }

    /// Adds `module.parameter=value`, `modprobe.blacklist=a,b` and `module_blacklist=a,b` of the kernel command line.
    /// Words are split as the kernel does: at spaces outside of double quotes, which stay with the value.
    pub fn add_command_line(&mut self, command_line: &str) {
        let mut quoted = false;
        let words = command_line.split(|c: char| {
            quoted ^= c == '"';
            c.is_whitespace() && !quoted
        });
        for word in words {
            // Everything after a lone `--` is for init (kernel-parameters.txt).
            if word == "--" {
                break;
            }
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            if matches!(key, "modprobe.blacklist" | "module_blacklist") {
                self.blacklist.extend(value.split(',').filter(|name| !name.is_empty()).map(normalise));
            } else if let Some((module, parameter)) = key.split_once('.') {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                if !module.is_empty() && !parameter.is_empty() && module.chars().all(plain) {
                    self.add_options(&normalise(module), &word[module.len() + 1..]);
                }
            }
        }
    }

    fn add_options(&mut self, module: &str, options: &str) {
        let all = self.options.entry(module.to_owned()).or_default();
        if !all.is_empty() {
            all.push(' ');
        }
        all.push_str(options);
    }
}

/// Lines without comments; a backslash at the end joins the next one.
fn joined_lines(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        match line.strip_suffix('\\') {
            Some(begun) => current.push_str(begun),
            None => {
                current.push_str(line);
                out.push(std::mem::take(&mut current));
            }
        }
    }
    out.push(current);
    out.retain(|line| !line.trim_start().starts_with('#'));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let mut config = Config::default();
        config.add(
            "# comment\nblacklist snd-pcsp\nalias eth-x e1000\noptions kvm_intel nested=1 \\\n  ept=0\n\
             options kvm-intel vpid=1\ninstall floppy /bin/true\nsoftdep a pre: b-c\nremove x y\nblacklist\nalias one\n",
        );
        assert!(config.blacklist.contains("snd_pcsp"));
        assert_eq!(config.blacklist.len(), 1);
        assert_eq!(config.aliases.find("eth_x"), ["e1000"]);
        assert_eq!(config.options["kvm_intel"], "nested=1   ept=0 vpid=1");
        assert_eq!(config.install["floppy"], "/bin/true");
        assert_eq!(config.soft_dependencies["a"].pre, ["b_c"]);
    }

    #[test]
    fn command_line() {
        let mut config = Config::default();
        config.add_command_line(
            "quiet nvme-core.io_timeout=60 modprobe.blacklist=nouveau,snd-x lifeboat.mode=nuke a.b=\"c d\" -- x.y=1",
        );
        assert_eq!(config.options["nvme_core"], "io_timeout=60");
        assert_eq!(config.options["a"], "b=\"c d\"");
        assert!(config.blacklist.contains("nouveau") && config.blacklist.contains("snd_x"));
        assert!(!config.options.contains_key("x"));
    }

    #[test]
    fn any_text_is_read() {
        use proptest::prelude::*;
        proptest!(|(text in "\\PC{0,200}", lines in "[a-z \\\\\n#=.\"-]{0,200}")| {
            let mut config = Config::default();
            config.add(&text);
            config.add(&lines);
            config.add_command_line(&lines);
        });
    }
}
