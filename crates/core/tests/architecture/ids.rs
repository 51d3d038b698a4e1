//! Ids of steps.

use std::collections::BTreeMap;
use std::path::Path;

use crate::sources::{Module, modules, tokens};

/// Where ids of steps are put together. All else takes them from the `ids.rs` of the domain whose steps they are.
const IDS: [&str; 3] = ["core/src/plan.rs", "core/src/plan/deed.rs", "storage/src/plan.rs"];

/// Whether a text makes an id of a step of words.
fn makes_ids(text: &str) -> bool {
    let tokens = tokens(text);
    let called = |of: &[&str]| tokens.windows(of.len()).any(|found| found == of);
    called(&["StepId", "::", "new", "("]) || called(&["StepId", "("]) || called(&["Step", "::", "new", "("])
}

#[test]
fn an_id_of_a_step_is_written_down_once() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for room in ["core/src", "storage/src", "provision/src"] {
        for (module, text) in modules(&crates.join(room)) {
            let file = format!("{room}/{}.rs", module.join("/"));
            if makes_ids(&text) && !IDS.contains(&file.as_str()) {
                found.push(file);
            }
        }
    }
    assert_eq!(found, Vec::<String>::new(), "ids of steps belong into ids.rs, and steps are made by them");
    assert!(makes_ids("let a = StepId::new(host, \"images\", \"import\");") && !makes_ids("ids::IMPORT.on(host)"));
}

/// The steps of other domains that a text names, as `DOMAIN::ids::DEED`. The list of all kinds names no step.
fn foreign_steps(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let named = tokens.windows(5).filter(|w| w[1..4] == ["::", "ids", "::"] && w[0] != "super" && w[4] != "KINDS");
    named.map(<[&str]>::concat).collect()
}

#[test]
fn one_file_says_who_waits_for_another_domain() {
    let all = modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../provision/src"));
    let of = |module: &Module| foreign_steps(&all[module]);
    let order: Module = ["compose", "order"].map(str::to_owned).into();
    assert!(of(&order).contains(&"kubeadm::ids::RESET".to_owned()), "the files were read");
    let others = all.keys().filter(|module| **module != order);
    let found: BTreeMap<&Module, Vec<String>> = others.map(|module| (module, of(module))).filter(|(_, steps)| !steps.is_empty()).collect();
    assert_eq!(found, BTreeMap::new(), "edges between domains belong into compose/order.rs");
    assert_eq!(foreign_steps("let a = [crate::node::ids::IMAGES.on(x), ids::OWN.on(x), super::ids::OWN];"), ["node::ids::IMAGES"]);
}
