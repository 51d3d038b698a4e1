//! Puts the comments of a tree where sops has them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::nodes::{Content, Node, Tree as Document};
use super::scan::Part;
use crate::sops::tree::{Child, Container, Item, Leaf, Problem, Sight, Tree};

/// Puts the comments of documents where sops has them. One that sops does not see at all stays where it is. The problem is at a place where
/// sops reads something else than we do; then nothing is moved.
pub(crate) fn place(documents: &mut [Container], theirs: &[Document]) -> Result<(), Problem> {
    if documents.len() != theirs.len() {
        return Err(Problem::new(0, "sops finds another number of documents in this text"));
    }
    for (ours, theirs) in documents.iter().zip(theirs) {
        match &theirs.root.content {
            Content::Single if ours.children().next().is_none() => {}
            _ => fits(ours, &theirs.root, ours.span.start)?,
        }
    }
    for (ours, theirs) in documents.iter_mut().zip(theirs) {
        let (mut comments, mut seen) = (BTreeMap::new(), BTreeSet::new());
        gather(ours, &mut comments);
        let mut root = vec![Found::Comments(&theirs.head)];
        inside(&theirs.root, false, &mut root);
        root.push(Found::Comments(&theirs.foot));
        see(&root, &mut seen);
        let mut placer = Placer { comments, seen, repeated: repeated(theirs) };
        placer.container(ours, &root);
    }
    Ok(())
}

/// Whether both have the same lists and mappings.
fn fits(ours: &Container, theirs: &Node, at: usize) -> Result<(), Problem> {
    let step = match &theirs.content {
        Content::Map(nodes) if !ours.list && nodes.len() == 2 * children(ours).count() => 2,
        Content::List(nodes) if ours.list && nodes.len() == children(ours).count() => 1,
        _ => return Err(Problem::new(at, "sops reads another structure here")),
    };
    let (Content::Map(nodes) | Content::List(nodes)) = &theirs.content else { return Ok(()) };
    for (child, node) in children(ours).zip(nodes.iter().skip(step - 1).step_by(step)) {
        match (&child.node, &node.content) {
            (_, Content::Alias(_)) | (Tree::Leaf(_), Content::Single) => {}
            (Tree::Container(inner), _) => fits(inner, node, child.span.start)?,
            (Tree::Leaf(_), _) => return Err(Problem::new(child.span.start, "sops reads another structure here")),
        }
    }
    Ok(())
}

fn children(container: &Container) -> impl Iterator<Item = &Child> {
    container.items.iter().filter_map(|item| match item {
        Item::Child(child) => Some(child),
        Item::Comment(_) => None,
    })
}

/// The comments that sops sees, but for what aliases repeat.
fn see(found: &[Found<'_>], seen: &mut BTreeSet<usize>) {
    for found in found {
        match found {
            Found::Comments(parts) => seen.extend(parts.iter().filter_map(line)),
            Found::Child(node, beside) => {
                let mut below = Vec::new();
                inside(node, *beside, &mut below);
                below.retain(|_| matches!(node.content, Content::Map(_) | Content::List(_)));
                see(&below, seen);
            }
        }
    }
}

fn gather(container: &Container, comments: &mut BTreeMap<usize, Leaf>) {
    for item in &container.items {
        match item {
            Item::Comment(leaf) => drop(comments.insert(leaf.span.start, leaf.clone())),
            Item::Child(child) => {
                if let Tree::Container(inner) = &child.node {
                    gather(inner, comments);
                }
            }
        }
    }
}

/// The comments that an alias repeats at another place.
fn repeated(document: &Document) -> BTreeSet<usize> {
    let (mut anchors, mut found) = (HashMap::new(), BTreeSet::new());
    aliases(&document.root, &mut anchors, &mut found);
    found
}

fn aliases<'a>(node: &'a Node, anchors: &mut HashMap<&'a str, &'a Node>, found: &mut BTreeSet<usize>) {
    if let Some(name) = &node.anchor {
        anchors.insert(name, node);
    }
    match &node.content {
        Content::Single => {}
        // Each is followed once: the second time there is nothing new in it.
        Content::Alias(name) => {
            if let Some(target) = anchors.get(name.as_str()) {
                lines_within(target, found);
            }
        }
        Content::Map(nodes) | Content::List(nodes) => nodes.iter().for_each(|node| aliases(node, anchors, found)),
    }
}

fn lines_within(node: &Node, found: &mut BTreeSet<usize>) {
    if let Content::Map(nodes) | Content::List(nodes) = &node.content {
        let remarks = [&node.remarks.head, &node.remarks.line, &node.remarks.foot];
        found.extend(remarks.into_iter().flatten().filter_map(line));
        for node in nodes {
            let remarks = [&node.remarks.head, &node.remarks.line, &node.remarks.foot];
            found.extend(remarks.into_iter().flatten().filter_map(line));
            lines_within(node, found);
        }
    }
}

fn line(part: &Part) -> Option<usize> {
    match part {
        Part::Line(at) => Some(*at),
        Part::Break => None,
    }
}

/// What sops finds in a container, in its order.
#[derive(Clone, Copy)]
enum Found<'a> {
    Comments(&'a [Part]),
    /// A value; the flag says whether its own comments stand beside it.
    Child(&'a Node, bool),
}

struct Placer {
    /// Those that are not placed yet.
    comments: BTreeMap<usize, Leaf>,
    seen: BTreeSet<usize>,
    repeated: BTreeSet<usize>,
}

impl Placer {
    fn container(&mut self, ours: &mut Container, found: &[Found<'_>]) {
        let mut old = std::mem::take(&mut ours.items).into_iter();
        for found in found {
            match found {
                Found::Comments(parts) => {
                    for at in parts.iter().filter_map(line) {
                        let sight = if self.repeated.contains(&at) { Sight::Repeated } else { Sight::Once };
                        ours.items.extend(self.comments.remove(&at).map(|leaf| Item::Comment(Leaf { sight, ..leaf })));
                    }
                }
                Found::Child(node, beside) => {
                    for item in old.by_ref() {
                        match item {
                            Item::Comment(leaf) => self.unseen(leaf, &mut ours.items),
                            Item::Child(mut child) => {
                                if let (Tree::Container(inner), Content::Map(_) | Content::List(_)) = (&mut child.node, &node.content) {
                                    let mut below = Vec::new();
                                    inside(node, *beside, &mut below);
                                    self.container(inner, &below);
                                }
                                ours.items.push(Item::Child(child));
                                break;
                            }
                        }
                    }
                }
            }
        }
        for item in old {
            match item {
                Item::Comment(leaf) => self.unseen(leaf, &mut ours.items),
                Item::Child(_) => ours.items.push(item),
            }
        }
    }

    /// A comment that sops does not see stays; one that it sees is put where it sees it.
    fn unseen(&self, leaf: Leaf, items: &mut Vec<Item>) {
        if !self.seen.contains(&leaf.span.start) {
            items.push(Item::Comment(Leaf { sight: Sight::Never, ..leaf }));
        }
    }
}

fn inside<'a>(node: &'a Node, beside: bool, flat: &mut Vec<Found<'a>>) {
    let remarks = &node.remarks;
    if !beside {
        flat.extend([Found::Comments(&remarks.head), Found::Comments(&remarks.line)]);
    }
    match &node.content {
        Content::Single | Content::Alias(_) => {}
        Content::Map(nodes) => {
            for pair in nodes.chunks_exact(2) {
                let (key, value) = (&pair[0], &pair[1]);
                let single = matches!(value.content, Content::Single | Content::Alias(_));
                flat.extend([Found::Comments(&key.remarks.head), Found::Comments(&key.remarks.line)]);
                if single {
                    flat.extend([Found::Comments(&value.remarks.head), Found::Comments(&value.remarks.line)]);
                }
                flat.push(Found::Child(value, single));
                if single {
                    flat.push(Found::Comments(&value.remarks.foot));
                }
                flat.push(Found::Comments(&key.remarks.foot));
            }
        }
        Content::List(nodes) => {
            for node in nodes {
                flat.extend([Found::Comments(&node.remarks.head), Found::Comments(&node.remarks.line)]);
                flat.extend([Found::Child(node, true), Found::Comments(&node.remarks.foot)]);
            }
        }
    }
    if !beside {
        flat.push(Found::Comments(&remarks.foot));
    }
}
