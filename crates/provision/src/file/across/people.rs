//! Whom the API server lets in, and what that has to do with names of the cluster and with rights in the namespace.

use crate::file::findings::Findings;
use crate::file::sections::Sections;

pub(super) fn check(file: &Sections, out: &mut Findings) {
    issuer(file, out);
    groups(file, out);
}

/// The API server takes nobody for its issuer who is itself: kubeadm calls it so for tokens of service accounts.
fn issuer(file: &Sections, out: &mut Findings) {
    let own = format!("https://kubernetes.default.svc.{}", file.network.network.dns_domain);
    for at in file.issuer.iter().filter(|at| at.value == own) {
        let message = format!("kubernetes.oidc.issuer: {own} is the API server itself, which does not start so");
        out.error(&at.place, message, "write the address of the provider".to_owned());
    }
}

/// A group that nobody can be in has its rights for nothing.
fn groups(file: &Sections, out: &mut Findings) {
    let Some(oidc) = file.kubernetes.as_ref().and_then(|kubernetes| kubernetes.oidc.as_ref()) else { return };
    for at in &file.user_groups {
        let hint = match &oidc.groups {
            None => "write `groups: {claim: groups}` in kubernetes.oidc".to_owned(),
            Some(groups) if !at.value.starts_with(&groups.prefix) => format!("write {}{}", groups.prefix, at.value),
            Some(_) => continue,
        };
        let message = format!("namespace.groups: no token of kubernetes.oidc brings the group {}", at.value);
        out.warning(&at.place, message, hint);
    }
}
