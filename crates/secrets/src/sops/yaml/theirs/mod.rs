//! How sops reads YAML: by go-yaml, which accepts less than the specification allows and has its own rules for what a comment belongs to.
//! A comment is encrypted with the keys of the mapping that it belongs to there, and what is written must be text that it accepts.
//!
//! This follows go-yaml in behaviour down to its oddities, on purpose: what it makes of a text is the only thing that is asked here.

mod nodes;
mod place;
mod scan;

pub(crate) use nodes::read;
pub(crate) use place::place;
