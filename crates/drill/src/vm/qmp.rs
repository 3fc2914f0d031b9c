//! A small QMP client (QEMU docs/interop/qmp-spec.rst): JSON lines over a unix socket.

use crate::DrillError;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// QEMU answers commands within milliseconds; a loaded host may need longer.
const ANSWER: Duration = Duration::from_secs(60);

/// A line from QEMU.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The first line.
    Greeting,
    /// A command succeeded.
    Return {
        /// The id sent with the command.
        id: u64,
        /// What it returns.
        value: Value,
    },
    /// A command failed.
    Error {
        /// The id sent with the command.
        id: u64,
        /// QEMU's description.
        reason: String,
    },
    /// Something happened: `SHUTDOWN`, `RESET`, `DEVICE_TRAY_MOVED`, …
    Event {
        /// Its name.
        name: String,
        /// Its data.
        data: Value,
    },
}

impl Message {
    /// Reads one line.
    ///
    /// # Errors
    /// A description of what is wrong with it.
    pub fn parse(line: &str) -> Result<Message, String> {
        let mut value: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
        let id = value.get("id").and_then(Value::as_u64).unwrap_or(0);
        if value.get("QMP").is_some() {
            return Ok(Message::Greeting);
        }
        if let Some(name) = value.get("event").and_then(Value::as_str).map(str::to_owned) {
            let data = value.get_mut("data").map_or(Value::Null, Value::take);
            return Ok(Message::Event { name, data });
        }
        if let Some(error) = value.get("error") {
            let reason = error.get("desc").and_then(Value::as_str).unwrap_or("no reason given").to_owned();
            return Ok(Message::Error { id, reason });
        }
        match value.get_mut("return") {
            Some(value) => Ok(Message::Return { id, value: value.take() }),
            None => Err(format!("neither greeting, answer nor event: {line}")),
        }
    }
}

/// A connection to QEMU's monitor.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    path: PathBuf,
    next: u64,
    events: VecDeque<(String, Value)>,
}

impl Qmp {
    /// Greets QEMU on a connected socket.
    ///
    /// # Errors
    /// When it does not answer as the specification says.
    pub fn new(stream: UnixStream, path: impl Into<PathBuf>) -> Result<Qmp, DrillError> {
        let path = path.into();
        let set_up = || -> std::io::Result<UnixStream> {
            stream.set_read_timeout(Some(ANSWER))?;
            stream.set_write_timeout(Some(ANSWER))?;
            stream.try_clone()
        };
        let reader = BufReader::new(set_up().map_err(DrillError::io("OPEN", &path))?);
        let mut qmp = Qmp { reader, writer: stream, path, next: 1, events: VecDeque::new() };
        match qmp.read("greeting")? {
            Message::Greeting => {}
            other => return Err(refused("greeting", format!("unexpected {other:?}"))),
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    fn read(&mut self, command: &str) -> Result<Message, DrillError> {
        let mut line = String::new();
        let count = self.reader.read_line(&mut line).map_err(DrillError::io("READ", &self.path))?;
        if count == 0 {
            return Err(refused(command, "QEMU closed the connection"));
        }
        Message::parse(line.trim()).map_err(|reason| refused(command, reason))
    }

    /// Runs a command and returns its result.
    ///
    /// # Errors
    /// [`DrillError::Qmp`] with QEMU's reason.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, DrillError> {
        let id = self.next;
        self.next += 1;
        let mut request = json!({"execute": command, "id": id});
        if arguments.as_object().is_some_and(|fields| !fields.is_empty()) {
            request["arguments"] = arguments;
        }
        self.writer.write_all(format!("{request}\n").as_bytes()).map_err(DrillError::io("WRITE", &self.path))?;
        loop {
            match self.read(command)? {
                Message::Return { id: answered, value } if answered == id => return Ok(value),
                Message::Error { id: answered, reason } if answered == id => return Err(refused(command, reason)),
                Message::Event { name, data } => self.events.push_back((name, data)),
                // Answers to commands that timed out.
                Message::Return { .. } | Message::Error { .. } | Message::Greeting => {}
            }
        }
    }

    /// Starts the processors of a machine started with `-S`.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn resume(&mut self) -> Result<(), DrillError> {
        self.execute("cont", json!({})).map(drop)
    }

    /// `running`, `paused`, `shutdown`, …
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn status(&mut self) -> Result<String, DrillError> {
        let status = self.execute("query-status", json!({}))?;
        Ok(status.get("status").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn power_button(&mut self) -> Result<(), DrillError> {
        self.execute("system_powerdown", json!({})).map(drop)
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn reset(&mut self) -> Result<(), DrillError> {
        self.execute("system_reset", json!({})).map(drop)
    }

    /// Ends QEMU as a power cut would.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn quit(&mut self) -> Result<(), DrillError> {
        self.execute("quit", json!({})).map(drop)
    }

    /// Writes what the screen shows to a PNG file.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn screenshot(&mut self, png: &Path) -> Result<(), DrillError> {
        self.execute("screendump", json!({"filename": png.to_string_lossy(), "format": "png"})).map(drop)
    }

    /// Presses keys together, by their QKeyCode names (`ctrl`, `ret`, `n`, …).
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn press(&mut self, keys: &[&str]) -> Result<(), DrillError> {
        let keys: Vec<Value> = keys.iter().map(|key| json!({"type": "qcode", "data": key})).collect();
        self.execute("send-key", json!({"keys": keys})).map(drop)
    }

    /// Puts an image into a drive as a disc; what was in it is taken out. At `unreadable`, a place in bytes, the disc cannot be read.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn insert(&mut self, device: &str, image: &Path, unreadable: Option<u64>) -> Result<(), DrillError> {
        let file = image.to_string_lossy();
        let Some(place) = unreadable else {
            let arguments = json!({"id": device, "filename": file, "format": "raw", "read-only-mode": "read-only"});
            return self.execute("blockdev-change-medium", arguments).map(drop);
        };
        // QEMU docs/devel/testing/blkdebug.rst: EIO, each time; sectors of 512 bytes.
        let fault =
            json!({"event": "read_aio", "errno": 5, "sector": place / 512, "immediately": false, "once": false});
        let image = json!({"driver": "file", "filename": file, "read-only": true});
        let faulty = json!({"driver": "blkdebug", "image": image, "inject-error": [fault]});
        let node = format!("faulty{}", self.next);
        let disc = json!({"driver": "raw", "node-name": node, "read-only": true, "file": faulty});
        self.execute("blockdev-add", disc)?;
        self.execute("blockdev-open-tray", json!({"id": device, "force": true}))?;
        self.execute("blockdev-remove-medium", json!({"id": device}))?;
        self.execute("blockdev-insert-medium", json!({"id": device, "node-name": node}))?;
        self.execute("blockdev-close-tray", json!({"id": device})).map(drop)
    }

    /// Opens the tray of a removable drive and takes the disc out.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn eject(&mut self, device: &str) -> Result<(), DrillError> {
        self.execute("eject", json!({"id": device, "force": true})).map(drop)
    }

    /// Pulls a device out of the running machine; the guest sees it go.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn unplug(&mut self, device: &str) -> Result<(), DrillError> {
        self.execute("device_del", json!({"id": device})).map(drop)
    }

    /// What happened since the last call, as far as answers were read.
    pub fn take_events(&mut self) -> Vec<(String, Value)> {
        self.events.drain(..).collect()
    }

    /// Waits until QEMU reports an event of this name.
    ///
    /// # Errors
    /// [`DrillError::Deadline`].
    pub fn wait_for_event(&mut self, name: &str, deadline: Duration) -> Result<Value, DrillError> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(index) = self.events.iter().position(|(event, _)| event == name) {
                return Ok(self.events.remove(index).map_or(Value::Null, |(_, data)| data));
            }
            if Instant::now() >= end {
                let awaited = format!("the QEMU event {name}");
                return Err(DrillError::Deadline { awaited, deadline, tail: String::new() });
            }
            // Any command collects the events that came before its answer.
            self.status()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn refused(command: &str, reason: impl Into<String>) -> DrillError {
    DrillError::Qmp { command: command.to_owned(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}"#;

    #[test]
    fn lines() {
        let event = r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true}}"#;
        for (line, message) in [
            (GREETING, Message::Greeting),
            (r#"{"return": {}, "id": 3}"#, Message::Return { id: 3, value: json!({}) }),
            (
                r#"{"id": 4, "error": {"class": "GenericError", "desc": "Device 'x' not found"}}"#,
                Message::Error { id: 4, reason: "Device 'x' not found".into() },
            ),
            (event, Message::Event { name: "SHUTDOWN".into(), data: json!({"guest": true}) }),
        ] {
            assert_eq!(Message::parse(line).unwrap(), message);
        }
        assert!(Message::parse("").is_err());
        assert!(Message::parse("{}").is_err());
    }

    #[test]
    fn events_between_question_and_answer_are_kept() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let qemu = std::thread::spawn(move || {
            let mut lines = BufReader::new(theirs.try_clone().unwrap()).lines();
            let send = |text: &str| (&theirs).write_all(format!("{text}\r\n").as_bytes()).unwrap();
            send(GREETING);
            assert_eq!(lines.next().unwrap().unwrap(), r#"{"execute":"qmp_capabilities","id":1}"#);
            send(r#"{"return": {}, "id": 1}"#);
            assert_eq!(lines.next().unwrap().unwrap(), r#"{"execute":"query-status","id":2}"#);
            send(r#"{"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 1}}"#);
            send(r#"{"return": {"status": "running"}, "id": 2}"#);
            lines.next().unwrap().unwrap();
            send(r#"{"id": 3, "error": {"class": "DeviceNotFound", "desc": "Device 'cd' not found"}}"#);
        });
        let mut qmp = Qmp::new(ours, "test").unwrap();
        assert_eq!(qmp.status().unwrap(), "running");
        assert_eq!(qmp.take_events(), [("RESUME".to_owned(), Value::Null)]);
        let error = qmp.eject("cd").unwrap_err().to_string();
        assert_eq!(error, "the virtual machine refused eject: Device 'cd' not found");
        qemu.join().unwrap();
    }
}
