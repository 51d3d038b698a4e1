//! The JSON Schema of the cluster file against the decoder: whatever the decoder takes the schema takes, each kind of mistake that the schema can tell is
//! one for both, defaults are what holds, and the page of fields is made of the same.
#![allow(clippy::unwrap_used)] // a test fails by it

mod valid;

use std::collections::BTreeSet;
use std::path::Path;

use kubestead_provision::file::{Cluster, load, pages, schema};
use serde_json::{Value, json};

/// Files that have every field between them.
const FILES: [&str; 3] = [
    "\
apiVersion: kubestead/v1
kind: Cluster
name: home
kubernetes:
  version: 1.37.1
  packages:
    repository: https://mirror.example.com/kubernetes
    fingerprint: 0123456789ABCDEF0123456789ABCDEF01234567
    docker: {repository: https://mirror.example.com/docker, fingerprint: 0123456789ABCDEF0123456789ABCDEF01234567}
  containerd: 2.2.0
  proxy: {http: http://proxy.example.com:3128, https: http://proxy.example.com:3128, noProxy: [.example.com]}
  registries: {docker.io: {mirrors: [https://mirror.example.com/v2/hub]}, mirror.example.com: {ca: ca.pem, credentials: registry}}
  encryption: {provider: aesgcm, key: key2, resources: [secrets, configmaps]}
  apiServer: {args: {profiling: 'false', goaway-chance: [0.01, '0.02']}, featureGates: {MemoryQoS: true}, certificateNames: [api2.example.com, 192.0.2.1]}
  audit:
    rules:
    - {level: None, users: [system:kube-proxy], userGroups: [system:nodes], verbs: [watch], omitStages: [Panic], omitManagedFields: false}
    - {level: Request, namespaces: [apps], resources: [{group: apps, resources: [deployments], resourceNames: [web]}, {group: ''}, {group: batch, resources: [jobs]}]}
    - {level: Metadata, nonResourceURLs: [/metrics]}
    maxAge: 7
    maxBackups: 2
    maxSize: 10
  oidc:
    issuer: https://id.example.com/realms/home
    audiences: [kubestead, other]
    username: {claim: email, prefix: 'people:'}
    groups: {claim: groups, prefix: 'groups:'}
    certificateAuthority: \"-----BEGIN CERTIFICATE-----\\nMIIBcTCCARegAwIBAgIUJV3ttZOc1OArCAqYUodUmNTOw/owCgYIKoZIzj0EAwIwDTELMAkGA1UEAwwCY2EwIBcNMjYxMTI4MjEwMjU3WhgPMjEyNjExMDQyMTAyNTdaMA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGdlhXzQChUNO1HHOtoMDExH3ErW5JzOteZLhY6ejiazudo9GDqp15CgmoE8ILjr1RJT3419v9cWbm1MtnbtRA6NTMFEwHQYDVR0OBBYEFAn7lohuqapT1C6rIOEpF5txpkkTMB8GA1UdIwQYMBaAFAn7lohuqapT1C6rIOEpF5txpkkTMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAPDZuO1g/dUZTDBHyvMtVfLwGxuF5K4Myt7w4erE99VkAiAs153sxeHJp+MbL9B/e7uIlOOtpDCRmcIfN1+9eLKCKg==\\n-----END CERTIFICATE-----\"
  controllerManager: {args: {v: 2}, featureGates: {MemoryQoS: true}}
  scheduler: {args: {v: 2}, featureGates: {MemoryQoS: false}}
  etcd: {args: {quota-backend-bytes: 8589934592}}
  kubelet:
    evictionHard: {memory.available: 500Mi, imagefs.available: 0%}
    evictionSoft: {nodefs.available: 15%}
    evictionSoftGracePeriod: {nodefs.available: 2m}
    evictionMinimumReclaim: {nodefs.available: 1Gi}
    systemReserved: {cpu: 200m, memory: 512Mi}
    kubeReserved: {pid: 1000}
    containerLogMaxSize: 20Mi
    containerLogMaxFiles: 5
    imageGCHighThresholdPercent: 70
    imageGCLowThresholdPercent: 60
    imageMinimumGCAge: 5m
    imageMaximumGCAge: 168h
    maxPods: 200
    podPidsLimit: 4096
    seccompDefault: false
    shutdownGracePeriod: 60s
    shutdownGracePeriodCriticalPods: 20s
    featureGates: {MemoryQoS: true}
    other: {serializeImagePulls: false, maxParallelImagePulls: 4, registryPullQPS: 7, logging: {verbosity: 3}, allowedUnsafeSysctls: [net.core.somaxconn]}
  ignorePreflight: [NumCPU]
  lab: true
endpoint: {address: api.example.com, port: 443}
ssh: {user: ops, config: ssh_config}
nodes:
  - {name: cp1, address: 10.0.0.11, roles: [control-plane]}
  - {name: kube1, hostname: kube1.example.com, address: 10.0.0.21, ssh: {user: root, port: 2222}, roles: [worker], labels: {example.com/disk: nvme}, taints: ['example.com/for=db:NoSchedule'], annotations: {example.com/rack: rack 7}, kubelet: {evictionHard: {memory.available: 500Mi, imagefs.available: 0%}, evictionSoft: {nodefs.available: 15%}, evictionSoftGracePeriod: {nodefs.available: 2m}, evictionMinimumReclaim: {nodefs.available: 1Gi}, systemReserved: {cpu: 200m, memory: 512Mi}, kubeReserved: {pid: 1000}, containerLogMaxSize: 20Mi, containerLogMaxFiles: 5, imageGCHighThresholdPercent: 70, imageGCLowThresholdPercent: 60, imageMinimumGCAge: 5m, imageMaximumGCAge: 168h, maxPods: 200, podPidsLimit: 4096, seccompDefault: false, shutdownGracePeriod: 60s, shutdownGracePeriodCriticalPods: 20s, featureGates: {MemoryQoS: true}, other: {serializeImagePulls: false, maxParallelImagePulls: 4, registryPullQPS: 7, logging: {verbosity: 3}, allowedUnsafeSysctls: [net.core.somaxconn]}}}
disks:
  vg01: {devices: {kube1: [/dev/disk/by-id/nvme-1]}}
volumes:
  data: {on: [kube1], group: vg01, size: 8GiB, filesystem: ext4, inodes: 100k, discard: true, path: /var/lib/kubestead/volumes, unlock: [ssh, recovery]}
  more: {on: [worker], group: vg01, size: 1GiB, filesystem: xfs, path: /srv/more}
  scratch: {on: [worker], group: vg01, size: 1GiB, path: /srv/scratch, encryption: none}
keys:
  encryption: luks
  unlock: [ssh]
  servers: [{host: lock, address: 10.0.0.5, port: 2200, user: keys}]
  recovery: age
pools: {pool-s: {count: 2, size: 1Gi}}
namedVolumes: {photos: {size: 1Gi}}
namespace:
  name: apps
  users: [{name: apps-user}]
  groups: ['groups:developers']
  limits: {default: {cpu: 0.5, memory: 256MiB}, defaultRequest: {cpu: 50m, memory: 64MiB}, max: {cpu: 2, memory: 4GiB}}
  quota:
    requests.cpu: 8
    requests.memory: 64GiB
    limits.cpu: 500m
    limits.memory: 1T
    requests.storage: 1TiB
    pods: 100
    persistentvolumeclaims: 1k
    services.nodeports: 1
    services.loadbalancers: 1
  podSecurity:
    hostPaths: [{path: /srv/share, readOnly: false}, {path: /srv/admin, readOnly: true}]
    hostPorts: [9100, 30000-30100]
    capabilities: [NET_RAW]
    hostNetwork: true
    volumePaths: [/mnt/disks]
    accounts:
      apps-privileged: {hostPaths: [{path: /dev/ttyUSB0, readOnly: false}], hostPorts: [80], capabilities: [NET_ADMIN], hostNetwork: true}
      apps-root: {privileged: true}
manifests:
  database: {path: m/db}
  shop: {path: m/shop, variables: {HOST: shop.example.org, REPLICAS: 2}, secrets: {PW: {file: s/a.yaml, key: [a, b]}, KEY: {file: s/a.yaml, key: c}}, needs: [database]}
  overlay: {kustomize: m/home}
  chart1: {chart: {path: charts/one, values: [one.yaml], namespace: one, hooks: leave-out}}
  chart2: {chart: {oci: 'oci://registry.example.org/charts/two', version: 1.2.3, digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', namespace: two}}
  chart3: {chart: {repository: 'https://charts.example.org', name: three, version: v1.2.3-rc.1, digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', namespace: three}}
  release1: {release: {url: 'https://example.org/releases/v1.2.3/install.yaml', sha256: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}}
  release2: {release: {path: m/install.yaml}}
services:
  dnsCache:
    image: registry.example.com/coredns:v1.14.6
    patches: [{apiVersion: v1, kind: ConfigMap, metadata: {name: cache, namespace: dns-cache}, data: {Corefile: x}}]
  metrics:
    replicas: 2
    image: registry.example.com:5000/metrics-server:v0.9.0@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    patches: [{apiVersion: v1, kind: Service, metadata: {name: metrics-server, namespace: metrics-server}, spec: {ports: []}}]
  gateway:
    nodes: [kube1]
    hosts: {shop.kubestead.io: {issuer: staging}, '*.example.net': {issuer: own}, db.example.org: {secret: db-tls}}
    redirect: false
    tcp: {git: {port: 2022, tls: false}, mail: {port: 993, tls: true}}
    ingressClass: nginx
    definitions: {url: 'https://example.org/releases/v1.6.3/standard-install.yaml', sha256: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}
    image: registry.example.com/traefik:v3.7.13
    patches: []
  certificates:
    issuers: {staging: {email: ops@kubestead.io}, own: {server: 'https://acme.example.net/directory', ca: ca.pem}}
    dns: {server: '192.0.2.53:5353', zones: [example.net], key: kubestead, algorithm: HMACSHA256, secret: {file: s/a.yaml, key: tsig}}
    definitions: {path: m/certificates.yaml}
    images: {controller: registry.example.com/c:v1, webhook: registry.example.com/w:v1, cainjector: registry.example.com/i:v1, acmesolver: registry.example.com/s:v1}
    patches: []
  loadBalancer:
    addresses: [192.0.2.96/28, 192.0.2.200-192.0.2.209]
    default: false
    nodes: [kube1]
    interfaces: [eno1]
    definitions: {path: m/metallb.yaml}
    images: {controller: registry.example.com/c:v1, speaker: registry.example.com/s:v1}
    patches: []
  dashboard: {image: registry.example.com/headlamp:v1, patches: [{apiVersion: v1, kind: Namespace, metadata: {name: headlamp, labels: {a: b}}}]}
  logs: {folder: /srv/logs, syslog: {address: 'logs.example.com:6514', ca: ca.pem}, image: registry.example.com/collector:v1, patches: []}
  sync:
    image: registry.example.com/sync:1
    needs: [shop]
    patches: [{apiVersion: v1, kind: Service, metadata: {name: sync-share, namespace: shop}, spec: {type: ClusterIP}}]
    sets:
      share:
        namespace: shop
        user: 1000
        group: 1001
        hub: {claim: share-1, key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f}
        spokes: {kube2: {claim: share-2, key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g}}
        exclude: [Name *.lock, Path cache]
        schedule: '*/10 * * * *'
        warnAfter: 40m
        criticalAfter: 3h
        longest: 2h
        mostDeleted: 20
        keepDays: 7
network: {podSubnet: 172.16.0.0/16, serviceSubnet: 172.18.0.0/16, dnsDomain: k8s.example.com, interface: [eno1, eth0], backend: wireguard, mtu: 1420}
secrets: {dir: geheim}
",
    "\
apiVersion: kubestead/v1
kind: Cluster
name: solo
kubernetes:
  version: 1.37.1
  bundle: bundle
  packages: {key: release.asc}
  encryption: {provider: kms, kms: {name: vault, endpoint: 'unix:///run/kms/plugin.sock', timeout: 5s}}
nodes: [{name: solo, address: 10.0.0.11, roles: [control-plane, worker]}]
network: {interface: eno1}
services:
  gateway: {address: 192.0.2.80, definitions: {path: m/gateway.yaml}}
  loadBalancer: {addresses: [192.0.2.80], definitions: {url: 'https://example.org/metallb.yaml', sha256: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}}
  certificates: {issuers: {production: {}}, definitions: {url: 'https://example.org/crds.yaml', sha256: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}}
",
    "\
apiVersion: kubestead/v1
kind: Cluster
name: '7'
nodes: [{name: n1, address: 10.0.0.11, roles: [control-plane], labels: {number: 5, empty: '', truth: true}}]
services: {gateway: {nodePorts: {http: 30080, https: 30443}, hosts: {shop.example.org: {secret: shop-tls}}, definitions: {path: m/gateway.yaml}}}
",
];

/// Where the file would be: what it names beside itself, and is read with it, lies there.
const BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compose");

fn taken(value: &Value) -> Result<Cluster, Vec<String>> {
    let text = value.to_string();
    // What holds is compared, and not where it is written.
    let found = load("c.yaml", &text, Path::new(BESIDE)).map(|found| Cluster { digest: String::new(), warnings: Vec::new(), ..found });
    assert!(
        found.is_err() || valid::against(value).is_empty(),
        "check takes it and the schema does not: {:#?}\n{text}",
        valid::against(value)
    );
    found.map_err(|found| found.into_iter().map(|d| d.message).collect())
}

/// A part of a file with its schema, and the way to it: in the file as a JSON pointer, in the schema with a word for each field.
struct Part<'a> {
    pointer: String,
    way: String,
    schema: &'a Value,
    value: &'a Value,
}

/// Whether a schema takes any value but null.
fn is_any(schema: &Value) -> bool {
    schema["not"] == json!({"type": "null"})
}

/// The part itself and all within.
fn parts<'a>(part: Part<'a>, found: &mut Vec<Part<'a>>) {
    let Part { pointer, way, schema, value } = &part;
    let step = |key: &str| format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
    let (value, mut schema) = (*value, *schema);
    if let Some(list) = schema["anyOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] == "array")) {
        schema = if value.is_array() { list } else { schema };
    }
    let inner: Vec<Part<'a>> = match value {
        // What is passed through is described by nobody.
        _ if is_any(schema) => Vec::new(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| {
                let own = schema["properties"].get(key);
                let way = if own.is_some() { format!("{way}.{key}") } else { format!("{way}.*") };
                Part { pointer: step(key), way, schema: own.unwrap_or(&schema["additionalProperties"]), value }
            })
            .collect(),
        Value::Array(items) => {
            let item = |(n, value)| Part { pointer: step(&format!("{n}")), way: format!("{way}[]"), schema: &schema["items"], value };
            items.iter().enumerate().map(item).collect()
        }
        _ => Vec::new(),
    };
    found.push(part);
    for one in inner {
        parts(one, found);
    }
}

fn all<'a>(schema: &'a Value, file: &'a Value) -> Vec<Part<'a>> {
    let mut found = Vec::new();
    parts(Part { pointer: String::new(), way: String::new(), schema, value: file }, &mut found);
    found
}

/// The ways to all fields that a schema has.
fn fields(schema: &Value, way: &str, found: &mut BTreeSet<String>) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let way = format!("{way}.{key}");
        found.insert(way.clone());
        fields(inner, &way, found);
    }
    for inner in schema["anyOf"].as_array().into_iter().flatten() {
        fields(inner, way, found);
    }
    if schema["items"].is_object() {
        fields(&schema["items"], &format!("{way}[]"), found);
    }
    if schema["additionalProperties"].is_object() {
        fields(&schema["additionalProperties"], &format!("{way}.*"), found);
    }
}

fn with(file: &Value, pointer: &str, value: Value) -> Value {
    let mut file = file.clone();
    *file.pointer_mut(pointer).unwrap() = value;
    file
}

/// Values in the place of one that are mistakes of a kind that its schema tells.
fn mistakes(part: &Part<'_>) -> Vec<Value> {
    let Part { schema, value, .. } = part;
    let mut found = vec![Value::Null];
    if is_any(schema) {
        return found;
    }
    if let (Some(entries), true) = (value.as_object(), schema["type"] == "object") {
        found.extend([json!("text"), json!([])]);
        let changed = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            let mut entries = entries.clone();
            change(&mut entries);
            Value::Object(entries)
        };
        if schema["additionalProperties"] == false {
            found.push(changed(&|entries| drop(entries.insert("nosuchfield".into(), json!(1)))));
        } else if let Some(first) = entries.values().next() {
            found.push(changed(&|entries| drop(entries.insert("No such key!".into(), first.clone()))));
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            found.push(changed(&|entries| drop(entries.remove(name.as_str().unwrap()))));
        }
    } else if schema["type"] == "array" {
        found.extend([json!("text"), json!({})]);
        if schema["minItems"] == 1 {
            found.push(json!([]));
        }
        if schema["uniqueItems"] == true {
            found.push(json!([value[0], value[0]]));
        }
    } else {
        found.push(json!({}));
        if !schema["anyOf"].as_array().into_iter().flatten().any(|one| one["type"] == "array") {
            found.push(json!([]));
        }
        let more = [
            json!(""),
            json!("~"),
            json!(" x"),
            json!("no such word"),
            json!("a\nb"),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(70_000_000_000_u64),
        ];
        let refused: Vec<Value> = more.into_iter().filter(|one| !jsonschema::is_valid(schema, one)).collect();
        assert!(!refused.is_empty(), "{}: its schema takes any text", part.way);
        found.extend(refused);
    }
    found
}

#[test]
fn it_is_a_schema_and_takes_the_files_that_have_every_field() {
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
    let (schema, mut used, mut declared) = (schema(), BTreeSet::new(), BTreeSet::new());
    fields(&schema, "", &mut declared);
    for text in FILES {
        let file = valid::read(text);
        assert_eq!(taken(&file).map(|_| ()), Ok(()), "{text}");
        valid::holds(text);
        used.extend(all(&schema, &file).into_iter().map(|part| part.way));
    }
    let missing: Vec<_> = declared.difference(&used).collect();
    assert!(declared.len() > 60 && missing.is_empty(), "no file here has {missing:?}");
}

#[test]
fn each_kind_of_mistake_that_the_schema_tells_is_refused_by_both() {
    let (schema, mut made) = (schema(), 0);
    for text in FILES {
        let file = valid::read(text);
        for part in all(&schema, &file) {
            for mistake in mistakes(&part) {
                let wrong = with(&file, &part.pointer, mistake.clone());
                assert!(!valid::against(&wrong).is_empty(), "the schema takes {mistake} at {}", part.pointer);
                assert!(taken(&wrong).is_err(), "check takes {mistake} at {}", part.pointer);
                made += 1;
            }
        }
    }
    assert!(made > 500, "{made} mistakes were made");
}

#[test]
fn defaults_are_what_holds_when_a_field_is_left_out() {
    let (schema, mut compared) = (schema(), BTreeSet::new());
    let mut known = BTreeSet::new();
    for text in FILES {
        let file = valid::read(text);
        for part in all(&schema, &file) {
            let Some(default) = part.schema.get("default") else { continue };
            known.insert(part.way.clone());
            let (above, name) = part.pointer.rsplit_once('/').unwrap();
            let written = taken(&with(&file, &part.pointer, default.clone()));
            let mut left_out = file.clone();
            left_out.pointer_mut(above).and_then(Value::as_object_mut).unwrap().remove(name);
            assert_eq!(written, taken(&left_out), "{}", part.pointer);
            if written.is_ok() {
                compared.insert(part.way);
            }
        }
    }
    assert!(known.len() > 15);
    assert_eq!(known, compared, "each default holds in one file at least");
}

#[test]
fn the_minors_of_the_schema_are_those_that_are_taken() {
    assert!(pages()[0].1.contains("1.35 to 1.37"));
    for minor in 0..60 {
        let text = FILES[1].replace("1.37.1", &format!("1.{minor}.4"));
        let file = valid::read(&text);
        assert_eq!(taken(&file).is_ok(), valid::against(&file).is_empty(), "{minor}");
        assert_eq!(taken(&file).is_ok(), (35..=37).contains(&minor), "the page says 1.35 to 1.37");
    }
}

#[test]
fn the_examples_are_valid() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut seen = 0;
    for entry in std::fs::read_dir(top.join("examples")).unwrap() {
        valid::holds(&std::fs::read_to_string(entry.unwrap().path().join("cluster.yaml")).unwrap());
        seen += 1;
    }
    assert!(seen >= 5, "{seen}");
}

/// `UPDATE=1 cargo test -p kubestead-provision --test schema` writes the pages anew.
#[test]
fn the_pages_of_fields_are_made_of_what_the_decoder_knows() {
    for (name, made) in pages() {
        is_made(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name), &made);
    }
}

fn is_made(path: &Path, made: &str) {
    let (begin, end) = ("<!-- every field: made by crates/provision/tests/schema.rs -->\n\n", "<!-- the end of every field -->\n");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (kept, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, [before, begin, made, end, after].concat()).unwrap();
    } else {
        assert!(kept == made, "{} is not what the decoder knows now (UPDATE=1 writes it anew):\n{made}", path.display());
    }
}
