//! How a check came out.

use serde::Serialize;

use super::kind::Kind;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// As it must be.
    Good,
    /// It works, and is worth a look.
    Warn,
    /// Not as it must be.
    Bad,
    /// It could not be looked at: a program is missing, or there is nothing to try it with.
    NotLooked,
    /// The machine did not answer.
    NotSeen,
}

/// One thing that was looked at, on one machine or in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The check.
    pub check: Kind,
    /// The machine, or `cluster`.
    pub place: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, with its figures.
    pub found: String,
    /// What to do; empty if nothing is.
    pub next: String,
}

impl Finding {
    /// Something that is as it must be.
    pub(super) fn good(check: Kind, place: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check, place: place.into(), verdict: Verdict::Good, found: found.into(), next: String::new() }
    }

    /// Something that could not be looked at.
    pub(super) fn not_looked(check: Kind, place: impl Into<String>, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotLooked, ..Self::good(check, place, why) }
    }

    /// Something that is worth a look, with what to do.
    pub(super) fn warn(check: Kind, place: impl Into<String>, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, next: next.into(), ..Self::good(check, place, found) }
    }

    /// Something that is not as it must be, with what to do.
    pub(super) fn bad(check: Kind, place: impl Into<String>, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, ..Self::warn(check, place, found, next) }
    }
}
