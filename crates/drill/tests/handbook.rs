//! The commands that README and handbook show, run one by one on a machine with systemd, as they stand there.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::handbook::{Runs, Shown, commands, forms, runs};
use lifeboat_sys::SystemRunner;
use std::path::{Path, PathBuf};
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(900);
const WORK: Duration = Duration::from_secs(1800);

/// A machine as the handbook has it: places for backups, some files, a configuration. What fills most of its disk is left out of the backups: they
/// are taken several times here.
const MACHINE: &str = r#"
set -eu
hostname web1; echo web1 > /etc/hostname
for place in elsewhere nas usb; do mkdir -p /mnt/$place; mount -t tmpfs -o size=900m tmpfs /mnt/$place; done
mkdir -p /media/stick; mount -t tmpfs -o size=900m tmpfs /media/stick
mkdir -p /mnt/backups /srv/www /var/lib/app /etc/nginx /root/work
echo hello > /srv/www/index.html; echo data > /var/lib/app/data; echo 'worker_processes 2;' > /etc/nginx/nginx.conf; echo x > /etc/app.conf
printf '#!/bin/sh\nexec "$@"\n' > /usr/local/bin/sudo; printf '#!/bin/sh\ncat > /run/mail\n' > /usr/local/bin/mail
chmod 755 /usr/local/bin/sudo /usr/local/bin/mail
cat > /etc/lifeboat.toml <<'END'
repository = "/mnt/nas/repository"
[backup]
exclude = ["/usr/lib/**", "/usr/share/**", "/usr/bin/**", "/usr/sbin/**", "/boot/**", "/var/cache/**", "/var/lib/apt/**", "/var/lib/dpkg/**"]
[rescue]
no_firmware = true
[schedule]
medium_file = "/mnt/elsewhere/rescue.iso"
[notify]
mail = ["root"]
END
echo '{"disks": [{"size": "500 GB"}]}' > /root/work/disks.json
lifeboat backup --init
lifeboat backup
"#;

/// What a line needs that those before it did not leave.
fn before(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let after = |option: &str| words.iter().position(|word| *word == option).and_then(|at| words.get(at + 1)).copied();
    let mut script = String::new();
    if words.contains(&"--init") {
        script += &format!("rm -rf {}; ", after("--to").unwrap_or("/mnt/nas/repository"));
    }
    if let Some(image) = after("--out").filter(|image| image.ends_with(".iso")) {
        script += &format!("rm -f {image}; ");
    }
    if line.contains("rescue.iso") && after("--out").is_none() {
        // The one that was made last.
        script += "test -e rescue.iso || ln -sf /mnt/elsewhere/rescue.iso rescue.iso; ";
    }
    if words.contains(&"import") {
        script += "lifeboat key show > /run/words 2>/dev/null; mv /etc/lifeboat/repository.key /run/old.key; ";
    }
    if words.contains(&"stream:/mnt/usb/db7.stream") || words.contains(&"stream:/mnt/usb/db7,size=650M") {
        script += "rm -f /mnt/usb/db7*; ";
    }
    if words.contains(&"create") {
        script += &format!("rm -f {}; ", after("--key-file").unwrap_or("/nowhere"));
    }
    script
}

/// The line, with what stands for something in it, and with what a person does meanwhile.
fn typed(line: &str, first: &str) -> String {
    let line = line.replace("1a2b3c4d", &first[..8]).replace("a3c9 ", &format!("{} ", &first[..4]));
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        // It lasts until somebody unmounts.
        ["lifeboat", "mount", folder] => format!(
            "timeout 300 {line} & mounted=$!; timeout 100 sh -c 'until mountpoint -q {folder}; do sleep 0.2; done' && \
             grep -q worker {folder}/web1/latest/etc/nginx/nginx.conf && umount {folder} && wait $mounted"
        ),
        ["lifeboat", "key", "import", ..] => format!("{line} < /run/words"),
        _ => line,
    }
}

/// Codes with which a line may end: differences are no failure.
fn fine(line: &str) -> &'static [i32] {
    let differs = ["lifeboat diff ", "lifeboat status"];
    let line = line.trim_start_matches("sudo ");
    if differs.iter().any(|begin| line.starts_with(begin)) { &[0, 4] } else { &[0] }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The id of the oldest snapshot.
fn first_snapshot(guest: &mut Guest<'_>) -> Result<String, DrillError> {
    let listed = guest.must("lifeboat --json list --from /mnt/nas/repository", WORK)?;
    let id = listed.lines().find_map(|line| line.split_once("\"id\":\"").map(|(_, rest)| rest[..64].to_owned()));
    Ok(id.unwrap_or_else(|| panic!("no snapshot: {listed}")))
}

#[test]
#[ignore = "long: make test-all"]
fn handbook_commands_are_run_as_they_stand_there() {
    run_scenario(|| {
        let scenario = scenario_in("handbook", PLAIN)?;
        let (mut vm, _disk) = scenario.start_original_with(|spec| *spec = spec.clone().memory(6144))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        guest.must("mkdir -p /usr/local/bin /usr/local/lib/lifeboat", BOOT)?;
        guest.install(&SystemRunner, &programs()[..1], "/usr/local/bin")?;
        guest.install(&SystemRunner, &programs()[1..], "/usr/local/lib/lifeboat")?;
        let units = top().join("dist/systemd");
        let units: Vec<PathBuf> = std::fs::read_dir(units).unwrap().map(|entry| entry.unwrap().path()).collect();
        guest.install(&SystemRunner, &units, "/etc/systemd/system")?;
        guest.must(&format!("cat >/run/machine.sh <<'MACHINE'\n{MACHINE}\nMACHINE\nsh /run/machine.sh"), WORK)?;
        let (mut count, mut failed) = (0, vec![]);
        for Shown { place, line } in
            commands(&top()).into_iter().filter(|shown| matches!(runs(&shown.line), Runs::Here))
        {
            let first = first_snapshot(&mut guest)?;
            // In a shell of its own: the one that is typed into goes on, whatever ends with a failure.
            let script = format!("( set -eu; cd /root/work; {} )", before(&line));
            guest.must(&script, WORK)?;
            let command = typed(&line, &first);
            eprintln!("{place}: {command}");
            let ended = guest.run(&format!("cd /root/work && {{ {command}; }}"), WORK)?;
            if !fine(&line).contains(&ended.code) {
                failed.push(format!("{place}: {line}: code {}\n{}", ended.code, ended.text));
            }
            count += 1;
            // Two snapshots, whatever a new repository left.
            if line.contains("--init") {
                guest.must(
                    "lifeboat backup --to /mnt/nas/repository $(test -d /mnt/nas/repository || echo --init)",
                    WORK,
                )?;
            }
        }
        guest.must("lifeboat schedule --off", WORK)?;
        guest.settle()?;
        vm.power_cut();
        assert!(failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n"));
        assert!(count > 30, "{count}");
        Ok(())
    });
}

#[test]
fn handbook_commands_are_known_to_tests() {
    let (shown, forms) = (commands(&top()), forms(&top()));
    assert!(shown.len() > 50 && forms.len() > 5, "{} {}", shown.len(), forms.len());
    for Shown { place, line } in shown {
        if let Runs::There(file, text) = runs(&line) {
            let test = std::fs::read_to_string(top().join(file)).unwrap();
            assert!(test.contains(text), "{place}: {line} is not in {file}");
        }
    }
}
