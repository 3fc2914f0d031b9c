//! A recovery tells the server of its archive what it does, in the background: nothing waits for it, and nothing fails with it.

use lifeboat_machine::{Event, EventSink};
use lifeboat_remote::telling::Telling;
use lifeboat_remote::{Credentials, Fault};
use lifeboat_restore::rescue::RescueSystem;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Events that wait to be told. When there are more, those of progress are left out first.
const WAITING: usize = 512;
/// They are sent together, once in so many seconds.
const PAUSE: Duration = Duration::from_secs(2);
/// The server takes no more bytes at once.
const MOST: usize = 512 << 10;
/// How long the end of a recovery waits until its last events have arrived.
const LAST: Duration = Duration::from_secs(15);

/// Passes events on, and tells a server of them.
pub struct Told<S> {
    sink: S,
    teller: Option<Teller>,
}

impl<S: EventSink> Told<S> {
    /// Tells the server at which a recovery finds its archive, if that is one that can be told.
    pub fn of(sink: S, rescue: &RescueSystem, credentials: &Credentials) -> Told<S> {
        let place = rescue.archive_elsewhere().unwrap_or_default();
        let telling = Telling::to(&place, credentials).ok().flatten();
        let machine = serde_json::json!({ "id": rescue.machine.machine_id, "name": rescue.machine.name });
        Told { sink, teller: telling.and_then(|telling| Teller::start(telling, machine)) }
    }
}

impl<S: EventSink> EventSink for Told<S> {
    fn emit(&self, event: &Event) {
        self.sink.emit(event);
        if let Some(teller) = &self.teller {
            teller.take(event);
        }
    }
}

/// The thread that tells.
struct Teller {
    sender: Mutex<Option<SyncSender<Event>>>,
    ended: Mutex<Receiver<()>>,
}

impl Teller {
    fn start(telling: Telling, machine: serde_json::Value) -> Option<Teller> {
        let (sender, events) = sync_channel(WAITING);
        let (end, ended) = channel();
        let work = move || {
            run(&events, &machine, |lines| telling.tell(lines));
            let _ = end.send(());
        };
        std::thread::Builder::new().name("telling".to_owned()).spawn(work).ok()?;
        Some(Teller { sender: Mutex::new(Some(sender)), ended: Mutex::new(ended) })
    }

    fn take(&self, event: &Event) {
        let sender = self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A full queue has old news enough; the last event comes when nothing else does.
        let _ = sender.as_ref().map(|sender| sender.try_send(event.clone()));
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        drop(self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        let ended = self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = ended.recv_timeout(LAST);
    }
}

/// Collects events and tells them until nobody sends any, or the server cannot be told.
fn run(events: &Receiver<Event>, machine: &serde_json::Value, tell: impl Fn(&str) -> Result<(), Fault>) {
    let mut waiting: Vec<String> = vec![];
    loop {
        let mut more = true;
        let until = Instant::now() + PAUSE;
        let mut is_last = false;
        while more && !is_last {
            match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    is_last = event.is_final();
                    push(&mut waiting, &event, machine);
                }
                Err(RecvTimeoutError::Timeout) => more = false,
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = told(&mut waiting, &tell);
                    return;
                }
            }
        }
        match told(&mut waiting, &tell) {
            Ok(()) => {}
            // It is lost for now; what waits is told later.
            Err(Fault::Passing(_)) => {}
            Err(fault) => {
                tracing::debug!("the server of the archive is not told what is done: {fault}");
                return;
            }
        }
    }
}

/// Adds an event; of progress that waits, the last one only.
fn push(waiting: &mut Vec<String>, event: &Event, machine: &serde_json::Value) {
    let Ok(serde_json::Value::Object(mut line)) = serde_json::to_value(event) else { return };
    line.insert("machine".to_owned(), machine.clone());
    let is_progress = |line: &str| line.contains("\"event\":\"progress\"");
    let text = serde_json::Value::Object(line).to_string();
    if is_progress(&text) && waiting.last().is_some_and(|last| is_progress(last)) {
        waiting.pop();
    }
    if waiting.len() >= WAITING {
        waiting.remove(0);
    }
    waiting.push(text);
}

/// Tells all that waits, in pieces that the server takes.
fn told(waiting: &mut Vec<String>, tell: impl Fn(&str) -> Result<(), Fault>) -> Result<(), Fault> {
    while !waiting.is_empty() {
        let mut lines = String::new();
        let mut count = 0;
        for line in waiting.iter() {
            if count > 0 && lines.len() + line.len() >= MOST {
                break;
            }
            lines.push_str(line);
            lines.push('\n');
            count += 1;
        }
        tell(&lines)?;
        waiting.drain(..count);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn progress(bytes: u64) -> Event {
        let phase = "extract".to_owned();
        Event::Progress { phase, entries: 1, entries_total: 2, bytes, bytes_total: 100, seconds: 1.0 }
    }

    #[test]
    fn all_but_old_progress_arrives_with_its_machine() {
        let (sender, events) = sync_channel(WAITING);
        let note = |text: &str| Event::Note { text: text.to_owned() };
        for event in [note("one"), progress(1), progress(2), note("two"), progress(3)] {
            sender.send(event).unwrap();
        }
        sender.send(Event::Failed { reason: "no disk".into() }).unwrap();
        drop(sender);
        let told = RefCell::new(String::new());
        let lost = RefCell::new(1);
        run(&events, &serde_json::json!({ "id": "1a", "name": "db7" }), |lines| {
            // The first attempt does not arrive: nothing of it is lost.
            if *lost.borrow() > 0 {
                *lost.borrow_mut() -= 1;
                return Err(Fault::Passing("no answer".into()));
            }
            told.borrow_mut().push_str(lines);
            Ok(())
        });
        let told = told.into_inner();
        let kinds: Vec<String> = told
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(value["machine"]["name"], "db7");
                format!("{}{}", value["event"].as_str().unwrap(), value["bytes"])
            })
            .collect();
        assert_eq!(kinds, ["notenull", "progress2", "notenull", "progress3", "failednull"]);
    }

    #[test]
    fn a_server_that_cannot_be_told_is_left_alone() {
        let (sender, events) = sync_channel(WAITING);
        sender.send(Event::Failed { reason: "x".into() }).unwrap();
        let asked = RefCell::new(0);
        // The sender is still there: it ends by itself.
        run(&events, &serde_json::json!({}), |_| {
            *asked.borrow_mut() += 1;
            Err(Fault::Missing("it".into()))
        });
        assert_eq!(asked.into_inner(), 1);
        drop(sender);
    }
}
