//! What can be wrong with keys, certificates and EFI programs. Messages follow "cannot USE FILE: ".

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecureBootError {
    /// No such PEM block.
    #[error("it contains no {0} in PEM form")]
    NoPem(&'static str),
    /// A PEM block that is not base64.
    #[error("its PEM block is damaged")]
    Pem,
    /// A key under a passphrase.
    #[error("the key is encrypted, and media are built without anyone to type its passphrase")]
    Encrypted,
    /// Another kind of key.
    #[error("it is not an RSA key of 2048 to 4096 bits, the only kind that all firmware verifies")]
    Kind,
    /// Not DER, or not a certificate.
    #[error("it is not an X.509 certificate")]
    Certificate,
    /// The certificate belongs to another key.
    #[error("the certificate of {0} does not belong to the key")]
    Pair(String),
    /// Not an EFI program.
    #[error("it is not an EFI program for x86-64: {0}")]
    Pe(&'static str),
    /// No signature, or one that cannot be read.
    #[error("its signature cannot be used: {0}")]
    Signature(&'static str),
    /// Signing failed.
    #[error("the key cannot sign")]
    Sign,
    /// More than the format holds.
    #[error("a unified kernel image of {0} bytes is too large: the limit is 4 GiB")]
    Large(u64),
}
