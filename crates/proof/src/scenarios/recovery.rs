//! The pages for three in the morning (`docs/recovery`), typed as they stand.
//!
//! Each page is played in the state that it is for. A page with another number of lines than is played here fails, and so does one that nobody plays.

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Ran, Stage, fresh_value};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "the pages of recovery, typed as they stand, bring back volumes, key servers, headers, keys and machines",
    &[
        "F02",
        "F24",
        "R1",
        "R2",
        "R3",
        "R5",
        "no way to unlock a volume goes before the recovery key",
        "a share or a recovery key is never replaced",
    ],
    (200, 2400),
    recovery,
)];

const LAB: &str = r#"{"machines": [
  {"name": "kube1", "address": "10.77.0.21", "memory": 640, "disks": [{"serial": "kube1-data", "size": 1024}]},
  {"name": "kube2", "address": "10.77.0.22", "memory": 640, "disks": [{"serial": "kube2-data", "size": 1024}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []},
  {"name": "spare", "address": "10.77.0.6", "memory": 320, "disks": []}
]}
"#;
const EQUIPPED: [&str; 4] = ["kube1", "kube2", "masterlock", "spare"];
const CLUSTER: &str = "apiVersion: kubestead/v1
kind: Cluster
name: home
ssh: {config: SSH}
nodes:
  - {name: kube1, address: 10.77.0.21, roles: [control-plane]}
  - {name: kube2, address: 10.77.0.22}
disks: {vg01: {devices: {kube1: [/dev/disk/by-id/ubd-kube1-data], kube2: [/dev/disk/by-id/ubd-kube2-data]}}}
volumes:
  volumes: {on: [all], group: vg01, size: 200MiB, path: VOLUMES}
MOREkeys:
  servers: [{host: SERVER}]
";
const MORE: &str = "  more: {on: [kube1], group: vg01, size: 128MiB, path: /more}\n";
const VOLUMES: &str = "/var/lib/kubestead/volumes";
const MASTERLOCK: &str = "masterlock, address: 10.77.0.5";
const SPARE: &str = "spare, address: 10.77.0.6";

/// The addresses of the docs (RFC 5737), and those of the lab: the last number is the same.
const ADDRESSES: (&str, &str) = ("192.0.2.", "10.77.0.");

fn file(s: &Stage, more: &str, server: &str) -> Done {
    let text = CLUSTER.replace("SSH", &s.word(SSH)).replace("VOLUMES", VOLUMES);
    s.write("cluster.yaml", &text.replace("MORE", more).replace("SERVER", server))
}

/// The reader's configuration of ssh.
const SSH: &str = "labs/lab/ssh_config";

/// It has the reader's own file of known keys, which the pages change; the lab writes its own into it whenever it starts a machine.
fn own_ssh(s: &Stage) -> Done {
    let (theirs, own) = (s.word("labs/lab/known_hosts"), s.word("known_hosts"));
    s.write(SSH, &s.read(SSH)?.replace(&theirs, &own))
}

/// What a page says to type, without comments.
fn lines(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_typed = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(language) => is_typed = language == "sh",
            None if is_typed => {
                found.push(line.split_once(" #").map_or(line, |(line, _)| line).trim_end().replace(ADDRESSES.0, ADDRESSES.1))
            }
            None => {}
        }
    }
    found
}

/// The lines of a page, so many.
pub(super) fn page<const N: usize>(s: &Stage, name: &str) -> Result<[String; N], String> {
    let found = lines(&s.repository(&format!("docs/recovery/{name}.md"))?);
    found
        .try_into()
        .map_err(|found: Vec<String>| format!("docs/recovery/{name}.md has {} lines to type, and {N} are played: {found:?}", found.len()))
}

/// A line as the reader types it.
pub(super) fn typed(s: &Stage, line: &str) -> Ran {
    let words = typed_words(s, line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    s.program("bash", &words).run()
}

/// What bash is given to type a line.
fn typed_words(s: &Stage, line: &str) -> Vec<String> {
    let script = s.repository_word("crates/proof/src/scripts/typed.sh");
    vec![script, s.word(SSH), s.word("known_hosts"), s.kubestead_path(), line.to_owned()]
}

/// A line that ends with a status.
fn ends(s: &Stage, line: &str, status: i32) -> Ran {
    let ran = typed(s, line);
    s.claim(&format!("`{line}` ends with {status}"), ran.status(status));
    ran
}

/// A line typed on a terminal of a computer on the machines' own network, and what is asked there answered. `trust` refuses to look through a
/// ProxyCommand, and the lab's own way in is one.
fn typed_nearby(s: &Stage, line: &str, answer: &str) -> Result<Ran, String> {
    let config = s.read(SSH)?;
    let (through, direct): (Vec<&str>, Vec<&str>) = config.lines().partition(|line| line.trim_start().starts_with("ProxyCommand "));
    let enter = through.first().and_then(|line| line.split_once("nsenter ")?.1.split_once(" bash "));
    let (enter, _) = enter.ok_or_else(|| format!("{SSH} does not say how the lab's network is entered"))?;
    s.write(SSH, &direct.join("\n"))?;
    let mut words: Vec<&str> = enter.split(' ').collect();
    let typed = typed_words(s, line);
    words.extend(["bash"].into_iter().chain(typed.iter().map(String::as_str)).chain(["terminal"]));
    let ran = s.program("nsenter", &words).input(answer).run();
    s.write(SSH, &config)?;
    Ok(ran)
}

fn power(s: &Stage, verb: &str, machine: &str) -> Done {
    s.kubestead(&["lab", verb, machine]).run().ok()?;
    own_ssh(s)
}

fn there(s: &Stage, path: &str) -> Claim {
    s.at("kube1", &["canaries_there", path]).run().ok()
}

fn recovery(s: &Stage) -> Done {
    s.claim("lab up", s.lab(LAB, &EQUIPPED));
    s.write("known_hosts", &s.read("labs/lab/known_hosts")?)?;
    own_ssh(s)?;
    file(s, "", MASTERLOCK)?;
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.at("kube1", &["put_canaries", VOLUMES]).run().ok()?;
    let [status] = page(s, "README")?;
    ends(s, &status, 0);
    cut_off(s)?;
    locked(s)?;
    key_server(s)?;
    header(s)?;
    age_key(s)?;
    stolen(s)?;
    reinstalled(s)?;
    s.claim("down leaves no process", s.down());
    Ok(())
}

fn cut_off(s: &Stage) -> Done {
    let [plan, up] = page(s, "cut-off")?;
    file(s, MORE, MASTERLOCK)?;
    s.claim("up is killed while it makes a volume", s.kill_at("kube1/more/format", 100));
    ends(s, &plan, 3);
    ends(s, &up, 0);
    s.claim("nothing is left to do", s.plan(&[]).status(0));
    s.at("kube1", &["put_canaries", "/more"]).run().ok()
}

/// The key server is away for good: by one command, and volume by volume.
fn locked(s: &Stage) -> Done {
    let [unlock, open, mount] = page(s, "locked")?;
    s.kubestead(&["key", "export", "masterlock", "--to", "masterlock.age"]).run().ok()?;
    power(s, "kill", "masterlock")?;
    s.claim("reboot without the key server", power(s, "reboot", "kube1"));
    s.claim("the volumes are locked", there(s, VOLUMES).err().map(|_| ()).ok_or_else(|| "one is mounted".to_owned()));
    ends(s, &unlock, 0);
    s.claim("all is there", there(s, VOLUMES).and(there(s, "/more")));
    s.claim("once more, by hand", power(s, "reboot", "kube1"));
    ends(s, &open, 0);
    s.claim("it is open", s.at("kube1", &["is_open", "volumes"]).run().ok());
    // What waits for the volume mounts it as well: who comes second finds it done.
    let mounted = typed(s, &mount);
    s.claim(&format!("`{mount}`, or what waited has mounted it already"), mounted.ok().or_else(|_| mounted.says("already mounted")));
    s.claim("what the volume holds is there", there(s, VOLUMES));
    Ok(())
}

fn key_server(s: &Stage) -> Done {
    let [trust, restore, up, doctor] = page(s, "key-server")?;
    file(s, MORE, SPARE)?;
    for line in [&trust, &restore, &up, &doctor] {
        ends(s, line, 0);
    }
    s.claim("reboot", power(s, "reboot", "kube1"));
    s.claim("the volumes come back by the new server", s.eventually(60, || there(s, VOLUMES).and(there(s, "/more"))));
    Ok(())
}

fn header(s: &Stage) -> Done {
    let [repair, plan] = page(s, "header")?;
    s.at("kube1", &["close_volume", "volumes", VOLUMES]).run().ok()?;
    s.at("kube1", &["damage_header", "volumes"]).run().ok()?;
    let held = s.plan(&[]);
    s.claim("the plan holds the volume, and names its header", held.status(4).and(held.says("header")));
    ends(s, &repair, 0);
    ends(s, &plan, 3);
    s.claim("up unlocks and mounts it", s.kubestead(&["up"]).run().ok());
    s.claim("what it holds is there", there(s, VOLUMES));
    Ok(())
}

fn age_key(s: &Stage) -> Done {
    let [open, recovery, shred] = page(s, "age-key")?;
    s.kubestead(&["recovery", "kit", "--shares", "3", "--threshold", "2", "--out", "kit"]).run().ok()?;
    for share in ["1", "3"] {
        s.write(&format!("share-{share}.txt"), &s.read(&format!("kit/share-{share}-of-3.txt"))?)?;
    }
    let key = s.kubestead(&["volume", "recovery", "kube1", "volumes"]).run().answer()?;
    let (here, away) = (s.path("age.txt"), s.path("away.txt"));
    std::fs::rename(&here, &away).map_err(|error| error.to_string())?;
    s.claim("without the age key there is no recovery key", s.kubestead(&["volume", "recovery", "kube1", "volumes"]).run().fails());
    ends(s, &open, 0);
    s.claim("the joined shares give the same recovery key", ends(s, &recovery, 0).is(&key));
    ends(s, &shred, 0);
    std::fs::rename(away, here).map_err(|error| error.to_string())
}

fn stolen(s: &Stage) -> Done {
    let [revoke, check, remove] = page(s, "stolen")?;
    ends(s, &revoke, 0);
    s.claim("it gets nothing", s.at("kube2", &["gets_nothing_of", "10.77.0.6", "volumes"]).run().ok());
    s.kubestead(&["secret", "init", "--no-git"]).run().ok()?;
    let value = fresh_value()?;
    s.secret("theirs", "theirs.yaml", &[("word", &value)])?;
    let before = s.read("secrets/theirs.yaml")?;
    let (old, new) = (s.read("age.txt")?, s.word("new.txt"));
    s.kubestead(&["init", "--dir", &s.word("new")]).setting("KUBESTEAD_AGE_KEY_FILE", &new).run().ok()?;
    s.write("age.txt", &format!("{old}{}", s.read("new.txt")?))?;
    let (old, new) = (recipient(&old)?, recipient(&s.read("new.txt")?)?);
    s.edit(".sops.yaml", &old, &new)?;
    s.claim("the key to remove is named", ends(s, &check, 4).says(&old));
    ends(s, &remove.replace("age1stolen…", &old), 0);
    let after = s.read("secrets/theirs.yaml")?;
    s.claim(
        "the file has another key, and is for the new one alone",
        if before == after || after.contains(&old) { Err(after) } else { Ok(()) },
    );
    s.claim("and the same value", s.kubestead(&["secret", "get", "secrets/theirs.yaml", "stringData/word"]).run().is(&value));
    s.claim("let in again by consent", s.kubestead(&["up", "--yes", "spare/kube2/enrol"]).run().ok());
    Ok(())
}

/// Of a file of age, the recipient that its comment names.
fn recipient(file: &str) -> Result<String, String> {
    let found = file.split_whitespace().find(|word| word.starts_with("age1"));
    found.map(str::to_owned).ok_or_else(|| "the file of age's keys names no recipient".to_owned())
}

/// A node gets a new root disk, and with it a new host key; its data disk is the old one.
fn reinstalled(s: &Stage) -> Done {
    let [shown, forget, accept] = page(s, "host-key")?;
    let [trust, plan, open] = page(s, "reinstalled")?;
    s.claim("the lab goes down", s.down());
    for file in ["root.img", "config.img", "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"] {
        s.remove(&format!("labs/lab/machines/kube1/{file}"))?;
    }
    s.kubestead(&["lab", "up"]).run().ok()?;
    power(s, "kill", "masterlock")?;
    own_ssh(s)?;
    let changed = s.plan(&[]);
    s.claim("the plan names the host key", changed.status(5).and(changed.says("host key")));
    let refused = typed_nearby(s, &trust, "yes\n")?;
    s.claim("a changed key is not accepted", refused.fails());
    // On the machine's console.
    let console = s.read("labs/lab/machines/kube1/ssh_host_ed25519_key.pub")?;
    s.write("console.pub", &console)?;
    let shown = typed(s, &shown.replace("/etc/ssh/ssh_host_ed25519_key.pub", &s.word("console.pub"))).answer()?;
    let print = shown.split(' ').nth(1).ok_or("ssh-keygen shows no fingerprint")?.to_owned();
    ends(s, &forget, 0);
    let accepted = typed_nearby(s, &accept, "yes\n")?;
    s.claim(&format!("`{accept}` shows the key of the console, and yes accepts it"), accepted.ok().and(accepted.says(&print)));
    s.equip("kube1")?;
    let asked = ends(s, &plan, 4);
    s.claim("the plan asks before the key server lets it in", asked.says("spare/kube1/enrol"));
    ends(s, &open, 0);
    s.on("kube1", &["mkdir", "-p", VOLUMES]).run().ok()?;
    s.on("kube1", &["mount", "/dev/mapper/luks-volumes", VOLUMES]).run().ok()?;
    s.claim("what the volume holds is there", there(s, VOLUMES));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_every_page_is_played() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/recovery");
        // That of certificates is played on a cluster.
        let mut played = [
            ("README", 1),
            ("age-key", 3),
            ("certificates", 2),
            ("cut-off", 2),
            ("disk", 0),
            ("header", 2),
            ("host-key", 3),
            ("key-server", 4),
            ("locked", 3),
            ("reinstalled", 3),
            ("stolen", 3),
        ]
        .map(|(name, count)| (format!("{name}.md"), count));
        played.sort();
        let pages = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let mut found: Vec<(String, usize)> = pages
            .map(|entry| (entry.file_name().into_string().unwrap(), lines(&std::fs::read_to_string(entry.path()).unwrap()).len()))
            .collect();
        found.sort();
        assert_eq!(found, played);
    }

    #[test]
    fn comments_are_not_typed_and_addresses_are_the_labs() {
        let text = "a\n```sh\nkubestead trust 192.0.2.21   # why\n```\n```text\nb\n```\n";
        assert_eq!(lines(text), ["kubestead trust 10.77.0.21"]);
    }
}
