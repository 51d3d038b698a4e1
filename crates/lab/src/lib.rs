//! kubestead lab
