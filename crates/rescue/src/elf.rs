//! What a dynamic linker would read from an ELF file (elf(5), ld.so(8)). Nothing is run, unlike ldd(1).

use goblin::elf::Elf;
use goblin::elf::dynamic::{DT_RPATH, DT_RUNPATH, DT_VERDEF};
use goblin::elf::program_header::PT_INTERP;
use std::collections::BTreeSet;

/// Class and machine: a library for another one is skipped, as by the linker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abi {
    /// 64-bit.
    pub wide: bool,
    /// `e_machine`.
    pub machine: u16,
}

/// The dynamic part of an ELF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dynamic {
    /// For which processor.
    pub abi: Abi,
    /// The program interpreter, `/lib64/ld-linux-x86-64.so.2`.
    pub interpreter: Option<String>,
    /// `DT_NEEDED`.
    pub needed: Vec<String>,
    /// `DT_RPATH`, ignored by the linker when there is a `DT_RUNPATH`.
    pub rpath: Vec<String>,
    /// `DT_RUNPATH`.
    pub runpath: Vec<String>,
    /// Symbol versions that it needs: library and version.
    pub wants: BTreeSet<(String, String)>,
    /// Symbol versions that it defines; `None` for a library without any.
    pub has: Option<BTreeSet<String>>,
    /// Libraries that it opens when it is run, from its `.note.dlopen`.
    pub opens: Vec<Opened>,
}

/// One feature of a `.note.dlopen` (systemd, `docs/ELF_DLOPEN_METADATA.md`).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Opened {
    /// Alternatives, the best first.
    pub soname: Vec<String>,
    /// `required`, `recommended` or `suggested`.
    #[serde(default)]
    pub priority: String,
}

impl Opened {
    /// What a library opens for one of its callers only. Programs of systemd list again, as recommended, what they use
    /// of it; the rest (PAM, FIDO2, BPF, QR codes) is for programs that a rescue system does not have.
    pub fn is_suggestion(&self) -> bool {
        self.priority == "suggested"
    }
}

/// True when the bytes begin like an ELF file.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Class and machine of an ELF file from its first bytes.
pub fn abi(bytes: &[u8]) -> Option<Abi> {
    if !is_elf(bytes) {
        return None;
    }
    let machine: [u8; 2] = bytes.get(18..20)?.try_into().ok()?;
    let machine = if bytes.get(5) == Some(&2) { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) };
    Some(Abi { wide: bytes.get(4) == Some(&2), machine })
}

/// Reads the dynamic part.
///
/// # Errors
/// What is wrong with the file.
pub fn parse(bytes: &[u8]) -> Result<Dynamic, String> {
    let abi = abi(bytes).ok_or("it is not an ELF file")?;
    let elf = Elf::parse(bytes).map_err(|e| format!("it is a damaged ELF file: {e}"))?;
    let interpreter = elf.program_headers.iter().find(|header| header.p_type == PT_INTERP).and(elf.interpreter);
    let mut wants = BTreeSet::new();
    if let Some(verneed) = &elf.verneed {
        for need in verneed.iter() {
            let Some(library) = elf.dynstrtab.get_at(need.vn_file) else { continue };
            for aux in need.iter() {
                // VER_FLG_WEAK: the linker continues without it.
                const WEAK: u16 = 2;
                if let Some(version) = elf.dynstrtab.get_at(aux.vna_name).filter(|_| aux.vna_flags & WEAK == 0) {
                    wants.insert((library.to_owned(), version.to_owned()));
                }
            }
        }
    }
    let has_verdef = elf.dynamic.as_ref().is_some_and(|d| d.dyns.iter().any(|entry| entry.d_tag == DT_VERDEF));
    let has = elf.verdef.as_ref().filter(|_| has_verdef).map(|verdef| {
        verdef
            .iter()
            .filter_map(|def| def.iter().next().and_then(|aux| elf.dynstrtab.get_at(aux.vda_name)))
            .map(str::to_owned)
            .collect()
    });
    let split = |tag: u64| -> Vec<String> {
        let entries = elf.dynamic.iter().flat_map(|dynamic| &dynamic.dyns).filter(|entry| entry.d_tag == tag);
        entries
            .filter_map(|entry| usize::try_from(entry.d_val).ok().and_then(|at| elf.dynstrtab.get_at(at)))
            .flat_map(|path| path.split(':'))
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect()
    };
    Ok(Dynamic {
        abi,
        interpreter: interpreter.map(str::to_owned),
        needed: elf.libraries.iter().map(|library| (*library).to_owned()).collect(),
        rpath: split(DT_RPATH),
        runpath: split(DT_RUNPATH),
        wants,
        has,
        opens: dlopen_notes(&elf, bytes),
    })
}

fn dlopen_notes(elf: &Elf<'_>, bytes: &[u8]) -> Vec<Opened> {
    // NT_FDO_DLOPEN_METADATA
    const DLOPEN: u32 = 0x407c_0c0a;
    let Some(notes) = elf.iter_note_headers(bytes) else { return vec![] };
    notes
        .filter_map(Result::ok)
        .filter(|note| note.n_type == DLOPEN)
        .filter_map(|note| {
            let end = note.desc.iter().position(|b| *b == 0).unwrap_or(note.desc.len());
            serde_json::from_slice::<Vec<Opened>>(&note.desc[..end]).ok()
        })
        .flatten()
        .collect()
}

/// The interpreter and its argument from the first line of a script (execve(2)).
pub fn shebang(bytes: &[u8]) -> Option<(String, Option<String>)> {
    let line = bytes.strip_prefix(b"#!")?;
    let end = line.iter().position(|b| *b == b'\n').unwrap_or(line.len()).min(255);
    let line = std::str::from_utf8(&line[..end]).ok()?.trim();
    match line.split_once(char::is_whitespace) {
        Some((interpreter, argument)) => Some((interpreter.to_owned(), Some(argument.trim().to_owned()))),
        None if line.is_empty() => None,
        None => Some((line.to_owned(), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program() {
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        let dynamic = parse(&bytes).unwrap();
        assert!(dynamic.needed.iter().any(|name| name == "libc.so.6"), "{dynamic:?}");
        assert!(dynamic.interpreter.is_some());
        assert!(
            dynamic.wants.iter().any(|(library, version)| library == "libc.so.6" && version.starts_with("GLIBC_2."))
        );
    }

    #[test]
    fn hostile_files_do_not_panic() {
        use proptest::prelude::*;
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        let start = bytes[..8192.min(bytes.len())].to_vec();
        proptest!(|(position in 0usize..1024, byte in any::<u8>(), length in 0usize..8192)| {
            let mut bytes = start.clone();
            bytes[position] = byte;
            let _ = parse(&bytes[..length]);
            shebang(&bytes[..length]);
        });
        assert_eq!(parse(b"#!/bin/sh").unwrap_err(), "it is not an ELF file");
    }

    #[test]
    fn suggestions_are_distinguished_from_what_is_used() {
        let text = r#"[{"feature":"pam","description":"d","priority":"suggested","soname":["libpam.so.0"]},
            {"feature":"kmod","priority":"recommended","soname":["libkmod.so.2"]},
            {"feature":"acl","priority":"required","soname":["libacl.so.1"]},{"soname":["libz.so.1"]}]"#;
        let opened: Vec<Opened> = serde_json::from_str(text).unwrap();
        let taken: Vec<&str> =
            opened.iter().filter(|opened| !opened.is_suggestion()).map(|opened| opened.soname[0].as_str()).collect();
        assert_eq!(taken, ["libkmod.so.2", "libacl.so.1", "libz.so.1"]);
    }

    #[test]
    fn scripts() {
        for (text, expected) in [
            ("#!/bin/sh\nx", Some(("/bin/sh", None))),
            ("#! /bin/bash -f \n", Some(("/bin/bash", Some("-f")))),
            ("#!/usr/bin/env python3\n", Some(("/usr/bin/env", Some("python3")))),
            ("#!\n", None),
            ("x", None),
        ] {
            let expected = expected.map(|(i, a): (&str, Option<&str>)| (i.to_owned(), a.map(str::to_owned)));
            assert_eq!(shebang(text.as_bytes()), expected, "{text}");
        }
    }
}
