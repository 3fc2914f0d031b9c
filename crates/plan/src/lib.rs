//! Pure recovery planning: machine × found hardware × policy → [`Plan`].
//!
//! Nothing here touches the system. [`fn@plan`] computes everything that will be wiped, made or resized before the first
//! byte is written; `rebuild` applies the steps. A plan prints as what a person must know before saying yes.
//!
//! | module | holds |
//! | --- | --- |
//! | [`policy`] | what may be done to it |
//! | [`step`] | [`Step`]: one action as a value |
//! | [`assemble`] | [`fn@plan`] |
//! | `made` | which kinds of storage are made |
//! | `nodes` | the device nodes that recorded devices will have |
//! | `steps` | the ordered steps |
//! | `boot_copies` | what starts the machine, on each disk of a mirror |
//! | `device_names` | what configuration may call a device |
//! | `controller` | storage controllers, as modaliases and as people call them |
//! | `kind_changes` | what follows when a filesystem is of another kind |
//! | [`matched`] | by what a found disk was taken for a recorded one |
//! | [`matching`] | which found disk takes the place of which recorded one |
//! | [`wipe`] | which disks may be wiped |
//! | [`table`] | a recorded disk laid out on a found one |
//! | `ground` | what carries a table or a content |
//! | `demand` | what a device must have for all that lies on it |
//! | `groups` | volumes of a group on other physical volumes |
//! | `upper` | the sizes of what is made of other devices |
//! | [`edit`] | what a policy changes about partitions: kinds of filesystems, places, sizes, those left out |
//! | [`moves`] | a machine on other storage than it was recorded on |
//! | [`consequence`] | what follows from it in the restored system |
//! | [`filesystem_kind`] | filesystems of another kind than recorded |
//! | [`size`] | the size solver |
//! | [`resize`] | what a filesystem needs, and what it becomes at another size |
//! | [`bounds`] | a computed table against the disk's end and its own room |
//! | [`need`] | what a step needs before the first one may be done |
//! | [`room`] | whether what a restore writes fits |
//! | [`schedule`] | which steps may be done at the same time |
//! | `several` | btrfs on several devices |
//! | [`display`] | plans for people |
//! | [`mod@diff`] | what changed between two recordings |
//! | [`error`] | why there is no plan |

// A new kind of device, content, step or layer must be thought of in every place that distinguishes kinds.
#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

pub mod assemble;
mod boot_copies;
pub mod bounds;
pub mod consequence;
mod controller;
mod demand;
mod device_names;
pub mod diff;
pub mod display;
pub mod edit;
pub mod error;
pub mod filesystem_kind;
mod ground;
mod groups;
mod kind_changes;
mod made;
pub mod matched;
pub mod matching;
pub mod moves;
pub mod need;
mod nodes;
pub mod policy;
pub mod resize;
pub mod room;
pub mod schedule;
mod several;
pub mod size;
pub mod step;
mod steps;
pub mod table;
mod upper;
pub mod wipe;

pub use assemble::{plan, plan_as, plan_wanted, wanted};
pub use diff::{Change, diff};
pub use error::PlanError;
pub use filesystem_kind::FilesystemKind;
pub use matched::MatchedBy;
pub use moves::{Move, SecondDisk};
pub use need::Need;
pub use policy::Policy;
pub use schedule::Schedule;
pub use step::{ArrayDevice, ChangedFilesystem, FurtherDevice, MovedStorage, PhysicalVolume, Plan, Step, Target};
