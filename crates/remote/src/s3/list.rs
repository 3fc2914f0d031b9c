//! The answer of ListObjectsV2, an XML document in which three elements matter. Its keys are restic's names, so a whole XML parser
//! would be dead weight in the rescue system; what is not understood is an error.

/// A part of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Keys and sizes in bytes.
    pub(super) objects: Vec<(String, u64)>,
    /// Where the next part begins.
    pub(super) next: Option<String>,
}

pub(super) fn parse(body: &[u8]) -> Result<Page, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the list is not UTF-8")?;
    if !text.contains("<ListBucketResult") {
        return Err("the server's answer is not a list of objects".into());
    }
    let mut page = Page::default();
    for part in text.split("<Contents>").skip(1) {
        let entry = part.split("</Contents>").next().unwrap_or(part);
        let key = element(entry, "Key").ok_or("an object in the list has no key")?;
        let size = element(entry, "Size").and_then(|size| size.trim().parse().ok());
        page.objects.push((key, size.ok_or("an object in the list has no size")?));
    }
    if element(text, "IsTruncated").as_deref() == Some("true") {
        let next = element(text, "NextContinuationToken")
            .ok_or("the list is incomplete, and the server does not say where it continues")?;
        page.next = Some(next);
    }
    Ok(page)
}

/// The text of the first element of that name.
fn element(text: &str, name: &str) -> Option<String> {
    let open = format!("<{name}>");
    let start = text.find(&open)? + open.len();
    let end = text.get(start..)?.find(&format!("</{name}>"))?;
    Some(unescape(text.get(start..start + end)?))
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(';').unwrap_or(0);
        let entity = rest.get(1..end).unwrap_or_default();
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let character = match entity {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            other => match other.strip_prefix('#') {
                Some(hex) if hex.starts_with(['x', 'X']) => number(&hex[1..], 16),
                Some(decimal) => number(decimal, 10),
                None => None,
            },
        };
        match character {
            Some(character) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_and_its_end() {
        let xml = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><IsTruncated>true</IsTruncated>\
            <Contents><Key>p/data/ab/abcd</Key><Size>17</Size></Contents>\
            <Contents><Size>0</Size><Key>a&amp;b&#x41;&#66;&unknown;</Key></Contents>\
            <NextContinuationToken>t&lt;1</NextContinuationToken></ListBucketResult>";
        let page = parse(xml.as_bytes()).unwrap();
        assert_eq!(page.objects, [("p/data/ab/abcd".to_owned(), 17), ("a&bAB&unknown;".to_owned(), 0)]);
        assert_eq!(page.next.as_deref(), Some("t<1"));
        let empty = parse(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>").unwrap();
        assert_eq!(empty, Page::default());
        for bad in [
            "<html>",
            "<ListBucketResult><Contents><Key>x</Key></Contents>",
            "<ListBucketResult><Contents><Size>1</Size></Contents>",
            "<ListBucketResult><IsTruncated>true</IsTruncated>",
        ] {
            parse(bad.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn any_answer_is_read() {
        use proptest::prelude::*;
        proptest!(|(text in "(<ListBucketResult>|<Contents>|<Key>|</Key>|<Size>1</Size>|&|;|#x|é){0,12}")| {
            let _ = parse(text.as_bytes());
        });
    }
}
