//! Finding, reading and making repository keys. Keys never appear in arguments, logs or events; recovery words are shown only on a
//! terminal, or as the result of the command that asks for them.

use crate::command::KeyArgs;
use crate::config::Config;
use crate::error::{CommandError, CommandResult, Kind};
use crate::guarded;
use crate::job::other_keys;
use lifeboat_archive::words::WordsError;
use lifeboat_archive::{ArchiveError, Secret, words};
use lifeboat_restore::Failure;
use lifeboat_sys::names::folder_of;
use lifeboat_sys::new_file::NewFile;
use lifeboat_sys::trusted;
use rustix::fs::Mode;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The key file when nothing else is given.
pub const DEFAULT: &str = "/etc/lifeboat/repository.key";

/// Words of the longest key.
const MOST_WORDS: usize = 24;
/// A text with more bytes is not recovery words.
const MOST_TYPED: usize = 16 << 10;

/// The key file that the command line, the configuration or the default names.
pub fn file(explicit: Option<&Path>, config: &Config) -> PathBuf {
    explicit.map(Path::to_owned).or_else(|| config.key_file.clone()).unwrap_or_else(|| PathBuf::from(DEFAULT))
}

/// Reads a key file. One that others can read or write is still used, because a recovery must not fail for file modes on a stick, but
/// not without a warning.
pub fn read(path: &Path) -> Result<Secret, CommandError> {
    read_with(path).map(|(secret, _)| secret)
}

fn read_with(path: &Path) -> Result<(Secret, guarded::Others), CommandError> {
    let failed = |why: &dyn std::fmt::Display| {
        CommandError::new(Kind::Failed, format!("cannot READ the key file {}: {why}", path.display()))
    };
    let (bytes, others) = guarded::read(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let error = failed(&error);
        if missing { error.hint("--key-file FILE, or --words to type the recovery words") } else { error }
    })?;
    let bytes = Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| failed(&"it is not text"))?;
    // Editors prepend a byte order mark, and copying adds spaces. A passphrase may contain spaces of its own.
    let text = text.trim_start_matches('\u{feff}');
    let bare = text.trim();
    let random = bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    let secret = Secret::new(if random { bare } else { text });
    let shown = path.display();
    if others.write {
        tracing::warn!(
            "the key file {shown} can be written or replaced by others (mode {:04o}); try: chmod 600",
            others.mode
        );
    } else if others.read {
        tracing::warn!("the key file {shown} is readable by others (mode {:04o}); try: chmod 600", others.mode);
    }
    if secret.expose().is_empty() {
        return Err(CommandError::new(Kind::Failed, format!("the key file {} is empty", path.display())));
    }
    Ok((secret, others))
}

/// The key for reading an archive: the words when asked for, else the key file.
pub fn find(args: &KeyArgs, config: &Config) -> Result<Secret, CommandError> {
    if args.words {
        return ask_words();
    }
    if args.passphrase {
        return other_keys::passphrase("Passphrase: ");
    }
    match &config.key_command {
        Some(command) if args.key_file.is_none() => other_keys::of_command(command),
        _ => read(&file(args.key_file.as_deref(), config)),
    }
}

/// The key for a recovery: that of [`find`], and after a wrong one, or without a key file, what a person at the
/// terminal types, until it fits.
pub fn find_or_ask(
    args: &KeyArgs,
    config: &Config,
    first: bool,
    wrong: Option<ArchiveError>,
) -> Result<Secret, Failure> {
    let unusable = |error: CommandError| {
        let hints: Vec<String> = error.hints.iter().map(|hint| format!("; try {hint}")).collect();
        Failure::Unusable { what: "the archive".into(), reason: format!("{}{}", error.message(), hints.concat()) }
    };
    let path = file(args.key_file.as_deref(), config);
    if first && (args.passphrase || config.key_command.is_some()) {
        return find(args, config).map_err(unusable);
    }
    if first && !args.words && (args.key_file.is_some() || path.exists()) {
        return read(&path).map_err(unusable);
    }
    let on_terminal = std::io::stdin().is_terminal();
    match wrong {
        // A pipe has no more input.
        Some(error) if !(on_terminal || first && args.words) => return Err(error.into()),
        Some(error) => show(&format!("{error}\n\n")),
        None if !on_terminal && !args.words => return read(&path).map_err(unusable),
        None => {}
    }
    loop {
        match ask_words() {
            // Empty input is the way out.
            Err(error) if on_terminal && mistyped(&error) => show(&format!("{}\n\n", error.message())),
            other => return other.map_err(unusable),
        }
    }
}

fn mistyped(error: &CommandError) -> bool {
    error.error.downcast_ref::<WordsError>().is_some_and(|error| *error != WordsError::Count { count: 0 })
}

/// The key for a new repository; a missing key file is created. One that others can write is refused: whoever put their key there
/// could read all that is saved from now on.
pub fn find_or_create(args: &KeyArgs, config: &Config) -> Result<Secret, CommandError> {
    let path = file(args.key_file.as_deref(), config);
    if args.passphrase {
        return Err(CommandError::usage("a new repository or medium gets a key that has recovery words")
            .hint("'lifeboat key add --new-passphrase' afterwards: then a passphrase opens it, too"));
    }
    if args.words || (config.key_command.is_some() && args.key_file.is_none()) {
        return find(args, config);
    }
    // A dangling link is no place for a new file; it is read so that the error names it.
    if path.symlink_metadata().is_err() {
        return create(&path);
    }
    let (secret, others) = read_with(&path)?;
    guarded::refuse_writable("the key file", &path, others)?;
    Ok(secret)
}

/// A new key.
pub fn generate() -> Result<Secret, CommandError> {
    Secret::generate().map_err(|error| CommandError::new(Kind::Failed, format!("cannot MAKE a key: {error}")))
}

/// Makes a key file and prints its recovery words: on a terminal only, because a log, a journal or a mail keeps what it gets.
pub fn create(path: &Path) -> Result<Secret, CommandError> {
    let secret = generate()?;
    write(path, &secret)?;
    let mut text = Zeroizing::new(format!(
        "A new repository key is in {}. Without it the archive is lost.\n",
        lifeboat_machine::bytes::printable(path.as_os_str().as_bytes())
    ));
    if std::io::stderr().is_terminal() {
        text.push_str("Write these recovery words on paper; they are shown only now and by 'lifeboat key show':\n\n");
        text.push_str(&words_in_rows(&secret)?);
        text.push('\n');
    } else {
        text.push_str("'lifeboat key show' prints its recovery words: write them on paper.\n");
    }
    // To standard error: output may be redirected into a file that is not meant to hold a secret.
    crate::output::written(std::io::stderr().lock().write_all(text.as_bytes()))
        .map_err(|error| error.hint(format!("the key file {} was made; 'lifeboat key show'", path.display())))?;
    Ok(secret)
}

/// A line for the person at the terminal.
fn show(text: &str) {
    let _ = std::io::stderr().lock().write_all(lifeboat_machine::bytes::terminal(text).as_bytes());
}

/// Recovery words, six in a line, numbered.
pub fn words_in_rows(secret: &Secret) -> Result<Zeroizing<String>, CommandError> {
    let text = words::encode(secret)?;
    let list: Vec<&str> = text.split(' ').collect();
    let mut rows = Zeroizing::new(String::with_capacity(1024));
    for (index, word) in list.iter().enumerate() {
        let last = index % 6 == 5 || index + 1 == list.len();
        // Writing to a String cannot fail.
        let _ = match last {
            true => writeln!(rows, "  {:2} {word}", index + 1),
            false => write!(rows, "  {:2} {word:<9}", index + 1),
        };
    }
    Ok(rows)
}

/// Writes a key file, 0600, never over an existing one.
pub fn write(path: &Path, secret: &Secret) -> CommandResult {
    let failed = |error: std::io::Error| {
        CommandError::new(Kind::Failed, format!("cannot WRITE the key file {}: {error}", path.display()))
    };
    trusted::make(folder_of(path), Mode::RWXU).map_err(|error| {
        CommandError::new(Kind::Failed, format!("cannot WRITE the key file {}: {error}", path.display()))
    })?;
    let text = Zeroizing::new(format!("{}\n", secret.expose()));
    // What a full disk or a kill left from an earlier attempt holds no key.
    if path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
        std::fs::remove_file(path).map_err(failed)?;
    }
    let mut file = NewFile::create(path, 0o600).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.finish()).map(drop).map_err(failed)
}

/// Reads recovery words from standard input; a prompt is shown on a terminal.
pub fn ask_words() -> Result<Secret, CommandError> {
    let on_terminal = std::io::stdin().is_terminal();
    if on_terminal {
        show("Recovery words (the first four letters of each are enough; end with an empty line):\n> ");
    }
    // Byte by byte, and without the standard library's buffer, which nobody would wipe.
    let mut text = Zeroizing::new(Vec::with_capacity(MOST_TYPED));
    let mut byte = Zeroizing::new([0_u8]);
    let mut line_is_empty = true;
    while text.len() < MOST_TYPED {
        match rustix::io::read(rustix::stdio::stdin(), byte.as_mut_slice()) {
            Ok(0) => break,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(std::io::Error::from(errno).into()),
        }
        text.push(byte[0]);
        if byte[0] != b'\n' {
            line_is_empty &= byte[0].is_ascii_whitespace();
            continue;
        }
        // Files have empty lines; a person at a terminal ends input with one.
        if line_is_empty && on_terminal {
            break;
        }
        line_is_empty = true;
        if words::count(&String::from_utf8_lossy(&text)) >= MOST_WORDS {
            break;
        }
    }
    let text = Zeroizing::new(String::from_utf8_lossy(&text).into_owned());
    Ok(words::decode(&text)?)
}
