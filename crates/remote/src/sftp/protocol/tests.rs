//! Servers that answer with anything.

use super::*;
use std::io::Seek as _;

/// A session with a server that sends these bytes, whatever it is asked.
fn hostile(bytes: &[u8]) -> Result<Session<std::fs::File, Vec<u8>>, Trouble> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Session::start(file, vec![], Duration::from_secs(5))
}

#[test]
fn broken_answers_are_errors() {
    for bytes in [&b""[..], b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x05\x02\0\0\0\x02", b"\0\0\0\x05\x01\0\0\0\x03"]
    {
        assert!(hostile(bytes).is_err(), "{bytes:?}");
    }
    let mut session = hostile(b"\0\0\0\x05\x02\0\0\0\x03\0\0\0\x09\x66\0\0\0\0\xff\xff\xff\xff").unwrap();
    assert!(session.read("/x", 0, 100).is_err());
    let mut session = hostile(b"\0\0\0\x05\x02\0\0\0\x03\0\0\0\x0d\x65\0\0\0\0\0\0\0\x02\0\0\0\0").unwrap();
    assert!(matches!(session.read("/x", 0, 100), Err(Trouble::Missing)));
}

#[test]
fn a_file_that_cannot_be_so_large_is_not_read() {
    // The size of a file as a server reports it, and no answer to a request to open it.
    let says = |size: u64| {
        let mut bytes = b"\0\0\0\x05\x02\0\0\0\x03\0\0\0\x11\x69\0\0\0\0\0\0\0\x01".to_vec();
        bytes.extend(size.to_be_bytes());
        hostile(&bytes).unwrap()
    };
    for size in [101, u64::MAX] {
        let trouble = says(size).read_whole("/x", 100).unwrap_err();
        assert!(matches!(&trouble, Trouble::TooLarge(_)), "{size}: {trouble}");
    }
    let trouble = says(100).read_whole("/x", 100).unwrap_err();
    assert!(matches!(&trouble, Trouble::Connection(_)), "{trouble}");
}

#[test]
fn a_list_without_end_is_not_read_to_its_end() {
    let packet = |kind: u8, id: u32, body: &[u8]| {
        let length = (body.len() as u32 + 5).to_be_bytes();
        [&length, &[kind][..], &id.to_be_bytes(), body].concat()
    };
    let mut bytes = b"\0\0\0\x05\x02\0\0\0\x03".to_vec();
    bytes.extend(packet(HANDLE, 0, b"\0\0\0\x01h"));
    // Each answer has one file `f`.
    for id in 1..40 {
        bytes.extend(packet(NAME, id, b"\0\0\0\x01\0\0\0\x01f\0\0\0\0\0\0\0\0"));
    }
    let trouble = hostile(&bytes).unwrap().list("/x", 30).unwrap_err();
    assert!(matches!(&trouble, Trouble::TooLarge(_)), "{trouble}");
    bytes.extend(packet(STATUS, 40, b"\0\0\0\x01"));
    bytes.extend(packet(STATUS, 41, b"\0\0\0\0"));
    assert_eq!(hostile(&bytes).unwrap().list("/x", 1000).unwrap().len(), 39);
}

#[test]
fn any_answer_is_read() {
    use proptest::prelude::*;
    proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..200))| {
        let greeting = b"\0\0\0\x05\x02\0\0\0\x03";
        let mut session = hostile(&[&greeting[..], &bytes].concat()).unwrap();
        let _ = session.list("/x", 1000);
        let _ = session.read("/x", 0, 1000);
    });
}
