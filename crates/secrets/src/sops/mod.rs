//! Documents of [sops](https://getsops.io), read and written natively: no sops program is needed, and sops reads what is written here.
//!
//! A value can be changed without touching another byte of the file than its own ciphertext, the MAC and the time; comments, order,
//! quotes and anchors stay. Nothing is shown before the MAC is checked, and nothing is saved before it was read back.
//!
//! ```
//! use kubestead_core::secret::Secret;
//! use kubestead_secrets::sops::{Identities, Policy, Selector, Sops, Value};
//! # use age::secrecy::ExposeSecret;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("registry.yaml");
//! # let key = age::x25519::Identity::generate();
//! # let recipient = key.to_public().to_string();
//! # let key_text = Secret::new(key.to_string().expose_secret().as_bytes().to_vec());
//! // A new file, of which only `data` and `stringData` are encrypted.
//! let policy = Policy::age([recipient]).with_selector(Selector::encrypted_regex("^(data|stringData)$")?);
//! let plain = Secret::new(b"kind: Secret\nstringData:\n  user: admin # who\n".to_vec());
//! Sops::encrypt_new(&path, &plain, &policy, &Identities::new())?.save()?;
//!
//! // Open, read, set, save.
//! let identities = Identities::new().with_age(&key_text, "the example's key")?;
//! let mut document = Sops::open(&path, &identities)?;
//! assert_eq!(document.get(["stringData", "user"]).and_then(Value::as_str), Some("admin"));
//! document.set(["stringData", "password"], &Value::text("correct horse"))?;
//! document.save()?;
//!
//! let text = std::fs::read_to_string(&path)?;
//! assert!(text.starts_with("kind: Secret\nstringData:\n  user: ENC[AES256_GCM,"));
//! assert!(!text.contains("correct horse"));
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//! Recipients of key services (`kms`, `gcp_kms`, `azure_kv`, `hc_vault`, `hckms`) are kept as they are and named when they would be
//! needed. Age plugins are run by the program age; post-quantum age keys need age 1.3 or newer. Wiping memory is best effort: parsers keep
//! copies of unencrypted text.

mod age_program;
mod beside;
mod check;
mod cipher;
mod compare;
mod contents;
mod document;
mod dotenv;
mod error;
mod flatten;
mod format;
mod holds;
mod identities;
mod ini;
pub(crate) mod json;
mod key_command;
mod lock;
mod meta;
mod outline;
pub(crate) mod path;
mod pgp;
mod policy;
mod proof;
mod regexp;
mod rekey;
mod resolve;
mod rules;
mod secret_view;
mod select;
pub(crate) mod shamir;
mod time;
pub(crate) mod tree;
pub(crate) mod value;
mod wrap;
pub(crate) mod yaml;

pub use age_program::AgeProgram;
pub use check::{Finding, Verdict, check};
pub use compare::{Difference, Differs, differences};
pub use document::{Document, Sops};
pub use error::{Error, Tried};
pub use format::Format;
pub use identities::{Identities, own_recipients};
pub use kubestead_core::outcome::Done;
pub use outline::{Entry, Outline, SealedValue};
pub use path::{BadPath, KeyPath, Step};
pub use pgp::Gpg;
pub use policy::{Policy, Recipient};
pub use regexp::{BadPattern, Pattern};
pub use rekey::Update;
pub use rules::{Matched, Rules};
pub use secret_view::View;
pub use select::Selector;
pub use value::{Kind, Value};
