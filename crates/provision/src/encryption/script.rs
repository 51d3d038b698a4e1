//! Shell functions that looking and acting share. Whatever they print holds no key and no value.

/// `etcd`.
pub(super) const ETCD: &str = include_str!("scripts/etcd.sh");
/// `values`, after [`ETCD`].
pub(super) const VALUES: &str = include_str!("scripts/values.sh");
/// `apiserver` and `mounted`.
pub(crate) const MOUNTED: &str = include_str!("scripts/apiserver.sh");
/// `listens` and `answering`.
pub(crate) const LISTENS: &str = include_str!("scripts/listens.sh");
/// `metrics`, `loaded` and `since`, after [`ADMIN`](crate::admin::ADMIN).
pub(super) const METRICS: &str = include_str!("scripts/metrics.sh");
/// `wait_loaded`, after [`METRICS`].
pub(super) const WAIT_LOADED: &str = include_str!("scripts/wait-loaded.sh");
/// `redacted`.
pub(super) const REDACTED: &str = include_str!("scripts/redacted.sh");
