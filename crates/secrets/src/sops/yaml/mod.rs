//! The YAML store: read by spans, changed in place. Several documents in a file; the metadata is repeated in each.

mod parse;
mod theirs;
mod write;

pub(crate) use parse::{line_end, line_start, parse, parse_strict, parse_with};
pub(crate) use write::{attach, comment, insert, remove, scalar};
