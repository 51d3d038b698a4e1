//! `namespace`: the users' namespace, and who they are.

mod limits;
mod pod_security;

use kubestead_core::name::Name;

use crate::file::cluster::Namespace;
use crate::file::decode::{Wrong, judged, list, name};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::shape::{Bare, Form, Kind, NAME, Need};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of the section.
    struct Written {
        "name" name Need::Required, Kind::Text(&NAME),
            "Its name: not `default`, and nothing that begins with `kube-`.";
        "users" users Need::Otherwise("[]"), Kind::list(&Kind::Map(&User::SHAPE)),
            "Service accounts with full rights inside, each with a context `NAME@CLUSTER` in a kubeconfig.";
        "groups" groups Need::Otherwise("[]"), Kind::list(&Kind::Text(&GROUP)),
            "Groups with the same rights as the users, for people who log in another way than by a service account, such as OIDC: as the API server knows them, with \
             its prefix. None of Kubernetes' own (`system:…`).";
        "limits" limits Need::Otherwise("{}"), limits::LIMITS,
            "What a container uses at most that does not say it, and what it may say.";
        "quota" quota Need::Otherwise("{}"), limits::QUOTA,
            "What all that is in the namespace may use together, by Kubernetes' names.";
        "podSecurity" pod_security Need::Optional("Pod Security's level `baseline`, and nothing else is looked at"), pod_security::KIND,
            "Policies for the namespace's pods, which hold them to the level `baseline` and to what is granted here; and for the paths of PersistentVolumes.";
    }
}

fields! {
    /// The fields of a user.
    struct User {
        "name" name Need::Required, Kind::Text(&NAME),
            "The account's name: not `default`, and no other user's.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// The section, and what rules about other sections look at in it.
#[derive(Default)]
pub(super) struct NamespaceDecl {
    /// `None` if it is not written, or its name is wrong.
    pub(super) namespace: Option<Namespace>,
    /// The groups.
    pub(super) groups: Vec<At<String>>,
}

/// Decodes the section.
pub(super) fn decode(node: Option<Yaml>, out: &mut Findings) -> NamespaceDecl {
    let Some(node) = node else { return NamespaceDecl::default() };
    let f = Written::of(node, "namespace", out);
    let own = f.name.and_then(|n| own_name(n, out));
    let mut users = Vec::new();
    for item in f.users.map(|n| list(n, "users", out)).unwrap_or_default() {
        users.extend(User::of(item, "a user", out).name.and_then(|n| user(n, out)));
    }
    out.twice(users.iter().map(|at| (&at.value, &at.place)), "two users are called");
    let users: Vec<Name> = users.into_iter().map(|at| at.value).collect();
    let groups: Vec<At<String>> =
        f.groups.map(|n| list(n, "groups", out)).unwrap_or_default().into_iter().filter_map(|n| group(n, out)).collect();
    out.twice(groups.iter().map(|at| (&at.value, &at.place)), "two groups are called");
    let names = groups.iter().map(|at| at.value.clone()).collect();
    let limits = f.limits.map(|n| limits::limits(n, out)).unwrap_or_default();
    let quota = f.quota.map(|n| limits::quota(n, &limits, out)).unwrap_or_default();
    let pod_security = f.pod_security.map(|n| pod_security::decode(n, &users, out));
    let namespace = own.map(|name| Namespace { name, users, groups: names, limits, quota, pod_security });
    NamespaceDecl { namespace, groups }
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

/// A group as an authenticator says it: not one that Kubernetes gives by itself, of which everybody is one.
fn group(node: Yaml, out: &mut Findings) -> Option<At<String>> {
    judged(node, "a group", out, |text| match text {
        own if own.starts_with("system:") || own == "kubeadm:cluster-admins" => {
            let hint = "write a group of your own, or users, each with an account".to_owned();
            Err(Wrong(format!("{own} is a group of Kubernetes itself"), Some(hint)))
        }
        own if own.is_empty() || own.len() > 253 || own.contains(char::is_whitespace) => {
            Err(Wrong(format!("{own:?} is no name of a group"), Some("write it without blanks, such as oidc:developers".to_owned())))
        }
        own => Ok(own.to_owned()),
    })
}

const GROUP: Form = Form { word: "a group", pattern: r"^\S{1,253}$", example: "oidc:developers", bare: Bare::Any };
