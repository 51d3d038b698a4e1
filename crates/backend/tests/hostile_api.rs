//! What answers as an API server may be anything: too much, without end, slow, packed, or a guide to elsewhere. Each costs a limit of memory,
//! counted as what the server could send before it was hung up on, and a limit of time, and is told by the object's name.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kubestead_backend::api::KubeApi;
use kubestead_core::kube::{Guarded, Kube, KubeError, ObjectRef, Rewrite};
use serde_json::json;

const GOOD: &str = include_str!("../../core/tests/admin.conf");
const MIB: usize = 1 << 20;

/// A server of one thread a connection. `answer` gets the path of a request and how many came before; what it writes is counted, and it ends when
/// nobody reads any more.
struct Server {
    address: String,
    sent: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

/// A connection that counts.
struct Counted(TcpStream, Arc<AtomicUsize>);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.0.write(bytes)?;
        self.1.fetch_add(written, Ordering::Relaxed);
        Ok(written)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Server {
    fn new(answer: impl Fn(&str, usize, &mut Counted) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (sent, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counter, requests, answer) = (sent.clone(), asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, counter, requests, answer) = (stream.unwrap(), counter.clone(), requests.clone(), answer.clone());
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    while let Some(Ok(first)) = lines.next() {
                        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                        let path = first.split(' ').nth(1).unwrap().to_owned();
                        let number = requests.fetch_add(1, Ordering::Relaxed);
                        if answer(&path, number, &mut Counted(stream.try_clone().unwrap(), counter.clone())).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, sent, asked }
    }

    fn api(&self) -> KubeApi {
        KubeApi::at(GOOD, &self.address).unwrap().limit(Duration::from_secs(20))
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

fn whole(to: &mut Counted, headers: &str, body: &[u8]) -> std::io::Result<()> {
    write!(to, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n", body.len())?;
    to.write_all(body)
}

/// A body without a length, that ends with the connection.
fn open(to: &mut Counted, status: &str) -> std::io::Result<()> {
    write!(to, "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")
}

fn nodes() -> ObjectRef {
    ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: String::new(), name: String::new() }
}

fn secret() -> ObjectRef {
    ObjectRef { api_version: "v1".into(), kind: "Secret".into(), namespace: "apps".into(), name: "db".into() }
}

/// Every kind of request.
async fn each(api: &KubeApi) -> Vec<(&'static str, KubeError)> {
    let manifest = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "apps", "name": "db"}});
    vec![
        ("readyz", api.ready().await.unwrap_err()),
        ("Secret apps/db", api.get(&secret()).await.unwrap_err()),
        ("Node", api.list(&nodes()).await.unwrap_err()),
        ("Node", api.changed(&nodes(), "1").await.unwrap_err()),
        ("Secret apps/db", api.metadata(&secret()).await.unwrap_err()),
        ("Secret apps/db", api.apply_guarded(&manifest, false).await.unwrap_err()),
        ("Secret apps/db", api.annotate(&secret(), "a", None).await.unwrap_err()),
        ("Secret apps/db", api.delete_exactly(&secret(), "u", "1").await.unwrap_err()),
        ("Secret apps/db", api.rewrite(&secret()).await.unwrap_err()),
    ]
}

#[tokio::test]
async fn an_answer_without_end_is_hung_up_on_and_named() {
    for status in ["200 OK", "500 Internal Server Error"] {
        let server = Server::new(move |_, _, to| {
            open(to, status)?;
            loop {
                to.write_all(&[b'['; 1 << 14])?;
            }
        });
        let errors = each(&server.api()).await;
        let count = errors.len();
        for (object, error) in errors {
            assert!(
                matches!(&error, KubeError::TooMuch { object: found, limit } if found.contains(object) && limit == "8 MiB"),
                "{error:?}"
            );
        }
        // The limit, and what lies in the buffers of the kernel on both sides (`tcp_wmem`, `tcp_rmem`: 4 and 6 MiB at most by default, and more when it is busy).
        assert!(server.sent() < count * 32 * MIB, "{status}: {} bytes", server.sent());
    }
}

#[tokio::test]
async fn headers_without_end_are_hung_up_on() {
    let server = Server::new(|_, _, to| {
        write!(to, "HTTP/1.1 200 OK\r\n")?;
        for number in 0_u64.. {
            write!(to, "x-{number}: {}\r\n", "y".repeat(1000))?;
        }
        Ok(())
    });
    let errors = each(&server.api()).await;
    let count = errors.len();
    assert!(errors.iter().all(|(object, error)| matches!(error, KubeError::Connect(why) if why.contains(object))), "{errors:?}");
    assert!(server.sent() < count * 8 * MIB, "{} bytes", server.sent());
}

#[tokio::test]
async fn an_answer_that_drips_costs_one_limit_of_time() {
    let server = Server::new(|_, _, to| {
        open(to, "200 OK")?;
        loop {
            to.write_all(b" ")?;
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let (api, begin) = (server.api().limit(Duration::from_secs(1)), Instant::now());
    for error in [api.get(&secret()).await.unwrap_err(), api.list(&nodes()).await.unwrap_err(), api.ready().await.unwrap_err()] {
        assert!(matches!(&error, KubeError::Slow { seconds: 1, .. }), "{error:?}");
    }
    assert!(begin.elapsed() < Duration::from_secs(10));
}

/// A server that is always busy, and asks for an hour's patience.
#[tokio::test]
async fn a_server_that_is_always_busy_costs_one_limit_of_time() {
    let server = Server::new(|_, _, to| write!(to, "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n"));
    let error = server.api().limit(Duration::from_secs(1)).get(&secret()).await.unwrap_err();
    assert!(matches!(&error, KubeError::Slow { seconds: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn a_list_has_an_end() {
    // Every page has another token, and there is no last one: large pages by their size, empty ones by their number or by the time.
    for (body, limit) in [(MIB, "32 MiB"), (0, "pages")] {
        let server = Server::new(move |_, number, to| {
            let item = json!({"metadata": {"name": "n"}, "data": "x".repeat(body)});
            let page = json!({"metadata": {"resourceVersion": "1", "continue": format!("token-{number}")}, "items": [item]});
            whole(to, "", page.to_string().as_bytes())
        });
        match server.api().limit(Duration::from_secs(if body == 0 { 5 } else { 60 })).list(&nodes()).await.unwrap_err() {
            KubeError::TooMuch { object, limit: found } => assert!(object.contains("Node") && found.contains(limit), "{object} {found}"),
            KubeError::Slow { object, .. } => assert!(body == 0 && object.contains("Node"), "{object}"),
            other => panic!("{other:?}"),
        }
        assert!(server.sent() < 64 * MIB, "{} bytes", server.sent());
    }
}

#[tokio::test]
async fn a_list_is_all_of_its_pages_of_one_version() {
    let server = Server::new(|path, _, to| {
        let page = match path {
            "/api/v1/nodes?&limit=100" => {
                json!({"metadata": {"resourceVersion": "7", "continue": "b c"}, "items": [{"metadata": {"name": "a"}}]})
            }
            "/api/v1/nodes?&limit=100&continue=b+c" => {
                json!({"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "b"}}]})
            }
            other => panic!("{other}"),
        };
        whole(to, "", page.to_string().as_bytes())
    });
    let found = server.api().list(&nodes()).await.unwrap();
    let names: Vec<_> = found.items.iter().map(|n| n["metadata"]["name"].as_str().unwrap()).collect();
    assert!(names == ["a", "b"] && found.version == "7" && found.items.iter().all(|n| n["kind"] == "Node" && n["apiVersion"] == "v1"));
    // A list that is too old between two pages begins anew, and not for ever.
    let server = Server::new(|path, _, to| {
        if !path.contains("continue") {
            return whole(to, "", br#"{"metadata": {"continue": "x"}, "items": null}"#);
        }
        let body = r#"{"kind": "Status", "status": "Failure", "code": 410, "message": "too old", "reason": "Expired"}"#;
        write!(to, "HTTP/1.1 410 Gone\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    });
    let error = server.api().list(&nodes()).await.unwrap_err();
    assert!(error.to_string().contains("ended before all its pages were read") && server.asked.load(Ordering::Relaxed) < 20, "{error}");
}

#[tokio::test]
async fn what_is_nested_too_deep_and_what_is_packed_is_not_read() {
    let deep = format!(r#"{{"metadata": {{}}, "items": [{}{}]}}"#, "[".repeat(MIB), "]".repeat(MIB));
    let server = Server::new(move |_, _, to| whole(to, "", deep.as_bytes()));
    for (object, error) in each(&server.api()).await {
        // A line of a watch that is no event is taken for words of the server.
        let told = matches!(&error, KubeError::Refused { object: found, .. } | KubeError::Connect(found) if found.contains(object));
        assert!(told, "{error:?}");
    }
    // An answer in gzip that would be 64 times as long: nobody asked for one.
    let mut gzip = std::process::Command::new("bash");
    let packed = gzip.args(["-c", "head -c 67108864 /dev/zero | tr '\\0' ' ' | gzip"]).output().unwrap().stdout;
    let server = Server::new(move |_, _, to| whole(to, "content-encoding: gzip\r\n", &packed));
    for (object, error) in each(&server.api()).await {
        assert!(matches!(&error, KubeError::Connect(why) if why.contains(object)), "{error:?}");
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let elsewhere = Server::new(|_, _, to| whole(to, "", b"ok"));
    let place = format!("{}/readyz", elsewhere.address);
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let place = place.clone();
        let server = Server::new(move |_, _, to| write!(to, "HTTP/1.1 {status}\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n"));
        each(&server.api()).await;
    }
    assert_eq!(elsewhere.asked.load(Ordering::Relaxed), 0);
    let server = Server::new(|_, _, to| whole(to, "", b"[+]ping ok"));
    assert!(server.api().ready().await.is_err(), "only `ok` is ready");
    assert!(elsewhere.api().ready().await.is_ok());
}

#[tokio::test]
async fn words_of_a_server_in_an_error_have_an_end() {
    let server = Server::new(|_, _, to| {
        let body =
            json!({"kind": "Status", "status": "Failure", "code": 403, "message": "x".repeat(MIB), "reason": "Forbidden"}).to_string();
        write!(to, "HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    });
    let error = server.api().get(&secret()).await.unwrap_err();
    assert!(matches!(&error, KubeError::Refused { code: 403, .. }) && error.to_string().len() < 3000);
}

#[tokio::test]
async fn a_watch_tells_of_the_first_change_and_of_its_end() {
    fn event(kind: &str) -> String {
        json!({"type": kind, "object": {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": "a", "resourceVersion": "9"}}})
        .to_string()
            + "\n"
    }
    let server = Server::new(|path, _, to| {
        assert!(path.starts_with("/api/v1/nodes?&watch=true") && path.contains("resourceVersion=7"), "{path}");
        open(to, "200 OK")?;
        to.write_all(event("BOOKMARK").as_bytes())?;
        to.write_all(event("MODIFIED").as_bytes())?;
        std::thread::sleep(Duration::from_secs(60));
        Ok(())
    });
    server.api().changed(&nodes(), "7").await.unwrap();
    let too_old =
        json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410, "message": "too old"}}).to_string();
    for (events, code) in [(event("BOOKMARK"), None), (format!("{too_old}\n"), Some(410)), ("nonsense\n".to_owned(), None)] {
        let server = Server::new(move |_, _, to| {
            open(to, "200 OK")?;
            to.write_all(events.as_bytes())?;
            Err(std::io::ErrorKind::Other.into())
        });
        let error = server.api().changed(&nodes(), "7").await.unwrap_err();
        assert!(matches!(&error, KubeError::Refused { code: found, .. } if Some(*found) == code) || code.is_none(), "{error:?}");
    }
    // One that tells of nothing without end.
    let server = Server::new(|_, _, to| {
        open(to, "200 OK")?;
        loop {
            to.write_all(event("BOOKMARK").as_bytes())?;
        }
    });
    assert!(server.api().changed(&nodes(), "7").await.is_err() && server.sent() < 16 * MIB);
}
