//! kubestead provision
