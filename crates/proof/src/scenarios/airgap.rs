//! A site without the internet: a computer that has one (the lab's) pins and downloads a bundle, and machines that have none get a cluster from it.
//! A file below `internet/` in the lab's folder takes the place of one that is served.

use serde_json::Value;

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Ran, Stage, all, is};

use super::cluster::kubectl;
use super::node;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "a bundle that is pinned and downloaded from the official places makes a cluster where no internet is",
    &["F00", "F46", "R1", "R2", "R3", "R4"],
    (160, 3600),
    airgap,
)];

const HOSTS: [&str; 7] =
    ["pkgs.k8s.io", "download.docker.com", "registry.k8s.io", "ghcr.io", "dl.k8s.io", "github.com", "raw.githubusercontent.com"];
const KUBECTL: &str = "dl.k8s.io/release/v1.37.1/bin/linux/amd64/kubectl";
const PAUSE: &str = "registry.k8s.io/v2/pause/manifests";
/// Brings the bundle to this computer, as a disk that is carried would.
const CARRY: &str = include_str!("../scripts/carry.sh");
const FETCH: &str = "kubestead bundle fetch --lock releases.json --to bundle";

fn airgap(s: &Stage) -> Done {
    s.claim("lab up", node::lab(s, true, true));
    s.program("strip", &["-o", "operators", &s.kubestead_path()]).run().ok()?;
    let bytes = std::fs::read(s.path("operators")).map_err(|error| error.to_string())?;
    s.on("operator", &["dd", "of=/usr/local/bin/kubestead", "bs=1M", "status=none"]).input(bytes).run().ok()?;
    s.on("operator", &["chmod", "755", "/usr/local/bin/kubestead"]).run().ok()?;
    pinned(s)?;
    downloaded(s)?;
    a_cluster(s)
}

/// On the computer that has an internet; what it downloads may take longer than a command on a machine may otherwise.
fn typed(s: &Stage, line: &str) -> Ran {
    let config = s.word("labs/lab/ssh_config");
    s.program("timeout", &["-k", "5", "1200", "ssh", "-F", &config, "-o", "BatchMode=yes", "operator", line]).run()
}

fn pinned(s: &Stage) -> Done {
    // The runc of the lab's internet is Debian's, by its own version.
    let runc = s.at("cp1", &["runc_version"]).run().answer()?;
    let lock = format!("kubestead bundle lock --kubernetes 1.37.1 --runc {runc}");
    let none = typed(s, "kubestead bundle lock --kubernetes 1.37.9");
    s.claim("a version that is not there is named by its address", none.fails().and(none.says("/v1.37.9/").and(none.says("404"))));
    s.claim("sums and digests are pinned from the official places over TLS", typed(s, &lock).says("7 downloads and 9 images are pinned"));
    s.claim("a second time nothing changes", typed(s, &lock).says("nothing to do"));

    let manifest = s.on("operator", &["curl", "-fsS", &format!("https://{PAUSE}/3.10.2")]).run().answer()?;
    s.folder(&format!("labs/lab/internet/{PAUSE}"))?;
    s.write(&format!("labs/lab/internet/{PAUSE}/3.10.2"), &format!("{manifest} \n"))?;
    let other = typed(s, &lock);
    s.claim(
        "a tag that leads to another image is told, and not taken",
        other.fails().and(other.says("registry.k8s.io/pause:3.10.2 was sha256:")),
    );
    s.remove(&format!("labs/lab/internet/{PAUSE}/3.10.2"))
}

fn downloaded(s: &Stage) -> Done {
    s.folder(&format!("labs/lab/internet/{}", KUBECTL.trim_end_matches("/kubectl")))?;
    s.write(&format!("labs/lab/internet/{KUBECTL}"), "other\n")?;
    let other = typed(s, FETCH);
    s.claim("a program of other bytes is refused by its address", other.fails().and(other.says(KUBECTL)).and(other.says("is not used")));
    s.remove(&format!("labs/lab/internet/{KUBECTL}"))?;
    let killed = typed(s, &format!("timeout -s KILL 5 {FETCH}; test ! -e bundle"));
    s.claim("killed, it leaves no bundle", killed.ok());
    s.claim("the next run makes it", typed(s, FETCH).says("files of Kubernetes 1.37.1"));
    s.claim("one more changes nothing", typed(s, FETCH).says("nothing to do"));
    s.claim("each file has its sum", typed(s, "kubestead bundle check bundle").says("each has its sum"));
    s.claim("nothing else is left", typed(s, "ls").is("bundle\nreleases.json"));
    Ok(())
}

fn a_cluster(s: &Stage) -> Done {
    let (config, to) = (s.word("labs/lab/ssh_config"), s.word(""));
    s.program("bash", &["-c", CARRY, "carry", &config, &to]).run().ok()?;
    s.write("cluster.yaml", &node::file(s, "version: 1.37.1, lab: true, bundle: bundle"))?;
    s.at("cp1", &[&["unreached"][..], &HOSTS].concat()).run().ok()?;
    s.claim("no internet is there", s.on("cp1", &["curl", "-sS", "--max-time", "5", "https://registry.k8s.io/v2/"]).run().fails());
    s.claim("the bundle was carried whole", s.kubestead(&["bundle", "check", &s.word("bundle")]).run().ok());
    s.claim("up makes the cluster from it", s.kubestead(&["up"]).run().ok());
    s.claim("the node is Ready", s.eventually(240, || super::cluster::ready(s, &["cp1"])));
    s.claim("its images are the pinned ones", as_pinned(s));
    s.claim("a pod runs that names one by its digest", by_digest(s));
    s.claim("the plan is empty", s.eventually(180, || s.plan(&[]).status(0)));
    s.claim("a second up changes nothing", s.kubestead(&["up"]).run().says("Nothing to do"));
    Ok(())
}

/// Each image has the digest of the lock file: the lab's registry has images of one platform, whose manifests have no index.
fn as_pinned(s: &Stage) -> Claim {
    let lock: Value = serde_json::from_str(&s.read("bundle/releases.json")?).map_err(|error| error.to_string())?;
    let images = lock["images"].as_array().ok_or("the lock file has no images")?;
    let there = s.on("cp1", &["ctr", "-n", "k8s.io", "images", "ls"]).run();
    is(images.len() == 9, || format!("{} images", images.len()))?;
    all(images, |image| {
        let word = |key: &str| image[key].as_str().unwrap_or_default().to_owned();
        let (name, digest) = (word("image"), word("digest"));
        let found = there.said.lines().any(|line| line.starts_with(&format!("{name} ")) && line.contains(&digest));
        is(found, || format!("{name} is not {digest}:\n{}", there.said))
    })
}

/// The runtime knows an image of the bundle by its digest too: as there is no internet, a pod that names it so runs of nothing else.
fn by_digest(s: &Stage) -> Claim {
    let lock: Value = serde_json::from_str(&s.read("bundle/releases.json")?).map_err(|error| error.to_string())?;
    let images = lock["images"].as_array().ok_or("the lock file has no images")?;
    let pause = images.iter().find(|image| image["image"].as_str().is_some_and(|name| name.contains("/pause:"))).ok_or("no pause")?;
    let image = format!("{}@{}", pause["image"].as_str().unwrap_or_default(), pause["digest"].as_str().unwrap_or_default());
    let anywhere = "--overrides={\"spec\": {\"tolerations\": [{\"operator\": \"Exists\"}]}}";
    kubectl(s, &["run", "fixed", &format!("--image={image}"), "--restart=Never", anywhere]).run().ok()?;
    s.eventually(90, || kubectl(s, &["get", "pod", "fixed", "-o", "jsonpath={.status.phase}"]).run().is("Running"))?;
    kubectl(s, &["delete", "pod", "fixed", "--grace-period=1"]).run().ok()
}
