//! The plan of each example, for machines that hold nothing: what is done, why, and after what of another machine. `UPDATE=1` writes the goldens anew.

use std::path::PathBuf;

use kubestead_core::plan::Risk;
use kubestead_provision::node::AptFacts;

use super::*;

/// Examples without a golden here: programs, and those whose manifests the tests of the command hold.
const ELSEWHERE: [&str; 3] = ["embed", "mariadb", "services"];

/// Machines with a disk that is large enough, and what the cluster file names.
fn machines(cluster: &Cluster) -> Seen {
    let mut seen = seen(cluster);
    let servers = compose::servers(cluster);
    seen.servers.retain(|name, _| servers.iter().any(|spec| spec.server == *name));
    let kubernetes = cluster.kubernetes.as_ref().unwrap();
    if kubernetes.bundle.is_none() {
        seen.bundle = Fact::Absent;
    }
    if kubernetes.packages.is_some() {
        seen.keyring = Fact::Known("KEY".into());
    }
    for node in seen.nodes.values_mut() {
        let Fact::Known(NodeSeen { setup: Some(setup), storage, .. }) = node else { panic!("it is seen") };
        storage.sizes.values_mut().for_each(|size| *size = 1 << 40);
        if kubernetes.packages.is_some() {
            (setup.apt, setup.runtime) = (Some(AptFacts::default()), Some("2.1.4".into()));
        }
    }
    seen
}

fn told(plan: &Plan<Action>) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let mark = match step.risk {
            Risk::Safe => ' ',
            Risk::Disrupts => '~',
            Risk::Destroys => '!',
        };
        let consent = if step.needs_consent() { " (asks)" } else { "" };
        let _ = writeln!(text, "{mark} {}{consent}: {}", step.id, step.why);
        // Of its own target the steps come in this order.
        let own = format!("{}/", step.target);
        for (word, ids) in [("after", &step.after), ("behind", &step.behind)] {
            for id in ids.iter().filter(|id| !id.0.starts_with(&own)) {
                let _ = writeln!(text, "      {word} {id}");
            }
        }
    }
    for held in &plan.held {
        let _ = writeln!(text, "held {}: {}\n      {}", held.object, held.reason, held.hint);
    }
    text
}

#[test]
fn the_plan_of_each_example_is_as_it_was_read() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose/golden");
    let all = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")).unwrap();
    let mut folders: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).filter(|path| path.join("cluster.yaml").exists()).collect();
    folders.retain(|path| !ELSEWHERE.iter().any(|other| path.ends_with(other)));
    assert!(folders.len() >= 4, "{folders:?}");
    for folder in folders {
        let text = std::fs::read_to_string(folder.join("cluster.yaml")).unwrap();
        let cluster = file::load("cluster.yaml", &text, Path::new("/home/me")).unwrap();
        let text = told(&plan_of(&cluster, &machines(&cluster)));
        let path = tests.join(folder.file_name().unwrap()).with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == text, "{} is not what is planned now (UPDATE=1 writes it anew):\n{text}", path.display());
    }
}
