//! Key material and its escrow: secrets that are made once, encrypted with age before they touch a disk, and kept in git beside the
//! cluster file.

mod error;
mod escrow;
mod generate;
mod identity;
pub mod import;
pub mod kit;
pub mod sops;
mod write;

pub use error::Error;
pub use escrow::Escrow;
pub use generate::{encryption_key, fingerprint, recovery_key, token_secret};
pub use identity::{make_identity, public_keys};
pub use write::{is_part, new_file};
