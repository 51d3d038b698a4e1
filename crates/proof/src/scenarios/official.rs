//! Official software by a file that names a version alone, from a lab that has an internet of its own: all that differs from the real one are the keys
//! that sign. A file below `internet/` in the lab's folder takes the place of one that is served.

use serde_json::Value;

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Ran, Stage, all, is};

use super::node;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "a file that names a version alone gets official software: by the fingerprint of its key, from its official address, held",
    &["F16", "R1", "R3", "R5", "a key of a repository that has another fingerprint"],
    (220, 3600),
    official,
)];

/// What the file says of Kubernetes: the version alone.
const SOFTWARE: &str = "version: 1.37.1, lab: true";
const PUBLISHED: &str = "DE15B14486CD377B9E876E1A234654DA9A296436";
const KUBERNETES: &str = "pkgs.k8s.io/core:/stable:/v1.37/deb";
const DOCKER: &str = "download.docker.com/linux/debian";
const INSTALLED: &str = "hold installed ";

/// What was made here, or with the lab, to sign.
struct Keys {
    kubernetes: String,
    docker: String,
    /// One whose time is over.
    ended: String,
}

fn official(s: &Stage) -> Done {
    s.claim("lab up", node::lab(s, true, false));
    s.write("cluster.yaml", &node::file(s, SOFTWARE))?;
    s.claim("the file needs no source of software", s.kubestead(&["check"]).run().ok());
    s.at("cp1", &["resolver", "127.0.0.1"]).run().ok()?;
    let address = format!("cp1/packages: https://{KUBERNETES}/Release.key: curl: (6)");
    s.claim("a name that is not found is named, by machine", held(s, &[], &address));
    s.at("cp1", &["resolver", "10.77.0.1"]).run().ok()?;
    let keys = keys(s)?;
    served(s)?;
    not_taken(s, &keys)?;
    the_default_path(s)?;
    other_than_it_should_be(s)?;
    s.claim("the cluster goes", s.kubestead(&["reset", "--yes-reset", "home"]).run().ok());
    s.claim("packages stay, held", four_held(s));
    s.claim("down leaves no process", s.down());
    Ok(())
}

/// A plan that holds something, and says why.
fn held(s: &Stage, options: &[&str], why: &str) -> Claim {
    let plan = s.plan(options);
    plan.status(4).and(plan.says(why))
}

/// Makes a folder for keys of gpg: its agent listens on a socket in it, and wants it for its owner alone.
pub(super) fn keyring(s: &Stage) -> Done {
    s.program("mkdir", &["-m", "700", &s.word("gpg")]).run().ok()
}

/// gpg, with that folder.
pub(super) fn gpg(s: &Stage, words: &[&str]) -> Ran {
    let all = [&["--batch", "--quiet", "--yes", "--passphrase", ""], words].concat();
    s.program("gpg", &all).setting("GNUPGHOME", s.path("gpg")).run()
}

fn keys(s: &Stage) -> Result<Keys, String> {
    keyring(s)?;
    let own = |path: &str| s.word(&format!("labs/lab/internet/{path}"));
    gpg(s, &["--import", &own(&format!("{KUBERNETES}/Release.key")), &own(&format!("{DOCKER}/gpg"))]).ok()?;
    gpg(s, &["--faked-system-time=20240101T000000", "--quick-generate-key", "ended", "ed25519", "sign", "1y"]).ok()?;
    let told = gpg(s, &["--with-colons", "--list-keys", "ended"]).answer()?;
    let ended = told.lines().find_map(|line| line.strip_prefix("fpr:")).map(|rest| rest.trim_matches(':').to_owned());
    let print = |host: &str| s.read(&format!("labs/lab/internet/{host}.fingerprint")).map(|text| text.trim().to_owned());
    let (kubernetes, docker) = (print("pkgs.k8s.io")?, print("download.docker.com")?);
    Ok(Keys { kubernetes, docker, ended: ended.ok_or("gpg tells no fingerprint")? })
}

/// The lab's internet itself.
fn served(s: &Stage) -> Done {
    let both = [format!("{KUBERNETES}/InRelease"), format!("{DOCKER}/dists/bookworm/InRelease")];
    let signed = all(&both, |path| gpg(s, &["--verify", &s.word(&format!("labs/lab/internet/{path}"))]).ok());
    s.claim("both repositories are signed by the lab's own keys", signed);
    let [kubernetes, docker] = both.map(|path| format!("https://{path}"));
    s.claim("and are served", s.at("cp1", &["serves_signed", &kubernetes, &docker]).run().ok());
    let pause = "https://registry.k8s.io/v2/pause";
    s.claim("a registry gives the image of a tag by its digest", s.at("cp1", &["serves_by_digest", pause, "3.10.2"]).run().ok());
    let push = s.on("cp1", &["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", &format!("{pause}/blobs/uploads/")]);
    s.claim("and takes none", push.run().is("404"));
    s.at("cp1", &["no_authority"]).run().ok()?;
    s.claim("an authority that the machine does not know is named with what to do", held(s, &[], "/usr/local/share/ca-certificates"));
    s.claim("the lab's machines are told of it again by lab up", s.kubestead(&["lab", "up"]).run().ok());
    Ok(())
}

/// Serves these keys as Kubernetes' own.
fn publish(s: &Stage, keys: &[&str]) -> Done {
    let file = s.word(&format!("labs/lab/internet/{KUBERNETES}/Release.key"));
    gpg(s, &[&["--armor", "--output", &file, "--export"], keys].concat()).ok()
}

/// A cluster file of that name with these keys.
fn with(s: &Stage, name: &str, (kubernetes, docker): (&str, &str), version: &str) -> Result<String, String> {
    let text = s.read("cluster.yaml")?;
    let packages = format!("packages: {{fingerprint: {kubernetes}, docker: {{fingerprint: {docker}}}}}");
    s.write(name, &text.replace(SOFTWARE, &format!("version: {version}, lab: true, {packages}")))?;
    Ok(s.word(name))
}

fn installed(s: &Stage) -> Result<Vec<String>, String> {
    s.at("cp1", &["official"]).run().answer().map(|text| text.lines().map(str::to_owned).collect())
}

fn four_held(s: &Stage) -> Claim {
    let found = installed(s)?;
    is(found.len() == 4 && found.iter().all(|line| line.starts_with(INSTALLED)), || format!("{found:?}"))
}

/// What is not signed by the expected key, or is not what was asked for.
fn not_taken(s: &Stage, keys: &Keys) -> Done {
    let Keys { kubernetes, docker, ended } = keys;
    let other = format!("the key there is {kubernetes}, and {PUBLISHED} is expected; it is not taken");
    s.claim("another key than the published one is refused", held(s, &[], &other));
    let up = s.kubestead(&["up"]).run();
    s.claim("and so by up", up.fails().and(up.says("is expected; it is not taken")));
    let file = with(s, "docker.yaml", (kubernetes, kubernetes), "1.37.1")?;
    s.claim("another key of Docker's too", held(s, &["-f", &file], &format!("https://{DOCKER}/gpg: the key there is {docker}")));
    publish(s, &[ended])?;
    let file = with(s, "ended.yaml", (ended, docker), "1.37.1")?;
    let expired = format!("the key {ended} expired on 2024-12-31");
    s.claim("a key that has expired is refused, with the day and the way on", held(s, &["-f", &file], &expired));
    publish(s, &[kubernetes, docker])?;
    let good = with(s, "good.yaml", (kubernetes, docker), "1.37.1")?;
    s.claim("a file with a second key is refused", held(s, &["-f", &good], "it holds 2 keys"));
    publish(s, &[kubernetes])?;
    let file = with(s, "next.yaml", (kubernetes, docker), "1.37.9")?;
    let none = format!("kubeadm 1.37.9 is not in https://{KUBERNETES}, which has: 1.37.1-1.1");
    s.claim("a version that the repository does not have", held(s, &["-f", &file], &none));
    s.claim("a package that Docker's does not go with", held(s, &["-f", &good], "apt-get remove runc"));
    s.claim("nothing was installed", installed(s).and_then(|found| is(found.is_empty(), || format!("{found:?}"))));
    s.on("cp1", &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "remove", "runc"]).run().ok()?;
    let text = s.read("good.yaml")?;
    s.write("cluster.yaml", &text)
}

/// The version of containerd.io that Docker's repository has.
fn containerd(s: &Stage) -> Result<String, String> {
    let index = format!("https://{DOCKER}/dists/bookworm/stable/binary-amd64/Packages");
    let text = s.on("cp1", &["curl", "-fsS", &index]).run().answer()?;
    text.lines().find_map(|line| line.strip_prefix("Version: ")).map(str::to_owned).ok_or_else(|| format!("no version: {text}"))
}

fn the_default_path(s: &Stage) -> Done {
    let revision = containerd(s)?;
    let plan = s.plan(&[]);
    let wanted = format!("install and hold containerd.io {revision} of https://{DOCKER}");
    s.claim("the plan tells the very version of containerd", plan.status(3).and(plan.says(&wanted)));
    s.at("cp1", &["unreached", "registry.k8s.io"]).run().ok()?;
    let up = s.kubestead(&["up"]).run();
    let ended = up.fails().and(up.says("registry.k8s.io"));
    s.claim("up installs all, and ends where images are asked of a registry that is not there", ended);
    let wanted: Vec<String> =
        [("containerd.io", revision.as_str()), ("kubeadm", "1.37.1-1.1"), ("kubectl", "1.37.1-1.1"), ("kubelet", "1.37.1-1.1")]
            .map(|(name, version)| format!("{INSTALLED}{name} {version}"))
            .into();
    s.claim("all are installed at their versions and held", installed(s).and_then(|found| is(found == wanted, || format!("{found:?}"))));
    let ours = s.at("cp1", &["containerd_of_ours"]).run().ok();
    s.claim("containerd runs by our configuration from the beginning, and the package's is beside it", ours);
    s.at("cp1", &["unreached"]).run().ok()?;
    other_bytes(s)?;
    s.claim("the next up finishes", s.kubestead(&["up"]).run().ok());
    s.claim("images came from their registries, through the runtime", s.eventually(240, || from_registries(s)));
    s.claim("the node is Ready", s.eventually(240, || super::cluster::ready(s, &["cp1"])));
    s.claim("the plan is empty", s.eventually(180, || s.plan(&[]).status(0)));
    s.claim("up changes nothing", s.kubestead(&["up"]).run().says("Nothing to do"));
    s.at("cp1", &["unreached", "pkgs.k8s.io", "download.docker.com", "registry.k8s.io", "ghcr.io"]).run().ok()?;
    s.claim("a machine that has everything asks nobody", s.plan(&[]).status(0));
    Ok(())
}

/// A registry whose bytes are not those of the digest: nothing of them runs.
fn other_bytes(s: &Stage) -> Done {
    let repository = "registry.k8s.io/v2/kube-scheduler";
    let get = |path: &str| s.on("cp1", &["curl", "-fsS", &format!("https://{repository}/{path}")]).run().answer();
    let manifest: Value = serde_json::from_str(&get("manifests/v1.37.1")?).map_err(|error| error.to_string())?;
    let digest = manifest["config"]["digest"].as_str().ok_or("the manifest names no configuration")?;
    let (folder, good) = (format!("labs/lab/internet/{repository}/blobs"), get(&format!("blobs/{digest}"))?);
    s.folder(&folder)?;
    s.write(&format!("{folder}/{digest}"), &good.replace("amd64", "arm64"))?;
    let up = s.kubestead(&["up"]).run();
    let named = up.fails().and(up.says("registry.k8s.io/kube-scheduler:v1.37.1"));
    s.claim("an image that is not what its digest says is refused by its name", named);
    s.remove(&format!("{folder}/{digest}"))
}

/// Nobody imported them: containerd knows them by the digest that a registry told it.
fn from_registries(s: &Stage) -> Claim {
    let images = s.on("cp1", &["ctr", "-n", "k8s.io", "images", "ls", "-q"]).run();
    all(["registry.k8s.io/kube-apiserver", "registry.k8s.io/coredns/coredns", "ghcr.io/flannel-io/flannel"], |name| {
        images.says(&format!("{name}@sha256:"))
    })
}

fn other_than_it_should_be(s: &Stage) -> Done {
    let revision = installed(s)?.iter().find_map(|line| line.strip_prefix(&format!("{INSTALLED}containerd.io ")).map(str::to_owned));
    let revision = revision.ok_or("containerd.io is not there")?;
    s.on("cp1", &["apt-mark", "unhold", "containerd.io"]).run().ok()?;
    s.on("cp1", &["rm", "/etc/apt/keyrings/kubestead-kubernetes.asc"]).run().ok()?;
    s.claim("a keyring that is gone cannot be fetched now, which is told", held(s, &[], "the machine does not reach it"));
    s.at("cp1", &["unreached"]).run().ok()?;
    let plan = s.plan(&[]);
    s.claim("what is no longer held", plan.status(3).and(plan.says(&format!("hold containerd.io {revision}, which is there"))));
    let started = || s.on("cp1", &["systemctl", "show", "-P", "ExecMainStartTimestampMonotonic", "containerd"]).run().answer();
    let before = started()?;
    s.claim("both are mended", s.kubestead(&["up"]).run().ok());
    let after = started()?;
    s.claim("without a restart of containerd", is(before == after, || format!("it started at {before}, and then at {after}")));
    s.claim("all are held", four_held(s));
    s.claim("the plan is empty again", s.plan(&[]).status(0));
    Ok(())
}
