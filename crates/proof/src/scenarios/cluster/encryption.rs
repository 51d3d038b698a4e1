//! The key of encryption at rest: replaced while everything goes on, and held where the escrow does not have it.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::scenarios::traffic::{Traffic, every_value, file_holds, file_lacks};
use crate::stage::{Claim, Done, Ran, Stage, fresh_value, is};

use super::secrets::{base64, live};

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "the key of encryption at rest is replaced by an edit of the file while Secrets are written and read, and `up` is killed in every stage",
        shows: &["F09", "R2", "R3", "R4", "a key of encryption at rest goes only when"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 2400,
        takes: 420,
        core: false,
        run: replaced,
    },
    Scenario {
        name: "a key of encryption at rest that the escrow lacks, or has as another one, is told before anything is written",
        shows: &["F09", "R1", "no key is made for values that are encrypted with one"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 600,
        takes: 40,
        core: false,
        run: not_the_escrows,
    },
];

/// When `up` is killed: which stage has begun, milliseconds after that, and what it does then.
const KILLS: [(&str, u64, &str); 9] = [
    ("cp1/encryption/snapshot", 300, "killed in the copy of etcd"),
    ("cp1/encryption/add", 1000, "killed while the new key is added"),
    ("cp1/encryption/promote", 1000, "killed while it is promoted"),
    ("cluster/encryption/rewrite", 1000, "killed while objects are written anew"),
    ("cp1/encryption/check", 1000, "killed while values are counted"),
    ("cp1/encryption/keep", 200, "killed in the second copy"),
    ("cp1/encryption/compact", 100, "killed in the compaction"),
    ("cp1/encryption/defragment", 100, "killed in the defragmentation"),
    ("cp1/encryption/drop", 1000, "killed while the old key is dropped"),
];
const STATUS_AFTER: &str = "cp1/encryption/promote";

fn cp1(s: &Stage, words: &[&str]) -> Ran {
    s.at("cp1", words).run()
}

fn holds_key(s: &Stage, key: &str) -> Ran {
    s.at("cp1", &["holds_key"]).input(key).run()
}

/// A key of the escrow.
fn escrowed(name: &str) -> String {
    format!("secrets/escrow/encryption.{name}.age")
}

/// Names another key in the cluster file, wherever it stands there.
fn ask_for(s: &Stage, now: &str, new: &str) -> Done {
    if s.read("cluster.yaml")?.contains("encryption: ") {
        return s.edit("cluster.yaml", &format!("key: {now},"), &format!("key: {new},"));
    }
    s.edit("cluster.yaml", "lab: true}", &format!("lab: true, encryption: {{provider: secretbox, key: {new}, resources: [secrets]}}}}"))
}

fn replaced(s: &Stage) -> Done {
    let (old, kept) = (cp1(s, &["encryption_key"]).answer()?, s.kept()?);
    let status = s.kubestead(&["status"]).run();
    let is_told = status.says("secrets written with secretbox key1 (").and(status.lacks(&old));
    s.claim("status tells the key and its fingerprint, and not the key", is_told);
    let traffic = Traffic::new(s)?;
    s.claim("six hundred Secrets that nobody touches again", traffic.make_still());
    s.claim("one of them may not be changed", traffic.make_immutable());
    s.claim("every Secret in etcd carries the old key", every_value(s, "secrets", "k8s:enc:secretbox:v1:key1:"));
    s.claim("the search can find the old key's values in etcd's file", file_holds(s, "k8s:enc:secretbox:v1:key1:"));
    s.claim("the old key lies on the control plane", holds_key(s, &old).ok());
    ask_for(s, "key1", "key2")?;
    let plan = || s.plan(&[]);
    s.claim("the plan shows all stages", s.eventually(60, || all_stages(&plan())));
    s.claim("and no key", plan().lacks(&old));

    traffic.begin()?;
    for (step, after, what) in KILLS {
        s.claim(what, s.kill_at(step, after));
        if step == STATUS_AFTER {
            s.claim("status tells how it stands", s.kubestead(&["status"]).run().says("; reads secretbox key"));
        }
    }
    s.claim("the next up finishes", s.kubestead(&["up"]).run().ok());
    let written = traffic.end()?;
    s.claim("no write and no read failed at any moment", written.no_errors());
    s.claim("no Secret is lost", traffic.none_lost(&written));
    s.claim("every Secret in etcd carries the new key", every_value(s, "secrets", "k8s:enc:secretbox:v1:key2:"));
    s.claim("a Secret is what it was", live(s, "kept", "word").and_then(|found| is(found == kept, || "it is another one".to_owned())));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("up changes nothing", s.kubestead(&["up"]).run().says("Nothing to do"));
    old_key_is_gone(s, &old);
    traffic.remove()
}

fn all_stages(plan: &Ran) -> Claim {
    KILLS.iter().try_for_each(|(step, ..)| plan.says(step)).and(plan.status(3))
}

fn old_key_is_gone(s: &Stage, old: &str) {
    let gone = holds_key(s, old).fails().and(cp1(s, &["one_key_alone"]).ok());
    s.claim("the old key is gone from the machine", gone);
    let size = std::fs::metadata(s.path(&escrowed("key1"))).map(|file| file.len()).map_err(|error| error.to_string());
    s.claim("and is in the escrow, for old copies", size.and_then(|size| is(size > 0, || "it is empty".to_owned())));
    s.claim("both copies of etcd are whole and closed", cp1(s, &["copies_are_whole", "before-key2.db", "with-key2.db"]).ok());
    s.claim("no old revision is left", cp1(s, &["etcd_revision", "/registry/secrets/traffic/still-1", "2"]).says("has been compacted"));
    s.claim("no value with the old key is left in etcd's file", file_lacks(s, "k8s:enc:secretbox:v1:key1:"));
}

/// The real age.
fn age(s: &Stage) -> Result<String, String> {
    std::env::var("AGE").or_else(|_| s.program("bash", &[&s.repository_word("scripts/age.sh")]).run().answer())
}

fn not_the_escrows(s: &Stage) -> Done {
    let now = cp1(s, &["encryption_key_name"]).answer()?;
    s.claim("somebody adds a key by hand", cp1(s, &["add_a_key", "key9"]).ok());
    let plan = s.plan(&[]);
    s.claim("it is held: the escrow does not have it", plan.status(4).and(plan.says("secretbox key9 of cp1 is not in the escrow")));
    cp1(s, &["put_the_key_file_back"]).ok()?;

    let (own, away) = (s.path(&escrowed(&now)), s.path("away"));
    let told = |error: std::io::Error| format!("{}: {error}", own.display());
    std::fs::rename(&own, &away).map_err(told)?;
    let up = s.kubestead(&["up"]).run();
    s.claim("a key that the escrow lost is asked for", up.status(4).and(up.says(&format!("restore encryption.{now}.age"))));

    let recipients = s.read("secrets/escrow/recipients")?;
    let recipient = recipients.lines().find(|line| line.starts_with("age1")).ok_or("the escrow has no recipient")?;
    // 32 bytes.
    let other = base64(&format!("{}-k", fresh_value()?));
    s.program(age(s)?, &["-r", recipient, "-o", &s.word(&escrowed(&now))]).input(other).run().ok()?;
    let file = s.read("cluster.yaml")?;
    ask_for(s, &now, "key8")?;
    let sum = || s.on("cp1", &["sha256sum", "/etc/kubernetes/enc/enc.yaml"]).run();
    let before = sum().answer()?;
    let up = s.kubestead(&["up"]).run();
    s.claim("another key under its name stops before anything is written", up.fails().and(up.says("is another key")));
    s.claim("the file is as it was", sum().is(&before));
    std::fs::rename(&away, &own).map_err(told)?;
    s.write("cluster.yaml", &file)?;
    s.claim("the plan is empty again", s.plan(&[]).status(0));
    Ok(())
}
