//! Official releases into a bundle, from a web server on this computer that can do wrong. Needs: curl, tar.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by it

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kubestead_provision::releases::{Error, Fetched, fetch, verify};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct Site {
    files: BTreeMap<String, Vec<u8>>,
    /// Paths whose answer is cut in the middle.
    cut: Vec<String>,
    /// Answers are always whole.
    no_ranges: bool,
    /// Path and first byte of each request.
    asked: Vec<(String, usize)>,
}

struct Server {
    address: String,
    site: Arc<Mutex<Site>>,
    dir: PathBuf,
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

async fn answer(stream: TcpStream, site: Arc<Mutex<Site>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut path, mut first) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap().to_owned();
        } else if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            first = range.split('-').next().unwrap().parse().unwrap();
        } else if line.is_empty() {
            break;
        }
    }
    let (head, body, cut) = {
        let mut site = site.lock().unwrap();
        site.asked.push((path.clone(), first));
        let cut = site.cut.iter().position(|p| *p == path).map(|at| site.cut.remove(at)).is_some();
        match site.files.get(&path) {
            None => ("404 Not Found".to_owned(), Vec::new(), false),
            Some(_) if site.no_ranges && first > 0 => ("200 OK".to_owned(), site.files[&path].clone(), cut),
            Some(body) if first >= body.len() => ("416 Range Not Satisfiable".to_owned(), Vec::new(), false),
            Some(body) if first > 0 => {
                let last = body.len() - 1;
                (format!("206 Partial Content\r\nContent-Range: bytes {first}-{last}/{}", body.len()), body[first..].to_vec(), cut)
            }
            Some(body) => ("200 OK".to_owned(), body.clone(), cut),
        }
    };
    stream.write_all(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).as_bytes()).await?;
    stream.write_all(if cut { &body[..body.len() / 2] } else { &body }).await?;
    stream.shutdown().await
}

impl Server {
    async fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("kubestead-releases-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("tree/bin")).unwrap();
        std::fs::write(dir.join("tree/bin/containerd"), "containerd").unwrap();
        let archive = std::process::Command::new("tar").args(["-cz", "-C"]).arg(dir.join("tree")).arg("bin").output().unwrap().stdout;
        let mut site = Site::default();
        site.files.insert("/dl.example/kubelet".into(), vec![7; 300_000]);
        site.files.insert("/dl.example/containerd.tar.gz".into(), archive);
        site.files.insert("/dl.example/pause.tar".into(), b"pause".to_vec());
        let site = Arc::new(Mutex::new(site));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&site);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared)));
            }
        });
        let server = Self { address, site, dir };
        server.lock(|text| text);
        server
    }

    /// Writes the lock file; its sums are those of the files as they are now.
    fn lock(&self, change: impl Fn(String) -> String) {
        let sum = |name: &str| hex(&self.site.lock().unwrap().files[&format!("/dl.example/{name}")]);
        let text = format!(
            r#"{{"formatVersion": 1, "kubernetes": "1.37.1", "downloads": [
              {{"url": "https://dl.example/kubelet", "sha256": "{}", "version": "1.37.1", "files": [{{"kind": "binary", "name": "kubelet"}}]}},
              {{"url": "https://dl.example/containerd.tar.gz", "sha256": "{}", "version": "2.3.0",
                "files": [{{"kind": "binary", "name": "containerd", "from": "bin/containerd"}}]}},
              {{"url": "https://dl.example/pause.tar", "sha256": "{}", "version": "3.10.2",
                "files": [{{"kind": "image", "name": "pause-3.10.2", "image": "registry.k8s.io/pause:3.10.2", "roles": ["worker"]}}]}}]}}"#,
            sum("kubelet"),
            sum("containerd.tar.gz"),
            sum("pause.tar")
        );
        std::fs::write(self.dir.join("releases.json"), change(text)).unwrap();
    }

    fn to(&self) -> PathBuf {
        self.dir.join("bundle")
    }

    async fn fetch(&self) -> Result<Fetched, Error> {
        fetch(&self.dir.join("releases.json"), &self.to(), Some(&self.address), &mut |_| {}).await
    }

    fn asked(&self) -> Vec<(String, usize)> {
        std::mem::take(&mut self.site.lock().unwrap().asked)
    }

    fn put(&self, name: &str, body: &[u8]) {
        self.site.lock().unwrap().files.insert(format!("/dl.example/{name}"), body.to_vec());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_bundle_is_made_once_and_not_asked_for_again() {
    let server = Server::new("once").await;
    let Fetched::Made(bundle) = server.fetch().await.unwrap() else { panic!() };
    assert_eq!((bundle.source.as_str(), bundle.files.len()), ("downloaded", 3));
    let to = server.to();
    assert_eq!(read(&to.join("bin/containerd")), "containerd");
    assert_eq!(kubestead_provision::bundle::load(&to).unwrap(), bundle);
    assert_eq!(bundle.pause_image(), Some("registry.k8s.io/pause:3.10.2"));
    assert_eq!(bundle.files_for(true).len(), 2);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(to.join("bin/kubelet")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o755);
    let mut left: Vec<_> = std::fs::read_dir(&to).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["bin", "bundle.json", "images", "releases.json"]);
    assert!(!server.dir.join("bundle.part").exists());
    assert_eq!(server.asked().len(), 3);

    assert_eq!(server.fetch().await.unwrap(), Fetched::Already(bundle));
    assert_eq!(server.asked(), []);
    std::fs::write(to.join("bin/containerd"), "other").unwrap();
    let error = server.fetch().await.unwrap_err().to_string();
    assert!(error.contains("bin/containerd") && error.contains(&hex(b"other")) && error.contains(&hex(b"containerd")), "{error}");
    assert!(verify(&to).is_err());
    server.lock(|text| text.replace("1.37.1", "1.37.2"));
    assert!(server.fetch().await.unwrap_err().to_string().contains("another lock file"));
}

#[tokio::test]
async fn a_sum_that_is_not_the_locks_makes_no_bundle() {
    let server = Server::new("sum").await;
    let want = hex(b"pause");
    server.put("pause.tar", b"other");
    let error = server.fetch().await.unwrap_err().to_string();
    assert!(error.contains("/dl.example/pause.tar") && error.contains(&want) && error.contains(&hex(b"other")), "{error}");
    assert!(!server.to().exists());
    // The wrong one is not kept, and what was right is not asked for again.
    server.put("pause.tar", b"pause");
    server.asked();
    assert!(matches!(server.fetch().await.unwrap(), Fetched::Made(_)));
    assert_eq!(server.asked(), [("/dl.example/pause.tar".to_owned(), 0)]);
}

#[tokio::test]
async fn a_download_that_was_cut_goes_on_where_it_was() {
    let server = Server::new("cut").await;
    server.site.lock().unwrap().cut = vec!["/dl.example/kubelet".into()];
    let error = server.fetch().await.unwrap_err().to_string();
    assert!(error.contains("cannot download") && error.contains("/dl.example/kubelet"), "{error}");
    assert!(!server.to().exists());
    server.asked();
    assert!(matches!(server.fetch().await.unwrap(), Fetched::Made(_)));
    assert_eq!(server.asked()[0], ("/dl.example/kubelet".to_owned(), 150_000));
}

#[tokio::test]
async fn what_was_left_and_is_of_no_use_is_downloaded_anew() {
    // The server changed the file; it cannot resume; what is there is longer than the file.
    for (left, no_ranges) in [(vec![9; 1000], false), (vec![7; 1000], true), (vec![7; 400_000], false)] {
        let server = Server::new(&format!("left-{}-{no_ranges}", left.len() + usize::from(left[0]))).await;
        server.site.lock().unwrap().no_ranges = no_ranges;
        let downloads = server.dir.join("bundle.part/downloads");
        std::fs::create_dir_all(&downloads).unwrap();
        let sum = hex(&vec![7; 300_000]);
        std::fs::write(downloads.join(format!("{sum}.part")), &left).unwrap();
        assert!(matches!(server.fetch().await.unwrap(), Fetched::Made(_)), "{no_ranges}");
        let kubelet = server.asked().into_iter().filter(|(path, _)| path.ends_with("kubelet")).map(|(_, first)| first).collect::<Vec<_>>();
        assert_eq!(kubelet.last(), Some(&0), "{kubelet:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let server = Server::new("none").await;
    server.lock(|text| text.replace("\"bin/containerd\"", "\"bin/other\""));
    let error = server.fetch().await.unwrap_err().to_string();
    assert!(error.contains("cannot take bin/other out of https://dl.example/containerd.tar.gz"), "{error}");
    server.lock(|text| text.replace("/pause.tar", "/gone.tar"));
    let error = server.fetch().await.unwrap_err().to_string();
    assert!(error.contains("/dl.example/gone.tar") && error.contains("404"), "{error}");
    std::fs::create_dir_all(server.to()).unwrap();
    assert!(server.fetch().await.unwrap_err().to_string().contains("no bundle of a lock file"));
}
