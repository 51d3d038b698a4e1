//! `kubernetes`: the version, where the software comes from, and how values in etcd are encrypted.

mod audit;
mod encryption;
mod oidc;
mod packages;
mod proxy;
mod registries;

use std::path::Path;

use crate::file::cluster::{Kubernetes, Trust};
use crate::file::components;
use crate::file::decode::{boolean, list, number, text};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::kubelet;
use crate::file::shape::{Bare, Form, Kind, Need, PATH};
use crate::file::tree::Node as Yaml;

/// The minors of Kubernetes that kubestead knows how to install.
const MINORS: [u64; 3] = [35, 36, 37];

/// The newest version that kubestead knows.
pub(crate) const NEWEST: &str = "1.37.1";

fields! {
    /// The fields of the section.
    struct Written {
        "version" version Need::Required, Kind::Text(&VERSION),
            "The version of Kubernetes, all three numbers. It stays while the cluster lives: there are no upgrades yet.";
        "bundle" bundle Need::Optional("the software comes from `packages`"), Kind::Text(&PATH),
            "A folder with all the software instead.";
        "packages" packages Need::Optional("the official repositories, or none with `bundle`"), packages::KIND,
            "Mirrors and other keys of the apt repositories. It names one field at least.";
        "containerd" containerd Need::Optional("the newest that fits"), Kind::Text(&packages::CONTAINERD),
            "The exact version of containerd, 2.0.0 or newer; neither with `bundle` nor with `packages.key`.";
        "proxy" proxy Need::Optional("nodes reach all directly"), proxy::KIND,
            "Proxies for apt, containerd and the kubelet. It names `http` or `https`.";
        "registries" registries Need::Optional("each registry is asked itself"), registries::KIND,
            "Mirrors of registries of images, their authorities and logins, by the registry's host as images name it.";
        "encryption" encryption Need::Otherwise("{}"), encryption::KIND,
            "How values in etcd are encrypted.";
        "apiServer" api_server Need::Otherwise("{}"), components::API_SERVER,
            "What is added to the API server. On a cluster that is there, what changes starts again.";
        "controllerManager" controller_manager Need::Otherwise("{}"), components::PROGRAM,
            "The same for the controller manager.";
        "scheduler" scheduler Need::Otherwise("{}"), components::PROGRAM,
            "The same for the scheduler.";
        "etcd" etcd Need::Otherwise("{}"), components::ETCD,
            "The same for etcd.";
        "audit" audit Need::Optional("no log"), audit::KIND,
            "What the API server writes down of requests, in `/var/log/kubernetes/audit/audit.log` on the control plane.";
        "oidc" oidc Need::Optional("no provider"), oidc::KIND,
            "A provider of OpenID Connect whose tokens the API server takes.";
        "kubelet" kubelet Need::Optional("kubeadm's own"), kubelet::KIND,
            "Settings of all kubelets. A change starts kubelets again: a worker first, then the other workers, then control planes one by one.";
        "ignorePreflight" ignore_preflight Need::Otherwise("[]"), Kind::list(&Kind::Text(&PREFLIGHT)),
            "Errors of kubeadm's preflight checks to pass over, each by its name.";
        "lab" lab Need::Otherwise("false"), Kind::Boolean,
            "For rehearsal machines: long limits of time, one CPU, no election of leaders.";
    }
}

const VERSION: Form =
    Form { word: "a version, 1.35 to 1.37", pattern: r"^1\.(35|36|37)\.(0|[1-9][0-9]*)$", example: NEWEST, bare: Bare::String };
const PREFLIGHT: Form = Form { word: "an error's name", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$", example: "NumCPU", bare: Bare::Any };

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// The section, and what rules about other sections look at in it.
#[derive(Default)]
pub(super) struct KubernetesDecl {
    /// `None` if it is not written.
    pub(super) kubernetes: Option<Kubernetes>,
    /// Whose tokens the API server takes.
    pub(super) issuer: Option<At<String>>,
}

/// Decodes the section.
pub(super) fn decode(node: Option<Yaml>, dir: &Path, out: &mut Findings) -> KubernetesDecl {
    let Some(node) = node else { return KubernetesDecl::default() };
    let f = Written::of(node, "kubernetes", out);
    let version = f.version.and_then(|n| version(n, out)).unwrap_or_default();
    let (bundle, packages) = packages::source(f.bundle, f.packages, dir, out);
    let containerd = f.containerd.and_then(|node| {
        let by_file = packages.as_ref().is_some_and(|packages| matches!(packages.trust, Trust::File(_)));
        if bundle.is_some() || by_file {
            let hint = "leave it out: a bundle brings its own, and with `packages: {key: FILE}` it is the machine's own";
            out.error(&node.place, "kubernetes.containerd is of the official repositories alone", Some(hint.to_owned()));
        }
        packages::containerd(node, out)
    });
    let proxy = f.proxy.map(|n| proxy::proxy(n, out));
    let registries = f.registries.map(|n| registries::registries(n, dir, bundle.is_none(), out)).unwrap_or_default();
    let encryption = f.encryption.and_then(|n| encryption::encryption(n, out)).unwrap_or_default();
    let written =
        components::Written { api_server: f.api_server, controller_manager: f.controller_manager, scheduler: f.scheduler, etcd: f.etcd };
    let given = written.arguments_of_api_server();
    let components = components::components(written, out);
    // One of them would not say what the other does, or the API server would not start with both.
    for (is, field, names) in
        [(f.audit.is_some(), "audit", &["audit-"][..]), (f.oidc.is_some(), "oidc", &["authentication-config", "oidc-"])]
    {
        for (name, place) in given.iter().filter(|(name, _)| is && names.iter().any(|begin| name.starts_with(begin))) {
            let message = format!("kubernetes.{field} and kubernetes.apiServer.args.{name} are about the same");
            out.error(place, message, "leave one of them out".to_owned());
        }
    }
    let audit = f.audit.map(|n| audit::audit(n, out));
    let oidc::Decoded { issuer, oidc } = f.oidc.map(|n| oidc::decode(n, out)).unwrap_or_default();
    let kubelet = f.kubelet.map(|n| kubelet::kubelet(n, "kubernetes.kubelet", out));
    let ignored = f.ignore_preflight.map(|n| list(n, "kubernetes.ignorePreflight", out)).unwrap_or_default();
    let ignore_preflight = ignored.into_iter().filter_map(|n| preflight(n, out)).collect();
    let lab = f.lab.and_then(|n| boolean(n, "kubernetes.lab", out)).unwrap_or_default();
    let kubernetes = Kubernetes {
        version,
        bundle,
        packages,
        containerd,
        proxy,
        registries,
        encryption,
        components,
        audit,
        oidc,
        kubelet,
        ignore_preflight,
        lab,
    };
    KubernetesDecl { kubernetes: Some(kubernetes), issuer }
}

fn version(node: Yaml, out: &mut Findings) -> Option<String> {
    let found = text(node, "kubernetes.version", out)?;
    supported(&found, out);
    Some(found.value)
}

fn supported(found: &At<String>, out: &mut Findings) {
    let numbers: Option<Vec<u64>> = found.value.split('.').map(number).collect();
    match numbers.as_deref() {
        Some([1, minor, _]) if MINORS.contains(minor) => {}
        Some([1, minor, _]) => {
            let message = format!("Kubernetes {} is not supported: 1.{} to 1.{} are", found.value, MINORS[0], MINORS[2]);
            let hint = if *minor > MINORS[2] { "write an older minor, or take a newer kubestead" } else { "write a newer minor" };
            out.error(&found.place, message, hint.to_owned());
        }
        _ => {
            let bare = found.value.strip_prefix('v').filter(|rest| rest.split('.').map(number::<u64>).all(|n| n.is_some()));
            let hint = bare.map_or_else(|| "write all three numbers".to_owned(), |bare| format!("write {bare}"));
            out.error(&found.place, format!("{:?} is not a version such as 1.37.1", found.value), hint);
        }
    }
}

/// The name of a check that kubeadm is to pass over, one of them alone.
fn preflight(node: Yaml, out: &mut Findings) -> Option<String> {
    let found = text(node, "a preflight error's name", out)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if found.value.eq_ignore_ascii_case("all") {
        out.error(&found.place, "\"all\" would ignore errors that nobody has seen", "name each error".to_owned());
    } else if !found.value.starts_with(|c: char| c.is_ascii_alphanumeric()) || !found.value.chars().all(plain) {
        let message = format!("{:?} is not the name of a preflight error", found.value);
        out.error(&found.place, message, "write one as kubeadm shows it in brackets, such as NumCPU, and several as a list".to_owned());
    } else {
        return Some(found.value);
    }
    None
}
