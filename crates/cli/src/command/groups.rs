//! Options in groups under headings: what a command is about comes first, what all commands have comes last.

use clap::{Arg, ArgAction, Command};

/// The heading of what all commands have.
const COMMON: &str = "Common options";

/// The heading of an option, by its command and its id; `None` leaves it among the command's own.
fn heading(command: &str, id: &str) -> Option<&'static str> {
    Some(match (command, id) {
        ("backup", "compression") => "Limits",
        ("restore", "exclude") => return None,
        ("forget" | "copy", "machine" | "all_machines" | "snapshot") => "Whose snapshots",
        (_, "max_unused" | "max_repack_size" | "grace") => "What a prune does",
        (_, id) if id.starts_with("keep_") => "What is kept",
        ("copy", "to_key_file") => "Key",
        (_, "exclude" | "exclude_file" | "exclude_contents") => "What is saved",
        ("serve", "add_token" | "right" | "path" | "quota" | "of_machine" | "overdue") => "A new token",
        (_, "key_file" | "words" | "passphrase" | "new_key_file") if command != "key" => "Key",
        (_, "sysroot" | "machine") => "Another system than the running one",
        (_, "kernel" | "mode" | "timeout" | "append" | "no_firmware" | "compression") => "Rescue system",
        (_, "no_resize" | "any_firmware" | "wipe" | "map") => "What a recovery may do",
        (_, "stage" | "resume" | "damaged") => "In the rescue system",
        (_, "limit_upload" | "limit_download" | "threads" | "io_priority") => "Limits",
        (_, "verbose" | "json" | "config" | "help" | "version") => COMMON,
        _ => return None,
    })
}

/// The command with all its options in groups.
pub fn grouped(command: Command) -> Command {
    // clap's own would stand apart from the other common ones.
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).global(true);
    let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
    let command = command.disable_help_flag(true).disable_version_flag(true);
    let command = command.arg(help.help("Print help")).arg(version.help("Print the version"));
    with_headings(command)
}

fn with_headings(command: Command) -> Command {
    let name = command.get_name().to_owned();
    command
        .mut_args(|arg| match heading(&name, arg.get_id().as_str()) {
            Some(heading) if !arg.is_positional() => arg.help_heading(heading),
            _ => arg,
        })
        .mut_subcommands(with_headings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn common_options_come_last_in_every_help() {
        fn look(command: &mut clap::Command) {
            let help = command.render_help().to_string();
            let headings: Vec<&str> = help
                .lines()
                .filter(|line| !line.starts_with(' ') && line.ends_with(':') && !line.starts_with("Usage"))
                .collect();
            let last = headings.iter().rfind(|heading| **heading != "Examples:");
            assert_eq!(last, Some(&"Common options:"), "{help}");
            let mut own = help.lines().take_while(|line| *line != "Common options:");
            assert!(!own.any(|line| line.trim_start().starts_with("--json") || line.contains("-h, --help")), "{help}");
            command.get_subcommands_mut().filter(|sub| sub.get_name() != "help").for_each(look);
        }
        let mut command = crate::command();
        command.build();
        look(&mut command);
    }
}
