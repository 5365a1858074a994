//! LDAP's messages on a stream: requests out, answers in. An answer is read where it arrived; nothing of it is copied.

use super::ber::{BOOLEAN, ENUMERATED, INTEGER, Malformed, OCTETS, SEQUENCE, Values, head, number, value};
use super::plain;
use bytes::{Buf, BytesMut};
use std::future::Future;
use std::io;
use std::ops::Range;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// The longest message that is taken.
const LONGEST: usize = 64 << 20;
/// So much is read at once, where so much is there.
const CHUNK: usize = 64 << 10;

/// What bytes go over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// The tags of the answers to which there is more than one (RFC 4511, 4.5).
pub const ENTRY: u8 = 0x64;
pub const REFERENCE: u8 = 0x73;
/// Of an answer that nobody asked for: the end of the connection.
const EXTENDED: u8 = 0x78;

/// A message.
#[derive(Debug)]
pub struct Message<'a> {
    /// The operation's tag.
    pub tag: u8,
    /// Its content.
    pub content: &'a [u8],
    controls: &'a [u8],
}

/// How an operation ended (LDAPResult; RFC 4511, 4.1.9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The result code.
    pub code: u32,
    /// What the controller said.
    pub text: String,
    /// Where it referred to.
    pub referrals: Vec<String>,
    /// What it says to whom signs in.
    pub token: Option<Vec<u8>>,
    /// By which it goes on with a list; empty where that is whole.
    pub cookie: Vec<u8>,
}

/// The control of lists in pages (RFC 2696).
pub const PAGED: &str = "1.2.840.113556.1.4.319";

impl Message<'_> {
    /// How it ended, as this says.
    pub fn outcome(&self) -> Result<Outcome, Malformed> {
        let mut parts = Values::of(self.content);
        let code = parts.number(ENUMERATED)?;
        parts.content(OCTETS)?;
        let mut outcome = Outcome {
            code,
            text: plain(&String::from_utf8_lossy(parts.content(OCTETS)?)),
            ..Outcome::default()
        };
        while !parts.is_empty() {
            match parts.take()? {
                (0xa3, place) => outcome.referrals = texts(Values::at(self.content, place))?,
                (0x87, place) => outcome.token = Some(self.content[place].to_vec()),
                _ => {}
            }
        }
        let mut controls = Values::of(self.controls);
        while !controls.is_empty() {
            let mut control = controls.inner(SEQUENCE)?;
            if control.content(OCTETS)? != PAGED.as_bytes() {
                continue;
            }
            // Whether it is critical may stand between.
            while !control.is_empty() {
                if let (OCTETS, place) = control.take()? {
                    let mut page = Values::at(self.controls, place).inner(SEQUENCE)?;
                    page.content(INTEGER)?;
                    outcome.cookie = page.content(OCTETS)?.to_vec();
                }
            }
        }
        Ok(outcome)
    }

    /// What a reference names.
    pub fn references(&self) -> Result<Vec<String>, Malformed> {
        texts(Values::of(self.content))
    }
}

fn texts(mut values: Values<'_>) -> Result<Vec<String>, Malformed> {
    let mut texts = Vec::new();
    while !values.is_empty() {
        texts.push(String::from_utf8_lossy(values.content(OCTETS)?).into_owned());
    }
    Ok(texts)
}

/// The first message of some bytes: its length, its number, its operation's tag and content, and its controls.
type Place = (usize, u32, u8, Range<usize>, Range<usize>);

fn place(bytes: &[u8]) -> Result<Option<Place>, Malformed> {
    let Some((tag, front, length)) = head(bytes)? else {
        return Ok(None);
    };
    if tag != SEQUENCE || length > LONGEST {
        return Err(Malformed);
    }
    let end = front + length;
    if bytes.len() < end {
        return Ok(None);
    }
    let mut parts = Values::at(bytes, front..end);
    let id = parts.number(INTEGER)?;
    let (tag, content) = parts.take()?;
    let controls = match parts.is_empty() {
        true => end..end,
        false => parts.place(0xa0)?,
    };
    Ok(Some((end, id, tag, content, controls)))
}

/// A connection.
pub struct Wire {
    stream: Box<dyn Stream>,
    received: BytesMut,
    /// So many bytes of it are the message that was given last.
    done: usize,
    /// The number of the request that was sent last.
    sent: u32,
    /// How long a request may take to be sent, and its next answer to come.
    timeout: Duration,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    /// One over a stream; so long a request may take.
    pub fn new(stream: Box<dyn Stream>, timeout: Duration) -> Self {
        Wire {
            stream,
            received: BytesMut::new(),
            done: 0,
            sent: 0,
            timeout,
        }
    }

    /// The stream, where nothing was received that nobody asked for.
    pub fn into_stream(mut self) -> io::Result<Box<dyn Stream>> {
        self.received.advance(self.done);
        match self.received.is_empty() {
            true => Ok(self.stream),
            false => Err(Malformed.into()),
        }
    }

    /// Sends a request: its operation, and its controls.
    pub async fn send(&mut self, operation: &[u8], controls: &[u8]) -> io::Result<()> {
        // A number has 31 bits, and 0 is nobody's.
        self.sent = self.sent % 0x7fff_ffff + 1;
        let controls = match controls {
            [] => Vec::new(),
            controls => value(0xa0, &[controls]),
        };
        // It may hold a password.
        let message = Zeroizing::new(value(SEQUENCE, &[&number(INTEGER, self.sent), operation, &controls]));
        let sending = async {
            self.stream.write_all(&message).await?;
            self.stream.flush().await
        };
        within(self.timeout, sending).await
    }

    /// The next answer to the request that was sent last. Those to others, which nobody waits for any longer, are left out.
    pub async fn receive(&mut self) -> io::Result<Message<'_>> {
        let (tag, content, controls) = loop {
            self.received.advance(std::mem::take(&mut self.done));
            let Some((length, id, tag, content, controls)) = place(&self.received)? else {
                self.received.reserve(CHUNK);
                let reading = self.stream.read_buf(&mut self.received);
                if within(self.timeout, reading).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            };
            self.done = length;
            match (id, tag) {
                // Why, it says in a result.
                (0, EXTENDED) => return Err(io::ErrorKind::ConnectionAborted.into()),
                (id, tag) if id == self.sent => break (tag, content, controls),
                _ => {}
            }
        };
        Ok(Message {
            tag,
            content: &self.received[content],
            controls: &self.received[controls],
        })
    }

    /// Sends a request to which there is one answer, and says how it ended.
    pub async fn ask(&mut self, operation: &[u8], controls: &[u8]) -> io::Result<Outcome> {
        self.send(operation, controls).await?;
        Ok(self.receive().await?.outcome()?)
    }
}

async fn within<T>(time: Duration, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(time, doing).await?
}

/// A control, without which the request is to be refused.
pub fn control(oid: &str, what: &[u8]) -> Vec<u8> {
    let critical = value(BOOLEAN, &[&[0xff]]);
    value(
        SEQUENCE,
        &[&value(OCTETS, &[oid.as_bytes()]), &critical, &value(OCTETS, &[what])],
    )
}

#[cfg(test)]
mod tests;
