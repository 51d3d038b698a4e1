//! The docs against what is there: links and anchors lead somewhere, command lines parse, files that are named exist, and the book has every page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use crate::args::Cli;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// All pages of the repository, by their path in it.
fn pages() -> BTreeMap<PathBuf, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![top()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_symlink() || name.starts_with('.') || ["target", "dist"].contains(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(top()).unwrap().to_owned(), text);
            }
        }
    }
    found
}

/// A line of a page: in a block of code, by its language, or not.
fn lines(text: &str) -> Vec<(Option<&str>, &str)> {
    let (mut found, mut block) = (Vec::new(), None);
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => block = Some(language.trim()),
            (None, _) => found.push((block, line)),
        }
    }
    found
}

/// What stands between backticks, and the line without it.
fn spans(line: &str) -> (Vec<&str>, String) {
    let parts: Vec<&str> = line.split('`').collect();
    (parts.iter().copied().skip(1).step_by(2).collect(), parts.iter().copied().step_by(2).collect())
}

/// What a heading is linked by, on GitHub and in mdBook.
fn anchor(heading: &str) -> String {
    let plain = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    plain.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(text: &str) -> Vec<String> {
    let headings = lines(text).into_iter().filter(|(block, line)| block.is_none() && line.starts_with('#'));
    headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
}

/// Where the links of a page lead that are no addresses of the web.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (_, line) in lines(text).into_iter().filter(|(block, _)| block.is_none()) {
        // A link's words may be code, its target is not.
        let line = line.replace("](", "\u{0}");
        for rest in line.split('\0').skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            if !target.contains("://") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// A path without `.` and `..`. `None` if it leads out of the repository.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if !found.pop() => return None,
            Component::Normal(name) => found.push(name),
            _ => {}
        }
    }
    Some(found)
}

#[test]
fn every_link_and_anchor_leads_somewhere() {
    let (pages, mut seen, mut wrong) = (pages(), 0, Vec::new());
    for (page, text) in &pages {
        let own = anchors(text);
        let twice: Vec<_> = own.iter().filter(|one| own.iter().filter(|other| other == one).count() > 1).collect();
        let linked: BTreeSet<&String> = twice.into_iter().collect();
        for link in links(text) {
            seen += 1;
            let (path, anchor) = link.split_once('#').map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { Some(page.clone()) } else { inside(&page.parent().unwrap().join(path)) };
            let there = target.as_ref().is_some_and(|target| top().join(target).exists());
            let has = |anchor: &str| {
                let target = pages.get(target.as_ref().unwrap_or(page));
                target.is_some_and(|text| anchors(text).iter().any(|one| one == anchor))
                    && (!path.is_empty() || !linked.contains(&anchor.to_owned()))
            };
            if !there || !anchor.is_none_or(has) {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these lead nowhere: {wrong:#?}");
    assert!(seen > 150, "{seen} links were seen");
}

/// Lines of a block of shell as commands, without what follows a comment.
fn commands(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut goes_on = false;
    for (_, line) in lines(text).into_iter().filter(|(block, _)| matches!(block, Some("sh" | "console"))) {
        let line = line.trim().trim_start_matches("$ ");
        let (line, more) = line.strip_suffix('\\').map_or((line, false), |line| (line, true));
        match found.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(line),
            None => found.push(line.to_owned()),
        }
        goes_on = more;
    }
    found
}

/// The words of each call of kubestead in a line of shell.
fn calls(line: &str) -> Vec<Vec<String>> {
    let (mut found, mut words) = (Vec::new(), vec![String::new()]);
    let (mut quote, mut end) = (None, false);
    let mut rest = line.chars().peekable();
    let mut close = |words: &mut Vec<String>| {
        words.retain(|word| !word.is_empty());
        let start = words.iter().position(|word| !word.contains('=') && word != "sudo").unwrap_or(words.len());
        if words.get(start).is_some_and(|word| word == "kubestead") {
            found.push(words.split_off(start));
        }
        *words = vec![String::new()];
    };
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('#', None) if words.last().is_none_or(String::is_empty) => break,
            // A command inside of another one, in quotes or not, and the end of it.
            ('$', None | Some('"')) if rest.peek() == Some(&'(') => {
                rest.next();
                words = vec![String::new()];
                quote = None;
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (';' | '|' | '&' | ')' | '<' | '>', None) => {
                close(&mut words);
                // What is written into, or read, is no command.
                end = matches!(c, '<' | '>');
            }
            (' ', None) => words.push(String::new()),
            (c, _) if !end || c == ' ' => {
                if let Some(last) = words.last_mut() {
                    last.push(c);
                }
            }
            _ => {}
        }
    }
    close(&mut words);
    found
}

#[test]
fn every_command_line_parses() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (page, text) in pages() {
        for line in commands(&text) {
            for words in calls(&line) {
                seen += 1;
                if let Err(error) = Cli::try_parse_from(&words) {
                    wrong.push(format!("{}: {line}\n{error}", page.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "{seen} command lines were seen");
}

/// The examples of a command's help, and of those below it.
fn examples(command: &clap::Command, found: &mut Vec<String>) {
    for inner in command.get_subcommands() {
        found.extend(inner.get_after_help().into_iter().flat_map(|text| text.to_string().lines().map(str::to_owned).collect::<Vec<_>>()));
        examples(inner, found);
    }
}

#[test]
fn every_example_of_the_help_parses() {
    let (mut lines, mut seen, mut wrong) = (Vec::new(), 0, Vec::new());
    examples(&Cli::command(), &mut lines);
    for line in &lines {
        // What stands before the colon says what it is an example of.
        for words in calls(&line.split_once(": ").map_or(line.as_str(), |(_, rest)| rest).replace(", then ", "; ")) {
            seen += 1;
            if let Err(error) = Cli::try_parse_from(&words) {
                wrong.push(format!("{line}\n{error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 40, "{seen} examples were seen");
}

/// In a sentence a command may lack its arguments, but none of its words is unknown.
#[test]
fn every_command_in_a_sentence_is_one() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (page, text) in pages().into_iter().filter(|(page, _)| page.as_os_str() != "CHANGELOG.md") {
        for (_, line) in lines(&text).into_iter().filter(|(block, _)| block.is_none()) {
            for span in spans(line).0.into_iter().filter(|span| span.starts_with("kubestead ")) {
                for words in calls(span) {
                    seen += 1;
                    let lacks = [
                        ErrorKind::MissingRequiredArgument,
                        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                        ErrorKind::MissingSubcommand,
                        ErrorKind::DisplayHelp,
                    ];
                    if let Err(error) = Cli::try_parse_from(&words)
                        && !lacks.contains(&error.kind())
                    {
                        wrong.push(format!("{}: {span}\n{error}", page.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 40, "{seen} commands were seen");
}

#[test]
fn a_command_line_is_found_wherever_it_stands_in_a_line() {
    let found = |line: &str| calls(line).into_iter().map(|words| words.join(" ")).collect::<Vec<_>>();
    assert_eq!(found("kubestead lab up; kubestead lab status # kubestead no"), ["kubestead lab up", "kubestead lab status"]);
    assert_eq!(found("ssh -F \"$(kubestead lab up)\" kube1"), ["kubestead lab up"]);
    assert_eq!(found("X=a kubestead volume recovery a b | ssh a c"), ["kubestead volume recovery a b"]);
    assert_eq!(
        found("pwgen 32 1 | kubestead secret new a --key 'b c' && kubestead up > /dev/null"),
        ["kubestead secret new a --key b c", "kubestead up"]
    );
    assert_eq!(found("echo kubestead is not called"), Vec::<String>::new());
    assert_eq!(calls("kubestead recovery kit --backups 'a b'")[0].last().map(String::as_str), Some("a b"));
    assert!(Cli::try_parse_from(["kubestead", "destroy"]).is_err());
}

/// Whether a span of code is a path of the repository: one with a folder that is there and an end that files have.
fn is_path(span: &str) -> bool {
    let first = span.split('/').next().unwrap_or_default();
    let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    ["crates", "docs", "examples", "scripts", "tests", "benches", "fuzz"].contains(&first) && span.contains('/') && plain
}

#[test]
fn files_that_the_docs_name_are_there() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (page, text) in pages() {
        for (_, line) in lines(&text).into_iter().filter(|(block, _)| block.is_none()) {
            for span in spans(line).0.into_iter().filter(|span| is_path(span)) {
                seen += 1;
                if !top().join(span).exists() {
                    wrong.push(format!("{}: {span}", page.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these are not there: {wrong:#?}");
    assert!(seen > 40, "{seen} paths were seen");
}

#[test]
fn the_book_has_every_page_once() {
    let pages = pages();
    let summary = &pages[Path::new("docs/SUMMARY.md")];
    let listed: Vec<PathBuf> = links(summary).iter().filter_map(|link| inside(&Path::new("docs").join(link))).collect();
    let once: BTreeSet<&PathBuf> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a page is listed twice");
    for page in pages.keys().filter(|page| page.starts_with("docs") && !page.ends_with("SUMMARY.md")) {
        assert!(once.contains(page), "{} is not in docs/SUMMARY.md", page.display());
    }
    for page in ["README.md", "CONTRIBUTING.md", "STYLE.md", "CHANGELOG.md"] {
        assert!(once.contains(&PathBuf::from(page)), "{page}");
    }
}

#[test]
fn the_readme_fits_a_screen() {
    let text = std::fs::read_to_string(top().join("README.md")).unwrap();
    assert!(text.lines().count() <= 60, "{} lines", text.lines().count());
    for said in ["make test", "make demo", "docs/SUMMARY.md", "libcryptsetup-rs", "kubestead schema"] {
        assert!(text.contains(said), "{said}");
    }
}
