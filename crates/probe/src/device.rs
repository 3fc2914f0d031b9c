//! [`content_of`]: what one device or image file holds, unmounted.

use crate::content;
use crate::context::Context;
use crate::report::{Findings, Refusal};
use crate::sysroot::Sysroot;
use lifeboat_machine::Content;
use lifeboat_sys::Runner;

/// Reads what a device or an image file holds without mounting it: no usage, no btrfs profiles and subvolumes.
///
/// # Errors
/// What could not be rebuilt.
pub fn content_of(runner: &dyn Runner, device: &str) -> Result<Content, Vec<Refusal>> {
    let sysroot = Sysroot::default();
    let context = Context::new(runner, &sysroot);
    let mut findings = Findings::default();
    let signature = content::signature(&context, device, &mut findings);
    let content = signature.map(|signature| content::read(&context, device, &signature, &[], &mut findings));
    match content {
        Some(content) if findings.refusals.is_empty() => Ok(content),
        _ => Err(findings.refusals),
    }
}
