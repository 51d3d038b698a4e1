//! Services of all sections together: their names, whom each needs, and in which order they come.

use std::collections::BTreeSet;

use kubestead_core::name::Name;

use crate::file::declared::{Declared, Services};
use crate::file::findings::Findings;
use crate::file::services::Manifests;

/// The services, whom one needs before it. `own` are the users' own.
pub(in crate::file) fn ordered(own: Services, built: Services, out: &mut Findings) -> Vec<Manifests> {
    for declared in own.declared.iter().filter(|declared| built.named.contains(declared.service.name.as_str())) {
        let message = format!("manifests: {} is the name of a service that `services` asks for", declared.service.name);
        out.error(&declared.place, message, "give it another name".to_owned());
    }
    let known: BTreeSet<&String> = own.named.union(&built.named).collect();
    let needs = own.declared.iter().chain(&built.declared).flat_map(|declared| &declared.needs);
    for need in needs.filter(|need| !known.contains(&need.value.to_string())) {
        let hint = format!("known are {}", known.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "));
        out.error(&need.place, format!("needs: no service is called {}", need.value), hint);
    }
    sorted(built.declared.into_iter().chain(own.declared).collect(), out)
}

/// The services in an order in which each comes after those that it needs; one that is in a circle is a mistake.
fn sorted(mut open: Vec<Declared>, out: &mut Findings) -> Vec<Manifests> {
    let (mut done, mut names): (Vec<Manifests>, BTreeSet<Name>) = (Vec::new(), BTreeSet::new());
    loop {
        // What is needed and not there is told already.
        let waiting: BTreeSet<Name> = open.iter().map(|decl| decl.service.name.clone()).collect();
        let free = |decl: &Declared| decl.service.needs.iter().all(|need| names.contains(need) || !waiting.contains(need));
        let (now, later): (Vec<Declared>, Vec<Declared>) = open.into_iter().partition(free);
        open = later;
        if now.is_empty() {
            break;
        }
        names.extend(now.iter().map(|decl| decl.service.name.clone()));
        done.extend(now.into_iter().map(|decl| decl.service));
    }
    if let Some(first) = open.first() {
        let all: Vec<&str> = open.iter().map(|decl| decl.service.name.as_str()).collect();
        let message = format!("services need each other, or one that does: {}", all.join(", "));
        out.error(&first.place, message, "take one of their `needs` away".to_owned());
    }
    done
}

#[cfg(test)]
mod tests {
    use crate::file::load;

    const HEAD: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nnodes: [{name: kube1, address: 10.0.0.1, roles: [control-plane]}]\n\
        kubernetes: {version: 1.37.1, bundle: /b}\n";

    fn told(section: &str) -> Vec<String> {
        match load("cluster.yaml", &format!("{HEAD}{section}"), std::path::Path::new("/x")) {
            Ok(cluster) => cluster.manifests.iter().map(|service| format!("{} {:?}", service.name, service.source)).collect(),
            Err(found) => found.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn whom_a_service_needs_comes_before_it() {
        let section =
            "manifests:\n  a: {path: a, needs: [b, c]}\n  b: {path: ../b, needs: [c], variables: {HOST: h}}\n  c: {path: /c.yaml}\n";
        assert_eq!(told(section), ["c Path(\"/c.yaml\")", "b Path(\"/x/../b\")", "a Path(\"/x/a\")"]);
    }

    #[test]
    fn all_mistakes_are_told_with_their_places() {
        let section = "manifests:\n  a: {path: a, needs: [b, a, x, x], variables: {1A: x, B: [1]}}\n  b: {needs: [a], pth: x}\n";
        let all = told(section).join("\n");
        for (place, words) in [
            ("7:30", "no service is called x"),
            ("7:33", "names twice"),
            ("7:49", "not the name of a variable"),
            ("7:59", "variable B must be a string"),
            ("8:3", "service b names 0 places"),
            ("8:19", "no field \"pth\""),
        ] {
            assert!(all.lines().any(|line| line.contains(place) && line.contains(words)), "{place} {words}: {all}");
        }
        let circle = told("manifests:\n  a: {path: a, needs: [b]}\n  b: {path: b, needs: [a]}\n  c: {path: c, needs: [c]}\n");
        assert!(circle.len() == 1 && circle[0].contains("need each other") && circle[0].contains("a, b, c"), "{circle:?}");
    }
}
