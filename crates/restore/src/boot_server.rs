//! The server of the boot tree is told when the machine was recovered: a machine that tries the network first at each start, and is armed there,
//! would be recovered again and again.

use crate::rescue::RescueSystem;
use lifeboat_machine::netboot::{DONE, DONE_FILE, Done, MACHINES};
use lifeboat_machine::parameters::After;
use lifeboat_machine::{Event, EventSink};
use lifeboat_remote::webhook;
use std::time::Duration;

/// How long it is tried.
const LIMIT: Duration = Duration::from_secs(60);

/// Tells the server, if the rescue system came from a boot tree in which the machine was armed. Where that fails, the machine does not restart
/// by itself.
pub fn tell(rescue: &RescueSystem, sink: &dyn EventSink) {
    let Some(url) = &rescue.parameters.netboot else { return };
    let Ok(json) = std::fs::read(rescue.directories.embedded.join(DONE_FILE)) else { return };
    let told = serde_json::from_slice::<Done>(&json).map_err(|error| error.to_string()).and_then(|done| {
        let address = format!("{url}/{MACHINES}/{}/{DONE}", done.folder);
        webhook::post(&address, done.secret.into_bytes(), LIMIT).map_err(|fault| fault.to_string())
    });
    match told {
        Ok(()) => sink.emit(&Event::Note {
            text: "the boot server knows that the machine was recovered: it starts from its own disk".into(),
        }),
        Err(why) => {
            let text = format!(
                "the boot server does not know that the machine was recovered ({why}): at its next start from the network it would be recovered \
                 again, so it does not restart by itself; try removing the file 'armed' of this machine in the boot tree, or starting from the \
                 disk"
            );
            sink.emit(&Event::Warning { text });
            let after = serde_json::to_vec(&After::Shell).unwrap_or_default();
            if let Err(error) = std::fs::write(rescue.directories.run.join("after.json"), after) {
                sink.emit(&Event::Warning { text: format!("cannot WRITE after.json: {error}") });
            }
        }
    }
}
