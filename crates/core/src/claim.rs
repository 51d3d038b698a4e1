//! What a plan does about files that are ours alone on a host: which are written, which are adopted before and with whose consent, which are
//! only written down. Every domain asks here, so that no plan promises what the guard of [`put_texts`](crate::put::put_texts) refuses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{DeedOf, Held, Kind, Part, Step, StepId, Target};
use crate::procedure::Procedure;
use crate::put::{self, Files, Found, Mark, Owned, Ownership};

/// What is done about files that hold something before we wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Adoption {
    /// Keeps a copy of a file that somebody else wrote, or changed, and writes down that it may be replaced.
    Adopt {
        /// Where it is.
        path: String,
        /// sha256 of what it held when it was looked at.
        sum: String,
    },
    /// Writes down files that hold what they shall, though nobody knows that we wrote them.
    Record {
        /// Path and sha256 of each.
        files: Vec<(String, String)>,
    },
}

impl Adoption {
    /// The commands of it.
    pub fn procedure(&self) -> Procedure {
        match self {
            Self::Adopt { path, sum } => put::adopt(path, sum),
            Self::Record { files } => put::record(files),
        }
    }

    /// The files after it; for models.
    pub fn model(&self, files: &mut Files) {
        let mut known = |path: &str, sum: &str| _ = files.written.entry(path.to_owned()).or_default().insert(sum.to_owned());
        match self {
            Self::Adopt { path, sum } => known(path, sum),
            Self::Record { files } => files.iter().for_each(|(path, sum)| known(path, sum)),
        }
    }
}

/// A file is adopted.
pub const ADOPT: DeedOf = DeedOf::host("adopt");
/// Files that are as they shall be are written down.
pub const RECORD: DeedOf = DeedOf::host("record");
/// All kinds of steps of claims.
pub const KINDS: &[Kind] = &[ADOPT.kind(), RECORD.kind()];

/// The step by which a file is adopted.
pub fn adopts(host: &str, path: &str) -> StepId {
    ADOPT.on(host, path.trim_start_matches('/'))
}

/// What is in the place of a file of ours and is none: it is neither replaced nor adopted.
pub fn obstacles<P: AsRef<str>>(host: &str, seen: &Files, paths: impl IntoIterator<Item = P>) -> Vec<Held> {
    let held = |path: P| {
        let path = path.as_ref();
        let reason = format!("{path} is a link, a folder, or another thing than a regular file");
        Held::on(host, path.trim_start_matches('/'), reason, "move it away, or put a regular file there")
    };
    paths.into_iter().filter(|path| seen.found.get(path.as_ref()) == Some(&Found::Other)).map(held).collect()
}

/// The claims of one domain to its files on one host.
pub struct Claims<'a> {
    host: &'a str,
    seen: &'a Files,
    advice: BTreeMap<&'a str, &'a str>,
    taken: BTreeMap<String, Taken>,
    known: BTreeMap<String, String>,
}

/// A file that is adopted.
struct Taken {
    sum: String,
    why: String,
    asks: bool,
}

/// What is said of a file that is adopted first, and whether somebody is asked.
fn strange(ownership: Ownership) -> Option<(&'static str, bool)> {
    match ownership {
        Ownership::Missing | Ownership::Done | Ownership::Unrecorded | Ownership::Ours | Ownership::Other => None,
        Ownership::Foreign => Some(("was not written by kubestead", true)),
        Ownership::Changed => Some(("was changed since kubestead wrote it", true)),
        Ownership::Shipped => Some(("is as its package ships it", false)),
    }
}

/// What the writer of some files needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Those that do not hold what they shall.
    pub changed: Vec<Owned>,
    /// The adoptions that come before they are written.
    pub after: Vec<StepId>,
}

impl<'a> Claims<'a> {
    /// For the paths of all files that a domain may write on a host. The error is [`obstacles`]: with one of them there nothing of the domain is
    /// planned.
    pub fn new<P: AsRef<str>>(host: &'a str, seen: &'a Files, paths: impl IntoIterator<Item = P>) -> Result<Self, Vec<Held>> {
        let held = obstacles(host, seen, paths);
        let claims = Self { host, seen, advice: BTreeMap::new(), taken: BTreeMap::new(), known: BTreeMap::new() };
        if held.is_empty() { Ok(claims) } else { Err(held) }
    }

    /// The same claims, which say this of a file to whoever is asked for consent.
    #[must_use]
    pub fn advice(mut self, path: &'a str, words: &'a str) -> Self {
        self.advice.insert(path, words);
        self
    }

    /// Whether files were written that were perhaps not loaded: whoever loads some does so again.
    pub fn pending(&self) -> bool {
        self.seen.pending
    }

    /// Claims files for the step that writes them. Whoever claims some that [`Claim::changed`] names plans that step.
    pub fn claim(&mut self, files: &[Owned]) -> Claim {
        let mut claim = Claim::default();
        for file in files {
            let ownership = self.seen.ownership(file);
            match ownership {
                Ownership::Done => continue,
                Ownership::Unrecorded => {
                    self.known.insert(file.path.clone(), put::digest(&file.text));
                    continue;
                }
                Ownership::Missing | Ownership::Ours | Ownership::Other | Ownership::Foreign | Ownership::Changed | Ownership::Shipped => {}
            }
            if let (Some((why, asks)), Some(sum)) = (strange(ownership), self.seen.sum(&file.path)) {
                let about = if asks { self.about(file) } else { String::new() };
                claim.after.push(self.take(&file.path, sum, &format!("{why}{about}"), asks));
            }
            claim.changed.push(file.clone());
        }
        claim
    }

    /// Claims a file that the machine makes itself and that is not as it shall be; nobody knows ahead what it will hold. With what an empty one held
    /// nothing is lost. Returns the adoption that comes before it is made.
    pub fn claim_made(&mut self, path: &str) -> Option<StepId> {
        let sum = self.seen.sum(path).filter(|sum| *sum != put::digest(""))?;
        let (why, asks) = strange(self.seen.whose(path))?;
        let about = self.advice.get(path).map(|words| format!("; {words}")).unwrap_or_default();
        Some(self.take(path, sum, &format!("{why}{about}"), asks))
    }

    /// Adopts what has that sum at a path. `why` says what it is, such as `was not written by kubestead`.
    pub fn take(&mut self, path: &str, sum: &str, why: &str, asks: bool) -> StepId {
        let why = format!("{path} {why}: keep it as {path}.before-kubestead, so that ours can take its place");
        self.taken.insert(path.to_owned(), Taken { sum: sum.to_owned(), why, asks });
        adopts(self.host, path)
    }

    /// What is in a file that is not ours, by the headings that ours has not, and what is advised.
    fn about(&self, file: &Owned) -> String {
        const SHOWN: usize = 4;
        let advice = self.advice.get(file.path.as_str()).map(|words| format!("; {words}")).unwrap_or_default();
        let Some(Found::File { headings, .. }) = self.seen.found.get(&file.path) else { return advice };
        let lacks = |heading: &&str| !file.text.lines().any(|line| line.trim() == *heading);
        let foreign: Vec<&str> = headings.iter().map(String::as_str).filter(lacks).collect();
        if foreign.is_empty() {
            return advice;
        }
        let more = if foreign.len() > SHOWN { format!(" and {} more", foreign.len() - SHOWN) } else { String::new() };
        format!("; ours lacks its {}{more}{advice}", foreign[..foreign.len().min(SHOWN)].join(", "))
    }

    /// The steps of what was claimed. Each adoption asks, unless nobody changed what a package ships; one step, `HOST/DOMAIN/record`, writes down
    /// what holds already what it shall.
    pub fn into_part<A>(self, domain: &str, action: impl Fn(Adoption) -> A) -> Part<A> {
        let mut part = Part::default();
        let step = |deed: DeedOf, object: &str, adoption: Adoption, why: String| {
            deed.step(Target::Host(self.host.to_owned()), object, action(adoption), why)
        };
        if !self.known.is_empty() {
            let why = format!("write down {} files that are as they shall be", self.known.len());
            part.push(step(RECORD, domain, Adoption::Record { files: self.known.into_iter().collect() }, why));
        }
        for (path, Taken { sum, why, asks }) in self.taken {
            let step = step(ADOPT, path.trim_start_matches('/'), Adoption::Adopt { path: path.clone(), sum }, why);
            part.push(if asks { step.asking() } else { step });
        }
        part
    }
}

/// The second pair of eyes: why a step must not write these files on what was seen. It shares no code with [`Claims`].
pub fn fault<A>(seen: &Files, step: &Step<A>, writes: &[Owned]) -> Option<String> {
    let adopted = |path: &str| step.after.contains(&adopts(&step.target.to_string(), path));
    writes.iter().find_map(|file| match seen.ownership(file) {
        Ownership::Missing | Ownership::Done | Ownership::Unrecorded | Ownership::Ours => None,
        Ownership::Shipped | Ownership::Changed | Ownership::Foreign if adopted(&file.path) => None,
        other => Some(format!("{}: {} would be replaced, which is not ours: {other:?}", step.id, file.path)),
    })
}

/// The same of files that the machine makes itself in place of what is there, at these paths.
pub fn fault_made<A>(seen: &Files, step: &Step<A>, makes: &[&str]) -> Option<String> {
    let adopted = |path: &str| step.after.contains(&adopts(&step.target.to_string(), path));
    let nothing = put::digest("");
    makes.iter().find_map(|path| match seen.found.get(*path) {
        None => None,
        Some(Found::File { sum, mark, .. }) => {
            let ours = *sum == nothing || seen.wrote(path, sum) || (*mark == Mark::Kubestead && !seen.written.contains_key(*path));
            (!ours && !adopted(path)).then(|| format!("{}: {path} would be replaced, which is not ours", step.id))
        }
        Some(Found::Other) => Some(format!("{}: {path} is no regular file", step.id)),
    })
}

/// The same of an adoption: a package's own text is the one thing that is taken over without a question.
pub fn unasked<A>(seen: &Files, step: &Step<A>, adoption: &Adoption) -> Option<String> {
    match adoption {
        Adoption::Adopt { path, .. } if !step.needs_consent() => {
            let shipped = matches!(seen.found.get(path), Some(Found::File { mark: Mark::Package, .. }));
            let edited = seen.written.contains_key(path);
            (!shipped || edited).then(|| format!("{}: {path} would be taken over without consent", step.id))
        }
        Adoption::Adopt { .. } | Adoption::Record { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/etc/x/ours.conf";

    fn file() -> Owned {
        Owned { path: PATH.into(), text: "[ours]\n".into(), mode: 0o644 }
    }

    /// What is planned when that is seen, and what its writer is told.
    fn planned(seen: &Files) -> (Claim, Part<Adoption>) {
        let mut claims = Claims::new("kube1", seen, [PATH]).unwrap_or_else(|held| panic!("{held:?}"));
        let claim = claims.claim(&[file()]);
        (claim, claims.into_part("storage", |adoption| adoption))
    }

    fn seen(text: &str, mark: Mark, recorded: bool) -> Files {
        let mut files = if recorded { Files::holding(&[file()]) } else { Files::default() };
        let headings = text.lines().map(str::to_owned).collect();
        files.found.insert(PATH.into(), Found::File { sum: put::digest(text), mark, headings });
        files
    }

    #[test]
    fn what_is_not_ours_is_written_after_a_consent_and_what_is_ours_without_one() {
        for (files, word) in [
            (seen("[theirs]\n", Mark::None, false), "was not written by kubestead"),
            (seen("[theirs]\n", Mark::None, true), "was changed since"),
            (seen("[theirs]\n", Mark::Kubestead, true), "was changed since"),
        ] {
            let (claim, part) = planned(&files);
            assert_eq!((claim.changed, claim.after.as_slice()), (vec![file()], [adopts("kube1", PATH)].as_slice()));
            let step = &part.steps[0];
            assert!(part.steps.len() == 1 && step.needs_consent() && step.id.0 == "kube1/etc/x/ours.conf/adopt", "{step:?}");
            assert!(step.why.contains(word) && step.why.contains("ours lacks its [theirs]"), "{}", step.why);
            // Then it is ours, and nothing more is asked.
            let mut after = files;
            step.action.model(&mut after);
            let (claim, part) = planned(&after);
            assert!(claim.changed.len() == 1 && claim.after.is_empty() && part.steps.is_empty());
            after.put(&file());
            assert_eq!(planned(&after), (Claim::default(), Part::default()));
        }
        let (claim, part) = planned(&seen("x\n", Mark::Package, false));
        assert!(claim.after.len() == 1 && !part.steps[0].needs_consent(), "a copy is kept, and nobody is asked");
        for files in [Files::default(), seen("[old]\n", Mark::Kubestead, false)] {
            let (claim, part) = planned(&files);
            assert!(claim.changed.len() == 1 && claim.after.is_empty() && part.steps.is_empty());
        }
    }

    #[test]
    fn what_a_machine_makes_itself_takes_no_place_of_somebody_elses() {
        let step = |after: Option<StepId>| Step::new(Target::Host("kube1".into()), "x", "make", (), "").after(after);
        for (files, asks) in [
            (Files::default(), false),
            (seen("", Mark::None, false), false),
            (seen("", Mark::None, true), false),
            (seen("[ours]\n", Mark::None, true), false),
            (seen("old\n", Mark::Kubestead, false), false),
            (seen("[ours]\n", Mark::None, false), true),
            (seen("theirs\n", Mark::None, true), true),
        ] {
            let mut claims = Claims::new("kube1", &files, [PATH]).unwrap_or_else(|held| panic!("{held:?}"));
            let adoption = claims.claim_made(PATH);
            assert_eq!((adoption.is_some(), fault_made(&files, &step(None), &[PATH]).is_some()), (asks, asks), "{files:?}");
            assert_eq!(fault_made(&files, &step(adoption), &[PATH]), None);
            let part = claims.into_part("keys", |adoption| adoption);
            assert!(part.steps.len() == usize::from(asks) && part.steps.iter().all(Step::needs_consent), "{part:?}");
        }
        let mut link = Files::default();
        link.found.insert(PATH.into(), Found::Other);
        assert!(fault_made(&link, &step(Some(adopts("kube1", PATH))), &[PATH]).is_some(), "nothing adopts a link");
    }

    #[test]
    fn what_is_so_already_is_written_down_and_what_is_no_file_is_held() {
        let mut files = seen("[ours]\n", Mark::None, false);
        let (claim, part) = planned(&files);
        assert!(claim == Claim::default() && part.steps[0].id.0 == "kube1/storage/record" && !part.steps[0].needs_consent());
        part.steps[0].action.model(&mut files);
        assert_eq!(planned(&files), (Claim::default(), Part::default()));
        files.found.insert(PATH.into(), Found::Other);
        let held = Claims::new("kube1", &files, [PATH]).err().unwrap_or_default();
        assert!(held.len() == 1 && held[0].object == "kube1/etc/x/ours.conf" && held[0].hint.contains("move it away"), "{held:?}");
    }

    #[test]
    fn a_step_that_would_replace_what_is_not_ours_is_found_whoever_planned_it() {
        let write = || Step::new(Target::Host("kube1".into()), "x", "write", (), "");
        let after = || write().after([adopts("kube1", PATH)]);
        for mark in [Mark::None, Mark::Package] {
            let files = seen("theirs\n", mark, false);
            assert!(fault(&files, &write(), &[file()]).is_some_and(|why| why.contains("ours.conf would be replaced")));
            assert_eq!(fault(&files, &after(), &[file()]), None);
        }
        assert_eq!(fault(&seen("old\n", Mark::Kubestead, false), &write(), &[file()]), None);
        let mut link = Files::default();
        link.found.insert(PATH.into(), Found::Other);
        assert!(fault(&link, &after(), &[file()]).is_some(), "nothing adopts a link");
        let adoption = Adoption::Adopt { path: PATH.into(), sum: "a".repeat(64) };
        assert!(unasked(&seen("x\n", Mark::None, false), &write(), &adoption).is_some_and(|why| why.contains("without consent")));
        assert_eq!(unasked(&seen("x\n", Mark::None, false), &write().asking(), &adoption), None);
        assert_eq!(unasked(&seen("x\n", Mark::Package, false), &write(), &adoption), None);
        assert!(unasked(&seen("x\n", Mark::Package, true), &write(), &adoption).is_some(), "it was ours once");
    }
}
