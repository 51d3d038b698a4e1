//! A session over machines that a program brings itself: nothing of it needs ssh.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kubestead_core::command::Effect;
use kubestead_core::host::{Host, HostError};
use kubestead_core::kube::{Api, KubeError, ObjectRef};
use kubestead_core::name::Name;
use kubestead_core::transport::{Login, Remote, Transport};
use kubestead_core::twin::{MemoryKube, ProbedHost, Silent, Twins};
use kubestead_provision::file::{self, Cluster};
use kubestead_provision::fleet::Fleet;
use kubestead_provision::key_servers::{Error as KeyServersError, KeyServers, Machines};
use kubestead_provision::session::{Error, Goal, Session};
use serde_json::json;

const FILE: &str = "\
apiVersion: kubestead/v1
kind: Cluster
name: home
ssh: {user: ops}
nodes:
  - {name: kube1, address: 192.0.2.21, roles: [control-plane]}
  - {name: kube2, address: 192.0.2.22}
keys:
  servers: [{host: masterlock, address: 192.0.2.5, port: 2222}]
  recovery: age
";

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn cluster() -> Cluster {
    file::load("cluster.yaml", FILE, Path::new("/nowhere")).unwrap()
}

/// Twins of these machines, with what they were asked.
fn twins(names: &[&str]) -> (Arc<Twins>, Vec<Arc<ProbedHost>>) {
    let hosts: Vec<Arc<ProbedHost>> = names.iter().map(|name| Arc::new(ProbedHost::new(name, [("machine/missing", "")]))).collect();
    let kube = MemoryKube::default();
    kube.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps"}}));
    (Arc::new(Twins::new(hosts.iter().map(|host| Arc::clone(host) as Arc<dyn Host>), Arc::new(kube))), hosts)
}

#[tokio::test]
async fn a_session_looks_through_the_transport_and_only_looks() {
    let (twins, hosts) = twins(&["kube1", "masterlock"]);
    let session = Session::over(cluster(), twins);
    let look = session.observe(&Silent).await.unwrap();
    assert_eq!(look.unreachable, [name("kube2")].into(), "it has no twin");
    for host in &hosts {
        let asked = host.asked();
        assert!(asked.len() == 1 && asked[0].effect == Effect::Read, "one round trip: {asked:?}");
    }
    let plan = session.judge(&Goal::Up, &look).unwrap();
    let held = plan.held.iter().find(|held| held.object == "kube2").unwrap();
    assert!(held.unreachable && held.reason.contains("it has no twin"), "{held:?}");
}

#[tokio::test]
async fn one_writer_has_all_machines_and_the_next_one_is_told_which_is_taken() {
    let (twins, _) = twins(&["kube1", "kube2", "masterlock"]);
    let (first, second) = (Session::over(cluster(), twins.clone()), Session::over(cluster(), twins.clone()));
    let leases = first.lease().await.unwrap();
    assert_eq!(leases.len(), 3);
    assert!(matches!(second.lease().await, Err(Error::Taken(machine)) if machine == name("kube1")));
    let servers = KeyServers::connect(cluster(), &Machines::Servers, twins.clone()).await.unwrap();
    assert!(matches!(servers.lease().await, Err(KeyServersError::Taken(machine)) if machine == name("masterlock")));
    let stranger = KeyServers::connect(cluster(), &Machines::One(name("kube1")), twins).await;
    assert!(matches!(stranger, Err(KeyServersError::NoServer(..))));
    drop(leases);
    assert_eq!(second.lease().await.unwrap().len(), 3, "and it is free again");
}

#[tokio::test]
async fn the_api_is_that_of_the_transport() {
    let (twins, _) = twins(&["kube1"]);
    let fleet = Fleet::over(cluster().logins(), twins);
    assert!(fleet.kube(&name("kube1")).await.is_none(), "nothing is connected before it is asked for");
    fleet.connect().await;
    let kube = fleet.kube(&name("kube1")).await.unwrap().unwrap();
    let apps = ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: String::new(), name: "apps".into() };
    assert!(kube.get(&apps).await.unwrap().is_some());
    assert_eq!(kube.rewrite(&ObjectRef { name: String::new(), ..apps }).await, Ok(1));
    assert!(fleet.kube(&name("kube2")).await.is_none(), "it has no twin");
}

/// Has room for so many machines, and counts what it is asked for.
struct Narrow(usize, AtomicUsize);

#[async_trait]
impl Transport for Narrow {
    async fn connect(&self, login: &Login) -> Result<Arc<dyn Remote>, HostError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let words = format!("{} {} {:?} {:?}", login.name, login.destination, login.user, login.port);
        Err(HostError::Connect { host: login.name.clone(), detail: words })
    }

    fn room(&self, machines: usize) -> Result<(), String> {
        if machines > self.0 { Err(format!("no room for {machines}")) } else { Ok(()) }
    }

    async fn kube(&self, _: &dyn Remote) -> Result<Arc<dyn Api>, KubeError> {
        Err(KubeError::Connect("none".into()))
    }
}

#[tokio::test]
async fn a_transport_is_told_how_to_log_in_and_asked_for_nothing_where_it_has_no_room() {
    let narrow = Arc::new(Narrow(1, AtomicUsize::new(0)));
    let fleet = Fleet::over(cluster().logins(), narrow.clone());
    fleet.connect().await;
    assert_eq!((fleet.failed().len(), narrow.1.load(Ordering::Relaxed)), (3, 0));
    assert!(fleet.failed().values().all(|error| error.to_string().contains("no room for 3")));
    let fleet = Fleet::over(cluster().logins().into_iter().filter(|(machine, _)| *machine == name("masterlock")), narrow.clone());
    fleet.connect().await;
    let told = fleet.failed()[&name("masterlock")].to_string();
    assert!(told.contains("masterlock 192.0.2.5 Some(\"ops\") Some(2222)"), "{told}");
}
