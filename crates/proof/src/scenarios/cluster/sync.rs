//! Volumes of two nodes that are kept the same, as the example has them, with Debian's unison in an image.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Call, Claim, Done, Stage, is};

use super::kubectl;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "volumes of two nodes are kept the same by rounds of the real unison, whose age status tells; an emptied one empties no other, and a hub that is killed comes back",
    shows: &["F12", "a volume that is kept the same"],
    fixture: Fixture::Cluster,
    leaves: Leaves::WornOut,
    limit: 1800,
    takes: 600,
    core: false,
    run: sync,
}];

const IMAGE: &str = "localhost/kubestead/sync:1";
/// The longest that two rounds of a minute each take on a busy computer.
const TWO_ROUNDS: u64 = 300;

fn web<'a>(s: &'a Stage, pod: &str, words: &[&str]) -> Call<'a> {
    kubectl(s, &[&["-n", "web", "exec", "-i", pod, "--"], words].concat())
}

/// How many of the thousand files are there.
fn many(s: &Stage, pod: &str, count: usize) -> Claim {
    let answer = web(s, pod, &["ls", "/files/many"]).run().answer()?;
    is(answer.lines().count() == count, || format!("{} files", answer.lines().count()))
}

fn says(s: &Stage, pod: &str, file: &str, words: &str) -> Claim {
    web(s, pod, &["cat", file]).run().is(words)
}

fn write(s: &Stage, pod: &str, file: &str, words: &str) -> Done {
    web(s, pod, &["dd", &format!("of={file}")]).input(words).run().ok()
}

/// The logs of the rounds that are kept.
fn rounds(s: &Stage) -> Call<'_> {
    kubectl(s, &["-n", "web", "logs", "-l", "sync.kubestead.io/end=web-1", "--tail=-1", "--prefix"])
}

fn consent(s: &Stage, word: &str) -> Claim {
    kubectl(s, &["-n", "web", "exec", "deploy/sync-web", "--", "bash", "/sync/consent.sh", word, "web-1"]).run().ok()
}

fn status(s: &Stage, words: &str) -> Claim {
    s.kubestead(&["status"]).run().says(words)
}

fn sync(s: &Stage) -> Done {
    files(s)?;
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    web(s, "web-0", &["sh"]).input(s.repository("crates/proof/src/scripts/sync/thousand.sh")?).run().ok()?;
    write(s, "web-0", "/files/a.lock", "excluded")?;
    s.claim("a thousand files of one node are on the other", s.eventually(TWO_ROUNDS, || many(s, "web-1", 1000)));
    s.claim("status tells how old the last good round is", s.eventually(60, || status(s, "web/sync-web-web-1: last good round")));
    s.claim("what is excluded is not there", web(s, "web-1", &["cat", "/files/a.lock"]).run().fails());
    let keys = kubectl(s, &["-n", "web", "get", "configmaps", "-o", "yaml"]).run();
    s.claim("no private key is in a ConfigMap", keys.lacks("PRIVATE KEY"));

    write(s, "web-1", "/files/both", "the older edit")?;
    write(s, "web-0", "/files/both", "the newer edit")?;
    web(s, "web-1", &["rm", "/files/many/1"]).run().ok()?;
    s.claim("of two edits the newer wins", s.eventually(TWO_ROUNDS, || says(s, "web-1", "/files/both", "the newer edit")));
    let lost = "/files/.kubestead-sync/lost/both";
    s.claim("and the other is kept", says(s, "web-1", lost, "the older edit").or(says(s, "web-0", lost, "the older edit")));
    s.claim("a deletion comes the other way", s.eventually(TWO_ROUNDS, || many(s, "web-0", 999)));

    kubectl(s, &["-n", "web", "delete", "pod", "-l", "sync.kubestead.io/end=hub", "--grace-period=0", "--force"]).run().ok()?;
    write(s, "web-0", "/files/after", "the hub was killed")?;
    s.claim("rounds go on after the hub was killed", s.eventually(TWO_ROUNDS, || says(s, "web-1", "/files/after", "the hub was killed")));

    web(s, "web-1", &["rm", "-r", "/files/many", "/files/both", "/files/after"]).run().ok()?;
    s.claim("a volume that was emptied is not synced", s.eventually(TWO_ROUNDS, || rounds(s).run().says("files and folders are gone")));
    s.claim("nothing is deleted on the other node", many(s, "web-0", 999));
    s.claim("status warns of it", s.eventually(TWO_ROUNDS, || status(s, "warned of after 90 s")));
    s.claim("with consent it is filled again", consent(s, "replaced").and_then(|()| s.eventually(TWO_ROUNDS, || many(s, "web-1", 999))));
    s.claim("and status is content", s.eventually(TWO_ROUNDS, || s.kubestead(&["status"]).run().lacks("warned of")));

    let file = s.read("cluster.yaml")?;
    s.write("cluster.yaml", file.split("services:\n").next().unwrap_or_default())?;
    s.claim("it leaves", s.kubestead(&["up"]).run().ok());
    let left = kubectl(s, &["-n", "web", "get", "cronjobs,deployments,services,configmaps,serviceaccounts", "-o", "name"]).run();
    s.claim("nothing of it is left", left.lacks("sync-web"));
    s.claim("and the files are", many(s, "web-1", 999));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

/// The example on smaller disks, with rounds each minute, a site that only sleeps, and keys of its own.
fn files(s: &Stage) -> Done {
    s.program("bash", &[&s.repository_word("crates/proof/src/scripts/sync/image.sh"), &s.word("image")]).run().ok()?;
    let image = s.word("image/image.tar");
    let bytes = std::fs::read(&image).map_err(|error| format!("{image}: {error}"))?;
    for node in ["kube1", "kube2"] {
        s.on(node, &["ctr", "-n", "k8s.io", "images", "import", "--local", "-"]).input(bytes.as_slice()).run().ok()?;
    }
    let example = s.repository("examples/sync/cluster.yaml")?;
    let section = example.split("\nmanifests:\n").nth(1).ok_or("the example has no manifests")?.to_owned();
    let section = section.replace("registry.example.org/sync:1", IMAGE);
    let mut section = section.replace("        exclude:", "        schedule: \"* * * * *\"\n        warnAfter: 90s\n        exclude:");
    for (end, name) in [("hub", "sync-web-hub"), ("web-1", "sync-web-web-1")] {
        s.program("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", end, "-f", &s.word(end)]).run().ok()?;
        let public = s.read(&format!("{end}.pub"))?;
        let begin = section.find("ssh-ed25519").and_then(|at| section[at..].find(&format!(" {end}}}")).map(|length| (at, at + length)));
        let (at, to) = begin.ok_or("the example has no such key")?;
        let key = public.split(' ').nth(1).ok_or("no key")?;
        // The word is put back below, when all keys are there.
        section.replace_range(at..to, &format!("SSH {key}"));
        let new = ["secret", "new", &format!("secrets/{name}.yaml"), "--namespace", "web", "--name", name, "--key", "ssh-privatekey"];
        s.kubestead(&new).input(s.read(end)?).run().ok()?;
    }
    let section = section.replace("SSH ", "ssh-ed25519 ");
    s.edit("cluster.yaml", "  share: {size: 100Mi}\n", "  share: {size: 100Mi}\n  web: {size: 300Mi}\n")?;
    let file = s.read("cluster.yaml")?;
    s.write("cluster.yaml", &format!("{file}manifests:\n{section}"))?;
    s.folder("manifests/web")?;
    let site = s.repository("examples/sync/manifests/web/web.yaml")?;
    let site = site.replace("docker.io/library/busybox:1.37", "localhost/kubestead/toolbox:1").replace("storage: 10Gi", "storage: 300Mi");
    s.write("manifests/web/web.yaml", &site.replace("[httpd, -f, -p, \"8080\", -h, /files]", "[sleep, \"1000000\"]"))
}
