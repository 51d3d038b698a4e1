//! Services that the real helm and kustomize render, which HELM and KUSTOMIZE name, also from the registry that REGISTRY names; those that need none of
//! them are always tried.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // a test fails by them, and says that it skips

#[path = "services/chart.rs"]
mod chart;
#[path = "services/world.rs"]
#[allow(dead_code)] // most of it is for other tests
mod world;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chart::Folder;

use kubestead_core::twin::MemoryKube;
use kubestead_provision::file::{Chart, ChartPlace, Source};
use kubestead_provision::service::Local;
use world::{DEFINITION, World, ids, map, object};

const LOGIN: &str = "apiVersion: v1
kind: Secret
metadata: {name: login}
type: kubernetes.io/dockerconfigjson
data:
  .dockerconfigjson: {{ printf \"{\\\"auths\\\":{\\\"r.io\\\":{\\\"password\\\":\\\"%s\\\",\\\"auth\\\":\\\"%s\\\"}}}\" .Values.password (printf \"me:%s\" .Values.password | b64enc) | b64enc }}
";

/// A world in which helm, or kustomize, is the real one. `None` where none is named.
fn real(variable: &str) -> Option<World<MemoryKube>> {
    let world = World::new(MemoryKube::default());
    let is = if variable == "HELM" { &world.programs.helm } else { &world.programs.kustomize };
    if is.is_none() {
        eprintln!("{variable} names no program: skipped");
        return None;
    }
    Some(world)
}

fn told(world: &World<MemoryKube>) -> String {
    world.wish().findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Renders with other templates; what is told.
fn with(world: &mut World<MemoryKube>, folder: &Folder, file: &str, text: &str) -> String {
    folder.write(file, text);
    world.from("shop", &[], folder.chart(&[]));
    let told = told(world);
    folder.remove(file);
    told
}

#[tokio::test]
async fn a_chart_is_rendered_applied_and_then_nothing_is_to_do() {
    let Some(mut world) = real("HELM") else { return };
    let folder = Folder::new(world.folder.path());
    folder.write(
        "shop/crds/two.yaml",
        &format!(
            "# {{{{ not a template }}}}\n{}\n---\n{}",
            DEFINITION.replace("mesh", "net").replace("Mesh", "Net"),
            DEFINITION.replace("mesh", "web").replace("Mesh", "Web")
        ),
    );
    folder.write("values/shop.yaml", "password: ${PW}\nhost: a.example\nextra: {a: null}\n");
    world.service("base", &[], &format!("{DEFINITION}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n"));
    world.seal("a,b={c},[0]\\ 'd' \"e\"\n");
    let values = folder.path("values/shop.yaml");
    world.from("shop", &["base"], folder.chart(&[&values]));
    assert_eq!(told(&world), "");
    let wanted = world.wish();
    let objects: Vec<String> = wanted.services[1].manifests.iter().map(|m| kubestead_core::kube::ObjectRef::of(m).to_string()).collect();
    let two = ["CustomResourceDefinition network.kubestead.test", "CustomResourceDefinition webwork.kubestead.test"];
    assert_eq!(objects[..2], two, "both of one file, as they stand there");
    assert_eq!(objects[2..], ["ConfigMap shop/shop", "Secret shop/shop", "Mesh shop/m"], "what names no namespace is put into the chart's");
    let data = &wanted.services[1].manifests[2]["data"];
    assert_eq!(
        (data["version"].as_str(), data["mesh"].as_str(), data["script"].as_str()),
        (Some("v1.37.1"), Some("true"), Some("echo ${HOME}"))
    );
    assert!(wanted.services[1].manifests[3]["data"]["password"].as_str().unwrap().starts_with("u:kubestead-sealed-PW-"));
    let again = world.wish();
    assert_eq!(again, wanted, "another rendering is the same");
    // A changed value is another rendering, so that what hashes the Secret changes too.
    world.seal("a,b={other}");
    let sum = |wanted: &kubestead_provision::service::ServicesWanted| wanted.services[1].manifests[2]["data"]["sum"].clone();
    assert_ne!(sum(&world.wish()), sum(&wanted));
    for step in world.plan().await.steps {
        if step.id.0.ends_with("/establish") {
            for name in ["mesh", "net", "web"].map(|name| format!("{name}work.kubestead.test")) {
                let definition = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", &name);
                if let Some(mut live) = world.get(&definition).await {
                    live["status"] = serde_json::json!({"conditions": [{"type": "Established", "status": "True"}]});
                    world.kube.put(live);
                }
            }
        }
        world.apply(&step).await.unwrap();
    }
    let live = world.get(&object("v1", "Secret", "shop", "shop")).await.unwrap();
    assert_eq!(STANDARD.decode(live["data"]["password"].as_str().unwrap()).unwrap(), b"u:a,b={other}");
    let plan = world.plan().await;
    assert!(plan.is_empty(), "{:?} {:?}", ids(&plan), plan.held);
}

#[test]
fn what_a_chart_draws_by_chance_or_takes_from_the_clock_is_refused_by_name() {
    let Some(mut world) = real("HELM") else { return };
    let folder = Folder::new(world.folder.path());
    for (template, what) in [
        ("a: {{ randAlphaNum 8 }}", "chance"),
        ("a: {{ now | unixEpoch | quote }}", "the clock"),
        ("a: {{ (genCA \"x\" 1).Cert | b64enc }}", "a certificate"),
        ("a: {{ uuidv4 }}", "an id"),
    ] {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: r}}\ndata:\n  {template}\n");
        let told = with(&mut world, &folder, "shop/templates/r.yaml", &text);
        assert!(
            told.contains("something else each time") && told.contains("shop/templates/r.yaml") && !told.contains("cm.yaml"),
            "{what}: {told}"
        );
    }
    // What changes more slowly is found by the next run: here the file says that it was another one.
    world.from("shop", &[], folder.chart(&[]));
    assert_eq!(told(&world), "");
    for kept in std::fs::read_dir(world.folder.path().join("cache")).unwrap() {
        std::fs::write(kept.unwrap().path(), "0".repeat(64)).unwrap();
    }
    assert!(told(&world).contains("something since the last time"), "{}", told(&world));
}

#[test]
fn hooks_links_clear_secrets_and_what_helm_refuses_are_told_with_their_template() {
    let Some(mut world) = real("HELM") else { return };
    let folder = Folder::new(world.folder.path());
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: j\n  annotations: {helm.sh/hook: \"pre-install,pre-upgrade\"}\n";
    let told = with(&mut world, &folder, "shop/templates/j.yaml", job);
    assert!(
        told.contains("shop/templates/j.yaml as helm renders it:") && told.contains("Job shop/j is a hook of helm (pre-install"),
        "{told}"
    );
    let test = with(&mut world, &folder, "shop/templates/t.yaml", &job.replace("pre-install,pre-upgrade", "test"));
    assert_eq!(test, "", "tests are left out");
    folder.write("shop/templates/j.yaml", job);
    let Source::Chart(chart) = folder.chart(&[]) else { panic!("a chart") };
    world.from("shop", &[], Source::Chart(Chart { without_hooks: true, ..chart }));
    assert_eq!(self::told(&world), "");
    folder.remove("shop/templates/j.yaml");

    let clear = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  admin: {{ \"hunter22\" | b64enc }}\n";
    let told = with(&mut world, &folder, "shop/templates/s.yaml", clear);
    assert!(
        told.contains("Secret shop/s: the value admin in the clear") && !told.contains("hunter22") && !told.contains("aHVudGVyMjI"),
        "{told}"
    );
    // As charts write the Secret of a login to a registry.
    world.seal("hunter22");
    folder.write("values/login.yaml", "password: ${PW}\n");
    let values = folder.path("values/login.yaml");
    folder.write("shop/templates/s.yaml", LOGIN);
    world.from("shop", &[], folder.chart(&[&values]));
    let told = self::told(&world);
    folder.remove("shop/templates/s.yaml");
    world.secrets.clear();
    let words = "Secret shop/login: the value .dockerconfigjson has an encrypted value in base64 within other text";
    assert!(told.contains("shop/templates/s.yaml as helm renders it:8:22: error:") && told.contains(words), "{told}");
    for (file, text, words) in [
        ("shop/templates/x.yaml", "{{ fail \"no host \\u001b[31m\" }}", "no host"),
        ("shop/templates/x.yaml", "{{ .Values.a.b.c }}", "nil pointer"),
        ("shop/templates/x.yaml", "a: [", "YAML"),
        (
            "shop/templates/x.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: kube-system}\n",
            "for the cluster itself",
        ),
        ("shop/values.schema.json", "{\"properties\": {\"host\": {\"type\": \"integer\"}}}", "host"),
        ("shop/templates/x.yaml", "a: &x {}\nb: *x\n", "alias"),
        ("shop/templates/x.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nmetadata: {name: b}\n", "\"metadata\" is written twice"),
    ] {
        let told = with(&mut world, &folder, file, text);
        assert!(told.contains(": error:") && told.contains(words) && !told.contains('\u{1b}'), "{words}: {told}");
        assert!(!world.wish().services.is_empty());
    }
    folder.write("values/no.yaml", "password: {a: 1}\nhost: ${NONE}\n");
    let values = folder.path("values/no.yaml");
    world.from("shop", &[], folder.chart(&[&values]));
    assert!(self::told(&world).contains("no.yaml:2:7: error: the variable NONE is not declared"), "{}", self::told(&world));
    folder.write("values/no.yaml", "id: 1234567\n");
    world.from("shop", &[], folder.chart(&[&values]));
    assert!(
        self::told(&world).contains("no.yaml:1:5: warning: a template that prints 1234567 gets it as 1.234567e6"),
        "{}",
        self::told(&world)
    );
    folder.write("values/no.yaml", "host: {a: 1}\n");
    world.from("shop", &[], folder.chart(&[&values]));
    assert!(self::told(&world).contains("warning: helm warns:") && self::told(&world).contains("Not a table"), "{}", self::told(&world));

    std::os::unix::fs::symlink("/etc/hostname", folder.path("shop/files")).unwrap();
    let told = with(&mut world, &folder, "shop/templates/x.yaml", "");
    assert!(told.contains("files is a symbolic link"), "{told}");
}

#[test]
fn an_archive_is_rendered_only_if_it_has_its_digest() {
    let Some(mut world) = real("HELM") else { return };
    let folder = Folder::new(world.folder.path());
    let archive = folder.package(world.programs.helm.as_deref().unwrap());
    let sha256 = kubestead_core::put::digest(std::fs::read(&archive).unwrap());
    let at = |digest: Option<String>| Source::Chart(Chart { from: ChartPlace::Path(archive.clone()), digest, ..folder.plain(&[]) });
    world.from("shop", &[], at(None));
    assert!(told(&world).contains("a chart without a digest"), "{}", told(&world));
    world.from("shop", &[], at(Some("0".repeat(64))));
    assert!(told(&world).contains(&format!("has the digest sha256:{sha256}")), "{}", told(&world));
    world.from("shop", &[], at(Some(sha256)));
    assert_eq!(told(&world), "");
    assert_eq!(world.wish().objects().count(), 1);
}

/// Serves files of a folder to whoever asks, until the test ends.
fn serve(folder: PathBuf) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut line).unwrap();
            let mut rest = String::new();
            while reader.read_line(&mut rest).unwrap() > 2 {
                rest.clear();
            }
            let path = line.split(' ').nth(1).unwrap().trim_start_matches('/');
            let (status, body) = std::fs::read(folder.join(path)).map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len()).unwrap();
            stream.write_all(&body).unwrap();
        }
    });
    format!("http://{address}")
}

#[test]
fn a_chart_of_a_repository_is_downloaded_once_and_kept_by_its_digest() {
    let Some(mut world) = real("HELM") else { return };
    let folder = Folder::new(world.folder.path());
    let archive = folder.package(world.programs.helm.as_deref().unwrap());
    let sha256 = kubestead_core::put::digest(std::fs::read(&archive).unwrap());
    let served = folder.path("served");
    std::fs::create_dir(&served).unwrap();
    std::fs::copy(&archive, served.join("shop-1.2.3.tgz")).unwrap();
    std::fs::write(
        served.join("index.yaml"),
        "apiVersion: v1\nentries:\n  shop:\n  - {apiVersion: v2, name: shop, version: 1.2.3, urls: [shop-1.2.3.tgz]}\n",
    )
    .unwrap();
    let address = serve(served.clone());
    let at = |digest: &str| {
        let from = ChartPlace::Repository { address: address.clone(), name: "shop".into(), version: "1.2.3".into() };
        Source::Chart(Chart { from, digest: Some(digest.to_owned()), ..folder.plain(&[]) })
    };
    world.from("shop", &[], at(&"0".repeat(64)));
    assert!(told(&world).contains("has the digest") && !world.wish().services[0].whole, "{}", told(&world));
    world.from("shop", &[], at(&sha256));
    assert_eq!(told(&world), "");
    std::fs::remove_dir_all(&served).unwrap();
    assert_eq!(told(&world), "", "it is kept");
    // What is kept is looked at each time.
    std::fs::write(world.folder.path().join(format!("cache/{sha256}.tgz")), "x").unwrap();
    let told = told(&world);
    assert!(told.starts_with("http:") || told.contains("helm says:") || told.contains("404"), "{told}");
}

/// A registry with a certificate of its own, until the test ends.
struct Registry {
    child: std::process::Child,
    /// Its host and port.
    at: String,
}

impl Registry {
    fn start(program: &Path, folder: &Path) -> Self {
        let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
        let of_key = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let made = Command::new("openssl")
            .args(of_key)
            .args(["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let settings = serde_json::json!({
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": folder.join("held")}},
            "http": {"addr": "127.0.0.1:0", "tls": {"certificate": certificate, "key": key}},
        });
        std::fs::write(folder.join("settings.yaml"), settings.to_string()).unwrap();
        let mut command = Command::new(program);
        command.arg("serve").arg(folder.join("settings.yaml")).env("OTEL_TRACES_EXPORTER", "none");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let (mut line, mut all) = (String::new(), String::new());
        let at = loop {
            assert!(said.read_line(&mut line).unwrap() > 0, "the registry has ended: {all}");
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split(',').next().unwrap().to_owned();
            }
            all.push_str(&line);
            line.clear();
        };
        // Who writes into a pipe that nobody reads stands still.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, at }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_chart_of_a_registry_is_downloaded_once_and_kept_by_its_digest() {
    let Some(mut world) = real("HELM") else { return };
    let Some(program) = std::env::var_os("REGISTRY") else { return eprintln!("REGISTRY names no program: skipped") };
    let folder = Folder::new(world.folder.path());
    let helm = world.programs.helm.take().unwrap();
    let archive = folder.package(&helm);
    let sha256 = kubestead_core::put::digest(std::fs::read(&archive).unwrap());
    let own = folder.path("registry");
    std::fs::create_dir(&own).unwrap();
    let registry = Registry::start(Path::new(&program), &own);
    // As on a computer whose owner trusts the registry's authority.
    let trusting = folder.path("helm");
    let text = format!("#!/bin/sh\nSSL_CERT_FILE={} exec {} \"$@\"\n", own.join("server.crt").display(), helm.display());
    chart::program(&trusting, &text);
    let pushed = Command::new(&trusting).arg("push").arg(&archive).arg(format!("oci://{}/charts", registry.at)).output().unwrap();
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    let of = |version: &str, digest: &str| {
        let from = ChartPlace::Oci { address: format!("oci://{}/charts/shop", registry.at), version: version.into() };
        Source::Chart(Chart { from, digest: Some(digest.to_owned()), ..folder.plain(&[]) })
    };

    world.programs.helm = Some(helm);
    world.from("shop", &[], of("1.2.3", &sha256));
    let untrusted = told(&world);
    assert!(untrusted.contains("certificate") && !world.wish().services[0].whole, "{untrusted}");
    world.programs.helm = Some(trusting);
    world.from("shop", &[], of("1.2.4", &sha256));
    let absent = told(&world);
    assert!(absent.contains("1.2.4") && absent.contains("not found"), "{absent}");
    world.from("shop", &[], of("1.2.3", &"0".repeat(64)));
    assert!(told(&world).contains(&format!("has the digest sha256:{sha256}")), "{}", told(&world));
    world.from("shop", &[], of("1.2.3", &sha256));
    assert_eq!(told(&world), "");
    drop(registry);
    assert_eq!(told(&world), "", "it is kept");
    assert_eq!(world.wish().objects().count(), 1);
}

#[tokio::test]
async fn a_kustomization_is_rendered_and_its_generated_secrets_are_sealed() {
    let Some(mut world) = real("KUSTOMIZE") else { return };
    world.seal("hunter22");
    let folder = Folder::new(world.folder.path());
    folder.write("base/kustomization.yaml", "resources: [cm.yaml, ns.yaml]\n");
    folder.write("base/cm.yaml", &map("shop", "a", "1"));
    folder.write("base/ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    folder.write(
        "over/kustomization.yaml",
        "resources: [../base]\nnamePrefix: x-\nnamespace: shop\nsecretGenerator:\n- name: s\n  literals: [\"pw=u:${PW}\"]\n  options: {disableNameSuffixHash: true}\n",
    );
    world.from("shop", &[], Source::Kustomize(folder.path("over")));
    assert_eq!(told(&world), "");
    let plan = world.plan().await;
    assert_eq!(world.run(&plan, &[]).await, Vec::<String>::new());
    let live = world.get(&object("v1", "Secret", "shop", "x-s")).await.unwrap();
    assert_eq!(STANDARD.decode(live["data"]["pw"].as_str().unwrap()).unwrap(), b"u:hunter22");
    assert!(world.plan().await.is_empty());
    folder
        .write("over/kustomization.yaml", "resources: [../base]\nsecretGenerator:\n- {name: s, namespace: shop, literals: [pw=clear22]}\n");
    let told = told(&world);
    assert!(told.contains("the value pw in the clear") && !told.contains("clear22"), "{told}");
}

#[test]
fn nothing_of_a_kustomization_is_fetched_or_run() {
    let mut world = World::new(MemoryKube::default());
    // It must not come so far that a program is run.
    world.programs = Local { kustomize: Some("/none/kustomize".into()), ..Local::default() };
    let folder = Folder::new(world.folder.path());
    folder.write("k/patch.yaml", "");
    for (text, at, words) in [
        ("resources:\n- https://example.org/a.yaml\n", "kustomization.yaml:2:3:", "nothing is fetched"),
        ("resources:\n- github.com/org/repo//deploy?ref=v1\n", "kustomization.yaml:2:3:", "nothing is fetched"),
        ("components: [git@example.org:a/b.git]\n", "kustomization.yaml:1:14:", "nothing is fetched"),
        ("patches:\n- path: https://example.org/p.yaml\n", "kustomization.yaml:2:9:", "is elsewhere"),
        ("configMapGenerator:\n- name: a\n  files: [a=https://example.org/p]\n", "kustomization.yaml:3:11:", "is elsewhere"),
        ("helmCharts:\n- name: x\n", "kustomization.yaml:1:1:", "a chart in a kustomization"),
        ("resources: [../other]\n", "kustomization.yaml:1:13:", "nothing is fetched"),
        ("resources: [k2]\n", "kustomization.yaml:1:13:", "k2 has 0 kustomizations"),
        ("a: [\n", "kustomization.yaml:", "not YAML"),
        ("resources: [patch.yaml]\n", "k:1:1:", "KUBESTEAD_KUSTOMIZE names /none/kustomize"),
    ] {
        std::fs::create_dir_all(folder.path("k/k2")).unwrap();
        folder.write("k/kustomization.yaml", text);
        world.from("shop", &[], Source::Kustomize(folder.path("k")));
        let told = told(&world);
        assert!(told.lines().any(|line| line.contains(at) && line.contains(words)), "{text}: {told}");
        assert!(!world.wish().services[0].whole);
    }
    world.from("shop", &[], Source::Kustomize(folder.path("none")));
    assert!(told(&world).contains("none is not there"), "{}", told(&world));
}

#[test]
fn a_program_that_does_not_end_floods_or_lies_is_ended_and_named() {
    let mut world = World::new(MemoryKube::default());
    let folder = Folder::new(world.folder.path());
    let program = folder.path("helm");
    for (script, words) in [
        ("echo v2.17.0", "helm says that its version is \"v2.17.0\""),
        ("printf 'v4.0.0\\nv4'; kill -9 $$", "says"),
        ("while :; do printf '%1000000s'; done", "said more than 16 MiB"),
        ("printf '\\377'", "not UTF-8"),
        ("[ $1 = version ] && echo v4.0.0 && exit; echo 'Error: \u{1b}[2J no' >&2; exit 1", "Error: \\u{1b}[2J no"),
        ("[ $1 = version ] && echo v4.0.0 && exit; :", "renders no object"),
        ("[ $1 = version ] && echo v4.0.0 && exit; printf -- '---\\n# Source: a/b.yaml\\n# nothing\\n'", "it asks for no object"),
        (
            "[ $1 = version ] && echo v4.0.0 && exit; [ \"$HOME\" = \"$PWD\" ] && [ -z \"$PATH\" ] && [ $HTTPS_PROXY = http://127.0.0.1:9 ] && \
          echo 'Error: alone' >&2; exit 1",
            "Error: alone",
        ),
    ] {
        chart::program(&program, &format!("#!/bin/bash\n{script}\n"));
        world.programs = Local { helm: Some(program.clone()), ..Local::default() };
        world.from("shop", &[], folder.chart(&[]));
        let told = told(&world);
        assert!(told.contains(words), "{script}: {told}");
        assert!(!world.wish().services[0].whole);
    }
    let older = "[ $1 = version ] && echo v3.19.0 && exit; printf -- '---\\n# Source: a/b.yaml\\napiVersion: v1\\nkind: Namespace\\nmetadata: {name: a}\\n'";
    chart::program(&program, &format!("#!/bin/bash\n{older}\n"));
    world.from("shop", &[], folder.chart(&[]));
    let told = told(&world);
    assert!(told.contains("warning: it is rendered by helm v3.19.0") && world.wish().services[0].whole, "{told}");
}

#[test]
fn images_without_a_digest_are_told() {
    let mut world = World::new(MemoryKube::default());
    let pod = |image: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{}, namespace: shop}}\nspec:\n  containers:\n  - name: c\n    image: {image}\n",
            image.len()
        )
    };
    world.service("shop", &[], &[pod("a.io/b"), pod("a.io/b:1.2"), pod(&format!("a.io/b@sha256:{}", "0".repeat(64)))].concat());
    let told = told(&world);
    assert!(
        told.contains("shop.yaml:8:12: warning: images of `latest`") && told.contains("shop.yaml:16:12: warning: images by a tag alone"),
        "{told}"
    );
    assert_eq!(told.lines().filter(|line| line.contains("warning")).count(), 2, "{told}");
    assert!(world.wish().services[0].whole);
}
