//! All that the interactive mode knows and shows. It changes in [`crate::update`] alone.

pub use crate::facts::Facts;
use crate::field::{Field, Picker};
use crate::key::Key;
use crate::look::Look;
use crate::progress::Progress;
pub use crate::request::{KeyOf, Request, Typed};
use crate::review::Line;
use lifeboat_machine::parameters::After;
use lifeboat_machine::{Device, DeviceId, Event, FoundDisk, FoundHardware, Machine};
use lifeboat_plan::{Move, Plan, Policy};
use lifeboat_restore::Disks;
use lifeboat_restore::archive_places::ArchivePlace;
use lifeboat_restore::rescue::RescueSystem;
use lifeboat_restore::session::{Backup, ListedFile, Opened, RestoredFiles};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Machine, medium, and what to do.
    Welcome,
    /// Naming another archive.
    Source,
    /// Asking for the key.
    Key,
    /// Which backup.
    Snapshots,
    /// The disks that are there.
    Hardware,
    /// Which recorded disk goes where.
    Mapping,
    /// A disk for one recorded disk.
    Target,
    /// Partitions: sizes, filesystems, places.
    Layout,
    /// Typing a size.
    Size,
    /// Which kind of filesystem.
    Kind,
    /// Where a partition is.
    Spot,
    /// RAID, LVM, encryption.
    Storage,
    /// A new passphrase, typed twice.
    Passphrase,
    /// What will be done.
    Review,
    /// Asking for the machine's name.
    Confirm,
    /// Which files.
    Files,
    /// Where they go.
    Destination,
    /// Work.
    Progress,
    /// The result.
    Result,
    /// Where logs are saved.
    Save,
    /// Keyboard layouts.
    Keyboard,
}

/// What the person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The whole machine.
    Machine,
    /// Some files.
    Files,
}

/// A line of the welcome menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Continues.
    Start(Goal),
    /// Names another archive.
    Source,
    /// Chooses a keyboard layout.
    Keyboard,
    /// Saves logs.
    Save,
    /// Ends.
    Leave(After),
    /// Back to the beginning, after a failure or when files were restored.
    Again,
}

/// The welcome menu.
pub const WELCOME: [Choice; 8] = [
    Choice::Start(Goal::Machine),
    Choice::Start(Goal::Files),
    Choice::Source,
    Choice::Keyboard,
    Choice::Save,
    Choice::Leave(After::Shell),
    Choice::Leave(After::Reboot),
    Choice::Leave(After::Poweroff),
];

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The machine is restored.
    Restored {
        /// Entries.
        entries: u64,
        /// How long it took.
        seconds: f64,
        /// Entries that a damaged archive could not provide, or that differ.
        missing: u64,
    },
    /// It failed.
    Failed {
        /// Why.
        reason: String,
        /// The state of the disks.
        disks: Disks,
    },
    /// Files are restored, perhaps not all.
    Files(RestoredFiles),
}

impl Outcome {
    /// A machine that starts, although not every entry was restored.
    pub fn is_bootable(&self) -> bool {
        matches!(self, Outcome::Failed { disks: Disks::Rebuilt, .. })
    }
}

/// A line below the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Good to know.
    Info(String),
    /// What went wrong.
    Error(String),
}

/// The file list.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The text to search for.
    pub query: Field,
    /// The first results.
    pub found: Vec<ListedFile>,
    /// How many there are.
    pub count: u64,
    /// A search is running.
    pub searching: bool,
    /// The chosen line.
    pub picker: Picker,
    /// The chosen paths.
    pub chosen: BTreeSet<PathBuf>,
}

/// All that is shown.
#[derive(Clone, Debug)]
pub struct Model {
    /// What the terminal can show.
    pub look: Look,
    /// Its columns and rows.
    pub size: (u16, u16),
    /// Seconds since the start.
    pub clock: u64,
    /// What is on the screen.
    pub screen: Screen,
    /// Where Esc leads.
    pub back: Vec<Screen>,
    /// The notice below the body.
    pub notice: Option<Notice>,
    /// What the worker is doing; keys have to wait.
    pub busy: Option<String>,
    /// It looks into an archive on a running machine: there is no machine to recover, and the only thing written is a folder.
    pub running: bool,
    /// What is known from the start.
    pub facts: Facts,
    /// The welcome menu.
    pub welcome: Picker,
    /// What the person wants.
    pub goal: Goal,
    /// The other source that was named.
    pub source: Option<String>,
    /// Devices with files.
    pub places: Vec<ArchivePlace>,
    /// The list of places, the typed one last.
    pub place: Picker,
    /// A place that is typed.
    pub typed_place: Field,
    /// The key.
    pub key: Field,
    /// It is shown as typed.
    pub key_shown: bool,
    /// Why it is asked for.
    pub key_reason: String,
    /// What it opens.
    pub key_of: KeyOf,
    /// The backups, oldest first.
    pub snapshots: Vec<Backup>,
    /// The chosen one.
    pub snapshot: Picker,
    /// The machine as it shall come back: as the chosen backup or an edited description says, with the moves that were chosen.
    pub machine: Option<Machine>,
    /// The machine as recorded by the chosen backup, and the description that the moves start from.
    pub origin: Option<Box<(Machine, Machine)>>,
    /// The disks that are there.
    pub hardware: FoundHardware,
    /// The chosen found disk.
    pub disk: Picker,
    /// What the person allows.
    pub policy: Policy,
    /// What the kernel parameters allowed, before the person chose anything.
    pub given: Policy,
    /// The plan, or why there is none.
    pub plan: Result<Plan, String>,
    /// The chosen recorded disk; the lines behind them are actions.
    pub mapping: Picker,
    /// The chosen target for it; the first line is "by itself".
    pub target: Picker,
    /// The chosen partition; the lines around them are actions.
    pub layout: Picker,
    /// A size that is typed.
    pub size_text: Field,
    /// The chosen kind of filesystem; the first line is "as recorded".
    pub kind: Picker,
    /// The chosen place for a partition.
    pub spot: Picker,
    /// The chosen storage for a partition; the first line is "as recorded".
    pub storage: Picker,
    /// The move that waits for a passphrase.
    pub pending: Option<Move>,
    /// The passphrase once more.
    pub repeated: Field,
    /// It is being typed for the second time.
    pub repeating: bool,
    /// The plan for reading.
    pub review: Vec<Line>,
    /// Its first line on the screen.
    pub scroll: usize,
    /// The machine's name, as typed.
    pub name: Field,
    /// What a damaged archive cannot give, each with the reason: the person is asked once more.
    pub lost: Vec<(PathBuf, String)>,
    /// Files to restore.
    pub files: Files,
    /// A folder is typed, not the machine's own places.
    pub destination: Picker,
    /// The folder.
    pub folder: Field,
    /// How far the work is.
    pub progress: Progress,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// How the last attempt to recover the machine ended, whatever has been done since.
    pub recovered: Option<Outcome>,
    /// What follows.
    pub ending: Picker,
    /// Keyboard layouts.
    pub keymaps: Vec<(String, PathBuf)>,
    /// The chosen one.
    pub keymap: Picker,
    /// The beginning of its name.
    pub keymap_filter: Field,
}

/// What happens.
#[derive(Debug)]
pub enum Input {
    /// A key.
    Key(Key),
    /// The terminal has this size now.
    Size(u16, u16),
    /// Seconds since the start.
    Clock(u64),
    /// A message from the worker.
    Message(Message),
    /// The terminal is gone: a serial line was hung up, a session was cut.
    Lost,
}

/// Messages from the worker. Errors are texts: only people read them.
#[derive(Debug)]
pub enum Message {
    /// Something happened during work.
    Event(Event),
    /// A source was opened.
    Opened(Result<Opened, String>),
    /// A snapshot was taken: the machine as recorded, and as it shall come back.
    Chosen(Result<Box<(Machine, Machine)>, String>),
    /// The passphrase of a device that is encrypted anew was kept.
    PassphraseKept(Result<(), String>),
    /// A snapshot was opened for looking, on a running machine.
    Ready(Result<(), String>),
    /// Encrypted devices of the machine that no key opens so far, and whether what was typed opened one.
    Keys(Result<(Vec<String>, bool), String>),
    /// The disks that are there.
    Hardware(Result<FoundHardware, String>),
    /// A search for files ended.
    Found {
        /// The text that was searched for.
        query: String,
        /// The first results, and how many there are.
        result: Result<(Vec<ListedFile>, u64), String>,
    },
    /// The machine's recovery ended, with the number of entries lost in a damaged archive; an error with its reason, and
    /// the state of the disks.
    Recovered(Result<u64, (String, Disks)>),
    /// The archive is damaged, and nothing was touched: what cannot be restored, each with the reason.
    Damaged(Vec<(PathBuf, String)>),
    /// Restoring files ended.
    FilesRestored(Result<RestoredFiles, (String, Disks)>),
    /// Devices with files.
    Places(Result<Vec<ArchivePlace>, String>),
    /// Logs were saved there.
    Saved(Result<String, String>),
    /// A keyboard layout was loaded.
    KeymapLoaded(Result<String, String>),
}

/// What an update requests.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Work.
    Work(Request),
    /// Paint everything again.
    Repaint,
    /// The end.
    Leave(After),
}

impl Model {
    /// The initial model.
    pub fn new(rescue: &RescueSystem, keymaps: Vec<(String, PathBuf)>, look: Look) -> Model {
        let policy = lifeboat_restore::nuke::policy(&rescue.parameters);
        Model::with(Facts::of(rescue), policy, keymaps, look)
    }

    /// The model of a running machine that looks into an archive: its snapshots, oldest first, and the folder that is offered.
    pub fn browsing(machine: String, snapshots: Vec<Backup>, folder: &str, look: Look) -> Model {
        let facts = Facts { machine, has_archive: true, ..Facts::default() };
        let newest = Picker { at: snapshots.len().saturating_sub(1) };
        Model {
            running: true,
            screen: Screen::Snapshots,
            goal: Goal::Files,
            snapshots,
            snapshot: newest,
            folder: Field::with(folder),
            ..Model::with(facts, Policy::default(), vec![], look)
        }
    }

    fn with(facts: Facts, policy: Policy, keymaps: Vec<(String, PathBuf)>, look: Look) -> Model {
        Model {
            look,
            size: (80, 24),
            clock: 0,
            screen: Screen::Welcome,
            back: vec![],
            notice: None,
            busy: None,
            running: false,
            facts,
            welcome: Picker::default(),
            goal: Goal::Machine,
            source: None,
            places: vec![],
            place: Picker::default(),
            typed_place: Field::default(),
            key: Field::default(),
            key_shown: false,
            key_reason: String::new(),
            key_of: KeyOf::Archive,
            snapshots: vec![],
            snapshot: Picker::default(),
            machine: None,
            origin: None,
            hardware: FoundHardware::default(),
            disk: Picker::default(),
            policy: policy.clone(),
            given: policy,
            plan: Err(String::new()),
            mapping: Picker::default(),
            target: Picker::default(),
            layout: Picker::default(),
            size_text: Field::default(),
            kind: Picker::default(),
            spot: Picker::default(),
            storage: Picker::default(),
            pending: None,
            repeated: Field::default(),
            repeating: false,
            review: vec![],
            scroll: 0,
            name: Field::default(),
            lost: vec![],
            files: Files::default(),
            destination: Picker::default(),
            folder: Field::with("/mnt/restored"),
            progress: Progress::default(),
            outcome: None,
            recovered: None,
            ending: Picker::default(),
            keymaps,
            keymap: Picker::default(),
            keymap_filter: Field::default(),
        }
    }

    /// Rows inside the frame.
    pub fn rows(&self) -> usize {
        usize::from(self.size.1).saturating_sub(5).max(1)
    }

    /// Columns inside the frame.
    pub fn columns(&self) -> usize {
        usize::from(self.size.0).saturating_sub(4).max(10)
    }

    /// Recorded disks that hold something.
    pub fn recorded(&self) -> Vec<&Device> {
        let disks = self.machine.iter().flat_map(|machine| machine.layout.disks());
        disks.map(|(device, _)| device).filter(|d| d.content != lifeboat_machine::Content::Empty).collect()
    }

    /// The recorded disk for which a target is chosen.
    pub fn mapped(&self) -> Option<&Device> {
        self.recorded().get(self.mapping.at).copied()
    }

    /// The person's choice for a recorded disk.
    pub fn choice_for(&self, device: &DeviceId) -> Option<&FoundDisk> {
        let (_, id) = self.policy.map.iter().find(|(of, _)| of == device)?;
        self.hardware.disks.iter().find(|disk| lifeboat_plan::matching::answers_to(disk, id))
    }

    /// Whether the person allowed a disk to be wiped.
    pub fn may_wipe(&self, disk: &FoundDisk) -> bool {
        self.policy.wipe.iter().any(|id| lifeboat_plan::matching::answers_to(disk, id))
    }

    /// Keyboard layouts that fit what was typed.
    pub fn fitting_keymaps(&self) -> Vec<&(String, PathBuf)> {
        let typed = self.keymap_filter.text().to_lowercase();
        self.keymaps.iter().filter(|(name, _)| name.to_lowercase().contains(&typed)).collect()
    }

    /// What can follow the result.
    pub fn endings(&self) -> Vec<Choice> {
        let leave = [Choice::Leave(After::Reboot), Choice::Leave(After::Poweroff), Choice::Leave(After::Shell)];
        match &self.outcome {
            _ if self.running => vec![Choice::Again, Choice::Leave(After::Shell)],
            Some(Outcome::Restored { .. }) => [&leave[..], &[Choice::Save]].concat(),
            // The machine starts: that comes first, as after a recovery without problems.
            Some(outcome) if outcome.is_bootable() => [&leave[..], &[Choice::Save, Choice::Again]].concat(),
            _ => [&[Choice::Again], &leave[..], &[Choice::Save]].concat(),
        }
    }
}
