//! The kubestead command.
fn main() {}
