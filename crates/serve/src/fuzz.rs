//! Entry points for fuzzing: what strangers and machines send, without a server. Not part of the interface.

use crate::netboot::offer::{self, At, Boot, Image};
use crate::netboot::tftp;
use crate::path::StorePath;
use crate::range::{Wanted, wanted};
use crate::settings::Settings;
use crate::state::{Known, Report, Told};
use crate::{boot, login, page, place};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};
use jiff::Timestamp;
use std::net::Ipv4Addr;

/// What comes from a link with machines that start: a packet, a DHCP message at either port, the first packet of a TFTP transfer.
pub fn start(data: &[u8]) {
    let server = Ipv4Addr::new(192, 0, 2, 1);
    let image = |_| Image::Path("machines/db7/boot.iso".to_owned());
    let boot = Boot { server, port: 80, uefi_pxe: true, has: &|_| true, image: &image, answers: &|_| true };
    let messages = [Some(data), offer::payload(data)];
    for (message, at) in
        messages.into_iter().flatten().flat_map(|message| [(message, At::Link), (message, At::BootServer)])
    {
        if let Some(told) = offer::answer(message, at, &boot) {
            // An answer to the one who asked, that lends no address, and is no question.
            assert!(told.message.len() >= 300 && told.message[0] == 2 && told.message[16..20] == [0; 4]);
            assert_eq!(told.message.get(4..8), message.get(4..8));
            assert_eq!(offer::answer(&told.message, at, &boot), None);
            assert_eq!(offer::payload(&offer::broadcast(server, &told.message)), None);
        }
    }
    if let Ok(request) = tftp::Request::parse(data) {
        assert!((8..=1468).contains(&request.block) && (1..=64).contains(&request.window));
        if let Some(below) = boot::below_tree(&request.name) {
            assert!(below.split('/').all(is_inside), "{:?}", request.name);
        }
    }
}

/// Sizes of files that are asked for a part.
const SIZES: [u64; 4] = [0, 1, 1000, u64::MAX];

/// The path of a request, as one of the store and of the boot tree; its range; its login.
pub fn request(data: &[u8]) {
    let settings = Settings::default();
    if let Ok(value) = HeaderValue::from_bytes(data) {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value);
        assert!(matches!(login::who(&settings, &headers), login::Who::Wrong(_)), "there is no token");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(path) = StorePath::parse(text) {
        let (folders, name) = place::place(&path);
        for component in path.repo().components().chain(folders.iter().map(String::as_str)) {
            assert!(is_inside(component) && !component.starts_with('.'), "{text:?}");
        }
        assert!(name.is_empty() || is_inside(&name), "{text:?}");
        assert!(text.is_ascii() && !text.contains('%'), "{text:?}");
    }
    if let Some(below) = boot::below(text) {
        assert!(below.split('/').all(is_inside), "{text:?}");
    }
    for size in SIZES {
        if let Wanted::Part { offset, length } = wanted(text, size) {
            assert!(length > 0 && offset.checked_add(length).is_some_and(|end| end <= size), "{text:?} of {size}");
        }
    }
}

fn is_inside(component: &str) -> bool {
    !component.is_empty() && !matches!(component, "." | "..") && !component.contains(['/', '\0'])
}

/// What a machine tells: events and reports, and the page that shows them.
pub fn told(data: &[u8]) {
    let _ = Report::parse(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(told) = Told::parse(text, Timestamp::UNIX_EPOCH) {
        let line = told.value().map(|value| serde_json::Value::Object(value).to_string()).unwrap_or_default();
        assert_eq!(Told::parse(&line, Timestamp::MAX).as_ref(), Ok(&told));
        let mut known = Known::default();
        known.events.push_back(told);
        let shown = page::log(&known);
        let tags = [
            "<ul class=\"card log\">",
            "<li>",
            "<li class=\"bad\">",
            "<li class=\"good\">",
            "<time>",
            "</time>",
            "</li>",
            "</ul>",
        ];
        let left = tags.iter().fold(shown, |shown, tag| shown.replace(tag, ""));
        assert!(!left.contains(['<', '>', '"']), "{left}");
    }
}

/// `serve.toml`.
pub fn settings(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Settings::parse(text);
    }
}
