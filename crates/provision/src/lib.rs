//! x
pub mod api;
pub mod ssh;
pub mod engine;
