//! The boot, stage by stage (design, section 4).

use crate::children::Children;
use crate::clock;
use crate::finish;
use crate::foundation;
use crate::hotplug::{self, Hotplug};
use crate::loader;
use crate::menu::{self, Choice};
use crate::mode;
use crate::network;
use crate::report::Reporter;
use crate::root;
use crate::rules;
use crate::source::first_disc;
use crate::source::tape::{self, TapeSearch};
use crate::source::{Search, choose, wanted::Wanted};
use crate::ssh;
use crate::state::{Identity, Init, stage_event};
use crate::subsystems;
use crate::tools;
use lifeboat_machine::netboot::EMBEDDED_MEDIUM;
use lifeboat_machine::parameters::After;
use lifeboat_machine::source::FoundMedium;
use lifeboat_machine::{Event, EventSink as _, Mode, NetworkParameters, Parameters, run};
use lifeboat_sys::signal::{Received, Signals};
use lifeboat_sys::tape::Volume;
use lifeboat_sys::uevent::UeventSocket;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long drivers may take before the boot continues without them.
const DRIVERS_PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for the medium when nobody is there to help. USB disks may take 20 s to spin up.
const MEDIUM_PATIENCE_UNATTENDED: Duration = Duration::from_secs(60);
/// The same when the archive is elsewhere, and the medium carries only tools and a key.
const MEDIUM_PATIENCE_BESIDE_ARCHIVE: Duration = Duration::from_secs(20);
/// The same when a person can continue without it.
const MEDIUM_PATIENCE_ATTENDED: Duration = Duration::from_secs(15);

/// The kind of a medium that came with the rescue system, over the network.
const NETWORK: &str = "network";

/// The life of PID 1. It returns only when it cannot even wait.
pub fn run() -> ExitCode {
    let started = clock::now();
    let reporter = Arc::new(Reporter::default());
    let children = Arc::new(Children::default());
    // Before any thread exists, so that all of them leave signals to the collector.
    let signals = Signals::collect();
    let hook = Arc::clone(&reporter);
    std::panic::set_hook(Box::new(move |panic| hook.warn(format!("internal error: {panic}"))));
    match signals {
        Ok(signals) => watch_signals(signals, &reporter, &children),
        Err(error) => reporter.warn(format!("cannot OPEN a signal descriptor: {error}")),
    }
    let stages = AssertUnwindSafe(|| stages(started, &reporter, &children));
    if std::panic::catch_unwind(stages).is_err() {
        let reason = "init had an internal error (see above); the disks are left as they are".to_owned();
        reporter.emit(&Event::Failed { reason });
        mode::shells_after_failure(&reporter, &children, &foundation::consoles());
    }
    finish::wait_forever()
}

fn watch_signals(signals: Signals, reporter: &Arc<Reporter>, children: &Arc<Children>) {
    let (reporter, children) = (Arc::clone(reporter), Arc::clone(children));
    let watch = move || {
        loop {
            match signals.next() {
                Ok(Received::Child) => children.collect(),
                Ok(Received::Interrupt) => {
                    reporter.note("Ctrl-Alt-Del: restarting");
                    finish::in_background(&reporter, &children, After::Reboot);
                }
                Ok(Received::Terminate) => {
                    reporter.note("powering off, as requested by a signal");
                    finish::in_background(&reporter, &children, After::Poweroff);
                }
                Ok(Received::Other(_)) => {}
                Err(error) => {
                    reporter.warn(format!("cannot READ signals: {error}"));
                    return;
                }
            }
        }
    };
    let _ = std::thread::Builder::new().name("signals".into()).spawn(watch);
    let _ = lifeboat_sys::power::catch_ctrl_alt_del();
}

fn stages(started: Duration, reporter: &Arc<Reporter>, children: &Arc<Children>) {
    let Some(mut init) = foundation(started, reporter, children) else { return };
    init.stage("essential-modules", essential_modules);
    if !settle_mode(&mut init) {
        return finish::end(reporter, children, After::Reboot, None);
    }
    init.stage("rescue-media", rescue_media);
    init.stage("additional-tools", tools::mount);
    init.stage("remaining-modules", rules::run);
    init.stage("subsystems", subsystems::run);
    ssh::start(&init);
    mode::run(init);
}

/// Stage 1. `None` when there is no root; then that is reported and nothing else can be done.
fn foundation(started: Duration, reporter: &Arc<Reporter>, children: &Arc<Children>) -> Option<Init> {
    let mounted = foundation::mount_kernel_filesystems();
    let consoles = foundation::consoles();
    foundation::open_consoles(reporter, &consoles);
    reporter.open_log(Path::new(run::LOG));
    reporter.note(format!("init started {:.2} s after the kernel", started.as_secs_f64()));
    if let Err(error) = mounted {
        reporter.warn(error.to_string());
    }
    let command_line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let parameters = Parameters::parse(&command_line);
    let socket =
        UeventSocket::open().map_err(|error| reporter.warn(format!("cannot HEAR device events: {error}"))).ok();
    if let Err(error) = root::enter() {
        let reason = format!("there is no root filesystem: {error}; try another medium, or building this one again");
        reporter.emit(&Event::Failed { reason });
        finish::without_root(reporter, children, parameters.after);
        return None;
    }
    foundation::mount_the_rest(reporter);
    foundation::set_kernel();
    let loader = loader::loader(&command_line, children, reporter);
    foundation::make_static_nodes(loader.index());
    if let Err(error) = foundation::serve_module_requests() {
        reporter.warn(format!("cannot SERVE the kernel's requests for modules: {error}"));
    }
    foundation::provide_commands();
    let identity = Identity::read(Path::new("/lifeboat"));
    let _ = rustix::system::sethostname(host_name(identity.machine_name()).as_bytes());
    let hotplug = Hotplug::start(loader, socket, Arc::clone(reporter));
    let init = Init {
        reporter: Arc::clone(reporter),
        children: Arc::clone(children),
        started,
        parameters,
        command_line,
        consoles,
        hotplug,
        identity,
        source: None,
        tape: None,
        wanted: Wanted::Anywhere,
        network_failures: vec![],
        tools_mounted: false,
    };
    reporter.emit(&stage_event("foundation", started));
    Some(init)
}

/// The prompt shows that this is not the machine's own system.
fn host_name(machine: &str) -> String {
    let label: String = machine.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    format!("rescue-{label}").chars().take(64).collect()
}

/// Stage 2.
fn essential_modules(init: &mut Init) {
    hotplug::watch_port(&init.reporter);
    init.hotplug.cold_plug(false);
    if let Err(awaited) = init.hotplug.settle(DRIVERS_PATIENCE) {
        init.reporter.warn(format!("{awaited} did not arrive within {} s; continuing", DRIVERS_PATIENCE.as_secs()));
    }
    for error in init.hotplug.take_errors() {
        init.reporter.warn(error.to_string());
    }
}

/// What the person at the menu wants, if the rescue system brings a menu; `false` when that is to restart.
/// Keyboards have their drivers by now, and what comes next depends on the mode.
fn settle_mode(init: &mut Init) -> bool {
    if let Some(seconds) = init.parameters.menu_seconds.filter(|seconds| *seconds > 0) {
        let default = init.parameters.mode.unwrap_or(Mode::Interactive);
        let page = menu::page(&init.identity, default, seconds);
        match menu::ask(&init.reporter, &init.consoles, &page, default, Duration::from_secs(seconds.into())) {
            Choice::Mode(mode) => init.parameters.mode = Some(mode),
            Choice::Restart => return false,
        }
    }
    // In the other modes a person decides.
    if let (Some(policy), Some(Mode::Nuke)) = (&init.identity.policy, init.parameters.mode) {
        policy.clone().apply(&mut init.parameters);
    }
    true
}

/// Stage 3. A network is brought up, and tapes are examined, while the medium is looked for.
fn rescue_media(init: &mut Init) {
    for fault in &init.identity.faults {
        init.reporter.warn(fault.clone());
    }
    let network = NetworkParameters::parse(&init.command_line);
    let needed = network::is_needed(&init.parameters, &network);
    if needed {
        for mistake in &network.mistakes {
            init.reporter.warn(mistake.clone());
        }
        init.parameters.mistakes.extend(network.mistakes.iter().cloned());
    }
    let wanted = Wanted::parse(init.parameters.source.as_deref());
    let understood = wanted.is_ok();
    match wanted {
        Ok(wanted) => init.wanted = wanted,
        Err(mistake) => {
            init.reporter.warn(mistake.clone());
            init.parameters.mistakes.push(mistake);
        }
    }
    let tape_deadline = Instant::now() + tape::PATIENCE;
    let tapes = look_at_tapes(init);
    let shared: &Init = init;
    let (found, failures) = std::thread::scope(|scope| {
        let up = needed.then(|| scope.spawn(|| bring_up_network(shared, &network)));
        let found = understood.then(|| find_medium(shared, &network)).flatten();
        let failures = up.map(|thread| thread.join().unwrap_or_else(|_| vec!["an internal error".to_owned()]));
        (found, failures.unwrap_or_default())
    });
    init.network_failures = failures;
    init.source = found.map(|found| keep_first_disc(init, found));
    if let Some(tapes) = tapes {
        init.tape = choose_tape(init, &tapes, tape_deadline);
    }
}

/// Has what a recovery needs of the first disc of a set in memory, so that its drive takes the others. Where that fails, the disc stays
/// mounted: with the others in further drives it is good enough.
fn keep_first_disc(init: &Init, found: FoundMedium) -> FoundMedium {
    if init.identity.manifest.as_ref().is_none_or(|manifest| manifest.set.is_none()) {
        return found;
    }
    match first_disc::keep(&found.mount, Path::new(run::FIRST_DISC)) {
        Ok(()) => FoundMedium { mount: run::FIRST_DISC.into(), ..found },
        Err(reason) => {
            init.reporter.warn(format!("disc 1 has to stay in {}: {reason}", found.device.display()));
            found
        }
    }
}

/// Examines tapes when one is named, or when nothing is.
fn look_at_tapes(init: &Init) -> Option<Arc<TapeSearch>> {
    let name = match &init.wanted {
        Wanted::Tape(name) => Some(name.clone()),
        Wanted::Anywhere if init.parameters.source.is_none() => None,
        _ => return None,
    };
    TapeSearch::start(name, init.identity.machine_name(), &init.hotplug)
}

/// The tape that holds the archive. If the medium holds it, no tape is needed: then there is no wait for a drive.
fn choose_tape(init: &Init, tapes: &TapeSearch, deadline: Instant) -> Option<Volume> {
    let reporter = &init.reporter;
    let named = matches!(init.wanted, Wanted::Tape(_));
    let archive = init.identity.manifest.as_ref().is_some_and(lifeboat_machine::MediumManifest::has_archive);
    if !named && archive && init.source.is_some() {
        if let Some(Ok(volume)) = tapes.outcome() {
            reporter.note(format!(
                "{}; the medium's archive is used; lifeboat.source=tape would use the tape",
                tape::reported(&volume)
            ));
        }
        return None;
    }
    match tapes.wait(deadline, reporter) {
        Ok(volume) => {
            reporter.note(format!("{}: the archive is taken from it", tape::reported(&volume)));
            Some(volume)
        }
        Err(reasons) => {
            reasons.into_iter().for_each(|reason| reporter.warn(reason));
            None
        }
    }
}

/// Returns the reasons why there is no network.
fn bring_up_network(init: &Init, parameters: &NetworkParameters) -> Vec<String> {
    let recorded = init.identity.machine.as_ref().map(|machine| &machine.network);
    let place = network::Place {
        resolv_conf: Path::new("/etc/resolv.conf"),
        host_name: host_name(init.identity.machine_name()),
        started: Path::new(run::NETWORK_STARTED),
    };
    let result = network::bring_up(parameters, recorded, &place, &init.reporter);
    let failures = result.err().unwrap_or_default();
    if !failures.is_empty() {
        init.reporter.warn("there is no network");
    }
    failures
}

/// The medium, when there is one.
fn find_medium(init: &Init, network: &NetworkParameters) -> Option<FoundMedium> {
    let wanted = &init.wanted;
    let manifest = init.identity.manifest.as_ref()?;
    if Path::new(EMBEDDED_MEDIUM).is_dir() {
        let path = std::path::PathBuf::from(EMBEDDED_MEDIUM);
        return Some(FoundMedium { kind: NETWORK.to_owned(), device: path.clone(), mount: path });
    }
    let unattended = init.parameters.mode.is_some_and(lifeboat_machine::Mode::unattended);
    let patience = match (wanted, unattended) {
        // Started over the network, or nothing on a medium would be useful: one look is enough.
        (Wanted::Network, _) if network.boot_interface.is_some() || manifest.files.is_empty() => Duration::ZERO,
        (Wanted::Network | Wanted::OnDisk | Wanted::Tape(_), _) => MEDIUM_PATIENCE_BESIDE_ARCHIVE,
        (_, true) => MEDIUM_PATIENCE_UNATTENDED,
        (_, false) => MEDIUM_PATIENCE_ATTENDED,
    };
    let search = Search {
        wanted,
        manifest: &init.identity.manifest_bytes,
        hotplug: &init.hotplug,
        reporter: &init.reporter,
        children: &init.children,
    };
    match search.run(patience) {
        Ok(source) => {
            init.reporter.note(format!("the medium is in {}", source.device.display()));
            Some(source)
        }
        Err(_) if matches!(wanted, Wanted::Network | Wanted::OnDisk | Wanted::Tape(_)) => {
            init.reporter.note("there is no medium; the archive is elsewhere");
            None
        }
        Err(seen) => {
            init.reporter.warn(format!("no medium was found within {} s:", patience.as_secs()));
            for line in choose::explain(&seen, init.identity.machine_name(), init.identity.medium_id()) {
                init.reporter.warn(line);
            }
            None
        }
    }
}
