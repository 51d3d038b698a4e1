//! A lab's own internet: the hosts that software comes from, answered for by the lab over TLS. What they serve was built (the recipe `internet`); what
//! makes it this lab's own is made with the lab, by a script: an authority that its machines trust, the server's certificate, and the signatures of the
//! apt repositories. Registries answer reads alone (OCI distribution-spec v1.1, "pull").

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::Error;
use crate::files::Files;
use crate::http::{Page, Site, below};
use crate::process::run;

/// The hosts that a lab with an internet answers for.
pub(crate) const HOSTS: [&str; 7] =
    ["pkgs.k8s.io", "download.docker.com", "registry.k8s.io", "ghcr.io", "dl.k8s.io", "github.com", "raw.githubusercontent.com"];
/// Makes what is the lab's own.
const KEYS: &str = include_str!("../recipes/internet-keys.sh");
/// Makes a machine trust the authority, which is on its line ahead.
const TRUST: &str = include_str!("../recipes/internet-trust.sh");
/// Of which build, and for which names, it was made.
const MADE_OF: &str = "made-of";
/// What a registry calls an image of one platform.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Makes what is the lab's own, unless it is there for this build.
pub(crate) async fn prepare(files: &Files, built: &Path) -> Result<(), Error> {
    let own = files.own_internet();
    let made_of = format!("{} {}", built.file_name().unwrap_or_default().display(), HOSTS.join(" "));
    if std::fs::read_to_string(own.join(MADE_OF)).is_ok_and(|before| before == made_of) {
        return files.put_internet(built);
    }
    let part = own.with_extension("part");
    for folder in [&part, &own] {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::file("cannot remove", folder)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let (to, tree) = (part.to_string_lossy(), built.to_string_lossy());
    let words: Vec<&str> = ["-c", KEYS, "internet-keys.sh", &to, &tree].into_iter().chain(HOSTS).collect();
    run("bash", &words).await?;
    std::fs::write(part.join(MADE_OF), made_of).map_err(Error::file("cannot write", &part))?;
    std::fs::rename(&part, &own).map_err(Error::file("cannot rename", &part))?;
    files.put_internet(built)
}

/// The command that makes a machine trust the lab's authority, which changes nothing on one that does.
pub(crate) fn trust(files: &Files) -> Result<String, Error> {
    let path = files.own_internet().join("authority.crt");
    let authority = std::fs::read_to_string(&path).map_err(Error::file("cannot read", path))?;
    Ok(format!("authority='{}'\n{TRUST}", authority.trim_end()))
}

/// The files of a lab's internet that are its own, by their paths in the lab's folder.
pub(crate) fn own(files: &Files) -> Result<Vec<PathBuf>, Error> {
    let (mut found, mut open) = (Vec::new(), vec![files.own_internet()]);
    while let Some(folder) = open.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(Error::file("cannot read", &folder))? {
            let path = entry.map_err(Error::file("cannot read", &folder))?.path();
            if path.is_dir() { open.push(path) } else { found.extend(path.strip_prefix(files.dir()).ok().map(Path::to_owned)) }
        }
    }
    found.sort();
    Ok(found)
}

/// The server's side of TLS.
pub(crate) fn tls(files: &Files) -> Result<TlsAcceptor, Error> {
    let own = files.own_internet();
    let (certificate, key) = (own.join("server.crt"), own.join("server.key"));
    let wrong = |path: &Path, detail: String| Error::Format { path: path.to_owned(), detail };
    let chain = CertificateDer::pem_file_iter(&certificate).and_then(Iterator::collect).map_err(|e| wrong(&certificate, e.to_string()))?;
    let secret = PrivateKeyDer::from_pem_file(&key).map_err(|e| wrong(&key, e.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|e| wrong(&key, e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What all the hosts serve: of the lab's own first, then what was built.
#[derive(Debug)]
pub(crate) struct Internet {
    folders: [PathBuf; 2],
}

impl Internet {
    pub(crate) fn of(files: &Files) -> Result<Self, Error> {
        Ok(Self { folders: [files.own_internet(), files.internet()?] })
    }
}

impl Site for Internet {
    fn find(&self, host: &str, path: &str) -> Option<Page> {
        let host = HOSTS.iter().find(|name| **name == host)?;
        let is_registry = path == "/v2" || path.starts_with("/v2/");
        if is_registry && matches!(path, "/v2/" | "/v2") {
            return self.folders.iter().any(|folder| folder.join(host).join("v2").is_dir()).then(|| Page::text("{}"));
        }
        let file = self.folders.iter().find_map(|folder| below(&folder.join(host), path))?;
        let mut page = Page::file(file.clone());
        if is_registry && path.contains("/manifests/") {
            page.headers.push(("Content-Type", MANIFEST.to_owned()));
            // A tag is a link to the file of its digest.
            let digest = file.canonicalize().ok()?.file_name()?.to_str()?.to_owned();
            page.headers.extend(digest.starts_with("sha256:").then_some(("Docker-Content-Digest", digest)));
        }
        Some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// A lab's folder, and a small build: an apt repository of each kind, and an image.
    fn place(name: &str) -> (Place, Files, PathBuf) {
        let base = std::env::temp_dir().join(format!("kubestead-internet-{name}-{}", std::process::id()));
        let built = base.join("internet-0");
        for (path, text) in [
            ("pkgs.k8s.io/core:/stable:/v1.37/deb/Release", "Origin: lab\n"),
            ("download.docker.com/linux/debian/dists/bookworm/Release", "Origin: lab\n"),
            ("registry.k8s.io/v2/pause/manifests/sha256:0a", "{\"schemaVersion\":2}"),
            ("registry.k8s.io/v2/pause/blobs/sha256:0b", "layer"),
        ] {
            let path = built.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("sha256:0a", built.join("registry.k8s.io/v2/pause/manifests/3.10")).unwrap();
        std::fs::create_dir_all(base.join("lab")).unwrap();
        (Place(base.clone()), Files::new(&base.join("lab")), built)
    }

    #[test]
    fn a_registry_tells_the_digest_of_a_tag_and_has_no_other_host() {
        let (_place, files, built) = place("registry");
        files.put_internet(&built).unwrap();
        let internet = Internet::of(&files).unwrap();
        for path in ["/v2/pause/manifests/3.10", "/v2/pause/manifests/sha256:0a"] {
            let page = internet.find("registry.k8s.io", path).unwrap();
            let digest = ("Docker-Content-Digest", "sha256:0a".to_owned());
            assert_eq!(page.headers, [("Content-Type", MANIFEST.to_owned()), digest], "{path}");
        }
        assert!(internet.find("registry.k8s.io", "/v2/pause/blobs/sha256:0b").unwrap().headers.is_empty());
        assert!(internet.find("registry.k8s.io", "/v2/").is_some() && internet.find("pkgs.k8s.io", "/v2/").is_none());
        for (host, path) in [
            ("ghcr.io", "/v2/pause/manifests/3.10"),
            ("example.com", "/v2/"),
            ("", "/v2/"),
            ("..", "/internet-0/registry.k8s.io/v2/pause/blobs/sha256:0b"),
            ("registry.k8s.io", "/v2/pause/manifests/3.11"),
            ("registry.k8s.io", "/v2/pause/manifests/../blobs/sha256:0b"),
        ] {
            assert!(internet.find(host, path).is_none(), "{host}{path}");
        }
        // What is the lab's own comes first.
        let own = files.own_internet().join("registry.k8s.io/v2/pause/blobs");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("sha256:0b"), "other").unwrap();
        assert_eq!(internet.find("registry.k8s.io", "/v2/pause/blobs/sha256:0b"), Some(Page::file(own.join("sha256:0b"))));
    }

    #[tokio::test]
    async fn keys_are_the_labs_own_for_their_owner_alone_and_made_once() {
        use std::os::unix::fs::PermissionsExt;
        let (_place, files, built) = place("keys");
        prepare(&files, &built).await.unwrap();
        let own = files.own_internet();
        let key = own.join("server.key");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        tls(&files).unwrap();
        let (server, authority) = (own.join("server.crt"), own.join("authority.crt"));
        for host in HOSTS {
            let (authority, server) = (authority.to_string_lossy(), server.to_string_lossy());
            run("openssl", &["verify", "-verify_hostname", host, "-CAfile", &authority, &server]).await.unwrap();
        }
        // No secret key of the authority or of a signer is left.
        let secrets =
            |path: &PathBuf| std::fs::read(files.dir().join(path)).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("PRIVATE"));
        let all = super::own(&files).unwrap();
        assert_eq!(all.iter().filter(|path| secrets(path)).collect::<Vec<_>>(), [Path::new("internet/server.key")]);
        for host in ["pkgs.k8s.io", "download.docker.com"] {
            let print = std::fs::read_to_string(own.join(format!("{host}.fingerprint"))).unwrap();
            assert_eq!(print.trim().len(), 40, "{print}");
        }
        let signed = std::fs::read_to_string(own.join("download.docker.com/linux/debian/dists/bookworm/InRelease")).unwrap();
        assert!(signed.contains("BEGIN PGP SIGNED MESSAGE") && signed.contains("Origin: lab"));
        assert!(own.join("download.docker.com/linux/debian/gpg").is_file());
        assert!(own.join("pkgs.k8s.io/core:/stable:/v1.37/deb/Release.key").is_file());
        let before = std::fs::read(&key).unwrap();
        prepare(&files, &built).await.unwrap();
        assert_eq!(std::fs::read(&key).unwrap(), before, "a second start changes nothing");
        let other = built.with_file_name("internet-1");
        std::fs::rename(&built, &other).unwrap();
        prepare(&files, &other).await.unwrap();
        assert_ne!(std::fs::read(&key).unwrap(), before, "another build is signed anew");
    }
}
