//! kubestead secrets
