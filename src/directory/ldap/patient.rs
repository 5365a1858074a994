//! A connection that is not watched while a long answer comes in, but looked at every few milliseconds: a controller sends each
//! entry by itself, and being woken for each costs more than reading it.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// An answer is long when so much of it has come: a few dozen entries.
const LONG: usize = 64 << 10;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(4);
/// After so many looks that found nothing, it is watched again.
const IN_VAIN: u32 = 8;

/// A connection.
pub struct Patient {
    socket: Socket,
    /// So much has come since something was sent.
    come: usize,
    in_vain: u32,
    pause: Pin<Box<Sleep>>,
    pausing: bool,
}

enum Socket {
    Watched(TcpStream),
    LookedAt(std::net::TcpStream),
    /// Between two of these; where that failed, for good.
    Lost,
}

impl Patient {
    pub fn new(stream: TcpStream) -> Self {
        Patient {
            socket: Socket::Watched(stream),
            come: 0,
            in_vain: 0,
            pause: Box::pin(tokio::time::sleep(Duration::ZERO)),
            pausing: false,
        }
    }

    fn watched(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if let Socket::LookedAt(_) = self.socket {
            if let Socket::LookedAt(stream) = std::mem::replace(&mut self.socket, Socket::Lost) {
                self.socket = Socket::Watched(TcpStream::from_std(stream)?);
            }
            (self.come, self.pausing) = (0, false);
        }
        match &mut self.socket {
            Socket::Watched(stream) => Ok(Pin::new(stream)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// What has come, without being told that something has.
    fn look(&mut self, into: &mut ReadBuf<'_>) -> io::Result<usize> {
        let Socket::LookedAt(stream) = &mut self.socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let read = stream.read(into.initialize_unfilled())?;
        into.advance(read);
        Ok(read)
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while let Socket::LookedAt(_) = self.socket {
            if self.pausing {
                ready!(self.pause.as_mut().poll(context));
                self.pausing = false;
            }
            match self.look(into) {
                Ok(_) => {
                    self.in_vain = 0;
                    return Poll::Ready(Ok(()));
                }
                Err(nothing) if nothing.kind() == io::ErrorKind::WouldBlock => {}
                Err(interrupted) if interrupted.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Poll::Ready(Err(error)),
            }
            self.in_vain += 1;
            if self.in_vain > IN_VAIN {
                self.watched()?;
                break;
            }
            self.pause.as_mut().reset(Instant::now() + PAUSE);
            self.pausing = true;
        }
        let before = into.filled().len();
        ready!(self.watched()?.poll_read(context, into))?;
        self.come = self.come.saturating_add(into.filled().len() - before);
        if self.come >= LONG {
            self.in_vain = 0;
            if let Socket::Watched(stream) = std::mem::replace(&mut self.socket, Socket::Lost) {
                self.socket = Socket::LookedAt(stream.into_std()?);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.come = 0;
        self.watched()?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched()?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Long and short answers, with pauses, on either side of all bounds.
    #[tokio::test]
    async fn everything_comes_whatever_is_looked_at() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sizes = [1, LONG - 1, LONG, 3 * LONG + 5, 7, 40 * LONG];
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for (n, size) in sizes.into_iter().enumerate() {
                assert_eq!(usize::from(stream.read_u8().await.unwrap()), n);
                let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
                for some in bytes.chunks(size.div_ceil(5)) {
                    stream.write_all(some).await.unwrap();
                    // Longer than it is looked at in vain, once.
                    let looks = if n == 3 { 2 * IN_VAIN } else { 2 };
                    tokio::time::sleep(PAUSE * looks).await;
                }
            }
        });
        let mut stream = Patient::new(TcpStream::connect(address).await.unwrap());
        for (n, size) in sizes.into_iter().enumerate() {
            stream.write_u8(n as u8).await.unwrap();
            let mut bytes = vec![0; size];
            stream.read_exact(&mut bytes).await.unwrap();
            assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == (at % 251) as u8));
            let looked_at = matches!(stream.socket, Socket::LookedAt(_));
            assert!(looked_at == (size >= LONG) || n == 3, "{size}");
        }
        serving.await.unwrap();
        assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0, "the end is seen too");
    }
}
