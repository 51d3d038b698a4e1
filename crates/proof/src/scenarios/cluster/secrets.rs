//! Secrets of sops files in a cluster.

use base64::Engine;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, fresh_value, is};

use super::{consent, kubectl};

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a Secret of a sops file reaches the cluster to the byte, and its value leaves no trace anywhere else",
        shows: &["F08", "F09", "R3", "R5", "a value of a Secret is in no plan"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 900,
        takes: 130,
        core: true,
        run: exact,
    },
    Scenario {
        name: "a Secret that somebody changed, made or left behind is told, and touched by consent alone",
        shows: &["F08", "F29", "R1", "a Secret that kubestead did not make"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 1200,
        takes: 130,
        core: false,
        run: consented,
    },
];

/// The encoding of Secrets' values in the API.
pub(super) fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The value in the cluster.
pub(super) fn live(s: &Stage, name: &str, key: &str) -> Result<String, String> {
    let encoded = kubectl(s, &["-n", "apps", "get", "secret", name, "-o", &format!("jsonpath={{.data.{key}}}")]).run().answer()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(&encoded).map_err(|error| format!("{name}/{key}: {error}"))?;
    String::from_utf8(bytes).map_err(|error| format!("{name}/{key}: {error}"))
}

fn lives(s: &Stage, name: &str, key: &str, value: &str) -> Claim {
    live(s, name, key).and_then(|found| is(found == value, || format!("{name}/{key} is {found:?}, and not {value:?}")))
}

fn version(s: &Stage, name: &str) -> Result<String, String> {
    kubectl(s, &["-n", "apps", "get", "secret", name, "-o", "jsonpath={.metadata.resourceVersion}"]).run().answer()
}

fn is_version(s: &Stage, name: &str, before: &str) -> Claim {
    version(s, name).and_then(|now| is(now == before, || format!("{name} was {before}, and is {now}")))
}

/// Plan, diff and status, in which no value and nothing of a file's ciphertext is.
fn shown(s: &Stage) -> String {
    let runs = [s.plan(&["--diff"]), s.plan(&["--output", "json"]), s.kubestead(&["status", "--output", "json"]).run()];
    runs.map(|ran| ran.said).concat()
}

fn shows_no_value(shown: &str, value: &str) -> Claim {
    let bad = [value, &base64(value), "ENC["].into_iter().any(|text| shown.contains(text));
    is(shown.contains("secret.apps.db") && !bad, || "a value is shown, or the Secret is not in what was asked for".to_owned())
}

/// All that a value may be: as it is, and as it is encoded.
fn forms(value: &str) -> String {
    format!("{value}\n{}\n", base64(value))
}

fn exact(s: &Stage) -> Done {
    let recipients = s.read("secrets/escrow/recipients")?;
    let recipient = recipients.lines().find(|line| line.starts_with("age1")).ok_or("the escrow has no recipient")?;
    let value = fresh_value()?;
    // What a shell or a template would read on the way.
    let password = format!("{value} {d}HOME {d}{{USER}} `id`\n", d = '$');
    s.secret("db", "db.yaml", &[("password", &password), ("user", "admin")])?;
    s.secret("other", "deep/other.yaml", &[("word", "other")])?;
    let check = s.kubestead(&["check"]).setting("KUBESTEAD_AGE_KEY_FILE", "/none").run();
    s.claim("check reads the folder without a key", check.ok());
    s.claim("the plan names the values", s.plan(&[]).says("make Secret apps/db from db.yaml, with the values password, user"));
    let first = shown(s);
    s.claim("and shows none", shows_no_value(&first, &value));
    let up = s.kubestead(&["up"]).without("XDG_CONFIG_HOME").setting("KUBESTEAD_AGE_KEY_FILE", "/none").setting("HOME", "/none");
    let nobody = up.run();
    s.claim("without an identity up says who could", nobody.fails().and(nobody.says(recipient)));
    s.claim("and where it looked", nobody.says("/none/.config/sops/age/keys.txt (not there)"));
    let up = s.kubestead(&["up"]).run();
    s.claim("up", up.ok());
    s.claim("the value is there to the byte", lives(s, "db", "password", &password));
    let encrypted = s.at("cp1", &["etcd_encrypted", "/registry/secrets/apps/db"]).input(forms(&value)).run();
    s.claim("etcd holds it as ciphertext", encrypted.ok());
    s.claim("no annotation holds it", s.at("cp1", &["digest_without_values", "db"]).run().ok());
    let (before, kept) = (version(s, "db")?, version(s, "other")?);
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("up changes nothing", s.kubestead(&["up"]).run().says("Nothing to do"));
    s.claim("the object is the same", is_version(s, "db", &before));

    let db = s.word("secrets/db.yaml");
    s.kubestead(&["secret", "set", &db, "stringData/user"]).input("root").run().ok()?;
    s.claim("after an edit one is to do", s.plan(&[]).says("1 to do, 0 held"));
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("it has the new value", lives(s, "db", "user", "root"));
    s.claim("the other was not touched", is_version(s, "other", &kept));

    // Copies of values in an annotation, as `kubectl apply` leaves them.
    s.at("cp1", &["applied_by_hand", "db"]).run().ok()?;
    s.claim("a copy of values in an annotation is told", s.plan(&[]).says("left a copy of its values in an annotation"));
    let second = shown(s);
    s.claim("and shown by nobody", shows_no_value(&second, &value));
    s.claim("it is taken away", s.kubestead(&["up"]).run().ok());
    s.claim("it is gone", s.at("cp1", &["has_last_applied", "db"]).run().fails());
    s.claim("the plan is empty", s.plan(&[]).status(0));

    // Where the value must not be: the journal, what the runs said, and the control plane's logs, files and command lines.
    let said = [first, second, up.said].concat();
    s.claim("the value left no trace", is(!traces(s, &value, &said)?, || "it is somewhere that is looked at".to_owned()));
    s.on("cp1", &["tee", "/run/proof"]).input(value.as_str()).run().ok()?;
    s.claim("the search can find one", is(traces(s, &value, "")?, || "it does not see a file with the value in it".to_owned()));
    s.on("cp1", &["rm", "/run/proof"]).run().ok()?;
    leave(s, &["db", "other"], &["db.yaml", "deep/other.yaml"])
}

fn traces(s: &Stage, value: &str, said: &str) -> Result<bool, String> {
    let forms = forms(value);
    let journal = s.read("state/kubestead/home.jsonl")?;
    let files = s.program("grep", &["-rqaF", "-f", "-", &s.word("secrets"), &s.word("state")]).input(forms.as_str()).run();
    let there = s.at("cp1", &["traces"]).input(forms.as_str()).run();
    Ok(forms.lines().any(|form| said.contains(form) || journal.contains(form)) || files.status == Some(0) || there.status == Some(0))
}

/// Takes Secrets away again, with the files that they come from.
fn leave(s: &Stage, names: &[&str], files: &[&str]) -> Done {
    for file in files {
        s.remove(&format!("secrets/{file}"))?;
    }
    let consents: Vec<String> = names.iter().map(|name| format!("cluster/secret.apps.{name}/delete")).collect();
    let words: Vec<&str> = ["up"].into_iter().chain(consents.iter().flat_map(|consent| ["--yes", consent.as_str()])).collect();
    s.kubestead(&words).run().ok()
}

fn consented(s: &Stage) -> Done {
    s.secret("db", "db.yaml", &[("user", "root")])?;
    s.kubestead(&["up"]).run().ok()?;
    kubectl(s, &["-n", "apps", "patch", "secret", "db", "-p", "{\"stringData\":{\"user\":\"mallory\"}}"]).run().ok()?;
    s.claim("what was changed by hand is told, with who did it", s.plan(&[]).says("user was set by kubectl-patch"));
    s.claim("in the status too", s.kubestead(&["status"]).run().says("1 in sync, 1 changed, 0 missing, 0 orphaned"));
    s.claim("up leaves it without consent", s.kubestead(&["up"]).run().status(4));
    s.claim("it is as it was set by hand", lives(s, "db", "user", "mallory"));
    let overwrite = consent(&s.plan(&[]).said, "/overwrite")?;
    s.claim("the consent has its name", is(overwrite == "cluster/secret.apps.db/overwrite", || overwrite.clone()));
    s.claim("with consent it is overwritten", s.kubestead(&["up", "--yes", &overwrite]).run().ok());
    s.claim("it is as the file says", lives(s, "db", "user", "root"));
    s.claim("the plan is empty", s.plan(&[]).status(0));

    let theirs = ["--from-literal=word=theirs", "--from-literal=more=theirs"];
    kubectl(s, &["-n", "apps", "create", "secret", "generic", "theirs", theirs[0], theirs[1]]).run().ok()?;
    s.secret("theirs", "theirs.yaml", &[("word", "ours")])?;
    let plan = s.plan(&[]);
    s.claim("one that is not ours is told", plan.says("take over Secret apps/theirs, which kubestead did not make"));
    s.claim("up leaves it without consent", s.kubestead(&["up"]).run().status(4));
    s.claim("it is as it was", lives(s, "theirs", "word", "theirs"));
    let up = s.kubestead(&["up", "--yes", "cluster/secret.apps.theirs/adopt"]).run();
    s.claim("with consent it is taken over", up.ok());
    let both = lives(s, "theirs", "word", "ours").and(lives(s, "theirs", "more", "theirs"));
    s.claim("our value is ours, and the other one theirs", both);

    s.remove("secrets/theirs.yaml")?;
    let plan = s.plan(&[]);
    s.claim("what left the files is told", plan.says("delete Secret apps/theirs, which is in no file any more"));
    s.claim("up leaves it without consent", s.kubestead(&["up"]).run().status(4));
    s.claim("it is still there", lives(s, "theirs", "word", "ours"));
    let up = s.kubestead(&["up", "--yes", "cluster/secret.apps.theirs/delete"]).run();
    s.claim("with consent it goes", up.ok());
    s.claim("it is gone", kubectl(s, &["-n", "apps", "get", "secret", "theirs"]).run().fails());

    let clear = "apiVersion: v1\nkind: Secret\nmetadata: {name: clear, namespace: apps}\nstringData: {a: b}\n";
    s.write("secrets/clear.yaml", clear)?;
    let up = s.kubestead(&["up"]).run();
    let stopped = up.fails().and(up.says("clear.yaml:4:17: error: a Secret that is not encrypted"));
    s.claim("a Secret in the clear stops all", stopped);
    s.remove("secrets/clear.yaml")?;

    s.secret("nowhere", "nowhere.yaml", &[("a", "b")])?;
    s.edit("secrets/nowhere.yaml", "namespace: apps", "namespace: nowhere")?;
    let plan = s.plan(&[]);
    s.claim("a namespace that is not there is held", plan.status(4).and(plan.says("there is no namespace nowhere")));
    s.remove("secrets/nowhere.yaml")?;
    s.claim("the plan is empty", s.plan(&[]).status(0));
    leave(s, &["db"], &["db.yaml"])
}
