//! What UEFI starts, as one signed program: kernel, initramfs and command line in a unified kernel image, at the place where firmware
//! looks on removable media. It takes no input from the medium: under Secure Boot its stub takes no other command line, and the
//! menu comes with the rescue system (docs/decisions/0018-signed-media.md).

use crate::error::MediaError;
use crate::esp::Piece;
use crate::grub::Uefi;
use crate::iso::MediumInputs;
use lifeboat_secureboot::uki::{self, Parts};
use lifeboat_secureboot::{SigningKey, authenticode};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;

/// Where firmware looks on removable media (UEFI 2.10, 3.5.1.1).
pub const PATH: &str = "EFI/BOOT/BOOTX64.EFI";
/// COMMAND_LINE_SIZE of x86 (arch/x86/include/asm/setup.h), with the byte behind the text.
const LONGEST_COMMAND_LINE: usize = 2047;

/// What is needed to sign.
#[derive(Debug)]
pub struct Signing {
    /// The key, which the firmware trusts.
    pub key: SigningKey,
    /// systemd's stub.
    pub stub: Vec<u8>,
}

/// Builds and signs the program in the folder for pieces.
///
/// # Errors
/// When it cannot be written, or the command line is not one that every stub hands over.
pub(crate) fn program(inputs: &MediumInputs<'_>, signing: &Signing) -> Result<Uefi, MediaError> {
    let command_line = inputs.menu.command_line();
    let refused = |reason: String| MediaError::CommandLine { out: inputs.out.to_owned(), reason };
    if command_line.len() > LONGEST_COMMAND_LINE {
        return Err(refused(format!(
            "it has {} bytes, and the kernel takes {LONGEST_COMMAND_LINE}",
            command_line.len()
        )));
    }
    // Stubs before systemd 254 pass on each byte as a separate character.
    if let Some(word) = command_line.split(' ').find(|word| !word.is_ascii()) {
        return Err(refused(format!("the parameter {word} is not plain ASCII")));
    }
    let path = inputs.work.join("signed.efi");
    let piece = |name: &'static str| {
        inputs.files.get(name).ok_or_else(|| MediaError::Absent { out: inputs.out.to_owned(), name })
    };
    let parts = Parts {
        stub: &signing.stub,
        kernel: piece("kernel")?,
        initrd: piece("initrd.img")?,
        command_line: &command_line,
        os_release: &format!(
            "ID=lifeboat\nNAME=Lifeboat\nPRETTY_NAME=\"Lifeboat rescue medium\"\nVERSION_ID={}\n",
            inputs.manifest.lifeboat
        ),
        release: &inputs.manifest.kernel,
    };
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&path).map_err(MediaError::io("WRITE", &path))?;
    let made = uki::build(&parts, &mut file).and_then(|()| authenticode::sign(&mut file, &signing.key));
    made.map_err(MediaError::io("MAKE", &path))?;
    Ok(Uefi { files: BTreeMap::from([(PATH.to_owned(), Piece::File(path))]), secure_boot: true })
}
