//! What a node needs of the official releases of a version, where it is published, and where its sums are.

use std::collections::BTreeSet;

use super::lock::{Image, Piece};
use super::registry::Reference;
use super::signature::Signatures;
use crate::bundle::{Arch, Kind};
use crate::objects;

/// Which versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Of Kubernetes, such as `1.37.1`.
    pub kubernetes: String,
    /// For which machines: one at least.
    pub arch: BTreeSet<Arch>,
    /// Of containerd.
    pub containerd: String,
    /// Of runc.
    pub runc: String,
    /// Of the CNI plugins.
    pub cni: String,
    /// Images beside those of Kubernetes and the network, as manifests have them: `[HOST/]NAME:TAG[@sha256:DIGEST]`.
    pub images: BTreeSet<String>,
    /// Domains that the official places may send us on to, beside those that are known.
    pub redirects: Vec<String>,
    /// What is made of the projects' signatures.
    pub signatures: Signatures,
}

/// The version of containerd of which a bundle is proved in the lab.
pub const CONTAINERD: &str = "2.3.0";
/// The one that this containerd's releases are tested with (`script/setup/runc-version` of its source).
pub const RUNC: &str = "1.4.2";
/// The version of the CNI plugins of which a bundle is proved in the lab.
pub const CNI: &str = "1.9.1";

/// The plugins that flannel's configuration names, and those that they call.
const PLUGINS: [&str; 8] = ["bridge", "loopback", "ptp", "host-local", "portmap", "firewall", "bandwidth", "tuning"];
const CONTROL: &str = "control-plane";

/// What kubeadm of one version asks for beside its own images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Constants {
    pub(super) etcd: String,
    pub(super) coredns: String,
    pub(super) pause: String,
}

/// A download whose sum is in a file beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) url: String,
    /// The address of the file with its sum.
    pub(super) sums: String,
    pub(super) version: String,
    pub(super) files: Vec<Piece>,
}

impl Wish {
    /// What is wrong with it.
    pub(super) fn fault(&self) -> Option<String> {
        let number = |text: &str| !text.is_empty() && text.len() < 6 && text.chars().all(|c| c.is_ascii_digit());
        let version = |text: &str| text.split('.').count() == 3 && text.split('.').all(number);
        let all =
            [("Kubernetes", &self.kubernetes), ("containerd", &self.containerd), ("runc", &self.runc), ("the CNI plugins", &self.cni)];
        if self.arch.is_empty() {
            return Some("no architecture is named: amd64, arm64, or both".to_owned());
        }
        if let Some((what, text)) = all.into_iter().find(|(_, text)| !version(text)) {
            return Some(format!("{text:?} is not a version of {what}: write all three numbers, such as 1.37.1"));
        }
        let wrong: Vec<String> =
            self.images.iter().filter_map(|text| Some(format!("the image {text:?}: {}", Reference::of_manifest(text).err()?))).collect();
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }

    /// The images that are wished beside, those with a digest first: it counts, wherever the tag is now.
    pub(super) fn more(&self) -> Vec<Image> {
        let read = self.images.iter().filter_map(|text| Reference::of_manifest(text).ok());
        let digest = |sum: Option<String>| sum.map(|sum| format!("sha256:{sum}")).unwrap_or_default();
        let image =
            |(image, sum): (Reference, _)| Image { image: image.text(), digest: digest(sum), roles: super::lock::both(), signed_by: None };
        let mut all: Vec<Image> = read.map(image).collect();
        all.sort_by_key(|image| image.digest.is_empty());
        all
    }

    fn minor(&self) -> Option<u64> {
        self.kubernetes.split('.').nth(1)?.parse().ok()
    }

    /// Where kubeadm's constants are: its source of that version.
    pub(super) fn constants(&self) -> String {
        format!("https://raw.githubusercontent.com/kubernetes/kubernetes/v{}/cmd/kubeadm/app/constants/constants.go", self.kubernetes)
    }

    /// The programs and plugins for one of them.
    pub(super) fn parts(&self, constants: &Constants, arch: Arch) -> Vec<Part> {
        let Self { kubernetes, arch: _, containerd, runc, cni, images: _, redirects: _, signatures: _ } = self;
        let arch = arch.name();
        let piece =
            |kind, name: &str, from: Option<String>, roles: Vec<String>| Piece { kind, name: name.to_owned(), from, roles, image: None };
        let both = super::lock::both;
        let own = ["kubeadm", "kubelet", "kubectl"].map(|name| {
            let url = format!("https://dl.k8s.io/release/v{kubernetes}/bin/linux/{arch}/{name}");
            Part { sums: format!("{url}.sha256"), url, version: kubernetes.clone(), files: vec![piece(Kind::Binary, name, None, both())] }
        });
        let release =
            |project: &str, version: &str, file: &str| format!("https://github.com/{project}/releases/download/v{version}/{file}");
        let of_containerd = release("containerd/containerd", containerd, &format!("containerd-{containerd}-linux-{arch}.tar.gz"));
        let of_cni = release("containernetworking/plugins", cni, &format!("cni-plugins-linux-{arch}-v{cni}.tgz"));
        // The image's tag says with its last number how often it was made: 3.7.0-0.
        let etcd = constants.etcd.split('-').next().unwrap_or_default();
        let folder = format!("etcd-v{etcd}-linux-{arch}");
        let programs = |names: &[&str], folder: &str, roles: &dyn Fn() -> Vec<String>| {
            names.iter().map(|name| piece(Kind::Binary, name, Some(format!("{folder}/{name}")), roles())).collect()
        };
        own.into_iter()
            .chain([
                Part {
                    sums: format!("{of_containerd}.sha256sum"),
                    url: of_containerd,
                    version: containerd.clone(),
                    files: programs(&["containerd", "ctr", "containerd-shim-runc-v2"], "bin", &both),
                },
                Part {
                    url: release("opencontainers/runc", runc, &format!("runc.{arch}")),
                    sums: release("opencontainers/runc", runc, "runc.sha256sum"),
                    version: runc.clone(),
                    files: vec![piece(Kind::Binary, "runc", None, both())],
                },
                Part {
                    sums: format!("{of_cni}.sha256"),
                    url: of_cni,
                    version: cni.clone(),
                    files: PLUGINS.iter().map(|name| piece(Kind::Cni, name, Some(format!("./{name}")), both())).collect(),
                },
                Part {
                    url: release("etcd-io/etcd", etcd, &format!("{folder}.tar.gz")),
                    sums: release("etcd-io/etcd", etcd, "SHA256SUMS"),
                    version: etcd.to_owned(),
                    files: programs(&["etcdctl", "etcdutl"], &folder, &|| vec![CONTROL.to_owned()]),
                },
            ])
            .collect()
    }

    /// The images, of which the digests are not known yet.
    pub(super) fn images(&self, constants: &Constants) -> Vec<Image> {
        let Constants { etcd, coredns, pause } = constants;
        let own = |name: &str| format!("registry.k8s.io/{name}:v{}", self.kubernetes);
        let control = || vec![CONTROL.to_owned()];
        let both = super::lock::both;
        [
            (own("kube-apiserver"), control()),
            (own("kube-controller-manager"), control()),
            (own("kube-scheduler"), control()),
            (format!("registry.k8s.io/etcd:{etcd}"), control()),
            (own("kube-proxy"), both()),
            (format!("registry.k8s.io/coredns/coredns:{coredns}"), both()),
            (format!("registry.k8s.io/pause:{pause}"), both()),
            (objects::IMAGES.0.to_owned(), both()),
            (objects::IMAGES.1.to_owned(), both()),
        ]
        .map(|(image, roles)| Image { image, digest: String::new(), roles, signed_by: None })
        .into()
    }

    /// What kubeadm asks for, of the source of its constants. An error says what is not in it.
    pub(super) fn read(&self, source: &str) -> Result<Constants, String> {
        let lines = || source.lines().map(str::trim);
        let word = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        };
        let quoted = |text: &str| text.strip_prefix('"')?.split_once('"').map(|(value, _)| value.to_owned()).filter(|value| word(value));
        let constant = |name: &str| {
            let found: Vec<String> =
                lines().filter_map(|line| quoted(line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim_start())).collect();
            <[String; 1]>::try_from(found).map(|[value]| value).map_err(|_| format!("it has no constant {name}"))
        };
        // As kubeadm chooses (EtcdSupportedVersion): of this minor, or of the nearest that is known.
        let minor = self.minor().unwrap_or_default();
        let known: Vec<(u64, String)> = lines()
            .skip_while(|line| !line.starts_with("SupportedEtcdVersion = map["))
            .skip(1)
            .map_while(|line| line.split_once(':'))
            .filter_map(|(minor, version)| Some((minor.trim().parse().ok()?, quoted(version.trim())?)))
            .collect();
        let nearest = known.iter().min_by_key(|(known, _)| known.abs_diff(minor)).map(|(_, version)| version.clone());
        let etcd = nearest.map_or_else(|| constant("DefaultEtcdVersion"), Ok)?;
        Ok(Constants { etcd, coredns: constant("CoreDNSVersion")?, pause: constant("PauseVersion")? })
    }
}

/// Whose word is taken for what a host publishes, if it sends us on.
pub(super) fn domains(url: &str) -> &'static [&'static str] {
    match super::web::origin(url).map(|(_, host)| host) {
        Some("dl.k8s.io") => &["dl.k8s.io"],
        Some("github.com" | "raw.githubusercontent.com") => &["github.com", "githubusercontent.com"],
        _ => &[],
    }
}

/// The sum of a file in a text of sha256sum(1), or of a text that is one sum.
pub(super) fn sum_of(text: &str, file: &str) -> Result<String, String> {
    let sum = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if sum(text.trim()) {
        return Ok(text.trim().to_owned());
    }
    // A text that is signed (runc's) has other lines around.
    let found: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(hex, name)| sum(hex) && name.trim_start_matches([' ', '*']).trim_end().rsplit('/').next() == Some(file))
        .map(|(hex, _)| hex)
        .collect();
    match found[..] {
        [one] => Ok(one.to_owned()),
        [] => Err(format!("it has no sha256 of {file}")),
        _ => Err(format!("it has several sums of {file}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(kubernetes: &str) -> Wish {
        Wish {
            kubernetes: kubernetes.into(),
            arch: [Arch::Arm64].into(),
            containerd: CONTAINERD.into(),
            runc: RUNC.into(),
            cni: CNI.into(),
            images: BTreeSet::new(),
            redirects: vec![],
            signatures: Signatures::Skip,
        }
    }

    const SOURCE: &str = "const (\n\t// DefaultEtcdVersion indicates the version\n\tDefaultEtcdVersion = \"3.7.1-0\"\n\tCoreDNSVersion = \"v1.14.6\"\n\
        \tPauseVersion = \"3.10.2\"\n)\nvar (\n\tSupportedEtcdVersion = map[uint8]string{\n\t\t34: \"3.6.9-0\",\n\t\t35: \"3.7.0-0\",\n\t}\n)\n";

    #[test]
    fn constants_are_those_that_kubeadm_takes() {
        let etcd = |version: &str, source: &str| wish(version).read(source).map(|constants| constants.etcd);
        for (version, want) in [("1.34.2", "3.6.9-0"), ("1.35.0", "3.7.0-0"), ("1.37.1", "3.7.0-0"), ("1.30.0", "3.6.9-0")] {
            assert_eq!(etcd(version, SOURCE).as_deref(), Ok(want), "{version}");
        }
        let without = SOURCE.replace("SupportedEtcdVersion", "Other");
        assert_eq!(etcd("1.37.1", &without).as_deref(), Ok("3.7.1-0"));
        let all = wish("1.35.0").read(SOURCE).unwrap();
        assert_eq!((all.coredns.as_str(), all.pause.as_str()), ("v1.14.6", "3.10.2"));
        for (from, to) in [
            ("PauseVersion = \"3", "PauseVersion = \"$(3"),
            ("CoreDNSVersion", "DNSVersion"),
            ("PauseVersion", "CoreDNSVersion = \"v1\"\n"),
        ] {
            assert!(wish("1.35.0").read(&SOURCE.replace(from, to)).is_err(), "{from}");
        }
    }

    #[test]
    fn a_sum_is_the_files_own() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let signed =
            format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{a}  x.tgz\n-----BEGIN PGP SIGNATURE-----\n\n{b}\n=Ab1=\n");
        for text in [
            a.clone(),
            format!("{a}\n"),
            format!("{a}  x.tgz\n{b}  y.tgz\n"),
            format!("{b} *y\n{a} *x.tgz\r\n"),
            format!("{a}  ./x.tgz"),
            signed,
        ] {
            assert_eq!(sum_of(&text, "x.tgz").as_deref(), Ok(a.as_str()), "{text}");
        }
        for text in ["", "<html>", &format!("{a}  z"), &format!("{a}  x.tgz\n{b}  x.tgz"), &a[1..], &a.to_uppercase()] {
            assert!(sum_of(text, "x.tgz").is_err(), "{text}");
        }
    }

    #[test]
    fn a_version_is_three_numbers() {
        assert_eq!(wish("1.37.1").fault(), None);
        for bad in ["v1.37.1", "1.37", "1.37.x", "1.37.1-rc.0", "1.37.1/..", ""] {
            assert!(wish(bad).fault().is_some(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_of_the_version_and_the_architecture() {
        let wish = wish("1.37.1");
        let constants = Constants { etcd: "3.7.0-0".into(), coredns: "v1.14.6".into(), pause: "3.10.2".into() };
        let parts = wish.parts(&constants, Arch::Arm64);
        let sums: Vec<&str> = parts.iter().map(|part| part.sums.as_str()).collect();
        assert_eq!(
            sums,
            [
                "https://dl.k8s.io/release/v1.37.1/bin/linux/arm64/kubeadm.sha256",
                "https://dl.k8s.io/release/v1.37.1/bin/linux/arm64/kubelet.sha256",
                "https://dl.k8s.io/release/v1.37.1/bin/linux/arm64/kubectl.sha256",
                "https://github.com/containerd/containerd/releases/download/v2.3.0/containerd-2.3.0-linux-arm64.tar.gz.sha256sum",
                "https://github.com/opencontainers/runc/releases/download/v1.4.2/runc.sha256sum",
                "https://github.com/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-arm64-v1.9.1.tgz.sha256",
                "https://github.com/etcd-io/etcd/releases/download/v3.7.0/SHA256SUMS",
            ]
        );
        assert_eq!(parts[6].files[0].from.as_deref(), Some("etcd-v3.7.0-linux-arm64/etcdctl"));
        let names: Vec<String> = wish.images(&constants).iter().map(Image::name).collect();
        assert_eq!(names[3..6], ["etcd-3.7.0-0", "kube-proxy-v1.37.1", "coredns-v1.14.6"]);
    }
}
