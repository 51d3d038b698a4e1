//! Key material and its escrow: secrets that are made once, encrypted with age before they touch a disk, and kept in git beside the
//! cluster file.

mod error;
mod escrow;
pub mod kit;
mod material;
pub mod sops;
mod write;

pub use error::Error;
pub use escrow::{Escrow, Kept};
pub use material::{encryption_key, recovery_key};
pub use write::new_file;
