//! The loop: keys and messages in, updates, paint.

use crate::finder::{Finder, find};
use crate::look::Look;
use crate::model::{Effect, Input, Model, Outcome, Request, Screen};
use crate::terminal::{Canvas, read_keys, size};
use crate::update::update;
use crate::view::view;
use crate::worker::{Fan, work};
use lifeboat_machine::EventSink;
use lifeboat_machine::parameters::After;
use lifeboat_restore::rescue::RescueSystem;
use lifeboat_restore::{Runner, keyboard};
use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How often the clock on the screen advances.
const TICK: Duration = Duration::from_secs(1);

/// How the mode ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// What the person chose; `None` when the terminal was lost.
    pub after: Option<After>,
    /// The outcome of the machine's recovery, or else of restoring files, if something was done.
    pub outcome: Option<Outcome>,
}

/// Runs the interactive mode on standard input and `output`, which must not block for ever. Events also go to `others`.
/// A recovery that has begun continues to its end when the terminal is lost.
///
/// # Errors
/// When standard input is not a terminal, or the output accepts nothing.
pub fn run(
    rescue: &RescueSystem,
    runner: &dyn Runner,
    others: &dyn EventSink,
    output: Box<dyn Write + Send>,
    look: Look,
) -> io::Result<Ending> {
    let model = Model::new(rescue, keyboard::list(Path::new("/")), look);
    run_with(model, others, output, |fan, asked| work(rescue, runner, fan, &asked))
}

/// Runs the finder on a running machine: a list of snapshots, a search, files restored to a folder.
///
/// # Errors
/// As [`run`].
pub fn browse(
    model: Model,
    finder: &mut dyn Finder,
    others: &dyn EventSink,
    output: Box<dyn Write + Send>,
) -> io::Result<Ending> {
    run_with(model, others, output, |fan, asked| find(finder, fan, &asked))
}

/// Runs the loop beside a worker that answers requests until there are no more.
fn run_with(
    mut model: Model,
    others: &dyn EventSink,
    output: Box<dyn Write + Send>,
    worker: impl FnOnce(&Fan<'_>, Receiver<Request>) + Send,
) -> io::Result<Ending> {
    let (requests, asked) = channel();
    let (happened, happening) = channel();
    let canvas = Canvas::open(output)?;
    let fan = Fan::new(others, happened.clone());
    listen(happened)?;
    std::thread::scope(|scope| {
        let fan = &fan;
        scope.spawn(move || worker(fan, asked));
        let mut screen = Loop { canvas: Some(canvas), requests, began: Instant::now() };
        let after = std::panic::catch_unwind(AssertUnwindSafe(|| screen.run(&mut model, &happening)));
        // From here on the terminal is restored, also after a panic.
        drop(screen);
        outlast(&mut model, &happening);
        Ok(Ending { after: after.ok().flatten(), outcome: model.recovered.or(model.outcome) })
    })
}

/// Reads keys in a thread that lives as long as the program: a read cannot be cancelled.
fn listen(happened: Sender<Input>) -> io::Result<()> {
    let read = move || {
        // However it ends, there are no more keys.
        let _ = read_keys(|key| happened.send(Input::Key(key)).is_ok());
        let _ = happened.send(Input::Lost);
    };
    std::thread::Builder::new().name("keys".into()).spawn(read).map(drop)
}

/// Waits for the end of work that nobody watches any more.
fn outlast(model: &mut Model, happening: &Receiver<Input>) {
    while model.screen == Screen::Progress {
        match happening.recv() {
            Ok(input @ Input::Message(_)) => drop(update(model, input)),
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

struct Loop {
    canvas: Option<Canvas>,
    requests: Sender<Request>,
    began: Instant,
}

impl Loop {
    /// Runs until the person leaves, or the terminal is lost while nothing is being done.
    fn run(&mut self, model: &mut Model, happening: &Receiver<Input>) -> Option<After> {
        model.size = size();
        let mut clock = 0;
        loop {
            if !self.paint(model) {
                return None;
            }
            let first = match happening.recv_timeout(TICK) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return None,
            };
            // All that has come is taken before the next paint: otherwise a slow line would never catch up.
            for input in first.into_iter().chain(happening.try_iter()) {
                if matches!(input, Input::Lost) {
                    return None;
                }
                if let Some(after) = self.take(model, input) {
                    return Some(after);
                }
            }
            let now = self.began.elapsed().as_secs();
            if now != clock {
                clock = now;
                self.take(model, Input::Clock(now));
            }
            if size() != model.size {
                let (columns, rows) = size();
                self.take(model, Input::Size(columns, rows));
            }
        }
    }

    fn take(&mut self, model: &mut Model, input: Input) -> Option<After> {
        let before = model.screen;
        for effect in update(model, input) {
            match effect {
                Effect::Work(request) => {
                    // The worker lives as long as this.
                    let _ = self.requests.send(request);
                }
                Effect::Repaint => self.clear(),
                Effect::Leave(after) => return Some(after),
            }
        }
        if model.screen != before {
            // Noise on a line, or a message of the kernel, does not survive a change of screen.
            self.clear();
        }
        None
    }

    fn clear(&mut self) {
        if self.canvas.as_mut().is_some_and(|canvas| canvas.clear().is_err()) {
            self.canvas = None;
        }
    }

    /// False when the terminal accepts nothing any more.
    fn paint(&mut self, model: &Model) -> bool {
        self.canvas.as_mut().is_some_and(|canvas| canvas.paint(|frame| view(frame, model)).is_ok())
    }
}
