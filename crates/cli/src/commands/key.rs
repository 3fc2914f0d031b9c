//! `lifeboat key`

use super::Session;
use crate::command::KeyCommand;
use crate::error::{CommandError, CommandResult};
use crate::job::{archive, keys};

pub fn run(session: &Session, command: &KeyCommand) -> CommandResult {
    match command {
        KeyCommand::Create(args) => {
            let path = keys::file(args.key_file.as_deref(), &session.config);
            keys::create(&path)?;
            session.reporter.value(&serde_json::json!({"key_file": path}));
            Ok(())
        }
        KeyCommand::Show(args) => {
            let path = keys::file(args.key_file.as_deref(), &session.config);
            let secret = keys::read(&path)?;
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
            for key in archive.repository.list_keys()? {
                session.reporter.value(&serde_json::json!({
                    "id": key.id, "created": key.created, "host": key.host, "current": key.current,
                }));
                session.reporter.line(format!(
                    "{}{}  {}  {}",
                    &key.id[..key.id.len().min(8)],
                    if key.current { " *" } else { "  " },
                    key.created,
                    key.host
                ));
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
            session.reporter.line(format!("key {} opens the repository now", &id[..id.len().min(8)]));
            Ok(())
        }
        KeyCommand::Remove(args) => {
            let archive = archive::open(session, args.to.as_deref(), &args.key)?;
            let keys = archive.repository.list_keys()?;
            let matching: Vec<_> = keys.iter().filter(|key| key.id.starts_with(&args.id)).collect();
            let [key] = matching[..] else {
                return Err(CommandError::usage(format!(
                    "{} keys begin with {}; 'lifeboat key list' shows them",
                    matching.len(),
                    args.id
                )));
            };
            if keys.len() == 1 {
                return Err(CommandError::refused("this is the only key: without it the repository is lost"));
            }
            if key.current {
                return Err(CommandError::refused(
                    "this is the key that was used just now; use another one to remove it",
                ));
            }
            archive.repository.remove_key(&key.id)?;
            session.reporter.value(&serde_json::json!({"id": key.id, "opens": false}));
            session.reporter.line(format!("key {} no longer opens the repository", &key.id[..key.id.len().min(8)]));
            Ok(())
        }
    }
}

/// The host's name, for people who list keys.
fn host() -> String {
    std::fs::read_to_string("/etc/hostname").map(|text| text.trim().to_owned()).unwrap_or_default()
}
