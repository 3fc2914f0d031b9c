//! Mounting NFS with mount(2): the kernel does the protocol (nfs(5)), so the rescue system needs no mount.nfs.

use crate::address::Host;
use crate::{Fault, Patience};
use lifeboat_sys::mount::mount;
use std::net::IpAddr;
use std::path::Path;

/// NFS's usual port; version 3 asks the port mapper when none is named.
const PORT: u16 = 2049;
/// Newest first; a server refuses those that it does not support.
const VERSIONS: [&str; 4] = ["vers=4.2", "vers=4.1", "vers=4.0", "vers=3"];

/// Mounts an export at a directory that exists; version 4, or 3 where the server supports no other.
///
/// # Errors
/// When no version works; the fault has the errors of the first and the last one.
pub fn mount_export(place: &Host, target: &Path, writable: bool, patience: &Patience) -> Result<(), Fault> {
    let shown = crate::Address::Nfs(place.clone());
    patience.insist(|| {
        let address = place.resolve().map_err(|error| Fault::passing("RESOLVE", &place.host, error))?;
        let name = if place.host.contains(':') { format!("[{}]", place.host) } else { place.host.clone() };
        let source = format!("{name}:{}", place.path);
        let mut reported = vec![];
        for version in VERSIONS {
            let text = options(version, address, place.port, writable);
            let list: Vec<&str> = text.iter().map(String::as_str).collect();
            match mount(&source, target, "nfs", &list) {
                Ok(()) => return Ok(()),
                Err(error) => reported.push((version, error.source)),
            }
        }
        Err(sort(&shown.to_string(), &reported))
    })
}

/// `softerr`: a server that does not answer for some twenty seconds returns ETIMEDOUT, and the reader decides how long to
/// retry; a hard mount would hang silently.
fn options(version: &str, address: IpAddr, port: Option<u16>, writable: bool) -> Vec<String> {
    let access = if writable { "rw" } else { "ro" };
    let mut options: Vec<String> =
        [access, "nosuid", "nodev", "noexec", version, "softerr", "timeo=70", "retrans=1", "nolock"]
            .map(str::to_owned)
            .into();
    let family = if address.is_ipv4() { "tcp" } else { "tcp6" };
    options.push(format!("proto={family}"));
    options.push(format!("addr={address}"));
    if version == "vers=3" {
        // There is no lock daemon in the rescue system, and a repository needs no locks.
        options.push(format!("mountproto={family}"));
        options.push(format!("mountaddr={address}"));
        // A tunnel, or a server with one port for both; with the usual port the port mapper knows the mount daemon's.
        options.extend(port.filter(|port| *port != PORT).map(|port| format!("mountport={port}")));
    } else {
        // Only version 3 knows this option.
        options.retain(|option| option != "nolock");
    }
    options.extend(port.map(|port| format!("port={port}")));
    options
}

/// The result of the attempts. A server that is absent may appear; a refusal is final.
fn sort(place: &str, reported: &[(&str, std::io::Error)]) -> Fault {
    use std::io::ErrorKind;
    // EPROTONOSUPPORT (93), EOPNOTSUPP (95): the server has no such version; EINVAL: this kernel does not know it.
    let version_only = |error: &std::io::Error| matches!(error.raw_os_error(), Some(93 | 95 | 22));
    let telling = reported.iter().find(|(_, error)| !version_only(error)).or(reported.last());
    let Some((version, error)) = telling else { return Fault::ended("MOUNT", place, "no version was tried") };
    let version = version.trim_start_matches("vers=");
    let cause = format!("{error} (NFS version {version})");
    match error.kind() {
        ErrorKind::NotFound => Fault::ended("MOUNT", place, format!("the server does not export this path; {cause}")),
        ErrorKind::PermissionDenied => {
            Fault::ended("MOUNT", place, format!("{cause}; try exporting it to this machine's address (exports(5))"))
        }
        // ENODEV: the kernel has no NFS.
        _ if error.raw_os_error() == Some(19) => {
            Fault::ended("MOUNT", place, "this kernel has no NFS support; try loading the modules nfs, nfsv4 and nfsv3")
        }
        _ if version_only(error) => {
            Fault::ended("MOUNT", place, format!("the server supports no NFS version that Lifeboat supports: {cause}"))
        }
        _ => Fault::passing("MOUNT", place, cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Error;

    #[test]
    fn options_of_each_version() {
        let v4 = options("vers=4.2", "192.0.2.9".parse().unwrap(), None, false).join(",");
        assert_eq!(v4, "ro,nosuid,nodev,noexec,vers=4.2,softerr,timeo=70,retrans=1,proto=tcp,addr=192.0.2.9");
        let v3 = options("vers=3", "fd00::9".parse().unwrap(), Some(20049), true).join(",");
        assert_eq!(
            v3,
            "rw,nosuid,nodev,noexec,vers=3,softerr,timeo=70,retrans=1,nolock,proto=tcp6,addr=fd00::9,mountproto=tcp6,\
             mountaddr=fd00::9,mountport=20049,port=20049"
        );
        let usual = options("vers=3", "192.0.2.9".parse().unwrap(), Some(PORT), true).join(",");
        assert!(usual.ends_with("mountaddr=192.0.2.9,port=2049"), "{usual}");
    }

    #[test]
    fn the_most_telling_cause_is_reported() {
        let raw = Error::from_raw_os_error;
        let old_server = sort("nfs://nas/x", &[("vers=4.2", raw(93)), ("vers=3", raw(13))]);
        assert!(matches!(&old_server, Fault::Final(text) if text.contains("version 3") && text.contains("exports(5)")));
        assert!(matches!(sort("p", &[("vers=4.2", raw(111)), ("vers=3", raw(111))]), Fault::Passing(_)));
        assert!(matches!(sort("p", &[("vers=4.2", raw(110))]), Fault::Passing(_)));
        assert!(
            matches!(sort("p", &[("vers=4.2", raw(2))]), Fault::Final(text) if text.contains("does not export this path"))
        );
        assert!(matches!(sort("p", &[("vers=4.2", raw(19))]), Fault::Final(text) if text.contains("modules")));
    }
}
