//! From a reply to bytes on the wire: compression, and bodies that come late, slowly or not whole.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Channel};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::time::{Instant, sleep_until};

use crate::core::Core;
use crate::fault::FaultKind;
use crate::http::Call;
use crate::reply::Reply;

pub(crate) type LabBody = UnsyncBoxBody<Bytes, io::Error>;

/// Puts a reply on the wire, with the faults that concern its body.
pub(crate) fn response(core: &Core, call: &Call, mut reply: Reply) -> Response<LabBody> {
    if core.options.gzip && accepts_gzip(call) {
        compress(&mut reply);
    }
    let length = reply.length();
    let shape = call.faults.iter().find_map(|fault| Shape::of(fault, length));
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(match shape {
        None => Pieces {
            left: length as u64,
            pieces: reply.body.into(),
        }
        .map_err(never)
        .boxed_unsync(),
        Some(shape) => shape.body(reply.body),
    });
    *response.status_mut() = status;
    *response.headers_mut() = reply.headers;
    if shape.is_none_or(|shape| shape.with_length) {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

fn accepts_gzip(call: &Call) -> bool {
    call.headers
        .get(ACCEPT_ENCODING)
        .is_some_and(|value| value.to_str().is_ok_and(|text| text.contains("gzip")))
}

fn compress(reply: &mut Reply) {
    let packed = match reply.packed.take() {
        Some(parts) => Some(parts),
        None if reply.length() > 1024 => crate::pack::gzip(&reply.body).map(|whole| vec![whole]),
        None => None,
    };
    if let Some(parts) = packed {
        reply.body = parts;
        reply.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
}

fn never(error: Infallible) -> io::Error {
    match error {}
}

/// A body whose pieces are there.
struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// How a body comes that does not come at once or not whole.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Bytes a piece.
    chunk: usize,
    /// Time from one piece to the next.
    every: Duration,
    /// Nothing comes after this many bytes ...
    stop_after: Option<usize>,
    /// ... and the connection breaks there, instead of a proper end.
    breaks: bool,
    /// A Content-Length (of the whole body) is sent.
    with_length: bool,
}

impl Shape {
    fn of(fault: &FaultKind, length: usize) -> Option<Shape> {
        let whole = Shape {
            chunk: 64 << 10,
            every: Duration::ZERO,
            stop_after: None,
            breaks: false,
            with_length: true,
        };
        match fault {
            FaultKind::Bandwidth { bytes_per_second, .. } => {
                // A piece every five milliseconds keeps to the rate without a timer for each packet.
                let every = Duration::from_millis(5);
                let chunk = usize::try_from(*bytes_per_second / 200).unwrap_or(usize::MAX).max(1);
                Some(Shape { chunk, every, ..whole })
            }
            FaultKind::Drip { bytes, every_ms } => Some(Shape {
                chunk: (*bytes).max(1),
                every: Duration::from_millis(*every_ms),
                ..whole
            }),
            FaultKind::DropMidBody { after } => Some(Shape {
                stop_after: Some(after.unwrap_or(length / 2)),
                breaks: true,
                ..whole
            }),
            FaultKind::Truncate => Some(Shape {
                stop_after: Some(length / 2),
                with_length: false,
                ..whole
            }),
            _ => None,
        }
    }

    /// The body, sent piece by piece by a task of its own.
    fn body(self, parts: Vec<Bytes>) -> LabBody {
        let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
        tokio::spawn(async move {
            let mut left = self.stop_after.unwrap_or(usize::MAX);
            let mut next = Instant::now();
            for mut part in parts {
                while !part.is_empty() && left > 0 {
                    let piece = part.split_to(self.chunk.min(part.len()).min(left));
                    left -= piece.len();
                    next += self.every;
                    if sender.send_data(piece).await.is_err() {
                        return;
                    }
                    sleep_until(next).await;
                }
            }
            if self.breaks {
                // What was sent before must reach the client before the connection breaks.
                tokio::time::sleep(Duration::from_millis(20)).await;
                sender.abort(io::Error::other("the lab was told to break off"));
            }
        });
        body.boxed_unsync()
    }
}
