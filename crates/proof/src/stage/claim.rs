//! What a scenario claims, and whether it is so.

use super::Stage;
use crate::worker::say;

/// Whether something is so; if not, why.
pub type Claim = Result<(), String>;

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
