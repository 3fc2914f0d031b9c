//! [`Schedule`]: which steps of a plan may be done at the same time.
//!
//! Steps begin in the plan's order, so that what is told of them is in order, too. The next one begins as soon as nothing that is
//! still at work concerns it; meanwhile none behind it begins. They end in any order.

use crate::step::Step;
use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::VolumeShape;
use std::collections::BTreeSet;
use std::ops::Range;

/// With whom a step may be at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// With none: it concerns the tree of mounted filesystems, or the restored system.
    Alone,
    /// With the wiping of other disks: all are wiped before the first one gets something new.
    Wipes,
    /// With other partition tables: what a disk refuses is known before the first filesystem is made.
    Tables,
    /// With all that makes other devices and contents.
    Contents,
}

/// What a step has for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Claim<'s> {
    /// A device node.
    Node(&'s str),
    /// LVM: which extents lvcreate(8) takes must not depend on which of two calls was faster.
    Lvm,
    /// LVM, for a volume that came with its group and is but activated: beside others such.
    LvmActivation,
    /// Opening a LUKS device: deriving a key takes up to 4 GiB of memory.
    Opening,
    /// The kernel's list of btrfs devices, which `btrfs device scan --forget` empties.
    BtrfsDevices,
}

impl Claim<'_> {
    fn excludes(&self, other: &Claim<'_>) -> bool {
        match (self, other) {
            (Claim::LvmActivation, Claim::LvmActivation) => false,
            (Claim::Lvm, Claim::LvmActivation) | (Claim::LvmActivation, Claim::Lvm) => true,
            (one, other) => one == other,
        }
    }
}

impl Step {
    fn phase(&self) -> Phase {
        match self {
            Step::WipeDisk { .. } => Phase::Wipes,
            Step::WriteTable { .. } => Phase::Tables,
            Step::MakeArray { .. }
            | Step::MakeGroup { .. }
            | Step::MakePhysicalVolume { .. }
            | Step::MakeVolume { .. }
            | Step::MakeLuks { .. }
            | Step::OpenLuks { .. }
            | Step::MakeFilesystem { .. }
            | Step::MakeSwap { .. } => Phase::Contents,
            Step::MakeSubvolumes { .. }
            | Step::Mount { .. }
            | Step::Extract
            | Step::MakeSwapFile { .. }
            | Step::AdaptConfiguration { .. }
            | Step::AdaptFilesystems { .. }
            | Step::AdaptStorage { .. }
            | Step::RebuildInitramfs { .. }
            | Step::InstallLoader { .. }
            | Step::MakeEfiEntry { .. }
            | Step::Finish => Phase::Alone,
        }
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        let nodes = || self.uses().into_iter().chain(self.makes()).map(Claim::Node);
        match self {
            // Volumes share their physical volumes, which have been made long before.
            Step::MakeVolume { node, volume, .. } => {
                let lvm = match volume.shape {
                    VolumeShape::Linear { .. } | VolumeShape::Striped { .. } => Claim::LvmActivation,
                    VolumeShape::Raid { .. }
                    | VolumeShape::ThinPool { .. }
                    | VolumeShape::Thin { .. }
                    | VolumeShape::Cached { .. } => Claim::Lvm,
                };
                vec![Claim::Node(node), lvm]
            }
            Step::MakeGroup { .. } | Step::MakePhysicalVolume { .. } => nodes().chain([Claim::Lvm]).collect(),
            Step::OpenLuks { .. } => nodes().chain([Claim::Opening]).collect(),
            Step::MakeFilesystem { filesystem, .. } => match filesystem.options {
                FilesystemOptions::Btrfs(_) => nodes().chain([Claim::BtrfsDevices]).collect(),
                FilesystemOptions::Ext(_) | FilesystemOptions::Xfs(_) | FilesystemOptions::Vfat(_) => nodes().collect(),
            },
            Step::WipeDisk { .. }
            | Step::WriteTable { .. }
            | Step::MakeArray { .. }
            | Step::MakeLuks { .. }
            | Step::MakeSubvolumes { .. }
            | Step::MakeSwap { .. }
            | Step::Mount { .. }
            | Step::Extract
            | Step::MakeSwapFile { .. }
            | Step::AdaptConfiguration { .. }
            | Step::AdaptFilesystems { .. }
            | Step::AdaptStorage { .. }
            | Step::RebuildInitramfs { .. }
            | Step::InstallLoader { .. }
            | Step::MakeEfiEntry { .. }
            | Step::Finish => nodes().collect(),
        }
    }

    /// Whether it may begin while another one is at work.
    pub fn may_run_beside(&self, other: &Step) -> bool {
        if self.phase() == Phase::Alone || self.phase() != other.phase() {
            return false;
        }
        let others = other.claims();
        !self.claims().iter().any(|claim| others.iter().any(|other| claim.excludes(other)))
    }
}

/// A part of a plan's steps being done.
#[derive(Debug)]
pub struct Schedule<'p> {
    steps: &'p [Step],
    /// The next one to begin.
    next: usize,
    end: usize,
    /// Those that are not to be done.
    done: BTreeSet<usize>,
    at_work: BTreeSet<usize>,
    limit: usize,
}

impl<'p> Schedule<'p> {
    /// The steps of a range but for those that are done; at most `limit` at a time.
    pub fn new(steps: &'p [Step], range: Range<usize>, done: impl IntoIterator<Item = usize>, limit: usize) -> Self {
        let (next, end) = (range.start, range.end.min(steps.len()));
        Schedule { steps, next, end, done: done.into_iter().collect(), at_work: BTreeSet::new(), limit: limit.max(1) }
    }

    /// The next step that may begin now; it counts as at work from here on. `None` when all have begun or one must end first.
    pub fn begin(&mut self) -> Option<usize> {
        while self.next < self.end && self.done.contains(&self.next) {
            self.next += 1;
        }
        let next = self.next;
        if next >= self.end || self.at_work.len() >= self.limit {
            return None;
        }
        if self.at_work.iter().any(|other| !self.steps[next].may_run_beside(&self.steps[*other])) {
            return None;
        }
        self.at_work.insert(next);
        self.next += 1;
        Some(next)
    }

    /// A step has ended.
    pub fn end(&mut self, index: usize) {
        self.at_work.remove(&index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::layout::Swap;

    fn swap(device: &str) -> Step {
        let swap = Swap { uuid: None, label: "".into(), page_bytes: 4096 };
        Step::MakeSwap { device: device.into(), swap }
    }

    fn open(device: &str) -> Step {
        let text = |text: &str| text.to_owned();
        let (uuid, name, node) = (text("u"), text("n"), format!("/dev/mapper/{device}"));
        Step::OpenLuks { device: device.into(), uuid, name, node, size_bytes: 1 }
    }

    #[test]
    fn in_order_and_never_two_on_one_device() {
        let steps = [open("a"), swap("/dev/mapper/a"), swap("b"), open("b"), swap("c"), Step::Extract, swap("d")];
        let mut schedule = Schedule::new(&steps, 0..7, [], 4);
        assert_eq!([schedule.begin(), schedule.begin()], [Some(0), None], "its node is not there yet");
        schedule.end(0);
        assert_eq!([schedule.begin(), schedule.begin(), schedule.begin()], [Some(1), Some(2), None], "b is at work");
        schedule.end(2);
        assert_eq!([schedule.begin(), schedule.begin(), schedule.begin()], [Some(3), Some(4), None]);
        [1, 3].into_iter().for_each(|index| schedule.end(index));
        assert_eq!(schedule.begin(), None, "the files need all of them");
        schedule.end(4);
        assert_eq!([schedule.begin(), schedule.begin()], [Some(5), None]);
        schedule.end(5);
        assert_eq!([schedule.begin(), schedule.begin()], [Some(6), None]);
    }

    #[test]
    fn what_is_done_is_left_out_and_the_limit_holds() {
        let steps: Vec<Step> = ["a", "b", "c", "d", "e"].into_iter().map(swap).collect();
        let mut schedule = Schedule::new(&steps, 1..5, [2], 2);
        assert_eq!([schedule.begin(), schedule.begin(), schedule.begin()], [Some(1), Some(3), None]);
        schedule.end(1);
        assert_eq!([schedule.begin(), schedule.begin()], [Some(4), None]);
        // Deriving two keys at once may be more than the memory holds.
        assert!(!open("a").may_run_beside(&open("b")));
        assert!(open("a").may_run_beside(&swap("b")));
        let wipe =
            |disk: &str| Step::WipeDisk { disk: disk.into(), device: lifeboat_machine::DeviceId("disk0".into()) };
        assert!(wipe("a").may_run_beside(&wipe("b")));
        assert!(!swap("a").may_run_beside(&wipe("b")));
    }
}
