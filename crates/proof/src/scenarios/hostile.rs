//! Hosts that lie, hang or were changed, on machines with encrypted volumes and without Kubernetes.

use std::time::Instant;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, is};

const fn on_volumes(name: &'static str, shows: &'static [&'static str], core: bool, takes: u64, run: fn(&Stage) -> Done) -> Scenario {
    Scenario { name, shows, fixture: Fixture::Volumes, leaves: Leaves::AsFound, limit: 600, takes, core, run }
}

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        core: true,
        ..Scenario::own(
            "a cluster file that would lock the operator out of a key server is refused",
            &["R1", "sshd's rules for the nodes' account are written for no account but the one"],
            (1, 60),
            locked_out,
        )
    },
    Scenario {
        name: "machines get their encrypted volumes, also one that allows one session a connection",
        shows: &["F02", "F24", "R3"],
        fixture: Fixture::Machines,
        leaves: Leaves::Made(Fixture::Volumes),
        limit: 600,
        takes: 40,
        core: true,
        run: one_session,
    },
    on_volumes(
        "a host that hangs in the kernel is named with what is waited for, and costs one limit",
        &["R2", "R5", "a host that hangs or streams without end"],
        true,
        75,
        hangs,
    ),
    on_volumes(
        "a host that streams without end is cut at a limit, in bounded memory",
        &["R2", "a host that hangs or streams without end"],
        false,
        45,
        streams,
    ),
    on_volumes(
        "what a host says reaches the terminal spelled out",
        &["R5", "no word of a machine, the API, a file or its name moves the cursor"],
        true,
        10,
        escapes,
    ),
    on_volumes(
        "what cannot change on a volume is held, and fstab, crypttab and groups stay",
        &["R1", "what cannot change on a volume that is there"],
        true,
        25,
        cannot_change,
    ),
    on_volumes(
        "a file of ours that somebody edited, or put a link in the place of, is written by consent alone, and a copy stays",
        &["R1", "R5", "a file or program that kubestead did not write"],
        true,
        40,
        edited,
    ),
    on_volumes(
        "a data disk that was swapped for a blank one is held, comes back as it was, and is made anew by consent alone",
        &["F02", "R1", "what was finished and is gone"],
        true,
        70,
        swapped,
    ),
];

fn locked_out(s: &Stage) -> Done {
    s.kubestead(&["init", "--dir", &s.word("")]).run().ok()?;
    let file = s.repository("examples/three-nodes/cluster.yaml")?;
    s.write("cluster.yaml", &file.replace("{host: masterlock,", "{host: masterlock, user: root,"))?;
    let check = s.kubestead(&["check"]).run();
    s.claim("root as the account of a key server", check.fails().and(check.says("root would be kept to fetching keys")));
    Ok(())
}

fn empty_again(s: &Stage) -> Claim {
    s.eventually(60, || s.plan(&[]).status(0))
}

fn one_session(s: &Stage) -> Done {
    s.disks_only()?;
    s.at("kube1", &["one_session"]).run().ok()?;
    s.claim("up with a host that allows one session", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

fn hangs(s: &Stage) -> Done {
    s.at("kube2", &["hang_volume", "volkube"]).run().ok()?;
    let begin = Instant::now();
    let plan = s.plan(&[]);
    let took = begin.elapsed().as_secs();
    s.claim("it is named with what is waited for, and only it", plan.says("kube2: no answer for 60 s at: storage/"));
    s.claim("that cost one limit", is(took < 100, || format!("it took {took} s")));
    s.claim("the others were seen", plan.lacks("kube1: no answer"));
    s.at("kube2", &["resume_volume", "volkube"]).run().ok()?;
    s.claim("the plan is empty again", empty_again(s));
    Ok(())
}

fn streams(s: &Stage) -> Done {
    s.at("kube2", &["stream_for", "40"]).run().ok()?;
    s.write("bounded.py", include_str!("../scripts/bounded.py"))?;
    let kubestead = s.kubestead_path();
    let plan = s.program("python3", &["bounded.py", "100", &kubestead, "plan"]).run();
    s.claim("its answer is cut at a limit, in bounded memory", plan.ok().and(plan.says("bytes of answer")));
    s.claim("the others were seen", plan.lacks("kube1: more than"));
    s.claim("it is reached again", s.eventually(90, || s.on("kube2", &["cp", "/root/bashrc", "/root/.bashrc"]).run().ok()));
    Ok(())
}

fn escapes(s: &Stage) -> Done {
    s.at("kube2", &["escapes"]).run().ok()?;
    let plan = s.plan(&[]);
    s.claim("they are spelled out", plan.says("\\u{1b}"));
    s.claim("and do not reach the terminal", plan.lacks("\u{1b}"));
    s.at("kube2", &["no_escapes"]).run().ok()?;
    s.claim("the plan is empty again", s.plan(&[]).status(0));
    Ok(())
}

fn cannot_change(s: &Stage) -> Done {
    let file = s.read("cluster.yaml")?;
    let tabs = || s.on("kube1", &["sha256sum", "/etc/fstab", "/etc/crypttab"]).run();
    let before = tabs().answer()?;
    let kind = s.on("kube1", &["findmnt", "-no", "FSTYPE", "/var/lib/kubestead/volumes"]).run().answer()?;
    let (line, other) = if kind == "xfs" { ("filesystem: xfs", "filesystem: ext4") } else { ("filesystem: ext4", "filesystem: xfs") };
    s.edit("cluster.yaml", line, other)?;
    s.claim("another filesystem is held", s.plan(&[]).says(&kind));
    s.claim("and up ends so", s.kubestead(&["up"]).run().status(4));
    s.claim("fstab and crypttab are as they were", tabs().is(&before));
    s.write("cluster.yaml", &file)?;

    s.at("kube1", &["path_through_a_link"]).run().ok()?;
    let extra = "volumes:\n  extra: {on: [kube1], group: vg01, size: 64MiB, path: /srv/link/extra}\n";
    // What follows `volumes:` is a comment, which may stand between.
    s.edit("cluster.yaml", "volumes:", &format!("{extra} "))?;
    s.claim("a path through a link is held with where it leads", s.plan(&[]).says("/var/extra"));
    s.claim("and no LV is made", s.kubestead(&["up"]).run().status(4));
    s.claim("no LV is there", s.on("kube1", &["lvs", "vg01/extra"]).run().fails());
    s.write("cluster.yaml", &file)?;
    s.claim("the plan is empty again", s.plan(&[]).status(0));
    s.on("kube1", &["rm", "/srv/link"]).run().ok()
}

const UNIT: &str = "/etc/systemd/system/reboot.target.d/10-kubestead.conf";
const DROP_IN: &str = "/etc/ssh/sshd_config.d/50-kubestead.conf";

fn edited(s: &Stage) -> Done {
    let unit = |function: &str| s.at("kube1", &[function, UNIT]).run().ok();
    let drop_in = |function: &str| s.at("masterlock", &[function, DROP_IN]).run().ok();
    unit("edit")?;
    drop_in("edit")?;
    let consents = [format!("kube1{UNIT}/adopt"), format!("masterlock{DROP_IN}/adopt")];
    let plan = s.plan(&[]);
    s.claim("the unit asks by its path", plan.says(&consents[0]));
    s.claim("and so does sshd's drop-in of the key server", plan.says(&consents[1]));
    s.claim("up without consent ends so", s.kubestead(&["up"]).run().status(4));
    s.claim("the unit is as it was", unit("edited"));
    s.claim("and so is the drop-in", drop_in("edited"));
    let up = s.kubestead(&["up", "--yes", &consents[0], "--yes", &consents[1]]).run();
    s.claim("with consent both are ours again", up.ok());
    s.claim("a copy of the unit stays", unit("ours_again"));
    s.claim("and one of the drop-in", drop_in("ours_again"));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.on("kube1", &["ln", "-sf", "/dev/null", UNIT]).run().ok()?;
    s.claim("a link is held by the plan", s.plan(&[]).says(&format!("{UNIT} is a link")));
    s.claim("and nothing writes through it", s.kubestead(&["up"]).run().status(4));
    s.on("kube1", &["rm", UNIT]).run().ok()?;
    s.claim("one that is missing is written", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty again", s.plan(&[]).status(0));
    Ok(())
}

fn swapped(s: &Stage) -> Done {
    let disk = s.path("labs/lab/machines/kube2/disk-kube2-data.img");
    let away = s.path("labs/lab/machines/kube2/away");
    let told = |error: std::io::Error| format!("{}: {error}", disk.display());
    let size = std::fs::metadata(&disk).map_err(told)?.len();
    let blank = || std::fs::File::create(&disk).and_then(|file| file.set_len(size)).map_err(told);
    let power = |verb: &str| s.kubestead(&["lab", verb, "kube2"]).run().ok();

    power("kill")?;
    std::fs::rename(&disk, &away).map_err(told)?;
    blank()?;
    power("start")?;
    s.claim("it is held, and the way is named", s.plan(&[]).says("--yes kube2/vg01/group makes"));
    s.claim("up makes nothing", s.kubestead(&["up"]).run().status(4));
    s.claim("nothing was made", s.on("kube2", &["vgs", "vg01"]).run().fails());
    power("kill")?;
    std::fs::rename(&away, &disk).map_err(told)?;
    power("start")?;
    let mounted = || s.at("kube2", &["mounted_from_crypt", "/var/lib/kubestead/volumes"]).run().ok();
    s.claim("the right disk is put back: all is as it was", s.eventually(120, mounted));
    s.claim("the plan is empty again", empty_again(s));

    power("kill")?;
    std::fs::remove_file(&disk).map_err(told)?;
    blank()?;
    power("start")?;
    let up = s.kubestead(&["up", "--yes", "kube2/vg01/group"]).run();
    s.claim("with consent the volumes are made anew", up.ok());
    s.claim("they are mounted", mounted());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}
