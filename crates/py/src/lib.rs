//! The Python module `kubestead`: `check`, `plan`, `recall` and `up`, on the same values and the same loop as the command.
//!
//! Answers are plain dicts and lists. A call makes its own runtime and leaves none behind, so that a process which forks is safe; it
//! lets other threads of Python run.

#![allow(clippy::needless_pass_by_value)] // arguments from Python are owned

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubestead_backend::ssh::Ssh;
use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_core::event::{Event, Reporter};
use kubestead_core::outcome::causes;
use kubestead_core::plan::StepId;
use kubestead_core::visible::visible;
use kubestead_provision::approval::Unasked;
use kubestead_provision::compose;
use kubestead_provision::engine::Terms;
use kubestead_provision::facts::{self, Facts};
use kubestead_provision::file::{self, Cluster};
use kubestead_provision::service;
use kubestead_provision::session::{Goal, Session, Settled};
use kubestead_secrets::Escrow;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// Passes events to a Python callable. What it raises is printed by Python and does not stop the work.
struct Callback(Option<Py<PyAny>>);

impl Reporter for Callback {
    fn on(&self, event: &Event) {
        let Some(callable) = &self.0 else { return };
        Python::attach(|py| {
            let told = to_python(py, event).and_then(|event| callable.call1(py, (event,)));
            if let Err(error) = told {
                error.print(py);
            }
        });
    }
}

/// A value as Python's own dicts, lists and texts.
fn to_python<T: Serialize>(py: Python<'_>, value: &T) -> PyResult<Py<PyAny>> {
    let text = serde_json::to_string(value).map_err(|e| PyRuntimeError::new_err(e.to_string()))?;
    Ok(py.import("json")?.call_method1("loads", (text,))?.unbind())
}

/// The cluster file alone.
fn described(path: &Path) -> PyResult<Result<Cluster, Vec<Diagnostic>>> {
    let text = file::bounded(path).map_err(|e| PyOSError::new_err(format!("cannot read {}: {e}", path.display())))?;
    let absolute = std::path::absolute(path).map_err(|e| PyOSError::new_err(e.to_string()))?;
    Ok(file::load(&path.display().to_string(), &text, absolute.parent().unwrap_or_else(|| Path::new("/"))))
}

/// The same with its folder of secrets and the files of its services.
fn read(path: &Path) -> PyResult<Result<Cluster, Vec<Diagnostic>>> {
    let cluster = match described(path)? {
        Ok(cluster) => cluster,
        Err(found) => return Ok(Err(found)),
    };
    let wish = compose::wish(&cluster, &cluster.secrets.display().to_string());
    let services = compose::services(&cluster, &wish, &service::Local::here(), &|path| path.display().to_string());
    let found = [wish.findings, services.findings].concat();
    Ok(if found.iter().any(|finding| finding.severity == Severity::Error) { Err(found) } else { Ok(cluster) })
}

fn wrong(found: Vec<Diagnostic>) -> PyErr {
    PyValueError::new_err(found.iter().map(|f| shown(&f.to_string())).collect::<Vec<_>>().join("\n"))
}

/// For what looks at machines: an ssh configuration that came with the file must be harmless, or trusted.
fn load(path: &Path, trust_ssh_config: bool) -> PyResult<Cluster> {
    let cluster = read(path)?.map_err(wrong)?;
    let absolute = std::path::absolute(path).map_err(|e| PyOSError::new_err(e.to_string()))?;
    if !trust_ssh_config {
        let dir = absolute.parent().unwrap_or_else(|| Path::new("/"));
        file::vet(&cluster, dir, &[]).map_err(|why| PyValueError::new_err(why.to_string()))?;
    }
    Ok(cluster)
}

fn run<T: Send>(py: Python<'_>, work: impl Future<Output = PyResult<T>> + Send) -> PyResult<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| PyOSError::new_err(e.to_string()))?;
    py.detach(|| runtime.block_on(work))
}

fn failed(error: impl std::error::Error) -> PyErr {
    PyRuntimeError::new_err(shown(&causes(&error)))
}

/// A message as a traceback may print it: it can hold words of machines and files.
fn shown(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n  | ")
}

/// Reads a cluster file and its folder of secrets and answers every mistake as a dict with file, line, column, message and hint; an empty list for a good file.
#[pyfunction]
fn check(py: Python<'_>, file: PathBuf) -> PyResult<Py<PyAny>> {
    to_python(py, &read(&file)?.err().unwrap_or_default())
}

/// Looks at the machines and answers the plan: `steps` and `held`. Changes nothing. An `ssh.config` in the file's repository that may run
/// programs is used with `trust_ssh_config` alone. `save_facts` names a new file in which what was seen is kept.
#[pyfunction]
#[pyo3(signature = (file, *, trust_ssh_config=false, on_event=None, save_facts=None))]
fn plan(
    py: Python<'_>,
    file: PathBuf,
    trust_ssh_config: bool,
    on_event: Option<Py<PyAny>>,
    save_facts: Option<PathBuf>,
) -> PyResult<Py<PyAny>> {
    let cluster = load(&file, trust_ssh_config)?;
    let reporter = Callback(on_event);
    let found = run(py, async {
        let machines = Session::over(cluster, Arc::<Ssh>::default());
        let look = machines.observe(&reporter).await.map_err(failed)?;
        if let Some(path) = &save_facts {
            facts::save(path, &machines.cluster, &look).map_err(failed)?;
        }
        machines.judge(&Goal::Up, &look).map_err(failed)
    })?;
    to_python(py, &found)
}

/// The plan from facts that `plan` saved, without any connection: nothing is looked at, and nothing of it can be applied. `factsOf` says from when
/// they are.
#[pyfunction]
fn recall(py: Python<'_>, file: PathBuf, facts: PathBuf) -> PyResult<Py<PyAny>> {
    let cluster = described(&file)?.map_err(wrong)?;
    to_python(py, &Facts::load(&facts).and_then(|facts| facts.plan(&cluster)).map_err(failed)?)
}

/// Makes the machines as the file says. `identity` is the age key that opens the escrow; `consent` names the destroying steps that may
/// run. Answers `settled` (True when nothing is left to do), the last `plan` and, after a failure, the `report` of each step.
#[pyfunction]
#[pyo3(signature = (file, *, identity, consent=Vec::new(), fail_fast=false, trust_ssh_config=false, on_event=None))]
fn up(
    py: Python<'_>,
    file: PathBuf,
    identity: PathBuf,
    consent: Vec<String>,
    fail_fast: bool,
    trust_ssh_config: bool,
    on_event: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let cluster = load(&file, trust_ssh_config)?;
    let reporter = Callback(on_event);
    let settled = run(py, async {
        let escrow = Escrow::open(&cluster.secrets.join("escrow"), &identity).map_err(failed)?;
        let machines = Session::over(cluster, Arc::<Ssh>::default());
        let _leases = machines.lease().await.map_err(failed)?;
        let terms = Terms { consent: consent.into_iter().map(StepId).collect(), fail_fast };
        machines.settle(&escrow, &terms, &Unasked, &reporter, &CancellationToken::new()).await.map_err(failed)
    })?;
    let answer = match settled {
        Settled::Done(plan) => serde_json::json!({"settled": plan.held.is_empty(), "plan": plan}),
        Settled::Failed(report) => serde_json::json!({"settled": false, "report": report}),
        Settled::Stopped | Settled::Declined(_) | Settled::Unsettled(_) => serde_json::json!({"settled": false}),
    };
    to_python(py, &answer)
}

#[pymodule(name = "kubestead")]
fn python_module(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add_function(wrap_pyfunction!(check, m)?)?;
    m.add_function(wrap_pyfunction!(plan, m)?)?;
    m.add_function(wrap_pyfunction!(recall, m)?)?;
    m.add_function(wrap_pyfunction!(up, m)?)
}
