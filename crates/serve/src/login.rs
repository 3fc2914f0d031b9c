//! Who asks: `Authorization: Basic` with the name and the secret of a token, or `Bearer` with the secret alone (RFC 7617, RFC 6750).

use crate::settings::Settings;
use crate::token::{Hash, Token};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use lifeboat_machine::bytes::printable;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No secret is longer; nothing longer is hashed.
const LONGEST: usize = 1024;
/// What a first failed login waits for.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// How often it doubles.
const DOUBLINGS: u32 = 4;
/// Failures of an address are forgotten after this time.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// So many addresses are remembered.
const MOST_ADDRESSES: usize = 4096;

/// Who asks.
#[derive(Clone, Debug)]
pub enum Who {
    /// Somebody who shows nothing.
    Nobody,
    /// Somebody who has this token.
    Known(Token),
    /// Somebody who shows what does not fit, with the name that was given.
    Wrong(Option<String>),
}

/// Reads the header of a request. Every token is compared, whichever fits, so that the time tells nothing.
pub fn who(settings: &Settings, headers: &HeaderMap) -> Who {
    let Some(header) = headers.get(AUTHORIZATION) else { return Who::Nobody };
    let Some((name, secret)) = shown(header.as_bytes()) else { return Who::Wrong(None) };
    let hash = Hash::of(&secret);
    let mut found = None;
    for token in &settings.tokens {
        let fits = token.hash.fits(&hash);
        let is_named = name.as_ref().is_none_or(|name| name == token.name.as_str());
        if fits & is_named {
            found = Some(token);
        }
    }
    match found {
        Some(token) => Who::Known(token.clone()),
        None => Who::Wrong(name),
    }
}

fn shown(header: &[u8]) -> Option<(Option<String>, Vec<u8>)> {
    let text = std::str::from_utf8(header).ok().filter(|text| text.len() <= 2 * LONGEST)?;
    let (scheme, rest) = text.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((None, rest.as_bytes().to_vec()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = STANDARD.decode(rest).ok()?;
    let colon = plain.iter().position(|byte| *byte == b':')?;
    let (name, secret) = plain.split_at(colon);
    Some((Some(String::from_utf8(name.to_vec()).ok()?), secret.get(1..)?.to_vec()))
}

/// Failed logins by address.
#[derive(Debug, Default)]
pub struct Failures {
    by_address: Mutex<HashMap<IpAddr, (u32, Instant)>>,
    total: AtomicU64,
}

impl Failures {
    /// Reports one, without what was shown, and returns how long the answer waits.
    pub fn add(&self, address: IpAddr, name: Option<&str>, now: Instant) -> Duration {
        self.total.fetch_add(1, Ordering::Relaxed);
        let name: String =
            name.map_or("nobody".to_owned(), |name| printable(name.as_bytes())).chars().take(80).collect();
        tracing::warn!("a login as {name} from {address} failed");
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        by_address.retain(|_, (_, last)| now.saturating_duration_since(*last) < FORGOTTEN);
        let before = by_address.get(&address).map_or(0, |(count, _)| *count);
        if by_address.len() < MOST_ADDRESSES || before > 0 {
            by_address.insert(address, (before + 1, now));
        }
        FIRST_WAIT * 2_u32.pow(before.min(DOUBLINGS))
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(settings: &Settings, header: &str) -> Option<Who> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header.parse().unwrap());
        match who(settings, &headers) {
            Who::Wrong(_) => None,
            known => Some(known),
        }
    }

    #[test]
    fn name_and_secret_fit_together() {
        let token = |name: &str| {
            format!(
                "[[token]]\nname = '{name}'\nhash = '{}'\nright = 'full'\n",
                Hash::of(format!("of {name}").as_bytes())
            )
        };
        let settings = Settings::parse(&format!("{}{}", token("a"), token("b"))).unwrap();
        let basic = |plain: &str| format!("Basic {}", STANDARD.encode(plain));
        let name = |header: &str| match asks(&settings, header) {
            Some(Who::Known(token)) => Some(token.name.to_string()),
            _ => None,
        };
        for (header, expected) in [
            (basic("a:of a"), Some("a")),
            (basic("b:of b"), Some("b")),
            ("Bearer of b".to_owned(), Some("b")),
            ("bearer   of a ".to_owned(), Some("a")),
            (basic("a:of b"), None),
            (basic("c:of a"), None),
            (basic(":of a"), None),
            (basic("a:"), None),
            (basic("of a"), None),
            ("Basic !!".to_owned(), None),
            ("Bearer".to_owned(), None),
            ("Bearer ".to_owned(), None),
            ("Digest of a".to_owned(), None),
            (format!("Bearer {}", "x".repeat(5000)), None),
        ] {
            assert_eq!(name(&header).as_deref(), expected, "{header}");
        }
        assert!(matches!(who(&settings, &HeaderMap::new()), Who::Nobody));
    }

    #[test]
    fn failures_slow_their_own_address() {
        let failures = Failures::default();
        let (start, one, two) = (Instant::now(), IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let waits: Vec<u128> = (0..7).map(|_| failures.add(one, Some("x\n"), start).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 4000, 4000]);
        assert_eq!(failures.add(two, None, start), FIRST_WAIT);
        assert_eq!(failures.add(one, None, start + FORGOTTEN), FIRST_WAIT);
        assert_eq!(failures.total(), 9);
    }
}
