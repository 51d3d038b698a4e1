//! The shape of the cluster file as pages for people.

use std::fmt::Write as _;

use super::sections::SHAPE;
use super::shape::{Field, Kind, Need, Shape};

/// The pages of fields, by the names of their files in `docs`: of services, and of all else.
const PAGES: [&str; 2] = ["cluster-file.md", "service-fields.md"];

/// The page that has the table of a map.
fn page_of(path: &str) -> usize {
    usize::from(path == "services" || path.starts_with("services."))
}

/// Every field of the cluster file as Markdown, by the page that it is on: a heading and a table for each map, made of the fields that the decoder knows.
pub fn pages() -> [(&'static str, String); 2] {
    let mut texts = PAGES.map(|page| (page, String::new()));
    let mut maps = vec![(String::new(), &SHAPE)];
    let mut next = 0;
    while let Some((path, shape)) = maps.get(next).cloned() {
        let inner = maps_of(&path, shape);
        next += 1;
        maps.splice(next..next, inner);
        table(&path, shape, &mut texts[page_of(&path)].1);
    }
    texts
}

/// The maps with fields of their own that a map's fields lead to.
fn maps_of(path: &str, shape: &'static Shape) -> Vec<(String, &'static Shape)> {
    shape.fields.iter().filter_map(|field| inner(&below(path, field.name), &field.kind)).collect()
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The map that a value is, or holds, and how the way to it is written.
fn inner(path: &str, kind: &'static Kind) -> Option<(String, &'static Shape)> {
    match kind {
        Kind::Map(shape) => Some((path.to_owned(), *shape)),
        Kind::List { of, .. } | Kind::OneOrList(of) => inner(&format!("{path}[]"), of),
        Kind::Entries { called, of, .. } => inner(&format!("{path}.{called}"), of),
        Kind::Text(_) | Kind::Words(_) | Kind::Count { .. } | Kind::Port | Kind::Boolean | Kind::Any => None,
    }
}

fn table(path: &str, shape: &'static Shape, text: &mut String) {
    let heading = if path.is_empty() { "The file itself".to_owned() } else { format!("`{path}`") };
    let _ = write!(text, "### {heading}\n\n| field | is | when left out | means |\n|---|---|---|---|\n");
    for field in shape.fields {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            field.name,
            value(page_of(path), &below(path, field.name), &field.kind),
            otherwise(field),
            field.about
        );
    }
    text.push('\n');
}

fn otherwise(field: &Field) -> String {
    match field.need {
        Need::Required => "**needed**".to_owned(),
        Need::Otherwise(text) => format!("`{text}`"),
        Need::Optional(text) => text.to_owned(),
    }
}

/// What a value is, in a few words, with a link from a page to the table of a map.
fn value(on: usize, path: &str, kind: &'static Kind) -> String {
    match kind {
        Kind::Text(form) if form.example.is_empty() => form.word.to_owned(),
        Kind::Text(form) => format!("{}, such as `{}`", form.word, form.example),
        Kind::Words(words) => words().iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
        Kind::Count { least, most } => format!("a number, {least} to {most}"),
        Kind::Port => format!("a port, 1 to {}", u16::MAX),
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Any => "any value".to_owned(),
        Kind::List { of, most, different, .. } => {
            let different = if *different { ", each once" } else { "" };
            format!("a list: {}{}{different}", value(on, &format!("{path}[]"), of), at_most(*most))
        }
        Kind::OneOrList(of) => format!("{}, or a list of such", value(on, path, of)),
        Kind::Map(_) => {
            let page = Some(page_of(path)).filter(|page| *page != on).map(|page| PAGES[page]).unwrap_or_default();
            format!("[a map]({page}#{})", anchor(path))
        }
        Kind::Entries { called, of, most, .. } => {
            format!("{called} to {}{}", value(on, &format!("{path}.{called}"), of), at_most(*most))
        }
    }
}

fn at_most(most: Option<usize>) -> String {
    most.map(|most| format!(", {most} at most")).unwrap_or_default()
}

/// What a heading of that path is known by in a page.
fn anchor(path: &str) -> String {
    path.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}
