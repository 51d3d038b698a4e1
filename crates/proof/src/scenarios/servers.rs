//! Three API servers and the members of their etcd, without machines: a test of `provision` rotates the key of encryption at rest on them.

use crate::scenario::Scenario;
use crate::stage::{Done, Stage};

use super::test_program;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "the key of encryption at rest is replaced on three API servers that all read and write meanwhile",
    &["F09", "R4", "a key of encryption at rest goes only when", "the manifest of a program of the control plane"],
    (700, 2400),
    servers,
)];

const NAMESPACES: [&str; 7] = ["--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];

fn servers(s: &Stage) -> Done {
    let bundle = s.kubestead(&["lab", "build"]).run().answer()?;
    s.write("three-servers.sh", include_str!("../scripts/three-servers.sh"))?;
    s.write("three-servers-one.sh", include_str!("../scripts/three-servers-one.sh"))?;
    let [script, one, folder, top] = [s.word("three-servers.sh"), s.word("three-servers-one.sh"), s.word("servers"), s.repository_word("")];
    let begin = ["env", "-C", &top, "bash", &script, &bundle, &one, &folder];
    let words = [&NAMESPACES[..], &begin[..], &test_program("encryption_servers")].concat();
    let ran = s.program("unshare", &words).setting("KMS_PLUGIN", s.kms_plugin()?).run();
    s.claim("its test passes", ran.ok());
    // One that was given no servers passes too.
    ran.lacks("skipped:")
}
