//! What changed between two recordings of a machine.
//!
//! Both are compared as JSON values, so that no property can be forgotten here when the model gains one. Lists of
//! things with a name (devices, mounts, interfaces) are compared by name, other lists of words as sets.

use lifeboat_machine::bytes::human;
use lifeboat_machine::{Machine, Name};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where, in words: `layout disk0p2 content label`.
    pub place: String,
    /// What was there; `None` when it is new.
    pub old: Option<String>,
    /// What is there; `None` when it is gone.
    pub new: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { place, old, new } = self;
        match (old, new) {
            (None, Some(new)) => write!(f, "{place}: new: {new}"),
            (Some(old), None) => write!(f, "{place}: gone: {old}"),
            (Some(old), Some(new)) => write!(f, "{place}: {old} -> {new}"),
            (None, None) => write!(f, "{place}"),
        }
    }
}

impl Change {
    /// It is about disks, what is on them, and where that is mounted.
    pub fn is_storage(&self) -> bool {
        self.place == STORAGE || self.place.strip_prefix(STORAGE).is_some_and(|rest| rest.starts_with(' '))
    }
}

/// How the places of the storage layout begin.
const STORAGE: &str = "layout";
/// A step on the way to a value.
#[derive(Clone, Debug)]
enum Step {
    /// A key of the model.
    Key(String),
    /// The name of a thing.
    Name(String),
}

/// What changes from day to day or boot to boot, by the end of its place.
const VOLATILE: [&str; 6] = ["recorded_at", "used_bytes", "restored", "path", "memory_bytes", "modaliases"];
/// The digest of a LUKS header's backup.
const HEADER: &str = "backup";
/// What the firmware passes to a loader: bytes, in base64.
const ENCODED: &str = "arguments";
/// Keys that name an entry of a list.
const NAMES: [&str; 4] = ["id", "mount_point", "name", "path"];
/// Keys that say nothing to a reader, for what follows is clear without them.
const SILENT: [&str; 5] = ["devices", "mounts", "interfaces", "kind", "options"];

/// What is different in `b`, in the order of the description. Usage, times and kernel names do not count.
pub fn diff(a: &Machine, b: &Machine) -> Vec<Change> {
    let mut changes = vec![];
    match (serde_json::to_value(a), serde_json::to_value(b)) {
        (Ok(a), Ok(b)) => compare(&a, &b, &mut vec![], &mut changes),
        // The model has string keys only; if it ever had not, saying so beats hiding changes.
        (a, b) => changes.extend([a, b].into_iter().filter_map(Result::err).map(|error| Change {
            place: format!("cannot COMPARE the descriptions: {error}"),
            old: None,
            new: None,
        })),
    }
    changes
}

fn compare(a: &Value, b: &Value, place: &mut Vec<Step>, out: &mut Vec<Change>) {
    if a == b {
        return;
    }
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => objects(a, b, place, out),
        (Value::Array(a), Value::Array(b)) => match (named(a), named(b)) {
            (Some(a), Some(b)) => pairs(&a, &b, place, out),
            _ => lists(a, b, place, out),
        },
        _ => out.push(change(place, Some(a), Some(b))),
    }
}

fn objects(a: &Map<String, Value>, b: &Map<String, Value>, place: &mut Vec<Step>, out: &mut Vec<Change>) {
    for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
        // A swap file is named by its path; every other path is the kernel's idea of the day.
        if VOLATILE.contains(&key.as_str()) {
            continue;
        }
        if key == HEADER && a.get(key) != b.get(key) {
            // Its digest says nothing to a reader.
            let place = words(&[&place[..], &[Step::Name("LUKS header".to_owned())]].concat());
            let (old, new) = (Some("as recorded".to_owned()), Some("other key slots or tokens".to_owned()));
            out.push(Change { place, old, new });
            continue;
        }
        let silent = SILENT.contains(&key.as_str());
        if !silent {
            place.push(Step::Key(key.clone()));
        }
        compare(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), place, out);
        if !silent {
            place.pop();
        }
    }
}

fn pairs(a: &[(String, &Value)], b: &[(String, &Value)], place: &mut Vec<Step>, out: &mut Vec<Change>) {
    for (name, old) in a {
        match b.iter().find(|(other, _)| other == name) {
            Some((_, new)) => {
                place.push(Step::Name(name.clone()));
                compare(old, new, place, out);
                place.pop();
            }
            None => out.push(named_change(place, name, Some(old), None)),
        }
    }
    for (name, new) in b.iter().filter(|(name, _)| !a.iter().any(|(other, _)| other == name)) {
        out.push(named_change(place, name, None, Some(new)));
    }
}

fn lists(a: &[Value], b: &[Value], place: &[Step], out: &mut Vec<Change>) {
    let all = |list: &[Value]| list.iter().map(text).collect::<BTreeSet<_>>();
    let (old, new) = (all(a), all(b));
    if old == new {
        // The same things in another order: for boot entries and loaders the order matters.
        let order = |list: &[Value]| list.iter().map(text).collect::<Vec<_>>().join(", ");
        out.push(Change { place: words(place), old: Some(order(a)), new: Some(order(b)) });
    }
    out.extend(old.difference(&new).map(|gone| Change { place: words(place), old: Some(gone.clone()), new: None }));
    out.extend(new.difference(&old).map(|more| Change { place: words(place), old: None, new: Some(more.clone()) }));
}

/// The entries by name, when each has one and no two the same.
fn named(list: &[Value]) -> Option<Vec<(String, &Value)>> {
    let mut out: Vec<(String, &Value)> = vec![];
    for value in list {
        let object = value.as_object()?;
        let name = text(NAMES.iter().find_map(|key| object.get(*key))?);
        if out.iter().any(|(other, _)| *other == name) {
            return None;
        }
        out.push((name, value));
    }
    Some(out)
}

fn named_change(place: &[Step], name: &str, old: Option<&Value>, new: Option<&Value>) -> Change {
    let mut place = place.to_vec();
    place.push(Step::Name(name.to_owned()));
    change(&place, old, new)
}

fn change(place: &[Step], old: Option<&Value>, new: Option<&Value>) -> Change {
    let key = match place.last() {
        Some(Step::Key(key)) => key.as_str(),
        _ => "",
    };
    let some = |value: Option<&Value>| value.filter(|value| !value.is_null()).map(|value| of_key(key, value));
    let (mut old, mut new) = (some(old), some(new));
    if key == ENCODED && old.is_some() && new.is_some() {
        // They are bytes for the firmware.
        (old, new) = (Some("as recorded".to_owned()), Some("others".to_owned()));
    }
    Change { place: words(place), old, new }
}

/// Where it is, in words: the model's keys without their underscores and units.
fn words(place: &[Step]) -> String {
    let one = |step: &Step| match step {
        Step::Key(key) => key_words(key),
        Step::Name(name) => name.clone(),
    };
    place.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// `mount_point` as `mount point`, `size_bytes` as `size`.
fn key_words(key: &str) -> String {
    key.strip_suffix("_bytes").unwrap_or(key).replace('_', " ")
}

/// A value for people, with the unit that its key names.
fn of_key(key: &str, value: &Value) -> String {
    match value.as_u64() {
        Some(bytes) if key.ends_with("_bytes") && bytes >= 1024 => format!("{} ({bytes} bytes)", human(bytes)),
        _ => text(value),
    }
}

/// A value for people; long ones are cut.
fn text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        // A name that is not UTF-8.
        Value::Object(object) if object.len() == 1 && object.contains_key("base64") => {
            serde_json::from_value::<Name>(value.clone()).map(|name| name.to_string()).unwrap_or_default()
        }
        Value::Object(object) => {
            // What is new or gone as a whole is named by its simple properties; all of it would be a page.
            let simple = object
                .iter()
                .filter(|(key, value)| !VOLATILE.contains(&key.as_str()) && (value.is_string() || value.is_number()))
                .filter(|(key, _)| ![ENCODED, HEADER].contains(&key.as_str()));
            let one = |(key, value): (&String, &Value)| format!("{} {}", key_words(key), of_key(key, value));
            let words: Vec<String> = simple.map(one).collect();
            let inner: Vec<String> = ["kind", "content"]
                .iter()
                .filter_map(|key| object.get(*key))
                .filter(|v| v.is_object())
                .map(text)
                .collect();
            [words, inner].concat().join(", ")
        }
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "nothing".to_owned(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Number(_) => value.to_string(),
    };
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
