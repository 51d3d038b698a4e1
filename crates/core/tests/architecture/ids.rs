//! Ids of steps.

use std::path::Path;

use crate::sources::{modules, tokens};

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
