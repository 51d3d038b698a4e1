//! kubestead storage
