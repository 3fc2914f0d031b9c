//! A document sent to a web service that is told of something, once in a while. The rules are those of all addresses: certificates
//! count, a redirect is not followed with what is sent, no password is part of an address.

use crate::http::{Client, Question};
use crate::{Address, Fault, Patience};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Nobody reads the answer.
const ANSWER: u64 = 64 << 10;
/// A single attempt waits no longer.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Sends JSON by POST. All of it, with repetitions after lost connections, takes no longer than `limit`.
///
/// # Errors
/// [`Fault`]; it names the server only, because such a URL is mostly a secret itself.
pub fn post(url: &str, json: Vec<u8>, limit: Duration) -> Result<(), Fault> {
    let server = server(url);
    match Address::parse(url) {
        Ok(Address::Http(_)) => {}
        // The parser quotes what it was given.
        Ok(_) | Err(_) => {
            let why = "expected http(s)://HOST/PATH without a password in it";
            return Err(Fault::ended("NOTIFY", &server, why));
        }
    }
    let (sender, receiver) = channel();
    let (asked, name) = (url.to_owned(), server.clone());
    let ask = move || {
        let patience = Patience::with(name.clone(), Arc::new(|_| ()), ATTEMPT.min(limit), limit);
        let question = Question::new("POST", asked.as_str(), "NOTIFY", name)
            .header("Content-Type", "application/json")
            .body(&json)
            .at_most(ANSWER);
        let _ = sender.send(Client::new(patience).ask(&question).map(drop));
    };
    let late = || Fault::ended("NOTIFY", &server, format!("no whole answer within {} s", limit.as_secs()));
    std::thread::Builder::new()
        .name("webhook".into())
        .spawn(ask)
        .map_err(|error| Fault::ended("NOTIFY", &server, error))?;
    // A server that sends a byte now and then never ends by itself: the thread is left behind.
    receiver.recv_timeout(limit).map_err(|_| late())?
}

/// Scheme and host of a URL: the rest may be a token.
pub fn server(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "the webhook".to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    match host.chars().all(plain) && scheme.chars().all(|c| c.is_ascii_alphanumeric()) {
        true => format!("{scheme}://{host}"),
        false => "the webhook".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_the_server_is_shown() {
        for (url, shown) in [
            ("https://hooks.example/services/T0/SECRET?x=SECRET", "https://hooks.example"),
            ("http://user:SECRET@h:8080/SECRET", "http://h:8080"),
            ("SECRET", "the webhook"),
            ("https://h\u{1b}SECRET/x", "the webhook"),
        ] {
            assert_eq!(server(url), shown);
            if url.starts_with("https://h\u{1b}") || !url.starts_with("https") {
                let fault = post(url, vec![], Duration::from_secs(1)).unwrap_err().to_string();
                assert!(!fault.contains("SECRET"), "{fault}");
            }
        }
    }
}
