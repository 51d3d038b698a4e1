//! A KMS plugin on a cluster that runs, whose Secrets are written in the clear: the API server must mount the plugin's folder first.

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Ran, Stage};

use super::cluster::kubectl;
use super::node;
use super::traffic::{Traffic, every_value, file_lacks};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "values in the clear are taken in by a KMS plugin that the API server must mount first, while Secrets are written and read, through kills and a power cut",
    &["F09", "R2", "R4", "a key of encryption at rest goes only when", "the manifest of a program of the control plane"],
    (480, 2400),
    kms,
)];

const SECRETBOX: &str = "provider: secretbox, key: key1, resources: [secrets]";
const KMS: &str = "provider: kms, kms: {name: vault, endpoint: \"unix:///run/kms/plugin.sock\"}, resources: [secrets, configmaps]";
const NO_PLUGIN: &str = "no KMS plugin answers at /run/kms/plugin.sock";

fn cp1(s: &Stage, words: &[&str]) -> Ran {
    s.at("cp1", words).run()
}

/// The API server says that it is ready.
fn ready(s: &Stage) -> Claim {
    s.eventually(240, || kubectl(s, &["get", "--raw", "/readyz"]).run().is("ok"))
}

fn lab(s: &Stage, verb: &str) -> Claim {
    s.kubestead(&["lab", verb, "cp1"]).run().ok()
}

fn kms(s: &Stage) -> Done {
    s.claim("lab up", node::lab(s, false, false));
    let bundle = s.kubestead(&["lab", "build"]).run().answer()?;
    let kubernetes = format!("version: 1.37.1, bundle: {bundle}, lab: true, encryption: {{{SECRETBOX}}}");
    s.write("cluster.yaml", &node::file(s, &kubernetes))?;
    s.claim("the cluster is made", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    let traffic = Traffic::new(s)?;
    s.claim("six hundred Secrets that nobody touches again", traffic.make_still());
    s.claim("one of them may not be changed", traffic.make_immutable());
    let plain = format!("{}-plain", traffic.word);
    s.claim("Secrets are written in the clear", cp1(s, &["write_in_the_clear", &plain]).ok());

    s.edit("cluster.yaml", SECRETBOX, KMS)?;
    mounted(s)?;
    taken_in(s, &traffic, &plain)?;
    after_a_reboot(s, &traffic);
    s.claim("down leaves no process", s.down());
    Ok(())
}

/// The API server gets the plugin's folder.
fn mounted(s: &Stage) -> Done {
    let silent = || {
        let plan = s.plan(&[]);
        plan.status(4).and(plan.says(NO_PLUGIN))
    };
    s.claim("a plugin that does not answer is told, and nothing is begun", s.eventually(60, silent));
    let plugin = std::fs::read(s.kms_plugin()?).map_err(|error| error.to_string())?;
    s.claim("the operator installs the plugin", s.at("cp1", &["install_plugin"]).input(plugin).run().ok());
    let planned = || {
        let plan = s.plan(&[]);
        plan.status(3).and(plan.says("write every object of configmaps, secrets anew"))
    };
    s.claim("the plan names both kinds, and the restart", s.eventually(60, planned));
    s.claim("which is a step of its own", s.plan(&[]).says("~ cp1/encryption/mount"));
    s.claim("killed while the API server restarts", s.kill_at("cp1/encryption/mount", 4000));
    let goes_on = s.eventually(300, || cp1(s, &["plugin_is_mounted"]).ok());
    s.claim("what was begun goes on: it runs with the plugin's folder", goes_on);
    s.claim("the API server comes back", ready(s));
    let manifest = cp1(s, &["starts_as_slowly_as_before"]).ok().and_then(|()| cp1(s, &["kubeadm_knows_the_mount"]).ok());
    s.claim("the startup probe is as long as at the beginning, and kubeadm knows the mount for its next manifest", manifest);
    s.claim("nothing is left of it", cp1(s, &["nothing_of_the_mount_is_left"]).ok());
    Ok(())
}

fn taken_in(s: &Stage, traffic: &Traffic<'_>, plain: &str) -> Done {
    traffic.begin()?;
    s.claim("killed while it is promoted", s.kill_at("cp1/encryption/promote", 3000));
    s.claim("no write and no read failed at any moment", traffic.end()?.no_errors());
    let cut = s.kill_at("cluster/encryption/rewrite", 1000).and_then(|()| lab(s, "kill")).and_then(|()| lab(s, "start"));
    s.claim("the power is cut while objects are written anew", cut);
    s.claim("the API server comes back", ready(s));
    traffic.begin()?;
    s.claim("the next up finishes", s.kubestead(&["up"]).run().ok());
    let written = traffic.end()?;
    s.claim("no write and no read failed at any moment", written.no_errors());
    s.claim("no Secret is lost", traffic.none_lost(&written));
    s.claim("every Secret in etcd is encrypted", every_value(s, "secrets", "k8s:enc:kms:v2:vault:"));
    s.claim("and every ConfigMap", every_value(s, "configmaps", "k8s:enc:kms:v2:vault-configmaps:"));
    s.claim("nothing in the clear is left in etcd's file", file_lacks(s, plain));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

fn after_a_reboot(s: &Stage, traffic: &Traffic<'_>) {
    let empty = || s.eventually(180, || s.plan(&[]).status(0));
    s.claim("reboot", lab(s, "reboot"));
    s.claim("the API server comes back, and its plugin before it", ready(s));
    s.claim("and reads what was there", traffic.reads(600));
    s.claim("the plan is empty", empty());
    s.claim("the plugin stops", s.on("cp1", &["systemctl", "stop", "kms-plugin"]).run().ok());
    let status = s.kubestead(&["status"]).run();
    let next = format!("{NO_PLUGIN} (start the plugin on that machine");
    s.claim("status tells it, and the next step", status.status(4).and(status.says(&next)));
    let starts = s.on("cp1", &["systemctl", "start", "kms-plugin"]).run().ok().and_then(|()| ready(s));
    s.claim("it starts again, and the API server is ready again", starts);
    s.claim("and reads what was there", traffic.reads(1));
    s.claim("the plan is empty again", empty());
}
