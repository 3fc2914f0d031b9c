//! Verifies what boots from a medium ([`BootList`]): it runs before the rescue system can verify anything itself, so only a
//! trusted machine can show whether it was changed.

use crate::efi;
use crate::failure::Failure;
use crate::view::View;
use lifeboat_archive::{Secret, seal};
use lifeboat_machine::boot_list::{BOOT_LIST, EFI_PARTITION, SEAL_CONTEXT};
use lifeboat_machine::{BootList, MediumManifest};
use std::path::Path;

/// A list has some kilobytes.
const LONGEST: u64 = 16 << 20;

/// The result of checking the seal of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// It was written by somebody who has the key.
    Fits,
    /// It was made with another key, or the list was changed.
    Broken,
    /// The medium was made without a key.
    Unsealed,
    /// There is no key here to verify it with.
    NoKey,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootReport {
    /// Files that were compared.
    pub files: usize,
    /// Parts of the image that were compared; `None` where only files can be read.
    pub ranges: Option<usize>,
    /// Each thing that has changed: "NAME PROBLEM".
    pub problems: Vec<String>,
    /// The state of the seal.
    pub sealed: Sealed,
    /// Whose key signed what UEFI starts, on a medium that is signed.
    pub signed_by: Option<String>,
}

/// Compares all that boots with the medium's list, and the list's seal with `secret`.
///
/// # Errors
/// When the medium cannot be listed. Differences are in the report.
pub fn verify(view: &View<'_>, manifest: &MediumManifest, secret: Option<&Secret>) -> Result<BootReport, Failure> {
    let of_list = format!("lifeboat/{BOOT_LIST}");
    let mut report = BootReport { files: 0, ranges: None, problems: vec![], sealed: Sealed::NoKey, signed_by: None };
    let unlisted = |problem: String| format!("{of_list} {problem}");
    let json = match view.read(&of_list, LONGEST) {
        Ok(json) => json,
        Err(problem) => {
            let old = "; without it, changes to what boots cannot be detected; try building the medium again";
            report.problems.push(unlisted(format!("{problem}{old}")));
            return Ok(report);
        }
    };
    let list = match BootList::from_json(&json) {
        Ok(list) => list,
        Err(error) => {
            report.problems.push(unlisted(format!("cannot be used: {error}")));
            return Ok(report);
        }
    };
    if list.medium_id != manifest.medium_id {
        report.problems.push(unlisted(format!("belongs to the medium {}", list.medium_id)));
    }
    report.sealed = sealed(&list, secret);
    for (path, digest) in &list.files {
        report.files += 1;
        if let Err(problem) = view.check(path, digest, &|_| {}) {
            report.problems.push(format!("{path} {problem}"));
        }
    }
    let in_manifest = |path: &str| path.strip_prefix("lifeboat/").is_some_and(|name| manifest.files.contains_key(name));
    // What later backups write is no part of what boots.
    let written = manifest.repository_folder();
    for path in view.paths(None)?.into_iter().flatten() {
        if written.is_some_and(|folder| Path::new(&path).starts_with(folder)) {
            continue;
        }
        // The volume of a set has a seal of its own.
        let is_volume = path.strip_prefix("lifeboat/").is_some_and(|name| manifest.first_volume() == Some(name));
        if path != of_list && !list.files.contains_key(&path) && !in_manifest(&path) && !is_volume {
            report.problems.push(format!("{path} does not belong to the medium"));
        }
    }
    if let Some(size) = view.image_bytes() {
        if size < list.image_bytes {
            report.problems.push(format!("the image has {size} bytes instead of {}", list.image_bytes));
        }
        for range in &list.ranges {
            if let Err(problem) = view.check_range(range.offset, &range.digest) {
                report.problems.push(format!("{} {problem}", range.name));
            }
        }
        report.ranges = Some(list.ranges.len());
        if let Some(range) = list.ranges.iter().find(|range| range.name == EFI_PARTITION) {
            match efi::signed_by(view, range.offset, range.digest.size_bytes) {
                Ok(signer) => report.signed_by = signer,
                Err(problem) => report.problems.push(format!("{} {problem}", efi::PROGRAM)),
            }
        }
    }
    Ok(report)
}

fn sealed(list: &BootList, secret: Option<&Secret>) -> Sealed {
    match (&list.seal, secret) {
        (None, _) => Sealed::Unsealed,
        (Some(_), None) => Sealed::NoKey,
        (Some(text), Some(secret)) => {
            match seal::fits(secret, SEAL_CONTEXT, list.medium_id.as_bytes(), &list.sealed_bytes(), text) {
                Ok(true) => Sealed::Fits,
                _ => Sealed::Broken,
            }
        }
    }
}
