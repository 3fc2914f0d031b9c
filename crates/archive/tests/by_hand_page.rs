//! The handbook has the text that volumes have.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

use lifeboat_archive::stream::by_hand::TEXT;
use std::path::Path;

#[test]
fn the_handbook_says_what_volumes_say() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/by-hand.md");
    assert!(std::fs::read_to_string(page).unwrap().contains(TEXT.trim()), "copy stream::by_hand::TEXT into by-hand.md");
}
