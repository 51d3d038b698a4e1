//! Open files of this program: each machine needs some, and the system limits them.

/// Descriptors that a machine needs at once, and those of this program itself.
const DESCRIPTORS: (u64, u64) = (16, 128);

/// Makes room for that many machines among the open files of this program.
pub(super) fn descriptors(machines: usize) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = DESCRIPTORS.0.saturating_mul(machines as u64) + DESCRIPTORS.1;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|soft| soft < needed) {
        let wanted = limit.maximum.map_or(needed, |hard| hard.max(limit.current.unwrap_or(0)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    }
    match getrlimit(Resource::Nofile).current {
        Some(soft) if soft < needed => {
            Err(format!("this program may open {soft} files, and {machines} machines need {needed}: raise the limit (ulimit -n {needed})"))
        }
        _ => Ok(()),
    }
}
