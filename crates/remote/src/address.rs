//! Addresses of places on the network.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::{fmt, io};

/// A place on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `nfs://HOST[:PORT]/PATH`
    Nfs(Host),
    /// `smb://[[DOMAIN;]USER@]HOST[:PORT]/SHARE[/PATH]`, or `cifs://…`
    Smb(Host),
    /// `http(s)://…`: a plain tree.
    Http(String),
    /// `rest:http(s)://…`: restic's REST protocol. The URL without `rest:`, with a slash at its end.
    Rest(String),
    /// `sftp://[USER@]HOST[:PORT]/PATH`; `//PATH` for an absolute path, else it is below the user's home.
    Sftp(Host),
    /// `s3://BUCKET/PREFIX[?endpoint=URL&region=NAME]`
    S3(Bucket),
}

/// A path on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// User, when one is named.
    pub user: Option<String>,
    /// Name or address; IPv6 without brackets.
    pub host: String,
    /// Port, when one is named.
    pub port: Option<u16>,
    /// What follows the host, with its slash, as the server knows it: without %-escapes.
    pub path: String,
}

impl Host {
    /// The address of the host for the kernel, which asks no name server.
    ///
    /// # Errors
    /// The resolver's, and of a name without an address.
    pub(crate) fn resolve(&self) -> io::Result<IpAddr> {
        // Whichever port: only the address counts.
        let mut found = (self.host.as_str(), 0).to_socket_addrs()?;
        found.next().map(|address| address.ip()).ok_or_else(|| io::Error::other("the name has no address"))
    }
}

/// A prefix in an S3 bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket.
    pub bucket: String,
    /// The prefix without slashes around and without %-escapes; may be empty.
    pub prefix: String,
    /// Server, `https://HOST[:PORT]`.
    pub endpoint: Option<String>,
    /// Region.
    pub region: Option<String>,
}

const EXAMPLES: &str = "addresses look like nfs://host/path, smb://user@host/share/path, http://host/path, rest:https://host/path, sftp://user@host//path, s3://bucket/prefix";

impl Address {
    /// True when a text is meant as an address, valid or not, and not as a path.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("rest:") || text.starts_with("sftp:") || text.contains("://")
    }

    /// Parses an address.
    ///
    /// # Errors
    /// A message for people.
    pub fn parse(text: &str) -> Result<Address, String> {
        let wrong = |why: &str| format!("'{}': {why}; {EXAMPLES}", without_password(text));
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(wrong("spaces must be written as %20"));
        }
        if let Some(url) = text.strip_prefix("rest:") {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(wrong("rest: is followed by http:// or https://"));
            }
            check_url(url).map_err(wrong)?;
            return Ok(Address::Rest(format!("{}/", url.trim_end_matches('/'))));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it is not an address"))?;
        match scheme {
            "http" | "https" => {
                check_url(text).map_err(wrong)?;
                Ok(Address::Http(text.to_owned()))
            }
            "nfs" => {
                let host = host(rest).map_err(wrong)?;
                if host.path.is_empty() {
                    return Err(wrong("an exported path must follow the host"));
                }
                Ok(Address::Nfs(host))
            }
            "smb" | "cifs" => {
                let host = host(rest).map_err(wrong)?;
                // The kernel takes options with commas between them, and the share from the name.
                if host.path.trim_matches('/').is_empty() {
                    return Err(wrong("a share must follow the host"));
                }
                if host.user.as_ref().is_some_and(|user| user.contains(',')) || host.path.starts_with("//") {
                    return Err(wrong("a user has no comma, and one slash leads to the share"));
                }
                Ok(Address::Smb(host))
            }
            "sftp" => {
                let host = host(rest).map_err(wrong)?;
                if host.path.len() < 2 {
                    return Err(wrong("a path must follow the host"));
                }
                Ok(Address::Sftp(host))
            }
            "s3" => bucket(rest).map(Address::S3).map_err(|why| wrong(&why)),
            other => Err(wrong(&format!("'{other}' is not known here"))),
        }
    }

    /// The kernel mounts such a place, and it is then a folder.
    pub fn is_mounted(&self) -> bool {
        matches!(self, Address::Nfs(_) | Address::Smb(_))
    }

    /// The server that must answer, for messages.
    pub fn host(&self) -> String {
        match self {
            Address::Nfs(host) | Address::Smb(host) | Address::Sftp(host) => host.host.clone(),
            Address::Http(url) | Address::Rest(url) => url_host(url).to_owned(),
            Address::S3(bucket) => bucket.endpoint.as_deref().map_or("S3", url_host).to_owned(),
        }
    }
}

impl fmt::Display for Address {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |f: &mut fmt::Formatter<'_>, scheme: &str, host: &Host| {
            let user = host.user.as_ref().map_or(String::new(), |user| format!("{}@", encoded(user)));
            let port = host.port.map_or(String::new(), |port| format!(":{port}"));
            let name = if host.host.contains(':') { format!("[{}]", host.host) } else { host.host.clone() };
            write!(f, "{scheme}://{user}{name}{port}{}", encoded(&host.path))
        };
        match self {
            Address::Nfs(place) => host(f, "nfs", place),
            Address::Smb(place) => host(f, "smb", place),
            Address::Sftp(place) => host(f, "sftp", place),
            Address::Http(url) => f.write_str(&without_password(url)),
            Address::Rest(url) => write!(f, "rest:{}", without_password(url)),
            Address::S3(bucket) => write!(f, "s3://{}/{}", bucket.bucket, encoded(&bucket.prefix)),
        }
    }
}

/// The host in a URL, with its port.
pub fn url_host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// A URL in which no password is shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}{}", &rest[end..])
        }
        None => url.to_owned(),
    }
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if let Some((user, _)) = authority.rsplit_once('@')
        && user.contains(':')
    {
        return Err("a password must not be part of an address, because every process list would show it");
    }
    if url_host(url).is_empty() { Err("the host is missing") } else { Ok(()) }
}

/// Undoes %-escapes, once.
fn decoded(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err("a % is followed by two hexadecimal digits, and a % itself is written as %25");
        };
        // Two digits make a byte.
        bytes.push((high << 4 | low) as u8);
        rest = &after[2..];
    }
    let text = String::from_utf8(bytes).map_err(|_| "its %-escapes are not UTF-8")?;
    if text.chars().any(char::is_control) { Err("its %-escapes hide control characters") } else { Ok(text) }
}

/// Escapes text for an address: [`decoded`] restores it.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' | ' ' | '?' | '#' | '@' => out.push_str(&format!("%{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

fn host(rest: &str) -> Result<Host, &'static str> {
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, name) = match authority.rsplit_once('@') {
        Some((user, name)) => (Some(user), name),
        None => (None, authority),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err("a password must not be part of an address, because every process list would show it");
    }
    let (name, port) = match name.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, port)) => (name, port.strip_prefix(':')),
        None => match name.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (name, None),
        },
    };
    let port = port.map(str::parse).transpose().map_err(|_| "the port is not a number")?;
    let user = user.map(decoded).transpose()?;
    // The zone of a link-local address is written with %25 (RFC 6874).
    let name = decoded(name)?;
    let path = decoded(path)?;
    // A name that begins with a dash would be an option for the programs that receive it.
    if name.is_empty()
        || name.starts_with('-')
        || user.as_ref().is_some_and(|user| user.is_empty() || user.starts_with('-'))
    {
        return Err("the host is missing");
    }
    Ok(Host { user, host: name, port, path })
}

fn bucket(rest: &str) -> Result<Bucket, String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if bucket.is_empty() || !bucket.chars().all(valid) {
        return Err(format!("'{bucket}' is not a valid bucket name"));
    }
    let prefix = decoded(prefix)?.trim_matches('/').to_owned();
    let mut parsed = Bucket { bucket: bucket.to_owned(), prefix, endpoint: None, region: None };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("endpoint", url)) if url.starts_with("http://") || url.starts_with("https://") => {
                check_url(url)?;
                parsed.endpoint = Some(url.trim_end_matches('/').to_owned());
            }
            Some(("endpoint", host)) if !host.is_empty() => parsed.endpoint = Some(format!("https://{host}")),
            Some(("region", region)) if !region.is_empty() => parsed.region = Some(region.to_owned()),
            _ => return Err(format!("'{pair}' is not known; the options are endpoint= and region=")),
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_ones() {
        for (text, host) in [
            ("nfs://nas/export/backup", "nas"),
            ("nfs://nas:20049/x", "nas"),
            ("smb://ann@nas/backup/web1", "nas"),
            ("cifs://WORK;ann@nas:4450/backup", "nas"),
            ("http://10.0.2.2:8000/media", "10.0.2.2:8000"),
            ("https://host/a/rescue.iso", "host"),
            ("rest:http://backup:8000/db7", "backup:8000"),
            ("sftp://lifeboat@nas//srv/repo", "nas"),
            ("sftp://[fd00::1]:2222/repo", "fd00::1"),
            ("s3://bucket/a/b?endpoint=http://10.0.2.2:9000&region=x", "10.0.2.2:9000"),
            ("s3://bucket", "S3"),
        ] {
            assert_eq!(Address::parse(text).unwrap().host(), host, "{text}");
            assert!(Address::is_meant(text));
        }
        assert_eq!(Address::parse("rest:http://h/x").unwrap(), Address::Rest("http://h/x/".into()));
        let Address::Sftp(sftp) = Address::parse("sftp://u@[fd00::1]:22//srv/repo").unwrap() else { panic!() };
        assert_eq!((sftp.user.as_deref(), sftp.port, sftp.path.as_str()), (Some("u"), Some(22), "//srv/repo"));
        let Address::S3(s3) = Address::parse("s3://b/p/?endpoint=s3.example.org").unwrap() else { panic!() };
        assert_eq!((s3.prefix.as_str(), s3.endpoint.as_deref()), ("p", Some("https://s3.example.org")));
        assert!(!Address::is_meant("/srv/repo") && !Address::is_meant("tape:/dev/nst0"));
    }

    #[test]
    fn escapes_are_undone_once_and_come_back() {
        let Address::Sftp(sftp) = Address::parse("sftp://ann%40home@nas//my%20box/%C3%BC%2541%3F").unwrap() else {
            panic!()
        };
        assert_eq!((sftp.user.as_deref(), sftp.path.as_str()), (Some("ann@home"), "//my box/ü%41?"));
        let Address::Nfs(nfs) = Address::parse("nfs://[fe80::1%25eth0]/a%20b").unwrap() else { panic!() };
        assert_eq!((nfs.host.as_str(), nfs.path.as_str()), ("fe80::1%eth0", "/a b"));
        let Address::S3(s3) = Address::parse("s3://b/a%20b/%25?region=eu").unwrap() else { panic!() };
        assert_eq!(s3.prefix, "a b/%");
        // URLs go to the server unchanged.
        assert_eq!(Address::parse("rest:http://h/a%20b").unwrap(), Address::Rest("http://h/a%20b/".into()));
        for text in [
            "sftp://ann%40home@nas//my%20box/%C3%BC%2541%3F",
            "nfs://nas/a%25b",
            "smb://WORK;ann@nas/my%20share",
            "s3://b/a%20%23",
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(Address::parse(&address.to_string()).unwrap(), address, "{address}");
        }
    }

    #[test]
    fn wrong_ones() {
        for (text, part) in [
            ("ftp://host/x", "'ftp' is not known"),
            ("nfs://host", "exported path"),
            ("nfs:///x", "host is missing"),
            ("sftp://-oProxyCommand=x/y", "host is missing"),
            ("sftp://host", "path must follow"),
            ("smb://host", "share must follow"),
            ("cifs://host//", "share must follow"),
            ("smb://host//share", "one slash"),
            ("smb://user:secret@host/share", "password"),
            ("smb://a,uid=7@host/share", "no comma"),
            ("sftp://user:secret@host/x", "password"),
            ("rest:https://user:secret@host/x", "password"),
            ("rest:host/x", "followed by http"),
            ("http:///x", "host is missing"),
            ("s3:///x", "a valid bucket name"),
            ("s3://b/x?key=1", "the options are endpoint="),
            ("http://host/a b", "%20"),
            ("sftp://host/a%2", "%25"),
            ("nfs://nas/100%x", "%25"),
            ("s3://b/a%zz", "%25"),
            ("sftp://host/a%00b", "control characters"),
            ("sftp://host/a%0a", "control characters"),
            ("nfs://nas/%ff", "not UTF-8"),
            ("sftp://%2doProxyCommand=x@host/y", "host is missing"),
            ("sftp://%2Dhost/y", "host is missing"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.contains(part) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn any_text_is_read() {
        use proptest::prelude::*;
        proptest!(|(text in "(nfs|smb|sftp|s3|http|rest:http)://[a-z@:\\[\\]/?=&é]{0,40}")| {
            if let Ok(address) = Address::parse(&text) {
                let _ = (address.host(), address.to_string());
            }
        });
    }
}
