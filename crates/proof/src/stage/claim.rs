//! What a scenario claims, and whether it is so.

use super::Stage;
use crate::worker::say;

/// Whether something is so; if not, why.
pub type Claim = Result<(), String>;

/// Whether a condition holds; if not, what was seen.
pub fn is(holds: bool, seen: impl FnOnce() -> String) -> Claim {
    if holds { Ok(()) } else { Err(seen()) }
}

/// Whether something is so of each; the first that it is not so of tells why.
pub fn all<T: std::fmt::Display>(things: impl IntoIterator<Item = T>, claim: impl Fn(&T) -> Claim) -> Claim {
    things.into_iter().try_for_each(|thing| claim(&thing).map_err(|why| format!("{thing}: {why}")))
}

impl Stage {
    /// Tells a claim, and counts it.
    pub fn claim(&self, what: &str, claim: Claim) -> bool {
        match claim {
            Ok(()) => {
                self.passed.set(self.passed.get() + 1);
                say(&format!("ok    {what}"));
                true
            }
            Err(why) => {
                self.failed.set(self.failed.get() + 1);
                say(&format!("FAIL  {what}"));
                why.lines().for_each(|line| say(&format!("      {}", crate::story::plain(line))));
                false
            }
        }
    }
}
