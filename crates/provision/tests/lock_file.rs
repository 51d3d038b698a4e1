//! The lock file from the official places, which a server on this computer plays as it likes. Needs: curl.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by it

#[allow(dead_code)] // the other half is for another test
mod registry;

use std::collections::BTreeSet;
use std::path::PathBuf;

use kubestead_provision::releases::{Arch, CNI, CONTAINERD, Error, Lock, Pinned, RUNC, Signatures, Wish, pin};
use registry::{Page, Server};

const CONSTANTS: &str = "/raw.githubusercontent.com/kubernetes/kubernetes/v1.37.1/cmd/kubeadm/app/constants/constants.go";
const RUNC_SUMS: &str = "/github.com/opencontainers/runc/releases/download/v1.4.2/runc.sha256sum";
const KUBELET: &str = "/dl.k8s.io/release/v1.37.1/bin/linux/arm64/kubelet.sha256";
const PAUSE: &str = "/registry.k8s.io/v2/pause/manifests/3.10.2";

type Change<'a> = Box<dyn Fn(&mut Page) + 'a>;

fn wish() -> Wish {
    Wish {
        kubernetes: "1.37.1".into(),
        arch: [Arch::Arm64].into(),
        containerd: CONTAINERD.into(),
        runc: RUNC.into(),
        cni: CNI.into(),
        images: BTreeSet::new(),
        redirects: vec![],
        signatures: Signatures::Skip,
    }
}

fn out(server: &Server) -> PathBuf {
    server.dir.join("releases.json")
}

async fn pinned(server: &Server, replace: bool) -> Result<(Lock, Pinned), Error> {
    pin(&wish(), &out(server), Some(&server.address), replace, &mut |_| {}).await
}

fn left(server: &Server) -> Vec<String> {
    std::fs::read_dir(&server.dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn it_is_written_once_and_what_changed_since_is_told_and_not_written_unasked() {
    let server = Server::official("once").await;
    let (lock, done) = pinned(&server, false).await.unwrap();
    assert_eq!((done, lock.downloads.len(), lock.images.len(), &lock.arch[..]), (Pinned::Written, 7, 9, &[Arch::Arm64][..]));
    assert_eq!(Lock::load(&out(&server)).unwrap().0, lock, "what was written is read back");
    assert_eq!(left(&server), ["releases.json"]);
    let before = std::fs::read(out(&server)).unwrap();
    assert_eq!(pinned(&server, false).await.unwrap().1, Pinned::Already);

    let was = lock.images[6].digest.clone();
    let single = server.image("registry.k8s.io/v2/pause", "arm64", 9);
    let digest = single.split('"').nth(3).unwrap().to_owned();
    let page = server.pages()[&format!("/registry.k8s.io/v2/pause/manifests/{digest}")].clone();
    server.put(PAUSE, page);
    server.change(KUBELET, |page| page.body = vec![b'c'; 64]);
    let error = pinned(&server, false).await.unwrap_err().to_string();
    for want in [&format!("registry.k8s.io/pause:3.10.2 was {was}, and is {digest} now"), "/kubelet was sha256:aaaa", "--replace"] {
        assert!(error.contains(want), "{want}: {error}");
    }
    assert_eq!(std::fs::read(out(&server)).unwrap(), before);
    assert_eq!(pinned(&server, true).await.unwrap().1, Pinned::Written);
    assert_eq!(Lock::load(&out(&server)).unwrap().0.images[6].digest, digest);
    std::fs::write(out(&server), "somebody's").unwrap();
    assert!(pinned(&server, false).await.unwrap_err().to_string().contains("it is no lock file"));
    assert_eq!(std::fs::read(out(&server)).unwrap(), b"somebody's");
}

#[tokio::test]
async fn a_place_that_lies_is_named_and_nothing_is_written() {
    let (server, elsewhere) = (Server::official("hostile").await, Server::official("elsewhere").await);
    let good = server.pages();
    let onward = format!("{}{KUBELET}", elsewhere.address);
    let cases: Vec<(&str, Change<'_>, &str)> = vec![
        (KUBELET, Box::new(|page| page.body = b"<html>".to_vec()), "no sha256 of kubelet"),
        (KUBELET, Box::new(|page| page.body = vec![b'a'; 2 << 20]), "longer than 1048576 bytes"),
        (KUBELET, Box::new(|page| page.body = vec![0xff; 64]), "is no text"),
        (KUBELET, Box::new(|page| page.cut = true), "32"),
        (KUBELET, Box::new(|page| page.status = 404), "404; is there such a version"),
        (KUBELET, Box::new(|page| *page = Page::redirect(onward.clone())), "which is not known to serve for it"),
        (RUNC_SUMS, Box::new(|page| page.body.extend(format!("{}  runc.arm64\n", "c".repeat(64)).bytes())), "several sums of runc.arm64"),
        (CONSTANTS, Box::new(|page| page.body.truncate(40)), "no constant CoreDNSVersion"),
        (
            PAUSE,
            Box::new(|page| page.headers.push(("Docker-Content-Digest".into(), format!("sha256:{}", "0".repeat(64))))),
            "the registry's word",
        ),
        (PAUSE, Box::new(|page| page.body = b"{\"schemaVersion\":2,\"manifests\":[]}".to_vec()), "no image for linux/arm64"),
        (PAUSE, Box::new(|page| *page = Page::redirect(format!("{}{PAUSE}", elsewhere.address))), "which is not known to serve for it"),
    ];
    for (path, change, cause) in cases {
        server.put_all(good.clone());
        server.change(path, change);
        let error = pinned(&server, false).await.unwrap_err().to_string();
        let name = path.split('/').find(|part| ["kubelet.sha256", "runc.sha256sum", "constants.go", "pause"].contains(part)).unwrap();
        assert!(error.contains(cause) && error.contains(name), "{cause}: {error}");
        assert_eq!(left(&server), Vec::<String>::new(), "{cause}");
    }
    assert_eq!(elsewhere.asked(), []);
    // Where its own operators say so, it may.
    server.put_all(good);
    server.put(KUBELET, Page::redirect(onward));
    let wish = Wish { redirects: vec!["127.0.0.1".into()], ..wish() };
    assert_eq!(pin(&wish, &out(&server), Some(&server.address), false, &mut |_| {}).await.unwrap().1, Pinned::Written);
    assert_eq!(elsewhere.asked().len(), 1);
    std::fs::remove_file(out(&server)).unwrap();
    let wrong = Wish { kubernetes: "v1.37".into(), ..wish };
    let error = pin(&wrong, &out(&server), Some(&server.address), false, &mut |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("\"v1.37\" is not a version of Kubernetes"), "{error}");
}

#[tokio::test]
async fn for_several_architectures_each_program_is_pinned_for_each_and_an_image_once() {
    let server = Server::official("several").await;
    let own = server.pages();
    for (path, page) in own.iter().filter(|(path, _)| path.contains("arm64")) {
        let body = String::from_utf8_lossy(&page.body).replace("arm64", "amd64");
        server.put(&path.replace("arm64", "amd64"), Page { body: body.into_bytes(), ..page.clone() });
    }
    // Some projects have one file of sums for all.
    for (path, page) in
        own.iter().filter(|(path, page)| !path.contains("arm64") && String::from_utf8_lossy(&page.body).contains("linux-arm64"))
    {
        let text = String::from_utf8_lossy(&page.body).into_owned();
        server.put(path, Page { body: format!("{text}{}", text.replace("arm64", "amd64")).into_bytes(), ..page.clone() });
    }
    server.change(RUNC_SUMS, |page| {
        let text = String::from_utf8_lossy(&page.body).into_owned();
        page.body = format!("{text}{}", text.replace("arm64", "amd64")).into_bytes();
    });
    let both = Wish { arch: [Arch::Arm64, Arch::Amd64].into(), ..wish() };
    let (lock, _) = pin(&both, &out(&server), Some(&server.address), false, &mut |_| {}).await.unwrap();
    assert_eq!((lock.downloads.len(), lock.images.len(), &lock.arch[..]), (14, 9, &[Arch::Amd64, Arch::Arm64][..]));
    for download in &lock.downloads {
        assert!(download.arch.is_some_and(|arch| download.url.contains(arch.name())), "{}", download.url);
    }
    assert_eq!(Lock::load(&out(&server)).unwrap().0, lock, "what was written is read back");
    // A tag that is there for one of them alone.
    let digest = server.image("registry.k8s.io/v2/pause", "arm64", 9).split('"').nth(3).unwrap().to_owned();
    let page = server.pages()[&format!("/registry.k8s.io/v2/pause/manifests/{digest}")].clone();
    server.put(PAUSE, page);
    let error = pin(&both, &out(&server), Some(&server.address), true, &mut |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("its image is for linux/arm64, and not for linux/amd64"), "{error}");
}

#[tokio::test]
async fn images_of_services_are_pinned_beside_by_their_own_digests_where_they_have_them() {
    let server = Server::official("beside").await;
    let page = |image: &str, tag: &str, layer: u8| {
        let descriptor = server.image(image, "arm64", layer.into());
        let digest = descriptor.split('"').nth(3).unwrap().to_owned();
        let page = server.pages()[&format!("/{image}/manifests/{digest}")].clone();
        server.put(&format!("/{image}/manifests/{tag}"), page);
        digest
    };
    let manager = page("quay.io/v2/jetstack/cert-manager-controller", "v1.21.2", 1);
    let traefik = page("registry-1.docker.io/v2/library/traefik", "v3.7", 2);
    // Its tag has moved on.
    page("registry-1.docker.io/v2/library/traefik", "v3.7", 3);
    let images = |all: &[String]| Wish { images: all.iter().cloned().collect(), ..wish() };
    let pin = async |wish: &Wish| pin(wish, &out(&server), Some(&server.address), true, &mut |_| {}).await;
    let pause = "registry.k8s.io/pause:3.10.2".to_owned();
    let (moved, fixed) = ("traefik:v3.7".to_owned(), format!("docker.io/library/traefik:v3.7@{traefik}"));
    let asked = images(&["quay.io/jetstack/cert-manager-controller:v1.21.2".into(), moved, fixed, pause.clone()]);
    let (lock, _) = pin(&asked).await.unwrap();
    let more: Vec<_> =
        lock.images[9..].iter().map(|image| (image.image.as_str(), &image.digest, image.roles.len(), image.name())).collect();
    assert_eq!(
        more,
        [
            ("docker.io/library/traefik:v3.7", &traefik, 2, "docker.io-library-traefik-v3.7".to_owned()),
            (
                "quay.io/jetstack/cert-manager-controller:v1.21.2",
                &manager,
                2,
                "quay.io-jetstack-cert-manager-controller-v1.21.2".to_owned()
            ),
        ]
    );
    assert_eq!(Lock::load(&out(&server)).unwrap().0, lock, "what was written is read back");

    let other = format!("{pause}@{traefik}");
    let digest = format!("docker.io/library/traefik:v3.7@sha256:{}", "0".repeat(64));
    for (all, why) in [
        (vec![other], "registry.k8s.io/pause:3.10.2: it is asked for as sha256:"),
        (vec![digest], "404"),
        (vec!["nginx".into(), "r.io/x:1@sha256:1".into()], "the image \"nginx\": it has no tag"),
        (vec!["nginx".into(), "r.io/x:1@sha256:1".into()], "\"r.io/x:1@sha256:1\": \"sha256:1\" is no digest"),
    ] {
        let told = pin(&images(&all)).await.unwrap_err().to_string();
        assert!(told.contains(why), "{all:?}: {told}");
    }
}
