//! Puts the domains together: the cluster file, the backends, and the engine that observes, plans and applies.

pub mod api;
pub mod engine;
pub mod file;
pub mod keyserver;
pub mod ssh;
