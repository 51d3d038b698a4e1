//! Metadata in formats without nesting: `age__list_0__map_enc`.

use super::meta::Node;

const MAP: &str = "__map_";
const LIST: &str = "__list_";

/// A tree as flat entries.
pub(crate) fn flatten(node: &Node) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    if let Node::Map(top) = node {
        for (key, below) in top {
            descend(below, key.clone(), &mut entries);
        }
    }
    entries
}

fn descend(node: &Node, name: String, entries: &mut Vec<(String, String)>) {
    match node {
        Node::Null => {}
        Node::Text(text) | Node::Word(text) => entries.push((name, text.clone())),
        Node::List(elements) => {
            for (index, element) in elements.iter().enumerate() {
                descend(element, format!("{name}{LIST}{index}"), entries);
            }
        }
        Node::Map(below) => {
            for (key, element) in below {
                descend(element, format!("{name}{MAP}{key}"), entries);
            }
        }
    }
}

/// Flat entries as a tree. Lists must be whole.
pub(crate) fn unflatten(entries: &[(String, String)]) -> Result<Node, String> {
    let mut root = Node::Map(Vec::new());
    for (name, text) in entries {
        let rest = name.replace(MAP, "\0m").replace(LIST, "\0l");
        let mut parts = rest.split('\0');
        let first = parts.next().unwrap_or_default();
        let mut place = child(&mut root, first);
        for part in parts {
            place = match (part.strip_prefix('m'), part.strip_prefix('l').and_then(|index| index.parse::<usize>().ok())) {
                (Some(key), _) => child(place, key),
                (None, Some(index)) => {
                    element(place, index).ok_or_else(|| format!("the metadata entry {name} stands in a list with gaps"))?
                }
                (None, None) => return Err(format!("the metadata entry {name} is none that sops writes")),
            };
        }
        *place = Node::Text(text.clone());
    }
    Ok(root)
}

fn child<'a>(node: &'a mut Node, key: &str) -> &'a mut Node {
    if !matches!(node, Node::Map(_)) {
        *node = Node::Map(Vec::new());
    }
    let Node::Map(entries) = node else { return node };
    let place = entries.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
        entries.push((key.to_owned(), Node::Null));
        entries.len() - 1
    });
    &mut entries[place].1
}

fn element(node: &mut Node, index: usize) -> Option<&mut Node> {
    if !matches!(node, Node::List(_)) {
        *node = Node::List(Vec::new());
    }
    let Node::List(elements) = node else { return None };
    if index == elements.len() {
        elements.push(Node::Null);
    }
    elements.get_mut(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_flattened_can_be_unflattened() {
        let text = |text: &str| Node::Text(text.to_owned());
        let entry = Node::Map(vec![("enc".to_owned(), text("a\nb")), ("recipient".to_owned(), text("r"))]);
        let node = Node::Map(vec![("age".to_owned(), Node::List(vec![entry.clone(), entry])), ("mac".to_owned(), text("m"))]);
        let flat = flatten(&node);
        assert_eq!(flat[2].0, "age__list_1__map_enc");
        assert_eq!(unflatten(&flat).unwrap(), node);
        assert!(unflatten(&[("age__list_1__map_enc".to_owned(), String::new())]).is_err());
    }
}
