//! A registry of one's own: its certificate is of an authority that no machine knows, and it asks for a login.

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Stage, fresh_value, is};

use super::cluster::{kubectl, ready};
use super::node;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "pods run from a registry with an authority of its own that asks for a login, and the login is on no disk of the node",
    &["F18", "R1", "R3", "a login of a registry is on no node's disk", "of the account that all pods have which name none"],
    (260, 2400),
    registry,
)];

/// The registry as images name it, and one that it is a mirror of, which is nowhere.
const HOST: &str = "10.77.0.5:5000";
const MIRRORED: &str = "images.example.com";
const SERVER: &str = include_str!("../scripts/registry.py");
const PAUSE: &str = "registry.k8s.io/pause:";
const ROBOT: &str = "robot";

fn registry(s: &Stage) -> Done {
    s.claim("lab up", node::lab(s, false, false));
    s.equip("masterlock")?;
    let bundle = s.kubestead(&["lab", "build"]).run().answer()?;
    let kubernetes = format!("version: 1.37.1, bundle: {bundle}, lab: true");
    s.write("cluster.yaml", &format!("{}namespace: {{name: apps}}\n", node::file(s, &kubernetes)))?;
    s.claim("a cluster without it", s.kubestead(&["up"]).run().ok());
    let password = fresh_value()?;
    serve(s, &password)?;
    s.claim("the node cannot pull from it", pod(s, "before", HOST).and(s.eventually(60, || told(s, "before", "unknown authority"))));
    gone(s, "before")?;
    the_file(s, &kubernetes, &password)?;
    pulled(s);
    nowhere(s, &password)?;
    s.claim("down leaves no process", s.down());
    Ok(())
}

/// The authority, the server's certificate, and an image of the node's own.
fn serve(s: &Stage, password: &str) -> Done {
    let openssl = |words: &[&str]| s.program("openssl", words).run().ok();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    let path = |name: &str| s.word(name);
    openssl(&[&["req", "-x509", "-subj", "/CN=our own", "-keyout", &path("ca.key"), "-out", &path("ca.crt")], &key[..]].concat())?;
    let server = [
        "req",
        "-x509",
        "-subj",
        "/CN=registry",
        "-addext",
        "subjectAltName=IP:10.77.0.5",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    let signed = ["-CA", &path("ca.crt"), "-CAkey", &path("ca.key"), "-keyout", &path("server.key"), "-out", &path("server.crt")];
    openssl(&[&server[..], &signed, &key].concat())?;
    let layout = s.at("cp1", &["layout", PAUSE]).run().answer()?;
    s.at("masterlock", &["put_layout"]).input(layout).run().ok()?;
    let put =
        |name: &str, bytes: &[u8]| s.on("masterlock", &["dd", &format!("of=/run/registry/{name}"), "status=none"]).input(bytes).run().ok();
    for name in ["ca.crt", "server.crt", "server.key"] {
        put(name, s.read(name)?.as_bytes())?;
    }
    put("registry.py", SERVER.as_bytes())?;
    put("login", format!("{ROBOT}:{password}").as_bytes())?;
    s.at("masterlock", &["registry"]).run().ok()
}

/// A pod of the account that pods have which name none.
fn pod(s: &Stage, name: &str, host: &str) -> Claim {
    kubectl(s, &["-n", "apps", "run", name, "--image", &format!("{host}/own/{name}:1"), "--restart", "Never"]).run().ok()
}

fn gone(s: &Stage, name: &str) -> Claim {
    kubectl(s, &["-n", "apps", "delete", "pod", name, "--now"]).run().ok()
}

/// What the events of a pod say.
fn told(s: &Stage, name: &str, words: &str) -> Claim {
    kubectl(
        s,
        &["-n", "apps", "get", "events", "--field-selector", &format!("involvedObject.name={name}"), "-o", "jsonpath={.items[*].message}"],
    )
    .run()
    .says(words)
}

fn runs(s: &Stage, name: &str) -> Claim {
    let phase = || kubectl(s, &["-n", "apps", "get", "pod", name, "-o", "jsonpath={.status.phase}"]).run();
    let events = || kubectl(s, &["-n", "apps", "describe", "pod", name]).run().text();
    s.eventually(120, || phase().is("Running")).map_err(|error| format!("{error}\n{}", events()))
}

fn the_file(s: &Stage, kubernetes: &str, password: &str) -> Done {
    let registries = format!(
        "registries: {{'{HOST}': {{ca: ca.crt, credentials: own}}, {MIRRORED}: {{mirrors: ['https://{HOST}'], credentials: own}}}}"
    );
    s.edit("cluster.yaml", kubernetes, &format!("{kubernetes}, {registries}"))?;
    let check = s.kubestead(&["check"]).run();
    s.claim("a login without its Secret is a mistake", check.status(2).and(check.says("no file that can be read has the Secret apps/own")));
    s.kubestead(&["secret", "init"]).run().ok()?;
    let one = |host: &str| format!("\"{host}\":{{\"username\":\"{ROBOT}\",\"password\":\"{password}\"}}");
    let value = format!("{{\"auths\":{{{},{}}}}}", one(HOST), one(MIRRORED));
    let new = ["secret", "new", &s.word("secrets/own.yaml"), "--name", "own", "--namespace", "apps"];
    let kind = ["--type", "kubernetes.io/dockerconfigjson", "--key", ".dockerconfigjson"];
    s.kubestead(&[&new[..], &kind].concat()).input(value).run().ok()?;
    let key = s.read("ca.key")?;
    let good = s.read("ca.crt")?;
    s.write("ca.crt", &format!("{good}{key}"))?;
    let check = s.kubestead(&["check"]).run();
    s.claim("a private key beside the authority is refused by its line", check.status(2).and(check.says("it holds a private key")));
    s.write("ca.crt", &good)?;
    s.claim("now there is no mistake", s.kubestead(&["check"]).run().ok());
    let plan = s.plan(&["--diff"]);
    s.claim(
        "the plan shows the files, and no login",
        plan.status(3).and(plan.says("certs.d/10.77.0.5:5000/ca.crt")).and(plan.lacks(password)),
    );
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the node is Ready", s.eventually(120, || ready(s, &["cp1"])));
    s.claim("the plan is empty", s.eventually(120, || s.plan(&[]).status(0)));
    s.claim("up changes nothing", s.kubestead(&["up"]).run().says("Nothing to do"));
    Ok(())
}

fn pulled(s: &Stage) {
    s.claim("a pod runs from it", pod(s, "own", HOST).and(runs(s, "own")));
    s.claim("as whoever has the login", s.at("masterlock", &["asked", "/v2/own/own/manifests/1 200"]).run().ok());
    // The node has room for one of them.
    s.claim("it goes", gone(s, "own"));
    s.claim("and one of a registry that it is a mirror of", pod(s, "mirrored", MIRRORED).and(runs(s, "mirrored")));
    s.claim("through the mirror", s.at("masterlock", &["asked", "/v2/own/mirrored/manifests/1"]).run().ok());
    let account =
        kubectl(s, &["-n", "apps", "get", "serviceaccount", "default", "-o", "jsonpath={.imagePullSecrets[*].name} {.metadata.labels}"])
            .run();
    s.claim(
        "the account of all pods has the name of the Secret, and no label of ours",
        account.says("own").and(account.lacks("managed-by")),
    );
    let other = kubectl(s, &["-n", "default", "run", "other", "--image", &format!("{HOST}/own/other:1"), "--restart", "Never"]).run();
    let refused = || {
        kubectl(s, &["-n", "default", "get", "pod", "other", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}"]).run()
    };
    s.claim(
        "another namespace pulls nothing with it",
        other.ok().and(s.eventually(60, || refused().says("ImagePull").or_else(|_| refused().says("ErrImage")))),
    );
}

/// The login is nowhere on the node but in the memory of what uses it.
fn nowhere(s: &Stage, password: &str) -> Done {
    let found = s.at("cp1", &["files_with_login"]).input(format!("{ROBOT}:{password}")).run().answer()?;
    s.claim("no file of the node holds the login", is(found.is_empty(), || found.clone()));
    let journal = s.on("cp1", &["journalctl", "--no-pager"]).run();
    s.claim("nor its journal", journal.lacks(password));
    let texts = [s.plan(&["--output", "json"]), s.kubestead(&["status", "--output", "json"]).run()].map(|ran| ran.said).concat();
    s.claim("nor plan and status", is(!texts.contains(password), || "it is shown".to_owned()));
    let before = kubectl(s, &["-n", "apps", "get", "serviceaccount", "default", "-o", "jsonpath={.metadata.uid}"]).run().answer()?;
    s.edit("cluster.yaml", ", credentials: own", "")?;
    s.remove("secrets/own.yaml")?;
    let up = s.kubestead(&["up", "--yes", "cluster/secret.apps.own/delete"]).run();
    s.claim("taken out of the file, the Secret goes by consent", up.ok());
    let after = kubectl(s, &["-n", "apps", "get", "serviceaccount", "default", "-o", "jsonpath={.metadata.uid}"]).run();
    s.claim("and the account of all pods stays the one that it was", after.is(&before));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}
