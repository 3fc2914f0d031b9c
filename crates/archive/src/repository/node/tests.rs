use super::*;
use crate::file_table::{More, Record};
use proptest::prelude::*;

fn time_text(time: Time) -> String {
    let mut text = String::new();
    push_time(&mut text, time);
    text
}

#[test]
fn times_as_go_writes_them() {
    let cases = [
        (0, 0, "1970-01-01T00:00:00Z"),
        (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
        (4_102_444_800, 120_000_000, "2100-01-01T00:00:00.12Z"),
        (951_782_400, 1, "2000-02-29T00:00:00.000000001Z"),
        (*SAYABLE.start(), 0, "0000-01-01T00:00:00Z"),
        (i64::MAX, 0, "9999-12-31T23:59:59Z"),
    ];
    for (seconds, nanoseconds, text) in cases {
        assert_eq!(time_text(Time { seconds, nanoseconds }), text);
    }
    assert_eq!(parse_time("1970-01-01T02:00:00.5+02:00"), Some(Time { seconds: 0, nanoseconds: 500_000_000 }));
    assert_eq!(parse_time("1970-13-01T02:00:00Z"), None);
}

#[test]
fn a_node_as_restic_writes_it() {
    let mut table = FileTable::default();
    table.push(Record::new(Kind::Directory), b"", More::default());
    let mut record = Record::new(Kind::CharDevice);
    (record.mode, record.device) = (0o620, 1281);
    table.push(record, b"tty\"1\n\xff", More::default());
    let mut json = String::new();
    push(&mut json, &table, 1, None);
    assert_eq!(
        json,
        "{\"name\":\"tty\\\\\\\"1\\\\n\\\\xff\",\"type\":\"chardev\",\"mode\":69206416,\
         \"mtime\":\"1970-01-01T00:00:00Z\",\"atime\":\"1970-01-01T00:00:00Z\",\"ctime\":\"1970-01-01T00:00:00Z\",\
         \"uid\":0,\"gid\":0,\"user\":\"\",\"group\":\"\",\"links\":1,\"device\":1281,\"content\":null}"
    );
}

#[test]
fn broken_trees_are_refused() {
    for tree in ["", "{", "[]", "{\"nodes\":[{}]}", "{\"nodes\":[]}x", "{\"nodes\":[{\"name\":1,\"type\":\"file\"}]}"] {
        assert!(for_each(tree.as_bytes(), &mut |_| Ok(())).is_err(), "{tree}");
    }
    assert!(for_each(b"{\"nodes\":null}\n", &mut |_| Ok(())).is_ok());
}

proptest! {
    #[test]
    fn any_name_comes_back(name in proptest::collection::vec(1_u8.., 1..300)) {
        let mut json = String::new();
        push_quoted_name(&mut json, &name);
        let text: String = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(unquote(&text), Some(name));
    }

    #[test]
    fn any_time_comes_back(seconds in SAYABLE, nanoseconds in 0_u32..1_000_000_000) {
        let time = Time { seconds, nanoseconds };
        prop_assert_eq!(parse_time(&time_text(time)), Some(time));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = unquote(&text);
        let _ = parse_time(&text);
        let _ = for_each(&bytes, &mut |_| Ok(()));
    }
}
