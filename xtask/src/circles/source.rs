//! The modules of a crate, read from its sources: what each defines, imports and names. Only as much of Rust's grammar as that
//! needs: comments, strings and tests are dropped, and names and paths are recognised by the tokens around them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What begins an item that other modules can name.
const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];

/// One imported name.
#[derive(Debug)]
pub struct Import {
    /// The name here; `*` for all.
    pub name: String,
    /// The path as it is written, with `*` at its end for all.
    pub path: Vec<String>,
    /// Re-exported.
    pub public: bool,
}

/// One module.
#[derive(Debug, Default)]
pub struct Module {
    pub file: PathBuf,
    /// Names of its items.
    pub defines: BTreeSet<String>,
    pub uses: Vec<Import>,
    /// Paths of two and more names in its code.
    pub paths: Vec<Vec<String>>,
    /// All single names in its code.
    pub words: BTreeSet<String>,
}

/// The modules of a crate by their paths; the root's is empty.
#[derive(Debug, Default)]
pub struct Tree {
    pub modules: BTreeMap<Vec<String>, Module>,
}

impl Tree {
    /// Reads the crate whose `lib.rs` or `main.rs` is in a directory.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(root: &Path) -> std::io::Result<Tree> {
        let mut tree = Tree::default();
        let file = ["lib.rs", "main.rs"].iter().map(|name| root.join(name)).find(|path| path.exists());
        if let Some(file) = file {
            tree.file(&file, root, vec![])?;
        }
        Ok(tree)
    }

    /// Reads a file; its modules are in `directory`.
    fn file(&mut self, file: &Path, directory: &Path, at: Vec<String>) -> std::io::Result<()> {
        let tokens = without_tests(&tokens(&std::fs::read_to_string(file)?));
        self.module(&tokens, file, directory, at)
    }

    fn module(&mut self, tokens: &[String], file: &Path, directory: &Path, at: Vec<String>) -> std::io::Result<()> {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let (mut depth, mut i) = (0, 0);
        while i < tokens.len() {
            let token = tokens[i].as_str();
            let next = tokens.get(i + 1).map(String::as_str).unwrap_or_default();
            match token {
                "{" => depth += 1,
                "}" => depth -= 1,
                "mod" if depth == 0 && is_name(next) => {
                    let inner: Vec<String> = at.iter().cloned().chain([next.to_owned()]).collect();
                    let below = directory.join(next);
                    if tokens.get(i + 2).is_some_and(|token| token == "{") {
                        let end = closing(tokens, i + 2);
                        self.module(&tokens[i + 3..end], file, &below, inner)?;
                        i = end + 1;
                    } else {
                        let beside = directory.join(format!("{next}.rs"));
                        let file = if beside.exists() { beside } else { below.join("mod.rs") };
                        self.file(&file, &below, inner)?;
                        i += 3;
                    }
                    continue;
                }
                "use" => {
                    let end = tokens[i..].iter().position(|token| token == ";").map_or(tokens.len(), |end| i + end);
                    let public = i > 0 && (tokens[i - 1] == "pub" || tokens[i - 1] == ")");
                    imports(&tokens[i + 1..end], &mut vec![], public, &mut module.uses);
                    i = end;
                }
                "macro_rules" if depth == 0 => {
                    module.defines.extend(tokens.get(i + 2).cloned());
                    i += 3;
                    continue;
                }
                item if depth == 0 && ITEMS.contains(&item) && is_name(next) && next != "fn" => {
                    module.defines.insert(next.to_owned());
                    i += 2;
                    continue;
                }
                name if is_name(name) => {
                    let mut path = vec![name.to_owned()];
                    while tokens.get(i + 1).is_some_and(|token| token == "::")
                        && tokens.get(i + 2).is_some_and(|token| is_name(token))
                    {
                        path.push(tokens[i + 2].clone());
                        i += 2;
                    }
                    module.words.insert(path[0].clone());
                    if path.len() > 1 {
                        module.paths.push(path);
                    }
                }
                _ => {}
            }
            i += 1;
        }
        self.modules.insert(at, module);
        Ok(())
    }
}

/// Reads the tree of a `use`.
fn imports(tokens: &[String], before: &mut Vec<String>, public: bool, found: &mut Vec<Import>) {
    let length = before.len();
    let mut i = 0;
    while i < tokens.len() {
        match tokens[i].as_str() {
            "::" => {}
            "{" => {
                let end = closing(tokens, i);
                let (mut from, mut depth) = (i + 1, 0);
                for at in i + 1..=end {
                    match tokens[at].as_str() {
                        "{" => depth += 1,
                        "}" if at < end => depth -= 1,
                        "," if depth == 0 => {
                            imports(&tokens[from..at], before, public, found);
                            from = at + 1;
                        }
                        _ => {}
                    }
                }
                imports(&tokens[from..end], before, public, found);
                before.truncate(length);
                return;
            }
            "as" => break,
            name => before.push(name.to_owned()),
        }
        i += 1;
    }
    let alias = tokens.get(i).filter(|token| *token == "as").and_then(|_| tokens.get(i + 1)).cloned();
    let mut path = before.clone();
    before.truncate(length);
    if path.len() > 1 && path.last().is_some_and(|name| name == "self") {
        path.pop();
    }
    if let Some(name) = alias.or_else(|| path.last().cloned()).filter(|_| !tokens.is_empty()) {
        found.push(Import { name, path, public });
    }
}

/// Drops items that are for tests only.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut kept = vec![];
    let mut i = 0;
    while i < tokens.len() {
        let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
        if tokens[i..].iter().map(String::as_str).take(attribute.len()).eq(attribute) {
            i = item_end(tokens, i + attribute.len());
        } else {
            kept.push(tokens[i].clone());
            i += 1;
        }
    }
    kept
}

/// The first token after an item: after its semicolon, or the comma of a field, or its block.
fn item_end(tokens: &[String], from: usize) -> usize {
    let (mut i, mut depth) = (from, 0_usize);
    while i < tokens.len() {
        match tokens[i].as_str() {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "{" if depth == 0 && tokens[from] != "use" => return closing(tokens, i) + 1,
            ";" if depth == 0 => return i + 1,
            _ => {}
        }
        i += 1;
    }
    i
}

/// Where the block that opens at a token closes.
fn closing(tokens: &[String], open: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        depth += i32::from(token == "{") - i32::from(token == "}");
        if depth == 0 {
            return i;
        }
    }
    tokens.len().saturating_sub(1)
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The tokens of a source without comments and strings: names, `::`, and single characters.
fn tokens(text: &str) -> Vec<String> {
    let mut found = vec![];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal(rest) {
            length
        } else if is_name(rest) {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            found.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            found.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                found.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

/// The length of a string, character or raw string literal at the beginning; a lifetime is not one.
fn literal(text: &str) -> Option<usize> {
    let body = text.trim_start_matches('b').trim_start_matches('c');
    let prefix = text.len() - body.len();
    if prefix > 1 {
        return None;
    }
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let inner = raw[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(prefix + 1 + hashes + 1 + inner.find(&end)? + end.len());
    }
    if let Some(inner) = body.strip_prefix('"') {
        return Some(prefix + 1 + unescaped(inner, '"')? + 1);
    }
    let inner = body.strip_prefix('\'')?;
    let one = inner.chars().next()?;
    if one == '\\' {
        return Some(prefix + 1 + unescaped(inner, '\'')? + 1);
    }
    inner[one.len_utf8()..].starts_with('\'').then(|| prefix + 1 + one.len_utf8() + 1)
}

/// Where a character is that no backslash precedes.
fn unescaped(text: &str, end: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == end && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}
