//! `lifeboat key`

use crate::command::KeyCommand;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::{archive, keys, other_keys};
use crate::listing::{Align, local_text, table};
use crate::session::Session;
use lifeboat_archive::KeyInfo;
use lifeboat_archive::stream::Identity;
use lifeboat_machine::bytes::printable;

pub fn run(session: &Session, command: &KeyCommand) -> CommandResult {
    match command {
        KeyCommand::Create(args) => {
            let path = keys::file(args.key_file.as_deref(), &session.config);
            keys::create(&path)?;
            session.reporter.value(&serde_json::json!({"key_file": path}));
            Ok(())
        }
        KeyCommand::Show(args) => {
            let path = keys::file(args.key.key_file.as_deref(), &session.config);
            let secret = keys::read(&path)?;
            if args.age {
                let identity = Identity::of(&secret).map_err(archive::explain)?;
                let text = identity.text();
                if session.reporter.json() {
                    session
                        .reporter
                        .value(&serde_json::json!({"identity": *text, "recipient": identity.recipient().to_string()}));
                    return Ok(());
                }
                let text = zeroize::Zeroizing::new(format!("# recipient: {}\n{}\n", identity.recipient(), *text));
                return crate::output::written(crate::output::print(&text));
            }
            if session.reporter.json() {
                let text = lifeboat_archive::words::encode(&secret)?;
                session.reporter.value(&serde_json::json!({"words": text.split(' ').collect::<Vec<_>>()}));
                return Ok(());
            }
            crate::output::written(crate::output::print(&keys::words_in_rows(&secret)?))
        }
        KeyCommand::Import(args) => {
            let path = keys::file(args.key_file.as_deref(), &session.config);
            let secret = keys::ask_words()?;
            keys::write(&path, &secret)?;
            session.reporter.value(&serde_json::json!({"key_file": path}));
            session.reporter.line(format!("the key is in {}", path.display()));
            Ok(())
        }
        KeyCommand::List(args) => {
            let archive = archive::open(session, args.from.as_deref(), &args.key)?;
            let keys = archive.repository.list_keys()?;
            for key in &keys {
                session.reporter.value(&serde_json::json!({
                    "id": key.id, "copies": key.copies, "created": key.created, "host": key.host,
                    "current": key.current, "damage": key.damage,
                }));
            }
            explained(&keys).iter().for_each(|line| session.reporter.line(line));
            let damaged = keys.iter().filter(|key| key.damage.is_some()).count();
            if damaged > 0 {
                let count = crate::output::counted(damaged, "key file");
                return Err(CommandError::new(Kind::Partial, format!("{count} cannot be used (listed above)"))
                    .hint("'lifeboat key remove ID' removes one; 'lifeboat key add' makes new ones"));
            }
            Ok(())
        }
        KeyCommand::Add(args) => {
            let archive = archive::open(session, args.to.as_deref(), &args.key)?;
            let new = match &args.new_key_file {
                None => other_keys::new_passphrase()?,
                Some(file) if file.exists() => keys::read(file)?,
                Some(file) => keys::create(file)?,
            };
            let id = archive.repository.add_key(&new, &host())?;
            session.reporter.value(&serde_json::json!({"id": id, "opens": true}));
            session.reporter.line(format!("key {} now opens the repository", &id[..id.len().min(8)]));
            Ok(())
        }
        KeyCommand::Remove(args) => {
            let archive = archive::open(session, args.to.as_deref(), &args.key)?;
            let keys = archive.repository.list_keys()?;
            let matching: Vec<_> = keys.iter().filter(|key| names(key, &args.id)).collect();
            let [key] = matching[..] else {
                return Err(CommandError::usage(format!(
                    "{} keys begin with {}; 'lifeboat key list' shows them",
                    matching.len(),
                    args.id
                )));
            };
            if key.damage.is_none() && keys.iter().filter(|key| key.damage.is_none()).count() == 1 {
                return Err(CommandError::refused("this is the only key: without it the repository is lost"));
            }
            if key.current {
                return Err(CommandError::refused(
                    "this key is in use; open the repository with another key to remove it",
                ));
            }
            archive.repository.remove_key(&key.id)?;
            session.reporter.value(&serde_json::json!({"id": key.id, "opens": false}));
            session.reporter.line(format!("key {} no longer opens the repository", &key.id[..key.id.len().min(8)]));
            Ok(())
        }
    }
}

/// The keys of a repository as a table, and what they mean.
fn explained(keys: &[KeyInfo]) -> Vec<String> {
    let mut rows = vec![["KEY", "CREATED", "MADE ON", "FILES", ""].map(str::to_owned).to_vec()];
    for key in keys {
        let id = key.id[..key.id.len().min(8)].to_owned();
        rows.push(match &key.damage {
            Some(cause) => vec![id, format!("cannot be used: {cause}")],
            None => {
                let in_use = if key.current { "in use now" } else { "" };
                let host = printable(key.host.as_bytes());
                let files = (key.copies.len() + 1).to_string();
                vec![id, local_text(&key.created), host, files, in_use.to_owned()]
            }
        });
    }
    let columns = [Align::Left, Align::Left, Align::Left, Align::Right, Align::Left];
    let mut lines = table(&columns, &rows);
    let count = keys.iter().filter(|key| key.damage.is_none()).count();
    let opens = if count == 1 { "1 key opens".to_owned() } else { format!("{count} keys open") };
    lines.push(String::new());
    lines
        .push(format!("{opens} this repository: whoever has one, as a file or as its words, can read every snapshot."));
    if keys.iter().any(|key| key.damage.is_none() && key.copies.is_empty()) {
        lines.push("A key with 1 file is lost when that file is damaged; 'lifeboat key add' writes two.".to_owned());
    }
    if count == 1 {
        lines.push(
            "Keep its words apart from this machine ('lifeboat key show'): without a key nothing can be read."
                .to_owned(),
        );
    }
    lines
}

/// A key with a file whose id begins like that.
fn names(key: &KeyInfo, id: &str) -> bool {
    std::iter::once(&key.id).chain(&key.copies).any(|file| file.starts_with(id))
}

/// The host's name, for people who list keys.
fn host() -> String {
    std::fs::read_to_string("/etc/hostname").map(|text| text.trim().to_owned()).unwrap_or_default()
}
