//! Packages as the source of Kubernetes' programs, from an apt repository of the lab: signed, at exact versions, held.

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Stage, all, is};

use super::cluster::ready;
use super::{node, official};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "Kubernetes comes from a signed apt repository at exact versions, held, beside what somebody else put there",
    &[
        "F16",
        "F44",
        "F46",
        "R1",
        "R4",
        "a package of Kubernetes that is there at another version",
        "a unit that somebody wrote to turn swap on",
        "a file or program that kubestead did not write",
        "no plan promises what a guard refuses",
    ],
    (350, 2400),
    packages,
)];

const REPOSITORY: &str = "http://packages.lab/core:/stable:/v1.37/deb";
/// What somebody else put in the places of ours.
const THEIRS: [&str; 2] = ["/etc/containerd/config.toml", "/etc/systemd/system/containerd.service"];

fn packages(s: &Stage) -> Done {
    s.claim("lab up", node::lab(s, false, false));
    let bundle = the_file(s)?;
    somebody_elses(s)?;
    let sums = sums(s, "")?;
    not_taken(s, &bundle)?;
    in_the_middle(s, &sums);
    other_than_it_should_be(s)?;
    s.claim("reboot", s.kubestead(&["lab", "reboot", "cp1"]).run().ok());
    s.claim("the node is Ready", s.eventually(240, || ready(s, &["cp1"])));
    s.claim("the plan is empty", s.eventually(180, || s.plan(&[]).status(0)));
    s.claim("no swap came back, and packets are forwarded", cp1(s, &["no_swap_and_forwarding"]));
    without_a_bundle(s);
    s.claim("the cluster goes", s.kubestead(&["reset", "--yes-reset", "home"]).run().ok());
    s.claim("packages stay, held", three_held(s));
    s.claim("down leaves no process", s.down());
    Ok(())
}

/// A function for machines.
fn cp1(s: &Stage, words: &[&str]) -> Claim {
    s.at("cp1", words).run().ok()
}

/// A program of the machine.
fn run(s: &Stage, words: &[&str]) -> Done {
    s.on("cp1", words).run().ok()
}

fn held(s: &Stage, options: &[&str], why: &str) -> Claim {
    let plan = s.plan(options);
    plan.status(4).and(plan.says(why))
}

/// The file of `examples/packages`, with the lab's bundle, whose folder is the answer.
fn the_file(s: &Stage) -> Result<String, String> {
    let bundle = s.kubestead(&["lab", "build"]).run().answer()?;
    s.write("cluster.yaml", &s.repository("examples/packages/cluster.yaml")?)?;
    s.edit("cluster.yaml", "ssh: {user: root}", &format!("ssh: {{config: {}}}", s.word("labs/lab/ssh_config")))?;
    s.edit("cluster.yaml", "\n  bundle: bundle", &format!("\n  bundle: {bundle}"))?;
    s.claim("a keyring that is not there is named", held(s, &[], "kubernetes.asc"));
    let get = |path: &str| s.on("cp1", &["curl", "-fs", "--path-as-is", path]).run();
    let key = get(&format!("{REPOSITORY}/Release.key"));
    s.claim("the lab serves the repository's key", key.ok());
    s.write("kubernetes.asc", &format!("{}\n", key.text()))?;
    let outside = ["http://packages.lab/../kernel.json", "http://packages.lab/core:/../../bundle.json"];
    s.claim("and nothing beside it", all(outside, |address| get(address).fails()));
    let plan = s.plan(&[]);
    s.claim("the plan names the repository", plan.status(3).and(plan.says(&format!("the apt repository {REPOSITORY}"))));
    let lines = s.read("cluster.yaml")?;
    let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("  bundle:")).collect();
    s.write("alone.yaml", &format!("{}\n", lines.join("\n")))?;
    s.claim("without a bundle the machine's containerd is asked for", held(s, &["-f", "alone.yaml"], "containerd is missing"));
    Ok(bundle)
}

/// A runtime, units, settings and swap of somebody else.
fn somebody_elses(s: &Stage) -> Done {
    cp1(s, &["somebody_elses_software"])?;
    cp1(s, &["somebody_elses_swap"])?;
    s.claim("there are three sources of swap", s.at("cp1", &["sources_of_swap"]).run().is("3"));
    let unit = held(s, &[], "systemctl disable --now own-swap.service");
    s.claim("a unit of their own that turns swap on is held, with what to type", unit);
    run(s, &["systemctl", "disable", "-q", "--now", "own-swap.service"])?;
    let plan = s.plan(&[]);
    let sources = "/srv/fstab.swap (/etc/fstab, whose line becomes a comment); zramswap.service (/";
    s.claim("swap goes, and each source is named", plan.says(sources));
    s.claim("the plan asks for each of their files", all(THEIRS, |path| plan.says(&format!("needs your consent: --yes cp1{path}/adopt"))));
    let runtimes = "runtimes.kata]; runtimes of your own belong in /etc/containerd/conf.d";
    s.claim("and names their runtime and where it belongs", plan.says(runtimes));
    Ok(())
}

/// The sums of what somebody else put there, or of the copies of it with this end of the name.
fn sums(s: &Stage, end: &str) -> Result<Vec<String>, String> {
    let paths = THEIRS.map(|path| format!("{path}{end}"));
    let answer = s.on("cp1", &["sha256sum", &paths[0], &paths[1]]).run().answer()?;
    Ok(answer.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect())
}

fn as_they_were(s: &Stage, before: &[String], end: &str) -> Claim {
    sums(s, end).and_then(|now| is(now == before, || format!("{now:?}, and {before:?} before")))
}

fn installed(s: &Stage) -> Result<Vec<String>, String> {
    s.at("cp1", &["official"]).run().answer().map(|text| text.lines().map(str::to_owned).collect())
}

fn three_held(s: &Stage) -> Claim {
    let wanted = ["kubeadm", "kubectl", "kubelet"].map(|name| format!("hold installed {name} 1.37.1-1.1"));
    installed(s).and_then(|found| is(found == wanted, || format!("{found:?}")))
}

/// What is not signed by the key, and a version that is not there.
fn not_taken(s: &Stage, bundle: &str) -> Done {
    let file = s.read("cluster.yaml")?;
    let with = |name: &str, from: &str, to: &str| {
        if file.contains(from) { s.write(name, &file.replace(from, to)) } else { Err(format!("the file does not have \"{from}\"")) }
    };
    let refused = |name: &str, why: &str| {
        let up = s.kubestead(&["up", "-f", name]).run();
        up.fails().and(up.says(why))
    };
    official::keyring(s)?;
    official::gpg(s, &["--quick-generate-key", "other", "ed25519", "sign", "never"]).ok()?;
    official::gpg(s, &["--armor", "--output", &s.word("other.asc"), "--export"]).ok()?;
    with("other.yaml", "kubernetes.asc", "other.asc")?;
    s.claim("another key", refused("other.yaml", "NO_PUBKEY"));
    with("unsigned.yaml", "core:/stable:", "core:/unsigned:")?;
    s.claim("no signature", refused("unsigned.yaml", "is not signed"));
    next_version(s, bundle, &file)?;
    s.claim("a version that the repository does not have", refused("next.yaml", "which has: 1.37.1-1.1"));
    s.claim("nothing was installed", installed(s).and_then(|found| is(found.is_empty(), || format!("{found:?}"))));
    Ok(())
}

/// A file of another version, with a bundle of it: the lab's, which calls itself so.
fn next_version(s: &Stage, bundle: &str, file: &str) -> Done {
    s.program("cp", &["-rl", bundle, &s.word("next")]).run().ok()?;
    let text = s.read("next/bundle.json")?;
    // The lab's own is another link to it.
    s.remove("next/bundle.json")?;
    s.write("next/bundle.json", &text.replace("\"kubernetes\": \"1.37.1\"", "\"kubernetes\": \"1.37.9\""))?;
    s.write("next.yaml", &file.replace(bundle, &s.word("next")).replace("1.37.1", "1.37.9"))
}

/// Begins `up`, waits until dpkg unpacks on the node, acts, and kills `up` with SIGKILL.
fn while_unpacking(s: &Stage, act: impl FnOnce() -> Claim) -> Claim {
    let up = s.kubestead(&["up"]).start()?;
    let seen = cp1(s, &["until_unpacking"]);
    let acted = act();
    up.kill()?;
    seen.and(acted)
}

/// A power cut, and a kill of `up`, in the middle of the installation.
fn in_the_middle(s: &Stage, before: &[String]) {
    let power = |verb: &str| s.kubestead(&["lab", verb, "cp1"]).run().ok();
    s.claim("the power is cut while dpkg unpacks", while_unpacking(s, || power("kill")));
    s.claim("power back", power("start"));
    s.claim("up is killed while dpkg unpacks", while_unpacking(s, || Ok(())));
    s.claim("what somebody else put there is as it was", as_they_were(s, before, ""));
    let consents = THEIRS.map(|path| format!("cp1{path}/adopt"));
    let up = s.kubestead(&["up", "--yes", &consents[0], "--yes", &consents[1]]).run();
    s.claim("the next up finishes, with consent to take it over", up.ok());
    s.claim("a copy of each is kept", as_they_were(s, before, ".before-kubestead"));
    s.claim("none of it is in use", cp1(s, &["none_of_theirs_in_use"]));
    s.claim("there is no swap, and packets of pods are forwarded", cp1(s, &["no_swap_and_forwarding"]));
    s.claim("the line of fstab is a comment, and a copy is kept", cp1(s, &["fstab_without_swap"]));
    s.claim("the node is Ready", s.eventually(240, || ready(s, &["cp1"])));
    s.claim("all three are installed at the version and held", three_held(s));
    s.claim("and nothing is left half done", cp1(s, &["nothing_half_done"]));
    s.claim("the packages' own programs and units run", cp1(s, &["packages_own_programs_run"]));
    s.claim("their CNI plugins too", cp1(s, &["packages_own_plugins"]));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("up changes nothing", s.kubestead(&["up"]).run().says("Nothing to do"));
}

fn other_than_it_should_be(s: &Stage) -> Done {
    run(s, &["apt-mark", "unhold", "kubelet"])?;
    let plan = s.plan(&[]);
    s.claim("what is no longer held", plan.status(3).and(plan.says("cp1/packages/install")));
    s.claim("is held again", s.kubestead(&["up"]).run().ok());
    s.claim("all are", three_held(s));
    let other = held(s, &["-f", "next.yaml"], "the cluster runs 1.37.1 (API server), and the file says 1.37.9");
    s.claim("another version is held, not changed", other);
    cp1(s, &["second_source", REPOSITORY])?;
    s.claim("a second source of the repository", held(s, &[], "/etc/apt/sources.list.d/other.list names the repository"));
    run(s, &["rm", "/etc/apt/sources.list.d/other.list"])?;
    run(s, &["ln", "-s", "/bin/true", "/usr/local/bin/kubelet"])?;
    s.claim("a program that hides the package's", held(s, &[], "rm /usr/local/bin/kubelet"));
    run(s, &["rm", "/usr/local/bin/kubelet"])?;
    s.claim("the plan is empty again", s.plan(&[]).status(0));
    Ok(())
}

/// On the containerd and the images that are there.
fn without_a_bundle(s: &Stage) {
    s.claim("up", s.kubestead(&["up", "-f", "alone.yaml"]).run().ok());
    s.claim("the node is Ready", s.eventually(120, || ready(s, &["cp1"])));
    s.claim("the plan is empty", s.eventually(180, || s.plan(&["-f", "alone.yaml"]).status(0)));
}
