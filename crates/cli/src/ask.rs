//! The question before a plan is carried out. It is asked on a terminal alone: in a pipe nothing waits for an answer.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use kubestead_core::plan::{Held, Plan, StepId};
use kubestead_provision::approval::{Approver, Concerns};
use kubestead_provision::compose::Action;
use rustix::termios::{QueueSelector, tcflush};

use crate::commands::session::Stop;
use crate::print::{self, Shown};
use crate::render;

/// More names than that are counted.
const NAMES: usize = 6;

/// Whether somebody sits there: an answer can be typed, and all that the question is about can be seen.
pub(crate) fn can() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

/// The line that is typed after a question, without its ends; `None` at its end or at Ctrl-C. What was typed before the question is no answer.
pub(crate) async fn answer(question: &str, stop: &Stop) -> Option<String> {
    if stop.token().is_cancelled() {
        return None;
    }
    let _ = tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
    print::ask(question);
    let (typed, line) = tokio::sync::oneshot::channel();
    // A thread of its own, which nobody waits for: at Ctrl-C the program ends while it reads.
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = std::io::stdin().read_line(&mut text);
        let _ = typed.send(read.ok().filter(|count| *count > 0).map(|_| text.trim().to_owned()));
    });
    let answered = tokio::select! {
        line = line => line.ok().flatten(),
        () = stop.token().cancelled() => None,
    };
    if answered.is_none() {
        print::note("");
    }
    answered
}

fn is_yes(answer: &str) -> bool {
    answer.eq_ignore_ascii_case("yes") || answer.eq_ignore_ascii_case("y")
}

/// Asks once; in a later round again only about what the first question did not name.
pub(crate) struct OnTerminal {
    stop: Stop,
    agreed: Mutex<Option<Concerns>>,
}

impl OnTerminal {
    pub(crate) fn new(stop: &Stop) -> Self {
        Self { stop: stop.clone(), agreed: Mutex::default() }
    }

    fn agreed(&self) -> Option<Concerns> {
        self.agreed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait::async_trait]
impl Approver for OnTerminal {
    async fn approve(&self, plan: &Plan<Action>, concerns: &Concerns) -> bool {
        let earlier = self.agreed();
        let asks = concerns.ask() && !earlier.as_ref().is_some_and(|earlier| concerns.within(earlier));
        if asks {
            print::note(&about(concerns, &plan.held, earlier.is_some()));
            if !answer(QUESTION, &self.stop).await.is_some_and(|typed| is_yes(&typed)) {
                return false;
            }
            *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = Some(join(earlier.unwrap_or_default(), concerns));
        }
        let _ = self.stop.clone().acting();
        !self.stop.token().is_cancelled()
    }
}

fn join(mut all: Concerns, more: &Concerns) -> Concerns {
    all.disrupts.extend(more.disrupts.iter().cloned());
    all.destroys.extend(more.destroys.iter().cloned());
    all.first.extend(more.first.iter().cloned());
    all.withheld.extend(more.withheld.iter().cloned());
    all
}

const QUESTION: &str = "Do this? (yes, or anything else to change nothing)";

/// What stands above the question: what there is to think about, and what is not done.
fn about(concerns: &Concerns, held: &[Held], again: bool) -> Shown {
    let mut shown = Shown::default();
    for held in held {
        render::held(held, &mut shown);
    }
    if again {
        shown.line("What was done brought more to light, which the first question did not name:");
    }
    let ids = |ids: &BTreeSet<StepId>| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    for (what, names) in [
        ("  ~ restarts or stops something: ", ids(&concerns.disrupts)),
        ("  ! destroys data, as you consented: ", ids(&concerns.destroys)),
        ("  * for the first time on: ", concerns.first.iter().cloned().collect()),
        ("  - left out without its own --yes STEP: ", ids(&concerns.withheld)),
    ] {
        if !names.is_empty() {
            shown.line(format!("{what}{}", few(&names)));
        }
    }
    let many = if concerns.runs == 1 { "1 step runs".to_owned() } else { format!("{} steps run", concerns.runs) };
    shown.line(format!("{many} then. {}", if again { "Nothing of that was done yet." } else { "Nothing was done yet." }));
    shown
}

fn few(names: &[String]) -> String {
    match names.split_at_checked(NAMES) {
        Some((some, rest)) if !rest.is_empty() => format!("{} and {} more", some.join(", "), rest.len()),
        Some(_) | None => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    fn ids(all: &[&str]) -> BTreeSet<StepId> {
        all.iter().map(|id| StepId((*id).to_owned())).collect()
    }

    #[test]
    fn only_yes_and_y_are_yes() {
        for (text, yes) in
            [("yes", true), ("y", true), ("YES", true), ("Y", true), ("", false), ("no", false), ("yes please", false), ("ye", false)]
        {
            assert_eq!(is_yes(text), yes, "{text:?}");
        }
    }

    #[test]
    fn the_question_tells_what_there_is_to_think_about() {
        let held = Held::on("kube2", "data", "it holds ext4", "look at it: wipefs /dev/vdb");
        let first = Concerns { first: ["cp1", "kube1", "kube2"].map(str::to_owned).into(), runs: 31, ..Concerns::default() };
        let all = Concerns {
            disrupts: (0..9).map(|n| StepId(format!("kube{n}/containerd/start"))).collect(),
            destroys: ids(&["kube1/data/wipe"]),
            withheld: ids(&["cluster/secret.apps.theirs/delete"]),
            runs: 11,
            ..Concerns::default()
        };
        let later = Concerns { disrupts: ids(&["cp1/encryption/load"]), runs: 1, ..Concerns::default() };
        let texts = [about(&first, &[held], false), about(&all, &[], false), about(&later, &[], true)];
        golden::holds("question", &texts.map(|shown| format!("{shown}{QUESTION} ")).join("\n\n"));
    }
}
