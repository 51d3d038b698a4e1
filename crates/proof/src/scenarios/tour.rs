//! The README's tour, typed as it stands, on fresh machines of a lab that has an internet of its own.
//!
//! The lines are README.md's: one that is not known here fails, and so does one that is known here and no longer there. They are typed on a machine of
//! the lab, the operator's computer, which has a login by key and knows no host.

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Ran, Stage, all, is};
use crate::worker::say;

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario::own(
        "the README's tour, as it is typed, makes a cluster of two machines of Debian 12 and one of 13 that comes back after a reboot of all",
        &["F00", "F01", "F02", "F16", "F24", "R3", "R5"],
        (650, 5400),
        |s| play(s, &THREE),
    ),
    Scenario::own(
        "the README's tour, as it is typed for one machine alone, makes a cluster on Debian 13 that is opened by hand after a reboot, all by a login \
               that is not root and has no bash",
        &["F00", "F02", "F16", "F42", "R3", "R5"],
        (290, 3600),
        |s| play(s, &ALONE),
    ),
];

/// The login of the lab's machines that is not root, which has sudo without a password.
const OPS: &str = "ops";
/// The operator's computer.
const OPERATOR: &str = "operator";
/// The addresses of the README (RFC 5737), and those of the lab: the last number is the same.
const ADDRESSES: (&str, &str) = ("192.0.2.", "10.77.0.");
/// The line that `init` writes, which the reader would leave as it is: here the signing keys are the lab's, and the machines are small.
const KUBERNETES: &str = "kubernetes: {version: 1.37.1}\n";

/// What is typed of the README's lines, in their order. A line that fits none, or one of these that no line fits, is a mistake of one of both.
const LINES: [(&str, Line); 18] = [
    ("kubestead trust ", Line::Trust),
    ("kubestead init * --key-server ", Line::Init(Tour::Three)),
    ("kubestead init * --unlock recovery ", Line::Init(Tour::Alone)),
    ("$EDITOR cluster.yaml", Line::Editor),
    ("kubestead check", Line::Ends(0)),
    ("kubestead plan --diff", Line::Ends(3)),
    ("kubestead up", Line::Ends(0)),
    ("kubestead kubeconfig --merge", Line::Ends(0)),
    ("kubestead reset", Line::Ends(3)),
    ("kubestead key doctor", Line::KeyServer),
    ("kubestead recovery kit ", Line::Ends(0)),
    ("kubestead volume list", Line::Ends(0)),
    ("kubestead volume unlock kube1", Line::AfterBoot),
    ("kubestead secret init", Line::Not("there is no repository")),
    ("kubestead secret new ", Line::Not("it asks for values: other proofs give them")),
    ("kubestead status", Line::Ends(0)),
    ("kubestead volume recovery kube1 volumes | ssh kube1 ", Line::Not("the volume is open")),
    ("", Line::Not("an empty line")),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tour {
    Three,
    Alone,
}

#[derive(Clone, Copy)]
enum Line {
    /// Fingerprints are compared, and `yes` is typed for each machine.
    Trust,
    /// It is typed on that tour alone.
    Init(Tour),
    /// What the reader would fill in.
    Editor,
    /// It is typed, and ends with that status.
    Ends(i32),
    /// The same, with 0, where there is a key server.
    KeyServer,
    /// It is typed after a boot, where there is none.
    AfterBoot,
    /// It is not typed, for that reason.
    Not(&'static str),
}

struct Plot {
    tour: Tour,
    /// Who logs in to the machines: root, or [`OPS`].
    login: &'static str,
    /// The machines but the operator's computer: name, last number of the address, release of Debian.
    machines: &'static [(&'static str, &'static str, &'static str)],
    /// The volumes by machine.
    volumes: &'static [(&'static str, &'static [&'static str])],
}

const CONTROL: &[&str] = &["/var/lib/etcd", "/etc/kubernetes", "/var/lib/containerd", "/var/lib/kubelet"];
const WORKER: &[&str] = &["/var/lib/containerd", "/var/lib/kubelet", "/var/lib/kubestead/volumes"];

static THREE: Plot = Plot {
    tour: Tour::Three,
    login: "root",
    machines: &[("cp1", "11", "bookworm"), ("kube1", "21", "bookworm"), ("kube2", "22", "trixie"), ("masterlock", "5", "bookworm")],
    volumes: &[("cp1", CONTROL), ("kube1", WORKER), ("kube2", WORKER)],
};

static ALONE: Plot = Plot {
    tour: Tour::Alone,
    login: OPS,
    machines: &[("kube1", "21", "trixie")],
    volumes: &[("kube1", &["/var/lib/etcd", "/etc/kubernetes", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/kubestead/volumes"])],
};

impl Plot {
    fn nodes(&self) -> impl Iterator<Item = &'static str> {
        self.volumes.iter().map(|(node, _)| *node)
    }

    fn has_address(&self, word: &str) -> bool {
        word.strip_prefix(ADDRESSES.1).is_none_or(|last| self.machines.iter().any(|(_, number, _)| *number == last))
    }

    /// The node that has the control plane.
    fn first(&self) -> &'static str {
        self.machines[0].0
    }
}

/// The lines of the tour, without their comments.
fn lines(readme: &str) -> Result<Vec<&str>, String> {
    let tour = readme.split_once("\n## A tour\n").and_then(|(_, rest)| rest.split_once("```sh\n")).ok_or("README.md has no tour")?;
    let (block, _) = tour.1.split_once("\n```").ok_or("the tour of README.md has no end")?;
    Ok(block.lines().map(|line| line.split_once(" #").map_or(line, |(line, _)| line).trim_end()).collect())
}

/// What is to be done with each line of the tour.
fn known<'a>(lines: &[&'a str]) -> Result<Vec<(&'a str, Line)>, String> {
    let fits = |line: &str, form: &str| match form.split_once('*') {
        Some((begin, with)) => line.starts_with(begin) && line.contains(with),
        None if form.ends_with(' ') => line.starts_with(form),
        None => line == form,
    };
    for (form, _) in LINES.iter().filter(|(form, _)| !form.is_empty()) {
        if !lines.iter().any(|line| fits(line, form)) {
            return Err(format!("the README's tour has no line \"{form}\" any more"));
        }
    }
    let known = |line: &&'a str| LINES.iter().find(|(form, _)| fits(line, form)).map(|(_, what)| (*line, *what));
    lines.iter().map(|line| known(line).ok_or_else(|| format!("no tour types the README's line \"{line}\""))).collect()
}

fn play(s: &Stage, plot: &Plot) -> Done {
    let readme = s.repository("README.md")?;
    let lines = known(&lines(&readme)?)?;
    fresh(s, plot)?;
    for (line, what) in &lines {
        let line = line.replace(ADDRESSES.0, ADDRESSES.1).replace("--user root", &format!("--user {}", plot.login));
        match *what {
            Line::Trust => trust(s, plot, &line)?,
            Line::Init(tour) if tour == plot.tour => {
                ends(s, &line, 0)?;
            }
            Line::Editor => filled_in(s)?,
            Line::Ends(status) => ends(s, &line, status)?,
            Line::KeyServer if plot.tour == Tour::Three => ends(s, &line, 0)?,
            Line::Not(why) => say(&format!("      `{line}` is not typed: {why}")),
            Line::Init(_) | Line::KeyServer | Line::AfterBoot => {}
        }
    }
    s.claim("kubectl of the operator's computer reaches the cluster", s.eventually(300, || ready(s, plot)));
    s.claim("all volumes are mounted from dm-crypt", mounted(s, plot));
    s.claim("images came from their registries", from_registries(s, plot));
    s.claim("a second up changes nothing", typed(s, "kubestead up").says("Nothing to do"));
    if plot.tour == Tour::Alone {
        s.claim("a pod of the users' runs beside the control plane", beside(s, plot));
    }

    s.claim("all machines reboot", reboot(s, plot));
    if plot.tour == Tour::Alone {
        s.claim("the volumes are closed", s.on(plot.first(), &["findmnt", "-M", "/var/lib/etcd"]).run().fails());
        for (line, _) in lines.iter().filter(|(_, what)| matches!(what, Line::AfterBoot)) {
            ends(s, line, 0)?;
        }
    }
    s.claim("all volumes are back with nobody's hands", s.eventually(240, || mounted(s, plot)));
    s.claim("and so is the cluster", s.eventually(600, || ready(s, plot)));
    s.claim("the plan is empty", s.eventually(300, || typed(s, "kubestead plan").status(0)));
    Ok(())
}

/// The lab, with machines as their installers leave them, and the operator's computer.
fn fresh(s: &Stage, plot: &Plot) -> Done {
    let machine = |(name, number, debian): &(&str, &str, &str)| {
        let (memory, disks) = match *name {
            "masterlock" => (320, String::new()),
            _ => (2560, format!("{{\"serial\": \"{name}-data\", \"size\": 12288}}")),
        };
        let address = format!("{}{number}", ADDRESSES.1);
        format!(
            "{{\"name\": \"{name}\", \"address\": \"{address}\", \"debian\": \"{debian}\", \"memory\": {memory}, \"disks\": [{disks}]}}"
        )
    };
    let own = format!("{{\"name\": \"{OPERATOR}\", \"address\": \"{}2\", \"memory\": 640, \"disks\": []}}", ADDRESSES.1);
    let all: Vec<String> = plot.machines.iter().map(machine).chain([own]).collect();
    s.folder("labs/lab")?;
    s.write("labs/lab/lab.json", &format!("{{\"internet\": true, \"machines\": [{}]}}\n", all.join(", ")))?;
    s.kubestead(&["lab", "up"]).run().ok()?;
    for node in plot.nodes() {
        // The lab's machines have a runc for bundles, and a freshly installed server has none.
        s.on(node, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "remove", "runc"]).run().ok()?;
        if plot.login != "root" {
            s.on(node, &["usermod", "--shell", "/bin/dash", plot.login]).run().ok()?;
        }
    }
    let bundle = s.kubestead(&["lab", "build"]).run().answer()?;
    s.program("strip", &["-o", "operators", &s.kubestead_path()]).run().ok()?;
    for (from, to, mode) in [
        (s.word("operators"), "/usr/local/bin/kubestead", "755"),
        (format!("{bundle}/bin/kubectl"), "/usr/local/bin/kubectl", "755"),
        (s.word("labs/lab/id"), "/root/.ssh/id_ed25519", "600"),
    ] {
        let bytes = std::fs::read(&from).map_err(|error| format!("{from}: {error}"))?;
        s.on(OPERATOR, &["dd", &format!("of={to}"), "bs=1M", "status=none"]).input(bytes).run().ok()?;
        s.on(OPERATOR, &["chmod", mode, to]).run().ok()?;
    }
    Ok(())
}

/// A line that the reader types; `up` may take longer than a command on a machine may otherwise.
fn typed(s: &Stage, line: &str) -> Ran {
    ssh(s, &[], line, "")
}

fn ssh(s: &Stage, options: &[&str], line: &str, input: &str) -> Ran {
    let config = s.word("labs/lab/ssh_config");
    let login = [&["-k", "5", "3000", "ssh", "-F", &config, "-o", "BatchMode=yes"][..], options, &[OPERATOR, line]].concat();
    s.program("timeout", &login).input(input).run()
}

/// A line, and what follows of it; the tour goes on only if it is so.
fn ends(s: &Stage, line: &str, status: i32) -> Done {
    let ran = typed(s, line);
    if s.claim(&format!("`{line}` ends with {status}"), ran.status(status)) { Ok(()) } else { Err("the tour ends here".to_owned()) }
}

/// On a terminal: `yes` for each machine whose fingerprint is the one that its own console would show.
fn trust(s: &Stage, plot: &Plot, line: &str) -> Done {
    let line: Vec<&str> = line.split(' ').filter(|word| plot.has_address(word)).collect();
    let line = line.join(" ");
    let ran = ssh(s, &["-tt"], &line, &"yes\n".repeat(plot.machines.len()));
    s.claim(&format!("`{line}`, and yes for each"), ran.ok());
    for (name, ..) in plot.machines {
        let key = s.word(&format!("labs/lab/machines/{name}/ssh_host_ed25519_key.pub"));
        let told = s.program("ssh-keygen", &["-lf", &key]).run().answer()?;
        let fingerprint = told.split(' ').nth(1).ok_or("ssh-keygen tells no fingerprint")?;
        s.claim(&format!("it showed the key of {name}"), ran.says(fingerprint));
    }
    s.claim("a second time there is nothing to accept", typed(s, &line).ok());
    Ok(())
}

/// What the reader fills in, and all of it.
fn filled_in(s: &Stage) -> Done {
    let print = |host: &str| s.read(&format!("labs/lab/internet/{host}.fingerprint")).map(|text| text.trim().to_owned());
    let (kubernetes, docker) = (print("pkgs.k8s.io")?, print("download.docker.com")?);
    let mine =
        KUBERNETES.replace('}', &format!(", lab: true, packages: {{fingerprint: {kubernetes}, docker: {{fingerprint: {docker}}}}}}}"));
    let file = typed(s, "cat cluster.yaml").answer()? + "\n";
    if !file.contains(KUBERNETES) {
        return Err(format!("the file that init wrote does not have the line {KUBERNETES}:\n{file}"));
    }
    s.on(OPERATOR, &["dd", "of=cluster.yaml", "status=none"]).input(file.replace(KUBERNETES, &mine)).run().ok()
}

fn ready(s: &Stage, plot: &Plot) -> Claim {
    let form = "{range .items[*]}{.metadata.name}={.status.conditions[?(@.type==\"Ready\")].status} {end}";
    let nodes: Vec<String> = plot.nodes().map(|node| format!("{node}=True")).collect();
    typed(s, &format!("kubectl --context sudo get nodes -o jsonpath='{form}'")).is(&nodes.join(" "))
}

fn mounted(s: &Stage, plot: &Plot) -> Claim {
    plot.volumes.iter().try_for_each(|(node, paths)| {
        all(*paths, |path| {
            let source = s.on(node, &["findmnt", "-n", "-o", "SOURCE", "-M", path]).run().answer()?;
            s.on(node, &["lsblk", "-d", "-n", "-o", "TYPE", &source]).run().is("crypt")
        })
        .map_err(|why| format!("{node}: {why}"))
    })
}

/// Nobody imported an image: what containerd has is by a digest that a registry told it.
fn from_registries(s: &Stage, plot: &Plot) -> Claim {
    let images = s.on(plot.first(), &["ctr", "-n", "k8s.io", "images", "ls", "-q"]).run();
    ["registry.k8s.io/kube-apiserver@sha256:", "registry.k8s.io/pause@sha256:", "ghcr.io/flannel-io/flannel@sha256:"]
        .iter()
        .try_for_each(|name| images.says(name))
}

/// A pod of an image that the machine has.
fn beside(s: &Stage, plot: &Plot) -> Claim {
    let images = s.on(plot.first(), &["ctr", "-n", "k8s.io", "images", "ls", "-q"]).run().answer()?;
    let is_pause = |image: &&str| image.starts_with("registry.k8s.io/pause:");
    let image = images.lines().find(is_pause).ok_or_else(|| format!("no image of pause is there: {images}"))?;
    typed(s, &format!("kubectl --context sudo -n apps run beside --image {image} --image-pull-policy IfNotPresent")).ok()?;
    let node = "kubectl --context sudo -n apps get pod beside -o jsonpath='{.spec.nodeName} {.status.phase}'";
    s.eventually(120, || typed(s, node).is(&format!("{} Running", plot.first())))?;
    typed(s, "kubectl --context sudo -n apps delete pod beside").ok()
}

fn reboot(s: &Stage, plot: &Plot) -> Claim {
    let mut running = Vec::new();
    for (name, ..) in plot.machines {
        running.push(s.kubestead(&["lab", "reboot", name]).start()?);
    }
    let running = std::cell::RefCell::new(running);
    s.eventually(600, || is(running.borrow_mut().iter_mut().all(|one| !one.runs()), || "a machine has not rebooted".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_readmes_tour_is_known_and_each_that_is_known_is_there() {
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
        let all = lines(&readme).unwrap();
        let found = known(&all).unwrap();
        assert!(found.len() >= 17 && found[0].0.starts_with("kubestead trust 192.0.2.11 "), "{all:?}");
        let other = [&all[..], &["kubestead destroy"]].concat();
        assert!(known(&other).err().unwrap().contains("\"kubestead destroy\""));
        assert!(known(&all[1..]).err().unwrap().contains("\"kubestead trust \""));
    }

    #[test]
    fn a_machine_that_the_reader_does_not_have_is_not_typed() {
        let line = "kubestead trust 10.77.0.11 10.77.0.21 10.77.0.5";
        let words: Vec<&str> = line.split(' ').filter(|word| ALONE.has_address(word)).collect();
        assert_eq!(words, ["kubestead", "trust", "10.77.0.21"]);
        assert!(line.split(' ').all(|word| THREE.has_address(word)));
    }
}
