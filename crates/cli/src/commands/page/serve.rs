//! The page for browsers of this computer: on loopback alone, at an address that nobody guesses, and nothing but the page.

use std::fmt::Write as _;
use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::exit::{Exit, Failure, fail};
use crate::page::policy;
use crate::print;

/// The most of a request that is read, in bytes, and how long it may take to come.
const REQUEST: usize = 8 << 10;
const PATIENCE: Duration = Duration::from_secs(5);
/// How many browsers are answered at once.
const AT_ONCE: usize = 16;
/// For how long a page is shown before machines are looked at again.
const FRESH: Duration = Duration::from_secs(5);

/// Serves what `make` makes until Ctrl-C.
pub(super) async fn run<M, F>(port: u16, make: M) -> Result<Exit, Failure>
where
    M: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<String, Failure>> + Send,
{
    let bind = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener =
        bind.map_err(|error| fail(Exit::Usage, format!("cannot listen on 127.0.0.1:{port}: {error}")).hint("name another port"))?;
    let place = Place::new(listener.local_addr()?.port())?;
    print::data(&format!("http://127.0.0.1:{}/{}/", place.port, place.key));
    print::note("whoever has this address, on this computer, reads the page; machines are looked at when it is asked for; Ctrl-C ends");
    let ends = tokio::signal::ctrl_c();
    tokio::pin!(ends);
    let (served, mut open) = (Arc::new(Served { place, cache: Mutex::new(None), make }), JoinSet::new());
    loop {
        tokio::select! {
            _ = &mut ends => return Ok(Exit::Done),
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < AT_ONCE => {
                if let Ok((stream, _)) = accepted {
                    let served = Arc::clone(&served);
                    open.spawn(async move { served.answer(stream).await });
                }
            }
        }
    }
}

/// Where the page is.
struct Place {
    port: u16,
    /// A word that other users of this computer, and other pages in the browser, do not know.
    key: String,
}

impl Place {
    fn new(port: u16) -> Result<Self, Failure> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| fail(Exit::Failed, format!("the operating system gave no random bytes: {error}")))?;
        let key = random.iter().fold(String::new(), |mut key, byte| {
            let _ = write!(key, "{byte:02x}");
            key
        });
        Ok(Self { port, key })
    }

    /// What becomes of a request: an error with its status, or nothing if the page is asked for.
    fn judge(&self, head: &str) -> Result<(), (&'static str, &'static str)> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, path, version) =
            (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if words.next().is_some() || !version.starts_with("HTTP/1.") {
            return Err(("400 Bad Request", "This is no request.\n"));
        }
        // A name that leads to 127.0.0.1 is another site to a browser: its pages shall not read this one.
        let hosts: Vec<&str> = lines
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map(|(_, host)| host.trim())
            .collect();
        let own = [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)];
        if hosts.len() != 1 || !own.iter().any(|known| known == hosts[0]) {
            return Err(("421 Misdirected Request", "Ask for 127.0.0.1.\n"));
        }
        if !["GET", "HEAD"].contains(&method) {
            return Err(("405 Method Not Allowed", "This page is only read.\n"));
        }
        if path.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) != Some(self.key.as_str()) {
            return Err(("404 Not Found", "The address that kubestead printed leads to the page.\n"));
        }
        Ok(())
    }
}

/// The head of a request; `None` if none comes in time, or it is too large.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let read = async {
        let mut some = [0; 1024];
        while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut some).await {
                Ok(length @ 1..) if bytes.len() + length <= REQUEST => bytes.extend_from_slice(&some[..length]),
                Ok(_) | Err(_) => return None,
            }
        }
        String::from_utf8(std::mem::take(&mut bytes)).ok()
    };
    tokio::time::timeout(PATIENCE, read).await.ok().flatten()
}

/// What is served.
struct Served<M> {
    place: Place,
    /// The page, and since when it is.
    cache: Mutex<Option<(Instant, String)>>,
    make: M,
}

impl<M, F> Served<M>
where
    M: Fn() -> F,
    F: Future<Output = Result<String, Failure>>,
{
    /// The page, made anew where it is old. Whoever comes meanwhile waits for the same look.
    async fn page(&self) -> Result<String, Failure> {
        let mut cache = self.cache.lock().await;
        if let Some((_, page)) = cache.as_ref().filter(|(since, _)| since.elapsed() <= FRESH) {
            return Ok(page.clone());
        }
        let page = (self.make)().await?;
        *cache = Some((Instant::now(), page.clone()));
        Ok(page)
    }

    async fn answer(&self, mut stream: TcpStream) {
        let Some(head) = head(&mut stream).await else { return };
        let (status, kind, body) = match self.place.judge(&head) {
            Err((status, why)) => (status, "text/plain", why.to_owned()),
            Ok(()) => self.page().await.map_or_else(
                |failure| {
                    print::note(&failure);
                    ("500 Internal Server Error", "text/plain", "It could not be looked at: kubestead said why where it runs.\n".to_owned())
                },
                |page| ("200 OK", "text/html", page),
            ),
        };
        let mut text = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nContent-Security-Policy: {}; frame-ancestors 'none'\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-store\r\n\
             Connection: close\r\n\r\n",
            body.len(),
            policy()
        );
        if !head.starts_with("HEAD ") {
            text.push_str(&body);
        }
        let send = async {
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await
        };
        let _ = tokio::time::timeout(PATIENCE * 4, send).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { port: 4711, key: "k3y".into() }
    }

    fn status(head: &str) -> &'static str {
        place().judge(head).map_or_else(|(status, _)| &status[..3], |()| "200")
    }

    #[test]
    fn only_the_page_is_given_at_its_address_and_to_this_computer_by_its_own_name() {
        const HOST: &str = "\r\nHost: 127.0.0.1:4711\r\n\r\n";
        for (head, expected) in [
            (format!("GET /k3y/ HTTP/1.1{HOST}"), "200"),
            (format!("HEAD /k3y/ HTTP/1.0{HOST}"), "200"),
            ("GET /k3y/ HTTP/1.1\r\nhost:localhost:4711\r\n\r\n".to_owned(), "200"),
            (format!("GET / HTTP/1.1{HOST}"), "404"),
            (format!("GET /k3y HTTP/1.1{HOST}"), "404"),
            (format!("GET /k3y/../../etc/passwd HTTP/1.1{HOST}"), "404"),
            (format!("POST /k3y/ HTTP/1.1{HOST}"), "405"),
            ("GET /k3y/ HTTP/1.1\r\nHost: evil.example.org:4711\r\n\r\n".to_owned(), "421"),
            ("GET /k3y/ HTTP/1.1\r\nHost: 127.0.0.1:4711\r\nHost: evil.example.org\r\n\r\n".to_owned(), "421"),
            ("GET /k3y/ HTTP/1.1\r\n\r\n".to_owned(), "421"),
            (format!("GET /k3y/ x HTTP/1.1{HOST}"), "400"),
            ("\r\n\r\n".to_owned(), "400"),
        ] {
            assert_eq!(status(&head), expected, "{head:?}");
        }
        let (one, other) = (Place::new(1).unwrap(), Place::new(1).unwrap());
        assert!(one.key.len() == 32 && one.key != other.key);
    }

    /// What comes of some bytes, and how often the page was made.
    async fn asked(requests: &[&[u8]]) -> (Vec<String>, usize) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let place = Place { port: listener.local_addr().unwrap().port(), key: "k3y".into() };
        let (port, made) = (place.port, std::sync::atomic::AtomicUsize::new(0));
        let make = || async {
            made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok("<p>page".to_owned())
        };
        let served = Served { place, cache: Mutex::new(None), make };
        let mut answers = Vec::new();
        for request in requests {
            let bytes = String::from_utf8_lossy(request).replace("PORT", &port.to_string());
            let ask = async {
                let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
                let _ = stream.write_all(bytes.as_bytes()).await;
                let _ = stream.shutdown().await;
                let mut text = Vec::new();
                let _ = stream.read_to_end(&mut text).await;
                String::from_utf8(text).unwrap()
            };
            let serve = async {
                let (stream, _) = listener.accept().await.unwrap();
                served.answer(stream).await;
            };
            answers.push(tokio::join!(ask, serve).0);
        }
        (answers, made.into_inner())
    }

    #[tokio::test]
    async fn a_browser_gets_the_page_with_what_it_may_do_and_a_second_one_the_same_look() {
        const GOOD: &[u8] = b"GET /k3y/ HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n";
        let large = [b"GET /k3y/ HTTP/1.1\r\nX: ".as_slice(), &vec![b'x'; 2 * REQUEST], b"\r\n\r\n"].concat();
        let (answers, made) = asked(&[GOOD, GOOD, b"HEAD /k3y/ HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n", b"GET", &large]).await;
        assert!(answers[0].starts_with("HTTP/1.1 200 OK\r\n") && answers[0].ends_with("\r\n\r\n<p>page"), "{answers:?}");
        for header in
            ["Content-Security-Policy: default-src 'none'", "frame-ancestors 'none'", "nosniff", "no-store", "Content-Length: 7\r\n"]
        {
            assert!(answers[0].contains(header), "{header}: {answers:?}");
        }
        assert_eq!((answers[1] == answers[0], made), (true, 1));
        assert!(answers[2].ends_with("\r\n\r\n") && answers[3].is_empty() && answers[4].is_empty(), "{answers:?}");
    }
}
