//! Any text as a kubeconfig of a host, and as the operator's own. A seed: crates/core/tests/admin.conf.
#![no_main]

use kubestead_core::credentials::Credentials;
use kubestead_provision::kubeconfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Credentials::parse("cp1", "admin.conf", text);
    let ours = serde_json::json!({"clusters": [{"name": "home", "cluster": {"server": "https://e:6443"}}],
        "users": [{"name": "me@home-sudo", "user": {"client-certificate-data": "QUJD"}}],
        "contexts": [{"name": "sudo", "context": {"cluster": "home", "user": "me@home-sudo"}}], "current-context": "sudo"});
    if let Ok(merged) = kubeconfig::merge(&[Some(text.to_owned())], &ours)
        && let Some(Some(new)) = merged.into_iter().next()
    {
        assert_eq!(kubeconfig::merge(&[Some(new)], &ours), Ok(vec![None]), "a second merge changes nothing");
    }
});
