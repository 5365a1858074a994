//! LDAP over TLS on loopback: a server that answers as a test says, and one that passes on to a real controller what a test has
//! changed.

use crate::Lab;
use entra_sspr::directory::forest::{Identity, Login};
use entra_sspr::directory::ldap::{Address, Options, Protection};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Application tags of LDAP's operations (RFC 4511, 4.2).
pub const BIND: u8 = 0x60;
const BOUND: u8 = 0x61;
pub const SEARCH: u8 = 0x63;
pub const MODIFY: u8 = 0x66;
/// What changes the directory: modify, add, delete, rename.
pub const WRITES: [u8; 4] = [MODIFY, 0x68, 0x4a, 0x6c];
const ENTRY: u8 = 0x64;
const DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const PAGED: &str = "1.2.840.113556.1.4.319";

/// A value with its tag and length.
pub fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let mut bytes = vec![tag];
    if value.len() < 0x80 {
        bytes.push(length[7]);
    } else {
        let short: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
        bytes.push(0x80 | short.len() as u8);
        bytes.extend(short);
    }
    bytes.extend(value);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    tlv(4, text.as_bytes())
}

/// An answer to a search: an operation, and the controls behind it.
pub type Answer = (Vec<u8>, Vec<u8>);

/// An entry with attributes of many values.
pub fn entry(dn: &str, attributes: &[(&str, Vec<Vec<u8>>)]) -> Answer {
    let attribute = |(name, values): &(&str, Vec<Vec<u8>>)| {
        let values: Vec<u8> = values.iter().flat_map(|value| tlv(4, value)).collect();
        tlv(0x30, &[text(name), tlv(0x31, &values)].concat())
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
    (tlv(ENTRY, &[text(dn), tlv(0x30, &attributes)].concat()), Vec::new())
}

/// A reference to another server, which goes on with the search.
pub fn reference(url: &str) -> Answer {
    (tlv(REFERENCE, &text(url)), Vec::new())
}

/// The end of a search.
pub fn done(code: u8, said: &str) -> Answer {
    (result(DONE, code, said, &[]), Vec::new())
}

/// The end of a search that another server is to answer.
pub fn referral(url: &str) -> Answer {
    (result(DONE, 10, "0000202B: RefErr", &tlv(0xa3, &text(url))), Vec::new())
}

/// The end of a page.
pub fn page(cookie: &str) -> Answer {
    let value = tlv(0x30, &[tlv(2, &[0]), text(cookie)].concat());
    let control = tlv(0x30, &[text(PAGED), tlv(4, &value)].concat());
    (result(DONE, 0, "", &[]), tlv(0xa0, &control))
}

fn result(tag: u8, code: u8, said: &str, more: &[u8]) -> Vec<u8> {
    tlv(tag, &[tlv(10, &[code]), text(""), text(said), more.to_vec()].concat())
}

/// Where a connection ends, so that who asked gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The controller does not get the request.
    Before,
    /// It does, and works on it.
    After,
}

/// A request: its number, the tag of its operation, and all its bytes.
#[derive(Clone)]
pub struct Asked {
    id: Vec<u8>,
    pub operation: u8,
    /// Where that begins.
    at: usize,
    bytes: Vec<u8>,
    /// Whether it is the connection's last.
    pub cut: Option<Cut>,
}

impl Asked {
    fn of(bytes: Vec<u8>) -> Asked {
        // The message's own tag and length, then the number's.
        let start = 2 + if bytes[1] & 0x80 == 0 {
            0
        } else {
            usize::from(bytes[1] & 0x7f)
        };
        let end = start + 2 + usize::from(bytes[start + 1]);
        Asked {
            id: bytes[start..end].to_vec(),
            operation: bytes[end],
            at: end,
            bytes,
            cut: None,
        }
    }

    /// What is asked: the same when it is asked again.
    pub fn what(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// Whether something stands in it.
    pub fn has(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|some| some == text.as_bytes())
    }

    /// Puts a text in the place of another that is as long.
    pub fn replace(&mut self, text: &str, by: &str) {
        let at = self.bytes.windows(text.len()).position(|some| some == text.as_bytes());
        if let Some(at) = at {
            self.bytes[at..at + text.len()].copy_from_slice(by.as_bytes());
        }
    }

    /// The place of the cookie by which it asks for a further page.
    fn cookie(&self) -> Option<usize> {
        let at = self
            .bytes
            .windows(PAGED.len())
            .position(|some| some == PAGED.as_bytes())?;
        // The control's value: a sequence of a number and the cookie.
        let value = at + PAGED.len() + if self.bytes[at + PAGED.len()] == 1 { 3 } else { 0 };
        let number = value + 4;
        let cookie = number + 2 + usize::from(self.bytes[number + 1]);
        (self.bytes[cookie + 1] > 0).then_some(cookie + 2)
    }

    /// Changes the cookie of a further page; says whether there was one.
    pub fn spoil_cookie(&mut self) -> bool {
        let cookie = self.cookie();
        if let Some(at) = cookie {
            self.bytes[at] ^= 0x55;
        }
        cookie.is_some()
    }
}

/// One message of a connection; None at its end.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 2];
    stream.read_exact(&mut bytes).await.ok()?;
    let mut length = usize::from(bytes[1]);
    if length & 0x80 != 0 {
        let mut long = vec![0; length & 0x7f];
        stream.read_exact(&mut long).await.ok()?;
        length = long.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        bytes.extend(long);
    }
    let front = bytes.len();
    bytes.resize(front + length, 0);
    stream.read_exact(&mut bytes[front..]).await.ok()?;
    Some(bytes)
}

/// A server on loopback with a certificate of its own.
pub struct Server {
    pub address: SocketAddr,
    folder: tempfile::TempDir,
    host: String,
    /// Held by each connection that it passes on, and by what waits for more.
    served: Arc<()>,
}

impl Server {
    async fn listen(host: &str, address: &str) -> (Server, TcpListener, TlsAcceptor) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_string()]).unwrap();
        let certificate = certificate.signed_by(&key, &ca).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let server = Server {
            address: listener.local_addr().unwrap(),
            folder,
            host: host.into(),
            served: Arc::default(),
        };
        (server, listener, TlsAcceptor::from(Arc::new(config)))
    }

    /// Answers searches as a test says; lets everybody in.
    pub async fn start(answers: impl Fn(&Asked) -> Vec<Answer> + Send + Sync + 'static) -> Server {
        let (server, listener, acceptor) = Server::listen("dc9.example.test", "127.0.0.1").await;
        let answers = Arc::new(answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    while let Some(bytes) = message(&mut stream).await {
                        let asked = Asked::of(bytes);
                        let all = match asked.operation {
                            BIND => vec![(result(BOUND, 0, "", &[]), Vec::new())],
                            SEARCH => answers(&asked),
                            _ => return,
                        };
                        for (operation, controls) in all {
                            let message = tlv(0x30, &[asked.id.clone(), operation, controls].concat());
                            if stream.write_all(&message).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    /// Passes requests on to a controller, after a test has changed them; answers come back as they are.
    pub async fn before(lab: &Lab, change: impl FnMut(&mut Asked) + Send + 'static) -> Server {
        // Its name leads to the controller's own address.
        let (server, listener, acceptor) = Server::listen(&lab.host, &lab.address).await;
        let connector = TlsConnector::from(Arc::new(trusting(&lab.ca_file)));
        let (name, target) = (lab.host.clone(), format!("{}:636", lab.address));
        let change = Arc::new(Mutex::new(change));
        let served = Arc::clone(&server.served);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, connector) = (acceptor.clone(), connector.clone());
                let (name, target, change) = (name.clone(), target.clone(), Arc::clone(&change));
                let served = Arc::clone(&served);
                tokio::spawn(async move {
                    let _served = served;
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let controller = TcpStream::connect(target).await.unwrap();
                    let controller = connector.connect(ServerName::try_from(name).unwrap(), controller);
                    let (mut from, mut to) = tokio::io::split(controller.await.unwrap());
                    let (mut asking, mut answered) = tokio::io::split(stream);
                    let is_cut = Arc::new(AtomicBool::new(false));
                    let withheld = Arc::clone(&is_cut);
                    let mut back = tokio::spawn(async move {
                        let mut bytes = vec![0; 1 << 16];
                        while let Ok(length @ 1..) = from.read(&mut bytes).await {
                            if withheld.load(Relaxed) || answered.write_all(&bytes[..length]).await.is_err() {
                                return;
                            }
                        }
                    });
                    while let Some(bytes) = message(&mut asking).await {
                        let mut asked = Asked::of(bytes);
                        change.lock().unwrap()(&mut asked);
                        if asked.cut == Some(Cut::Before) {
                            break;
                        }
                        is_cut.store(asked.cut.is_some(), Relaxed);
                        if to.write_all(&asked.bytes).await.is_err() {
                            break;
                        }
                        if asked.cut.is_some() {
                            // It is worked on until it would be answered.
                            let _ = tokio::time::timeout(Duration::from_secs(10), &mut back).await;
                            break;
                        }
                    }
                    back.abort();
                });
            }
        });
        server
    }

    /// Passes bytes between a client and a controller's port without TLS; shows each part of an answer to a test, which may
    /// change it.
    #[cfg(feature = "kerberos")]
    pub async fn between(lab: &Lab, port: u16, change: impl FnMut(&mut [u8]) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = format!("{}:{port}", lab.address);
        let change = Arc::new(Mutex::new(change));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (target, change) = (target.clone(), Arc::clone(&change));
                tokio::spawn(async move {
                    let (mut from, mut to) = TcpStream::connect(target).await.unwrap().into_split();
                    let (mut asking, mut answered) = stream.into_split();
                    tokio::spawn(async move { tokio::io::copy(&mut asking, &mut to).await });
                    let mut bytes = vec![0; 1 << 16];
                    while let Ok(length @ 1..) = from.read(&mut bytes).await {
                        change.lock().unwrap()(&mut bytes[..length]);
                        if answered.write_all(&bytes[..length]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    /// Whether all connections have ended, and the controller has done what it was sent.
    pub fn is_idle(&self) -> bool {
        Arc::strong_count(&self.served) == 2
    }

    /// What signed its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// How it is signed in to.
    pub fn login(&self, user: &str, password: &str) -> Login {
        Login {
            servers: vec![Address {
                host: self.host.clone(),
                socket: Some(self.address),
                port: None,
                protection: Protection::Ldaps,
            }],
            identity: Identity::Password {
                user: user.into(),
                password: Arc::new(password.to_string().into()),
            },
            options: Options {
                ca_file: Some(self.ca_file()),
                timeout: Duration::from_secs(20),
                ..Options::default()
            },
        }
    }
}

fn trusting(ca_file: &Path) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
