//! Inode numbers. They stay the same while the filesystem is mounted, also when a snapshot was forgotten and read again.

use lifeboat_archive::repository::contents::Number;

/// What an inode number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// The root of the filesystem.
    Top,
    /// The folder of a machine.
    Machine(usize),
    /// The link to a machine's newest snapshot.
    Latest(usize),
    /// An entry of a snapshot: 0 is its root directory.
    Entry(usize, Number),
}

/// Bits for the entry; the rest says in which snapshot.
const ENTRY_BITS: u32 = 36;
const TOP: u64 = 1;

impl Node {
    pub(crate) fn number(self) -> u64 {
        match self {
            Node::Top => TOP,
            Node::Machine(machine) => 2 + 2 * machine as u64,
            Node::Latest(machine) => 3 + 2 * machine as u64,
            Node::Entry(slot, entry) => ((slot as u64 + 1) << ENTRY_BITS) | entry as u64,
        }
    }

    pub(crate) fn of(number: u64) -> Node {
        let (slot, entry) = (number >> ENTRY_BITS, number & ((1 << ENTRY_BITS) - 1));
        match (slot, entry) {
            (0, 0 | TOP) => Node::Top,
            (0, entry) if entry % 2 == 0 => Node::Machine((entry as usize - 2) / 2),
            (0, entry) => Node::Latest((entry as usize - 3) / 2),
            (slot, entry) => Node::Entry(slot as usize - 1, entry as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_back() {
        for node in [
            Node::Top,
            Node::Machine(0),
            Node::Latest(0),
            Node::Machine(7),
            Node::Latest(7),
            Node::Entry(0, 0),
            Node::Entry(3, 12_345_678),
        ] {
            assert_eq!(Node::of(node.number()), node);
        }
    }
}
