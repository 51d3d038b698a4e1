//! Modules of a folder, and which uses which, as their texts say it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module within its folder: `sections/nodes`; nothing for the folder's own `mod.rs` or `lib.rs`.
pub(crate) type Module = Vec<String>;

/// The modules of a folder with their text, without those that are for tests alone.
pub(crate) fn modules(folder: &Path) -> BTreeMap<Module, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(folder).unwrap().with_extension("");
                let parts = inside.iter().map(|part| part.to_str().unwrap().to_owned());
                found.insert(
                    parts.filter(|part| !["mod", "lib"].contains(&part.as_str())).collect(),
                    std::fs::read_to_string(&path).unwrap(),
                );
            }
        }
    }
    let of_tests =
        |(module, text): (&Module, &String)| parted(text).1.into_iter().map(|name| [module.as_slice(), &[name]].concat()).collect();
    let tests: Vec<Module> = found.iter().flat_map(|both| -> Vec<Module> { of_tests(both) }).collect();
    found.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    found
}

/// The lines of a text without its tests and comments, and the names of its modules that are for tests alone.
fn parted(text: &str) -> (Vec<&str>, Vec<String>) {
    let (mut code, mut tests, mut lines) = (Vec::new(), Vec::new(), text.lines());
    while let Some(line) = lines.next() {
        let (plain, indent) = (line.trim(), line.len() - line.trim_start().len());
        if plain.starts_with("//") {
            continue;
        }
        if plain != "#[cfg(test)]" {
            code.push(plain);
            continue;
        }
        // The item to its end: a line that ends it at once, or the brace below its beginning.
        let end = format!("{}}}", " ".repeat(indent));
        let mut opened = false;
        for line in lines.by_ref() {
            if let Some((_, name)) = line.split_once("mod ").filter(|_| !opened) {
                tests.extend(name.strip_suffix(';').map(str::to_owned));
            }
            if line == end || !opened && line.ends_with(';') {
                break;
            }
            opened |= line.ends_with('{');
        }
    }
    (code, tests)
}

/// Words, `::` and single signs of a text without its tests and comments.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for mut rest in parted(text).0 {
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let end = match first {
                _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                _ if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            found.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
    }
    found
}

/// The paths that begin here, `a::{b, c::d}` as two; returns where they end.
fn paths(tokens: &[&str], at: usize, prefix: &[String], found: &mut Vec<Module>) -> usize {
    let Some(token) = tokens.get(at) else { return at };
    if *token == "{" {
        let mut at = at + 1;
        while tokens.get(at).is_some_and(|token| *token != "}") {
            at = if tokens[at] == "," { at + 1 } else { paths(tokens, at, prefix, found) };
        }
        return at + 1;
    }
    let path = [prefix, &[(*token).to_owned()]].concat();
    if tokens.get(at + 1) == Some(&"::") {
        return paths(tokens, at + 2, &path, found);
    }
    found.push(path);
    at + 1
}

/// The module of a folder, which is `crate::NAME` or the crate itself, that a path of another module leads into.
fn target(all: &BTreeMap<Module, String>, name: Option<&str>, from: &[String], path: &[String]) -> Option<Module> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let (mut base, rest) = match path {
        [first, rest @ ..] if first == "crate" => match (name, rest) {
            (None, rest) => (Module::new(), rest),
            (Some(name), [second, rest @ ..]) => (second == name).then(|| (Module::new(), rest))?,
            (Some(_), []) => return None,
        },
        [first, rest @ ..] if first == "self" => (from.to_vec(), rest),
        _ => (from[..from.len().checked_sub(ups)?].to_vec(), &path[ups..]),
    };
    for part in rest {
        base.push(part.clone());
        if !all.contains_key(&base) {
            base.pop();
            break;
        }
    }
    (base != from).then_some(base)
}

/// The paths that a text names, and the modules that it declares.
pub(crate) fn named(text: &str) -> Vec<Module> {
    let (tokens, mut found, mut at) = (tokens(text), Vec::new(), 0);
    while at < tokens.len() {
        let is_path = tokens.get(at + 1) == Some(&"::") || tokens[at] == "mod";
        at = if is_path { paths(&tokens, at + usize::from(tokens[at] == "mod"), &[], &mut found) } else { at + 1 };
    }
    found
}

/// Which module of a folder, which is `crate::NAME` or the crate itself, uses which. A module uses those that it declares.
pub(crate) fn arrows(all: &BTreeMap<Module, String>, name: Option<&str>) -> BTreeMap<Module, BTreeSet<Module>> {
    let used = |module: &Module, text: &String| named(text).iter().filter_map(|path| target(all, name, module, path)).collect();
    all.iter().map(|(module, text)| (module.clone(), used(module, text))).collect()
}

/// All that a module uses, by others too.
pub(crate) fn reached<'a>(arrows: &'a BTreeMap<Module, BTreeSet<Module>>, from: &'a Module) -> BTreeSet<&'a Module> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        let next = arrows.get(module).into_iter().flatten();
        open.extend(next.filter(|module| found.insert(*module)));
    }
    found
}
