//! `namespace`: the users' namespace, and who they are.

use kubestead_core::name::Name;

use crate::file::cluster::Namespace;
use crate::file::decode::{Fields, list, name};
use crate::file::findings::{At, Findings};
use crate::file::tree::Node as Yaml;

/// Decodes the section. `None` if it is not written, or its name is wrong.
pub(super) fn decode(top: &mut Fields, out: &mut Findings) -> Option<Namespace> {
    let node = top.take("namespace")?;
    let mut f = Fields::of(node, "namespace", out);
    let own = f.required("name", out).and_then(|n| own_name(n, out));
    let mut users = Vec::new();
    for item in f.take("users").map(|n| list(n, "users", out)).unwrap_or_default() {
        let mut u = Fields::of(item, "a user", out);
        users.extend(u.required("name", out).and_then(|n| user(n, out)));
        u.end(out);
    }
    f.end(out);
    out.twice(users.iter().map(|at| (&at.value, &at.place)), "two users are called");
    Some(Namespace { name: own?, users: users.into_iter().map(|at| at.value).collect() })
}

/// A name: not one that Kubernetes makes and needs.
fn own_name(node: Yaml, out: &mut Findings) -> Option<Name> {
    let found = name(node, "the namespace's name", out)?;
    if found.value.as_str() == "default" || found.value.as_str().starts_with("kube-") {
        let message = format!("the namespace's name: {} is for Kubernetes itself: its rights and limits would change", found.value);
        out.error(&found.place, message, "write a name of your own that does not begin with kube-".to_owned());
        return None;
    }
    Some(found.value)
}

/// A user: a service account, and not the one that all pods have that name none.
fn user(node: Yaml, out: &mut Findings) -> Option<At<Name>> {
    let found = name(node, "a user's name", out)?;
    if found.value.as_str() == "default" {
        let message = "a user's name: default is the account of all pods that name none: each would get the user's rights";
        out.error(&found.place, message, "write another name".to_owned());
        return None;
    }
    Some(found)
}
