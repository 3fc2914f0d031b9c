//! What the stages share. Built by stage 1, owned by [`crate::boot`].

use crate::children::Children;
use crate::clock;
use crate::hotplug::Hotplug;
use crate::loader;
use crate::report::Reporter;
use crate::source::wanted::Wanted;
use lifeboat_machine::source::FoundMedium;
use lifeboat_machine::unattended::UnattendedPolicy;
use lifeboat_machine::{Event, EventSink as _, Machine, MediumManifest, Parameters};
use lifeboat_sys::tape::Volume;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Everything that outlives a stage.
pub struct Init {
    /// Where lines and events go.
    pub reporter: Arc<Reporter>,
    /// Starts programs.
    pub children: Arc<Children>,
    /// When init started, counted from the kernel's start.
    pub started: Duration,
    /// Our kernel parameters.
    pub parameters: Parameters,
    /// The whole kernel command line.
    pub command_line: String,
    /// The kernel's consoles by name, the main one last.
    pub consoles: Vec<String>,
    /// Drivers.
    pub hotplug: Arc<Hotplug>,
    /// What the initramfs says about machine and medium.
    pub identity: Identity,
    /// The medium, once found.
    pub source: Option<FoundMedium>,
    /// The tape that holds the archive, once found.
    pub tape: Option<Volume>,
    /// Where the archive is, as far as the parameters say.
    pub wanted: Wanted,
    /// Why there is no network, one reason each, when one was needed.
    pub network_failures: Vec<String>,
    /// The tools image is over /usr.
    pub tools_mounted: bool,
}

/// The machine and the medium to which this rescue system belongs.
#[derive(Debug, Default)]
pub struct Identity {
    /// `manifest.json`, byte for byte.
    pub manifest_bytes: Vec<u8>,
    /// The same, read.
    pub manifest: Option<MediumManifest>,
    /// `machine.json`.
    pub machine: Option<Machine>,
    /// `policy.json`, when the medium has one.
    pub policy: Option<UnattendedPolicy>,
    /// What is wrong with them.
    pub faults: Vec<String>,
}

impl Identity {
    /// Reads both files in `directory` (/lifeboat).
    pub fn read(directory: &Path) -> Identity {
        let mut identity = Identity::default();
        let read = |name: &str| -> Result<Vec<u8>, String> {
            let path: PathBuf = directory.join(name);
            std::fs::read(&path).map_err(|error| format!("cannot READ {}: {error}", path.display()))
        };
        match read("manifest.json") {
            Err(fault) => identity.faults.push(fault),
            Ok(bytes) => {
                match MediumManifest::from_json(&bytes) {
                    Ok(manifest) => identity.manifest = Some(manifest),
                    Err(error) => identity.faults.push(format!("cannot USE /lifeboat/manifest.json: {error}")),
                }
                identity.manifest_bytes = bytes;
            }
        }
        match read("machine.json").map(|bytes| Machine::from_json(&bytes)) {
            Err(fault) => identity.faults.push(fault),
            Ok(Ok(machine)) => identity.machine = Some(machine),
            Ok(Err(error)) => identity.faults.push(error.to_string()),
        }
        // Only media of machines with a policy have it.
        if let Ok(bytes) = read("policy.json") {
            match serde_json::from_slice(&bytes) {
                Ok(policy) => identity.policy = Some(policy),
                Err(error) => identity.faults.push(format!("cannot READ /lifeboat/policy.json: {error}")),
            }
        }
        identity
    }

    /// Name of the machine, for messages.
    pub fn machine_name(&self) -> &str {
        let named = self.manifest.as_ref().map(|manifest| manifest.machine_name.as_str());
        named.or(self.machine.as_ref().map(|machine| machine.name.as_str())).unwrap_or("an unknown machine")
    }

    /// Id of the medium, for messages.
    pub fn medium_id(&self) -> &str {
        self.manifest.as_ref().map_or("", |manifest| &manifest.medium_id)
    }
}

impl Init {
    /// Reads the index of modules again and retries every device that has no driver.
    pub fn use_tools_modules(&self) {
        self.hotplug.replace_loader(loader::loader(&self.command_line, &self.children, &self.reporter));
        self.hotplug.cold_plug(true);
    }

    /// Loads drivers also for what is not essential, now that the boot waits for a person and not the other way round.
    pub fn load_everything(&self) {
        // The loader is replaced first, because the new one does not know what the old one is loading.
        if self.tools_mounted {
            self.use_tools_modules();
        }
        self.hotplug.load_deferred();
    }

    /// Runs a stage and reports how long it took.
    pub fn stage<T>(&mut self, name: &str, work: impl FnOnce(&mut Init) -> T) -> T {
        let begun = clock::now();
        let result = work(self);
        self.reporter.emit(&stage_event(name, begun));
        result
    }
}

/// The event of a stage that ends now.
pub fn stage_event(name: &str, begun: Duration) -> Event {
    Event::Stage { name: name.to_owned(), seconds: clock::now().saturating_sub(begun).as_secs_f64() }
}
