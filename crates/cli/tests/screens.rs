//! How everyday commands look on terminals of 80 and of 200 columns: snapshots, which the handbook shows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");

/// Columns, rows, and what the snapshot's name ends with.
const SIZES: [(u16, u16, &str); 2] = [(80, 24, ""), (200, 50, "_wide")];

/// What a machine's tree becomes between two backups.
const BEFORE: &str = "
mkdir -p tree/etc/ssh tree/etc/nginx tree/home/ada tree/srv/www tree/var/log
echo web1 > tree/etc/hostname
echo 0123456789abcdef0123456789abcdef > tree/etc/machine-id
printf 'root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n' > tree/etc/passwd
printf 'root:x:0:\nada:x:1000:\n' > tree/etc/group
printf '/dev/sda1 / ext4 errors=remount-ro 0 1\n' > tree/etc/fstab
printf 'Port 22\nPermitRootLogin no\n' > tree/etc/ssh/sshd_config
echo 'worker_processes 2;' > tree/etc/nginx/nginx.conf
ln -s /usr/share/zoneinfo/Europe/Vienna tree/etc/localtime
echo '<h1>hello</h1>' > tree/srv/www/index.html
echo old > tree/srv/www/old.html
echo notes > tree/home/ada/notes
chown -R 1000:1000 tree/home/ada
find tree -exec touch -h -d '2026-11-03 09:30:00 UTC' {} +
";
const AFTER: &str = "
printf 'Port 2222\nPermitRootLogin no\n' > tree/etc/ssh/sshd_config
touch -d '2026-11-28 17:12:40 UTC' tree/etc/ssh/sshd_config
chmod 600 tree/home/ada/notes
rm tree/srv/www/old.html
echo '<h1>new</h1>' > tree/srv/www/new.html
touch -d '2026-11-28 17:20:05 UTC' tree/srv/www/new.html tree/srv/www
";
/// What stands for the two snapshots, whose names and times are others in each run.
const STAND_INS: [(&str, &str); 2] = [("51f0c0de", "2026-11-28 02:00:11"), ("a3c9d417", "2026-11-29 02:00:09")];

struct Desk {
    folder: tempfile::TempDir,
    /// What is replaced in what is shown.
    stand_ins: Vec<(String, &'static str)>,
}

impl Desk {
    fn new() -> Desk {
        let mut desk = Desk { folder: tempfile::tempdir_in("/var/tmp").unwrap(), stand_ins: vec![] };
        desk.shell(BEFORE);
        // What no compressor shrinks, so that sizes are the same in each run.
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..5_450_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8
            })
            .collect();
        std::fs::write(desk.at("tree/var/log/journal"), noise).unwrap();
        desk.shell("touch -d '2026-11-03 09:30:00 UTC' tree/var/log/journal tree/var/log");
        desk.quietly(&["backup", "--to", "repository", "--init", "--sysroot", "tree"]);
        desk.shell(AFTER);
        // The times of two snapshots differ in their seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        desk.quietly(&["backup", "--to", "repository", "--sysroot", "tree"]);
        let listed = desk.quietly(&["--json", "list", "--from", "repository"]);
        let listed = listed.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        for (snapshot, (id, time)) in listed.filter(|value| value["machine"].is_string()).zip(STAND_INS) {
            desk.stand_ins.push((snapshot["id"].as_str().unwrap()[..8].to_owned(), id));
            let at: jiff::Timestamp = snapshot["time"].as_str().unwrap().parse().unwrap();
            desk.stand_ins.push((at.strftime("%Y-%m-%d %H:%M:%S").to_string(), time));
        }
        assert_eq!(desk.stand_ins.len(), 4);
        desk
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn shell(&self, script: &str) {
        let done = Command::new("sh").args(["-e", "-c", script]).current_dir(self.folder.path()).status().unwrap();
        assert!(done.success());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(LIFEBOAT);
        command.args(["--config", "none.toml"]).args(arguments).current_dir(self.folder.path());
        command.env("TZ", "UTC").env("TERM", "xterm").env("LANG", "C.UTF-8").env_remove("COLUMNS");
        command.env("STATE_DIRECTORY", self.at("state")).env("LOGS_DIRECTORY", self.at("log"));
        command
    }

    fn quietly(&self, arguments: &[&str]) -> String {
        std::fs::write(self.at("none.toml"), "").unwrap();
        let key: &[&str] = &["--key-file", "key"];
        let output = self.command(&[arguments, key].concat()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a terminal of this size shows in the end, lines above its top included; longer lines are wrapped, as a terminal does.
    fn shown(&self, arguments: &[&str], (columns, rows): (u16, u16)) -> String {
        let (terminal, mut master) = terminal(columns, rows);
        let mut child = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::from(terminal.try_clone().unwrap()))
            .stderr(Stdio::from(terminal))
            .spawn()
            .unwrap();
        let mut bytes = vec![];
        let mut buffer = [0; 4096];
        // EIO is the end of a terminal.
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..count]);
        }
        child.wait().unwrap();
        let mut screen = vt100::Parser::new(500, columns, 0);
        screen.process(&bytes);
        let mut text: String =
            screen.screen().rows(0, columns).map(|row| row.trim_end().to_owned() + "\n").collect::<String>();
        for (ours, theirs) in &self.stand_ins {
            text = text.replace(ours, theirs);
        }
        let lines: Vec<String> = text.trim_end().lines().map(settled).collect();
        lines.join("\n") + "\n"
    }
}

/// A line without what differs from run to run: where the content is cut is random, and so are a few bytes of what describes it; the
/// room is that of this machine.
fn settled(line: &str) -> String {
    if line.starts_with("room: ") {
        return "room: 118.0 GiB free in tree".to_owned();
    }
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for at in 1..words.len() {
        let stand_in = match words[at].as_str() {
            "KiB" if words[at - 1].len() == 3 => "4.5",
            "pieces," => "42",
            "pack" => "7",
            _ => continue,
        };
        words[at - 1] = stand_in.to_owned();
    }
    words.join(" ")
}

fn terminal(columns: u16, rows: u16) -> (File, File) {
    use rustix::pty::OpenptFlags;
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    rustix::pty::grantpt(&master).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
    let flags = rustix::fs::OFlags::NOCTTY.bits() as i32;
    let path = Path::new(name.to_str().unwrap());
    let terminal = File::options().read(true).write(true).custom_flags(flags).open(path).unwrap();
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    (terminal, File::from(master))
}

#[test]
fn root_looking_into_archives_on_small_and_large_screens() {
    let desk = Desk::new();
    let (first, second) = (desk.stand_ins[0].0.as_str(), desk.stand_ins[2].0.as_str());
    let from = ["--from", "repository", "--key-file", "key"];
    for (name, arguments) in [
        ("list", &["list"][..]),
        ("ls", &["ls", "-l", "latest", "/etc"]),
        ("find", &["find", "*.html", "--long"]),
        ("diff", &["diff", first, second]),
        ("stats", &["stats"]),
        ("restore_dry_run", &["restore", "/etc/ssh", "--dry-run", "--to", "tree"]),
    ] {
        for (columns, rows, suffix) in SIZES {
            let text = desk.shown(&[arguments, &from].concat(), (columns, rows));
            insta::assert_snapshot!(format!("{name}{suffix}"), text);
        }
    }
}

#[test]
fn help_on_small_and_large_screens() {
    let desk = Desk { folder: tempfile::tempdir().unwrap(), stand_ins: vec![] };
    for (name, arguments) in [
        ("welcome", &[][..]),
        ("help", &["help"]),
        ("help_restore", &["help", "restore"]),
        ("no_such_word", &["delete"]),
    ] {
        for (columns, rows, suffix) in SIZES {
            std::fs::write(desk.at("none.toml"), "").unwrap();
            insta::assert_snapshot!(format!("{name}{suffix}"), desk.shown(arguments, (columns, rows)));
        }
    }
}
