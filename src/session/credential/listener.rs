//! The listener on this machine that the browser posts a sign-in's answer to.
//!
//! Any page in any browser, and any program on this machine, can send it something. It takes one POST with the right
//! state, and refuses the rest without ending: browsers also open connections that they never use and ask for icons.

use crate::error::{Error, Result};
use crate::status::Status;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// How long a connection may take to say what it wants. One that says nothing is closed then; a browser opens another.
const PATIENCE: Duration = Duration::from_secs(10);
/// A code is 2 KB at the most; a browser may add cookies of other things on this machine.
const MAX_BODY: usize = 64 * 1024;
const MAX_HEAD: usize = 64 * 1024;
/// How many connections are open at once.
const MAX_CONNECTIONS: usize = 64;
/// How often a port is tried that must be free on both addresses.
const PORTS: u32 = 20;

/// The sockets.
pub(super) struct Listener {
    sockets: Vec<TcpListener>,
    port: u16,
}

/// The browser's answer: a code, or an error and its description; and whom to tell how it ended.
pub(super) struct Answer {
    pub outcome: std::result::Result<Zeroizing<String>, (String, String)>,
    pub page: Waiting,
}

/// A browser that waits to be told.
pub(super) struct Waiting {
    page: oneshot::Sender<Page>,
    told: oneshot::Receiver<()>,
}

/// What the browser shows.
pub(super) enum Page {
    /// Signed in.
    Done,
    /// Not signed in, and why.
    Refused(String),
}

/// The listener at work. It ends when dropped.
pub(super) struct Server {
    answers: mpsc::Receiver<Answer>,
    _accepting: JoinSet<()>,
}

struct Shared {
    state: Zeroizing<String>,
    port: u16,
    taken: AtomicBool,
    answers: mpsc::Sender<Answer>,
}

impl Listener {
    /// One port from the system, the same on 127.0.0.1 and ::1; on the first alone where there is no second.
    pub async fn bind() -> Result<Self> {
        let unable = |e: std::io::Error| {
            Error::new(Status::Internal, "this machine gives no port for the browser's answer").caused_by(&e)
        };
        for _ in 0..PORTS {
            let four = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(unable)?;
            let port = four.local_addr().map_err(unable)?.port();
            let sockets = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
                Ok(six) => vec![four, six],
                // Somebody else's; the browser might bring them the code.
                Err(e) if matches!(e.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => continue,
                Err(_) => vec![four],
            };
            return Ok(Listener { sockets, port });
        }
        Err(Error::new(
            Status::Internal,
            "no port is free on both 127.0.0.1 and ::1 for the browser's answer",
        ))
    }

    /// Where the browser brings its answer.
    pub fn redirect_uri(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Begins to listen for the answer with this state.
    pub fn serve(self, state: &str) -> Server {
        let (sender, answers) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            state: Zeroizing::new(state.into()),
            port: self.port,
            taken: AtomicBool::new(false),
            answers: sender,
        });
        let mut accepting = JoinSet::new();
        for socket in self.sockets {
            accepting.spawn(accept(socket, Arc::clone(&shared)));
        }
        Server {
            answers,
            _accepting: accepting,
        }
    }
}

impl Server {
    /// Waits for the answer.
    pub async fn answer(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }

    /// Shows the browser how it ended, and ends.
    pub async fn finish(self, waiting: Waiting, page: Page) {
        if waiting.page.send(page).is_ok() {
            // A browser that does not read must not keep the sign-in waiting.
            let _ = tokio::time::timeout(Duration::from_secs(2), waiting.told).await;
        }
    }
}

async fn accept(socket: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // Out of descriptors, or a connection that went away again.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
}

/// One connection: one request, one answer.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let (_told_when_dropped, told) = oneshot::channel();
    let told = Arc::new(Mutex::new(Some(told)));
    let service = service_fn(move |request| {
        let (shared, told) = (Arc::clone(&shared), Arc::clone(&told));
        async move { Ok::<_, Infallible>(answer(&shared, request, &told).await) }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Told = Mutex<Option<oneshot::Receiver<()>>>;

async fn answer(shared: &Shared, request: Request<Incoming>, told: &Told) -> Response<Full<Bytes>> {
    let outcome = match taken(shared, request).await {
        Ok(outcome) => outcome,
        Err((status, why)) => return page(status, "Not taken", why),
    };
    let (sender, receiver) = oneshot::channel();
    let Some(told) = told.lock().unwrap_or_else(PoisonError::into_inner).take() else {
        return page(StatusCode::CONFLICT, "Not taken", "This sign-in was answered already.");
    };
    let waiting = Waiting { page: sender, told };
    let _ = shared.answers.send(Answer { outcome, page: waiting }).await;
    match receiver.await {
        Ok(Page::Done) => page(
            StatusCode::OK,
            "You are signed in",
            "You can close this page and go back to the program.",
        ),
        Ok(Page::Refused(why)) => page(StatusCode::OK, "You are not signed in", &why),
        Err(_) => page(
            StatusCode::GONE,
            "You are not signed in",
            "The program no longer waits for this sign-in.",
        ),
    }
}

type Refused = (StatusCode, &'static str);

/// What a request brings, if it is the one that is waited for.
async fn taken(
    shared: &Shared,
    request: Request<Incoming>,
) -> std::result::Result<std::result::Result<Zeroizing<String>, (String, String)>, Refused> {
    // A page whose own name was made to lead to this machine says that name here.
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok());
    if host.is_none_or(|host| !host.eq_ignore_ascii_case(&format!("localhost:{}", shared.port))) {
        return Err((
            StatusCode::BAD_REQUEST,
            "This address is not the one that was agreed on.",
        ));
    }
    if request.uri().path() != "/" {
        return Err((StatusCode::NOT_FOUND, "There is nothing here."));
    }
    if request.method() != Method::POST {
        return Err((
            StatusCode::METHOD_NOT_ALLOWED,
            "This address takes the answer of a sign-in, as a POST only.",
        ));
    }
    let form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            let kind = value.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
    if !form {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is not a form."));
    }
    let body = tokio::time::timeout(PATIENCE, Limited::new(request.into_body(), MAX_BODY).collect()).await;
    let body = match body {
        Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "The form did not come in time.")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "The form is too long."));
        }
        Ok(Err(_)) => return Err((StatusCode::BAD_REQUEST, "The form broke off.")),
        Ok(Ok(body)) => body.to_bytes(),
    };
    let field = |wanted: &str| {
        let mut found = form_urlencoded::parse(&body).filter(|(name, _)| name == wanted);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(Zeroizing::new(value.into_owned())),
            _ => None,
        }
    };
    if !field("state").is_some_and(|state| equal(&state, &shared.state)) {
        return Err((StatusCode::BAD_REQUEST, "This answer belongs to another sign-in."));
    }
    let outcome = match (field("code"), field("error")) {
        (Some(code), None) if !code.is_empty() => Ok(code),
        (None, Some(error)) => {
            let description = field("error_description").unwrap_or_default();
            Err((error.to_string(), description.to_string()))
        }
        _ => return Err((StatusCode::BAD_REQUEST, "This is neither a code nor an error.")),
    };
    if shared.taken.swap(true, Ordering::SeqCst) {
        return Err((StatusCode::CONFLICT, "This sign-in was answered already."));
    }
    Ok(outcome)
}

/// Compares without telling by its time where the difference is.
fn equal(a: &str, b: &str) -> bool {
    let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest(a).as_ref() == digest(b).as_ref()
}

/// A plain page.
fn page(status: StatusCode, title: &str, text: &str) -> Response<Full<Bytes>> {
    let (title, text) = (escape(title), escape(text));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body><h1>{title}</h1><p>{text}</p><p>EntraSspr</p></body></html>\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; form-action 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const STATE: &str = "the-right-state";
    const LONG: Duration = Duration::from_secs(20);

    async fn connect(ip: impl Into<IpAddr>, port: u16) -> TcpStream {
        TcpStream::connect((ip.into(), port)).await.unwrap()
    }

    async fn read(mut stream: TcpStream) -> String {
        let mut text = String::new();
        let _ = tokio::time::timeout(LONG, stream.read_to_string(&mut text))
            .await
            .unwrap();
        text
    }

    async fn send(port: u16, text: String) -> String {
        let mut stream = connect(Ipv4Addr::LOCALHOST, port).await;
        // The other side may answer and close before all is written.
        let _ = stream.write_all(text.as_bytes()).await;
        read(stream).await
    }

    fn post(port: u16, body: &str) -> String {
        format!(
            "POST / HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Origin: https://login.example\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    async fn start() -> (Server, u16) {
        let listener = Listener::bind().await.unwrap();
        let port = listener.port;
        assert_eq!(listener.redirect_uri(), format!("http://localhost:{port}"));
        (listener.serve(STATE), port)
    }

    fn status(answer: &str) -> u16 {
        answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("{answer:?}"))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn only_the_right_post_is_taken() {
        let (mut server, port) = start().await;
        let right = format!("code=abc%2Bd&state={STATE}&session_state=x");
        // Connections that are opened ahead and never used, one of them with half a request.
        let idle: Vec<_> = [
            connect(Ipv4Addr::LOCALHOST, port).await,
            connect(Ipv4Addr::LOCALHOST, port).await,
        ]
        .into();
        let mut half = connect(Ipv4Addr::LOCALHOST, port).await;
        half.write_all(b"POST / HTTP/1.1\r\nHost: loc").await.unwrap();
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        let other = |from: &str, to: &str| post(port, &right).replacen(from, to, 1);
        let huge = format!("{right}&pad={}", "x".repeat(MAX_BODY));
        let cookies = format!("Cookie: {}\r\nOrigin", "x".repeat(4 * MAX_HEAD));
        for (what, request, wanted) in [
            ("icon", get("/favicon.ico"), 404),
            ("GET with a code", get(&format!("/?{right}")), 405),
            ("plain GET", get("/"), 405),
            ("HEAD", get("/").replacen("GET", "HEAD", 1), 405),
            ("OPTIONS", get("/").replacen("GET", "OPTIONS", 1), 405),
            ("PUT", other("POST", "PUT"), 405),
            ("another path", other("POST /", "POST /other"), 404),
            ("another host", other(&format!("localhost:{port}"), "evil.example"), 400),
            ("another port", other(&format!("localhost:{port}"), "localhost:1"), 400),
            ("no form", other("application/x-www-form-urlencoded", "text/plain"), 415),
            ("wrong state", post(port, "code=abc&state=wrong"), 400),
            ("no state", post(port, "code=abc"), 400),
            ("two states", post(port, &format!("{right}&state={STATE}")), 400),
            ("two codes", post(port, &format!("{right}&code=evil")), 400),
            ("code and error", post(port, &format!("{right}&error=x")), 400),
            ("an empty code", post(port, &format!("code=&state={STATE}")), 400),
            ("neither", post(port, &format!("state={STATE}")), 400),
            ("nothing", post(port, ""), 400),
            ("huge", post(port, &huge), 413),
            (
                "huge without a length",
                other("Content-Length: ", "Transfer-Encoding: chunked\r\nX: ").replace("code=", "FFFFFFF\r\ncode=")
                    + &"x".repeat(MAX_BODY),
                413,
            ),
            ("huge head", other("Origin", &cookies), 431),
            ("no HTTP", "\x16\x03\x01\x02\x00\r\n\r\n".into(), 400),
        ] {
            let answer = send(port, request).await;
            // Whoever is still sending may see the connection break before it reads the answer.
            if !(what.starts_with("huge") && answer.is_empty()) {
                assert_eq!(status(&answer), wanted, "{what}: {answer}");
            }
            assert!(!answer.contains("abc"), "{what}");
            assert!(server.answers.try_recv().is_err(), "{what}");
        }
        // After all that, and with all those still open, the right one is taken, once.
        let browser = tokio::spawn(send(port, post(port, &right)));
        let answer = tokio::time::timeout(LONG, server.answer()).await.unwrap().unwrap();
        assert_eq!(answer.outcome.as_ref().unwrap().as_str(), "abc+d");
        assert_eq!(status(&send(port, post(port, &right)).await), 409);
        server
            .finish(answer.page, Page::Refused("<script>no</script>".into()))
            .await;
        let page = browser.await.unwrap();
        assert_eq!(status(&page), 200);
        assert!(page.contains("&lt;script&gt;no") && page.contains("no-store") && page.contains("default-src 'none'"));
        drop((idle, half));
        // And it is gone. One try may still meet whoever took the port next, or itself.
        let mut gone = false;
        for _ in 0..20 {
            gone |= TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err();
        }
        assert!(gone);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn both_addresses_listen_on_one_port() {
        let listener = Listener::bind().await.unwrap();
        let port = listener.port;
        let six = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok();
        assert_eq!(listener.sockets.len(), 1 + usize::from(six));
        let mut server = listener.serve(STATE);
        if !six {
            return;
        }
        let mut stream = connect(Ipv6Addr::LOCALHOST, port).await;
        let body = format!("error=access_denied&error_description=AADSTS65004%3A+no&state={STATE}");
        stream.write_all(post(port, &body).as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(LONG, server.answer()).await.unwrap().unwrap();
        assert_eq!(
            answer.outcome.unwrap_err(),
            ("access_denied".into(), "AADSTS65004: no".into())
        );
        drop(server);
        // The program stopped waiting: the connection ends, and nothing hangs.
        read(stream).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn slow_and_silent_connections_end() {
        let (mut server, port) = start().await;
        let silent = connect(Ipv4Addr::LOCALHOST, port).await;
        let mut slow = connect(Ipv4Addr::LOCALHOST, port).await;
        let request = post(port, &format!("code=abc&state={STATE}"));
        slow.write_all(&request.as_bytes()[..request.len() - 1]).await.unwrap();
        let (silent, slow) = tokio::join!(read(silent), read(slow));
        assert_eq!(silent, "");
        assert_eq!(status(&slow), 408);
        assert!(server.answers.try_recv().is_err());
    }
}
