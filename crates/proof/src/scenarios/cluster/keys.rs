//! Who is let in by key servers, and the recovery kit.

use serde_json::Value;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, is};

use super::mode;

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "the doctor finds whatever is wrong with a key server, and nothing where nothing is",
        shows: &["F24", "F29"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 600,
        takes: 45,
        core: false,
        run: doctor,
    },
    Scenario {
        name: "a node that is shut out gets nothing and comes back by consent alone, and so does one with another key",
        shows: &["F24", "R1", "a node with another key than the enrolled one", "lines on a key server that kubestead did not write"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 900,
        takes: 90,
        core: false,
        run: shut_out,
    },
    Scenario {
        name: "any two of three shares of a recovery kit open all, and one alone opens nothing",
        shows: &["F24"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 300,
        takes: 15,
        core: false,
        run: kit,
    },
];

const NODE: &str = "kube1";
const OTHER: &str = "kube2";
const VOLUME: &str = "volkube";

/// So many lines of ours let the node in.
fn lines(s: &Stage, node: &str, count: &str) -> Claim {
    s.at("masterlock", &["lines", node]).run().is(count)
}

fn whole(checks: &str) -> Claim {
    let checks: Value = serde_json::from_str(checks).map_err(|error| error.to_string())?;
    let checks = checks.as_array().cloned().unwrap_or_default();
    let bad: Vec<&Value> = checks.iter().filter(|check| check["verdict"] == "bad" || check["verdict"] == "notSeen").collect();
    is(checks.len() > 40 && bad.is_empty(), || format!("{} checks, and bad are {bad:?}", checks.len()))?;
    let tried = |check: &&Value| check["host"] == NODE && check["what"].as_str().is_some_and(|what| what.contains("another address"));
    is(checks.iter().find(tried).is_some_and(|check| check["verdict"] == "good"), || format!("{checks:?}"))
}

fn doctor(s: &Stage) -> Done {
    s.at(NODE, &["second_address", "add"]).run().ok()?;
    let good = s.kubestead(&["key", "doctor", "-o", "json"]).run();
    s.claim("all is as it must be", good.ok());
    s.claim("another address was tried and refused", whole(&good.text()));
    s.at("masterlock", &["break_server", VOLUME]).run().ok()?;
    let bad = s.kubestead(&["key", "doctor"]).run();
    s.claim("what is wrong ends it with 1", bad.status(1));
    for found in [
        "WRONG     kube1 at masterlock: the node's key is refused from another address (status 0",
        "WRONG     kube1 at masterlock: another node's share, by a path is refused",
        "its own share of volkube comes, 64 bytes (status 0",
        "/var/lib/kubestead-keys is masterlock's with mode 755",
        "kube1 is let in from *",
        "me@desk",
    ] {
        s.claim(&format!("it found: {found}"), bad.says(found));
    }
    s.at("masterlock", &["repair_server"]).run().ok()?;
    s.at(NODE, &["second_address", "del"]).run().ok()?;
    s.claim("all is as it must be again", s.kubestead(&["key", "doctor"]).run().ok());
    Ok(())
}

fn shut_out(s: &Stage) -> Done {
    let server = |words: &[&str]| s.at("masterlock", words).run();
    // A line of somebody else, which all of this must leave alone.
    server(&["foreign_line"]).ok()?;
    s.at(OTHER, &["open_connection", VOLUME]).run().ok()?;
    s.claim("revoke", s.kubestead(&["key", "revoke", OTHER]).run().says("kube2 is let in by no key server"));
    s.claim("its line is gone", lines(s, OTHER, "0"));
    s.claim("its open connection has ended", s.at(OTHER, &["connection_ended"]).run().ok());
    s.claim("it gets nothing", s.at(OTHER, &["gets_nothing", VOLUME]).run().ok());
    s.claim("the others' lines stay", lines(s, NODE, "1"));
    s.claim("a line of somebody else stays", server(&["has_foreign_line"]).ok());
    s.claim("its share stays", server(&["share_has_64_bytes", OTHER, VOLUME]).ok());
    s.claim("a second time there is nothing to do", s.kubestead(&["key", "revoke", OTHER]).run().status(0));
    let wipe = s.kubestead(&["key", "revoke", OTHER, "--wipe", VOLUME]).run();
    s.claim("a share of a node of the file is not wiped", wipe.status(4));
    s.claim("it comes back by consent alone", s.kubestead(&["up"]).run().status(4));
    s.claim("it is still out", lines(s, OTHER, "0"));
    let enrol = ["up", "--yes", "masterlock/kube2/enrol"];
    s.claim("with consent it is let in", s.kubestead(&enrol).run().ok());
    s.claim("and gets its share", s.at(OTHER, &["share_is_whole", VOLUME]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));

    s.at(OTHER, &["another_key"]).run().ok()?;
    s.claim("the plan asks", s.plan(&[]).says("needs your consent: --yes masterlock/kube2/enrol"));
    let keys = || s.on("masterlock", &["sha256sum", "/etc/ssh/kubestead_keys"]).run();
    let enrolled = keys().answer()?;
    s.claim("without consent it is not let in", s.kubestead(&["up"]).run().status(4));
    s.claim("and nothing was changed on the server", keys().is(&enrolled));
    s.claim("with consent it is", s.kubestead(&enrol).run().ok());
    s.claim("by one line", lines(s, OTHER, "1"));
    server(&["no_foreign_line"]).ok()?;
    s.claim("all is as it must be", s.kubestead(&["key", "doctor"]).run().status(0));
    Ok(())
}

/// The printed program that joins shares, as it stands on a page.
fn printed(page: &str) -> Result<String, String> {
    let at = page.find("# python3 join.py").ok_or("the page has no program")?;
    Ok(page[at..].to_owned())
}

fn kit(s: &Stage) -> Done {
    let make = ["recovery", "kit", "--shares", "3", "--threshold", "2", "--out", "kit"];
    let first: Vec<&str> = make.iter().copied().chain(["--backups", "a stick in the safe", "--date", "2026-11-25"]).collect();
    s.claim("a kit of three, of which two open", s.kubestead(&first).run().ok());
    let folder = s.path("kit");
    let pages: Vec<_> = std::fs::read_dir(&folder).map_err(|error| error.to_string())?.flatten().map(|entry| entry.path()).collect();
    let closed = pages.iter().try_for_each(|page| mode(page, 0o600));
    s.claim("its pages are their owner's alone", closed.and(is(pages.len() == 6, || format!("{} pages", pages.len()))));
    let shows =
        |page: &&std::path::PathBuf| std::fs::read_to_string(page).is_ok_and(|text| text.to_uppercase().contains("AGE-SECRET-KEY-1"));
    let none = is(!pages.iter().any(|page| shows(&page)), || "one does".to_owned());
    s.claim("no page holds the identity", none.and(is(s.read("age.txt")?.contains("AGE-SECRET-KEY"), || "age.txt has none".to_owned())));
    s.claim("a second kit does not replace it", s.kubestead(&make).run().status(1));
    let verify = |words: &[&str]| s.kubestead(&[&["recovery", "verify"], words].concat());
    let two = verify(&["kit/share-3-of-3.html", "kit/share-1-of-3.txt", "--nodes"]).run();
    s.claim("two shares open all, on the nodes too", two.says("good   recovery.kube1.volkube: opens slot 7"));
    let typed = [s.read("kit/share-1-of-3.txt")?, s.read("kit/share-2-of-3.txt")?].concat();
    let piped = verify(&["-"]).setting("KUBESTEAD_AGE_KEY_FILE", "/nonexistent").input(typed).run();
    s.claim("from standard input too", piped.ok());
    let one = verify(&["kit/share-1-of-3.txt"]).run();
    s.claim("one share does not", one.fails().and(one.says("1 of the 2 shares")));
    let mistyped = mistype(&s.read("kit/share-2-of-3.txt")?)?;
    s.write("typed", &mistyped)?;
    let wrong = verify(&["kit/share-1-of-3.txt", "typed"]).run();
    s.claim("a mistake is told with its line", wrong.fails().and(wrong.says("line 2 of the share is mistyped")));
    let open = ["recovery", "open", "kit/share-2-of-3.txt", "kit/share-3-of-3.txt", "--to", "identity"];
    s.claim("open gives the identity", s.kubestead(&open).run().ok());
    let identity = s.read("identity")?;
    let known = s.read("age.txt")?;
    let one = is(known.lines().any(|line| identity.lines().any(|found| found == line)), || "it is another one".to_owned());
    s.claim("it is the one, and its owner's alone", one.and(mode(&s.path("identity"), 0o600)));
    s.write("join.py", &printed(&s.read("kit/share-1-of-3.txt")?)?)?;
    let joined = s.program("python3", &["join.py", "kit/share-3-of-3.txt", "kit/share-2-of-3.txt"]).run();
    s.claim("the printed program gives the same", joined.ok().and(is(joined.stdout == identity.as_bytes(), || "it does not".to_owned())));
    std::fs::remove_dir_all(folder).map_err(|error| error.to_string())?;
    s.remove("identity")
}

/// The second line of a share with its first four letters typed wrong.
fn mistype(share: &str) -> Result<String, String> {
    let at = share.find("\n2: ").ok_or("the share has no second line")? + 4;
    Ok(format!("{}aaaa{}", &share[..at], share.get(at + 4..).unwrap_or_default()))
}
