//! Whether a chart renders the same each time: what its templates draw by chance, or take from the clock, would change something at each run. It is rendered
//! twice before it is believed; what it was, by all that it was made of, is kept, and later renderings are compared with that.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::put::digest;

use super::{Failed, Programs, Ran, Run, keep};
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
    let known = kept.as_ref().and_then(|kept| std::fs::read_to_string(kept).ok()).filter(|known| is_digest(known));
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
    let _ = kept.map(|kept| keep(&kept, |part| std::fs::write(part, now)));
    Ok(Rendered::Same(first))
}

/// Whether it is what was written, and not what a power cut left of it.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit())
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::super::Tool;
    use super::*;

    /// Renders the same each time.
    struct Same(PathBuf);

    impl Programs for Same {
        fn run(&self, _: &Run) -> Result<Ran, Failed> {
            Ok(Ran { output: "a".to_owned(), ..Ran::default() })
        }

        fn cache(&self) -> Option<PathBuf> {
            Some(self.0.clone())
        }

        fn next_second(&self) {}
    }

    #[test]
    fn what_a_cut_left_of_a_digest_is_written_again_and_another_digest_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let programs = Same(folder.path().join("charts"));
        let kept = programs.0.join(format!("{}.rendered", digest("x")));
        let run = Run { tool: Tool::Helm, arguments: Vec::new(), input: Vec::new(), network: false, within: Duration::ZERO };
        let is_same = || matches!(render(&run, "x", &programs).unwrap(), Rendered::Same(_));
        let whole = digest("a");
        assert!(is_same());
        for torn in ["", &whole[..32], &"z".repeat(64)] {
            std::fs::write(&kept, torn).unwrap();
            assert!(is_same(), "{torn:?}");
            assert_eq!(std::fs::read_to_string(&kept).unwrap(), whole);
        }
        assert_eq!(std::fs::read_dir(&programs.0).unwrap().count(), 1, "nothing else is left there");
        std::fs::write(&kept, "0".repeat(64)).unwrap();
        assert!(!is_same());
    }
}
