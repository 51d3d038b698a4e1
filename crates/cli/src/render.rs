//! Plans and reports as text.

use std::fmt::Write as _;

use kubestead_core::plan::{Plan, Risk, Step, StepId};
use serde::Serialize;

/// A plan for people: what happens where, what it costs, what is held.
pub(crate) fn plan<A: Serialize>(plan: &Plan<A>, diff: bool) -> String {
    let mut text = String::new();
    if plan.is_empty() {
        return "Nothing to do: everything is as the file says.\n".to_owned();
    }
    for step in &plan.steps {
        let _ = writeln!(text, "{}", line(&step.id, step.risk, &step.why));
        if diff {
            details(step, &mut text);
        }
    }
    for held in &plan.held {
        let _ = writeln!(text, "  held {}: {}", held.object, held.reason);
        if !held.hint.is_empty() {
            let _ = writeln!(text, "       hint: {}", held.hint);
        }
    }
    let destroying = plan.steps.iter().filter(|s| s.risk == Risk::Destroys).count();
    let _ = write!(text, "{} to do, {} held", plan.steps.len(), plan.held.len());
    if destroying > 0 {
        let _ = write!(text, "; {destroying} would destroy data and need --yes STEP each");
    }
    for step in plan.steps.iter().filter(|s| s.asks) {
        let _ = write!(text, "; needs your consent: --yes {}", step.id);
    }
    text.push('\n');
    text
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

/// The parameters of a step: the same value that runs. Long texts (files, manifests) line by line.
fn details<A: Serialize>(step: &Step<A>, text: &mut String) {
    if let Ok(value) = serde_json::to_value(&step.action) {
        walk("", &value, text);
    }
}

fn walk(path: &str, value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, inner) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, inner, text);
            }
        }
        serde_json::Value::String(long) if long.contains('\n') => {
            let _ = writeln!(text, "      {path}:");
            for line in long.lines() {
                let _ = writeln!(text, "        | {line}");
            }
        }
        serde_json::Value::Null => {}
        other => {
            let _ = writeln!(text, "      {path}: {other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use kubestead_core::plan::{Held, Part, Target};

    use super::*;

    #[test]
    fn a_plan_tells_steps_risks_and_what_is_held() {
        let mut part = Part::default();
        part.push(
            Step::new(Target::Host("kube1".into()), "data", "wipe", serde_json::json!({"file": "a\nb"}), "wipe it").risk(Risk::Destroys),
        );
        part.held.push(Held::new("kube2/data", "holds ext4", "look at it"));
        let plan = Plan::new(String::new(), String::new(), part).unwrap();
        let text = super::plan(&plan, true);
        for part in ["! kube1/data/wipe", "| b", "held kube2/data: holds ext4", "1 to do, 1 held; 1 would destroy"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
