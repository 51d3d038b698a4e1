//! `kubestead volume recovery`: the one verb that prints a secret, because it is asked for by name.

use kubestead_core::key::KeyRef;

use super::session;
use crate::args::Common;
use crate::exit::{Exit, Failure, fail};
use crate::print;

pub(crate) fn run(common: &Common, node: &str, volume: &str) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let escrow = session::escrow(&cluster)?;
    let name = KeyRef::recovery(node, volume).0;
    let key = escrow.get(&name)?.ok_or_else(|| fail(Exit::Failed, format!("the escrow has no {name}")))?;
    // No end of line: cryptsetup reads all bytes of a key file.
    print::bytes().all(key.expose())?;
    Ok(Exit::Done)
}
