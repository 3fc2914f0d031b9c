//! [`activate`]: layer upon layer, until nothing new appears.

use crate::blocks::Blocks;
use crate::layer::{Activated, Incomplete, Problem, StorageError};
use crate::{luks, lvm, md, multipath, record};
use lifeboat_sys::Runner;
use std::path::Path;

/// Layers that are activated upon each other.
const DEEPEST: usize = 8;

/// Activates everything that needs no passphrase, layer upon layer until nothing new appears, and writes down what was
/// activated in `run` (/run/lifeboat). `sys` is /sys.
///
/// # Errors
/// [`RunError`] when the devices cannot be listed. What a single layer lacks is among [`Activated::problems`].
pub fn activate(
    runner: &dyn Runner,
    sys: &Path,
    run: &Path,
    incomplete: Incomplete,
) -> Result<Activated, StorageError> {
    let mut activated = Activated::default();
    // Each round adds a layer; nobody stacks more than these, and a tool that claims success without effect ends here.
    for depth in 0..=DEEPEST {
        let devices = Blocks::identified(runner, sys)?;
        let mut round = Activated::default();
        for layer in [multipath::activate, md::activate, lvm::activate] {
            layer(runner, &devices, incomplete, &mut round);
        }
        round.layers.retain(|layer| !activated.layers.contains(layer));
        activated.problems = round.problems;
        activated.locked = luks::locked(&devices);
        if round.layers.is_empty() {
            break;
        }
        if depth == DEEPEST {
            let latest = &round.layers[0];
            activated.problems.push(Problem::TooDeep { layer: latest.clone(), depth: DEEPEST });
        }
        record::add(run, &round.layers)?;
        activated.layers.append(&mut round.layers);
    }
    Ok(activated)
}
