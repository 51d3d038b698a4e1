//! Parts of objects that the operator puts over what kubestead writes. They are put together as they are written, so that what is wrong with the whole is
//! told with its place, be that in the cluster file.

use kubestead_core::diagnostic::Place;
use kubestead_core::kube::ObjectRef;
use serde_json::Value;

use crate::file::{Yaml, YamlKind, documents};

/// A part of an object.
#[derive(Clone, Debug)]
pub struct Patch {
    /// The object; of the version that kubestead writes it in.
    pub object: ObjectRef,
    pub(crate) content: Yaml,
}

/// The text of what kubestead writes itself. JSON is YAML; a name in it is a name, and no variable.
pub(super) fn literal(object: &Value) -> String {
    let variable: String = ['$', '{'].into_iter().collect();
    object.to_string().replace(&variable, &format!("{}{variable}", '$'))
}

impl Patch {
    /// A part of an object that kubestead writes.
    pub(super) fn of(part: &Value) -> Option<Self> {
        let (mut documents, _) = documents("kubestead", &literal(part));
        documents.pop().map(|content| Self { object: ObjectRef::of(part), content })
    }

    /// Where it begins.
    pub(super) fn place(&self) -> &Place {
        &self.content.place
    }
}

/// Where it is written is no part of what it says.
impl PartialEq for Patch {
    fn eq(&self, other: &Self) -> bool {
        self.object == other.object && same(&self.content, &other.content)
    }
}

impl Eq for Patch {}

fn same(a: &Yaml, b: &Yaml) -> bool {
    match (&a.kind, &b.kind) {
        (YamlKind::Scalar { text: a, plain: bare_a }, YamlKind::Scalar { text: b, plain: bare_b }) => a == b && bare_a == bare_b,
        (YamlKind::List(a), YamlKind::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (YamlKind::Map(a), YamlKind::Map(b)) => a.len() == b.len() && a.iter().zip(b).all(|((a, _, x), (b, _, y))| a == b && same(x, y)),
        (YamlKind::Scalar { .. } | YamlKind::List(_) | YamlKind::Map(_), _) => false,
    }
}

/// Puts a part over a whole: maps field by field, lists of what has names name by name; all else takes the place of what is there, and nothing takes it
/// away (JSON merge patch, RFC 7396, but for lists).
pub(super) fn merge(whole: &mut Yaml, part: Yaml) {
    match (&mut whole.kind, part.kind) {
        (YamlKind::Map(there), YamlKind::Map(more)) => {
            for (key, place, value) in more {
                let at = there.iter().position(|(known, ..)| *known == key);
                match at {
                    Some(at) if is_nothing(&value) => _ = there.remove(at),
                    Some(at) => merge(&mut there[at].2, value),
                    None if is_nothing(&value) => {}
                    None => there.push((key, place, value)),
                }
            }
        }
        (YamlKind::List(there), YamlKind::List(more)) if named(there) && named(&more) => {
            for item in more {
                match there.iter().position(|known| name(known) == name(&item)) {
                    Some(at) => merge(&mut there[at], item),
                    None => there.push(item),
                }
            }
        }
        (_, kind) => *whole = Yaml { place: part.place, kind },
    }
}

fn is_nothing(value: &Yaml) -> bool {
    matches!(&value.kind, YamlKind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
}

/// Whether each item of a list has a name.
fn named(items: &[Yaml]) -> bool {
    !items.is_empty() && items.iter().all(|item| name(item).is_some())
}

fn name(item: &Yaml) -> Option<&str> {
    let YamlKind::Map(fields) = &item.kind else { return None };
    match &fields.iter().find(|(key, ..)| key == "name")?.2.kind {
        YamlKind::Scalar { text, .. } => Some(text),
        YamlKind::List(_) | YamlKind::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::documents;

    fn yaml(text: &str) -> Yaml {
        documents("m.yaml", text).0.remove(0)
    }

    fn shown(value: &Yaml) -> String {
        match &value.kind {
            YamlKind::Scalar { text, .. } => text.clone(),
            YamlKind::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
            YamlKind::Map(fields) => {
                format!("{{{}}}", fields.iter().map(|(key, _, value)| format!("{key}:{}", shown(value))).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn a_part_is_put_over_a_whole_by_fields_and_by_names() {
        for (whole, part, merged) in [
            ("{a: 1, b: {c: 2}}", "{b: {d: 3}, e: 4}", "{a:1 b:{c:2 d:3} e:4}"),
            ("{a: 1, b: 2}", "{a: null, c: null}", "{b:2}"),
            ("{l: [{name: x, v: 1}, {name: y}]}", "{l: [{name: y, v: 2}, {name: z}]}", "{l:[{name:x v:1} {name:y v:2} {name:z}]}"),
            ("{l: [a, b]}", "{l: [c]}", "{l:[c]}"),
            ("{l: [{name: x}]}", "{l: []}", "{l:[]}"),
            ("{l: [{name: x}]}", "{l: [{port: 1}]}", "{l:[{port:1}]}"),
            ("{a: {b: 1}}", "{a: x}", "{a:x}"),
        ] {
            let mut found = yaml(whole);
            merge(&mut found, yaml(part));
            assert_eq!(shown(&found), merged, "{whole} {part}");
        }
    }
}
