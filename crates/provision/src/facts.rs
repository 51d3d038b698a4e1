//! What was seen at one time, kept in a file: a plan can be made of it again, on any computer and without a connection. Such a plan is to look at:
//! its type is none that the engine carries out, as that asks for what the machines say now.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kubestead_core::plan::{BadPlan, Checked, Plan, StepId};
use kubestead_core::put::Listed;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::changes::{Change, Compare};
use crate::compose::{self, Action, Same, Seen};
use crate::file::Cluster;
use crate::session::Look;

/// The version of the saved form. Facts of another one are not understood in part: what they lack would count as absent.
pub const FORMAT: u32 = 7;
/// The most that is read, in bytes: facts of ten thousand machines take less.
const MOST: u64 = 256 << 20;

/// Why facts are not kept, or no plan comes of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// They are of another version.
    #[error("{}: facts of format {found}, and this kubestead reads format {FORMAT}: save them again with it (`kubestead plan --save-facts`)", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// They are not what was saved.
    #[error("{}: not facts as they were saved: {why}: save them again (`kubestead plan --save-facts`)", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// They answer what another cluster file asks.
    #[error("{}: these facts are of {taken} and of another text of the cluster file, which asks machines for other things: take that file, or save facts again", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// From when they are.
        taken: Timestamp,
    },
    /// The parts make no plan.
    #[error(transparent)]
    Plan(#[from] BadPlan),
    /// What no plan may do was in it: a defect of kubestead, or facts that no machine tells.
    #[error("this plan must not run: {}", .0.join("; "))]
    Unsound(Vec<String>),
}

/// The saved form.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Saved<L, S> {
    kubestead_facts: u32,
    /// When the look began to be kept: all of it was seen before, and not long before.
    taken: String,
    /// sha256 of the cluster file's text.
    file: String,
    /// sha256 of the rest: a change of one byte is noticed, and so is a kubestead that reads something else into it.
    digest: String,
    files: Vec<Same<L>>,
    seen: S,
}

/// Keeps what was just seen in a new file, for its owner alone. It holds no secret. A file that is there stays, and is an error.
pub fn save(path: &Path, cluster: &Cluster, look: &Look) -> Result<(), Error> {
    let file = |source| Error::File { path: path.to_owned(), source };
    let text = text(cluster, look, Timestamp::now()).map_err(|error| file(error.into()))?;
    kubestead_secrets::new_file(path, text.as_bytes()).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => file(std::io::Error::new(error.kind(), "it is there already: name a new file for the facts")),
        _ => file(error),
    })
}

/// The text of saved facts.
pub fn text(cluster: &Cluster, seen: &Seen, taken: Timestamp) -> Result<String, serde_json::Error> {
    let taken = Timestamp::from_second(taken.as_second()).unwrap_or(taken).to_string();
    let (file, digest, files) = (cluster.digest.clone(), seen.digest()?, seen.files());
    serde_json::to_string(&Saved::<&Listed, _> { kubestead_facts: FORMAT, taken, file, digest, files, seen })
}

/// Facts that were saved. What was seen is not handed out: nothing but a plan to look at comes of it.
#[derive(Debug)]
pub struct Facts {
    path: PathBuf,
    taken: Timestamp,
    file: String,
    digest: String,
    seen: Seen,
}

impl Facts {
    /// Reads saved facts. Whoever wrote them: they may be anything, and become facts or an error.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = |source| Error::File { path: path.to_owned(), source };
        let opened = std::fs::File::open(path).map_err(file)?;
        let size = opened.metadata().map_err(file)?.len().min(MOST);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
        opened.take(MOST + 1).read_to_end(&mut bytes).map_err(file)?;
        if bytes.len() as u64 > MOST {
            return Err(Error::Broken { path: path.to_owned(), why: format!("it is larger than {} MiB", MOST >> 20) });
        }
        Self::read(path, &bytes)
    }

    /// Facts from the bytes of a file that is called so in messages.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let broken = |why: String| Error::Broken { path: path.to_owned(), why };
        let text = std::str::from_utf8(bytes).map_err(|error| broken(error.to_string()))?;
        let Saved { kubestead_facts, taken, file, digest, files, seen } = serde_json::from_str::<Saved<&RawValue, Seen<&RawValue>>>(text)
            .map_err(|error| match serde_json::from_str(text) {
            Ok(Version { kubestead_facts: found }) if found != u64::from(FORMAT) => Error::Format { path: path.to_owned(), found },
            Ok(_) | Err(_) => broken(error.to_string()),
        })?;
        if kubestead_facts != FORMAT {
            return Err(Error::Format { path: path.to_owned(), found: kubestead_facts.into() });
        }
        let taken = taken.parse().map_err(|_| broken(format!("{taken:?} is no time")))?;
        let seen = seen.understood(&files).map_err(broken)?;
        Ok(Self { path: path.to_owned(), taken, file, digest, seen })
    }

    /// From when they are.
    pub fn taken(&self) -> Timestamp {
        self.taken
    }

    /// What was to do then. Facts of another cluster file are refused: they answer other questions.
    pub fn plan(&self, cluster: &Cluster) -> Result<Recall, Error> {
        if self.file != cluster.digest {
            return Err(Error::Other { path: self.path.clone(), taken: self.taken });
        }
        let plan = compose::plan(cluster, &self.seen)?;
        if plan.seen != self.digest {
            return Err(Error::Broken { path: self.path.clone(), why: "they were changed, or another kubestead wrote them".into() });
        }
        let plan = Checked::new(plan, |plan| compose::check(&self.seen, plan)).map_err(Error::Unsound)?;
        Ok(Recall { facts_of: self.taken.to_string(), plan: plan.into_plan().map(Recalled) })
    }
}

impl Facts {
    /// What each step of their plan changes in files and objects, for people.
    pub fn changes(&self, recall: &Recall) -> BTreeMap<StepId, Vec<Change>> {
        let compare = Compare::new(&self.seen);
        recall.plan.steps.iter().map(|step| (step.id.clone(), compare.changes(&step.target, &step.action.0))).collect()
    }
}

/// What is read of facts that are not understood.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    kubestead_facts: u64,
}

/// A plan from saved facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recall {
    /// From when the facts are.
    pub facts_of: String,
    /// What was to do then.
    #[serde(flatten)]
    pub plan: Plan<Recalled>,
}

/// An action of a plan from saved facts: it can be shown, and nothing carries it out.
///
/// ```
/// use kubestead_provision::{compose::{Action, Executor}, engine::Runner};
/// fn is_carried_out<A, R: Runner<A>>() {}
/// is_carried_out::<Action, Executor<'_>>();
/// ```
/// ```compile_fail,E0277
/// use kubestead_provision::{compose::Executor, engine::Runner, facts::Recalled};
/// fn is_carried_out<A, R: Runner<A>>() {}
/// is_carried_out::<Recalled, Executor<'_>>();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Recalled(Action);
