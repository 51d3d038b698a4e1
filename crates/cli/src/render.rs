//! Plans and reports as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kubestead_core::plan::{Held, Plan, Risk, Step, StepId};
use kubestead_provision::changes::Change;
use serde::Serialize;

use crate::print::Shown;
use crate::{diff, paint};

/// What each step changes in files and objects.
pub(crate) type Changes = BTreeMap<StepId, Vec<Change>>;

/// A plan for people: what happens where, what it costs, what is held; with `changes` each step's parameters too, and what it makes of what is there.
pub(crate) fn plan<A: Serialize>(plan: &Plan<A>, changes: Option<&Changes>) -> Shown {
    let mut shown = Shown::default();
    if plan.is_empty() {
        shown.line("Nothing to do: everything is as the file says.");
        return shown;
    }
    for step in &plan.steps {
        shown.line(line(&step.id, step.risk, &step.why));
        if let Some(changes) = changes {
            let changes = changes.get(&step.id).map_or(&[][..], Vec::as_slice);
            details(step, !changes.is_empty(), &mut shown);
            for change in changes {
                diff::show(change, paint::wanted(), &mut shown);
            }
        }
    }
    for item in &plan.held {
        held(item, &mut shown);
    }
    let destroying = plan.steps.iter().filter(|s| s.risk == Risk::Destroys).count();
    let mut text = format!("{} to do, {} held", plan.steps.len(), plan.held.len());
    if destroying > 0 {
        let _ = write!(text, "; {destroying} would destroy data and need --yes STEP each");
    }
    for step in plan.steps.iter().filter(|s| s.asks) {
        let _ = write!(text, "; needs your consent: --yes {}", step.id);
    }
    shown.line(text);
    shown
}

/// What is held, and what to do about it.
pub(crate) fn held(held: &Held, shown: &mut Shown) {
    shown.line(format!("  held {}: {}", held.object, held.reason));
    if !held.hint.is_empty() {
        shown.line(format!("       hint: {}", held.hint));
    }
}

/// A step in one line.
pub(crate) fn line(step: &StepId, risk: Risk, what: &str) -> String {
    let mark = match risk {
        Risk::Safe => "+",
        Risk::Disrupts => "~",
        Risk::Destroys => "!",
    };
    format!("  {mark} {:<44} {what}", step.to_string())
}

/// Parameters whose texts a diff shows.
const SHOWN: [&str; 3] = ["files", "manifests", "manifest"];

/// The parameters of a step: the same value that runs. Long texts line by line; those that a diff shows only there.
fn details<A: Serialize>(step: &Step<A>, in_diff: bool, shown: &mut Shown) {
    if let Ok(value) = serde_json::to_value(&step.action) {
        walk("", &value, in_diff, shown);
    }
}

fn walk(path: &str, value: &serde_json::Value, in_diff: bool, shown: &mut Shown) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, inner) in map.iter().filter(|(key, _)| !in_diff || !SHOWN.contains(&key.as_str())) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, inner, in_diff, shown);
            }
        }
        serde_json::Value::String(long) if long.contains('\n') => {
            shown.line(format!("      {path}:"));
            shown.text("        | ", long);
        }
        serde_json::Value::Null => {}
        other => {
            shown.line(format!("      {path}: {other}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use kubestead_core::plan::{Part, Target};

    use super::*;

    /// Words of hosts and files where a plan has them: the reason of a step, what is held, an object, a hint, a parameter and its key.
    #[test]
    fn no_word_of_a_host_begins_a_line_or_reaches_the_terminal_raw() {
        let hostile = "Debian\x1b[2K\r\n  ! kube1/data/wipe   wipe it\n1 to do; needs your consent: --yes kube1/data/wipe\u{202e}";
        let mut part = Part::default();
        let action = serde_json::json!({hostile: hostile, "one": "line\x1b]0;x\x07"});
        part.push(Step::new(Target::Host("kube1".into()), "data", "make", action, hostile));
        part.held.push(Held::on("kube1", hostile, hostile, hostile));
        let plan = Plan::new(String::new(), String::new(), part).unwrap();
        for changes in [None, Some(&Changes::default())] {
            let text = super::plan(&plan, changes).to_string();
            assert!(!text.chars().any(|c| c != '\n' && kubestead_core::visible::is_hidden(c)), "{text:?}");
            for line in text.lines() {
                let ours =
                    ["  + kube1/data/make ", "  held kube1/Debian", "       hint: Debian", "1 to do, 1 held", "      ", "        | "];
                assert!(ours.iter().any(|begin| line.starts_with(begin)) && !line.starts_with("  !"), "{text}");
            }
            assert_eq!(text.lines().last(), Some("1 to do, 1 held"));
        }
    }

    #[test]
    fn a_plan_tells_steps_risks_and_what_is_held() {
        let mut part = Part::default();
        part.push(
            Step::new(Target::Host("kube1".into()), "data", "wipe", serde_json::json!({"file": "a\nb"}), "wipe it").risk(Risk::Destroys),
        );
        part.held.push(Held::on("kube2", "data", "holds ext4", "look at it"));
        let plan = Plan::new(String::new(), String::new(), part).unwrap();
        let text = super::plan(&plan, Some(&Changes::default())).to_string();
        for part in ["! kube1/data/wipe", "| b", "held kube2/data: holds ext4", "1 to do, 1 held; 1 would destroy"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
