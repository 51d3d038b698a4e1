//! The recovery kit: the age identity that opens the escrow, split so that any `threshold` of its shares give it back and fewer tell
//! nothing, as pages to print.

mod page;
mod share;

pub use page::{Facts, VolumeRow, html, text};
pub use share::{Error, Share, join, split};

/// A program that joins shares where kubestead is not at hand; it is printed on every page.
pub const JOIN_PY: &str = include_str!("join.py");
