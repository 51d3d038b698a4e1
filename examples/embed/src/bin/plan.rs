//! A plan from a value that is built in code, without a cluster file: one node with an encrypted volume, and the key server that has the other half of
//! its key. The machines are twins; with `kubestead_backend::ssh::Ssh` in their place, `Session::over` takes the same value to real ones.
#![allow(clippy::print_stdout)] // a program for a terminal

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use kubestead_core::name::Name;
use kubestead_core::size::Bytes;
use kubestead_core::twin::Silent;
use kubestead_embed::{DISK, key_server, node, transport};
use kubestead_provision::file::{Cluster, KeyServer, Node, Role, Volume};
use kubestead_provision::keyserver::Account;
use kubestead_provision::session::{Goal, Session};
use kubestead_storage::spec::{self, Filesystem};

fn cluster() -> Result<Cluster, Box<dyn Error>> {
    let (kube1, vg01) = (Name::new("kube1")?, Name::new("vg01")?);
    let data = spec::Volume {
        name: Name::new("data")?,
        group: vg01.clone(),
        size: Bytes(100 << 30),
        filesystem: Filesystem::Ext4,
        inodes: None,
        path: "/srv/data".into(),
        discard: true,
        encryption: spec::Encryption::default(),
    };
    Ok(Cluster {
        nodes: vec![Node { roles: BTreeSet::from([Role::ControlPlane]), ..Node::new(kube1.clone(), "192.0.2.21") }],
        groups: BTreeMap::from([(vg01, BTreeMap::from([(kube1.clone(), vec![DISK.to_owned()])]))]),
        volumes: vec![Volume { nodes: BTreeSet::from([kube1]), spec: data }],
        servers: vec![KeyServer { name: Name::new("masterlock")?, address: "192.0.2.5".into(), port: 22, user: Account::default() }],
        ..Cluster::new(Name::new("home")?, "/nowhere/secrets".into())
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let machines = [node("kube1", ("data", "/srv/data"), ""), key_server("masterlock")];
    let session = Session::over(cluster()?, transport(machines));
    // What is planned was judged too: only such a plan can be carried out.
    let plan = session.plan(&Goal::Up, &Silent).await?;
    for step in &plan.steps {
        println!("{}: {}", step.id, step.why);
    }
    println!("{} steps, {} held", plan.steps.len(), plan.held.len());
    Ok(())
}
