//! Where a domain's controllers are: DNS names them (MS-ADTS 6.3.6).

use super::ldap::{Address, Protection};
use crate::platform;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// So many controllers of a domain are kept: the nearest by the order of DNS.
const MOST: usize = 8;
/// How long a server may take to answer by default, and how often it is asked.
const TIME: Duration = Duration::from_secs(3);
const TRIES: usize = 2;

/// A service record: where a service is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// The least is asked first.
    pub priority: u16,
    /// Among those of a priority the greatest is asked first.
    pub weight: u16,
    /// The host.
    pub target: String,
}

/// Asks DNS: the system, or a server that was named.
#[derive(Clone, Copy, Debug)]
pub struct Dns {
    server: Option<SocketAddr>,
    /// How long a server may take to answer.
    time: Duration,
}

impl Dns {
    /// The system, or this server.
    pub fn new(server: Option<SocketAddr>) -> Self {
        Dns { server, time: TIME }
    }

    /// A domain's controllers, those that DNS prefers first.
    pub async fn controllers(&self, domain: &str, protection: Protection) -> Result<Vec<Address>> {
        let name = format!("_ldap._tcp.dc._msdcs.{domain}");
        let mut services = match self.server {
            Some(server) => services(&ask(server, &name, TYPE::SRV, self.time).await?)?,
            None => by_system(name, self.time).await?,
        };
        // The weight as an order, not as a lottery: a run should meet the same controller again.
        services.sort_by_key(|service| {
            (
                service.priority,
                std::cmp::Reverse(service.weight),
                service.target.clone(),
            )
        });
        services.dedup();
        if services.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "there is no such record"));
        }
        let mut addresses = Vec::new();
        for service in services.into_iter().take(MOST) {
            addresses.push(self.address(&service.target, None, protection).await);
        }
        Ok(addresses)
    }

    /// A controller by its name. Where it is, is left to the system, unless a server was named.
    pub async fn address(&self, host: &str, port: Option<u16>, protection: Protection) -> Address {
        let mut found = None;
        if let Some(server) = self.server {
            for kind in [TYPE::A, TYPE::AAAA] {
                let answer = ask(server, host, kind, self.time).await;
                found = found.or_else(|| answer.ok().and_then(|answer| ip(&answer)));
            }
        }
        Address {
            host: host.into(),
            socket: found.map(|ip| SocketAddr::new(ip, port.unwrap_or(protection.port()))),
            port,
            protection,
        }
    }
}

/// Windows knows which server knows which name; elsewhere the servers of resolv.conf are asked in their order.
async fn by_system(name: String, time: Duration) -> Result<Vec<Service>> {
    if let Some(looked_up) = platform::service_records(name.clone()) {
        let found = tokio::task::spawn_blocking(looked_up).await??;
        let service = |(priority, weight, target)| Service {
            priority,
            weight,
            target,
        };
        return Ok(found.into_iter().map(service).collect());
    }
    let mut last = Error::new(ErrorKind::NotFound, "the system names no DNS server");
    for server in platform::name_servers() {
        match ask(SocketAddr::new(server, 53), &name, TYPE::SRV, time).await {
            Ok(answer) => return services(&answer),
            // That it does not exist is an answer.
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn malformed(error: simple_dns::SimpleDnsError) -> Error {
    Error::new(ErrorKind::InvalidData, error.to_string())
}

/// An answer of a server to one question, as it came.
async fn ask(server: SocketAddr, name: &str, kind: TYPE, time: Duration) -> Result<Vec<u8>> {
    let id = fastrand::u16(..);
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(malformed)?;
    packet
        .questions
        .push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    let question = packet.build_bytes_vec().map_err(malformed)?;
    let mut last = Error::from(ErrorKind::TimedOut);
    for _ in 0..TRIES {
        let answered = tokio::time::timeout(time, by_datagram(server, &question, id)).await;
        let answer = match answered.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
            Ok(answer) => answer,
            Err(error) => {
                last = error;
                continue;
            }
        };
        // Too long for a datagram: over a connection.
        if !Packet::parse(&answer)
            .map_err(malformed)?
            .has_flags(PacketFlag::TRUNCATION)
        {
            return checked(answer);
        }
        let whole = tokio::time::timeout(time, by_stream(server, &question)).await;
        return checked(whole.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))?);
    }
    Err(last)
}

/// What the server says of its own answer.
fn checked(answer: Vec<u8>) -> Result<Vec<u8>> {
    match Packet::parse(&answer).map_err(malformed)?.rcode() {
        RCODE::NoError => Ok(answer),
        RCODE::NameError => Err(Error::new(ErrorKind::NotFound, "there is no such name")),
        other => Err(Error::other(format!("the DNS server answered {other:?}"))),
    }
}

async fn by_datagram(server: SocketAddr, question: &[u8], id: u16) -> Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut answer).await?;
        // Another's, or an old one.
        if answer[..length].starts_with(&id.to_be_bytes()) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn by_stream(server: SocketAddr, question: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    // A question is shorter than a name is allowed to be, and some bytes.
    stream.write_u16(question.len() as u16).await?;
    stream.write_all(question).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// The service records of an answer.
fn services(answer: &[u8]) -> Result<Vec<Service>> {
    let packet = Packet::parse(answer).map_err(malformed)?;
    let service = |record: &simple_dns::ResourceRecord<'_>| match &record.rdata {
        RData::SRV(record) => Some(Service {
            priority: record.priority,
            weight: record.weight,
            target: record.target.to_string(),
        }),
        _ => None,
    };
    Ok(packet.answers.iter().filter_map(service).collect())
}

/// The first address of an answer.
fn ip(answer: &[u8]) -> Option<IpAddr> {
    let packet = Packet::parse(answer).ok()?;
    packet.answers.iter().find_map(|record| match &record.rdata {
        RData::A(address) => Some(Ipv4Addr::from(address.address).into()),
        RData::AAAA(address) => Some(Ipv6Addr::from(address.address).into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::SRV;
    use tokio::net::TcpListener;

    /// An answer with these records, cut short where it is to be asked for anew.
    fn answer(id: u16, records: &[(u16, u16, &'static str)], code: RCODE, truncated: bool) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        *packet.rcode_mut() = code;
        if truncated {
            packet.set_flags(PacketFlag::TRUNCATION);
        }
        for (priority, weight, target) in records {
            let record = SRV {
                priority: *priority,
                weight: *weight,
                port: 389,
                target: Name::new_unchecked(target),
            };
            let name = Name::new_unchecked("_ldap._tcp.dc._msdcs.x");
            packet
                .answers
                .push(ResourceRecord::new(name, CLASS::IN, 60, RData::SRV(record)));
        }
        packet.build_bytes_vec().unwrap()
    }

    /// A server on loopback that answers each datagram so.
    async fn server(reply: impl Fn(u16, usize) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut bytes = [0; 512];
            let mut asked = 0;
            while let Ok((_, from)) = socket.recv_from(&mut bytes).await {
                asked += 1;
                if let Some(answer) = reply(u16::from_be_bytes([bytes[0], bytes[1]]), asked) {
                    // An answer to another question comes first.
                    socket.send_to(&[0; 12], from).await.unwrap();
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        address
    }

    async fn hosts(server: SocketAddr) -> Result<Vec<String>> {
        let found = Dns::new(Some(server)).controllers("x", Protection::Ldaps).await?;
        Ok(found.into_iter().map(|address| address.host).collect())
    }

    #[tokio::test]
    async fn controllers_come_by_priority_and_weight() {
        let records = [(1, 0, "far.x"), (0, 10, "b.x"), (0, 100, "a.x"), (0, 10, "b.x")];
        let server = server(move |id, _| Some(answer(id, &records, RCODE::NoError, false))).await;
        assert_eq!(hosts(server).await.unwrap(), ["a.x", "b.x", "far.x"]);
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_is_told_and_so_is_a_refusal() {
        let gone = server(|id, _| Some(answer(id, &[], RCODE::NameError, false))).await;
        assert_eq!(hosts(gone).await.unwrap_err().kind(), ErrorKind::NotFound);
        let empty = server(|id, _| Some(answer(id, &[], RCODE::NoError, false))).await;
        assert_eq!(hosts(empty).await.unwrap_err().kind(), ErrorKind::NotFound);
        let refused = server(|id, _| Some(answer(id, &[], RCODE::Refused, false))).await;
        assert!(hosts(refused).await.unwrap_err().to_string().contains("Refused"));
        let nonsense = server(|id, _| Some([&id.to_be_bytes()[..], &[0xff; 7]].concat())).await;
        assert_eq!(hosts(nonsense).await.unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn what_is_too_long_for_a_datagram_is_asked_for_over_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(address).await.unwrap();
        tokio::spawn(async move {
            let mut bytes = [0; 512];
            let (_, from) = socket.recv_from(&mut bytes).await.unwrap();
            let id = u16::from_be_bytes([bytes[0], bytes[1]]);
            socket
                .send_to(&answer(id, &[], RCODE::NoError, true), from)
                .await
                .unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = stream.read_u16().await.unwrap();
            stream.read_exact(&mut bytes[..length.into()]).await.unwrap();
            let whole = answer(id, &[(0, 0, "a.x")], RCODE::NoError, false);
            stream.write_u16(whole.len() as u16).await.unwrap();
            stream.write_all(&whole).await.unwrap();
        });
        assert_eq!(hosts(address).await.unwrap(), ["a.x"]);
    }

    #[tokio::test]
    async fn a_server_that_is_silent_is_asked_twice() {
        let server =
            server(|id, asked| (asked == 2).then(|| answer(id, &[(0, 0, "a.x")], RCODE::NoError, false))).await;
        let dns = Dns {
            server: Some(server),
            time: Duration::from_millis(300),
        };
        // Its name has no address there, which is no reason to leave it out.
        let found = dns.controllers("x", Protection::Ldaps).await.unwrap();
        assert_eq!((found[0].host.as_str(), found[0].socket), ("a.x", None));
    }
}
