//! Volumes that are kept the same on several nodes: the scripts of the service, with Debian's unison and sshd, in containers on this computer.

use crate::scenario::Scenario;
use crate::stage::{Call, Claim, Done, Ran, Running, Stage};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "volumes are kept the same by the real unison: what is emptied, unmounted, another one, cut off or hostile deletes nothing elsewhere, and the loser of a conflict is kept",
    &["F12", "a volume that is kept the same"],
    (240, 1800),
    sync,
)];

const SCRIPTS: &str = "crates/provision/src/service/built/sync";
const PODS: &str = "crates/proof/src/scripts/sync/pods.sh";
const GOOD: &str = "the round is good";

/// The containers.
fn pods<'a>(s: &'a Stage, words: &[&str]) -> Call<'a> {
    let script = s.repository_word(PODS);
    let all: Vec<&str> = std::iter::once(script.as_str()).chain(words.iter().copied()).collect();
    let call = s.program("bash", &all).setting("PODS", s.path("pods"));
    call.setting("IMAGE", s.path("image/tree")).setting("SYNC", s.repository_word(SCRIPTS))
}

fn done(s: &Stage, words: &[&str]) -> Claim {
    pods(s, words).run().ok()
}

/// What a user does with the files of a volume.
fn files(s: &Stage, words: &[&str]) -> Ran {
    pods(s, &[&["files"], words].concat()).run()
}

fn round(s: &Stage, spoke: &str) -> Claim {
    let ran = pods(s, &["round", spoke]).run();
    ran.ok().and(ran.says(GOOD))
}

/// A round that is not made, and says why.
fn refused(s: &Stage, spoke: &str, why: &str) -> Claim {
    let ran = pods(s, &["round", spoke]).run();
    ran.fails().and(ran.says(why)).and(ran.lacks(GOOD))
}

fn count(s: &Stage, end: &str, count: &str) -> Claim {
    files(s, &["count", end]).is(count)
}

fn same(s: &Stage) -> Claim {
    files(s, &["same", "hub", "kube1"]).ok().and(files(s, &["same", "hub", "kube2"]).ok())
}

/// A round of each spoke, and the first one's again: what comes from the second one is on all then.
fn rounds(s: &Stage) -> Claim {
    round(s, "kube1").and_then(|()| round(s, "kube2")).and_then(|()| round(s, "kube1"))
}

/// The hub, when it listens.
fn hub(s: &Stage) -> Result<Running<'_>, String> {
    let running = pods(s, &["hub"]).start()?;
    s.eventually(30, || done(s, &["up"]))?;
    Ok(running)
}

fn sync(s: &Stage) -> Done {
    let image = s.repository_word("crates/proof/src/scripts/sync/image.sh");
    s.program("bash", &[&image, &s.word("image")]).run().ok()?;
    done(s, &["make", "kube1", "kube2"])?;
    let running = hub(s)?;
    begin(s)?;
    conflicts(s)?;
    names(s)?;
    spokes_volume(s)?;
    running.kill()?;
    hubs_volume(s)?;
    cut_off(s)?;
    let running = hub(s)?;
    clocks_and_hooks(s)?;
    ten_thousand(s)?;
    hostile(s)?;
    running.kill()?;
    done(s, &["gone"])
}

fn begin(s: &Stage) -> Done {
    files(s, &["numbered", "kube1", "many", "300"]).ok()?;
    files(s, &["text", "kube1", "cache/x", "not this"]).ok()?;
    files(s, &["text", "kube1", "a.lock", "nor this"]).ok()?;
    s.claim("files reach the hub in a round", round(s, "kube1"));
    s.claim("and the other spoke in another", round(s, "kube2"));
    s.claim("all of them, and nothing that is excluded", count(s, "kube2", "301").and(count(s, "hub", "301")));
    s.claim("a round with nothing to do is good", round(s, "kube2"));
    for name in ["a.lock", "cache"] {
        files(s, &["gone", "kube1", name]).ok()?;
    }
    files(s, &["remove", "kube1", "many", "1", "100"]).ok()?;
    s.claim("what is deleted is deleted everywhere", rounds(s).and(count(s, "kube2", "201")));
    s.claim("and kept for a while, where a round deleted it", files(s, &["kept", "kube2", "100"]).ok());
    Ok(())
}

fn ten_thousand(s: &Stage) -> Done {
    files(s, &["numbered", "kube1", "thousands", "10000"]).ok()?;
    s.claim("ten thousand files are on both others after two rounds", round(s, "kube1").and_then(|()| round(s, "kube2")).and(same(s)));
    files(s, &["remove", "kube2", "thousands", "1", "1000"]).ok()?;
    s.claim("and what is deleted of them is deleted", round(s, "kube2").and_then(|()| round(s, "kube1")).and(same(s)));
    Ok(())
}

fn conflicts(s: &Stage) -> Done {
    for (end, words) in [("kube1", "the older edit"), ("kube2", "the newer edit")] {
        files(s, &["text", end, "both", words]).ok()?;
    }
    files(s, &["older", "kube1", "both"]).ok()?;
    s.claim("of two edits the newer one wins", rounds(s).and(files(s, &["says", "kube1", "both"]).is("the newer edit")));
    s.claim(
        "and the other one is kept",
        files(s, &["kept", "kube1", "the older edit"]).ok().or(files(s, &["kept", "hub", "the older edit"]).ok()),
    );
    files(s, &["remove", "kube1", "many", "200", "200"]).ok()?;
    files(s, &["text", "kube2", "many/200", "edited"]).ok()?;
    s.claim("an edit wins over a deletion", rounds(s).and(files(s, &["says", "kube1", "many/200"]).is("edited")));
    Ok(())
}

fn names(s: &Stage) -> Done {
    files(s, &["odd", "kube1"]).ok()?;
    s.claim(
        "names with newlines, dashes and bytes of no text, and links that lead nowhere or out, are the same everywhere",
        rounds(s).and(same(s)),
    );
    files(s, &["pipe", "kube1"]).ok()?;
    s.claim("what cannot be kept the same is told, and the round is not good", refused(s, "kube1", "skipped"));
    files(s, &["gone", "kube1", "pipe"]).ok()?;
    s.claim("without it the next one is", round(s, "kube1"));
    Ok(())
}

/// The spoke's volume is emptied, not mounted, another one, or an older state of itself.
fn spokes_volume(s: &Stage) -> Done {
    let Ok(all) = files(s, &["count", "hub"]).answer() else { return Err("no count".to_owned()) };
    let untouched = || count(s, "hub", &all).and(count(s, "kube1", &all));
    done(s, &["older", "kube2"])?;
    files(s, &["clear", "kube2"]).ok()?;
    s.claim("a volume whose files are all gone is not synced", refused(s, "kube2", "files and folders are gone"));
    files(s, &["text", "kube2", "one", "that its program made anew"]).ok()?;
    s.claim("nor if a program began anew in it", refused(s, "kube2", "files and folders are gone"));
    done(s, &["back", "kube2"])?;
    done(s, &["unmounted", "kube2"])?;
    s.claim("one that is not mounted is not", refused(s, "kube2", "no volume is mounted"));
    done(s, &["back", "kube2"])?;
    done(s, &["blank", "kube2"])?;
    s.claim("another one, which is empty, is not", refused(s, "kube2", "was synced before and has no mark now"));
    s.claim("nothing was deleted anywhere", untouched());
    s.claim("with consent it is filled", done(s, &["consent", "replaced", "kube2"]).and_then(|()| round(s, "kube2")).and(same(s)));
    done(s, &["older", "kube2"])?;
    files(s, &["text", "kube1", "later", "later"]).ok()?;
    files(s, &["remove", "kube1", "many", "250", "250"]).ok()?;
    rounds(s)?;
    done(s, &["back", "kube2"])?;
    s.claim("an older state of it is not synced", refused(s, "kube2", "archives"));
    s.claim("what came later is still there", files(s, &["says", "kube1", "later"]).is("later"));
    s.claim("with consent both are put together", done(s, &["consent", "replaced", "kube2"]).and_then(|()| rounds(s)).and(same(s)));
    files(s, &["remove", "kube1", "many", "101", "240"]).ok()?;
    s.claim("many deletions wait for a person", refused(s, "kube1", "consent.sh deletions"));
    s.claim("and are made with consent", done(s, &["consent", "deletions", "kube1"]).and_then(|()| rounds(s)).and(same(s)));
    s.claim("which holds for one round", files(s, &["clear", "kube1"]).ok().and(refused(s, "kube1", "files and folders are gone")));
    s.claim("and the files come back by another", done(s, &["consent", "replaced", "kube1"]).and_then(|()| rounds(s)).and(same(s)));
    Ok(())
}

/// The same of the hub's, while the hub is down.
fn hubs_volume(s: &Stage) -> Done {
    let Ok(all) = files(s, &["count", "kube1"]).answer() else { return Err("no count".to_owned()) };
    s.claim("without the hub no round is made", refused(s, "kube1", "cannot be reached"));
    for (verb, why) in [("unmounted", "no volume is mounted"), ("blank", "the hub's volume has no mark")] {
        done(s, &[verb, "hub"])?;
        let running = hub(s)?;
        s.claim(&format!("a hub's volume that is {verb} is not synced"), refused(s, "kube1", why).and(refused(s, "kube2", why)));
        running.kill()?;
        done(s, &["back", "hub"])?;
    }
    s.claim("nothing was deleted anywhere", count(s, "kube1", &all).and(count(s, "kube2", &all)));
    done(s, &["older", "hub"])?;
    files(s, &["clear", "hub"]).ok()?;
    let running = hub(s)?;
    s.claim("a hub's volume that is emptied is not synced", refused(s, "kube1", "files and folders are gone"));
    s.claim("and is filled with consent", done(s, &["consent", "replaced", "kube1"]).and_then(|()| rounds(s)).and(same(s)));
    running.kill()?;
    done(s, &["blank", "hub"])?;
    let running = hub(s)?;
    for spoke in ["kube1", "kube2"] {
        s.claim("with consent another hub's volume is filled", done(s, &["consent", "replaced", spoke]).and_then(|()| round(s, spoke)));
    }
    s.claim("with all that was there", same(s).and(count(s, "hub", &all)));
    running.kill()
}

/// The hub is killed in the middle of a round, and a spoke is.
fn cut_off(s: &Stage) -> Done {
    let running = hub(s)?;
    files(s, &["large", "kube1", "large", "60"]).ok()?;
    let cut = pods(s, &["round", "kube1"]).start()?;
    s.claim("a round has begun to copy", s.eventually(30, || files(s, &["unfinished", "hub"]).fails()));
    running.kill()?;
    let ran = cut.ended();
    s.claim("a round whose hub is killed is not good", ran.fails().and(ran.says("Lost connection")));
    let running = hub(s)?;
    s.claim("the next ones bring all", rounds(s).and(same(s)));
    files(s, &["large", "kube1", "more", "60"]).ok()?;
    let cut = pods(s, &["round", "kube1"]).start()?;
    s.claim("another one has begun", s.eventually(30, || files(s, &["unfinished", "hub"]).fails()));
    cut.kill()?;
    s.claim("after a spoke was killed too", s.eventually(120, || round(s, "kube1")).and_then(|()| rounds(s)).and(same(s)));
    running.kill()
}

fn clocks_and_hooks(s: &Stage) -> Done {
    let late = pods(s, &["late", "kube1"]).run();
    s.claim("clocks that are apart are told, and no round is made", late.fails().and(late.says("3600 s apart")));
    done(s, &["hook", "before", "fails"])?;
    s.claim("a hook that fails puts the round off", refused(s, "kube1", "the hook before a round failed"));
    done(s, &["hook", "before", "tells"])?;
    done(s, &["hook", "after", "tells"])?;
    let ran = pods(s, &["round", "kube1"]).run();
    s.claim("hooks run before and after", ran.ok().and(ran.says("before at kube1")).and(ran.says("after at kube1")));
    Ok(())
}

fn hostile(s: &Stage) -> Done {
    let Ok(all) = files(s, &["count", "hub"]).answer() else { return Err("no count".to_owned()) };
    s.claim("the key runs nothing else, whatever is asked for", done(s, &["hostile", "kube1"]));
    let rubbish = pods(s, &["ask", "kube1", "unison -server x"]).input([0xa5, b'\n'].repeat(100_000)).run();
    s.claim("rubbish for unison is refused", rubbish.says("NOK"));
    for option in ["-R9000:127.0.0.1:22", "-L9000:127.0.0.1:22", "-W127.0.0.1:22"] {
        let ran = pods(s, &["ask", "kube1", "hello new", "-oExitOnForwardFailure=yes", option]).run();
        s.claim(&format!("no {option} is forwarded"), ran.lacks("SSH-2.0"));
    }
    let root = pods(s, &["ask", "kube1", "hello new", "-lroot"]).run();
    s.claim("nobody else logs in", root.fails().and(root.says("Permission denied")));
    s.claim("nothing was changed by all that", count(s, "hub", &all).and(rounds(s)).and(same(s)));
    done(s, &["impostor", "kube2"])?;
    s.claim("a hub with another key is no hub", refused(s, "kube1", "Host key verification failed"));
    Ok(())
}
