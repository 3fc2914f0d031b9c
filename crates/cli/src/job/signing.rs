//! The key that signs media, and the certificates that this machine's firmware trusts.

use crate::config::Media;
use crate::error::{CommandError, Kind};
use crate::guarded;
use crate::session::Session;
use jiff::civil::DateTime;
use lifeboat_machine::boot::Firmware;
use lifeboat_machine::bytes::printable;
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_media::Signing;
use lifeboat_rescue::sysroot::Sysroot;
use lifeboat_secureboot::pe::Pe;
use lifeboat_secureboot::uki::{STUB, STUB_PACKAGE};
use lifeboat_secureboot::{Certificate, SecureBootError, SigningKey, signature_list};
use std::path::Path;
use zeroize::Zeroizing;

/// The firmware's variable with the certificates of programs that it starts (UEFI 2.10, 3.3: EFI_IMAGE_SECURITY_DATABASE_GUID).
const DB: &str = "/sys/firmware/efi/efivars/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f";
/// A variable's content follows its attributes (efivarfs(5)).
const ATTRIBUTES: usize = 4;
/// Where tools keep an owner's keys: sbctl, its releases before 0.14, ukify and kernel-install, Debian's and Ubuntu's DKMS.
const KNOWN: [(&str, &str); 4] = [
    ("/var/lib/sbctl/keys/db/db.key", "/var/lib/sbctl/keys/db/db.pem"),
    ("/usr/share/secureboot/keys/db/db.key", "/usr/share/secureboot/keys/db/db.pem"),
    ("/etc/kernel/secure-boot-private-key.pem", "/etc/kernel/secure-boot-certificate.pem"),
    ("/var/lib/shim-signed/mok/MOK.priv", "/var/lib/shim-signed/mok/MOK.der"),
];

/// Reads key, certificate and stub; `None` when no key is configured.
///
/// # Errors
/// Kind `Usage` for keys and certificates that cannot be used, `Refused` for files that others can write, `Failed` without a stub.
pub fn load(media: &Media, sysroot: &Path) -> Result<Option<Signing>, CommandError> {
    load_at(media, sysroot, jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).datetime())
}

fn load_at(media: &Media, sysroot: &Path, now: DateTime) -> Result<Option<Signing>, CommandError> {
    let (key, certificate) = match (&media.signing_key, &media.signing_certificate) {
        (None, None) => return Ok(None),
        (Some(key), Some(certificate)) => (key, certificate),
        (named, _) => {
            let missing = if named.is_some() { "signing_certificate" } else { "signing_key" };
            return Err(CommandError::usage(format!("[media] in lifeboat.toml has no {missing}"))
                .hint("setting both signing_key and signing_certificate"));
        }
    };
    let unusable = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
        CommandError::usage(format!("cannot USE the {what} {}: {error}", path.display()))
    };
    let read = |what: &str, path: &Path| {
        let (bytes, others) = guarded::read(path).map_err(|error| unusable(what, path, &error))?;
        guarded::refuse_writable(&format!("the {what}"), path, others)?;
        Ok::<_, CommandError>((Zeroizing::new(bytes), others))
    };
    let (key_bytes, others) = read("signing key", key)?;
    if others.read {
        tracing::warn!(
            "the signing key {} is readable by other users (mode {:04o}), who could sign programs that this firmware \
             starts; try: chmod 600",
            key.display(),
            others.mode
        );
    }
    let (bytes, _) = read("signing certificate", certificate)?;
    let parsed = Certificate::read(&bytes).map_err(|error| unusable("signing certificate", certificate, &error))?;
    let signing_key = SigningKey::new(&key_bytes, parsed).map_err(|error| match error {
        SecureBootError::Encrypted => unusable("signing key", key, &error).hint(format!(
            "openssl pkey -in {} -out NEW with umask 077, and the new file as signing_key",
            key.display()
        )),
        SecureBootError::Pair(_) => unusable("signing key", key, &error)
            .hint(format!("the certificate of this key as signing_certificate, instead of {}", certificate.display())),
        _ => unusable("signing key", key, &error),
    })?;
    if !signing_key.is_valid_at(now) {
        let Certificate { not_before, not_after, .. } = signing_key.certificate();
        let reason = format!("it is valid from {} to {}", not_before.date(), not_after.date());
        return Err(unusable("signing certificate", certificate, &reason).hint(
            "a new certificate for the key, in the firmware and in lifeboat.toml; or the right time on this machine",
        ));
    }
    Ok(Some(Signing { key: signing_key, stub: stub(sysroot)? }))
}

/// systemd's stub from the root filesystem that the medium is made of.
fn stub(sysroot: &Path) -> Result<Vec<u8>, CommandError> {
    let path = sysroot.join(STUB.trim_start_matches('/'));
    let failed = |why: String| CommandError::new(Kind::Failed, format!("cannot SIGN media: {why}"));
    let stub = Sysroot::new(sysroot).read(STUB).map_err(|error| failed(error.to_string()))?;
    let stub = stub.ok_or_else(|| {
        failed(format!(
            "{} is missing, which is needed to combine kernel and initramfs into one program",
            path.display()
        ))
        .hint(format!("installing the package {STUB_PACKAGE}"))
    })?;
    Pe::read(&mut std::io::Cursor::new(&stub)).map_err(|error| failed(format!("{}: {error}", path.display())))?;
    Ok(stub)
}

/// The certificates that the firmware trusts; `None` where that cannot be determined.
fn trusted() -> Option<Vec<Certificate>> {
    let bytes = std::fs::read(DB).ok()?;
    Some(signature_list::certificates(bytes.get(ATTRIBUTES..)?))
}

/// Firmware starts what is signed with a certificate that it trusts, or with one that such a certificate issued.
fn is_trusted(certificate: &Certificate, trusted: &[Certificate]) -> bool {
    trusted.iter().any(|one| one.der == certificate.der || one.subject == certificate.issuer)
}

/// Warns when the firmware of this machine would refuse the medium.
pub fn warn_of_firmware(session: &Session, machine: &Machine, signing: &Signing) {
    let certificate = signing.key.certificate();
    if machine.boot.firmware != (Firmware::Uefi { secure_boot: true }) {
        return;
    }
    if let Some(text) = trusted().and_then(|trusted| refusal(certificate, &trusted)) {
        session.reporter.emit(&Event::Warning { text });
    }
}

fn refusal(certificate: &Certificate, trusted: &[Certificate]) -> Option<String> {
    (!is_trusted(certificate, trusted)).then(|| {
        format!(
            "the firmware of this machine does not trust {}: it will not start the medium under Secure Boot; try enrolling the \
             certificate in its db",
            printable(certificate.name().as_bytes())
        )
    })
}

/// Says which lines of lifeboat.toml make media for a machine with a key of its own.
pub fn suggest(session: &Session, machine: &Machine) {
    if machine.boot.firmware != (Firmware::Uefi { secure_boot: true }) {
        return;
    }
    if let Some(text) = trusted().and_then(|trusted| suggestion(&trusted, Path::new("/"))) {
        session.reporter.emit(&Event::Warning { text });
    }
}

fn suggestion(trusted: &[Certificate], root: &Path) -> Option<String> {
    let outside = |path: &str| root.join(path.trim_start_matches('/'));
    let own = KNOWN.iter().find_map(|(key, path)| {
        let certificate = Certificate::read(&std::fs::read(outside(path)).ok()?).ok()?;
        (outside(key).exists() && is_trusted(&certificate, trusted)).then_some((certificate, *key, *path))
    });
    if let Some((certificate, key, path)) = own {
        return Some(format!(
            "the firmware of this machine trusts {}, whose key is here: media are signed with it when /etc/lifeboat.toml says \
             [media] signing_key = \"{key}\" and signing_certificate = \"{path}\"",
            printable(certificate.name().as_bytes())
        ));
    }
    let others: Vec<String> = trusted.iter().map(|one| printable(one.name().as_bytes())).collect();
    (!others.is_empty() && !trusted.iter().any(Certificate::is_microsofts)).then(|| {
        format!(
            "the firmware of this machine trusts {} and nothing of Microsoft: it does not start media with the shim of a \
             distribution; try [media] signing_key and signing_certificate in /etc/lifeboat.toml",
            others.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    use std::path::PathBuf;
    use std::process::Command;

    fn make(folder: &Path, name: &str, subject: &str) -> Media {
        let [key, certificate] = ["key", "crt"].map(|ending| folder.join(format!("{name}.{ending}")));
        let mut call = Command::new("openssl");
        call.args(["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "3650", "-subj", subject]);
        let output = call.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Media { signing_key: Some(key), signing_certificate: Some(certificate) }
    }

    fn put(root: &Path, path: &str, bytes: &[u8]) -> PathBuf {
        let path = root.join(path.trim_start_matches('/'));
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn read(path: &Option<PathBuf>) -> Vec<u8> {
        std::fs::read(path.as_ref().unwrap()).unwrap()
    }

    #[test]
    fn what_cannot_sign_is_refused_before_anything_is_built() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        let (own, other) = (make(folder, "own", "/CN=own"), make(folder, "other", "/CN=other"));
        let fail = |media: &Media| load(media, folder).unwrap_err();
        assert!(load(&Media::default(), folder).unwrap().is_none());
        let error = fail(&Media { signing_certificate: None, ..own.clone() });
        assert_eq!(
            (error.kind, error.error.to_string()),
            (Kind::Usage, "[media] in lifeboat.toml has no signing_certificate".into())
        );
        assert!(fail(&Media { signing_key: None, ..own.clone() }).error.to_string().ends_with("has no signing_key"));

        let error = fail(&own);
        let text = error.error.to_string();
        assert_eq!(error.kind, Kind::Failed);
        assert!(text.contains("linuxx64.efi.stub is missing") && error.hints[0].contains("systemd-boot-efi"), "{text}");
        put(folder, STUB, b"no program");
        assert!(fail(&own).error.to_string().contains("it is not an EFI program"));

        let pair = Media { signing_certificate: other.signing_certificate.clone(), ..own.clone() };
        let error = fail(&pair);
        assert_eq!(error.kind, Kind::Usage);
        assert!(
            error.error.to_string().ends_with("the certificate of other does not belong to the key"),
            "{}",
            error.error
        );
        let encrypted = folder.join("encrypted.key");
        let mut call = Command::new("openssl");
        call.args(["pkcs8", "-topk8", "-passout", "pass:x", "-in"]).arg(own.signing_key.as_ref().unwrap());
        assert!(call.arg("-out").arg(&encrypted).output().unwrap().status.success());
        let error = fail(&Media { signing_key: Some(encrypted), ..own.clone() });
        assert!(error.error.to_string().contains("the key is encrypted") && error.hints[0].contains("openssl pkey"));
        let error = fail(&Media { signing_key: Some(folder.join("none")), ..own.clone() });
        assert!(error.error.to_string().starts_with("cannot USE the signing key "), "{}", error.error);

        let error = load_at(&own, folder, jiff::civil::date(2100, 1, 1).into()).unwrap_err();
        assert!(error.error.to_string().contains("it is valid from 20"), "{}", error.error);
        let key = own.signing_key.as_ref().unwrap();
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(fail(&own).kind, Kind::Refused);
    }

    #[test]
    fn a_key_that_the_firmware_trusts_is_reported_of() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let certificate = |media: &Media| Certificate::read(&read(&media.signing_certificate)).unwrap();
        let own = make(root, "own", "/CN=own");
        let microsofts = certificate(&make(root, "ms", "/O=Microsoft Corporation/CN=UEFI CA"));
        assert_eq!(suggestion(&[], root), None);
        assert_eq!(suggestion(std::slice::from_ref(&microsofts), root), None);
        let all = [microsofts, certificate(&own)];
        // A trusted key that is not here.
        assert_eq!(suggestion(&all, root), None);
        let text = suggestion(&all[1..], root).unwrap();
        assert!(text.contains("trusts own and nothing of Microsoft"), "{text}");
        put(root, KNOWN[2].0, &read(&own.signing_key));
        put(root, KNOWN[2].1, &read(&own.signing_certificate));
        let text = suggestion(&all, root).unwrap();
        assert!(text.contains("signing_key = \"/etc/kernel/secure-boot-private-key.pem\""), "{text}");
        assert!(text.contains("signing_certificate = \"/etc/kernel/secure-boot-certificate.pem\""), "{text}");
        // Another key is there.
        assert_eq!(suggestion(&all[..1], root), None);
        assert!(refusal(&all[1], &all[..1]).unwrap().contains("does not trust own"));
        assert_eq!(refusal(&all[1], &all), None);
    }
}
