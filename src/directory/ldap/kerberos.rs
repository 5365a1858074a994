//! Signing in by Kerberos (RFC 4752): over TLS bound to it, without it signed and sealed from there on.

use super::ber::{OCTETS, value};
use super::wire::{Outcome, Stream, Wire};
use super::{DirectoryError, Result, bind, result};
use bytes::{Buf, BytesMut};
use cross_krb5::{ClientCtx, InitiateFlags, K5Ctx, Step};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

/// Of the layers that a controller offers: none, for there is TLS; what is sealed.
const NONE: u8 = 1;
const SEALED: u8 = 4;
/// The longest packet that is taken.
const LONGEST: u32 = 0x9f_ffb8;
/// What sealing may add to a packet, and more.
const ADDED: usize = 512;
/// Where a controller names no limit.
const USUAL: usize = 1 << 16;
/// So much waits to be taken on either side of what seals.
const WAITING: usize = 1 << 17;

/// LDAP's result code for an exchange that goes on.
const GOES_ON: u32 = 14;

/// Signs in to a controller as whoever runs this, over TLS to which the ticket is bound: by a hash of the controller's
/// certificate (RFC 5929, 4.1).
pub(super) async fn bound(wire: &mut Wire, host: &str, certificate: &[u8]) -> Result<()> {
    let binding = [b"tls-server-end-point:", hash(certificate).as_ref()].concat();
    let (mut signing_in, wish) = (SigningIn { host, wire }, u32::from(NONE) << 24);
    signing_in.run(Some(binding), NONE, wish).await.map(drop)
}

/// Signs in to a controller as whoever runs this, and gives a stream whose other end is sealed.
pub(super) async fn sealed(mut wire: Wire, host: &str) -> Result<Box<dyn Stream>> {
    let wish = LONGEST | u32::from(SEALED) << 24;
    let mut signing_in = SigningIn { host, wire: &mut wire };
    let (context, most) = signing_in.run(None, SEALED, wish).await?;
    let stream = wire.into_stream().map_err(|e| DirectoryError::unreachable(host, e))?;
    let context = Arc::new(Mutex::new(context));
    let (own, other) = tokio::io::duplex(WAITING);
    let (from, to) = tokio::io::split(stream);
    let (asking, answered) = tokio::io::split(other);
    let up = seal(asking, to, Arc::clone(&context), most);
    let down = unseal(from, answered, context);
    // Either end that closes ends both; whoever asks next sees it.
    tokio::spawn(async move {
        let _ = tokio::try_join!(up, down);
    });
    Ok(Box::new(own))
}

/// By the algorithm that the certificate is signed with, where that is a good one.
fn hash(certificate: &[u8]) -> ring::digest::Digest {
    use ring::digest::{SHA256, SHA384, SHA512, digest};
    use x509_parser::prelude::{FromDer, X509Certificate};
    let read = X509Certificate::from_der(certificate);
    let signed = read.map(|(_, read)| read.signature_algorithm.algorithm.to_id_string());
    let algorithm = match signed.as_deref() {
        Ok("1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3") => &SHA384,
        Ok("1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4") => &SHA512,
        _ => &SHA256,
    };
    digest(algorithm, certificate)
}

/// An exchange by which somebody signs in.
struct SigningIn<'a> {
    host: &'a str,
    wire: &'a mut Wire,
}

impl SigningIn<'_> {
    /// Gives what seals, and how long a packet may be that the controller takes.
    async fn run(&mut self, binding: Option<Vec<u8>>, layer: u8, wish: u32) -> Result<(ClientCtx, usize)> {
        let service = format!("ldap/{}", self.host);
        // It asks files and the KDC.
        let begun = tokio::task::spawn_blocking(move || {
            let begun = ClientCtx::new(InitiateFlags::empty(), None, &service, binding.as_deref());
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
        if layers & layer == 0 {
            return Err(self.no(&"the controller does not protect the connection as it is asked to"));
        }
        let wish = context
            .wrap(true, &wish.to_be_bytes())
            .map_err(|e| self.no(&format!("{e:#}")))?;
        let outcome = self.step(Some(&wish)).await?;
        result(self.host, outcome)?;
        let most = match u32::from_be_bytes([0, a, b, c]) as usize {
            0 => USUAL,
            most => most,
        };
        Ok((context, most.saturating_sub(ADDED).max(ADDED)))
    }

    fn no(&self, why: &dyn std::fmt::Display) -> DirectoryError {
        DirectoryError::NoTicket {
            host: self.host.into(),
            why: why.to_string(),
        }
    }

    /// A step after which the controller has something to say.
    async fn goes_on(&mut self, token: Option<&[u8]>) -> Result<Vec<u8>> {
        match self.step(token).await? {
            Outcome {
                code: GOES_ON,
                token: Some(token),
                ..
            } => Ok(token),
            Outcome { code: GOES_ON | 0, .. } => Err(self.no(&"the controller's answer has no token")),
            refused => Err(DirectoryError::Refused {
                code: refused.code,
                text: refused.text,
            }),
        }
    }

    async fn step(&mut self, token: Option<&[u8]>) -> Result<Outcome> {
        let token = token.map(|token| value(OCTETS, &[token])).unwrap_or_default();
        let sasl = value(0xa3, &[&value(OCTETS, &[b"GSSAPI"]), &token]);
        let answer = self.wire.ask(&bind("", &sasl), &[]).await;
        answer.map_err(|e| DirectoryError::unreachable(self.host, e))
    }
}

/// Seals what is asked, in packets that the controller takes.
async fn seal(
    mut asking: ReadHalf<DuplexStream>,
    mut to: WriteHalf<Box<dyn Stream>>,
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
    mut from: ReadHalf<Box<dyn Stream>>,
    mut answered: WriteHalf<DuplexStream>,
    context: Arc<Mutex<ClientCtx>>,
) -> io::Result<()> {
    let mut received = BytesMut::new();
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
}
