//! The parts of the pax format that every tar archive here is made of (pax(1), POSIX.1-2008, "pax Extended Header").

use crate::Time;

/// Adds `LENGTH KEY=VALUE\n`, where the length counts itself.
pub(crate) fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} ").as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// A time as seconds with a fraction, e.g. -0.25 for a quarter second before 1970.
pub(crate) fn decimal(time: Time) -> String {
    let total = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let (sign, total) = if total < 0 { ("-", -total) } else { ("", total) };
    match total % 1_000_000_000 {
        0 => format!("{sign}{}", total / 1_000_000_000),
        rest => format!("{sign}{}.{rest:09}", total / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_themselves() {
        let mut records = vec![];
        record(&mut records, b"path", &[b'x'; 90]);
        record(&mut records, b"a", b"b");
        assert_eq!(&records[..9], b"99 path=x");
        assert_eq!(&records[99..], b"6 a=b\n");
        let mut long = vec![];
        record(&mut long, b"path", &[b'x'; 91]);
        assert!(long.starts_with(b"101 path=") && long.len() == 101);
        for value in [0, 1, 85, 86, 87, 88, 89, 90, 985, 986, 987, 99_980] {
            let mut out = vec![];
            record(&mut out, b"path", &vec![b'x'; value]);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.split(' ').next().unwrap().parse(), Ok(text.len()));
        }
    }

    #[test]
    fn times_before_1970() {
        let time = |seconds, nanoseconds| decimal(Time { seconds, nanoseconds });
        assert_eq!(time(5, 0), "5");
        assert_eq!(time(5, 1), "5.000000001");
        assert_eq!(time(-1, 250_000_000), "-0.750000000");
        assert_eq!(time(-3, 250_000_000), "-2.750000000");
        assert_eq!(time(-3, 0), "-3");
        assert_eq!(time(-101, 750_000_000), "-100.250000000");
        assert_eq!(time(-1, 500_000_000), "-0.500000000");
        assert_eq!(
            (time(0, 0), time(-7, 0), time(1 << 40, 1)),
            ("0".into(), "-7".into(), "1099511627776.000000001".into())
        );
    }
}
