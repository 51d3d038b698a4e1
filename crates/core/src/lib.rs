//! Values, traits and plans of kubestead: no runtime, no ssh, no kube, no process, no clock.
//!
//! The flow that every crate follows: a validated spec and observed [`fact::Fact`]s go into a pure planner, which answers a
//! [`plan::Plan`] of typed actions; applying an action is guard, act, verify ([`procedure::Procedure`]) on a [`host::Host`].
//!
//! The traits stand here, below both sides that need them, each with a twin for tests in [`twin`]:
//! [`host::Host`], [`kube::Kube`], [`key::KeySource`], [`event::Reporter`], and [`transport::Transport`], which connects to hosts. Feature `mock` adds a
//! mock of each of the first four, made by mockall.

pub mod claim;
pub mod command;
pub mod cores;
pub mod credentials;
pub mod diagnostic;
pub mod event;
pub mod fact;
pub mod fields;
pub mod frame;
pub mod host;
pub mod key;
pub mod kube;
pub mod name;
pub mod outcome;
pub mod plan;
pub mod probe;
pub mod procedure;
pub mod put;
pub mod reload;
pub mod secret;
pub mod size;
pub mod transport;
pub mod twin;
pub mod visible;
