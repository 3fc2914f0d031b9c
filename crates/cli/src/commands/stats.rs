//! `lifeboat stats`: what snapshots hold and what that takes.

use crate::command::StatsArgs;
use crate::error::CommandResult;
use crate::job::look;
use crate::listing::{Align, local_text, table};
use crate::output::counted;
use crate::session::Session;
use lifeboat_archive::repository::RepositorySizes;
use lifeboat_machine::bytes::{grouped, human};

const COLUMNS: [Align; 7] =
    [Align::Left, Align::Left, Align::Right, Align::Right, Align::Right, Align::Right, Align::Right];
const HEAD: [&str; 7] = ["SNAPSHOT", "TIME", "ENTRIES", "SIZE", "DATA", "STORED", "OWN"];

pub fn run(session: &Session, args: &StatsArgs) -> CommandResult {
    let archive = look::open(session, &args.from)?;
    let snapshots = look::several(session, &archive, &args.which)?;
    let sizes = archive.repository.sizes(&snapshots)?;
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    for (snapshot, one) in snapshots.iter().zip(&sizes.snapshots) {
        session.reporter.value(&serde_json::json!({
            "id": one.id, "entries": one.entries, "files": one.files, "bytes": one.bytes, "data_bytes": one.data_bytes,
            "stored_bytes": one.stored_bytes, "own_bytes": one.own_bytes, "lost": one.lost,
        }));
        rows.push(vec![
            snapshot.short_id().to_owned(),
            local_text(&snapshot.time),
            grouped(one.entries),
            human(one.bytes),
            human(one.data_bytes),
            human(one.stored_bytes),
            human(one.own_bytes),
        ]);
    }
    table(&COLUMNS, &rows).iter().for_each(|line| session.reporter.line(line));
    let data: u64 = sizes.snapshots.iter().map(|one| one.data_bytes).fold(0, u64::saturating_add);
    session.reporter.value(&serde_json::json!({
        "snapshots": snapshots.len(), "data_bytes": data, "blobs": sizes.blobs, "unique_bytes": sizes.unique_bytes, "trees": sizes.trees, "tree_bytes": sizes.tree_bytes,
        "stored_bytes": sizes.stored_bytes, "packs": sizes.packs, "pack_bytes": sizes.pack_bytes,
    }));
    totals(&sizes, data, snapshots.len()).iter().for_each(|line| session.reporter.line(line));
    look::whole(sizes.snapshots.iter().map(|one| one.lost as usize).sum())
}

/// The whole in words.
fn totals(sizes: &RepositorySizes, data: u64, snapshots: usize) -> Vec<String> {
    let times = |large: u64, small: u64| match small {
        // Zeros in holes are stored, too, but are no data.
        small if small == 0 || small > large => String::new(),
        small => format!(", {:.1} times less", large as f64 / small as f64),
    };
    let contents = sizes.unique_bytes.saturating_sub(sizes.tree_bytes);
    vec![
        String::new(),
        format!("{} with {} of data", counted(snapshots, "snapshot"), human(data)),
        format!(
            "  each content once:  {} in {} pieces{}",
            human(contents),
            grouped(sizes.blobs.saturating_sub(sizes.trees)),
            times(data, contents)
        ),
        format!("  names, attributes:  {} of {}", human(sizes.tree_bytes), counted(sizes.trees as usize, "folder")),
        format!("  compressed:         {}{}", human(sizes.stored_bytes), times(sizes.unique_bytes, sizes.stored_bytes)),
        format!("  whole repository:   {} in {} pack files", human(sizes.pack_bytes), grouped(sizes.packs)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_say_what_equal_contents_and_compression_save() {
        let sizes = RepositorySizes {
            blobs: 1010,
            unique_bytes: 11 << 20,
            trees: 10,
            tree_bytes: 1 << 20,
            stored_bytes: 11 << 19,
            packs: 1,
            pack_bytes: 6 << 20,
            ..RepositorySizes::default()
        };
        let lines = totals(&sizes, 30 << 20, 2);
        assert_eq!(lines[1], "2 snapshots with 30.0 MiB of data");
        assert_eq!(lines[2], "  each content once:  10.0 MiB in 1,000 pieces, 3.0 times less");
        assert_eq!(lines[3], "  names, attributes:  1.0 MiB of 10 folders");
        assert_eq!(lines[4], "  compressed:         5.5 MiB, 2.0 times less");
        assert!(totals(&RepositorySizes::default(), 0, 1)[2].ends_with("0 B in 0 pieces"));
    }
}
