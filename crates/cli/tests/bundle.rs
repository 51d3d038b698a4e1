//! `kubestead bundle` as it is typed, at the official addresses over TLS, which a proxy of the environment leads to this computer. Needs: curl, openssl.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by it

#[allow(dead_code)] // the other half is for another test
#[path = "../../provision/tests/registry/mod.rs"]
mod registry;

use std::path::Path;
use std::sync::Arc;

use registry::{Page, Server, answer};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const HOSTS: &str = "DNS:dl.k8s.io,DNS:github.com,DNS:raw.githubusercontent.com,DNS:registry.k8s.io,DNS:ghcr.io";
/// Makes an authority, and the certificate of a server.
const KEYS: &str = include_str!("authority.sh");

/// A proxy that is each host of the certificate itself, at the pages of a server.
async fn proxy(server: &Server) -> String {
    let made = std::process::Command::new("bash").args(["-c", KEYS, "keys"]).arg(&server.dir).arg(HOSTS).status().unwrap();
    assert!(made.success());
    let chain = CertificateDer::pem_file_iter(server.dir.join("crt")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(server.dir.join("key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    let tls = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let state = Arc::clone(&server.state);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, state) = (tls.clone(), Arc::clone(&state));
            tokio::spawn(async move {
                let (stream, host) = connected(stream).await?;
                answer(tls.accept(stream).await?, state, format!("/{host}")).await
            });
        }
    });
    address
}

/// Reads what a proxy is asked: the host.
async fn connected(stream: TcpStream) -> std::io::Result<(TcpStream, String)> {
    let mut stream = BufReader::new(stream);
    let mut host = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if let Some(rest) = line.strip_prefix("CONNECT ") {
            host = rest.split(':').next().unwrap().to_owned();
        } else if line.trim_end().is_empty() {
            break;
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    Ok((stream.into_inner(), host))
}

async fn kubestead(dir: &Path, proxy: &str, authority: bool, args: &[&str]) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kubestead"));
    command.args(["bundle"]).args(args).current_dir(dir).env("HOME", dir).env("https_proxy", proxy);
    for name in ["no_proxy", "NO_PROXY", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"] {
        command.env_remove(name);
    }
    if authority {
        command.env("SSL_CERT_FILE", dir.join("ca.crt")).env("SSL_CERT_DIR", "/etc/ssl/certs");
    }
    let ran = command.output().await.unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
}

#[tokio::test]
async fn official_addresses_are_asked_by_the_proxy_and_over_tls_alone() {
    let server = Server::official("cli").await;
    let proxy = proxy(&server).await;
    let dir = server.dir.clone();
    let lock = ["lock", "--kubernetes", "1.37.1", "--arch", "arm64"];

    let (status, said) = kubestead(&dir, &proxy, false, &lock).await;
    assert!(status == Some(1) && said.contains("raw.githubusercontent.com") && said.contains("SSL_CERT_FILE"), "{said}");
    let (status, said) = kubestead(&dir, "http://127.0.0.1:1", true, &lock).await;
    assert!(status == Some(1) && said.contains("https_proxy"), "{said}");
    assert!(!dir.join("releases.json").exists());
    // A file that would send curl elsewhere, or make it say something else, is not read.
    std::fs::write(dir.join(".curlrc"), "head\nproxy = http://127.0.0.1:1\n").unwrap();

    let (status, said) = kubestead(&dir, &proxy, true, &lock).await;
    assert!(status == Some(0) && said.contains("7 downloads and 9 images are pinned") && said.contains("releases.json"), "{said}");
    let (status, said) = kubestead(&dir, &proxy, true, &lock).await;
    assert!(status == Some(0) && said.contains("nothing to do"), "{said}");

    let kubelet = "/dl.k8s.io/release/v1.37.1/bin/linux/arm64/kubelet.sha256";
    server.put(kubelet, Page::redirect("http://dl.k8s.io/other"));
    let (status, said) = kubestead(&dir, &proxy, true, &lock).await;
    assert!(
        status == Some(1)
            && said.contains("https://dl.k8s.io/release/v1.37.1/bin/linux/arm64/kubelet.sha256")
            && said.contains("not https"),
        "{said}"
    );
    server.put(kubelet, Page::redirect("https://github.com/other"));
    let (status, said) = kubestead(&dir, &proxy, true, &lock).await;
    assert!(status == Some(1) && said.contains("redirects to github.com, which is not known to serve for it"), "{said}");

    // Its images, by the same way.
    let text = std::fs::read_to_string(dir.join("releases.json")).unwrap();
    let mut images: serde_json::Value = serde_json::from_str(&text).unwrap();
    images["downloads"] = serde_json::json!([]);
    std::fs::write(dir.join("images.json"), images.to_string()).unwrap();
    let (status, said) = kubestead(&dir, &proxy, true, &["fetch", "--lock", "images.json", "--to", "bundle"]).await;
    assert!(status == Some(0) && said.contains("9 files of Kubernetes 1.37.1"), "{said}");
    let (status, said) = kubestead(&dir, &proxy, true, &["check", "bundle"]).await;
    assert!(status == Some(0) && said.contains("each has its sum"), "{said}");
}
