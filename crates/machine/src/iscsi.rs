//! iSCSI targets as they are named: `iqn.2026-01.net.example:store@192.0.2.7:3260`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a portal listens unless it says otherwise (RFC 7143, section 4.2.7.1).
const PORT: u16 = 3260;

/// A target and the portal through which it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IscsiTarget {
    /// Its name: `iqn.…`, `eui.…` or `naa.…`.
    pub name: String,
    /// Host name or address of the portal, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl IscsiTarget {
    /// Reads `NAME@HOST[:PORT]`; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// What was expected, for people.
    pub fn parse(text: &str) -> Result<IscsiTarget, String> {
        let wrong = || "expected NAME@HOST[:PORT], as in iqn.2026-01.net.example:store@192.0.2.7".to_owned();
        // Names hold colons, but no @ (RFC 7143, section 4.2.7.2).
        let (name, portal) = text.split_once('@').ok_or_else(wrong)?;
        let named = ["iqn.", "eui.", "naa."].iter().any(|prefix| name.starts_with(prefix) && name.len() > prefix.len());
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if !named || !name.chars().all(plain) {
            return Err(wrong());
        }
        let (host, port) = match portal.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(wrong)?) })
            }
            None => match portal.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (portal, None),
            },
        };
        let port = port.map_or(Ok(PORT), str::parse).map_err(|_| wrong())?;
        if host.is_empty() || !host.chars().all(plain) {
            return Err(wrong());
        }
        Ok(IscsiTarget { name: name.to_owned(), host: host.to_owned(), port })
    }

    /// The portal as iscsiadm(8) takes it.
    pub fn portal(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for IscsiTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.portal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, portal) in [
            ("iqn.2026-01.net.example:store.a@192.0.2.7", "192.0.2.7:3260"),
            ("iqn.2026-01.net.example:store@nas.example.net:3261", "nas.example.net:3261"),
            ("eui.0123456789abcdef@[2001:db8::7]", "[2001:db8::7]:3260"),
            ("iqn.x@[2001:db8::7]:3262", "[2001:db8::7]:3262"),
        ] {
            let target = IscsiTarget::parse(text).unwrap();
            assert_eq!(target.portal(), portal, "{text}");
            assert_eq!(IscsiTarget::parse(&target.to_string()), Ok(target));
        }
        for text in [
            "",
            "iqn.x",
            "iqn.@host",
            "store@host",
            "iqn.x@",
            "iqn.x@host:port",
            "iqn.x@[::1",
            "iqn.x@a b",
            "iqn.x@[::1]7",
        ] {
            assert!(IscsiTarget::parse(text).unwrap_err().contains("NAME@HOST"), "{text}");
        }
    }
}
