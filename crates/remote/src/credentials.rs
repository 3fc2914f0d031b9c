//! Names and passwords. They come from the environment or from a file of `NAME=VALUE` lines; this decides which count, and
//! reading is left to the caller.

use std::collections::BTreeMap;
use std::fmt;

/// The SHA-256 fingerprint of a server's certificate: it is no secret, but travels with the names and passwords.
pub const TLS_FINGERPRINT: &str = "LIFEBOAT_TLS_FINGERPRINT";

/// All recognised names: those that restic, rclone and Amazon's tools use, where they exist.
pub const NAMES: [&str; 16] = [
    TLS_FINGERPRINT,
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "RESTIC_REST_USERNAME",
    "RESTIC_REST_PASSWORD",
    "HTTP_USERNAME",
    "HTTP_PASSWORD",
    "SMB_USERNAME",
    "SMB_PASSWORD",
    "SMB_DOMAIN",
    "SFTP_IDENTITY_FILE",
    "SFTP_KNOWN_HOSTS_FILE",
];

/// Names and passwords by their names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<String, String>);

impl fmt::Debug for Credentials {
    /// Names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Credentials {
    /// Those among `pairs` whose names are recognised.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Credentials {
        let known = |(name, value): &(String, String)| NAMES.contains(&name.as_str()) && !value.is_empty();
        Credentials(pairs.into_iter().filter(known).collect())
    }

    /// Reads a file: `NAME=VALUE` lines, `#` comments; quotes around a value are dropped, as in a shell.
    ///
    /// # Errors
    /// The number of the line that is wrong, and why.
    pub fn parse(text: &str) -> Result<Credentials, String> {
        let mut pairs = vec![];
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) =
                line.split_once('=').ok_or_else(|| format!("line {}: expected NAME=VALUE", number + 1))?;
            if !NAMES.contains(&name) {
                return Err(format!("line {}: '{name}' is not known; there are {}", number + 1, NAMES.join(", ")));
            }
            let value = value.trim();
            let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            pairs.push((name.to_owned(), bare.unwrap_or(value).to_owned()));
        }
        Ok(Credentials::new(pairs))
    }

    /// These, and those of `other` that are not among them.
    pub fn or(mut self, other: Credentials) -> Credentials {
        for (name, value) in other.0 {
            self.0.entry(name).or_insert(value);
        }
        self
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let text = "# S3\nexport AWS_ACCESS_KEY_ID=\"id\"\nAWS_SECRET_ACCESS_KEY='a=b#c'\n\nAWS_REGION=\n";
        let read = Credentials::parse(text).unwrap();
        assert_eq!((read.get("AWS_ACCESS_KEY_ID"), read.get("AWS_SECRET_ACCESS_KEY")), (Some("id"), Some("a=b#c")));
        assert_eq!(read.get("AWS_REGION"), None);
        assert!(!format!("{read:?}").contains("a=b"));
        assert!(Credentials::parse("PASSWORD=x").unwrap_err().contains("line 1: 'PASSWORD' is not known"));
        assert!(Credentials::parse("\nx").unwrap_err().contains("line 2"));
        let other = Credentials::new([("AWS_REGION".into(), "eu".into()), ("AWS_ACCESS_KEY_ID".into(), "x".into())]);
        let both = read.or(other);
        assert_eq!((both.get("AWS_REGION"), both.get("AWS_ACCESS_KEY_ID")), (Some("eu"), Some("id")));
    }
}
