//! A web server on loopback that is a registry and whatever else it is told to be, and can do wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Half of it is sent, once.
    pub(crate) cut: bool,
    /// It is given to nobody without this token.
    pub(crate) token: Option<String>,
    /// So often it is busy before.
    pub(crate) busy: usize,
}

impl Page {
    pub(crate) fn of(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    pub(crate) fn redirect(to: impl Into<String>) -> Self {
        Self { status: 307, headers: vec![("Location".into(), to.into())], ..Self::default() }
    }
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// The first byte.
    pub(crate) from: usize,
    pub(crate) token: Option<String>,
}

#[derive(Default)]
pub(crate) struct State {
    pages: BTreeMap<String, Page>,
    asked: Vec<Asked>,
}

pub(crate) struct Server {
    pub(crate) address: String,
    /// A folder for the test, which goes with the server.
    pub(crate) dir: PathBuf,
    pub(crate) state: Arc<Mutex<State>>,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Answers one request; the pages are below `folder`, such as `/dl.k8s.io`.
pub(crate) async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<Mutex<State>>, folder: String) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut asked = Asked { path: String::new(), from: 0, token: None };
    let mut posted = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        if let Some(rest) = line.strip_prefix("GET ").or_else(|| line.strip_prefix("POST ")) {
            asked.path = format!("{folder}{}", rest.split(' ').next().unwrap());
        } else if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            asked.from = range.split('-').next().unwrap().parse().unwrap();
        } else if let Some(length) = line.to_lowercase().strip_prefix("content-length: ") {
            posted = length.parse().unwrap();
        } else if let Some(token) = line.strip_prefix("Authorization: Bearer ") {
            asked.token = Some(token.to_owned());
        } else if line.is_empty() {
            break;
        }
    }
    // What is sent is read, so that the connection ends in order.
    stream.read_exact(&mut vec![0; posted]).await?;
    let (page, from, cut) = {
        let mut state = state.lock().unwrap();
        state.asked.push(asked.clone());
        let known = state.pages.get_mut(&asked.path);
        let cut = known.as_ref().is_some_and(|page| page.cut);
        let page = match known {
            None => Page { status: 404, ..Page::default() },
            Some(page) if page.busy > 0 => {
                page.busy -= 1;
                Page { status: 503, ..Page::default() }
            }
            Some(page) if page.token != asked.token && page.token.is_some() => {
                Page { status: 401, headers: page.headers.clone(), ..Page::default() }
            }
            Some(page) => {
                page.cut = false;
                page.clone()
            }
        };
        let from = if page.status == 200 { asked.from.min(page.body.len()) } else { 0 };
        (page, from, cut)
    };
    let (body, total) = (&page.body[from..], page.body.len());
    let status =
        if from > 0 { format!("206 Partial\r\nContent-Range: bytes {from}-{}/{total}", total - 1) } else { format!("{} x", page.status) };
    let headers: String = page.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    stream
        .write_all(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).as_bytes())
        .await?;
    stream.write_all(if cut { &body[..body.len() / 2] } else { body }).await?;
    stream.shutdown().await
}

impl Server {
    pub(crate) async fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("kubestead-registry-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let state = Arc::<Mutex<State>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared), String::new()));
            }
        });
        Self { address, dir, state }
    }

    /// The official places, with all that `bundle lock` asks of them for a version and arm64.
    pub(crate) async fn official(name: &str) -> Self {
        let server = Self::new(name).await;
        let a = "a".repeat(64);
        let constants = "/raw.githubusercontent.com/kubernetes/kubernetes/v1.37.1/cmd/kubeadm/app/constants/constants.go";
        server
            .put(constants, Page::of("\tDefaultEtcdVersion = \"3.7.0-0\"\n\tCoreDNSVersion = \"v1.14.6\"\n\tPauseVersion = \"3.10.2\"\n"));
        for name in ["kubeadm", "kubelet", "kubectl"] {
            server.put(&format!("/dl.k8s.io/release/v1.37.1/bin/linux/arm64/{name}.sha256"), Page::of(a.clone()));
        }
        for (project, path, text) in [
            ("containerd/containerd", "v2.3.0/containerd-2.3.0-linux-arm64.tar.gz.sha256sum", "containerd-2.3.0-linux-arm64.tar.gz"),
            ("opencontainers/runc", "v1.4.2/runc.sha256sum", "runc.arm64"),
            ("containernetworking/plugins", "v1.9.1/cni-plugins-linux-arm64-v1.9.1.tgz.sha256", "cni-plugins-linux-arm64-v1.9.1.tgz"),
            ("etcd-io/etcd", "v3.7.0/SHA256SUMS", "etcd-v3.7.0-linux-arm64.tar.gz"),
        ] {
            let text = format!("{}  other\n{a}  {text}\n", "b".repeat(64));
            server.put(&format!("/github.com/{project}/releases/download/{path}"), Page::of(text));
        }
        for (repository, tag) in [
            ("kube-apiserver", "v1.37.1"),
            ("kube-controller-manager", "v1.37.1"),
            ("kube-scheduler", "v1.37.1"),
            ("kube-proxy", "v1.37.1"),
            ("etcd", "3.7.0-0"),
            ("coredns/coredns", "v1.14.6"),
            ("pause", "3.10.2"),
        ] {
            server.tag(&format!("registry.k8s.io/v2/{repository}"), tag);
        }
        server.tag("ghcr.io/v2/flannel-io/flannel", "v0.28.7");
        server.tag("ghcr.io/v2/flannel-io/flannel-cni-plugin", "v1.9.1-flannel1");
        server
    }

    pub(crate) fn put(&self, path: &str, page: Page) {
        self.state.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    /// Changes a page that is there.
    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Page)) {
        change(self.state.lock().unwrap().pages.get_mut(path).unwrap());
    }

    /// All pages, and all pages put back.
    pub(crate) fn pages(&self) -> BTreeMap<String, Page> {
        self.state.lock().unwrap().pages.clone()
    }

    pub(crate) fn put_all(&self, pages: BTreeMap<String, Page>) {
        self.state.lock().unwrap().pages = pages;
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// A blob of a repository, such as `registry.k8s.io/v2/pause`, as a descriptor.
    pub(crate) fn blob(&self, repository: &str, body: &[u8]) -> String {
        let digest = hex(body);
        self.put(&format!("/{repository}/blobs/sha256:{digest}"), Page::of(body));
        format!("\"digest\":\"sha256:{digest}\",\"size\":{}", body.len())
    }

    /// A manifest by its digest, as a descriptor.
    pub(crate) fn manifest(&self, repository: &str, text: &str) -> String {
        let digest = hex(text.as_bytes());
        self.put(&format!("/{repository}/manifests/sha256:{digest}"), Page::of(text));
        format!("\"digest\":\"sha256:{digest}\",\"size\":{}", text.len())
    }

    /// The image of one architecture: a configuration, and a layer of so many bytes.
    pub(crate) fn image(&self, repository: &str, arch: &str, layer: usize) -> String {
        let config = self.blob(repository, format!("{{\"os\":\"linux\",\"architecture\":\"{arch}\"}}").as_bytes());
        let layer = self.blob(repository, &vec![u8::try_from(arch.len()).unwrap(); layer]);
        self.manifest(repository, &format!("{{\"schemaVersion\":2,\"config\":{{{config}}},\"layers\":[{{{layer}}}]}}"))
    }

    /// A tag with an index of amd64 and arm64, and the index's digest.
    pub(crate) fn tag(&self, repository: &str, tag: &str) -> String {
        let of = |arch: &str, size| {
            format!("{{{},\"platform\":{{\"os\":\"linux\",\"architecture\":\"{arch}\"}}}}", self.image(repository, arch, size))
        };
        let index = format!("{{\"schemaVersion\":2,\"manifests\":[{},{}]}}", of("amd64", 300_000), of("arm64", 200_000));
        self.manifest(repository, &index);
        self.put(&format!("/{repository}/manifests/{tag}"), Page::of(index.as_bytes()));
        format!("sha256:{}", hex(index.as_bytes()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
