//! Moving in: secrets that other tools keep, read so that they can be written as sops documents. Nothing of the other tools is written.

mod inline;
pub mod kubernetes;
pub mod vault;

pub use inline::{Opened, open_inline, variables};
