//! A small web server for the lab: the files of one folder, to machines of the lab alone (RFC 9112, GET and HEAD).

use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A line of a request may not be longer.
const LINE: u64 = 8192;

/// Answers until it is dropped.
pub(crate) async fn serve(listener: TcpListener, folder: PathBuf) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let folder = folder.clone();
        tokio::spawn(async move { answer(stream, &folder).await });
    }
}

/// Answers the requests of one connection, one after the other.
async fn answer(stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = request(&mut stream).await? {
        let (method, path) = request.split_once(' ').unwrap_or_default();
        let path = path.split_once(' ').map_or("", |(path, _)| path);
        let file = match file(folder, path) {
            Some(path) if matches!(method, "GET" | "HEAD") => tokio::fs::File::open(path).await.ok(),
            Some(_) | None => None,
        };
        let (status, length) = match &file {
            Some(file) => ("200 OK", file.metadata().await?.len()),
            None => ("404 Not Found", 0),
        };
        stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await?;
        if let (Some(mut file), "GET") = (file, method) {
            tokio::io::copy(&mut file, &mut stream).await?;
        }
        stream.flush().await?;
    }
    Ok(())
}

/// The first line of the next request, after all of its head was read; nothing at the end of the connection.
async fn request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut first = None;
    loop {
        let mut line = String::new();
        tokio::io::AsyncReadExt::take(&mut *stream, LINE).read_line(&mut line).await?;
        match line.strip_suffix("\r\n") {
            None => return Ok(None),
            Some("") => return Ok(first),
            Some(text) => {
                first.get_or_insert_with(|| text.to_owned());
            }
        }
    }
}

/// The file that a path names, inside the folder.
fn file(folder: &Path, path: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let inside = parts.iter().all(|part| !matches!(*part, "" | "." | ".."));
    let path = folder.join(parts.join("/"));
    (inside && path.is_file()).then_some(path)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

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
        let server = tokio::spawn(serve(listener, base.join("served")));
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
