//! Mounting a share of Windows or Samba with mount(2): the kernel does the protocol (Documentation/admin-guide/cifs/usage.rst), so the rescue
//! system needs no mount.cifs, and no password is in any list of processes.

use crate::address::Host;
use crate::{Credentials, Fault, Patience};
use lifeboat_sys::mount::mount;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// Who is meant when nobody is named: servers that have shares for everybody know this name.
const GUEST: &str = "guest";

/// Whose name a server is told.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    user: String,
    domain: Option<String>,
    password: Option<String>,
}

/// Mounts a share, or a folder in it, at a directory that exists: `place.path` is `/SHARE[/FOLDER]`. The newest version of the protocol
/// that both know is used, from 2.1 on.
///
/// # Errors
/// Why it cannot be mounted, and what to try.
pub fn mount_share(
    place: &Host,
    credentials: &Credentials,
    target: &Path,
    writable: bool,
    patience: &Patience,
) -> Result<(), Fault> {
    let shown = crate::Address::Smb(place.clone()).to_string();
    let account = account(place, credentials);
    patience.insist(|| {
        let address = place.resolve().map_err(|error| Fault::passing("RESOLVE", &place.host, error))?;
        let text = options(place, &account, address, writable);
        let list: Vec<&str> = text.iter().map(String::as_str).collect();
        mount(source(place), target, "cifs", &list).map_err(|error| sort(&shown, &account, &error.source))
    })
}

/// `//HOST/SHARE/FOLDER`, from which the kernel takes both.
fn source(place: &Host) -> String {
    format!("//{}{}", place.host, place.path.trim_end_matches('/'))
}

/// The user of the address, or of the credentials. A domain may stand before the user, as Windows writes it, `DOMAIN;USER` or `DOMAIN\USER`.
fn account(place: &Host, credentials: &Credentials) -> Account {
    let named = place.user.as_deref().or(credentials.get("SMB_USERNAME"));
    let (domain, user) = match named.and_then(|user| user.split_once([';', '\\'])) {
        Some((domain, user)) => (Some(domain), user),
        None => (credentials.get("SMB_DOMAIN"), named.unwrap_or(GUEST)),
    };
    let password = named.and_then(|_| credentials.get("SMB_PASSWORD"));
    Account { user: user.to_owned(), domain: domain.map(str::to_owned), password: password.map(str::to_owned) }
}

/// A server that does not answer for some twenty seconds returns an error (`soft`, `echo_interval`), and the reader decides how long to retry.
/// What is there belongs to root, whoever the server says: a repository has no modes of its own. Commas are doubled where a text may have one.
fn options(place: &Host, account: &Account, address: IpAddr, writable: bool) -> Vec<String> {
    let access = if writable { "rw" } else { "ro" };
    let mut options: Vec<String> =
        [access, "nosuid", "nodev", "noexec", "soft", "echo_interval=10"].map(str::to_owned).into();
    options.extend(["uid=0", "gid=0", "file_mode=0600", "dir_mode=0700", "iocharset=utf8"].map(str::to_owned));
    options.push(format!("ip={address}"));
    options.extend(place.port.map(|port| format!("port={port}")));
    options.push(format!("user={}", account.user));
    options.extend(account.domain.iter().map(|domain| format!("domain={domain}")));
    // At the end: what follows a password is not taken for a part of it.
    options.extend(account.password.iter().map(|password| format!("pass={}", password.replace(',', ",,"))));
    options
}

/// The errors of the kernel, as fs/smb/client has them. A server that is absent may appear; a refusal is final.
fn sort(place: &str, account: &Account, error: &io::Error) -> Fault {
    let ended = |text: &str| Fault::ended("MOUNT", place, format!("{text} ({error})"));
    match error.raw_os_error() {
        // EACCES, EKEYREJECTED: logon failure; EPERM: the account may not log on.
        Some(1 | 13 | 129) => ended(&match account.password {
            Some(_) => format!("the server refuses the user {}, or the password; try SMB_PASSWORD, SMB_DOMAIN", account.user),
            None if account.user == GUEST => {
                "the share is not for everybody; try smb://USER@HOST/SHARE and SMB_PASSWORD in /etc/lifeboat/credentials".to_owned()
            }
            None => format!("the server wants a password of {}; try SMB_PASSWORD in /etc/lifeboat/credentials", account.user),
        }),
        Some(2) => ended("the server has no such share, or no such folder in it"),
        Some(19) => ended("this kernel cannot mount shares of Windows; try loading the module cifs"),
        // EOPNOTSUPP, EPROTONOSUPPORT: only version 1 is spoken there.
        Some(93 | 95) => ended("the server supports no version of SMB from 2.1 on; version 1 is not used, since everybody can read and forge it"),
        Some(22) => ended("the kernel does not take the options of this address"),
        _ => Fault::passing("MOUNT", place, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;
    use io::Error;

    fn host(text: &str) -> Host {
        let Address::Smb(host) = Address::parse(text).unwrap() else { panic!("{text}") };
        host
    }

    fn credentials(pairs: &[(&str, &str)]) -> Credentials {
        Credentials::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn options_for_the_kernel() {
        let place = host("smb://nas:4450/backup/web%201/");
        assert_eq!(source(&place), "//nas/backup/web 1");
        let known = credentials(&[("SMB_USERNAME", "ann"), ("SMB_PASSWORD", "a,b"), ("SMB_DOMAIN", "WORK")]);
        let text = options(&place, &account(&place, &known), "192.0.2.9".parse().unwrap(), false).join(",");
        assert_eq!(
            text,
            "ro,nosuid,nodev,noexec,soft,echo_interval=10,uid=0,gid=0,file_mode=0600,dir_mode=0700,iocharset=utf8,\
             ip=192.0.2.9,port=4450,user=ann,domain=WORK,pass=a,,b"
        );
    }

    #[test]
    fn accounts() {
        let known = credentials(&[("SMB_USERNAME", "ann"), ("SMB_PASSWORD", "x")]);
        for (text, user, domain, password) in [
            ("smb://nas/backup", "ann", None, Some("x")),
            ("smb://bob@nas/backup", "bob", None, Some("x")),
            ("cifs://WORK;bob@nas/backup", "bob", Some("WORK"), Some("x")),
            ("smb://WORK%5Cbob@nas/backup", "bob", Some("WORK"), Some("x")),
        ] {
            let found = account(&host(text), &known);
            assert_eq!(
                (found.user.as_str(), found.domain.as_deref(), found.password.as_deref()),
                (user, domain, password)
            );
        }
        let nobody = account(&host("smb://nas/public"), &credentials(&[]));
        assert_eq!(nobody, Account { user: GUEST.into(), domain: None, password: None });
    }

    #[test]
    fn refusals_say_what_to_try() {
        let raw = Error::from_raw_os_error;
        let of = |password: Option<&str>, user: &str| Account {
            user: user.into(),
            domain: None,
            password: password.map(str::to_owned),
        };
        for (account, error, part) in [
            (of(Some("hidden"), "ann"), 13, "the user ann, or the password"),
            (of(None, "ann"), 13, "wants a password of ann"),
            (of(None, GUEST), 13, "not for everybody"),
            (of(None, GUEST), 2, "no such share"),
            (of(None, GUEST), 95, "version 1 is not used"),
            (of(None, GUEST), 19, "module cifs"),
        ] {
            let fault = sort("smb://nas/x", &account, &raw(error));
            assert!(
                matches!(&fault, Fault::Final(text) if text.contains(part) && !text.contains("hidden")),
                "{fault:?}"
            );
        }
        for error in [101, 110, 111, 112, 113] {
            assert!(matches!(sort("p", &of(None, GUEST), &raw(error)), Fault::Passing(_)), "{error}");
        }
    }
}
