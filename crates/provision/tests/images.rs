//! Images of registries into a bundle, from one on this computer that can do wrong. Needs: curl, tar.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by it

#[allow(dead_code)] // the other half is for another test
mod registry;

use std::path::Path;
use std::process::Command;

use kubestead_provision::releases::{Error, Fetched, fetch, verify};
use registry::{Page, Server, hex};
use serde_json::Value;

const PAUSE: &str = "registry.k8s.io/v2/pause";
const REFERENCE: &str = "registry.k8s.io/pause:3.10.2";
type Change<'a> = Box<dyn Fn(&mut Page) + 'a>;

/// The digests of the blobs that `Server::image` makes.
fn layer(arch: &str) -> String {
    hex(&vec![5; if arch == "amd64" { 300_000 } else { 200_000 }])
}

fn lock(server: &Server, arch: &str, digest: &str) {
    lock_for(server, &format!("{arch:?}"), digest);
}

fn lock_for(server: &Server, arch: &str, digest: &str) {
    let text = format!(
        r#"{{"formatVersion": 1, "kubernetes": "1.37.1", "arch": {arch}, "downloads": [], "images": [{{"image": "{REFERENCE}", "digest": "{digest}"}}]}}"#
    );
    std::fs::write(server.dir.join("releases.json"), text).unwrap();
}

async fn fetched(server: &Server, to: &str) -> Result<Fetched, Error> {
    fetch(&server.dir.join("releases.json"), &server.dir.join(to), Some(&server.address), &mut |_| {}).await
}

fn member(archive: &Path, name: &str) -> Vec<u8> {
    let out = Command::new("tar").arg("-xOf").arg(archive).arg(name).output().unwrap();
    assert!(out.status.success(), "{name}");
    out.stdout
}

#[tokio::test]
async fn a_bundle_for_both_architectures_has_each_image_for_each() {
    let server = Server::new("both").await;
    let digest = server.tag(PAUSE, "3.10.2");
    lock_for(&server, r#"["amd64", "arm64"]"#, &digest);
    let Fetched::Made(bundle) = fetched(&server, "bundle").await.unwrap() else { panic!() };
    let paths = |machine: &str| bundle.files.iter().filter(|f| f.is_for(machine)).map(|f| f.path.as_str()).collect::<Vec<_>>();
    assert_eq!((paths("x86_64"), paths("aarch64")), (vec!["images/amd64/pause-3.10.2.tar"], vec!["images/arm64/pause-3.10.2.tar"]));
    for arch in ["amd64", "arm64"] {
        let archive = server.dir.join(format!("bundle/images/{arch}/pause-3.10.2.tar"));
        let index: Value = serde_json::from_slice(&member(&archive, "index.json")).unwrap();
        assert_eq!(index["manifests"][0]["platform"]["architecture"], arch);
        assert_eq!(hex(&member(&archive, &format!("blobs/sha256/{}", layer(arch)))), layer(arch));
        // The same as in a bundle for that one alone.
        lock(&server, arch, &digest);
        let Fetched::Made(alone) = fetched(&server, &format!("alone-{arch}")).await.unwrap() else { panic!() };
        assert_eq!(
            std::fs::read(&archive).unwrap(),
            std::fs::read(server.dir.join(format!("alone-{arch}")).join(&alone.files[0].path)).unwrap()
        );
        lock_for(&server, r#"["amd64", "arm64"]"#, &digest);
    }
    assert!(matches!(fetched(&server, "bundle").await.unwrap(), Fetched::Already(_)));
}

#[tokio::test]
async fn an_image_is_the_layout_of_its_platform_the_same_each_time_and_not_asked_for_again() {
    for arch in ["amd64", "arm64"] {
        let server = Server::new(&format!("whole-{arch}")).await;
        let digest = server.tag(PAUSE, "3.10.2");
        lock(&server, arch, &digest);
        let Fetched::Made(bundle) = fetched(&server, "bundle").await.unwrap() else { panic!() };
        assert_eq!((bundle.files[0].path.as_str(), bundle.files[0].version.as_str()), ("images/pause-3.10.2.tar", "3.10.2"));
        assert_eq!(bundle.pause_image(), Some(REFERENCE));
        let archive = server.dir.join("bundle/images/pause-3.10.2.tar");
        let index: Value = serde_json::from_slice(&member(&archive, "index.json")).unwrap();
        let of = &index["manifests"][0];
        assert_eq!((&of["annotations"]["io.containerd.image.name"], &of["platform"]["architecture"]), (&REFERENCE.into(), &arch.into()));
        let manifest = member(&archive, &format!("blobs/sha256/{}", of["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap()));
        assert_eq!(
            (format!("sha256:{}", hex(&manifest)), manifest.len()),
            (of["digest"].as_str().unwrap().into(), usize::try_from(of["size"].as_u64().unwrap()).unwrap())
        );
        for name in [hex(format!("{{\"os\":\"linux\",\"architecture\":\"{arch}\"}}").as_bytes()), layer(arch)] {
            assert_eq!(hex(&member(&archive, &format!("blobs/sha256/{name}"))), name);
        }
        let names = String::from_utf8(Command::new("tar").arg("-tf").arg(&archive).output().unwrap().stdout).unwrap();
        assert_eq!(names.lines().count(), 5, "the index and the other platform are not in it: {names}");
        assert_eq!(server.asked().len(), 4);

        assert!(matches!(fetched(&server, "bundle").await.unwrap(), Fetched::Already(_)));
        assert_eq!(server.asked(), []);
        assert_eq!(verify(&server.dir.join("bundle")).unwrap(), bundle);
        let Fetched::Made(again) = fetched(&server, "again").await.unwrap() else { panic!() };
        assert_eq!(again, bundle, "another run makes the same bytes");
        std::fs::write(&archive, "other").unwrap();
        assert!(verify(&server.dir.join("bundle")).is_err());
    }
}

#[tokio::test]
async fn a_layer_that_was_cut_off_goes_on_where_it_was_and_nothing_is_asked_for_twice() {
    let server = Server::new("cut").await;
    lock(&server, "amd64", &server.tag(PAUSE, "3.10.2"));
    let path = format!("/{PAUSE}/blobs/sha256:{}", layer("amd64"));
    server.change(&path, |page| page.cut = true);
    let error = fetched(&server, "bundle").await.unwrap_err().to_string();
    assert!(error.contains(&path) && error.contains("150000") && error.contains("run it again"), "{error}");
    assert!(!server.dir.join("bundle").exists());
    server.asked();
    assert!(matches!(fetched(&server, "bundle").await.unwrap(), Fetched::Made(_)));
    assert_eq!(server.asked().iter().map(|asked| (asked.path.as_str(), asked.from)).collect::<Vec<_>>(), [(path.as_str(), 150_000)]);
}

#[tokio::test]
async fn a_token_is_fetched_once_and_goes_to_no_other_server() {
    let (server, other) = (Server::new("token").await, Server::new("token-other").await);
    lock(&server, "amd64", &server.tag(PAUSE, "3.10.2"));
    let challenge = format!("Bearer realm=\"{}/token\",service=\"registry\",scope=\"repository:other:push\"", server.address);
    let address = "/token?service=registry&scope=repository:pause:pull";
    server.put(address, Page::of("{\"token\":\"t0k\"}"));
    let blob = format!("/{PAUSE}/blobs/sha256:{}", layer("amd64"));
    other.put("/signed?a=b&c=d", server.pages()[&blob].clone());
    server.put(&blob, Page::redirect(format!("{}/signed?a=b&c=d", other.address)));
    for path in server.pages().into_keys().filter(|path| path.starts_with("/registry.k8s.io")) {
        server.change(&path, |page| {
            page.token = Some("t0k".into());
            page.headers.push(("WWW-Authenticate".into(), challenge.clone()));
        });
    }
    assert!(matches!(fetched(&server, "bundle").await.unwrap(), Fetched::Made(_)));
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|asked| asked.path == address).count(), 1, "{asked:?}");
    assert_eq!(asked.iter().filter(|asked| asked.token.as_deref() == Some("t0k")).count(), 4, "{asked:?}");
    assert_eq!(other.asked().iter().map(|asked| asked.token.clone()).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again() {
    let server = Server::new("busy").await;
    let digest = server.tag(PAUSE, "3.10.2");
    lock(&server, "amd64", &digest);
    server.change(&format!("/{PAUSE}/manifests/{digest}"), |page| page.busy = 1);
    assert!(matches!(fetched(&server, "bundle").await.unwrap(), Fetched::Made(_)));
}

#[tokio::test]
async fn what_is_not_what_its_digest_says_makes_no_bundle_and_is_named() {
    let server = Server::new("hostile").await;
    let digest = server.tag(PAUSE, "3.10.2");
    let (index, blob) = (format!("/{PAUSE}/manifests/{digest}"), format!("/{PAUSE}/blobs/sha256:{}", layer("amd64")));
    let good = server.pages();
    let challenge = |page: &mut Page, text: &str| {
        page.token = Some("t".into());
        page.headers.push(("WWW-Authenticate".into(), text.to_owned()));
    };
    let loops = Page::redirect(index.clone());
    let cases: Vec<(&str, Change<'_>, &str)> = vec![
        (&index, Box::new(|page| page.body.push(b' ')), "has the sha256"),
        (
            &index,
            Box::new(|page| page.headers.push(("Docker-Content-Digest".into(), format!("sha256:{}", "0".repeat(64))))),
            "the registry's word",
        ),
        (&index, Box::new(|page| page.body = vec![b' '; 5 << 20]), "longer than 4194304 bytes"),
        (&index, Box::new(|page| page.status = 404), "404"),
        (&index, Box::new(|page| page.status = 403), "403; only what is public"),
        (&index, Box::new(|page| *page = loops.clone()), "redirects more than 5 times"),
        (&index, Box::new(|page| *page = Page::redirect("gopher://x/")), "no address"),
        (&index, Box::new(|page| page.headers.push(("X".into(), "x".repeat(70_000)))), "longer than 65536 bytes"),
        (&index, Box::new(|page| challenge(page, "Basic realm=\"x\"")), "another kind than Bearer"),
        (&index, Box::new(|page| challenge(page, "Bearer realm=\"file:///etc/passwd\"")), "no address of https"),
        (
            &index,
            Box::new(|page| challenge(page, &format!("Bearer realm=\"{}/none\"", server.address))),
            "/none?scope=repository:pause:pull",
        ),
        (&blob, Box::new(|page| page.body[7] = 0), "has the sha256"),
        (&blob, Box::new(|page| page.body.push(0)), "more than 300000 bytes come"),
        (&blob, Box::new(|page| _ = page.body.pop()), "has the sha256"),
    ];
    for (path, change, cause) in cases {
        server.put_all(good.clone());
        server.change(path, change);
        lock(&server, "amd64", &digest);
        let error = fetched(&server, "bundle").await.unwrap_err().to_string();
        assert!(error.contains(cause) && error.contains("pause"), "{cause}: {error}");
        assert!(!server.dir.join("bundle").exists(), "{cause}");
    }
    // None of it was kept.
    server.put_all(good);
    assert!(matches!(fetched(&server, "bundle").await.unwrap(), Fetched::Made(_)));
}

#[tokio::test]
async fn an_image_that_its_digest_names_and_nobody_can_use_is_refused() {
    let server = Server::new("useless").await;
    let platform = |arch: &str| format!("\"platform\":{{\"os\":\"linux\",\"architecture\":\"{arch}\"}}");
    let index = |of: &str| format!("{{\"schemaVersion\":2,\"manifests\":[{{{of}}}]}}");
    let image = |config: &str, layer: &str| format!("{{\"schemaVersion\":2,\"config\":{{{config}}},\"layers\":[{{{layer}}}]}}");
    let (config, good) = (server.blob(PAUSE, b"{\"os\":\"linux\",\"architecture\":\"amd64\"}"), server.blob(PAUSE, b"layer"));
    let small = |of: &str, size: usize| format!("{},\"size\":{size}", of.split(',').next().unwrap());
    let arm = server.image(PAUSE, "arm64", 10);
    let inner = server.manifest(PAUSE, &index(&format!("{arm},{}", platform("amd64"))));
    for (text, cause) in [
        (index(&format!("{arm},{}", platform("arm64"))), "no image for linux/amd64, only for: linux/arm64"),
        (index(&format!("{arm},{}", platform("amd64"))), "is for linux/arm64, and not for linux/amd64"),
        (index(&format!("{inner},{}", platform("amd64"))), "an index in an index"),
        (index(&format!("{},{}", small(&arm, 3), platform("amd64"))), "and its index says 3"),
        (image(&config, "\"digest\":\"sha256:../../../../etc/passwd\",\"size\":1"), "no digest"),
        (image(&config, &small(&good, 4)), "more than 4 bytes come"),
        (image(&config, &small(&good, 6)), "and its manifest says 6"),
        (image(&small(&config, 5 << 20), &good), "its configuration would have"),
        (image(&good, &good), "names no platform"),
        ("{}".to_owned(), "no manifest"),
    ] {
        let _ = std::fs::remove_dir_all(server.dir.join("bundle.part"));
        server.manifest(PAUSE, &text);
        lock(&server, "amd64", &format!("sha256:{}", hex(text.as_bytes())));
        let error = fetched(&server, "bundle").await.unwrap_err().to_string();
        assert!(error.contains(cause) && error.contains("pause"), "{cause}: {error}");
        assert!(!server.dir.join("bundle").exists(), "{cause}");
    }
}
