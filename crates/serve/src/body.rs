//! Bodies of answers: a text, a part of a file, or what a thread sends. Each holds no more than a few hundred kilobytes at a time.

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::fs::File;
use std::future::Future as _;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

/// How much of a file is read at once, in bytes.
const STEP: u64 = 256 << 10;

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// All of it is there; may be empty.
    Whole(Bytes),
    /// A part of a file.
    Part(Part),
    /// What a thread sends, of unknown length.
    Sent(Receiver<io::Result<Bytes>>),
}

/// A part of a file. While one piece is sent the next one is read.
#[derive(Debug)]
pub struct Part {
    file: Arc<File>,
    /// What is not being read yet.
    offset: u64,
    end: u64,
    /// What has not been handed out yet, in bytes.
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Body {
    /// `length` bytes of a file from `offset` on. A file that ends earlier cuts the connection.
    pub fn part(file: File, offset: u64, length: u64) -> Body {
        Body::Part(Part {
            file: Arc::new(file),
            offset,
            end: offset.saturating_add(length),
            left: length,
            reading: None,
        })
    }

    /// No body.
    pub fn none() -> Body {
        Body::Whole(Bytes::new())
    }
}

impl Part {
    fn read_ahead(&mut self) {
        if self.offset >= self.end {
            return;
        }
        let (file, offset) = (self.file.clone(), self.offset);
        let length = STEP.min(self.end - offset);
        self.offset += length;
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            file.read_exact_at(&mut bytes, offset)?;
            Ok(Bytes::from(bytes))
        }));
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.reading.is_none() {
            self.read_ahead();
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let piece = ready!(Pin::new(reading).poll(context)).map_err(io::Error::other).and_then(|piece| piece);
        self.reading = None;
        match &piece {
            Ok(piece) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                self.read_ahead();
            }
            Err(_) => self.offset = self.end,
        }
        Poll::Ready(Some(piece))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match self.get_mut() {
            Body::Whole(bytes) if bytes.is_empty() => None,
            Body::Whole(bytes) => Some(Ok(std::mem::take(bytes))),
            Body::Part(part) => ready!(part.poll(context)),
            Body::Sent(receiver) => ready!(receiver.poll_recv(context)),
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(bytes) => bytes.is_empty(),
            Body::Part(part) => part.left == 0,
            Body::Sent(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Part(part) => SizeHint::with_exact(part.left),
            Body::Sent(_) => SizeHint::default(),
        }
    }
}
