//! A small web server for the lab: files, to machines of the lab alone (RFC 9112, GET and HEAD), in plain text or over TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A line of a request may not be longer.
const LINE: u64 = 8192;

/// What is served.
pub(crate) trait Site: Send + Sync + 'static {
    /// The page of a path, which begins with `/`, of a host, in lower case and without its port; `None` if there is none.
    fn find(&self, host: &str, path: &str) -> Option<Page>;
}

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    body: Body,
    /// What is told of it beside its length.
    pub(crate) headers: Vec<(&'static str, String)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Body {
    File(PathBuf),
    Text(&'static str),
}

impl Page {
    /// The bytes of a file.
    pub(crate) fn file(path: PathBuf) -> Self {
        Self { body: Body::File(path), headers: Vec::new() }
    }

    /// A text.
    pub(crate) fn text(text: &'static str) -> Self {
        Self { body: Body::Text(text), headers: Vec::new() }
    }
}

/// The files of one folder, whatever the host is called.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Site for Folder {
    fn find(&self, _: &str, path: &str) -> Option<Page> {
        below(&self.0, path).map(Page::file)
    }
}

/// Answers until it is dropped.
pub(crate) async fn serve(listener: TcpListener, site: impl Site) {
    let site = Arc::new(site);
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let site = Arc::clone(&site);
        tokio::spawn(async move { answer(stream, &*site).await });
    }
}

/// The same over TLS.
pub(crate) async fn serve_tls(listener: TcpListener, tls: TlsAcceptor, site: impl Site) {
    let site = Arc::new(site);
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, site) = (tls.clone(), Arc::clone(&site));
        tokio::spawn(async move {
            let mut stream = tls.accept(stream).await?;
            answer(&mut stream, &*site).await?;
            stream.shutdown().await
        });
    }
}

/// Answers the requests of one connection, one after the other.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, site: &dyn Site) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(Request { first, host }) = request(&mut stream).await? {
        let (method, path) = first.split_once(' ').unwrap_or_default();
        let path = path.split_once(' ').map_or("", |(path, _)| path);
        let page = if matches!(method, "GET" | "HEAD") { site.find(&host, path) } else { None };
        let opened = match page {
            Some(Page { body: Body::File(path), headers }) => match tokio::fs::File::open(path).await {
                Ok(file) => Some((file.metadata().await?.len(), headers, Open::File(file))),
                Err(_) => None,
            },
            Some(Page { body: Body::Text(text), headers }) => Some((text.len() as u64, headers, Open::Text(text))),
            None => None,
        };
        let Some((length, headers, open)) = opened else {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await?;
            stream.flush().await?;
            continue;
        };
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{more}\r\n").as_bytes()).await?;
        if method == "GET" {
            match open {
                Open::File(mut file) => drop(tokio::io::copy(&mut file, &mut stream).await?),
                Open::Text(text) => stream.write_all(text.as_bytes()).await?,
            }
        }
        stream.flush().await?;
    }
    Ok(())
}

enum Open {
    File(tokio::fs::File),
    Text(&'static str),
}

struct Request {
    first: String,
    host: String,
}

/// The next request, after all of its head was read; nothing at the end of the connection.
async fn request(stream: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Request>> {
    let (mut first, mut host) = (None, String::new());
    loop {
        let mut line = String::new();
        tokio::io::AsyncReadExt::take(&mut *stream, LINE).read_line(&mut line).await?;
        match line.strip_suffix("\r\n") {
            None => return Ok(None),
            Some("") => return Ok(first.map(|first| Request { first, host })),
            Some(text) if first.is_none() => first = Some(text.to_owned()),
            Some(text) => {
                if let Some((name, value)) = text.split_once(':')
                    && name.eq_ignore_ascii_case("host")
                {
                    let value = value.trim().to_ascii_lowercase();
                    value.split(':').next().unwrap_or_default().clone_into(&mut host);
                }
            }
        }
    }
}

/// The file that a path names, inside the folder.
pub(crate) fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let inside = parts.iter().all(|part| !matches!(*part, "" | "." | ".."));
    let path = folder.join(parts.join("/"));
    (inside && path.is_file()).then_some(path)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(address: std::net::SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn files_of_the_folder_are_served_and_nothing_else() {
        let base = std::env::temp_dir().join(format!("kubestead-http-{}", std::process::id()));
        let folder = base.join("served/core:");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("Release"), "text").unwrap();
        std::fs::write(base.join("secret"), "secret").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, Folder(base.join("served"))));
        let found = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
        let none = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: packages.lab\r\n\r\n");
        let good = get("/core:/Release");
        // Two at once, as apt asks.
        assert_eq!(ask(address, &format!("{good}{good}")).await, format!("{found}text{found}text"));
        assert_eq!(ask(address, &good.replace("GET", "HEAD")).await, found);
        for path in ["/../secret", "/core:/../../secret", "//etc/passwd", "/core:", "/", "", "*", "/core:/None"] {
            assert_eq!(ask(address, &get(path)).await, none, "{path}");
        }
        assert_eq!(ask(address, &good.replace("GET", "DELETE")).await, none);
        assert_eq!(ask(address, "GET /core:/Release").await, "", "a request that was cut is not answered");
        server.abort();
        std::fs::remove_dir_all(&base).unwrap();
    }
}
