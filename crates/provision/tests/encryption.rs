//! Rotations of the key of encryption at rest: from every state the next plan goes on, and at no moment is a value unreadable.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::command::{Output, Stdin};
use kubestead_core::key::{self, KeyRef};
use kubestead_core::name::Name;
use kubestead_core::plan::{Kinds, Part, Plan, Risk, Step, StepId};
use kubestead_core::secret::Secret;
use kubestead_core::twin::{FixedKeys, ScriptedHost};
use kubestead_provision::encryption::{
    self, Action, Cipher, EncryptionFacts, EncryptionSpec, Entry, Expected, Layout, ModelServer, Server, World, apply, escrow_name, model,
    plan,
};
use kubestead_secrets::{encryption_key, fingerprint};
use proptest::prelude::*;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn key(cipher: Cipher, name: &str) -> Entry {
    Entry::Key { cipher, name: name.to_owned() }
}

fn secretbox(name: &str) -> Entry {
    key(Cipher::Secretbox, name)
}

fn kms(name: &str, socket: &str) -> Entry {
    Entry::Kms { name: name.to_owned(), endpoint: format!("unix://{socket}"), timeout: "3s".to_owned() }
}

fn vault() -> Entry {
    kms("vault", "/run/kms/vault.sock")
}

fn spec(entry: Entry, kinds: &[&str]) -> EncryptionSpec {
    EncryptionSpec { entry, resources: kinds.iter().map(|k| (*k).to_owned()).collect() }
}

/// Servers whose files say this, and etcd as they would have written it.
fn world(count: usize, layout: &Layout) -> World {
    let server = ModelServer::new(layout.clone());
    let values = ["secrets", "configmaps"].map(|kind| (kind.to_owned(), vec![layout.entries(kind)[0].prefix(); 4]));
    let servers = (1..=count).map(|n| (name(&format!("cp{n}")), server.clone())).collect();
    World { servers, values: values.into(), ..World::default() }
}

fn layout(entries: &[Entry]) -> Layout {
    Layout(BTreeMap::from([("secrets".to_owned(), entries.to_vec())]))
}

fn facts(world: &World) -> Vec<(Name, EncryptionFacts)> {
    world.servers.keys().map(|n| (n.clone(), world.facts(n).unwrap())).collect()
}

fn escrow() -> BTreeSet<String> {
    ["key1", "key2", "key3", "gcm"].map(escrow_name).into()
}

fn planned(spec: &EncryptionSpec, world: &World, escrow: &BTreeSet<String>) -> Part<Action> {
    let facts = facts(world);
    let servers: Vec<Server<'_>> = facts.iter().map(|(name, facts)| Server { name, facts }).collect();
    plan(spec, &servers, escrow)
}

/// The plan of the stages alone, each of a kind that is known by its name.
fn ordered(part: Part<Action>) -> Plan<Action> {
    let own = Kinds::of(&[encryption::ids::KINDS]);
    assert!(part.steps.iter().all(|step| own.name(&step.id)), "{:?}", part.steps);
    Plan::new(String::new(), String::new(), part.without_idle(&Kinds::of(&[encryption::ids::KINDS, key::KINDS]))).unwrap()
}

fn ids(spec: &EncryptionSpec, world: &World) -> Vec<String> {
    let part = planned(spec, world, &escrow());
    assert!(part.held.is_empty(), "{:?}", part.held);
    ordered(part).steps.iter().map(|s| s.id.to_string().replace("/encryption/", " ")).collect()
}

fn held(spec: &EncryptionSpec, world: &World, escrow: &BTreeSet<String>) -> String {
    let part = planned(spec, world, escrow);
    assert!(part.steps.is_empty());
    part.held.iter().map(|h| format!("{}: {} ({})\n", h.object, h.reason, h.hint)).collect()
}

#[test]
fn three_servers_change_their_key_stage_by_stage() {
    let wanted = spec(secretbox("key2"), &["secrets"]);
    let all = [
        "cp1 snapshot",
        "cp1 add",
        "cp2 add",
        "cp3 add",
        "cp1 promote",
        "cp2 promote",
        "cp3 promote",
        "cluster rewrite",
        "cp1 check",
        "cp2 check",
        "cp3 check",
        "cp1 keep",
        "cp1 compact",
        "cp1 defragment",
        "cp2 defragment",
        "cp3 defragment",
        "cp1 drop",
        "cp2 drop",
        "cp3 drop",
    ];
    assert_eq!(ids(&wanted, &world(3, &layout(&[secretbox("key1")]))), all);
}

#[test]
fn no_server_writes_with_a_key_before_all_can_read_it_and_none_forgets_one_that_is_needed() {
    let part = planned(&spec(secretbox("key2"), &["secrets"]), &world(3, &layout(&[secretbox("key1")])), &escrow());
    let step = |id: &str| part.steps.iter().find(|s| s.id.0 == id).unwrap();
    for server in ["cp1", "cp2", "cp3"] {
        for other in ["cp1", "cp2", "cp3"] {
            let ready = StepId::new(other, "encryption", "add");
            assert!(step(&format!("{server}/encryption/promote")).after.contains(&ready));
        }
        let waits = &step(&format!("{server}/encryption/drop")).after;
        assert_eq!(waits.iter().map(|id| id.0.as_str()).collect::<Vec<_>>(), ["cp3/encryption/defragment"]);
    }
    assert_eq!(step("cluster/encryption/rewrite").after.len(), 6);
}

#[test]
fn a_cluster_that_is_as_the_file_says_has_nothing_to_do() {
    let wanted = spec(secretbox("key1"), &["secrets"]);
    let mut calm = world(2, &wanted.layout());
    assert!(ids(&wanted, &calm).is_empty());
    calm.servers.get_mut(&name("cp2")).unwrap().marked = true;
    assert_eq!(ids(&wanted, &calm), ["cp2 load"], "a file that was written and perhaps not loaded is seen through");
}

#[test]
fn values_that_were_not_encrypted_are_taken_in() {
    let wanted = spec(secretbox("key1"), &["secrets"]);
    let one = world(1, &layout(&[Entry::Identity]));
    let all =
        ["cp1 snapshot", "cp1 add", "cp1 promote", "cluster rewrite", "cp1 check", "cp1 keep", "cp1 compact", "cp1 defragment", "cp1 drop"];
    assert_eq!(ids(&wanted, &one), all);
    // Its file knows the key already: what is left is to see that it was loaded.
    let first = world(1, &layout(&[Entry::Identity, secretbox("key1")]));
    assert_eq!(ids(&wanted, &first)[..3], ["cp1 snapshot", "cp1 load", "cp1 promote"]);
}

#[test]
fn another_kind_of_object_is_an_edit_and_so_is_another_cipher() {
    let before = world(1, &layout(&[secretbox("key1")]));
    let more = spec(secretbox("key1"), &["configmaps", "secrets"]);
    let part = planned(&more, &before, &escrow());
    let Action::Write { layout: added, .. } = &part.steps[1].action else { panic!("{:?}", part.steps[1]) };
    assert_eq!(added.entries("configmaps"), [Entry::Identity, secretbox("key1")]);
    assert_eq!(added.entries("secrets"), [secretbox("key1")], "what is right stays");
    assert!(part.steps.iter().any(|s| s.why == "write every object of configmaps anew"));
    assert_eq!(ids(&spec(key(Cipher::Aesgcm, "gcm"), &["secrets"]), &before).len(), 9);
}

#[test]
fn what_cannot_be_done_without_loss_is_held_before_anything_is_written() {
    let before = world(2, &layout(&[secretbox("key1")]));
    let wanted = spec(secretbox("key2"), &["secrets"]);
    let without = BTreeSet::from([escrow_name("key2")]);
    assert!(held(&wanted, &before, &without).contains("secretbox key1 of cp1 is not in the escrow"));
    assert!(held(&spec(key(Cipher::Aesgcm, "key1"), &["secrets"]), &before, &escrow()).contains("a name stands for one key for ever"));
    let foreign =
        Layout(BTreeMap::from([("deployments.apps".to_owned(), vec![secretbox("key1")]), ("secrets".to_owned(), vec![secretbox("key1")])]));
    assert!(held(&wanted, &world(1, &foreign), &escrow()).contains("cp1 encrypts deployments.apps"));

    let mut lost = world(1, &layout(&[Entry::Identity, secretbox("key1")]));
    lost.values.get_mut("secrets").unwrap()[1] = secretbox("key9").prefix();
    assert!(held(&wanted, &lost, &escrow()).contains("which no API server can read"));

    let mut seen = facts(&before);
    seen[1].1.file.as_mut().unwrap().fingerprints.insert("secretbox key1".into(), "another".into());
    seen[0].1.tools = false;
    let servers: Vec<Server<'_>> = seen.iter().map(|(name, facts)| Server { name, facts }).collect();
    let text = format!("{:?}", plan(&wanted, &servers, &escrow()).held);
    assert!(text.contains("is one key on cp1") && text.contains("etcdctl and etcdutl are missing"), "{text}");
}

#[test]
fn three_servers_move_to_a_plugin_one_restarts_after_the_other_and_none_reads_with_it_before() {
    let wanted = spec(vault(), &["secrets"]);
    let before = world(3, &layout(&[secretbox("key1")]));
    let head = ["cp1 snapshot", "cp1 mount", "cp2 mount", "cp3 mount", "cp1 add", "cp2 add", "cp3 add", "cp1 promote"];
    assert_eq!(ids(&wanted, &before)[..8], head);
    let part = planned(&wanted, &before, &escrow());
    let after =
        |id: &str| -> Vec<&str> { part.steps.iter().find(|s| s.id.0 == id).unwrap().after.iter().map(|id| id.0.as_str()).collect() };
    for (id, waits) in [("cp1/encryption/mount", "cp1/encryption/snapshot"), ("cp2/encryption/mount", "cp1/encryption/mount")] {
        assert_eq!(after(id), [waits]);
    }
    for server in ["cp1", "cp2", "cp3"] {
        assert_eq!(after(&format!("{server}/encryption/add")), ["cp3/encryption/mount"]);
    }
    assert!(part.steps.iter().all(|s| (s.risk == Risk::Disrupts) == matches!(s.action, Action::Mount { .. } | Action::Defragment)));
    assert!(!ids(&spec(secretbox("key1"), &["secrets"]), &world(3, &layout(&[vault()]))).iter().any(|id| id.contains("mount")));
}

#[test]
fn a_folder_is_mounted_beside_those_that_are_and_only_where_it_is_missing() {
    let mount = |wanted: Entry, world: &World| -> Vec<(String, Vec<String>, Vec<String>)> {
        let steps = planned(&spec(wanted, &["secrets"]), world, &escrow()).steps;
        let one = |step: Step<Action>| match step.action {
            Action::Mount { node, before, folders, .. } => Some((node.to_string(), before, folders)),
            _ => None,
        };
        steps.into_iter().filter_map(one).collect()
    };
    let folders = |all: &[&str]| all.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>();
    let mut all = world(2, &layout(&[vault()]));
    assert_eq!(mount(kms("second", "/run/kms/second.sock"), &all), [], "the folder is mounted for another plugin");
    let other = || kms("cloud", "/run/cloud/kms.sock");
    let both = |node: &str| (node.to_owned(), folders(&["/run/kms"]), folders(&["/run/kms", "/run/cloud"]));
    assert_eq!(mount(other(), &all), [both("cp1"), both("cp2")]);
    // Killed between the manifest and the restart: what is left is to see it through.
    all.servers.get_mut(&name("cp1")).unwrap().manifest = folders(&["/run/kms", "/run/cloud"]);
    let half = ("cp1".to_owned(), folders(&["/run/kms", "/run/cloud"]), folders(&["/run/kms", "/run/cloud"]));
    assert_eq!(mount(other(), &all), [half, both("cp2")]);
    all.servers.get_mut(&name("cp1")).unwrap().looks(true);
    assert_eq!(mount(other(), &all), [both("cp2")]);
    // One server knows a plugin that no other was told of: the others need its folder, wherever the way leads.
    let mut odd = world(2, &layout(&[secretbox("key1")]));
    odd.servers.insert(name("cp2"), ModelServer::new(layout(&[secretbox("key1"), vault()])));
    odd.values.get_mut("secrets").unwrap()[0] = vault().prefix();
    let mut seen = facts(&odd);
    seen[0].1.values = Some(BTreeMap::from([("secrets".to_owned(), BTreeMap::from([(vault().prefix(), 1)]))]));
    let servers: Vec<Server<'_>> = seen.iter().map(|(name, facts)| Server { name, facts }).collect();
    let steps = plan(&spec(secretbox("key2"), &["secrets"]), &servers, &escrow()).steps;
    assert!(steps.iter().any(|s| s.id.0 == "cp1/encryption/mount") && !steps.iter().any(|s| s.id.0 == "cp2/encryption/mount"));
}

/// An API server takes no file in which one plugin's name stands in two lists.
#[test]
fn each_kind_has_a_name_of_its_own_with_a_plugin() {
    let both = spec(vault(), &["configmaps", "secrets"]);
    assert_eq!(both.target("secrets"), vault());
    assert_eq!(both.target("configmaps").prefix(), "k8s:enc:kms:v2:vault-configmaps:");
    assert_eq!(both.layout().clash(), None);
    let more = planned(&both, &world(1, &layout(&[vault()])), &escrow());
    assert!(more.held.is_empty() && more.steps.iter().any(|s| s.why == "write every object of configmaps anew"));
    // A file as others write it: to go on kind by kind would break it, all at once does not.
    let shared = Layout(["configmaps", "secrets"].map(|kind| (kind.to_owned(), vec![vault()])).into());
    assert!(held(&both, &world(1, &shared), &escrow()).contains("the plugin vault would stand in two lists"));
    assert_eq!(ids(&spec(secretbox("key2"), &["configmaps", "secrets"]), &world(1, &shared)).len(), 9);
}

#[test]
fn a_plugin_that_does_not_answer_is_told_before_anything_is_begun_and_also_when_nothing_is_to_do() {
    for (wanted, file, hint) in [(vault(), secretbox("key1"), "nothing is begun before it answers"), (vault(), vault(), "start the plugin")]
    {
        let mut seen = facts(&world(2, &layout(&[file])));
        seen[1].1.silent.insert("/run/kms/vault.sock".into());
        let servers: Vec<Server<'_>> = seen.iter().map(|(name, facts)| Server { name, facts }).collect();
        let part = plan(&spec(wanted, &["secrets"]), &servers, &escrow());
        assert!(part.steps.is_empty() && part.held.len() == 1);
        let found = &part.held[0];
        assert!(found.object == "cp2/encryption" && found.reason.contains("/run/kms/vault.sock") && found.hint.contains(hint), "{found:?}");
    }
}

/// Killed at each step in turn, before it did anything and in its middle; then `up` again.
#[test]
fn a_move_to_a_plugin_and_back_that_is_killed_at_any_step_goes_on() {
    for (from, to) in [(secretbox("key1"), vault()), (vault(), secretbox("key2")), (vault(), kms("cloud", "/run/cloud/kms.sock"))] {
        let wanted = spec(to, &["secrets"]);
        let begin = world(3, &layout(&[from]));
        let steps = ordered(planned(&wanted, &begin, &escrow())).steps;
        for (cut, halfway) in (0..steps.len()).flat_map(|cut| [(cut, false), (cut, true)]) {
            let mut world = begin.clone();
            for step in &steps[..cut] {
                world = model(step, world).unwrap();
                assert_readable(&world);
            }
            if halfway {
                begins(&steps[cut], &mut world);
            }
            for server in world.servers.values_mut() {
                server.looks(halfway);
            }
            assert_readable(&world);
            for step in ordered(planned(&wanted, &world, &escrow())).steps {
                world = model(&step, world).unwrap_or_else(|e| panic!("cut at {}: {}: {e}", steps[cut].id, step.id));
                assert_readable(&world);
            }
            assert!(planned(&wanted, &world, &escrow()).steps.is_empty(), "cut at {}: {world:#?}", steps[cut].id);
            assert!(world.values["secrets"].iter().all(|v| *v == wanted.entry.prefix()));
        }
    }
}

/// Everything that anybody could ask of a server at this moment.
fn assert_readable(world: &World) {
    assert_eq!(world.unreadable(), [], "{world:#?}");
    for (name, server) in &world.servers {
        for (kind, past) in &world.past {
            let known: BTreeSet<String> = server.loaded.entries(kind).iter().map(Entry::prefix).collect();
            assert!(past.iter().all(|p| known.contains(p)), "{name} cannot read an old revision of {kind}: {world:#?}");
        }
    }
}

/// The search for what is unreadable can find it: a server that writes with a key which another has not loaded.
#[test]
fn a_promotion_that_does_not_wait_is_noticed() {
    let mut world = world(2, &layout(&[secretbox("key1")]));
    let part = planned(&spec(secretbox("key2"), &["secrets"]), &world, &escrow());
    for id in ["cp1/encryption/add", "cp1/encryption/promote"] {
        world = model(part.steps.iter().find(|s| s.id.0 == id).unwrap(), world).unwrap();
        world.write(&name("cp1"), "secrets", 0);
    }
    assert_eq!(world.unreadable().len(), 1);
}

/// And so is a file with a plugin on a server that has not mounted its folder.
#[test]
fn an_addition_that_does_not_wait_for_the_mount_is_noticed() {
    let before = world(2, &layout(&[secretbox("key1")]));
    let part = planned(&spec(vault(), &["secrets"]), &before, &escrow());
    let add = part.steps.iter().find(|s| s.id.0 == "cp1/encryption/add").unwrap();
    assert!(model(add, before).unwrap_err().contains("cp1: it cannot reach its plugin"));
}

/// What a step that is killed in its middle leaves behind.
fn begins(step: &Step<Action>, world: &mut World) {
    match &step.action {
        Action::Write { layout, .. } => {
            let server = world.servers.get_mut(&name(&step.target.to_string())).unwrap();
            (server.file, server.marked) = (layout.clone(), true);
        }
        Action::Mount { folders, .. } => {
            world.servers.get_mut(&name(&step.target.to_string())).unwrap().manifest.clone_from(folders);
        }
        _ => {}
    }
}

/// Runs a plan in an order that the engine could take; `choices` says which, when to stop, and who writes meanwhile. Answers whether all
/// of it ran.
fn run(part: Part<Action>, world: &mut World, choices: &mut impl Iterator<Item = u8>, cuts: bool) -> bool {
    let mut open: Vec<Step<Action>> = ordered(part).steps;
    while !open.is_empty() {
        let waiting: BTreeSet<StepId> = open.iter().map(|s| s.id.clone()).collect();
        let mut busy = BTreeSet::new();
        let free = |s: &&Step<Action>| s.after.is_disjoint(&waiting) && busy.insert(s.target.to_string());
        let ready: Vec<StepId> = open.iter().filter(free).map(|s| s.id.clone()).collect();
        let id = &ready[usize::from(choices.next().unwrap_or(0)) % ready.len()];
        let step = open.remove(open.iter().position(|s| s.id == *id).unwrap());
        let names: Vec<Name> = world.servers.keys().cloned().collect();
        let cut = cuts && choices.next().unwrap_or(9).is_multiple_of(10);
        if cut {
            begins(&step, world);
        } else {
            *world = model(&step, world.clone()).unwrap();
        }
        assert_readable(world);
        for _ in 0..choices.next().unwrap_or(0) % 4 {
            let who = &names[usize::from(choices.next().unwrap_or(0)) % names.len()];
            if choices.next().unwrap_or(0).is_multiple_of(3) {
                let restarts = choices.next().unwrap_or(0).is_multiple_of(5);
                world.servers.get_mut(who).unwrap().looks(restarts); // by itself
            }
            for kind in ["secrets", "configmaps"] {
                world.write(who, kind, usize::from(choices.next().unwrap_or(0)) % 4);
            }
            assert_readable(world);
        }
        if cut {
            return false;
        }
    }
    true
}

fn target(choice: u8) -> EncryptionSpec {
    let entry = match choice % 7 {
        0 => secretbox("key1"),
        1 => secretbox("key2"),
        2 => secretbox("key3"),
        3 => vault(),
        4 => kms("cloud", "/run/cloud/kms.sock"),
        _ => key(Cipher::Aesgcm, "gcm"),
    };
    spec(entry, if choice % 8 < 4 { &["secrets"] } else { &["configmaps", "secrets"] })
}

fn start(choice: u8) -> Layout {
    match choice % 5 {
        0 => layout(&[secretbox("key1")]),
        3 => layout(&[vault()]),
        1 => layout(&[Entry::Identity]),
        2 => layout(&[Entry::Identity, secretbox("key1")]),
        _ => target(7).layout(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// Cut anywhere, with files written and not loaded, with writers at work all the time, with the wish changed in the middle: nothing
    /// is ever unreadable, and the last run ends with the new key alone and an empty plan.
    #[test]
    fn every_cut_point_goes_on_and_nothing_is_ever_unreadable(
        count in 1_usize..4, first in any::<u8>(), wishes in prop::collection::vec(any::<u8>(), 1..8), choices in prop::collection::vec(any::<u8>(), 600)
    ) {
        let mut choices = choices.into_iter();
        let mut world = world(count, &start(first));
        let mut wanted = target(wishes[0]);
        for wish in &wishes {
            if wish.is_multiple_of(3) {
                wanted = target(*wish);
            }
            let part = planned(&wanted, &world, &escrow());
            prop_assert!(part.held.is_empty(), "{:?}", part.held);
            run(part, &mut world, &mut choices, true);
        }
        let part = planned(&wanted, &world, &escrow());
        prop_assert!(run(part, &mut world, &mut choices, false));
        prop_assert!(planned(&wanted, &world, &escrow()).steps.is_empty(), "{world:#?}");
        for kind in ["secrets", "configmaps"] {
            let prefix = wanted.target(kind).prefix();
            prop_assert!(world.values[kind].iter().all(|v| *v == prefix), "{world:#?}");
        }
        for server in world.servers.values() {
            prop_assert_eq!(&server.loaded, &wanted.layout());
            prop_assert!(!server.marked);
        }
    }
}

/// The wire: what a machine is asked, and where the keys are in it.
#[tokio::test]
async fn keys_travel_on_standard_input_and_are_compared_before_anything_is_written() {
    let keys: Vec<(String, Secret)> = ["key1", "key2"].map(|n| (escrow_name(n), encryption_key().unwrap())).into();
    let source = FixedKeys(keys.iter().map(|(n, k)| (KeyRef(n.clone()), k.clone())).collect());
    let known = BTreeMap::from([("secretbox key1".to_owned(), fingerprint(&keys[0].1).unwrap())]);
    let written = layout(&[secretbox("key1"), secretbox("key2")]);
    let action = |expected| Action::Write { layout: written.clone(), expected, fingerprints: known.clone() };
    for expected in [Expected::Seen("a".repeat(64)), Expected::Written(layout(&[secretbox("key1")]))] {
        let host = ScriptedHost::new("cp1", [Ok(Output::default())]);
        apply(&action(expected), &host, &source).await.unwrap();
        let asked = &host.asked()[0];
        let Stdin::Secret(text) = &asked.stdin else { panic!("{:?}", asked.stdin) };
        for (_, key) in &keys {
            let word = std::str::from_utf8(key.expose()).unwrap();
            assert!(std::str::from_utf8(text.expose()).unwrap().contains(word), "it can be found");
            assert!(!asked.render().contains(word) && !format!("{asked:?}").contains(word));
        }
    }
    let host = ScriptedHost::new("cp1", []);
    let other = FixedKeys(keys.iter().map(|(n, _)| (KeyRef(n.clone()), encryption_key().unwrap())).collect());
    let error = apply(&action(Expected::Seen("a".repeat(64))), &host, &other).await.unwrap_err().to_string();
    assert!(error.contains("encryption.key1 in the escrow is another key") && host.asked().is_empty(), "{error}");
}

#[tokio::test]
async fn every_script_is_one_that_bash_can_read() {
    let source = FixedKeys(["key1", "key2"].map(|n| (KeyRef(escrow_name(n)), encryption_key().unwrap())).into());
    let part = planned(&spec(secretbox("key2"), &["secrets"]), &world(1, &layout(&[secretbox("key1")])), &escrow());
    let mut actions: Vec<Action> = part.steps.into_iter().map(|s| s.action).collect();
    actions.push(Action::Write { layout: layout(&[vault()]), expected: Expected::Seen("a".repeat(64)), fingerprints: BTreeMap::new() });
    actions.push(Action::Load { sha256: "a".repeat(64) });
    for action in actions.iter().filter(|a| !matches!(a, Action::Rewrite { .. })) {
        let action = match action {
            Action::Write { layout, expected, .. } => {
                Action::Write { layout: layout.clone(), expected: expected.clone(), fingerprints: BTreeMap::new() }
            }
            other => other.clone(),
        };
        let host = ScriptedHost::new("cp1", [Ok(Output::default())]);
        apply(&action, &host, &source).await.unwrap();
        let script = host.asked()[0].script().into_owned();
        assert!(std::process::Command::new("bash").args(["-n", "-c", &script]).status().unwrap().success(), "{script}");
    }
}
