//! Arguments of the programs of a control plane that no file may give: those by which the cluster is put together, and values with which it would not work.

use std::ops::RangeInclusive;

use super::cluster::Kubernetes;

/// A program of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    ApiServer,
    ControllerManager,
    Scheduler,
    Etcd,
}

/// Arguments of all of them that kubestead, or kubeadm for it, sets: files, addresses, ranges, and who is who. One that ends with `*` stands for all
/// that begin so.
const KEPT: [&str; 45] = [
    "admission-control-config-file",
    "encryption-provider-*",
    "leader-elect",
    "feature-gates",
    "advertise-address",
    "advertise-client-urls",
    "allocate-node-cidrs",
    "authentication-kubeconfig",
    "authorization-kubeconfig",
    "authorization-mode",
    "bind-address",
    "cert-file",
    "client-ca-file",
    "client-cert-auth",
    "cluster-cidr",
    "cluster-name",
    "cluster-signing-cert-file",
    "cluster-signing-key-file",
    "cluster-signing-kube*",
    "cluster-signing-legacy-*",
    "config",
    "data-dir",
    "enable-bootstrap-token-auth",
    "etcd-*",
    "initial-*",
    "key-file",
    "kubeconfig",
    "kubelet-client-*",
    "listen-*",
    "name",
    "node-cidr-mask-size*",
    "peer-*",
    "proxy-client-*",
    "requestheader-*",
    "root-ca-file",
    "secure-port",
    "service-account-issuer",
    "service-account-key-file",
    "service-account-private-key-file",
    "service-account-signing-*",
    "service-cluster-ip-range",
    "tls-cert-file",
    "tls-private-key-file",
    "trusted-ca-file",
    "use-service-account-credentials",
];

/// Arguments that are refused by name, with what they would do. `None` is of every program.
const HARMFUL: [(Option<Program>, &str, &str); 10] = [
    (None, "help", "the program would print a text and end"),
    (None, "version", "the program would print its version and end"),
    (
        Some(Program::ApiServer),
        "authorization-config",
        "kubeadm says who may what with authorization-mode, and the API server does not start with both",
    ),
    (Some(Program::ApiServer), "authorization-webhook-*", "kubeadm says who may what, by Node and RBAC, and nobody else is asked"),
    (Some(Program::ApiServer), "token-auth-file", "the API server does not see files of the machine, and a token in one never ends"),
    (
        Some(Program::ApiServer),
        "admission-control",
        "the API server does not start with it beside enable-admission-plugins, which kubeadm gives",
    ),
    (Some(Program::Etcd), "config-file", "etcd would read no other argument, and with it none of those of kubeadm"),
    (Some(Program::Etcd), "discovery*", "kubeadm names the members, and etcd does not start with both"),
    (Some(Program::Etcd), "force-new-cluster", "each start would leave a cluster of one member"),
    (Some(Program::Etcd), "wal-dir", "it is no folder of the machine: what is written there is gone with the next start"),
];

/// Plugins that disable-admission-plugins shall not name, with what each does.
const PLUGINS: [(&str, &str); 7] = [
    ("NodeRestriction", "keeps a node from changing other nodes and their pods"),
    ("PodSecurity", "keeps pods to the level of their namespace"),
    ("ValidatingAdmissionPolicy", "keeps pods to `namespace.podSecurity`"),
    ("LimitRanger", "keeps containers to `namespace.limits`"),
    ("ResourceQuota", "keeps the namespace to its `quota`"),
    ("ServiceAccount", "gives pods the tokens by which they reach the API"),
    ("NamespaceLifecycle", "keeps objects out of namespaces that are not there"),
];

/// Controllers that nothing works without, as `controllers` names them, with or without `-controller`; kubeadm's own two as it names them.
const CONTROLLERS: [&str; 21] = [
    "bootstrapsigner",
    "bootstrap-signer",
    "certificatesigningrequest-approving",
    "certificatesigningrequest-signing",
    "csrapproving",
    "csrsigning",
    "daemonset",
    "deployment",
    "endpoints",
    "endpointslice",
    "job",
    "namespace",
    "node-ipam",
    "nodeipam",
    "persistentvolume-binder",
    "replicaset",
    "resourcequota",
    "root-ca-certificate-publisher",
    "serviceaccount",
    "serviceaccount-token",
    "statefulset",
];

/// What is wrong with an argument, and what to write instead.
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) hint: String,
}

fn is_called(name: &str, known: &str) -> bool {
    known.strip_suffix('*').map_or(known == name, |begin| name.starts_with(begin))
}

/// What is wrong with an argument, whatever its value.
pub(super) fn by_name(program: Program, name: &str) -> Option<Fault> {
    let out = || "leave it out".to_owned();
    if KEPT.iter().any(|kept| is_called(name, kept)) {
        let hint = if name == "feature-gates" { "write featureGates".to_owned() } else { out() };
        return Some(Fault { message: format!("{name} is set by kubestead, or by kubeadm for it"), hint });
    }
    let (.., why) = HARMFUL.iter().find(|(of, known, _)| of.is_none_or(|of| of == program) && is_called(name, known))?;
    Some(Fault { message: format!("{name}: {why}"), hint: out() })
}

/// What is wrong with the value of an argument.
pub(super) fn by_value(program: Program, name: &str, values: &[String]) -> Option<Fault> {
    let fault = |why: String, hint: String| Some(Fault { message: format!("{name}: {why}"), hint });
    let out = || "leave it out".to_owned();
    // Lists may come in one value or in several.
    let words = || values.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty());
    match (program, name) {
        (Program::ApiServer, "anonymous-auth") if values.iter().any(|value| is_false(value)) => {
            fault("kubelets ask the API server without a name whether it lives, and would start it again and again".into(), out())
        }
        (Program::ApiServer, "allow-privileged") if values.iter().any(|value| is_false(value)) => {
            fault("kube-proxy and flannel are privileged, and would be refused".into(), out())
        }
        (Program::ApiServer, "endpoint-reconciler-type") if values.iter().any(|value| value == "none") => {
            fault("no pod would reach the API".into(), out())
        }
        (Program::ApiServer, "runtime-config") => {
            let off = words().filter(|word| word.split_once('=').is_some_and(|(what, is)| is_false(is) && is_needed(what)));
            let off: Vec<&str> = off.collect();
            let why = format!("{} takes away what the cluster itself works with", off.join(", "));
            if off.is_empty() { None } else { fault(why, "name versions of alpha or beta alone".into()) }
        }
        (Program::ApiServer, "enable-admission-plugins") if words().all(|word| word != "NodeRestriction") => {
            let all: Vec<&str> = ["NodeRestriction"].into_iter().chain(words()).collect();
            let why = "it takes the place of kubeadm's own, and without NodeRestriction a node may change other nodes".into();
            fault(why, format!("write {name}: [{}]", all.join(", ")))
        }
        (Program::ApiServer, "disable-admission-plugins") => {
            let off = PLUGINS.iter().filter(|(plugin, _)| words().any(|word| word == *plugin));
            let off: Vec<String> = off.map(|(plugin, does)| format!("{plugin} {does}")).collect();
            if off.is_empty() { None } else { fault(off.join(", and "), "leave that on".into()) }
        }
        (Program::ApiServer, NODE_PORTS) => match values {
            [value] if node_ports(value).is_some() => None,
            _ => fault("it is not a range of ports".into(), "write one such as 30000-32767".into()),
        },
        (Program::ControllerManager, "controllers") => {
            let needed = ["*", "bootstrapsigner", "tokencleaner"];
            let off = words().filter_map(|word| word.strip_prefix('-')).filter(|off| *off == "*" || is_needed_controller(off));
            let off: Vec<&str> = off.collect();
            if !off.is_empty() {
                return fault(format!("nothing works without {}", off.join(", ")), "leave that on".into());
            }
            let lacks = needed.into_iter().any(|one| words().all(|word| word != one));
            let rest = words().filter(|word| !needed.contains(word));
            let all: Vec<String> = needed.into_iter().chain(rest).map(|word| format!("{word:?}")).collect();
            let why = "it takes the place of kubeadm's own, without which controllers do not run or nobody joins".to_owned();
            lacks.then(|| fault(why, format!("write {name}: [{}]", all.join(", "))))?
        }
        (Program::ApiServer | Program::ControllerManager | Program::Scheduler | Program::Etcd, _) => None,
    }
}

/// The ports of a range as `service-node-port-range` has it, `FIRST-LAST` or `FIRST+MORE` (k8s.io/apimachinery, PortRange).
fn node_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|c| c.is_ascii_digit()));
    let text = text.trim();
    let (first, last) = if let Some((first, last)) = text.split_once('-') {
        (port(first)?, port(last)?)
    } else {
        let (first, more) = text.split_once('+')?;
        let first = port(first)?;
        (first, first.checked_add(port(more)?)?)
    };
    (0 < first && first <= last).then_some(first..=last)
}

/// The argument that says which ports of nodes Services get.
pub(super) const NODE_PORTS: &str = "service-node-port-range";

/// Which ports of nodes Services get in a cluster.
pub(crate) fn node_port_range(kubernetes: Option<&Kubernetes>) -> RangeInclusive<u16> {
    let given = kubernetes.and_then(|kubernetes| kubernetes.components.api_server.get(NODE_PORTS));
    // What is wrong with the argument is told at its place.
    given.and_then(|values| node_ports(values.first()?)).unwrap_or(30000..=32767)
}

/// As Go reads it (`strconv.ParseBool`).
fn is_false(text: &str) -> bool {
    ["0", "f", "F", "false", "FALSE", "False"].contains(&text.trim())
}

/// Whether a key of `runtime-config` is of a version that Kubernetes itself works with.
fn is_needed(what: &str) -> bool {
    let own = |group: &str| !group.contains('.') || group.ends_with(".k8s.io");
    ["api/all", "api/ga", "v1"].contains(&what)
        || what.split('/').nth(1).is_some_and(|version| version.starts_with("v1") && !version.contains(['a', 'b']))
            && what.split('/').next().is_some_and(own)
}

fn is_needed_controller(name: &str) -> bool {
    CONTROLLERS.contains(&name.strip_suffix("-controller").unwrap_or(name)) || ["tokencleaner", "token-cleaner-controller"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(program: Program, name: &str, value: &str) -> Option<String> {
        let fault = by_name(program, name).or_else(|| by_value(program, name, &[value.to_owned()]))?;
        Some(format!("{}; {}", fault.message, fault.hint))
    }

    #[test]
    fn an_argument_that_the_cluster_would_not_work_with_is_refused_and_others_are_taken() {
        use Program::{ApiServer, ControllerManager, Etcd, Scheduler};
        for (program, name, value, words) in [
            (ApiServer, "anonymous-auth", "f", "whether it lives"),
            (ApiServer, "allow-privileged", "False", "flannel"),
            (ApiServer, "authorization-config", "/etc/y", "does not start with both"),
            (ApiServer, "token-auth-file", "/etc/t", "never ends"),
            (ApiServer, "admission-control", "A", "enable-admission-plugins"),
            (ApiServer, "runtime-config", "api/beta=true,apps/v1=false", "apps/v1=false takes away"),
            (ApiServer, "runtime-config", "api/all=false", "takes away"),
            (
                ApiServer,
                "enable-admission-plugins",
                "AlwaysPullImages",
                "write enable-admission-plugins: [NodeRestriction, AlwaysPullImages]",
            ),
            (ApiServer, "disable-admission-plugins", "DefaultStorageClass,PodSecurity", "PodSecurity keeps"),
            (ApiServer, "service-node-port-range", "32767-30000", "not a range"),
            (ControllerManager, "controllers", "-*", "nothing works without *"),
            (ControllerManager, "controllers", "*,bootstrapsigner,tokencleaner,-deployment-controller", "nothing works without deployment"),
            (ControllerManager, "controllers", "*,-ttl", "[\"*\", \"bootstrapsigner\", \"tokencleaner\", \"-ttl\"]"),
            (ControllerManager, "node-cidr-mask-size-ipv4", "24", "kubeadm for it"),
            (ApiServer, "service-account-issuer", "https://x", "kubeadm for it"),
            (ControllerManager, "service-account-private-key-file", "/x", "kubeadm for it"),
            (Scheduler, "version", "true", "print its version"),
            (Etcd, "force-new-cluster", "true", "one member"),
            (Etcd, "wal-dir", "/srv", "gone with the next start"),
        ] {
            let found = told(program, name, value);
            assert!(found.as_ref().is_some_and(|found| found.contains(words)), "{name}={value}: {found:?}");
        }
        for (program, name, value) in [
            (ApiServer, "anonymous-auth", "true"),
            (ApiServer, "runtime-config", "api/beta=false,resource.k8s.io/v1beta1=true"),
            (ApiServer, "runtime-config", "admissionregistration.k8s.io/v1alpha1=false"),
            (ApiServer, "enable-admission-plugins", "AlwaysPullImages,NodeRestriction"),
            (ApiServer, "disable-admission-plugins", "DefaultStorageClass"),
            (ApiServer, "service-account-extend-token-expiration", "false"),
            (ApiServer, "service-node-port-range", "80-32767"),
            (ApiServer, "service-node-port-range", "30000+10"),
            (ControllerManager, "controllers", "*,bootstrapsigner,tokencleaner,-ttl"),
            (ControllerManager, "discovery", "x"),
            (Etcd, "quota-backend-bytes", "1"),
        ] {
            assert_eq!(told(program, name, value), None, "{name}={value}");
        }
    }
}
