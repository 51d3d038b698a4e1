//! The cache of names, and who else says whom pods ask for names.

use crate::file::declared::Places;
use crate::file::findings::Findings;
use crate::file::sections::Sections;
use crate::kubelet::{RESOLVERS, Settings};

pub(super) fn check(file: &Sections, out: &mut Findings) {
    let cache = file.services.places.iter().find_map(|places| if let Places::DnsCache(place) = places { Some(place) } else { None });
    let Some(place) = cache else { return };
    let set = |settings: &Option<Settings>| settings.as_ref().is_some_and(|settings| settings.names().any(|name| name == RESOLVERS));
    let all = file.kubernetes.iter().filter(|all| set(&all.kubelet)).map(|_| "kubernetes.kubelet".to_owned());
    let own = file.nodes.items.iter().filter(|decl| set(&decl.node.kubelet)).map(|decl| format!("the kubelet of {}", decl.node.name));
    for who in all.chain(own) {
        let message = format!("services.dnsCache is whom pods ask for names, and {who} sets {RESOLVERS} to others");
        out.error(place, message, format!("take {RESOLVERS} away there, or leave the cache out"));
    }
}
