//! Input for sfdisk(8), in the format of `sfdisk --dump`, without device names. Written here only: for the step that writes a
//! table, and for the page about recovery by hand.

use lifeboat_machine::layout::{GPT_ENTRIES, Partition, PartitionTable, TableKind};
use std::fmt::Write as _;

/// The script that makes a table with these entries.
pub fn script(table: &PartitionTable, entries: &[Partition]) -> String {
    let mut out = String::new();
    let mut line = |key: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{key}: {value}");
    };
    line("label", if table.kind == TableKind::Gpt { "gpt".into() } else { "dos".into() });
    line("label-id", table.id.clone());
    line("unit", "sectors".into());
    if let Some(first) = table.first_lba {
        line("first-lba", first.to_string());
    }
    if let Some(last) = table.last_lba {
        line("last-lba", last.to_string());
    }
    if let Some(entries) = table.entries.filter(|entries| *entries != GPT_ENTRIES) {
        line("table-length", entries.to_string());
    }
    out.push('\n');
    for partition in entries {
        entry(&mut out, partition);
    }
    out
}

fn entry(out: &mut String, partition: &Partition) {
    let Partition { number, start_sector, sectors, type_id, .. } = partition;
    let _ = write!(out, "{number} : start={start_sector}, size={sectors}, type={type_id}");
    if let Some(uuid) = &partition.uuid {
        let _ = write!(out, ", uuid={uuid}");
    }
    if let Some(name) = partition.name.as_deref().filter(|name| !name.is_empty()) {
        let _ = write!(out, ", name=\"{}\"", quoted(name));
    }
    if let Some(attributes) = partition.attributes.as_deref().filter(|attributes| !attributes.is_empty()) {
        let _ = write!(out, ", attrs=\"{attributes}\"");
    }
    if partition.bootable {
        out.push_str(", bootable");
    }
    out.push('\n');
}

/// Escapes as `sfdisk --dump` does (util-linux, lib/carefulputc.h).
fn quoted(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '"' | '\\' | '`' | '$' => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}
