//! `lifeboat key`

use crate::command::KeyCommand;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::{archive, keys};
use crate::session::Session;
use lifeboat_archive::KeyInfo;
use lifeboat_archive::stream::Identity;

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
                let id = &key.id[..key.id.len().min(8)];
                session.reporter.line(match &key.damage {
                    Some(cause) => format!("{id}    cannot be used: {cause}"),
                    None => {
                        let mark = if key.current { " *" } else { "  " };
                        let copies = match key.copies.len() {
                            0 => "  (one file)".to_owned(),
                            more => format!("  ({} files)", more + 1),
                        };
                        format!("{id}{mark}  {}  {}{copies}", key.created, key.host)
                    }
                });
            }
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
            let new = if args.new_key_file.exists() {
                keys::read(&args.new_key_file)?
            } else {
                keys::create(&args.new_key_file)?
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

/// A key with a file whose id begins like that.
fn names(key: &KeyInfo, id: &str) -> bool {
    std::iter::once(&key.id).chain(&key.copies).any(|file| file.starts_with(id))
}

/// The host's name, for people who list keys.
fn host() -> String {
    std::fs::read_to_string("/etc/hostname").map(|text| text.trim().to_owned()).unwrap_or_default()
}
