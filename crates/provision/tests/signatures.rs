//! Signatures of what Kubernetes publishes: an authority, logs and a registry of this computer sign as they should, not at all, or wrongly. Needs: curl.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by it

#[path = "signatures/authority.rs"]
mod authority;
#[allow(dead_code)] // the other half is for another test
mod registry;

use authority::{Given, STAGING, THEN, TRUST, entry, given, key, pem, sign, trust_root};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubestead_provision::releases::{Arch, CNI, CONTAINERD, Error, Lock, RUNC, Signatures, TrustRoot, Wish, pin};
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{DerSignature, Signature};
use registry::{Page, Server, hex};
use serde_json::{Value, json};

const LOG: &str = "/rekor.sigstore.dev/api/v1/log/entries/retrieve";
const KUBELET: &str = "/dl.k8s.io/release/v1.37.1/bin/linux/arm64/kubelet";
const PAUSE: &str = "registry.k8s.io/v2/pause";

/// What is done to the pages.
type Change<'a> = Box<dyn Fn() + 'a>;
/// What is done to a layer.
type Edit<'a> = Box<dyn Fn(&mut Value) + 'a>;

fn root() -> TrustRoot {
    TrustRoot::parse(&trust_root()).unwrap()
}

async fn pinned(server: &Server, signatures: Signatures) -> (Result<Lock, Error>, Vec<String>) {
    let wish = Wish {
        kubernetes: "1.37.1".into(),
        arch: [Arch::Arm64].into(),
        containerd: CONTAINERD.into(),
        runc: RUNC.into(),
        cni: CNI.into(),
        images: std::collections::BTreeSet::new(),
        redirects: vec![],
        signatures,
    };
    let mut said = Vec::new();
    let out = server.dir.join("releases.json");
    let pinned = pin(&wish, &out, Some(&server.address), true, &mut |line| said.push(line.to_owned())).await;
    said.retain(|line| line.contains("signature"));
    (pinned.map(|(lock, _)| lock), said)
}

/// A signature of an image, as a layer says it.
#[derive(Clone)]
struct Signed {
    given: Given,
    about: String,
    by: SigningKey,
    log: SigningKey,
    at: u64,
    /// What of it is another one's.
    noted: Option<String>,
}

impl Signed {
    fn layer(&self, server: &Server, repository: &str) -> Value {
        let payload = json!({"critical": {"identity": {"docker-reference": "somewhere.pkg.dev/pause"}, "image": {"docker-manifest-digest": self.about},
            "type": "cosign container image signature"}, "optional": null});
        let payload = payload.to_string();
        let (signature, certificate) = (sign(&self.by, payload.as_bytes()), self.given.certificate());
        let noted = self.noted.clone().unwrap_or_else(|| hex(payload.as_bytes()));
        let entry = entry(&self.log, &noted, &signature, &certificate, self.at);
        let descriptor = server.blob(repository, payload.as_bytes());
        let mut layer: Value = serde_json::from_str(&format!("{{{descriptor}}}")).unwrap();
        layer["mediaType"] = "application/vnd.dev.cosign.simplesigning.v1+json".into();
        layer["annotations"] = json!({
            "dev.cosignproject.cosign/signature": STANDARD.encode(signature),
            "dev.sigstore.cosign/certificate": pem(&certificate),
            "dev.sigstore.cosign/bundle": entry.to_string(),
        });
        layer
    }
}

fn good(digest: &str) -> Signed {
    Signed { given: given(TRUST), about: digest.to_owned(), by: key(9), log: key(4), at: THEN + 60, noted: None }
}

fn sig(repository: &str, digest: &str) -> String {
    format!("/{repository}/manifests/{}.sig", digest.replace(':', "-"))
}

fn put_layers(server: &Server, repository: &str, digest: &str, layers: &[Value]) {
    let text =
        json!({"schemaVersion": 2, "config": {"digest": format!("sha256:{}", "0".repeat(64)), "size": 2}, "layers": layers}).to_string();
    server.put(&sig(repository, digest), Page::of(text));
}

/// Signs a file with a digest as `cosign sign-blob` does.
fn put_file(server: &Server, path: &str, sha256: &str, given: &Given) {
    let digest: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&sha256[at..at + 2], 16).unwrap()).collect();
    let signature: Signature = given.to.sign_prehash(&digest).unwrap();
    let signature = DerSignature::from(signature).as_bytes().to_vec();
    let certificate = given.certificate();
    server.put(&format!("{path}.sig"), Page::of(STANDARD.encode(&signature)));
    server.put(&format!("{path}.cert"), Page::of(STANDARD.encode(pem(&certificate))));
    let entry = entry(&key(4), sha256, &signature, &certificate, THEN + 30);
    let mut told = entry["Payload"].clone();
    told["verification"] = json!({"signedEntryTimestamp": entry["SignedEntryTimestamp"], "inclusionProof": {"hashes": []}});
    server.put(LOG, Page::of(json!([{ "24296fb24b8ad77a": told }]).to_string()));
}

/// The official places, with everything signed that Kubernetes signs, and the digest of pause.
async fn signed(name: &str) -> (Server, String) {
    let server = Server::official(name).await;
    let mut of_pause = String::new();
    for (path, page) in server.pages() {
        let Some((repository, tag)) = path.split_once("/manifests/") else { continue };
        let repository = repository.trim_start_matches('/');
        if repository.starts_with("registry.k8s.io") && !tag.starts_with("sha256:") {
            let digest = format!("sha256:{}", hex(&page.body));
            put_layers(&server, repository, &digest, &[good(&digest).layer(&server, repository)]);
            if repository == PAUSE {
                of_pause = digest;
            }
        }
    }
    for name in ["kubeadm", "kubelet", "kubectl"] {
        put_file(&server, &KUBELET.replace("kubelet", name), &"a".repeat(64), &given(STAGING));
    }
    (server, of_pause)
}

#[tokio::test]
async fn what_is_signed_is_pinned_with_its_signer() {
    let (server, _) = signed("signed").await;
    let (lock, said) = pinned(&server, Signatures::Require(root())).await;
    let lock = lock.unwrap();
    assert_eq!(said, Vec::<String>::new());
    for image in &lock.images {
        let want = image.image.starts_with("registry.k8s.io/").then_some(TRUST);
        assert_eq!(image.signed_by.as_deref(), want, "{}", image.image);
    }
    for download in &lock.downloads {
        let want = download.url.starts_with("https://dl.k8s.io/").then_some(STAGING);
        assert_eq!(download.signed_by.as_deref(), want, "{}", download.url);
    }
    assert_eq!(Lock::load(&server.dir.join("releases.json")).unwrap().0, lock, "what was written is read back");
    // Not looked at, nothing is asked for, and a lock file that has a signer does not lose it unnoticed.
    server.asked();
    let wish = pinned(&server, Signatures::Skip).await.0.unwrap();
    assert!(wish.images.iter().all(|image| image.signed_by.is_none()));
    assert!(server.asked().iter().all(|asked| !asked.path.contains(".sig") && asked.path != LOG));
}

#[tokio::test]
async fn an_image_that_is_not_signed_is_told_and_refused_where_a_signature_is_required() {
    let (server, digest) = signed("unsigned").await;
    let good_pages = server.pages();
    let mut unknown_log = good(&digest);
    unknown_log.log = key(5);
    let mut without = good(&digest).layer(&server, PAUSE);
    without["annotations"].as_object_mut().unwrap().remove("dev.sigstore.cosign/bundle");
    let layer = unknown_log.layer(&server, PAUSE);
    let newer = format!("/{PAUSE}/manifests/{}", digest.replace(':', "-"));
    let cases: Vec<(Change<'_>, &str)> = vec![
        (Box::new(|| server.put(&sig(PAUSE, &digest), Page { status: 404, ..Page::default() })), "no signature of krel-trust@"),
        (Box::new(|| put_layers(&server, PAUSE, &digest, &[])), "no signature of krel-trust@"),
        (Box::new(|| put_layers(&server, PAUSE, &digest, std::slice::from_ref(&layer))), "is none of the trust root"),
        (Box::new(|| put_layers(&server, PAUSE, &digest, std::slice::from_ref(&without))), "it has no dev.sigstore.cosign/bundle"),
        (
            Box::new(|| {
                server.put(&sig(PAUSE, &digest), Page { status: 404, ..Page::default() });
                server.put(&newer, Page::of("{\"schemaVersion\":2,\"manifests\":[]}"));
            }),
            "not understood yet",
        ),
    ];
    for (change, cause) in cases {
        server.put_all(good_pages.clone());
        change();
        let (lock, said) = pinned(&server, Signatures::Check(root())).await;
        let lock = lock.unwrap();
        assert_eq!(lock.images.iter().filter(|image| image.signed_by.is_some()).count(), 6, "{cause}");
        assert!(matches!(&said[..], [one] if one.contains("registry.k8s.io/pause:3.10.2") && one.contains(cause)), "{cause}: {said:?}");
        let error = pinned(&server, Signatures::Require(root())).await.0.unwrap_err().to_string();
        assert!(error.contains("registry.k8s.io/pause:3.10.2") && error.contains(cause) && error.contains("--signatures skip"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_signature_of_an_image_is_refused_by_its_cause() {
    let (server, digest) = signed("wrong").await;
    let pages = server.pages();
    let of = |change: &dyn Fn(&mut Signed)| {
        let mut signed = good(&digest);
        change(&mut signed);
        signed
    };
    let other = format!("sha256:{}", "0".repeat(64));
    let cases = [
        (of(&|s| s.about.clone_from(&other)), "it is about sha256:0000"),
        (of(&|s| s.given.identity = STAGING), "signed by \"krel-staging@"),
        (of(&|s| s.given.issuer = "https://github.com/login/oauth"), "(says \"https://github.com/login/oauth\")"),
        (of(&|s| s.given.by = key(6)), "no authority that is believed"),
        (of(&|s| s.given.code = false), "not for signing code"),
        (of(&|s| s.at = THEN + 601), "no authority that is believed"),
        (of(&|s| s.at = THEN - 1), "no authority that is believed"),
        (of(&|s| s.given.noted = None), "no log of certificates has"),
        (of(&|s| s.given.noted = Some(key(7))), "no log that is believed has its certificate"),
        (of(&|s| s.by = key(8)), "did not sign this"),
        (of(&|s| s.noted = Some("0".repeat(64))), "the log's entry is about another signature"),
    ];
    for (signed, cause) in &cases {
        server.put_all(pages.clone());
        let layer = signed.layer(&server, PAUSE);
        put_layers(&server, PAUSE, &digest, std::slice::from_ref(&layer));
        for signatures in [Signatures::Check(root()), Signatures::Require(root())] {
            let error = pinned(&server, signatures).await.0.unwrap_err().to_string();
            assert!(error.contains("registry.k8s.io/pause:3.10.2") && error.contains(cause), "{cause}: {error}");
        }
        // Beside it a good one is enough: an image has those of all who signed it.
        put_layers(&server, PAUSE, &digest, &[layer, good(&digest).layer(&server, PAUSE)]);
        assert!(pinned(&server, Signatures::Require(root())).await.0.is_ok(), "{cause}");
    }
    // What is not whole.
    let cases: Vec<(Edit<'_>, &str)> = vec![
        (Box::new(|l| l["digest"] = "md5:00".into()), "no digest of sha256"),
        (Box::new(|l| l["annotations"]["dev.cosignproject.cosign/signature"] = "!".into()), "no base64"),
        (Box::new(|l| l["annotations"]["dev.sigstore.cosign/certificate"] = "none".into()), "no PEM"),
        (Box::new(|l| l["annotations"]["dev.sigstore.cosign/certificate"] = pem(b"0000").into()), "not whole"),
        (Box::new(|l| l["annotations"]["dev.sigstore.cosign/bundle"] = "{}".into()), "not whole"),
        (
            Box::new(|l| {
                let text = l["annotations"]["dev.sigstore.cosign/bundle"]
                    .as_str()
                    .unwrap()
                    .replace(&format!("{}", THEN + 60), &format!("{}", THEN + 61));
                l["annotations"]["dev.sigstore.cosign/bundle"] = text.into();
            }),
            "https://rekor.sigstore.dev did not sign it",
        ),
    ];
    for (change, cause) in &cases {
        server.put_all(pages.clone());
        let mut layer = good(&digest).layer(&server, PAUSE);
        change(&mut layer);
        put_layers(&server, PAUSE, &digest, &[layer]);
        let error = pinned(&server, Signatures::Check(root())).await.0.unwrap_err().to_string();
        assert!(error.contains(cause), "{cause}: {error}");
    }
}

#[tokio::test]
async fn a_program_is_signed_or_that_is_told() {
    let (server, _) = signed("programs").await;
    let pages = server.pages();
    let (sig, cert) = (format!("{KUBELET}.sig"), format!("{KUBELET}.cert"));
    let gone = || Page { status: 404, ..Page::default() };
    let borne: Vec<(Change<'_>, &str, usize)> = vec![
        (Box::new(|| server.put(&sig, Page { status: 403, ..Page::default() })), "no signature of krel-staging@", 1),
        (Box::new(|| server.put(&cert, gone())), "kubelet.cert is not published", 1),
        (Box::new(|| server.put(LOG, Page::of("[]"))), "no log of the trust root has it", 3),
        (Box::new(|| server.put(LOG, gone())), "404", 3),
        (Box::new(|| server.put(LOG, Page::of("<html>"))), "does not answer with entries", 3),
    ];
    for (change, cause, times) in borne {
        server.put_all(pages.clone());
        change();
        let (lock, said) = pinned(&server, Signatures::Check(root())).await;
        assert_eq!(lock.unwrap().downloads.iter().filter(|d| d.signed_by.is_some()).count(), 3 - times, "{cause}");
        assert!(said.len() == times && said.iter().all(|line| line.contains(cause)), "{cause}: {said:?}");
        let error = pinned(&server, Signatures::Require(root())).await.0.unwrap_err().to_string();
        assert!(error.contains(cause), "{cause}: {error}");
    }
    let mut elsewhere = given(STAGING);
    elsewhere.by = key(6);
    let refused: Vec<(Change<'_>, &str)> = vec![
        (Box::new(|| server.put(&sig, Page::of("!"))), "no base64"),
        (Box::new(|| put_file(&server, KUBELET, &"b".repeat(64), &given(STAGING))), "did not sign this"),
        (Box::new(|| put_file(&server, KUBELET, &"a".repeat(64), &elsewhere)), "no authority that is believed"),
        (Box::new(|| put_file(&server, KUBELET, &"a".repeat(64), &given(TRUST))), "signed by \"krel-trust@"),
    ];
    for (change, cause) in refused {
        server.put_all(pages.clone());
        // kubeadm is asked for first, and the log has one entry only: it is signed alike.
        change();
        for name in ["sig", "cert"] {
            let page = server.pages()[&format!("{KUBELET}.{name}")].clone();
            server.put(&format!("{}.{name}", KUBELET.replace("kubelet", "kubeadm")), page);
        }
        let error = pinned(&server, Signatures::Check(root())).await.0.unwrap_err().to_string();
        assert!(error.contains("/kubeadm") && error.contains(cause), "{cause}: {error}");
    }
}
