//! crypttab(5): which devices a system opens at boot, and with what. Debian's cryptsetup and systemd read it.

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the mapping below /dev/mapper.
    pub name: String,
    /// The device: a path, or `UUID=…`, `PARTUUID=…`, `LABEL=…`, `PARTLABEL=…`, `ID=…`.
    pub device: String,
    /// The path of the key file; `None` when a passphrase is asked for.
    pub key_file: Option<String>,
    /// The options.
    pub options: Vec<String>,
}

impl Entry {
    /// The mapping is made with a new random key at each start, so nothing of it outlives the machine: swap, usually.
    pub fn is_volatile(&self) -> bool {
        let random = matches!(self.key_file.as_deref(), Some("/dev/urandom" | "/dev/random" | "/dev/hwrng"));
        random && self.options.iter().any(|option| option == "swap" || option == "tmp" || option.starts_with("tmp="))
    }

    /// The value of an option.
    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    /// The bytes of its key file that are the key (`keyfile-offset=`, `keyfile-size=`).
    pub fn key_of<'k>(&self, content: &'k [u8]) -> &'k [u8] {
        let number = |name| self.option(name).and_then(|value| value.parse::<usize>().ok());
        // `offset=` and `size=` are those of the data and of the cipher's key, which LUKS ignores.
        let offset = number("keyfile-offset").unwrap_or(0).min(content.len());
        let rest = &content[offset..];
        let size = number("keyfile-size").filter(|size| *size > 0);
        &rest[..size.unwrap_or(rest.len()).min(rest.len())]
    }
}

/// A field with its octal escapes (`\\040`) as what they stand for, as in fstab(5).
fn unescaped(field: &str) -> String {
    lifeboat_sys::mount::unescape(field.as_bytes()).to_string_lossy().into_owned()
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Vec<Entry> {
    let text = String::from_utf8_lossy(file);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let mut fields = line.split_whitespace();
        let (name, device) = (unescaped(fields.next()?), unescaped(fields.next()?));
        let key_file = fields.next().filter(|key| !matches!(*key, "none" | "-")).map(unescaped);
        let options = fields.next().unwrap_or_default().split(',').filter(|option| !option.is_empty());
        Some(Entry { name, device, key_file, options: options.map(str::to_owned).collect() })
    };
    lines.filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_luks_ignores_cuts_no_key() {
        let entries = parse(b"a\\040b /dev/x /etc/my\\040key luks,size=2,offset=2\n");
        assert_eq!((entries[0].name.as_str(), entries[0].key_file.as_deref()), ("a b", Some("/etc/my key")));
        assert_eq!(entries[0].key_of(b"0123456"), b"0123456");
    }

    #[test]
    fn lines_of_debian_and_systemd() {
        let text = "# <target name> <source device> <key file> <options>\n\
                    vda3_crypt UUID=64f0-1 none luks,discard\n\
                    data\t/dev/vdb1   /etc/keys/data.key luks,keyfile-offset=4,keyfile-size=8\n\
                    swap /dev/vda2 /dev/urandom swap,cipher=aes-xts-plain64\n\
                    plain /dev/vda4\n\n";
        let entries = parse(text.as_bytes());
        assert_eq!(entries.len(), 4);
        assert_eq!((entries[0].key_file.as_deref(), entries[0].options.len()), (None, 2));
        assert_eq!(entries[1].key_file.as_deref(), Some("/etc/keys/data.key"));
        assert_eq!(entries[1].key_of(b"0123456789abcdef"), b"456789ab");
        assert_eq!((entries[1].key_of(b"0123456"), entries[1].key_of(b"01")), (&b"456"[..], &b""[..]));
        assert!(entries[2].is_volatile() && !entries[1].is_volatile());
        assert_eq!(entries[3].options, Vec::<String>::new());
    }
}
