//! Whether a chart renders the same each time: what its templates draw by chance, or take from the clock, would change something at each run. It is rendered
//! twice before it is believed; what it was, by all that it was made of, is kept, and later renderings are compared with that.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::put::digest;

use super::{Failed, Programs, Ran, Run};
use crate::objects::some;

/// What a chart renders.
pub(super) enum Rendered {
    /// The same each time.
    Same(Ran),
    /// Something else each time: the templates, and why it is known.
    Differs(String),
}

/// Renders. `made_of` is all that the output may depend on.
pub(super) fn render(run: &Run, made_of: &str, programs: &dyn Programs) -> Result<Rendered, Failed> {
    let kept = programs.cache().map(|cache| cache.join(format!("{}.rendered", digest(made_of))));
    let known = kept.as_ref().and_then(|kept| std::fs::read_to_string(kept).ok());
    let first = programs.run(run)?;
    let now = digest(&first.output);
    if known.as_ref() == Some(&now) {
        return Ok(Rendered::Same(first));
    }
    programs.next_second();
    let second = programs.run(run)?;
    if second.output != first.output {
        return Ok(Rendered::Differs(some(&different(&first.output, &second.output))));
    }
    if let (Some(_), Some(kept)) = (known, &kept) {
        return Ok(Rendered::Differs(format!("something since the last time, of which {} has the digest", kept.display())));
    }
    // Without a place for it, the next run renders twice again.
    let _ = kept.map(|kept| kept.parent().map(|folder| std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&kept, now))));
    Ok(Rendered::Same(first))
}

/// The templates whose parts differ.
fn different(first: &str, second: &str) -> Vec<String> {
    let (first, second) = (parts(first), parts(second));
    let (first, second): (BTreeSet<_>, BTreeSet<_>) = (first.iter().collect(), second.iter().collect());
    let names: BTreeSet<String> = first.symmetric_difference(&second).map(|(name, _)| (*name).to_owned()).collect();
    names.into_iter().collect()
}

/// The parts of what helm renders, each with the template that it is from.
pub(super) fn parts(text: &str) -> Vec<(&str, &str)> {
    const BEGIN: &str = "---\n# Source: ";
    let mut at: Vec<usize> =
        text.match_indices(BEGIN).map(|(at, _)| at).filter(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n').collect();
    at.push(text.len());
    let part = |range: &[usize]| {
        let part = &text[range[0]..range[1]];
        let name = part[BEGIN.len()..].lines().next().unwrap_or_default();
        (name, part)
    };
    let head = at[0];
    let before = Some(("what stands before the templates", &text[..head])).filter(|(_, text)| !text.trim().is_empty());
    before.into_iter().chain(at.windows(2).map(part)).collect()
}

/// The parts of each template together, in the order in which the templates come.
pub(super) fn by_template(text: &str) -> Vec<(String, String)> {
    let (mut order, mut found): (Vec<String>, BTreeMap<String, String>) = (Vec::new(), BTreeMap::new());
    for (name, part) in parts(text) {
        if !found.contains_key(name) {
            order.push(name.to_owned());
        }
        let whole = found.entry(name.to_owned()).or_default();
        whole.push_str(part);
        if !whole.ends_with('\n') {
            whole.push('\n');
        }
    }
    order.into_iter().filter_map(|name| found.remove(&name).map(|text| (name, text))).collect()
}
