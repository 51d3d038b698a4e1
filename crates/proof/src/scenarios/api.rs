//! Objects and Secrets on a real API server, by the tests of `provision`, which ask it as the command does.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Call, Done, Stage};

use super::test_program;

const fn on_api(name: &'static str, shows: &'static [&'static str], run: fn(&Stage) -> Done) -> Scenario {
    Scenario { name, shows, fixture: Fixture::Api, leaves: Leaves::AsFound, limit: 900, takes: 20, core: true, run }
}

pub(super) static SCENARIOS: &[Scenario] = &[
    on_api(
        "a real API server tells who set which field of a Secret, and what a table and metadata show of it",
        &["F08", "R1", "a Secret that kubestead did not make", "a value of a Secret is in no plan"],
        |s| program(s, "secrets_api"),
    ),
    on_api(
        "other people's objects on a real API server are seen, asked for and kept",
        &["F06", "R1", "an object in the cluster that kubestead did not make", "what is deleted in the cluster is exactly what was seen"],
        |s| program(s, "objects_api"),
    ),
    on_api(
        "services on a real API server are applied with their own kinds, put back when somebody edits them, and leave nothing when they leave the file",
        &["F14", "F26", "R1", "R3", "of a service nothing goes that does not carry both"],
        |s| program(s, "services_api"),
    ),
    on_api(
        "manifests as people write them are kept in another form by a real API server, and are nothing to do again",
        &["F14", "R3"],
        |s| program(s, "written_api"),
    ),
    on_api(
        "a chart with a password on a real API server is applied, follows the file of sops, is put back when somebody edits its Secret, and leaves nothing",
        &["F14", "R1", "R3", "a value of a file of sops comes into a Secret of a service"],
        |s| program(s, "render_api"),
    ),
    on_api(
        "services that kubestead brings are applied on a real API server, put back when somebody edits them, ask for what somebody else made, and leave nothing when they leave the file",
        &["R1", "R3"],
        |s| program(s, "built_api"),
    ),
    Scenario {
        core: false,
        leaves: Leaves::WornOut,
        ..on_api(
            "the gateway and what issues certificates are applied on a real API server with the definitions of their kinds, changed, put back when somebody edits them, and leave nothing of theirs",
            &["F26", "R1", "R3"],
            gateway,
        )
    },
    Scenario {
        core: false,
        leaves: Leaves::WornOut,
        ..on_api(
            "addresses of Services are objects on a real API server with the definitions of their kinds, which follow the file, are put back when somebody edits them, and leave nothing",
            &["R1", "R3"],
            load_balancer,
        )
    },
    on_api(
        "volumes that are kept the same are objects on a real API server, which follow the file, tell how old the last good round is, and leave nothing",
        &["R1", "R3"],
        |s| program(s, "sync_api"),
    ),
    on_api(
        "users of a namespace may all in it and only look outside, by the verdicts of a real API server, and containers get its limits",
        &["F06", "F07", "F40"],
        |s| program(s, "access_api"),
    ),
    Scenario {
        leaves: Leaves::WornOut,
        ..on_api(
            "pods get the paths, ports and capabilities that the file grants them on a real API server, and nothing else; an edit of the policies is put back, and they leave nothing",
            &["F03", "R1", "R3", "the users' namespace is not opened"],
            |s| program(s, "pods_api"),
        )
    },
];

fn gateway(s: &Stage) -> Done {
    for (module, folder, name) in [
        ("sigs.k8s.io/gateway-api@v1.6.3", "config/crd/standard", "gateway.yaml"),
        ("github.com/cert-manager/cert-manager@v1.21.2", "deploy/crds", "certificates.yaml"),
    ] {
        s.definitions(module, folder, name)?;
    }
    with_definitions(s, "gateway_api")
}

fn load_balancer(s: &Stage) -> Done {
    s.definitions("go.universe.tf/metallb@v0.16.2", "config/manifests/metallb-native.yaml", "metallb.yaml")?;
    with_definitions(s, "load_balancer_api")
}

fn with_definitions(s: &Stage, name: &str) -> Done {
    passes(s, s.beside_api(&test_program(name)).setting("KUBESTEAD_TEST_DEFINITIONS", s.path("")))
}

fn program(s: &Stage, name: &str) -> Done {
    passes(s, s.beside_api(&test_program(name)))
}

fn passes(s: &Stage, tests: Call<'_>) -> Done {
    let ran = tests.run();
    s.claim("its tests pass", ran.ok());
    // One that was given no API server passes too.
    ran.lacks("skipped:")
}
