//! Who may what, asked by the command.

use serde_json::Value;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Ran, Stage, is};

use super::kubectl;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "`kubestead access can-i` tells for each user what the API server tells itself, as a table, for one question, and about anybody",
    shows: &["F06"],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 300,
    takes: 30,
    core: true,
    run: can_i,
}];

const USER: &str = "system:serviceaccount:apps:apps-user";
/// What is asked: verb, kind, namespace; and whether the users' account may.
const RIGHTS: [(&str, &str, Option<&str>, bool); 10] = [
    ("create", "deployments.apps", Some("apps"), true),
    ("get", "secrets", Some("apps"), true),
    ("list", "nodes", None, true),
    ("list", "persistentvolumes", None, true),
    ("get", "storageclasses.storage.k8s.io", None, true),
    ("get", "secrets", Some("kube-system"), false),
    ("delete", "nodes", None, false),
    ("create", "clusterrolebindings.rbac.authorization.k8s.io", None, false),
    ("create", "pods", Some("default"), false),
    ("update", "resourcequotas", Some("apps"), false),
];

fn ask(s: &Stage, words: &[&str]) -> Ran {
    s.kubestead(&[&["access", "can-i"], words].concat()).run()
}

fn json(ran: &Ran) -> Result<Value, String> {
    serde_json::from_str(&ran.answer()?).map_err(|error| error.to_string())
}

/// The only answer to one question about somebody.
fn verdict(ran: &Ran, who: &str) -> Result<bool, String> {
    json(ran)?["rows"][0]["may"][who].as_bool().ok_or_else(|| format!("it tells nothing of {who}: {}", ran.said))
}

/// The command's answer and kubectl's own are what is expected.
fn both(s: &Stage, (verb, kind, place, may): &(&str, &str, Option<&str>, bool)) -> Claim {
    let namespace = place.map_or_else(Vec::new, |place| vec!["--namespace", place]);
    let ours = verdict(&ask(s, &[&[verb, kind, "--output", "json"], &namespace[..]].concat()), "apps-user")?;
    let asked = kubectl(s, &[&["auth", "can-i", "--as", USER, verb, kind], &namespace[..]].concat()).run();
    asked.says(if *may { "yes" } else { "no" })?;
    is(ours == *may, || format!("{verb} {kind} in {place:?}: it says {ours}"))
}

fn can_i(s: &Stage) -> Done {
    let table = ask(s, &[]);
    s.claim("without a question it is a table, with a column for the user", table.ok().and(table.says("apps-user")));
    s.claim("in it are what is theirs and what must not be", table.says("  yes").and(table.says("  no")));
    let whole = json(&ask(s, &["--output", "json"]))?;
    let rows = whole["rows"].as_array().map_or(0, Vec::len);
    s.claim("as JSON it is the same", is(rows > 20 && rows + 1 == table.text().lines().count(), || format!("{rows} rows\n{}", table.said)));
    for right @ (verb, kind, place, _) in &RIGHTS {
        let place = place.map_or_else(String::new, |place| format!(" in {place}"));
        s.claim(&format!("it and kubectl answer alike: {verb} {kind}{place}"), both(s, right));
    }
    let elsewhere = ["get", "secrets", "-n", "kube-system", "--output", "json"];
    let about = |more: &[&str], who: &str| verdict(&ask(s, &[&elsewhere[..], more].concat()), who);
    let nobody = about(&["--as", "jane"], "jane").and_then(|may| is(!may, || "jane may".to_owned()));
    s.claim("somebody whom no rule names may not", nobody);
    let masters = about(&["--as-group", "system:masters"], "system:masters").and_then(|may| is(may, || "they may not".to_owned()));
    s.claim("a group is asked about by its name", masters);
    let unknown = ask(s, &["get", "deploymints"]);
    s.claim("a kind that is not there is told so", unknown.status(2).and(unknown.says("the API server has no kind")));
    s.claim("whom a user's own token names is that account", whoami(s));
    Ok(())
}

/// What the API server says of whoever has the token that `kubestead credential` gives.
fn whoami(s: &Stage) -> Claim {
    let credential: Value = serde_json::from_str(&s.kubestead(&["credential", "apps-user"]).run().answer()?).map_err(|e| e.to_string())?;
    let token = credential["status"]["token"].as_str().ok_or("the credential has no token")?;
    s.at("cp1", &["whoami_by_token"]).input(token).run().is(USER)
}
