//! Links of the index pages that web servers generate.

/// The targets of all links of an index page that are below its folder.
pub(super) fn links(page: &str, base: &str) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    for part in page.split("href=").skip(1) {
        let (quote, rest) = match part.chars().next() {
            Some(quote @ ('"' | '\'')) => (quote, &part[1..]),
            _ => ('>', part),
        };
        let end = rest.find(|c: char| c == quote || (quote == '>' && c.is_whitespace())).unwrap_or(0);
        let target = rest[..end].replace("&amp;", "&");
        let outside =
            target.is_empty() || target.contains("..") || target.starts_with(['/', '?', '#']) || target.contains(':');
        let url = format!("{base}{}", target.trim_start_matches("./"));
        if !outside && !found.contains(&url) {
            found.push(url);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_page_is_read() {
        use proptest::prelude::*;
        proptest!(|(page in "(href=|\"|'|>|x.iso|é| ){0,20}")| { links(&page, "http://h/"); });
    }
}
