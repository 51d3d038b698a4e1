//! The database of the examples, on Debian's MariaDB: what is written goes to one pod, what is read to another.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Call, Claim, Done, Stage, fresh_value};

use super::kubectl;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "a database writes in one pod and is read in another, and loses no row that it has confirmed when it is killed or its machine loses power",
    shows: &["F39", "R1"],
    fixture: Fixture::Cluster,
    leaves: Leaves::WornOut,
    limit: 1800,
    takes: 200,
    core: false,
    run: database,
}];

const SECTION: &str = "manifests:\n  db: {path: manifests/db, variables: {WRITER: kube1, READERS: \"1\"}}\n";
const WRITER: &str = "db-primary-0";
const READER: &str = "db-secondary-0";

/// What a user of the database does in a pod of it.
fn load<'a>(s: &'a Stage, password: &str, pod: &str, words: &[&str]) -> Call<'a> {
    let all = [&["-n", "db", "exec", "-i", pod, "--", "load.sh"], words].concat();
    kubectl(s, &all).input(format!("{password}\n"))
}

/// How many rows are there, where writes or reads go.
fn rows(s: &Stage, password: &str, service: &str, count: &str) -> Claim {
    load(s, password, READER, &["count", service]).run().is(count)
}

fn database(s: &Stage) -> Done {
    files(s)?;
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    let password = fresh_value()?;
    let load = |pod: &str, words: &[&str]| load(s, &password, pod, words);
    let rows = |service: &str, count: &str| rows(s, &password, service, count);
    load(WRITER, &["make"]).run().ok()?;
    s.claim(
        "a user that the writer made is one of the reader's",
        s.eventually(60, || load(READER, &["count", "db-secondary.db"]).run().is("0")),
    );
    s.claim("a thousand rows are written from the reader's pod", load(READER, &["write", "1", "1000"]).run().ok());
    s.claim("by one pod", load(READER, &["writers"]).run().is(WRITER));
    s.claim("what is written goes to it alone", load(READER, &["who", "db-primary"]).run().is(WRITER));
    s.claim("what is read to the other alone", load(WRITER, &["who", "db-secondary"]).run().is(READER));
    s.claim("where all rows come", s.eventually(60, || rows("db-secondary.db", "1000")));
    s.claim("and none can be written", load(WRITER, &["refused"]).run().ok());

    let endpoints =
        || kubectl(s, &["-n", "db", "get", "endpoints", "db-secondary", "-o", "jsonpath={.subsets[*].addresses[*].targetRef.name}"]).run();
    load(READER, &["follow", "STOP"]).run().ok()?;
    s.claim("a reader that follows nobody is not read from", s.eventually(120, || endpoints().is("")));
    load(READER, &["follow", "START"]).run().ok()?;
    s.claim("one that follows again is", s.eventually(120, || endpoints().is(READER)));

    let writes = load(READER, &["insist", "1001", "1200"]).start()?;
    s.claim(
        "some of them are there",
        s.eventually(60, || load(READER, &["count", "db-primary.db"]).run().answer().and_then(|count| more(&count, 1010))),
    );
    s.on("kube1", &["pkill", "-9", "-x", "mariadbd"]).run().ok()?;
    s.claim("writes go on after the writer was killed", writes.ended().ok());
    s.claim("no row that it had confirmed is lost", rows("db-primary.db", "1200"));

    s.claim("the writer's machine loses power", s.kubestead(&["lab", "kill", "kube1"]).run().ok());
    s.kubestead(&["lab", "start", "kube1"]).run().ok()?;
    s.claim("writes go on when it is back", s.eventually(300, || load(READER, &["insist", "1201", "1210"]).run().ok()));
    s.claim("all rows are there", rows("db-primary.db", "1210"));
    s.claim("the reader has them too", s.eventually(120, || rows("db-secondary.db", "1210")));
    s.claim("up has nothing to do", s.eventually(180, || s.plan(&[]).status(0)));
    Ok(())
}

fn more(count: &str, least: u32) -> Claim {
    if count.parse::<u32>().is_ok_and(|count| count > least) { Ok(()) } else { Err(format!("{count} rows")) }
}

/// The example, with less memory and smaller disks, and its image on the machines that may run it; the passwords as its page says.
fn files(s: &Stage) -> Done {
    let (image, script) = (s.word("mariadb.tar"), s.repository_word("crates/proof/src/scripts/mariadb/image.sh"));
    s.program("bash", &[&script, &image]).run().ok()?;
    let bytes = std::fs::read(&image).map_err(|error| format!("{image}: {error}"))?;
    for node in ["kube1", "kube2"] {
        s.on(node, &["ctr", "-n", "k8s.io", "images", "import", "--local", "-"]).input(bytes.as_slice()).run().ok()?;
    }
    s.edit("cluster.yaml", "  share: {size: 100Mi}\n", "  share: {size: 100Mi}\n  mariadb: {size: 600Mi}\n")?;
    let file = s.read("cluster.yaml")?;
    s.write("cluster.yaml", &format!("{file}{SECTION}"))?;
    s.folder("manifests/db")?;
    let manifests = s.repository("examples/mariadb/manifests/db/db.yaml")?;
    s.write("manifests/db/db.yaml", &manifests.replace("memory: 512Mi", "memory: 128Mi").replace("storage: 20Gi", "storage: 600Mi"))?;
    let new = ["secret", "new", "secrets/db.yaml", "--namespace", "db", "--key", "root-password", "--chomp"];
    s.kubestead(&new).input(fresh_value()? + "\n").run().ok()?;
    let set = ["secret", "set", "secrets/db.yaml", "stringData/replication-password", "--chomp"];
    s.kubestead(&set).input(fresh_value()? + "\n").run().ok()
}
