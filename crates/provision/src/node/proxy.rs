//! Proxies: what apt, containerd and the kubelet are told of them.

use std::fmt::Write as _;

use kubestead_core::put::Owned;

use super::repository::Proxies;

/// It sorts early, so that what the machine's administrator says of apt's proxies elsewhere holds.
pub(super) const APT: &str = "/etc/apt/apt.conf.d/10kubestead-proxy";
pub(super) const CONTAINERD: &str = "/etc/systemd/system/containerd.service.d/kubestead-proxy.conf";
pub(super) const KUBELET: &str = "/etc/systemd/system/kubelet.service.d/kubestead-proxy.conf";
/// All of them.
pub(super) const FILES: [&str; 3] = [APT, CONTAINERD, KUBELET];

/// The server of an address: `https://pkgs.k8s.io/core:` has pkgs.k8s.io.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or_default()
}

/// Whether a host is reached without a proxy, by its name.
fn is_direct(proxies: &Proxies, host: &str) -> bool {
    proxies.direct.iter().any(|entry| entry == host || (entry.starts_with('.') && host.ends_with(entry.as_str())))
}

/// What apt is told. The repositories are named one by one: so a proxy for all else, such as a cache of the distribution's packages, stays as it is.
pub(super) fn apt(proxies: &Proxies, repositories: &[String]) -> Owned {
    let mut text = "# Written by kubestead. What stands in a file that sorts behind this one holds.\n".to_owned();
    let mut line = |scheme: &str, host: &str, value: &str| {
        let _ = writeln!(text, "Acquire::{scheme}::Proxy{host} \"{value}\";");
    };
    if let Some(http) = &proxies.http {
        line("http", "", http);
    }
    // Without one of its own apt would take that of http.
    line("https", "", proxies.https.as_deref().unwrap_or("DIRECT"));
    for repository in repositories {
        let (scheme, host) = (if repository.starts_with("https:") { "https" } else { "http" }, host(repository));
        let own = if scheme == "https" { &proxies.https } else { &proxies.http };
        let value = own.as_deref().filter(|_| !is_direct(proxies, host)).unwrap_or("DIRECT");
        line(scheme, &format!("::{host}"), value);
    }
    Owned { path: APT.to_owned(), text, mode: 0o644 }
}

/// A drop-in for a service.
pub(super) fn drop_in(path: &str, proxies: &Proxies) -> Owned {
    let mut text = "# Written by kubestead.\n[Service]\n".to_owned();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "Environment=\"{name}={value}\"");
    };
    if let Some(http) = &proxies.http {
        line("HTTP_PROXY", http);
    }
    if let Some(https) = &proxies.https {
        line("HTTPS_PROXY", https);
    }
    line("NO_PROXY", &proxies.direct.join(","));
    Owned { path: path.to_owned(), text, mode: 0o644 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        Proxies {
            http: Some("http://proxy.example.com:3128".into()),
            https: Some("http://proxy.example.com:3128".into()),
            direct: vec!["localhost".into(), ".example.com".into(), "10.244.0.0/16".into()],
        }
    }

    /// The real apt reads what is written.
    #[test]
    fn apt_takes_the_proxies_as_they_are_meant() {
        let folder = tempfile::tempdir().unwrap();
        let asked = |proxies: &Proxies, key: &str| {
            let file = apt(proxies, &["https://pkgs.k8s.io/core:/stable:".into(), "http://mirror.example.com:8080/docker".into()]);
            let path = folder.path().join("apt.conf");
            std::fs::write(&path, file.text).unwrap();
            let out = std::process::Command::new("apt-config")
                .env("APT_CONFIG", &path)
                .args(["-o", "Dir::Etc::parts=-", "-o", "Dir::Etc::main=-", "dump", "--format", "%v%n", key])
                .output()
                .unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8(out.stdout).unwrap().lines().next().unwrap_or_default().to_owned()
        };
        let proxy = "http://proxy.example.com:3128";
        for (key, value) in [
            ("Acquire::http::Proxy", proxy),
            ("Acquire::https::Proxy", proxy),
            ("Acquire::https::Proxy::pkgs.k8s.io", proxy),
            ("Acquire::http::Proxy::mirror.example.com", "DIRECT"),
        ] {
            assert_eq!(asked(&proxies(), key), value, "{key}");
        }
        let only = Proxies { https: None, ..proxies() };
        assert_eq!(asked(&only, "Acquire::https::Proxy::pkgs.k8s.io"), "DIRECT");
        assert_eq!(asked(&only, "Acquire::http::Proxy"), proxy);
    }

    #[test]
    fn services_get_them_in_their_environment() {
        let text = drop_in(KUBELET, &Proxies { http: None, ..proxies() }).text;
        let wanted = "# Written by kubestead.\n[Service]\nEnvironment=\"HTTPS_PROXY=http://proxy.example.com:3128\"\n\
            Environment=\"NO_PROXY=localhost,.example.com,10.244.0.0/16\"\n";
        assert_eq!(text, wanted);
    }
}
