//! A report of what is held: what a plan does not touch, why, and what to do about it. Here a disk holds somebody's filesystem, and a node is not there.
#![allow(clippy::print_stdout)] // a program for a terminal

use std::error::Error;
use std::path::Path;

use kubestead_core::twin::Silent;
use kubestead_embed::{key_server, node, transport};
use kubestead_provision::file;
use kubestead_provision::session::{Goal, Session};

const FILE: &str = include_str!("../../cluster.yaml");
/// What wipefs(8) finds on the disk.
const FOREIGN: &str = r#"{"device": "nvme0n1", "offset": "0x438", "type": "ext4", "uuid": "5fd1a7c5-8d43-4c8e-9a86-0d0e6f9c1c11"}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = match file::load("cluster.yaml", FILE, Path::new("/nowhere")) {
        Ok(cluster) => cluster,
        Err(mistakes) => {
            return Err(mistakes.iter().map(|m| format!("{}:{}: {}", m.place.line, m.place.column, m.message)).collect::<String>().into());
        }
    };
    // There is no machine for kube2.
    let machines = [node("kube1", ("data", "/srv/data"), FOREIGN), key_server("masterlock")];
    let plan = Session::over(cluster, transport(machines)).plan(&Goal::Up, &Silent).await?;
    for held in &plan.held {
        let kind = if held.unreachable { "unreachable" } else { "held" };
        println!("{} ({kind}): {}\n  {}", held.object, held.reason, held.hint);
    }
    Ok(())
}
