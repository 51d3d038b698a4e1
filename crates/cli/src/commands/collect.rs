//! `kubestead doctor --collect`: what helps another person, as one file without secrets.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kubestead_backend::ssh::Ssh;
use kubestead_core::secret::Secret;
use kubestead_provision::doctor::{self, Examined, Redactor};
use kubestead_provision::releases;
use kubestead_provision::secret::{self, Keys};
use kubestead_provision::service;
use kubestead_provision::session::Session;
use kubestead_secrets::Escrow;

use super::{doctor as checks, init, status};
use crate::args::Common;
use crate::exit::{Exit, Failure, fail};
use crate::progress::Progress;
use crate::{print, render};

/// The folder within the archive.
const TOP: &str = "kubestead-collected";

pub(crate) async fn run(common: &Common, to: &Path) -> Result<Exit, Failure> {
    if to.symlink_metadata().is_ok() {
        return Err(fail(Exit::Usage, format!("{} is there already and is not replaced", to.display())));
    }
    let session = Session::over(super::check::load(common)?, Arc::<Ssh>::default());
    let progress = Progress::of_looks();
    let examined = doctor::examine(&session, &BTreeSet::new(), &progress).await?;
    let known = known(&session, &examined).await;
    let redactor = Redactor::knowing(&known.values);
    let collected = doctor::collect(&session, &redactor, &progress).await;
    drop(progress);
    let mut texts = vec![(format!("{TOP}/README.txt"), readme(&session, &known))];
    texts.extend(own(&session, &examined).into_iter().map(|(name, text)| (format!("{TOP}/{name}"), redactor.redact(&text))));
    texts.extend(collected.into_iter().map(|text| (format!("{TOP}/{}", text.path), text.text)));
    releases::pack_texts(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())), to).await?;
    print::data(&format!("{}: {} texts, for your eyes alone until you give it to somebody", to.display(), texts.len()));
    print::note("names, addresses and what programs said stay in it: look through it before you send it");
    if known.closed > 0 {
        print::note(&format!("{} secrets could not be opened here: their values were not looked for", known.closed));
    }
    Ok(Exit::Done)
}

/// Values to look for.
struct Known {
    values: Vec<Secret>,
    /// How many secrets could not be opened.
    closed: usize,
}

/// The values of the repository's Secrets, of those that services name, and of the escrow, as far as a key is here.
async fn known(session: &Session, examined: &Examined) -> Known {
    let (cluster, wish) = (&session.cluster, &examined.look.wish);
    let opened = init::identity().ok().and_then(|identity| Escrow::open(&cluster.secrets.join("escrow"), &identity).ok());
    let Some(escrow) = opened else {
        let named: usize = cluster.manifests.iter().map(|service| service.secrets.len()).sum();
        return Known { values: Vec::new(), closed: wish.secrets.len() + named + examined.look.escrow.len() };
    };
    let keys = Keys::default();
    let (mut values, mut closed) = secret::values_here(wish, &cluster.secrets, &escrow, &keys).await;
    let (named, shut) = service::values_here(&cluster.manifests, &escrow, &keys).await;
    values.extend(named);
    closed += shut;
    for name in &examined.look.escrow {
        match escrow.get(name) {
            Ok(Some(value)) => values.push(value),
            Ok(None) => {}
            Err(_) => closed += 1,
        }
    }
    Known { values, closed }
}

/// What this command says by itself.
fn own(session: &Session, examined: &Examined) -> Vec<(&'static str, String)> {
    let Examined { look, plan, findings } = examined;
    vec![
        ("doctor.txt", checks::shown(findings, true, false).to_string()),
        ("plan.txt", render::plan(plan, None).to_string()),
        ("status.txt", status::report(&session.cluster, look, plan).shown(false, None).to_string()),
    ]
}

fn readme(session: &Session, known: &Known) -> String {
    let closed = match known.closed {
        0 => "Values of the repository's secrets were looked for in every text, and taken out.".to_owned(),
        closed => format!("{closed} secrets could not be opened where this was made: their values were not looked for."),
    };
    let wanted = session.cluster.kubernetes.as_ref().map_or("none", |kubernetes| kubernetes.version.as_str());
    format!(
        "What kubestead {} saw of the cluster {} at {}.\nThe cluster file asks for Kubernetes {wanted} and {} nodes.\n\n\
         doctor.txt    what was checked, and what to do\n\
         plan.txt      what `kubestead up` would do\n\
         status.txt    how all is\n\
         machines/     of each machine: what it has, and the ends of journals since its boot\n\
         cluster/      what the API lists; no Secret, no values of ConfigMaps, no environment of pods\n\n\
         [redacted] stands where something was that is, or looks like, a secret. {closed}\n\
         Texts are cut to their ends where they are long.\n",
        env!("CARGO_PKG_VERSION"),
        session.cluster.name,
        Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC"),
        session.cluster.nodes.len(),
    )
}
