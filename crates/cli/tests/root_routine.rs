//! What runs by itself: units that systemd accepts, timers turned on and off, the record of runs, status, and reports of failures.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/systemd")
}

/// A folder with configuration, record and logs of its own, and a system that counts as this machine.
struct Place(tempfile::TempDir);

impl Place {
    fn new(configuration: &str) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(place.at("s/etc")).unwrap();
        for name in ["hostname", "machine-id"] {
            let text = std::fs::read(Path::new("/etc").join(name)).unwrap_or_default();
            std::fs::write(place.at("s/etc").join(name), text).unwrap();
        }
        place.configure(configuration);
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Writes the configuration; `@` stands for this folder.
    fn configure(&self, text: &str) {
        let text = text.replace('@', &self.0.path().display().to_string());
        std::fs::write(self.at("lifeboat.toml"), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(LIFEBOAT);
        command.args(["--config", "lifeboat.toml"]).args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("STATE_DIRECTORY", self.at("state")).env("LOGS_DIRECTORY", self.at("log"));
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        ended(&mut self.command(arguments))
    }

    fn record(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.at("state/state.json")).unwrap()).unwrap()
    }

    /// The last line of a command's JSON that has this key.
    fn json(&self, arguments: &[&str], key: &str) -> (i32, serde_json::Value) {
        let (code, out, err) = self.run(&[&["--json"], arguments].concat());
        let mut lines = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let found = lines.rfind(|value| !value[key].is_null());
        (code, found.unwrap_or_else(|| panic!("{out}{err}")))
    }
}

fn ended(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn root_systemd_accepts_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = vec![];
    for unit in std::fs::read_dir(units()).unwrap() {
        let unit = unit.unwrap().path();
        let text = std::fs::read_to_string(&unit).unwrap().replace("/usr/bin/lifeboat", LIFEBOAT);
        let file = folder.path().join(unit.file_name().unwrap());
        std::fs::write(&file, text).unwrap();
        files.push(file);
    }
    assert_eq!(files.len(), 13);
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&files).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
    // It does say so when something is wrong.
    std::fs::write(folder.path().join("lifeboat-backup.timer"), "[Timer]\nOnCalendar=never\n").unwrap();
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&files).output().unwrap();
    assert!(!output.status.success() || !output.stderr.is_empty());
}

#[test]
fn root_units_release_what_a_backup_that_was_ended_left() {
    // Whatever unit takes a backup.
    for unit in std::fs::read_dir(units()).unwrap() {
        let text = std::fs::read_to_string(unit.unwrap().path()).unwrap();
        let takes =
            ["backup", "rescue"].iter().any(|word| text.contains(&format!("\nExecStart=/usr/bin/lifeboat {word}")));
        assert_eq!(takes, text.contains("\nExecStopPost=-/usr/bin/lifeboat dev release\n"), "{text}");
    }
    let place = Place::new("");
    let (image, root) = (place.at("image"), place.at("root"));
    std::fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
    std::fs::create_dir(&root).unwrap();
    let (image, root) = (image.to_str().unwrap(), root.to_str().unwrap());
    let run = |words: &[&str]| {
        let (code, out, err) = ended(Command::new(words[0]).args(&words[1..]));
        assert_eq!(code, 0, "{words:?}: {err}");
        out
    };
    run(&["mkfs.btrfs", "-q", image]);
    let device = run(&["losetup", "--find", "--show", image]).trim().to_owned();
    let left = format!("{root}/.lifeboat-snapshot-0123456789ab-0");
    let (made, ended) = (
        || run(&["mount", &device, root]),
        || {
            let _ = Command::new("umount").arg(root).status();
            let _ = Command::new("losetup").args(["-d", &device]).status();
        },
    );
    made();
    run(&["btrfs", "subvolume", "snapshot", "-r", root, &left]);
    let result = place.run(&["dev", "release"]);
    let exists = Path::new(&left).exists();
    ended();
    assert!(result.0 == 0 && result.2.contains("0123456789ab-0") && !exists, "{result:?}");
}

#[test]
fn root_no_unit_hides_a_part_of_the_machine_from_its_backup() {
    // Each of these makes a mount namespace, or takes devices away (systemd.exec(5)).
    let hiding = [
        "Protect",
        "Private",
        "ReadOnlyPaths",
        "InaccessiblePaths",
        "TemporaryFileSystem",
        "BindPaths",
        "DeviceAllow",
        "DevicePolicy",
        "DynamicUser",
        "RootDirectory",
        "MountFlags",
        "NoExecPaths",
        "User=",
    ];
    for unit in std::fs::read_dir(units()).unwrap() {
        let unit = unit.unwrap();
        // The servers of a room back nothing up.
        if ["lifeboat-serve.service", "lifeboat-netboot@.service"].iter().any(|server| unit.file_name() == *server) {
            continue;
        }
        let text = std::fs::read_to_string(unit.path()).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(!hiding.iter().any(|word| line.starts_with(word)), "{line}");
            assert!(!line.starts_with("NoNewPrivileges"), "hooks and key_command may use sudo");
        }
    }
}

#[test]
fn root_timers_are_turned_on_from_the_configuration_and_off_again() {
    let place = Place::new("repository = '@/repo'\n[schedule]\nbackup = 'Mon..Fri 03:00'\nmedium_file = '@/m.iso'\n");
    let system = place.at("s/usr/lib/systemd/system");
    std::fs::create_dir_all(&system).unwrap();
    for unit in std::fs::read_dir(units()).unwrap() {
        let unit = unit.unwrap().path();
        std::fs::copy(&unit, system.join(unit.file_name().unwrap())).unwrap();
    }
    let wanted = |task: &str| {
        let link = place.at(&format!("s/etc/systemd/system/timers.target.wants/lifeboat-{task}.timer"));
        link.symlink_metadata().is_ok()
    };
    let (code, out, _) = place.run(&["schedule", "--show", "--sysroot", "s"]);
    assert!(code == 0 && out.contains("backup   off  'lifeboat schedule' turns it on: Mon..Fri 03:00"), "{out}");
    let (code, out, err) = place.run(&["schedule", "--sysroot", "s"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(wanted("backup") && wanted("verify") && wanted("medium") && !wanted("drill"), "{out}{err}");
    assert!(err.contains("backup --init") && err.contains("nobody is told"), "{err}");
    let (_, out, _) = place.run(&["schedule", "--show", "--sysroot", "s"]);
    assert!(out.contains("backup   on   Mon..Fri 03:00\n"), "{out}");
    // systemd reads the file beside the timer.
    let shown = Command::new("systemd-analyze")
        .args(["verify", "--man=no", &format!("--root={}", place.at("s").display())])
        .arg("lifeboat-backup.timer")
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&shown.stderr).contains("schedule.conf"), "{shown:?}");
    // A time that systemd does not understand changes nothing.
    place.configure("repository = '@/repo'\n[schedule]\nbackup = 'every night'\n");
    let (code, _, err) = place.run(&["schedule", "--sysroot", "s"]);
    assert!(code == 2 && err.contains("[schedule] backup") && err.contains("every night"), "{code} {err}");
    assert!(wanted("medium"));
    let (code, _, _) = place.run(&["schedule", "--off", "--sysroot", "s"]);
    assert!(code == 0 && !["backup", "medium", "verify", "drill"].iter().any(|task| wanted(task)));
    assert!(!place.at("s/etc/systemd/system/lifeboat-backup.timer.d").exists());
    place.configure("");
    let (code, _, err) = place.run(&["schedule", "--sysroot", "s"]);
    assert!(code == 2 && err.contains("nothing can run by itself") && err.contains("'repository'"), "{code} {err}");
}

#[test]
fn root_the_record_the_repository_and_the_limits_make_the_status() {
    let place = Place::new("repository = '@/repo'\nkey_file = '@/key'\n");
    // Nothing was ever done, and there is no repository.
    let (code, status) = place.json(&["status"], "items");
    let problems = status["problems"].to_string();
    assert!(
        code == 4 && problems.contains("no backup was ever taken") && problems.contains("cannot be read"),
        "{problems}"
    );
    let (code, _, err) = place.run(&["backup", "--sysroot", "s", "--init"]);
    assert_eq!(code, 0, "{err}");
    let (_, status) = place.json(&["status"], "items");
    let backup = &status["items"][0];
    assert!(
        backup["task"] == "backup" && backup["overdue"] == false && backup["age_seconds"].as_i64().unwrap() < 600,
        "{backup}"
    );
    assert!(status["repository"]["error"].is_null(), "{status}");
    // The repository is verified as the routine does it: recorded, with a log.
    let (code, _, err) = place.run(&["verify"]);
    assert_eq!(code, 0, "{err}");
    let record = place.record();
    assert_eq!(record["tasks"]["verify"]["done"]["code"], 0, "{record}");
    assert!(std::fs::read_to_string(place.at("log/verify.log")).unwrap().contains("done"));
    // A run that fails is recorded, and the one before stays.
    let packs = std::fs::read_dir(place.at("repo/data"))
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    for pack in packs {
        std::fs::write(pack.unwrap().path(), "damage").unwrap();
    }
    assert_eq!(place.run(&["verify"]).0, 4);
    let record = place.record();
    assert_eq!(
        (&record["tasks"]["verify"]["last"]["code"], &record["tasks"]["verify"]["done"]["code"]),
        (&4.into(), &0.into())
    );
    let prom = place.at("lifeboat.prom");
    let (code, out, _) = place.run(&["status", "--prometheus", prom.to_str().unwrap()]);
    assert!(code == 4 && out.contains("failed with code 4"), "{out}");
    let metrics = std::fs::read_to_string(&prom).unwrap();
    assert!(
        metrics.contains("lifeboat_last_run_exit_code{task=\"verify\"} 4\n")
            && metrics.contains("lifeboat_status_ok 0\n"),
        "{metrics}"
    );
    assert!(place.at("log/verify.log.1").exists());
}

#[test]
fn root_a_stream_and_a_tape_are_recorded_and_judged_as_a_repository_is() {
    let place = Place::new("repository = 'stream:@/set'\nkey_file = '@/key'\n");
    let (code, _, err) = place.run(&["backup", "--sysroot", "s"]);
    assert_eq!(code, 0, "{err}");
    let (_, status) = place.json(&["status"], "items");
    let backup = &status["items"][0];
    assert!(backup["overdue"] == false && backup["about"].as_str().unwrap().starts_with("set "), "{status}");
    assert!(status["repository"]["error"].is_null() && status["layout"]["state"] != "unknown", "{status}");
    let (code, _, err) = place.run(&["verify"]);
    assert_eq!(code, 0, "{err}");
    let done = place.record()["tasks"]["verify"]["done"].clone();
    let set = format!("stream:{}", place.at("set").display());
    assert_eq!((&done["code"], done["place"].as_str()), (&0.into(), Some(set.as_str())), "{done}");
    assert!(std::fs::read_to_string(place.at("log/verify.log")).unwrap().contains("done"));
    // Of a place that is named it is known only afterwards whose it is.
    place.configure("key_file = '@/key'\n");
    std::fs::remove_file(place.at("state/state.json")).unwrap();
    assert_eq!(place.run(&["verify", "--from", "stream:set"]).0, 0);
    assert_eq!(place.record()["tasks"]["verify"]["done"]["place"].as_str(), Some(set.as_str()));
    place.configure("repository = 'stream:@/none'\nkey_file = '@/key'\n");
    assert_eq!(place.run(&["verify"]).0, 1);
    assert_eq!(place.record()["tasks"]["verify"]["last"]["code"], 1);
    let (code, status) = place.json(&["status"], "items");
    assert!(code == 4 && status["repository"]["error"].as_str().unwrap().contains("cannot OPEN"), "{status}");
    // A tape is not wound for a question: the record says how old its backup is.
    place.configure("repository = 'tape:/dev/nst0'\nkey_file = '@/key'\n");
    let run = format!(r#"{{"at":"{}","code":0,"place":"tape:/dev/nst0"}}"#, jiff::Timestamp::now());
    let record = format!(r#"{{"format":1,"tasks":{{"backup":{{"last":{run},"done":{run}}}}}}}"#);
    std::fs::write(place.at("state/state.json"), record).unwrap();
    let (code, status) = place.json(&["status"], "items");
    assert!(code == 0 && status["repository"].is_null(), "{status}");
    assert_eq!(status["items"][0]["about"], "tape:/dev/nst0");
}

#[test]
fn root_what_is_too_old_is_overdue_and_a_damaged_record_is_none() {
    let place = Place::new("[status]\nbackup = '36h'\ndrill = '40d'\n");
    std::fs::create_dir(place.at("state")).unwrap();
    let old = r#"{"format":1,"tasks":{"backup":{"last":{"at":"2020-01-01T00:00:00Z","code":0},"done":{"at":"2020-01-01T00:00:00Z","code":0}}}}"#;
    std::fs::write(place.at("state/state.json"), old).unwrap();
    let (code, out, err) = place.run(&["status"]);
    assert_eq!(code, 4, "{out}{err}");
    assert!(
        out.contains("days old, the limit is 36 hours") && out.contains("the recovery was never rehearsed"),
        "{out}"
    );
    std::fs::write(place.at("state/state.json"), &old[..60]).unwrap();
    let (code, out, err) = place.run(&["status"]);
    assert!(code == 4 && err.contains("is ignored") && out.contains("no backup was ever taken"), "{out}{err}");
    place.configure("[status]\nbackup = 'tomorrow'\n");
    let (code, _, err) = place.run(&["status"]);
    assert!(code == 2 && err.contains("36h"), "{code} {err}");
}

/// A web server for one request; gives its address and what it was sent.
fn hook() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        sender.send(String::from_utf8(body).unwrap()).unwrap();
    });
    (address, receiver)
}

#[test]
fn root_a_failure_is_reported_without_secrets() {
    let (address, sent) = hook();
    let place = Place::new("key_file = '@/key'\n");
    place.run(&["key", "create", "--key-file", "key"]);
    let key = std::fs::read_to_string(place.at("key")).unwrap().trim().to_owned();
    place.configure(&format!("key_file = '@/key'\n[notify]\nwebhook = 'http://{address}/T0KEN'\n"));
    std::fs::create_dir(place.at("log")).unwrap();
    std::fs::write(place.at("log/backup.log"), format!("first\nthe key {key} and hunter2hunter2\nlifeboat: cannot\n"))
        .unwrap();
    let (code, out, err) = ended(
        place
            .command(&["notify", "--unit", "lifeboat-backup.service"])
            .env("RESTIC_REST_PASSWORD", "hunter2hunter2")
            .env("MONITOR_UNIT", "lifeboat-backup.service")
            .env("MONITOR_EXIT_STATUS", "1")
            .env("MONITOR_SERVICE_RESULT", "exit-code"),
    );
    assert!(code == 0 && out.contains(&format!("sent: http://{address}")) && !out.contains("T0KEN"), "{out}{err}");
    let body = sent.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(!body.contains("hunter2") && !body.contains(&key), "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&body["code"], &body["unit"], &body["test"]),
        (&1.into(), &"lifeboat-backup.service".into(), &false.into())
    );
    assert_eq!(body["log"][2], "lifeboat: cannot");
    // Exit code 5 is not always worth a message.
    place.configure("[notify]\nwebhook = 'http://127.0.0.1:1/T0KEN'\nwebhook_seconds = 2\npartial = false\n");
    let mut partly = place.command(&["notify", "--unit", "lifeboat-backup.service"]);
    partly.env("MONITOR_UNIT", "lifeboat-backup.service").env("MONITOR_EXIT_STATUS", "5");
    assert_eq!(ended(&mut partly).0, 0);
    let (code, _, err) = place.run(&["notify"]);
    assert!(code == 1 && err.contains("http://127.0.0.1:1") && !err.contains("T0KEN"), "{code} {err}");
    place.configure("");
    let (code, _, err) = place.run(&["notify"]);
    assert!(code == 2 && err.contains("[notify]"), "{code} {err}");
    assert_eq!(place.run(&["notify", "--unit", "lifeboat-backup.service"]).0, 0);
}

#[test]
fn root_the_command_that_prints_the_key_is_in_no_report() {
    let (address, sent) = hook();
    let place = Place::new(&format!(
        "key_command = 'vault --token=T0KEN-of-vault read lifeboat'\n[notify]\nwebhook = 'http://{address}/'\n"
    ));
    std::fs::create_dir(place.at("log")).unwrap();
    let said = "a hook ran vault --token=T0KEN-of-vault read lifeboat\nlast\n";
    std::fs::write(place.at("log/backup.log"), said).unwrap();
    let (code, out, err) = place.run(&["notify", "--unit", "lifeboat-backup.service"]);
    assert_eq!(code, 0, "{out}{err}");
    let body = sent.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(body.contains("a hook ran ***") && !body.contains("T0KEN"), "{body}");
}

#[test]
fn root_a_backup_works_with_what_its_unit_leaves_it() {
    let place = Place::new("repository = '@/repo'\nkey_file = '@/key'\n");
    let unit = std::fs::read_to_string(units().join("lifeboat-backup.service")).unwrap();
    let taken = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=~")).unwrap();
    let taken: Vec<String> =
        taken.split(' ').map(|name| format!("-{}", name.to_ascii_lowercase().trim_start_matches("cap_"))).collect();
    assert!(taken.len() > 5 && !taken.iter().any(|name| name == "-sys_module"), "lvm2 loads dm-snapshot");
    let mut command = Command::new("setpriv");
    command.args([&format!("--bounding-set={}", taken.join(",")), LIFEBOAT]);
    command.args(["--config", "lifeboat.toml", "backup", "--sysroot", "s", "--init"]).current_dir(place.0.path());
    let (code, out, err) = ended(command.stdin(Stdio::null()));
    assert!(code == 0 && out.contains("snapshot "), "{code} {out}{err}");
}

#[test]
fn root_a_key_may_come_from_a_command_and_a_passphrase_opens_too() {
    let place = Place::new("repository = '@/repo'\nkey_file = '@/key'\n");
    assert_eq!(place.run(&["backup", "--sysroot", "s", "--init", "--compression", "19", "--threads", "1"]).0, 0);
    place.configure("repository = '@/repo'\nkey_command = 'cat @/key'\n[limits]\nio_priority = 'idle'\n");
    let (code, out, err) = place.run(&["list"]);
    assert!(code == 0 && out.ends_with("\n1 snapshot\n"), "{out}{err}");
    assert_eq!(place.run(&["backup", "--sysroot", "s"]).0, 0);
    let typed = |arguments: &[&str], text: &str| {
        let mut command = place.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, err) = typed(&["key", "add", "--new-passphrase"], "short\n");
    assert!(code == 2 && err.contains("at least"), "{code} {err}");
    assert_eq!(typed(&["key", "add", "--new-passphrase"], "four words and a blank\n").0, 0);
    assert_eq!(typed(&["list", "--passphrase"], "four words and a blank\n").0, 0);
    assert_eq!(typed(&["list", "--passphrase"], "four words and no blank\n").0, 1);
    let (code, err) =
        typed(&["backup", "--sysroot", "s", "--to", "new", "--init", "--passphrase"], "four words and a blank\n");
    assert!(code == 2 && err.contains("recovery words") && !place.at("new").exists(), "{code} {err}");
    // The command may hold a password: neither it nor what it says is shown, or recorded.
    place.configure("repository = '@/repo'\nkey_command = 'echo T0KEN-said >&2; exit 7 # T0KEN'\n");
    let (code, out, err) = place.run(&["list"]);
    assert!(code == 1 && err.contains("exit status: 7") && err.contains("key_command in /etc"), "{code} {err}");
    assert!(!(out + &err).contains("T0KEN"), "{err}");
    assert_eq!(place.run(&["verify"]).0, 1);
    let record = place.record().to_string();
    assert!(record.contains("exit status: 7") && !record.contains("T0KEN"), "{record}");
    // Nor by an error in the configuration.
    place.configure("repository = '@/repo'\nkey_command = 'echo T0KEN\n");
    let (code, _, err) = place.run(&["list"]);
    assert!(code == 2 && err.contains("line 2") && !err.contains("T0KEN"), "{code} {err}");
}
