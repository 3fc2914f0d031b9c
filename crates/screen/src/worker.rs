//! Does what the person asked for, in a thread of its own, so that the screen keeps working and a lost terminal stops nothing.

use crate::model::{Input, Message, Request};
use lifeboat_machine::{Event, EventSink};
use lifeboat_plan::{Plan, Policy};
use lifeboat_restore::observe::CONSOLE_INTERVAL;
use lifeboat_restore::pace::Pace;
use lifeboat_restore::rescue::RescueSystem;
use lifeboat_restore::{Disks, Failure, Runner, Session, archive_places, keyboard, logs};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many files a search shows; more would not help.
pub(crate) const SHOWN_FILES: usize = 500;
/// How often progress is shown on this screen; each costs a serial line some hundred bytes.
const INTERVAL: Duration = Duration::from_secs(1);

/// Sends events both to the screen and to the previous listener.
pub struct Fan<'a> {
    others: &'a dyn EventSink,
    screen: Mutex<Sender<Input>>,
    /// How often the others get progress.
    pace: Pace,
}

impl<'a> Fan<'a> {
    /// Sends to both.
    pub fn new(others: &'a dyn EventSink, screen: Sender<Input>) -> Fan<'a> {
        Fan { others, screen: Mutex::new(screen), pace: Pace::every(CONSOLE_INTERVAL) }
    }

    /// Shows on the screen what is waited for, from whatever thread.
    fn listener(&self) -> Arc<dyn Fn(&str) + Send + Sync> {
        let screen = Mutex::new(self.screen.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Arc::new(move |text: &str| {
            let event = Event::Warning { text: text.to_owned() };
            let screen = screen.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = screen.send(Input::Message(Message::Event(event)));
        })
    }

    pub(crate) fn send(&self, message: Message) {
        // Without a screen the work continues.
        let _ = self.screen.lock().unwrap_or_else(PoisonError::into_inner).send(Input::Message(message));
    }
}

impl EventSink for Fan<'_> {
    fn emit(&self, event: &Event) {
        if !matches!(event, Event::Progress { .. }) || self.pace.is_due() {
            self.others.emit(event);
        }
        self.send(Message::Event(event.clone()));
    }
}

/// Works until there are no more requests.
pub fn work(rescue: &RescueSystem, runner: &dyn Runner, fan: &Fan<'_>, requests: &Receiver<Request>) {
    let mut session = Session::new(rescue, runner, fan, INTERVAL);
    session.tell(fan.listener());
    let mut next = None;
    while let Some(request) = latest(&mut next, requests) {
        let broken = after_panic(&request);
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| answer(&mut session, rescue, runner, request)));
        fan.send(done.unwrap_or(broken));
    }
}

/// The answer to a request that ended in a panic: every request needs one.
fn after_panic(request: &Request) -> Message {
    let reason = "an internal error (the log has it)".to_owned();
    match request {
        Request::CarryOut(..) => Message::Recovered(Err((reason, Disks::Written))),
        Request::RestoreFiles(..) => Message::FilesRestored(Err((reason, Disks::Written))),
        Request::Search(query) => Message::Found { query: query.clone(), result: Err(reason) },
        _ => Message::Places(Err(reason)),
    }
}

/// The next request; of several queued searches only the last one counts.
pub(crate) fn latest(next: &mut Option<Request>, requests: &Receiver<Request>) -> Option<Request> {
    let mut request = next.take().or_else(|| requests.recv().ok())?;
    while matches!(request, Request::Search(_)) {
        match requests.try_recv() {
            Ok(later @ Request::Search(_)) => request = later,
            Ok(other) => {
                *next = Some(other);
                break;
            }
            Err(_) => break,
        }
    }
    Some(request)
}

fn answer<'a>(session: &mut Session<'a>, rescue: &RescueSystem, runner: &'a dyn Runner, request: Request) -> Message {
    let text = |failure: Failure| failure.to_string();
    match request {
        Request::Open(source) => Message::Opened(session.open(source.as_deref()).map_err(text)),
        Request::Unlock(typed) => Message::Opened(session.unlock(&typed.0).map_err(text)),
        Request::Choose(index) => Message::Chosen(session.choose(index).map(Box::new).map_err(text)),
        Request::Keys(typed) => {
            let typed = typed.as_ref().map(|typed| typed.0.as_str());
            Message::Keys(session.machine_keys(typed).map_err(text))
        }
        Request::Passphrase(uuid, typed) => {
            Message::PassphraseKept(session.new_passphrase(&uuid, &typed.0).map_err(text))
        }
        Request::Look => Message::Hardware(session.hardware().map_err(text)),
        Request::Search(query) => {
            let result = session.search(&query, SHOWN_FILES).map_err(text);
            Message::Found { query, result }
        }
        Request::CarryOut(plan, policy, damaged) => recover(session, rescue, &plan, &policy, damaged),
        Request::RestoreFiles(paths, to) => {
            Message::FilesRestored(session.restore_files(&paths, &to).map_err(with_disks))
        }
        Request::Places => Message::Places(archive_places::list(runner).map_err(text)),
        Request::Save(place) => Message::Saved(logs::save(rescue, &place, runner).map_err(text)),
        Request::Keymap(name, path) => {
            Message::KeymapLoaded(keyboard::load(&path, runner).map(|()| name).map_err(text))
        }
    }
}

fn recover(session: &Session<'_>, rescue: &RescueSystem, plan: &Plan, policy: &Policy, damaged: bool) -> Message {
    // For the logs; full memory is no reason not to recover.
    let _ = std::fs::write(rescue.directories.run.join(Path::new("plan.txt")), plan.to_string());
    match session.carry_out(plan, policy, damaged) {
        Err(Failure::Lost { lost, .. }) => {
            Message::Damaged(lost.into_iter().map(|problem| (problem.path, problem.message)).collect())
        }
        result => Message::Recovered(result.map_err(with_disks)),
    }
}

fn with_disks(failure: Failure) -> (String, Disks) {
    (failure.to_string(), failure.disks())
}
