//! The gateway and what issues certificates, from the cluster file to their objects; what is wrong with them, with its place; and what an Ingress says in vain.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::path::Path;

use kubestead_provision::file::{load, load_or};
use kubestead_provision::service::{Beside, Local, ServicesWanted, read_files};
use serde_json::{Value, json};

const HEAD: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nkubernetes: {version: 1.37.1, bundle: /b}\nnodes:\n\
    - {name: cp1, address: 10.0.0.1, roles: [control-plane]}\n- {name: kube1, address: 10.0.0.2, taints: ['for=edge:NoSchedule']}\n\
    - {name: kube2, address: 10.0.0.3}\n- {name: kube3, address: 10.0.0.4}\n";
/// As much of the definitions as kubestead changes.
const DEFINITIONS: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: tcproutes.gateway.networking.k8s.io}\nspec:\n  \
    group: gateway.networking.k8s.io\n  scope: Namespaced\n  names: {plural: tcproutes, kind: TCPRoute}\n  versions:\n  - {name: v1, served: true, storage: true}\n  \
    - {name: v1alpha2, served: false, storage: false}\n";

/// What a file with these services asks for; other files lie beside it.
fn wanted(services: &str, files: &[(&str, &str)]) -> ServicesWanted {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("definitions.yaml", DEFINITIONS), ("certificates.yaml", CERTIFICATES)].iter().chain(files) {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let cluster = load("cluster.yaml", &format!("{HEAD}{services}"), dir.path()).unwrap();
    let shown = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let programs = Local::default();
    let beside = Beside { shown: &shown, taken: Vec::new(), version: Some("1.37.1"), cluster: Some(&cluster), programs: &programs };
    read_files(&cluster.manifests, &beside)
}

const CERTIFICATES: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: clusterissuers.cert-manager.io}\nspec:\n  \
    group: cert-manager.io\n  scope: Cluster\n  names: {plural: clusterissuers, kind: ClusterIssuer}\n  versions:\n  - {name: v1, served: true, storage: true}\n";

fn errors(wanted: &ServicesWanted) -> Vec<String> {
    wanted.findings.iter().map(ToString::to_string).filter(|told| !told.contains("warning")).collect()
}

fn object<'a>(wanted: &'a ServicesWanted, kind: &str, name: &str) -> &'a Value {
    let mut all = wanted.services.iter().flat_map(|service| &service.manifests);
    all.find(|manifest| manifest["kind"] == kind && manifest["metadata"]["name"] == name).unwrap_or(&Value::Null)
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|item| item["name"] == name).unwrap_or(&Value::Null)
}

const NODES: &str = "services:\n  gateway:\n    nodes: [cp1, kube1]\n    hosts: {a.example.org: {secret: a-tls}, '*.example.org': {secret: all}}\n    \
    tcp: {git: {port: 2222}, mail: {port: 993, tls: true}}\n    ingressClass: nginx\n    definitions: {path: definitions.yaml}\n";

#[test]
fn the_images_that_services_run_are_known_also_those_that_a_program_of_them_runs() {
    let shop = "kind: Pod\napiVersion: v1\nmetadata: {name: a, namespace: shop}\nspec: {containers: [{name: a, image: 'r.io/a:1'}]}\n";
    let certificates = "  certificates: {issuers: {own: {server: 'https://acme.example.org/dir'}}, definitions: {path: certificates.yaml},\n    \
        images: {webhook: 'r.io/w:1'}}\n";
    let wanted = wanted(&format!("{NODES}{certificates}manifests: {{shop: {{path: shop.yaml}}}}\n"), &[("shop.yaml", shop)]);
    assert_eq!(errors(&wanted), Vec::<String>::new());
    let names: Vec<&str> = wanted.images.iter().map(|image| image.split(':').next().unwrap()).collect();
    let own = ["acmesolver", "cainjector", "controller"].map(|name| format!("quay.io/jetstack/cert-manager-{name}"));
    assert_eq!(names, ["docker.io/library/traefik", &own[0], &own[1], &own[2], "r.io/a", "r.io/w"]);
}

#[test]
fn what_the_file_says_of_the_gateway_is_in_its_objects() {
    let wanted = wanted(NODES, &[]);
    assert_eq!(errors(&wanted), Vec::<String>::new());
    let deployment = object(&wanted, "Deployment", "traefik");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!((&deployment["spec"]["replicas"], &pod["containers"][1]), (&json!(2), &Value::Null), "parts are put over, and none beside");
    let port = |name: &str| named(&container["ports"], name).clone();
    assert_eq!(port("git"), json!({"name": "git", "containerPort": 2222, "hostPort": 2222}));
    assert_eq!((&port("https")["hostPort"], &port("ping")["hostPort"]), (&json!(443), &Value::Null));
    let set = |name: &str| named(&container["env"], name)["value"].clone();
    assert_eq!(set("TRAEFIK_ENTRYPOINTS_TCP993_ADDRESS"), ":993");
    assert_eq!(set("TRAEFIK_PROVIDERS_KUBERNETESINGRESSNGINX_INGRESSCLASS"), "nginx");
    assert_eq!(set("TRAEFIK_PROVIDERS_KUBERNETESGATEWAY_EXPERIMENTALCHANNEL"), "true");
    let terms = &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    assert_eq!(terms[0]["matchExpressions"][0]["values"], json!(["cp1", "kube1"]));
    assert!(pod["affinity"]["podAntiAffinity"].is_object());
    let tolerated: Vec<&Value> = pod["tolerations"].as_array().unwrap().iter().map(|one| &one["key"]).collect();
    assert_eq!(tolerated, ["for", "node-role.kubernetes.io/control-plane"]);
    assert_eq!(object(&wanted, "Namespace", "gateway")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "privileged");

    let gateway = object(&wanted, "Gateway", "gateway");
    let listener = |name: &str| named(&gateway["spec"]["listeners"], name).clone();
    assert_eq!(listener("http")["allowedRoutes"]["namespaces"]["from"], "Same");
    assert_eq!(listener("wildcard.example.org")["hostname"], "*.example.org");
    assert_eq!(listener("a.example.org")["tls"]["certificateRefs"][0]["name"], "a-tls");
    assert_eq!((&listener("git")["protocol"], &listener("mail")["tls"]["mode"]), (&json!("TCP"), &json!("Passthrough")));
    assert_eq!(object(&wanted, "HTTPRoute", "to-https")["spec"]["hostnames"], json!(["*.example.org", "a.example.org"]));
    let versions = &object(&wanted, "CustomResourceDefinition", "tcproutes.gateway.networking.k8s.io")["spec"]["versions"];
    assert_eq!((&named(versions, "v1alpha2")["served"], &named(versions, "v1")["served"]), (&json!(true), &json!(true)));
    assert_eq!(object(&wanted, "IngressClass", "nginx")["spec"]["controller"], "k8s.io/ingress-nginx");
}

#[test]
fn it_is_reached_by_ports_of_all_nodes_or_by_an_address_instead() {
    let ports = "services:\n  gateway:\n    nodePorts: {http: 30080, https: 30443, git: 30022}\n    tcp: {git: {port: 2222, tls: true}}\n    \
        definitions: {path: definitions.yaml}\n";
    let found = wanted(ports, &[]);
    assert_eq!(errors(&found), Vec::<String>::new());
    let service = object(&found, "Service", "traefik");
    assert_eq!((&service["spec"]["type"], &named(&service["spec"]["ports"], "git")["nodePort"]), (&json!("NodePort"), &json!(30022)));
    // Two of the workers take pods, and so two run; nothing is asked of a definition where no TCPRoute is served, nothing redirected without hosts.
    assert_eq!(object(&found, "Deployment", "traefik")["spec"]["replicas"], 2);
    assert_eq!(object(&found, "Namespace", "gateway")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    assert_eq!(named(&object(&found, "Gateway", "gateway")["spec"]["listeners"], "http")["allowedRoutes"]["namespaces"]["from"], "All");
    assert_eq!((object(&found, "HTTPRoute", "to-https"), object(&found, "IngressClass", "nginx")), (&Value::Null, &Value::Null));
    let definition = object(&found, "CustomResourceDefinition", "tcproutes.gateway.networking.k8s.io");
    assert_eq!(named(&definition["spec"]["versions"], "v1alpha2")["served"], false);

    // Of what is not asked for nothing is there, and all else is.
    let found = wanted("services:\n  gateway: {nodes: [kube2], definitions: {path: definitions.yaml}}\n", &[]);
    let container = &object(&found, "Deployment", "traefik")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(named(&container["env"], "TRAEFIK_PROVIDERS_KUBERNETESGATEWAY")["value"], "true");
    assert_eq!(named(&container["ports"], "http")["hostPort"], 80);
    let listeners = &object(&found, "Gateway", "gateway")["spec"]["listeners"];
    assert_eq!((&named(listeners, "http")["port"], listeners.as_array().unwrap().len()), (&json!(80), 1));

    let found = wanted("services:\n  gateway: {address: 192.0.2.80, definitions: {path: definitions.yaml}}\n", &[]);
    assert_eq!(errors(&found), Vec::<String>::new());
    let service = object(&found, "Service", "traefik");
    let asked = &service["metadata"]["annotations"]["metallb.io/loadBalancerIPs"];
    assert_eq!((&service["spec"]["type"], asked), (&json!("LoadBalancer"), &json!("192.0.2.80")));
    assert_eq!(service["spec"]["loadBalancerIP"], Value::Null, "MetalLB takes it as a contradiction");
}

#[test]
fn every_mistake_of_the_gateway_has_its_place() {
    let gateway = |fields: &str| format!("services: {{gateway: {{definitions: {{path: x}}, {fields}}}}}\n");
    let mut missed = Vec::new();
    let sum = "services: {gateway: {nodes: [kube1], definitions: {}}}\n".to_owned();
    for (text, at, words) in [
        (sum, 51, "no sum"),
        (gateway("nodes: [kube1], address: 192.0.2.80"), 21, "names 2 ways"),
        (gateway("redirect: false"), 21, "names 0 ways"),
        (gateway("nodes: [kube9]"), 54, "no node is called kube9"),
        (gateway("nodes: [kube1, kube1]"), 61, "names twice"),
        (gateway("address: 10.244.0.9"), 55, "in the range of pods"),
        (gateway("address: 10.96.3.9"), 55, "in the range of services"),
        (gateway("address: 10.0.0.2"), 55, "is the address of kube1"),
        (gateway("address: 127.0.0.1"), 55, "every machine's own"),
        (gateway("nodes: [kube1], redirect: true"), 72, "no hosts"),
        (gateway("nodes: [kube1], hosts: {Shop.example.org: {secret: s}}"), 70, "no name of a host"),
        (gateway("nodes: [kube1], hosts: {a.example.org: {secret: s}, a.example.org: {secret: t}}"), 98, "twice"),
        (gateway("nodes: [kube1], hosts: {a.example.org: {}}"), 70, "must say where its certificate comes from"),
        (gateway("nodes: [kube1], hosts: {a.example.org: {issuer: staging}}"), 94, "nobody asks any"),
        (gateway("nodes: [kube1], tcp: {a: {port: 22}}"), 78, "sshd of kube1 listens at 22"),
        (gateway("nodes: [kube1], tcp: {a: {port: 10250}}"), 78, "the kubelet listens"),
        (gateway("nodes: [kube1], tcp: {a: {port: 443}}"), 78, "the gateway itself listens at 443"),
        (gateway("nodes: [kube1], tcp: {a: {port: 25}, b: {port: 25}}"), 93, "two are at port 25"),
        (gateway("nodes: [kube1], tcp: {http: {port: 25}}"), 68, "no name of a port"),
        (gateway("nodePorts: {http: 30080}"), 57, "does not say where https is reached"),
        (gateway("nodePorts: {http: 30080, https: 30080}"), 78, "two are at port 30080"),
        (gateway("nodePorts: {http: 80, https: 30080}"), 64, "not a port from 30000"),
        (gateway("nodePorts: {http: 30080, https: 30081, git: 30082}"), 85, "has no port \"git\""),
        (gateway("nodes: [kube1], ingresClass: nginx"), 62, "has no field \"ingresClass\""),
    ] {
        let refused = load_or("cluster.yaml", &format!("{HEAD}{text}"), Path::new("/x"));
        let told = refused.map_or_else(
            |refused| {
                refused.found.iter().map(ToString::to_string).collect::<Vec<_>>().join(
                    "
",
                )
            },
            |_| String::new(),
        );
        if !told.lines().any(|line| line.contains(words) && line.contains(&format!("cluster.yaml:10:{at}:"))) {
            missed.push(format!("{text} {at} {words}: {told}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn what_an_ingress_of_the_class_says_in_vain_is_told_with_its_place() {
    let ingress = |class: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: old\n  namespace: shop\n  annotations:\n    {class}\n    \
             nginx.ingress.kubernetes.io/rewrite-target: /$2\n    nginx.ingress.kubernetes.io/server-snippet: deny all;\n    \
             nginx.ingress.kubernetes.io/mirror-target: https://m.example.org\nspec:\n  rules: []\n"
        )
    };
    let told = |services: &str, class: &str| {
        let text = format!("{services}manifests: {{shop: {{path: shop.yaml}}}}\n");
        let found = wanted(&text, &[("shop.yaml", &ingress(class))]);
        found.findings.iter().map(ToString::to_string).filter(|told| told.contains("carry over")).collect::<Vec<_>>()
    };
    let all = told(NODES, "kubernetes.io/ingress.class: nginx");
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[0].starts_with("shop.yaml:9:5:") && all[0].contains("the whole Ingress"), "{all:?}");
    assert!(all[1].starts_with("shop.yaml:10:5:") && all[1].contains("does not know it"), "{all:?}");
    assert_eq!(told(NODES, "kubernetes.io/ingress.class: traefik"), Vec::<String>::new(), "another controller's");
    let of_none = wanted(&format!("{NODES}manifests: {{shop: {{path: shop.yaml}}}}\n"), &[("shop.yaml", &ingress("example.org/a: b"))]);
    let of_none: Vec<String> = of_none.findings.iter().map(ToString::to_string).filter(|told| told.contains("Ingress")).collect();
    assert!(
        matches!(of_none.as_slice(), [one] if one.contains("names no class: nobody serves it") && one.contains("ingressClassName: nginx")),
        "{of_none:?}"
    );
    assert_eq!(told("", "kubernetes.io/ingress.class: nginx"), Vec::<String>::new(), "nobody says that it is Traefik's");
}

const ISSUED: &str = "services:\n  gateway:\n    nodes: [kube2]\n    hosts: {a.kubestead.io: {issuer: staging}, '*.example.org': {issuer: own}, b.example.org: {secret: b}}\n    \
    definitions: {path: definitions.yaml}\n  certificates:\n    issuers: {staging: {email: ops@kubestead.io}, own: {server: 'https://acme.example.org/dir'}}\n    \
    dns: {server: 192.0.2.53, zones: [example.org], key: k1, secret: {file: dns.sops.yaml, key: key}}\n    definitions: {path: certificates.yaml}\n";

#[test]
fn what_the_file_says_of_certificates_is_in_their_objects() {
    let text =
        ISSUED.replace("    dns: {server: 192.0.2.53, zones: [example.org], key: k1, secret: {file: dns.sops.yaml, key: key}}\n", "");
    let found = wanted(&text.replace(", '*.example.org': {issuer: own}", ""), &[]);
    assert_eq!(errors(&found), Vec::<String>::new());
    let names: Vec<&str> = found.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["gateway", "certificates"]);
    let acme = &object(&found, "ClusterIssuer", "staging")["spec"]["acme"];
    assert_eq!(
        (acme["server"].as_str(), &acme["email"]),
        (Some("https://acme-staging-v02.api.letsencrypt.org/directory"), &json!("ops@kubestead.io"))
    );
    let route = &acme["solvers"][0]["http01"]["gatewayHTTPRoute"]["parentRefs"][0];
    assert_eq!((&route["name"], &route["sectionName"], acme["solvers"].as_array().unwrap().len()), (&json!("gateway"), &json!("http"), 1));
    let certificate = &object(&found, "Certificate", "a.kubestead.io")["spec"];
    assert_eq!((&certificate["secretName"], &certificate["issuerRef"]["name"]), (&json!("a.kubestead.io"), &json!("staging")));
    let listeners = &object(&found, "Gateway", "gateway")["spec"]["listeners"];
    let secret = |host: &str| named(listeners, host)["tls"]["certificateRefs"][0]["name"].clone();
    assert_eq!((secret("a.kubestead.io"), secret("b.example.org")), (json!("a.kubestead.io"), json!("b")));
    assert_eq!(object(&found, "Certificate", "b.example.org"), &Value::Null);
    let controller = object(&found, "Deployment", "controller")["spec"]["template"]["spec"]["containers"][0].clone();
    assert!(
        controller["args"]
            .as_array()
            .unwrap()
            .contains(&json!("--acme-http01-solver-image=quay.io/jetstack/cert-manager-acmesolver:v1.21.2"))
    );

    for (from, to, words) in [
        ("staging: {email: ops@kubestead.io}, ", "", "no authority is called staging"),
        ("own: {server: 'https://acme.example.org/dir'}", "own: {}", "the authority own has no address"),
        ("https://acme.example.org/dir", "http://acme.example.org/dir", "not an address of https"),
        ("zones: [example.org]", "zones: [example.com]", "a wildcard is proved by DNS alone"),
        ("a.kubestead.io: {", "a.example.org: {", "Let's Encrypt issues nothing for it"),
        ("a.kubestead.io: {", "shop.lan: {", "the host shop.lan: Let's Encrypt issues nothing for it"),
        ("ops@kubestead.io", "ops@localhost", "Let's Encrypt takes no address of localhost"),
        ("ops@kubestead.io", "ops@example.com", "Let's Encrypt takes no address of example.com"),
        ("b.example.org: {secret: b}", "'*.example.org': {secret: b}", "is written twice"),
        ("b.example.org: {secret: b}", "wildcard.example.org: {secret: b}", "would have one name, wildcard.example.org"),
    ] {
        let refused = load_or("cluster.yaml", &format!("{HEAD}{}", ISSUED.replace(from, to)), Path::new("/x"));
        let told = refused.map_or_else(|refused| format!("{:?}", refused.found), |_| String::new());
        assert!(told.contains(words), "{words}: {told}");
    }
    let alone = format!("{HEAD}services: {{certificates: {{issuers: {{staging: {{}}}}, definitions: {{path: x}}}}}}\n");
    let told = format!("{:?}", load_or("cluster.yaml", &alone, Path::new("/x")).unwrap_err().found);
    assert!(told.contains("through the gateway, and there is none"), "{told}");
}
