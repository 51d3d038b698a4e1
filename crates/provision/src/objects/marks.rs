//! By what an object is known as ours, and what else is written on objects.

use kubestead_core::kube::FIELD_MANAGER;

/// Every object of ours carries it.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// On every object of a service: the service's name. What carries it is no topic's.
pub const SERVICE: &str = "kubestead.io/service";
/// On the record of a service: the service's name.
pub(crate) const RECORD: &str = "kubestead.io/record";
/// The annotation in which `kubectl apply` keeps what it was given, values too.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The part of a path that asks for our objects alone.
pub(crate) fn selector() -> String {
    format!("labelSelector={}%3D{FIELD_MANAGER}", MANAGED_BY.replace('/', "%2F"))
}
