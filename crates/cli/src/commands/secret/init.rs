//! `kubestead secret init`.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use kubestead_secrets::make_identity;
use kubestead_secrets::sops::{AgeProgram, Recipient, own_recipients};

use super::{failure, git, shown, variable};
use crate::commands::init::identity;
use crate::exit::{Exit, Failure, fail};
use crate::print;

const DRIVER: &str = "kubestead-secret";
const HOOK: &str = include_str!("scripts/pre-commit.sh");

pub(crate) fn run(dir: &Path, others: &[String], no_git: bool) -> Result<Exit, Failure> {
    let others = others.iter().map(|text| recipient(text)).collect::<Result<Vec<_>, _>>()?;
    std::fs::create_dir_all(dir)?;
    let mine = own_key()?;
    rules(dir, &mine, &others)?;
    if no_git {
        return Ok(Exit::Done);
    }
    match git::top(dir) {
        None => {
            print::note(&format!("{} is in no git repository: no hook and no settings; run this again after `git init`", dir.display()))
        }
        Some(top) => {
            attributes(&top)?;
            git::run(&top, &["config", &format!("diff.{DRIVER}.textconv"), "kubestead secret diff --textconv"])?;
            git::run(&top, &["config", &format!("merge.{DRIVER}.name"), "secrets, value by value"])?;
            git::run(&top, &["config", &format!("merge.{DRIVER}.driver"), "kubestead secret merge %O %A %B %P"])?;
            hook(&top)?;
        }
    }
    Ok(Exit::Done)
}

/// A recipient that was typed: age, an ssh key, or the fingerprint of an OpenPGP key.
fn recipient(text: &str) -> Result<(&'static str, String), Failure> {
    let text = text.trim();
    let is_fingerprint = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    // What begins like a private key is refused as one, and not quoted.
    if ["age1", "ssh-", "AGE-SECRET-KEY-", "age-secret-key-"].iter().any(|begin| text.starts_with(begin)) {
        let recipient = Recipient::age(text).map_err(|why| fail(Exit::Usage, format!("--recipient: {why}")))?;
        Ok(("age", recipient.name().to_owned()))
    } else if is_fingerprint {
        Ok(("pgp", text.to_ascii_uppercase()))
    } else {
        Err(fail(
            Exit::Usage,
            format!("{text:?} is no recipient: an `age1…`, an ssh public key, or the 40 digits of an OpenPGP fingerprint"),
        ))
    }
}

fn own_key() -> Result<Vec<String>, Failure> {
    let path = identity()?;
    if path.exists() {
        print::note(&format!("{} is there and stays as it is", path.display()));
    } else {
        make_identity(&path)?;
        print::data(&format!("wrote {}, your key; keep a copy of it off this computer", path.display()));
    }
    let program = variable("KUBESTEAD_AGE_EXEC").map_or_else(AgeProgram::default, AgeProgram::new);
    own_recipients(&path, &program).map_err(failure)
}

fn rules(dir: &Path, mine: &[String], others: &[(&str, String)]) -> Result<(), Failure> {
    let path = dir.join(".sops.yaml");
    if path.exists() {
        let text = std::fs::read_to_string(&path).map_err(|e| fail(Exit::Failed, format!("cannot read {}: {e}", shown(&path))))?;
        if let Some((kind, missing)) = others.iter().find(|(_, name)| !text.contains(name.as_str())) {
            let failure = fail(Exit::Usage, format!("{} is there, and does not name {missing}: it stays as it is", shown(&path)));
            return Err(failure.hint(format!("write it to `{kind}` of the rules there, then kubestead secret updatekeys secrets")));
        }
        print::note(&format!("{} is there and stays as it is", shown(&path)));
        return Ok(());
    }
    // Whoever opens the recovery keys opens the other secrets too, unless somebody takes them out.
    let escrow = std::fs::read_to_string(dir.join("secrets/escrow/recipients")).unwrap_or_default();
    let kept = escrow.lines().map(str::trim).filter(|line| line.starts_with("age1")).map(str::to_owned);
    let age: BTreeSet<String> = mine.iter().cloned().chain(kept).chain(of("age", others)).collect();
    let pgp: BTreeSet<String> = of("pgp", others).collect();
    put(&path, text(&age, &pgp).as_bytes(), 0o644)?;
    let people = match age.len() + pgp.len() {
        1 => "1 recipient".to_owned(),
        many => format!("{many} recipients"),
    };
    print::data(&format!("wrote {}: files below secrets/ are encrypted to {people}", shown(&path)));
    if age.len() + pgp.len() < 2 {
        print::note(
            "one recipient only: if that key is lost, so are the secrets. Add another to .sops.yaml, then `kubestead secret updatekeys secrets`",
        );
    }
    Ok(())
}

fn of<'a>(kind: &'a str, others: &'a [(&str, String)]) -> impl Iterator<Item = String> + 'a {
    others.iter().filter(move |(found, _)| *found == kind).map(|(_, text)| text.clone())
}

fn text(age: &BTreeSet<String>, pgp: &BTreeSet<String>) -> String {
    let line = |kind: &str, all: &BTreeSet<String>| {
        if all.is_empty() {
            return String::new();
        }
        let joined = all.iter().cloned().collect::<Vec<_>>().join(",");
        format!("    {kind}: {}\n", if joined.contains(' ') { format!("\"{joined}\"") } else { joined })
    };
    let people = format!("{}{}", line("age", age), line("pgp", pgp));
    format!(
        "# Who can open the secrets. After a change here: kubestead secret updatekeys secrets\n\
         creation_rules:\n  \
           # Kubernetes Secrets: kind, name and namespace can be read and reviewed, values are encrypted.\n  \
           - path_regex: ^secrets/.*\\.ya?ml$\n    encrypted_regex: ^(data|stringData)$\n{people}  \
           # Other files are encrypted whole.\n  \
           - path_regex: ^secrets/.*\\.(json|env|ini|txt|key|pem|crt|der|p12|pfx|jks|gz|bin)$\n{people}"
    )
}

fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let failed = |e: std::io::Error| fail(Exit::Failed, format!("cannot write {}: {e}", path.display()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(content).and_then(|()| file.set_permissions(std::fs::Permissions::from_mode(mode))).map_err(failed)
}

fn attributes(top: &Path) -> Result<(), Failure> {
    let path = top.join(".gitattributes");
    let before = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    if before.contains(&format!("diff={DRIVER}")) {
        return Ok(());
    }
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o644).open(&path)?;
    file.write_all(format!("{gap}secrets/** diff={DRIVER} merge={DRIVER}\nsecrets/escrow/** !diff !merge\n").as_bytes())?;
    if before.is_empty() {
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    print::data(&format!("wrote a line into {}: `git diff` shows which values differ, not the values", shown(&path)));
    Ok(())
}

/// What of the repository's settings is missing here: they are not cloned.
pub(super) fn missing(top: &Path) -> Result<Vec<&'static str>, Failure> {
    let is_set = |key: &str| git::line(top, &["config", key]).is_ok_and(|text| text.contains("kubestead secret"));
    let named = std::fs::read_to_string(top.join(".gitattributes")).unwrap_or_default().contains(&format!("diff={DRIVER}"));
    let all = [
        (checks(&hooks(top)?.join("pre-commit")), "the hook that refuses plain secrets"),
        (named && is_set(&format!("diff.{DRIVER}.textconv")), "the driver of `git diff`"),
        (named && is_set(&format!("merge.{DRIVER}.driver")), "the driver of `git merge`"),
    ];
    Ok(all.into_iter().filter(|(is_there, _)| !is_there).map(|(_, what)| what).collect())
}

fn hooks(top: &Path) -> Result<PathBuf, Failure> {
    Ok(top.join(git::path(top, &["rev-parse", "--git-path", "hooks"])?))
}

/// Whether git runs it, and it the check: git passes over what cannot be run, and a shell over what is a comment.
fn checks(hook: &Path) -> bool {
    let is_run = std::fs::metadata(hook).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    let calls = |text: String| text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("secret check --staged"));
    is_run && std::fs::read_to_string(hook).is_ok_and(calls)
}

fn hook(top: &Path) -> Result<(), Failure> {
    let hooks = hooks(top)?;
    let folder = top.join(git::path(top, &["rev-parse", "--git-common-dir"])?);
    let path: PathBuf = hooks.join("pre-commit");
    if checks(&path) {
        print::note(&format!("{} is there and stays as it is", shown(&path)));
    } else if path.exists() || !hooks.starts_with(&folder) && !hooks.starts_with(top) {
        print::note(&format!(
            "{} is not this command's to write; put this line into it, so that plain secrets are refused: kubestead secret check --staged || exit 1",
            path.display()
        ));
    } else {
        std::fs::create_dir_all(&hooks)?;
        put(&path, HOOK.as_bytes(), 0o755)?;
        print::data(&format!("wrote {}: a commit with a plain secret is refused", shown(&path)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kubestead_secrets::sops::Rules;

    use super::*;

    #[test]
    fn a_hook_that_does_not_run_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pre-commit");
        for (text, mode, is_one) in [
            (HOOK, 0o755, true),
            (HOOK, 0o644, false),
            ("#!/bin/sh\n  # kubestead secret check --staged\n", 0o755, false),
            ("#!/bin/sh\nmake lint\nkubestead secret check --staged || exit 1\n", 0o755, true),
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(checks(&path), is_one, "{mode:o} {text}");
        }
    }

    #[test]
    fn the_rules_that_are_written_can_be_read_and_mean_what_they_say() {
        let age = BTreeSet::from(["age1a".to_owned(), "ssh-ed25519 AAAA".to_owned()]);
        let pgp = BTreeSet::from(["0123456789ABCDEF0123456789ABCDEF01234567".to_owned()]);
        let rules = Rules::parse(Path::new("/r/.sops.yaml"), &text(&age, &pgp)).unwrap();
        let selector = |file: &str| format!("{:?}", rules.policy(Path::new(file)).unwrap().selector);
        assert!(selector("/r/secrets/a/b.yaml").contains("stringData") && selector("/r/secrets/c.yml").contains("stringData"));
        assert!(selector("/r/secrets/tls.key").contains("_unencrypted"));
        assert_eq!(rules.policy(Path::new("/r/secrets/a.yaml")).unwrap().groups.concat().len(), 3);
        for none in ["/r/cluster.yaml", "/r/secrets/escrow/recovery.a.age", "/r/secrets/escrow/recipients", "/r/x/secrets/a.yaml"] {
            assert!(rules.matching(Path::new(none)).unwrap().is_none(), "{none}");
        }
    }
}
