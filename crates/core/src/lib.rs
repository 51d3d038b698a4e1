//! kubestead core
