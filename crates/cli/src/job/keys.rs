//! Finding, reading and making repository keys. Keys never appear in arguments, logs or events.

use crate::command::KeyArgs;
use crate::config::Config;
use crate::error::{CommandError, CommandResult, Kind};
use lifeboat_archive::words::WordsError;
use lifeboat_archive::{ArchiveError, Secret, words};
use lifeboat_restore::Failure;
use lifeboat_sys::durable;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The key file when nothing else is said.
pub const DEFAULT: &str = "/etc/lifeboat/repository.key";

/// The key file that the command line, the configuration or the default names.
pub fn file(explicit: Option<&Path>, config: &Config) -> PathBuf {
    explicit.map(Path::to_owned).or_else(|| config.key_file.clone()).unwrap_or_else(|| PathBuf::from(DEFAULT))
}

/// Reads a key file.
pub fn read(path: &Path) -> Result<Secret, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let error = CommandError::new(Kind::Failed, format!("cannot READ the key file {}: {error}", path.display()));
        if missing { error.hint("--key-file FILE, or --words to type the recovery words") } else { error }
    })?;
    let secret = Secret::new(text);
    if secret.expose().is_empty() {
        return Err(CommandError::new(Kind::Failed, format!("the key file {} is empty", path.display())));
    }
    Ok(secret)
}

/// The key for reading an archive: the words when asked for, else the key file.
pub fn find(args: &KeyArgs, config: &Config) -> Result<Secret, CommandError> {
    if args.words {
        return ask_words();
    }
    read(&file(args.key_file.as_deref(), config))
}

/// The key for a recovery: that of [`find`], and after one that did not fit, or without a key file, what a person at the
/// terminal types, until it fits.
pub fn find_or_ask(
    args: &KeyArgs,
    config: &Config,
    first: bool,
    wrong: Option<ArchiveError>,
) -> Result<Secret, Failure> {
    let unusable = |error: CommandError| {
        let hints: Vec<String> = error.hints.iter().map(|hint| format!("; try {hint}")).collect();
        Failure::Unusable { what: "the archive".into(), reason: format!("{:#}{}", error.error, hints.concat()) }
    };
    let path = file(args.key_file.as_deref(), config);
    if first && !args.words && (args.key_file.is_some() || path.exists()) {
        return read(&path).map_err(unusable);
    }
    let on_terminal = std::io::stdin().is_terminal();
    match wrong {
        // A pipe has nothing more to say.
        Some(error) if !(on_terminal || first && args.words) => return Err(error.into()),
        Some(error) => eprintln!("{error}\n"),
        None if !on_terminal && !args.words => return read(&path).map_err(unusable),
        None => {}
    }
    loop {
        match ask_words() {
            // Nothing typed is the way out.
            Err(error) if on_terminal && mistyped(&error) => eprintln!("{:#}\n", error.error),
            other => return other.map_err(unusable),
        }
    }
}

fn mistyped(error: &CommandError) -> bool {
    error.error.downcast_ref::<WordsError>().is_some_and(|error| *error != WordsError::Count { count: 0 })
}

/// The key for writing; a missing key file is made and its recovery words are printed once.
pub fn find_or_create(args: &KeyArgs, config: &Config) -> Result<Secret, CommandError> {
    let path = file(args.key_file.as_deref(), config);
    if args.words || path.exists() {
        return find(args, config);
    }
    create(&path)
}

/// Makes a key file and prints its recovery words.
pub fn create(path: &Path) -> Result<Secret, CommandError> {
    let secret =
        Secret::generate().map_err(|error| CommandError::new(Kind::Failed, format!("cannot MAKE a key: {error}")))?;
    write(path, &secret)?;
    // To standard error: output may be redirected into a file that is not meant to hold a secret.
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "A new repository key is in {}. Without it the archive is lost.", path.display());
    let _ = writeln!(err, "Write these recovery words on paper; they are shown only now and by 'lifeboat key show':\n");
    print_words(&mut err, &secret)?;
    let _ = writeln!(err);
    Ok(secret)
}

/// Prints recovery words, six in a line, numbered.
pub fn print_words(out: &mut dyn std::io::Write, secret: &Secret) -> CommandResult {
    let text = words::encode(secret)?;
    let list: Vec<&str> = text.split(' ').collect();
    for (row, chunk) in list.chunks(6).enumerate() {
        let numbered: Vec<String> =
            chunk.iter().enumerate().map(|(column, word)| format!("{:2} {word:<9}", row * 6 + column + 1)).collect();
        writeln!(out, "  {}", numbered.join("  ").trim_end())?;
    }
    Ok(())
}

/// Writes a key file, 0600, never over an existing one.
pub fn write(path: &Path, secret: &Secret) -> CommandResult {
    let failed = |error: std::io::Error| {
        CommandError::new(Kind::Failed, format!("cannot WRITE the key file {}: {error}", path.display()))
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        durable::make_directories(folder, 0o777).map_err(failed)?;
    }
    let text = Zeroizing::new(format!("{}\n", secret.expose()));
    durable::write_new(path, text.as_bytes(), 0o600).map_err(failed)
}

/// Reads recovery words from standard input; a prompt is shown on a terminal.
pub fn ask_words() -> Result<Secret, CommandError> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "Recovery words (the first four letters of each are enough; end with an empty line):\n> ");
        let _ = err.flush();
    }
    let mut text = String::new();
    for line in stdin.lock().lines() {
        let line = line?;
        if line.trim().is_empty() && !text.is_empty() {
            break;
        }
        text.push_str(&line);
        text.push(' ');
        if text.split_whitespace().filter(|word| !word.chars().all(|c| c.is_ascii_digit())).count() >= 24 {
            break;
        }
    }
    // Numbers in front of the words are as `key show` prints them.
    let bare: Vec<&str> =
        text.split_whitespace().filter(|word| !word.chars().all(|c| c.is_ascii_digit() || c == '.')).collect();
    Ok(words::decode(&bare.join(" "))?)
}
