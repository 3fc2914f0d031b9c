//! Where a redirect may lead (RFC 9110, section 15.4). A server may redirect only to its own addresses: what was asked of one that a
//! certificate proves is not asked of another, and a request with credentials goes nowhere else.

/// The URL to ask next.
///
/// # Errors
/// Why it is refused, for people.
pub(crate) fn follow(from: &str, location: &str, secret: bool, writes: bool) -> Result<String, String> {
    let to = resolve(from, location)
        .ok_or_else(|| format!("the server redirects to '{location}', which is not an address"))?;
    let refused =
        |why: &str| Err(format!("the server redirects to {to}, {why}; try that address itself if it is right"));
    if writes {
        return refused("and data is written only to the address that was named");
    }
    if origin(from) == origin(&to) {
        return Ok(to);
    }
    match from.starts_with("https://") {
        true if to.starts_with("http://") => refused("which is not encrypted"),
        true => refused("which is another server than the one named"),
        false if secret => refused("which is another server, and credentials are sent only to the one named"),
        false => Ok(to),
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<(String, String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    // An IPv6 address has colons of its own.
    let (host, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name.to_owned(), port.parse().ok()?),
        _ => (host, usual),
    };
    (!host.is_empty()).then_some((scheme.to_owned(), host, port))
}

/// A reference, resolved against the URL that it came from (RFC 3986, section 5.2, without dot segments: file servers use none).
fn resolve(from: &str, location: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or_default().trim();
    let (scheme, rest) = from.split_once("://")?;
    let path = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path);
    let url = if location.contains("://") && !location.starts_with(['/', '?']) {
        // Schemes ignore case.
        let (scheme, rest) = location.split_once("://")?;
        format!("{}://{rest}", scheme.to_ascii_lowercase())
    } else if let Some(other) = location.strip_prefix("//") {
        format!("{scheme}://{other}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.is_empty() {
        return None;
    } else {
        let path = path.split('?').next().unwrap_or_default();
        let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
        match location.starts_with('?') {
            true => format!("{scheme}://{authority}{path}{location}"),
            false => format!("{scheme}://{authority}{folder}{location}"),
        }
    };
    origin(&url).is_some().then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved() {
        let from = "https://h:8443/a/b?q";
        for (location, url) in [
            ("/c", Some("https://h:8443/c")),
            ("c/d", Some("https://h:8443/a/c/d")),
            ("?x", Some("https://h:8443/a/b?x")),
            ("//other/c", Some("https://other/c")),
            ("HTTP://Other/c#part", Some("http://Other/c")),
            ("/c?next=http://x/", Some("https://h:8443/c?next=http://x/")),
            ("", None),
            ("#part", None),
            ("ftp://h/x", None),
            ("http://", None),
            ("http://h:port/", None),
        ] {
            assert_eq!(resolve(from, location).as_deref(), url, "{location}");
        }
        assert_eq!(resolve("http://h", "x").as_deref(), Some("http://h/x"));
    }

    #[test]
    fn nobody_is_sent_from_a_proven_server_to_another_one() {
        for (from, to, secret, followed) in [
            ("https://h/a", "https://h/b", false, true),
            ("https://h/a", "https://H:443/b", true, true),
            ("https://h/a", "/b", true, true),
            ("https://h/a", "http://h/a", false, false),
            ("https://h/a", "//evil/a", false, false),
            ("https://h/a", "https://h:444/a", false, false),
            ("https://h/a", "https://h.evil/a", true, false),
            ("https://h/a", "https://h@evil/a", false, false),
            ("https://[fd00::1]/a", "https://[fd00::1]:443/b", true, true),
            ("https://[fd00::1]/a", "https://[fd00::2]/b", false, false),
            ("http://h/a", "https://h/a", false, true),
            ("http://h/a", "https://h/a", true, false),
            ("http://h/a", "http://mirror/a", false, true),
            ("http://h/a", "http://mirror/a", true, false),
            ("http://h/a", "file:///etc/passwd", false, false),
        ] {
            let result = follow(from, to, secret, false);
            assert_eq!(result.is_ok(), followed, "{from} {to} {secret}: {result:?}");
        }
        assert!(follow("http://h/a", "/b", false, true).unwrap_err().contains("http://h/b"));
    }

    #[test]
    fn any_location_is_read() {
        use proptest::prelude::*;
        proptest!(|(location in "(https?|//|:|/|@|\\?|#|\\[|\\]|h|é){0,12}")| {
            let _ = follow("https://h/a", &location, false, false);
        });
    }
}
