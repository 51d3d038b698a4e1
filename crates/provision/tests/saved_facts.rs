//! Facts in a file: the plan that comes of them is that of the look they are of, and what is not such facts is refused with what to do.
#![allow(clippy::unwrap_used)] // a test fails by it

#[allow(dead_code)] // half of it is for the fuzzer
mod answers;

use std::path::Path;

use answers::{CORPUS, World};
use jiff::Timestamp;
use kubestead_provision::compose;
use kubestead_provision::facts::{self, Error, Facts, Recall};
use kubestead_provision::file;

const NAME: &str = "facts.json";

fn text(world: &World) -> String {
    facts::text(&world.cluster, &world.look(&CORPUS), Timestamp::from_second(1_795_788_107).unwrap()).unwrap()
}

fn plan(world: &World, text: &str) -> Result<Recall, Error> {
    Facts::read(Path::new(NAME), text.as_bytes())?.plan(&world.cluster)
}

#[test]
fn the_plan_of_saved_facts_is_that_of_the_look_and_tells_from_when_it_is() {
    let world = World::new();
    let live = compose::plan(&world.cluster, &world.look(&CORPUS)).unwrap();
    assert!(!live.steps.is_empty() && !live.held.is_empty());
    let recall = plan(&world, &text(&world)).unwrap();
    let mut json = serde_json::to_value(&recall).unwrap();
    assert_eq!(json.as_object_mut().unwrap().remove("factsOf").unwrap(), "2026-11-27T14:01:47Z");
    assert_eq!(json, serde_json::to_value(&live).unwrap());
    // A machine that did not answer then is one that was not seen, not one that is not there.
    let lost = facts::text(&world.cluster, &world.look(&CORPUS[..2]), Timestamp::UNIX_EPOCH).unwrap();
    let held = plan(&world, &lost).unwrap().plan.held;
    assert!(held.iter().any(|h| h.object == "kube2" && h.reason.contains("no route to host")), "{held:?}");
}

#[test]
fn what_is_not_such_facts_is_refused_with_what_to_do() {
    let world = World::new();
    let good = text(&world);
    for cut in (0..good.len()).step_by(997).chain([good.len() - 1]) {
        let told = plan(&world, &good[..cut]).unwrap_err().to_string();
        assert!(told.starts_with("facts.json: not facts as they were saved") && told.contains("--save-facts"), "{cut}: {told}");
    }
    let digit = good.find("\"inodes\":").unwrap() + 9;
    let other = if good.as_bytes()[digit] == b'1' { "2" } else { "1" };
    let changed = format!("{}{other}{}", &good[..digit], &good[digit + 1..]);
    assert!(plan(&world, &changed).unwrap_err().to_string().contains("they were changed"), "one digit of what was seen");
    for (from, to, word) in [
        ("\"kubesteadFacts\":7", "\"kubesteadFacts\":8", "facts of format 8, and this kubestead reads format 7"),
        ("\"kubesteadFacts\":7", "\"kubesteadFacts\":8,\"more\":[]", "facts of format 8"),
        ("\"kubesteadFacts\":7", "\"kubesteadFacts\":7,\"more\":[]", "unknown field"),
        ("\"taken\":\"2026", "\"taken\":\"never 2026", "is no time"),
        ("\"seen\":{", "\"seen\":[],\"x\":{", "expected struct Seen"),
        ("\"free\":", "\"fre\":", "cp1: missing field `free`"),
        ("{\"nodes\":[\"cp1\"", "{\"nodes\":[\"cp9\"", "cp1: its files were not kept"),
        ("\"pending\":", "\"pendin\":", "files: missing field `pending`"),
    ] {
        let told = plan(&world, &good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(told.contains(word) && told.contains("save them again"), "{told}");
    }
    for text in ["", "null", "{}", "[1", "apiVersion: kubestead/v1"] {
        assert!(matches!(plan(&world, text), Err(Error::Broken { .. })), "{text}");
    }
}

#[test]
fn facts_of_another_cluster_file_are_refused() {
    let world = World::new();
    let facts = Facts::read(Path::new(NAME), text(&world).as_bytes()).unwrap();
    let other = format!("{}# more\n", include_str!("../../../examples/three-nodes/cluster.yaml"));
    let other = file::load("cluster.yaml", &other, Path::new("/x")).unwrap();
    let told = facts.plan(&other).unwrap_err().to_string();
    assert!(told.contains("another text of the cluster file") && told.contains("save facts again"), "{told}");
}
