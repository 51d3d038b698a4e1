//! What pods may: Pod Security's level `baseline` and what the file grants beyond it. The rules are data, which is written down once: policies of the
//! API server are made of them ([`cel`]), and pods that run already are held against them ([`beyond`]).

mod beyond;
mod cel;
mod rules;

pub use beyond::{Beyond, Use, beyond};
pub(super) use cel::{grants, pods, volume_paths, volumes};
