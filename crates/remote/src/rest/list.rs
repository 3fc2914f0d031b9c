//! Lists of files: version 2 has names with sizes, version 1 names only, one after the other.

/// Names, and sizes where the server sends them.
pub(super) fn parse(body: &[u8]) -> Result<Vec<(String, Option<u64>)>, String> {
    if body.is_empty() {
        return Ok(vec![]);
    }
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let entry = |entry: &serde_json::Value| match (entry.as_str(), entry.get("name").and_then(|name| name.as_str())) {
        (_, Some(name)) => {
            let size = entry.get("size").and_then(serde_json::Value::as_u64).unwrap_or(0);
            Some((name.to_owned(), Some(size)))
        }
        (Some(name), None) => Some((name.to_owned(), None)),
        (None, None) => None,
    };
    Ok(value.as_array().into_iter().flatten().filter_map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions() {
        let named = |name: &str, size| (name.to_owned(), size);
        let list = br#"[{"name":"ab","size":7},{"name":"cd"},"ef",{"size":1},5]"#;
        assert_eq!(parse(list).unwrap(), [named("ab", Some(7)), named("cd", Some(0)), named("ef", None)]);
        assert_eq!(parse(b"").unwrap(), []);
        assert_eq!(parse(b"{}").unwrap(), []);
        assert!(parse(b"[").is_err() && parse(b"<html>").is_err());
    }
}
