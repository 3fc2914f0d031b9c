//! [`Facts`]: what is known before anything was chosen.

use lifeboat_restore::rescue::RescueSystem;
use std::borrow::Cow;

/// What is known from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Name of the machine.
    pub machine: String,
    /// Its system.
    pub system: String,
    /// When it was recorded.
    pub recorded_at: String,
    /// The medium, for people.
    pub medium: String,
    /// Invalid kernel parameters.
    pub mistakes: Vec<String>,
    /// The archive that the parameters name, when it is not on the medium.
    pub elsewhere: Option<String>,
    /// There is an archive: on the medium, or elsewhere.
    pub has_archive: bool,
}

impl Facts {
    /// Those of a rescue system.
    pub(crate) fn of(rescue: &RescueSystem) -> Facts {
        let manifest = &rescue.manifest;
        let short = lifeboat_machine::stick::short_id(&manifest.medium_id);
        let key = match (manifest.has_archive(), manifest.embedded_key) {
            (false, _) => "without an archive",
            (true, true) => "with archive and key",
            (true, false) => "with archive, without its key",
        };
        let medium = match (&rescue.source, &rescue.tape) {
            (_, Some(tape)) => format!("tape in {}: volume {} of {}", tape.device.display(), tape.volume, tape.time),
            (Some(source), None) => format!("{short} ({}, {}), {key}", source.kind, source.device.display()),
            (None, None) => "not found; try naming another archive, or inserting the medium and restarting".to_owned(),
        };
        let elsewhere = rescue.archive_elsewhere().map(Cow::into_owned);
        Facts {
            machine: rescue.machine.name.clone(),
            system: rescue.machine.os.pretty_name.clone(),
            recorded_at: rescue.machine.recorded_at.clone(),
            medium,
            mistakes: rescue.parameters.mistakes.clone(),
            has_archive: elsewhere.is_some() || rescue.source.is_some() && manifest.has_archive(),
            elsewhere,
        }
    }
}
