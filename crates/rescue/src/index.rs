//! The binary indexes that modprobe reads (kmod, `tools/depmod.c` and `libkmod/libkmod-index.c`).
//!
//! A trie over the keys: each node has a prefix, children for a range of next bytes, and values. Offsets are 32 bits,
//! big-endian, and encode in their upper bits which of the three a node has. Text indexes are not enough: libkmod reads
//! only these.

use std::collections::BTreeMap;

const MAGIC: u32 = 0xB007_F457;
const VERSION: u32 = 0x0002_0001;
const NODE_PREFIX: u32 = 0x8000_0000;
const NODE_VALUES: u32 = 0x4000_0000;
const NODE_CHILDREN: u32 = 0x2000_0000;

/// One line of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Module name or alias pattern.
    pub key: String,
    /// What modprobe gets for it.
    pub value: String,
    /// Smaller comes first among values of one key.
    pub priority: u32,
}

#[derive(Default)]
struct Node {
    children: BTreeMap<u8, Node>,
    values: Vec<(u32, String)>,
}

/// The bytes of an index. Keys that are not ASCII are left out, as depmod does.
pub fn write_index(entries: &[IndexEntry]) -> Vec<u8> {
    let mut root = Node::default();
    for entry in entries {
        if !entry.key.bytes().all(|b| b.is_ascii() && b != 0) {
            continue;
        }
        let mut node = &mut root;
        for byte in entry.key.bytes() {
            node = node.children.entry(byte).or_default();
        }
        if !node.values.iter().any(|(_, value)| *value == entry.value) {
            node.values.push((entry.priority, entry.value.clone()));
        }
    }
    let mut out = Vec::new();
    out.extend(MAGIC.to_be_bytes());
    out.extend(VERSION.to_be_bytes());
    out.extend([0; 4]);
    let offset = write_node(&root, &mut out);
    out[8..12].copy_from_slice(&offset.to_be_bytes());
    out
}

fn write_node(node: &Node, out: &mut Vec<u8>) -> u32 {
    // A chain of nodes with one child and no values becomes the prefix of the last one.
    let mut prefix = Vec::new();
    let mut node = node;
    while node.values.is_empty() && node.children.len() == 1 {
        let Some((byte, child)) = node.children.first_key_value() else { break };
        prefix.push(*byte);
        node = child;
    }
    let offsets: BTreeMap<u8, u32> =
        node.children.iter().map(|(byte, child)| (*byte, write_node(child, out))).collect();
    // An index with offsets above 29 bits would need 512 MiB of aliases.
    let mut offset = out.len() as u32;
    if !prefix.is_empty() {
        out.extend(&prefix);
        out.push(0);
        offset |= NODE_PREFIX;
    }
    if let (Some((first, _)), Some((last, _))) = (offsets.first_key_value(), offsets.last_key_value()) {
        out.extend([*first, *last]);
        for byte in *first..=*last {
            out.extend(offsets.get(&byte).copied().unwrap_or(0).to_be_bytes());
        }
        offset |= NODE_CHILDREN;
    }
    if !node.values.is_empty() {
        let mut values: Vec<_> = node.values.iter().collect();
        values.sort();
        out.extend((values.len() as u32).to_be_bytes());
        for (priority, value) in values {
            out.extend(priority.to_be_bytes());
            out.extend(value.bytes());
            out.push(0);
        }
        offset |= NODE_VALUES;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks a key up as libkmod's `index_search` does.
    fn search<'a>(index: &'a [u8], key: &str) -> Vec<&'a str> {
        let word = |at: usize| u32::from_be_bytes(index[at..at + 4].try_into().unwrap());
        let text = |at: usize| {
            let end = index[at..].iter().position(|b| *b == 0).unwrap() + at;
            std::str::from_utf8(&index[at..end]).unwrap()
        };
        let mut rest = key;
        let mut offset = word(8);
        loop {
            let mut at = (offset & 0x0FFF_FFFF) as usize;
            if offset & NODE_PREFIX != 0 {
                let prefix = text(at);
                at += prefix.len() + 1;
                match rest.strip_prefix(prefix) {
                    Some(r) => rest = r,
                    None => return vec![],
                }
            }
            let mut child = 0;
            if offset & NODE_CHILDREN != 0 {
                let (first, last) = (index[at], index[at + 1]);
                if let Some(byte) = rest.bytes().next().filter(|byte| (first..=last).contains(byte)) {
                    child = word(at + 2 + 4 * usize::from(byte - first));
                }
                at += 2 + 4 * (usize::from(last - first) + 1);
            }
            if rest.is_empty() {
                let mut values = Vec::new();
                if offset & NODE_VALUES != 0 {
                    let count = word(at);
                    at += 4;
                    for _ in 0..count {
                        let value = text(at + 4);
                        values.push(value);
                        at += 4 + value.len() + 1;
                    }
                }
                return values;
            }
            if child == 0 {
                return vec![];
            }
            rest = &rest[1..];
            offset = child;
        }
    }

    #[test]
    fn every_key_is_found_again() {
        use proptest::prelude::*;
        proptest!(|(keys in proptest::collection::btree_set("[a-c*]{1,5}", 0..20), other in "[a-c*]{1,5}")| {
            let entries: Vec<IndexEntry> = keys
                .iter()
                .map(|key| IndexEntry { key: key.clone(), value: format!("v{key}"), priority: 0 })
                .collect();
            let index = write_index(&entries);
            for key in &keys {
                let value = format!("v{key}");
                prop_assert_eq!(search(&index, key), vec![value.as_str()]);
            }
            prop_assert_eq!(search(&index, &other).is_empty(), !keys.contains(&other));
        });
    }

    #[test]
    fn values_are_ordered_by_priority() {
        let entry = |value: &str, priority| IndexEntry { key: "k".into(), value: value.into(), priority };
        let index = write_index(&[entry("late", 2), entry("early", 1), entry("late", 3)]);
        assert_eq!(search(&index, "k"), ["early", "late"]);
    }
}
