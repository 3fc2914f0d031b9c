//! The marks of a snapshot, which are kept as tags: the only part of a snapshot that every `restic tag`, `copy` and `rewrite` keeps.

const MACHINE: &str = "lifeboat-machine:";
const ORDER: &str = "lifeboat-order:";

/// The marks of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) machine: Option<String>,
    pub(crate) order: Option<u64>,
}

/// The largest number of a snapshot: one more must fit, too.
pub(crate) const ORDER_MAX: u64 = u64::MAX / 2 - 1;

impl Marks {
    /// Removes the marks from the tags.
    pub(crate) fn take(tags: &mut Vec<String>) -> Marks {
        let mut marks = Marks::default();
        tags.retain(|tag| {
            if let Some(machine) = tag.strip_prefix(MACHINE) {
                marks.machine = Some(machine.to_owned());
            } else if let Some(order) = tag.strip_prefix(ORDER) {
                // Not the largest number: the next one must be larger.
                marks.order = order.parse().ok().filter(|order| *order <= ORDER_MAX);
            } else {
                return true;
            }
            false
        });
        marks
    }

    /// The marks as tags.
    pub(crate) fn tags(machine: &str, order: u64) -> Vec<String> {
        let is_plain = |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        let machine = Some(machine).filter(|id| is_plain(id)).map(|id| format!("{MACHINE}{id}"));
        machine.into_iter().chain([format!("{ORDER}{order}")]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_from_tags() {
        let mut tags = vec!["nightly".to_owned()];
        tags.extend(Marks::tags("0123456789abcdef0123456789abcdef", 17));
        let marks = Marks::take(&mut tags);
        assert_eq!(tags, ["nightly"]);
        assert_eq!(marks, Marks { machine: Some("0123456789abcdef0123456789abcdef".to_owned()), order: Some(17) });
        // What would be two tags to restic, or none, is not a mark.
        assert_eq!(Marks::tags("a,b", 1), ["lifeboat-order:1"]);
        assert_eq!(Marks::tags("", 1), ["lifeboat-order:1"]);
        assert_eq!(Marks::take(&mut vec!["lifeboat-order:x".to_owned()]), Marks::default());
        assert_eq!(Marks::take(&mut vec![format!("lifeboat-order:{}", u64::MAX)]), Marks::default());
    }
}
