//! Every script of the crates is a file, one that bash can read and that shellcheck has nothing to say about.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::path::{Path, PathBuf};
use std::process::Command;

/// The files below the crates' `src` with an extension.
fn sources(crates: &[&str], extension: &str) -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> = crates.iter().map(|name| all.join(name).join("src")).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_script_is_one_that_bash_and_shellcheck_accept() {
    let found = sources(&["backend", "cli", "core", "lab", "proof", "provision", "secrets", "storage"], "sh");
    assert!(found.len() >= 80, "{found:?}");
    for script in &found {
        assert!(Command::new("bash").arg("-n").arg(script).status().unwrap().success(), "{}", script.display());
    }
    match Command::new("shellcheck").args(["-S", "warning", "-f", "gcc"]).args(&found).output() {
        Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout)),
        // The gate installs it; elsewhere bash alone has looked.
        Err(error) => assert!(std::env::var_os("CI").is_none(), "shellcheck: {error}"),
    }
}

/// The scripts of a folder that run by themselves, under a shell that shellcheck knows (busybox' is none). What only others read has no first line that names its shell, and is looked at through them.
fn programs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let shells = ["#!/bin/bash", "#!/usr/bin/env bash", "#!/bin/sh"];
    let first = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).lines().next().unwrap_or_default().to_owned();
    all.filter(|path| path.is_file() && shells.contains(&first(path).as_str())).collect()
}

#[test]
fn every_script_of_the_house_is_one_that_shellcheck_accepts() {
    let found: Vec<PathBuf> =
        [".ci", "scripts", "tests", "benches", "crates/lab/recipes"].iter().flat_map(|folder| programs(folder)).collect();
    assert!(found.len() >= 35, "{found:?}");
    // SC2154, what is not assigned: some functions of a file that is read are for others who read it; `set -u` ends a run that meets it.
    match Command::new("shellcheck")
        .args(["-x", "-a", "-P", "SCRIPTDIR", "-S", "warning", "-e", "SC2154", "-f", "gcc"])
        .args(&found)
        .output()
    {
        Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout)),
        Err(error) => assert!(std::env::var_os("CI").is_none(), "shellcheck: {error}"),
    }
}

/// What a literal of a program has only if it is a shell script of more than one command.
const SHELL: [&str; 14] =
    ["$(", "${", "\"$", "|| ", " && ", "> /dev/null", ">/dev/null", "2>&1", "set -e", "sh -c ", "; fi", "\nfi", "; done", "\ndone"];
/// The two places that put a command together: the line that ssh sends with its frame, and the probe's calls of `section`.
const FRAMES: [&str; 2] = ["core/src/frame.rs", "core/src/probe.rs"];
/// Files of another language that has `&&` too: the expressions of admission policies (CEL).
const OTHERS: [&str; 1] = ["provision/src/objects/pods/cel.rs"];
/// A text with such a sign that kubestead does not run as its own script: its file, and how it begins.
const NO_SCRIPTS: [(&str, &str); 5] = [
    // The command that EDITOR names, as git runs it.
    ("cli/src/commands/secret/editor.rs", "{command} \"$@\""),
    // Lines to be typed.
    ("cli/src/commands/secret/init.rs", "{} is not this command's to write; put this line into it"),
    ("secrets/src/sops/pgp.rs", "gpg could not ask for the passphrase"),
    ("provision/src/keyserver/login.rs", "write `user: {other}`; or rename it there"),
    // A regular expression.
    ("secrets/src/import/inline.rs", "\\$(?:[A-Za-z_]"),
];
/// How the examples of `--help` begin.
const EXAMPLE: &str = "Example";
/// A text that is handed on as a script and is no file's.
const HANDED: [&str; 8] = [
    "Procedure::script(\"",
    "Procedure::script(&format!",
    "Section::script(\"\", \"",
    "Section::script(\"\", &format!",
    "read_script(\"",
    "read_script(format!",
    "write_script(\"",
    "write_script(format!",
];

/// The literals of a source, without those of comments, and what is left of it.
fn literals(source: &str) -> (Vec<String>, String) {
    let (mut found, mut code, mut rest) = (Vec::new(), String::new(), source);
    while let Some(c) = rest.chars().next() {
        let hashes = rest[1.min(rest.len())..].chars().take_while(|c| *c == '#').count();
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if c == 'r' && rest[1 + hashes..].starts_with('"') && !code.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            let (body, end) = (&rest[2 + hashes..], format!("\"{}", "#".repeat(hashes)));
            let length = body.find(&end).unwrap();
            found.push(body[..length].to_owned());
            code.push_str("\"\"");
            rest = &body[length + end.len()..];
        } else if c == '"' {
            let (mut text, mut at) = (String::new(), 1);
            while let Some(next) = rest[at..].chars().next().filter(|c| *c != '"') {
                at += next.len_utf8();
                if next == '\\' {
                    let escaped = rest[at..].chars().next().unwrap();
                    at += escaped.len_utf8();
                    text.push(if escaped == 'n' { '\n' } else { escaped });
                } else {
                    text.push(next);
                }
            }
            found.push(text);
            code.push_str("\"\"");
            rest = &rest[at + 1..];
        } else if c == '\'' && (rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'')) {
            let from = if rest[1..].starts_with('\\') { 3 } else { 1 + rest[1..].chars().next().unwrap().len_utf8() };
            rest = &rest[from + rest[from..].find('\'').unwrap() + 1..];
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    (found, code)
}

/// What looks like shell in a source outside of its tests.
fn shell(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let (texts, code) = literals(source);
    let signed = |text: &String| !text.starts_with(EXAMPLE) && SHELL.iter().any(|sign| text.contains(sign));
    let mut found: Vec<String> = texts.into_iter().filter(signed).collect();
    found.extend(HANDED.iter().filter(|sign| code.contains(*sign)).map(|sign| (*sign).to_owned()));
    found
}

#[test]
fn no_script_stands_in_a_string() {
    let files = sources(&["backend", "cli", "core", "lab", "proof", "provision", "secrets", "storage"], "rs");
    // Modules for tests alone.
    let tests: Vec<PathBuf> = files
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            let names = text.split("#[cfg(test)]\n").skip(1).filter_map(|after| {
                let (_, name) = after.split_once(';')?.0.split_once("mod ")?;
                name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| name.to_owned())
            });
            let own = ["mod.rs", "lib.rs", "main.rs"].iter().any(|name| file.ends_with(name));
            let parent = if own { file.parent().unwrap().into() } else { file.with_extension("") };
            names.map(|name| parent.join(name).with_extension("rs")).collect::<Vec<_>>()
        })
        .collect();
    assert!(tests.len() >= 4 && tests.iter().all(|file| file.exists()), "{tests:?}");
    let (mut found, mut unused) = (Vec::new(), NO_SCRIPTS.to_vec());
    let left_out = |file: &Path| FRAMES.iter().chain(&OTHERS).any(|known| file.ends_with(known));
    for file in files.iter().filter(|file| !tests.contains(file) && !left_out(file)) {
        for text in shell(&std::fs::read_to_string(file).unwrap()) {
            match NO_SCRIPTS.iter().find(|(known, begin)| file.ends_with(known) && text.starts_with(begin)) {
                Some(known) => unused.retain(|other| other != known),
                None => found.push(format!("{}: {text}", file.display())),
            }
        }
    }
    assert_eq!(unused, [], "texts that are not there any more");
    assert!(found.is_empty(), "shell belongs into a file below scripts/:\n{}", found.join("\n"));
}

#[test]
fn a_script_in_a_string_is_found() {
    for bad in [
        r#"let a = "systemctl stop x || true";"#,
        "const A: &str = r#\"echo \"$1\"\"#;",
        "let a = format!(\"if a; then\\n b\\nfi\");",
        "Procedure::script(\"true\")",
        "Section::script(\"a\", \"true\")",
        r#"const A: &str = "ip link set lo up && ip link add br0 type bridge";"#,
        r#"let a = format!("nsenter -t {pid} bash -c 'exec cat <&3'");"#,
        "Command::read_script(format!(\"{A}{b}\"))",
        "let c = '\"'; let a = \"x=$(id)\";",
    ] {
        assert_eq!(shell(bad).len(), 1, "{bad}");
    }
    let good = "// \"$(x)\"\n#[command(after_help = \"Example: a $(b) && c\")] let a = \"run up again; then wait\"; let q = '\\''; Procedure::script(include_str!(\"a.sh\"))\n\
        #[cfg(test)]\nmod tests { \"$(x)\" }";
    assert_eq!(shell(good), Vec::<String>::new());
}
