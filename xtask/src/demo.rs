//! `make demo`: a real Debian machine loses its disk and comes back, in virtual machines; ends with a table of phases and
//! sizes, and `RESTORED`.

use crate::workspace;
use anyhow::Context as _;
use lifeboat_drill::lab::{Scenario, Target};
use lifeboat_drill::vm::Acceleration;
use lifeboat_machine::Event;
use lifeboat_machine::bytes::human;
use std::time::{Duration, Instant};

/// What runs in the machine: its database is stopped, as before any backup, then the one command. Its events come back as
/// JSON lines; progress stays there, because a serial line is slow.
const RESCUE: &str = "systemctl stop 'postgresql*' apache2 2>/dev/null; bash -o pipefail -c \"lifeboat rescue --json \
                      --out /run/medium/rescue.iso --mode nuke --timeout 0 --embed-key --append lifeboat.after=poweroff \
                      | grep -v progress\"";
/// What must hold in the machine that came back.
const CHECKS: [&str; 2] =
    ["findmnt --noheadings --output SOURCE /", "test -z \"$(systemctl --failed --plain --no-legend)\""];
/// Relax-and-Recover 2.7, emulated, on a 1.2 GB Debian 12 machine with two cores: image and backup, recovery from power-on to
/// reboot (docs/src/benchmarks.md).
const REAR_SECONDS: (f64, f64) = (17.0 * 60.0, 14.5 * 60.0);

/// What to show.
#[derive(clap::Args)]
pub struct Options {
    /// Another machine of lab/machines
    #[arg(long, value_name = "NAME", default_value = "demo")]
    machine: String,
}

/// One line of the table.
struct Row {
    phase: String,
    seconds: Option<f64>,
    size: Option<u64>,
}

#[derive(Default)]
struct Table(Vec<Row>);

impl Table {
    fn time(&mut self, phase: impl Into<String>, seconds: f64) {
        self.0.push(Row { phase: phase.into(), seconds: Some(seconds), size: None });
    }

    fn size(&mut self, phase: impl Into<String>, bytes: u64) {
        self.0.push(Row { phase: phase.into(), seconds: None, size: Some(bytes) });
    }

    fn print(&self) {
        println!("\n{:<44}{:>10}{:>12}", "phase", "seconds", "size");
        for row in &self.0 {
            let seconds = row.seconds.map_or(String::new(), |seconds| format!("{seconds:.1}"));
            println!("{:<44}{seconds:>10}{:>12}", row.phase, row.size.map_or(String::new(), human));
        }
    }
}

/// Runs the demonstration; any difference is an error.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let programs = [workspace::program("lifeboat")?, workspace::program("lifeboat-init")?];
    let lab = workspace::lab();
    let directory = workspace::scratch("demo")?;
    let mut table = Table::default();

    println!("1. A Debian machine, made without Lifeboat (cached; the first time takes minutes)");
    let (scenario, _) = timed(|| Scenario::new(&lab, &options.machine, &directory))?;
    let emulated = scenario.acceleration == Acceleration::Tcg;
    println!(
        "   {}: {}",
        options.machine,
        if emulated { "emulated, so be patient" } else { "hardware virtualisation" }
    );

    println!("2. It boots, and runs: lifeboat rescue --out rescue.iso");
    let (original, recorded) = timed(|| scenario.record(&programs, RESCUE))?;
    table.time("machine recorded, from power-on", recorded);
    let mut rescue_seconds = 0.0;
    for line in original.output.lines() {
        match serde_json::from_str::<Event>(line.trim()) {
            Ok(Event::Stage { name, seconds }) => {
                rescue_seconds += seconds;
                table.time(format!("  {name}"), seconds);
            }
            Ok(Event::Warning { text }) => println!("   warning: {text}"),
            _ => sizes(line, &mut table),
        }
    }
    let medium =
        std::fs::metadata(&original.medium).with_context(|| format!("cannot READ {}", original.medium.display()))?;
    table.size("  medium", medium.len());

    println!("3. Its disk is gone. A blank one takes its place, and the medium boots in nuke mode");
    let recovered = scenario.recover(&original.medium, &Target::default())?;
    let took = recovered.took.as_secs_f64();
    table.time("machine recovered, power-on to power-off", took);
    let mut entries = 0;
    for (_, event) in &recovered.events {
        match event {
            Event::Stage { name, seconds } => table.time(format!("  {name}"), *seconds),
            Event::Warning { text } => println!("   warning: {text}"),
            Event::Restored { entries: restored, .. } => entries = *restored,
            _ => {}
        }
    }

    println!("4. The restored disk is compared with the lost one: tables, filesystem features, every file");
    let ((), compared) = timed(|| scenario.compare(&original, &recovered))?;
    table.time("disks compared, no difference", compared);

    println!("5. The restored machine boots from its own disk");
    let ((), booted) = timed(|| scenario.boot(&recovered, &CHECKS))?;
    table.time("restored machine booted, checked, powered off", booted);

    table.print();
    if emulated && options.machine == "demo" {
        println!(
            "\nFor scale, Relax-and-Recover 2.7 on such a machine, emulated, two cores: image and backup {:.0} s (here {:.0} %), \
             recovery {:.0} s (here {:.0} %)",
            REAR_SECONDS.0,
            rescue_seconds * 100.0 / REAR_SECONDS.0,
            REAR_SECONDS.1,
            took * 100.0 / REAR_SECONDS.1
        );
    }
    println!("\n{} entries, identical. Disks, medium and consoles are in {}", entries, scenario.directory.display());
    println!("RESTORED");
    Ok(())
}

/// Sizes that `lifeboat rescue --json` reports at its end. Looked for one by one: an emulated serial line may garble another
/// part of the same line.
fn sizes(line: &str, table: &mut Table) {
    let number = |name: &str| -> Option<u64> {
        let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    if let Some(bytes) = number("initramfs_bytes") {
        table.size("  rescue system", bytes);
    } else if let (Some(added), Some(entries), Some(bytes)) =
        (number("bytes_added"), number("entries"), number("bytes"))
    {
        table.size(format!("  files, {entries} entries"), bytes);
        table.size("  archive", added);
    }
}

fn timed<T, E: Into<anyhow::Error>>(work: impl FnOnce() -> Result<T, E>) -> anyhow::Result<(T, f64)> {
    let began = Instant::now();
    let value = work().map_err(Into::into)?;
    let took: Duration = began.elapsed();
    Ok((value, took.as_secs_f64()))
}
