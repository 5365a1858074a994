//! A connection that Kerberos signs and seals (RFC 4752), for a controller without TLS.
//!
//! ldap3 knows how, but takes each sealed packet for one message, while controllers put several into one, and one into
//! several. So it gets a plain connection on loopback, and what comes and goes there is unsealed and sealed here.

use super::{DirectoryError, Result, plain};
use bytes::{Buf, BytesMut};
use cross_krb5::{ClientCtx, InitiateFlags, K5Ctx, Step};
use ldap3::asn1::{
    ASNTag, Integer, OctetString, PL, Sequence, StructureTag, Tag, TagClass, parse_tag, parse_uint, write,
};
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Of the layers that a controller offers: what is sealed.
const SEALED: u8 = 4;
/// The longest packet that is taken.
const LONGEST: u32 = 0x9f_ffb8;
/// What sealing may add to a packet, and more.
const ADDED: usize = 512;
/// Where a controller names no limit.
const USUAL: usize = 1 << 16;

/// LDAP's result code for an exchange that goes on.
const GOES_ON: u32 = 14;

/// Signs in to a controller as whoever runs this, and gives a plain connection whose other end is sealed.
pub(super) async fn open(controller: TcpStream, host: &str) -> Result<TcpStream> {
    let mut signing_in = SigningIn {
        host: host.into(),
        stream: controller,
        received: BytesMut::new(),
        sent: 0,
    };
    let (context, most) = signing_in.run().await?;
    let SigningIn { stream, received, .. } = signing_in;
    let broke = |error: io::Error| DirectoryError::Unreachable {
        host: host.into(),
        source: error.into(),
    };
    stream.set_nodelay(true).map_err(broke)?;
    let (own, other) = pair().await.map_err(broke)?;
    let context = Arc::new(Mutex::new(context));
    let (from, to) = stream.into_split();
    let (asking, answered) = other.into_split();
    let up = seal(asking, to, Arc::clone(&context), most);
    let down = unseal(from, answered, context, received);
    // Either end that closes ends both; whoever asks next sees it.
    tokio::spawn(async move {
        let _ = tokio::try_join!(up, down);
    });
    Ok(own)
}

/// Two ends of a connection on loopback.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let own = TcpStream::connect(listener.local_addr()?).await?;
    loop {
        let (other, from) = listener.accept().await?;
        // Somebody else may have come first.
        if from == own.local_addr()? {
            own.set_nodelay(true)?;
            other.set_nodelay(true)?;
            return Ok((own, other));
        }
    }
}

/// An exchange by which somebody signs in.
struct SigningIn {
    host: String,
    stream: TcpStream,
    received: BytesMut,
    sent: i64,
}

impl SigningIn {
    /// Gives what seals, and how long a packet may be that the controller takes.
    async fn run(&mut self) -> Result<(ClientCtx, usize)> {
        let service = format!("ldap/{}", self.host);
        // It asks files and the KDC.
        let begun = tokio::task::spawn_blocking(move || {
            let begun = ClientCtx::new(InitiateFlags::empty(), None, &service, None);
            begun.map(|(pending, token)| (pending, token.to_vec()))
        });
        let (pending, token) = begun
            .await
            .map_err(|e| self.no(&e))?
            .map_err(|e| self.no(&format!("{e:#}")))?;
        let answer = self.goes_on(Some(&token)).await?;
        let finished = pending.step(&answer).map_err(|e| self.no(&format!("{e:#}")))?;
        let Step::Finished((mut context, None)) = finished else {
            return Err(self.no(&"the exchange does not end as it should"));
        };
        let offer = self.goes_on(None).await?;
        let offer = context.unwrap(&offer).map_err(|e| self.no(&format!("{e:#}")))?;
        let &[layers, a, b, c] = &offer[..] else {
            return Err(self.no(&"the controller's offer makes no sense"));
        };
        if layers & SEALED == 0 {
            return Err(self.no(&"the controller does not seal"));
        }
        let wish = (LONGEST | u32::from(SEALED) << 24).to_be_bytes();
        let wish = context.wrap(true, &wish).map_err(|e| self.no(&format!("{e:#}")))?;
        match self.bind(Some(&wish)).await? {
            (0, ..) => {}
            (code, text, _) => return Err(DirectoryError::Refused { code, text }),
        }
        let most = match u32::from_be_bytes([0, a, b, c]) as usize {
            0 => USUAL,
            most => most,
        };
        Ok((context, most.saturating_sub(ADDED).max(ADDED)))
    }

    fn no(&self, why: &dyn std::fmt::Display) -> DirectoryError {
        DirectoryError::NoTicket {
            host: self.host.clone(),
            why: why.to_string(),
        }
    }

    /// A step after which the controller has something to say.
    async fn goes_on(&mut self, token: Option<&[u8]>) -> Result<Vec<u8>> {
        match self.bind(token).await? {
            (GOES_ON, _, Some(token)) => Ok(token),
            (GOES_ON | 0, ..) => Err(self.no(&"the controller's answer has no token")),
            (code, text, _) => Err(DirectoryError::Refused { code, text }),
        }
    }

    /// One step: the result code, what the controller says, and its token.
    async fn bind(&mut self, token: Option<&[u8]>) -> Result<(u32, String, Option<Vec<u8>>)> {
        self.sent += 1;
        let request = request(self.sent, token);
        let answered = async {
            let mut bytes = BytesMut::new();
            write::encode_into(&mut bytes, request)?;
            self.stream.write_all(&bytes).await?;
            loop {
                let parsed = match parse_tag(&self.received) {
                    Ok((rest, message)) => Some((self.received.len() - rest.len(), message)),
                    Err(error) if error.is_incomplete() => None,
                    Err(_) => return Err(io::ErrorKind::InvalidData.into()),
                };
                if let Some((length, message)) = parsed {
                    self.received.advance(length);
                    return answer(message).ok_or_else(|| io::ErrorKind::InvalidData.into());
                }
                if self.received.len() > LONGEST as usize || self.stream.read_buf(&mut self.received).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        };
        answered.await.map_err(|error: io::Error| DirectoryError::Unreachable {
            host: self.host.clone(),
            source: error.into(),
        })
    }
}

/// A BindRequest (RFC 4511, 4.2).
fn request(id: i64, token: Option<&[u8]>) -> StructureTag {
    let text = |bytes: &[u8]| {
        Tag::OctetString(OctetString {
            inner: bytes.to_vec(),
            ..Default::default()
        })
    };
    let number = |inner| {
        Tag::Integer(Integer {
            inner,
            ..Default::default()
        })
    };
    let sasl = Tag::Sequence(Sequence {
        class: TagClass::Context,
        id: 3,
        inner: [Some(text(b"GSSAPI")), token.map(text)].into_iter().flatten().collect(),
    });
    let bind = Tag::Sequence(Sequence {
        class: TagClass::Application,
        id: 0,
        inner: vec![number(3), text(b""), sasl],
    });
    let message = Sequence {
        inner: vec![number(id), bind],
        ..Default::default()
    };
    message.into_structure()
}

/// The result code, the text and the token of a BindResponse.
fn answer(message: StructureTag) -> Option<(u32, String, Option<Vec<u8>>)> {
    let inner = |tag: StructureTag| match tag.payload {
        PL::C(tags) => Some(tags.into_iter()),
        PL::P(_) => None,
    };
    let response = inner(message)?.nth(1)?;
    let mut parts = inner(response)?;
    let (_, code) = parse_uint(&parts.next()?.expect_primitive()?).ok()?;
    let text = parts.nth(1)?.expect_primitive()?;
    // Behind them may come referrals, and the token.
    let token = parts.find(|tag| tag.class == TagClass::Context && tag.id == 7);
    Some((
        u32::try_from(code).ok()?,
        plain(&String::from_utf8_lossy(&text)),
        token.and_then(StructureTag::expect_primitive),
    ))
}

/// Seals what is asked, in packets that the controller takes.
async fn seal(
    mut asking: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    context: Arc<Mutex<ClientCtx>>,
    most: usize,
) -> io::Result<()> {
    let mut asked = BytesMut::new();
    while asking.read_buf(&mut asked).await? > 0 {
        while !asked.is_empty() {
            let part = asked.split_to(asked.len().min(most));
            let packet = {
                let mut context = context.lock().unwrap_or_else(PoisonError::into_inner);
                let sealed = context.wrap(true, &part).map_err(io::Error::other)?;
                [&(sealed.len() as u32).to_be_bytes()[..], &sealed].concat()
            };
            to.write_all(&packet).await?;
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Unseals what is answered.
async fn unseal(
    mut from: OwnedReadHalf,
    mut answered: OwnedWriteHalf,
    context: Arc<Mutex<ClientCtx>>,
    mut received: BytesMut,
) -> io::Result<()> {
    loop {
        while let Some(mut packet) = packet(&mut received)? {
            let opened = {
                let mut context = context.lock().unwrap_or_else(PoisonError::into_inner);
                let length = packet.len();
                context.unwrap_iov(length, &mut packet).map_err(io::Error::other)?
            };
            answered.write_all(&opened).await?;
        }
        if from.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The first packet of what was received, where all of it is there: four bytes of length stand in front.
fn packet(received: &mut BytesMut) -> io::Result<Option<BytesMut>> {
    let Some(length) = received.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let whole = 4 + length as usize;
    if received.len() < whole {
        received.reserve(whole - received.len());
        return Ok(None);
    }
    let mut packet = received.split_to(whole);
    packet.advance(4);
    Ok(Some(packet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_whole_however_they_arrive() {
        let bytes = [&[0, 0, 0, 3][..], b"abc", &[0, 0, 0, 0], &[0, 0, 0, 2], b"de", &[0, 0]].concat();
        for step in 1..bytes.len() {
            let (mut received, mut found) = (BytesMut::new(), Vec::new());
            for some in bytes.chunks(step) {
                received.extend_from_slice(some);
                while let Some(packet) = packet(&mut received).unwrap() {
                    found.push(packet.to_vec());
                }
            }
            assert_eq!(found, [&b"abc"[..], b"", b"de"], "{step}");
            assert_eq!(&received[..], [0, 0]);
        }
        let mut long = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
        assert!(packet(&mut long).is_err());
    }

    #[test]
    fn a_step_is_written_and_its_answer_read() {
        let mut bytes = BytesMut::new();
        write::encode_into(&mut bytes, request(2, Some(b"t"))).unwrap();
        let (_, message) = parse_tag(&bytes).unwrap();
        assert_eq!(
            &bytes[..],
            b"\x30\x17\x02\x01\x02\x60\x12\x02\x01\x03\x04\x00\xa3\x0b\x04\x06GSSAPI\x04\x01t"
        );
        // A request is no answer.
        assert_eq!(answer(message), None);
        let said = b"\x30\x14\x02\x01\x02\x61\x0f\x0a\x01\x0e\x04\x00\x04\x04no\r\n\x87\x02ok";
        let (_, message) = parse_tag(said).unwrap();
        assert_eq!(answer(message), Some((14, "no".into(), Some(b"ok".to_vec()))));
    }
}
