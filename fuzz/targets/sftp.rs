//! Packets of SFTP: a server, or who stands in for it, sends anything.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/remote/src/sftp/protocol.rs"]
mod protocol;

/// What the protocol takes from its crate.
mod files {
    pub(crate) const ENDLESS: &str = "endless";
}

use libfuzzer_sys::fuzz_target;
/// The protocol takes it from the root of its crate.
use lifeboat_remote::Limits;
use protocol::Session;
use std::io::{Seek as _, Write as _};
use std::time::Duration;

/// A greeting of version 3.
const GREETING: &[u8] = b"\0\0\0\x05\x02\0\0\0\x03";

fn session(data: &[u8]) -> Option<Session<std::fs::File, Vec<u8>>> {
    let memory = rustix::fs::memfd_create("answers", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
    let mut file = std::fs::File::from(memory);
    file.write_all(data).and_then(|()| file.rewind()).ok()?;
    Session::start(file, vec![], Duration::from_secs(5)).ok()
}

fuzz_target!(|data: &[u8]| {
    let _ = session(data);
    let greeted = [GREETING, data].concat();
    if let Some(Ok(entries)) = session(&greeted).map(|mut session| session.list("/x", 1000)) {
        assert!(entries.iter().all(|entry| entry.name != "." && entry.name != ".."));
    }
    if let Some(Ok(bytes)) = session(&greeted).map(|mut session| session.read("/x", 7, 100_000)) {
        assert!(bytes.len() <= 100_000);
    }
    if let Some(mut session) = session(&greeted) {
        let _ = session.write("/x", &[0; 40_000]);
        let _ = session.rename("/x", "/y");
        let _ = session.make_directory("/z");
    }
});
