//! kubestead py
