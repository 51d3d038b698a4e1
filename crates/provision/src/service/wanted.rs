//! What all services ask for together: their texts, read or rendered, as manifests that each have one owner.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_core::kube::ObjectRef;
use kubestead_core::name::Name;
use serde_json::Value;

use super::built::{Built, Part};
use super::decode::{self, Found, Reading};
use super::folder;
use super::found::{Text, finding, sound};
use super::images;
use super::kinds::{Kind, defined, is_definition, same_name};
use super::node_ports::NodePorts;
use super::render::{Programs, chart, kustomize, release};
use super::sealed;
use super::source::Written;
use super::spec::{ServiceSpec, ServicesWanted};
use super::vain;
use crate::file::{Chart, Cluster, Manifests, Release, Source};

/// More objects than a service has.
const MOST_OBJECTS: usize = 10_000;
/// How many mistakes are told of one service.
const MOST_FINDINGS: usize = 100;

/// What the files of services are read with.
pub struct Beside<'a> {
    /// A path as messages name it.
    pub shown: &'a dyn Fn(&Path) -> String,
    /// The objects that kubestead makes itself, each with its words.
    pub taken: Vec<(ObjectRef, String)>,
    /// The version of Kubernetes, which charts are rendered for. `None` if it is not known: charts are not looked at then.
    pub version: Option<&'a str>,
    /// The cluster, which kubestead's own services are made for. `None` if its file is refused: they are not looked at then.
    pub cluster: Option<&'a Cluster>,
    /// What renders.
    pub programs: &'a dyn Programs,
}

/// Reads the files of services, each after those that it needs, and renders what is to be rendered. Nothing of a cluster is asked, and no key is needed.
pub fn read(services: &[Manifests], beside: &Beside<'_>) -> ServicesWanted {
    let owners = beside.taken.iter().map(|(object, owner)| (same_name(object), owner.clone())).collect();
    let ingress_class = services.iter().find_map(|service| service.source.built()?.ingress_class().map(str::to_owned));
    let ports = NodePorts::of(beside.cluster);
    let mut reader = Reader { beside, owners, ports, definitions: BTreeMap::new(), written: BTreeMap::new(), ingress_class };
    let mut wanted = ServicesWanted::default();
    for service in services {
        let mut findings = Vec::new();
        let spec = reader.service(service, &mut findings);
        // Mistakes are told before warnings.
        findings.sort_by(|a, b| (a.severity, &a.place).cmp(&(b.severity, &b.place)));
        let more = findings.len().saturating_sub(MOST_FINDINGS);
        findings.truncate(MOST_FINDINGS);
        if let (Some(last), true) = (findings.last_mut(), more > 0) {
            last.hint = Some(format!("and {more} more after it: fix those above first"));
        }
        findings.sort_by(|a, b| a.place.cmp(&b.place));
        wanted.findings.extend(findings);
        let named = match (&service.source, beside.cluster) {
            (Source::Built(built), Some(cluster)) => built.images(cluster),
            _ => Vec::new(),
        };
        wanted.images.extend(images::run(&spec.manifests, &named));
        wanted.services.push(spec);
    }
    if let Some(cluster) = beside.cluster {
        let mut warnings = vain::warnings(&wanted.services, &reader.written, cluster);
        warnings.truncate(MOST_FINDINGS);
        wanted.findings.extend(warnings);
    }
    wanted
}

/// Where each object is asked for, by group, kind, namespace and name.
type Owners = BTreeMap<(String, String, String, String), String>;

struct Reader<'a> {
    beside: &'a Beside<'a>,
    owners: Owners,
    /// The ports of nodes that Services ask for.
    ports: NodePorts,
    /// The users' own objects, as they are written.
    written: BTreeMap<ObjectRef, Written>,
    /// The class of Ingresses that the gateway serves in the place of ingress-nginx.
    ingress_class: Option<String>,
    /// The kinds that each service brings, with those of the ones that it needs, and whether their objects are in namespaces.
    definitions: BTreeMap<Name, BTreeMap<Kind, bool>>,
}

impl Reader<'_> {
    fn service(&mut self, service: &Manifests, findings: &mut Vec<Diagnostic>) -> ServiceSpec {
        let (sealed_names, sealed) = sealed::read(&service.secrets, self.beside.shown, findings);
        let mut kinds: BTreeMap<Kind, bool> =
            service.needs.iter().filter_map(|need| self.definitions.get(need)).flatten().map(|(kind, is)| (kind.clone(), *is)).collect();
        let variables: BTreeMap<String, String> = service.variables.clone().into_iter().chain(sealed_names).collect();
        let mut reading = Reading { unused: variables.keys().cloned().collect(), variables: Some(variables), sealed, ..Reading::default() };
        reading.ingress_class.clone_from(&self.ingress_class);
        let mut found = self.found(service, &kinds, &mut reading, findings);
        kinds
            .extend(found.iter().filter(|found| is_definition(&ObjectRef::of(&found.manifest))).flat_map(|found| defined(&found.manifest)));
        if let Source::Chart(chart) = &service.source {
            for one in &mut found {
                put_into(chart.namespace.as_str(), &mut one.manifest, &kinds);
            }
            chart::hooks(&found, findings);
        }
        self.definitions.insert(service.name.clone(), kinds);
        let is_built = matches!(service.source, Source::Built(_));
        let manifests = self.owned(found, is_built, findings);
        let place = (self.beside.shown)(place(service));
        // What was not read may name it.
        if sound(findings) {
            for variable in &reading.unused {
                let message = format!("the variable {variable} is declared, and no manifest names it");
                let hint = Some("take it out of the service in the cluster file");
                findings.push(Diagnostic { severity: Severity::Warning, ..finding(&place, message, hint) });
            }
        }
        if sound(findings) && manifests.is_empty() && !self.is_unknown(service) {
            let hint = "take the service out of the cluster file if nothing of it shall be left";
            findings.push(finding(&place, "it asks for no object", Some(hint)));
        }
        findings.extend(images::warnings(&reading.images));
        if manifests.len() > MOST_OBJECTS {
            let message = format!("{} objects, and {MOST_OBJECTS} are the most of one service", manifests.len());
            findings.push(finding(&place, message, Some("make several services of it")));
        }
        let sealed = sealed::of(&reading.sealed, &manifests);
        ServiceSpec::new(service.name.clone(), service.needs.clone(), manifests, sealed, sound(findings))
    }

    /// Whether it cannot be said what a service asks for, as what it is made for is not known.
    fn is_unknown(&self, service: &Manifests) -> bool {
        match &service.source {
            Source::Built(_) => self.beside.cluster.is_none(),
            Source::Chart(_) => self.beside.version.is_none(),
            Source::Path(_) | Source::Kustomize(_) | Source::Release(_) => false,
        }
    }

    /// The manifests of a service; how they were read is in `reading` then.
    fn found(
        &self,
        service: &Manifests,
        kinds: &BTreeMap<Kind, bool>,
        reading: &mut Reading,
        findings: &mut Vec<Diagnostic>,
    ) -> Vec<Found> {
        let Beside { shown, programs, .. } = self.beside;
        let texts = match &service.source {
            Source::Path(path) => folder::read(path, shown, findings),
            Source::Kustomize(path) => {
                reading.rendered = true;
                kustomize::render(path, shown, *programs, findings)
            }
            Source::Chart(chart) => self.rendered(service, chart, kinds, reading, findings),
            Source::Release(release) => {
                (reading.variables, reading.rendered) = (None, true);
                release::texts(release, shown, *programs, findings)
            }
            Source::Built(built) => return self.built(built, reading, findings),
        };
        decoded(&texts, reading, findings)
    }

    /// What a chart renders; nothing where the version of Kubernetes is not known.
    fn rendered(
        &self,
        service: &Manifests,
        chart: &Chart,
        kinds: &BTreeMap<Kind, bool>,
        reading: &mut Reading,
        findings: &mut Vec<Diagnostic>,
    ) -> Vec<Text> {
        let Beside { shown, version, programs, .. } = self.beside;
        let values = chart::values(chart, shown, reading, findings);
        // What a chart renders is its own: a `${NAME}` in it is none of ours.
        (reading.variables, reading.rendered, reading.namespace) = (None, true, Some(chart.namespace.to_string()));
        let Some(version) = version.filter(|_| sound(findings)) else { return Vec::new() };
        let kinds: BTreeSet<&Kind> = kinds.keys().collect();
        let call = chart::Call { service: &service.name, chart, values: &values, version, kinds: &kinds };
        chart::render(&call, shown, *programs, findings)
    }

    /// The manifests of a service of kubestead's own; none where the cluster is not known.
    fn built(&self, built: &Built, reading: &mut Reading, findings: &mut Vec<Diagnostic>) -> Vec<Found> {
        let Beside { shown, programs, cluster, .. } = self.beside;
        // What stands for its secrets is named where the cluster file asks for it.
        reading.unused.clear();
        let Some(cluster) = cluster else { return Vec::new() };
        let made = built.made(cluster);
        reading.patches = made.overlays.into_iter().chain(built.patches.iter().cloned()).collect();
        let variables = reading.variables.take();
        (reading.rendered, reading.definitions_alone) = (true, made.definitions_alone);
        let releases = made.releases.iter().flat_map(|release| release::texts(release, shown, *programs, findings)).collect::<Vec<_>>();
        let mut found = decoded(&releases, reading, findings);
        let named = |variables: BTreeMap<&'static str, String>| variables.into_iter().map(|(name, value)| (name.to_owned(), value));
        let common: BTreeMap<String, String> = variables.into_iter().flatten().chain(named(made.variables)).collect();
        (reading.rendered, reading.definitions_alone, reading.built) = (false, false, true);
        for Part { name, text, variables } in made.parts {
            reading.variables = Some(common.clone().into_iter().chain(named(variables)).collect());
            found.extend(decode::manifests(&name, text, reading, findings));
        }
        reading.variables = Some(common);
        let texts: Vec<Text> =
            made.manifests.into_iter().map(|(name, text)| Text { name: name.to_owned(), text: text.into_owned() }).collect();
        found.extend(decoded(&texts, reading, findings));
        // An object that was not understood is told as that.
        if sound(findings) {
            for patch in std::mem::take(&mut reading.patches) {
                let message = format!("a patch of {}, which is no object of this service", patch.object);
                let hint = Some("`kubestead plan --diff` shows all of them".to_owned());
                findings.push(Diagnostic { place: patch.place().clone(), severity: Severity::Error, message, hint });
            }
        }
        found
    }

    /// The manifests of objects that nobody else asks for.
    fn owned(&mut self, found: Vec<Found>, is_built: bool, findings: &mut Vec<Diagnostic>) -> Vec<Value> {
        let mut manifests = Vec::new();
        for Found { manifest, place, written } in found {
            let object = ObjectRef::of(&manifest);
            let key = same_name(&object);
            if let Some(owner) = self.owners.get(&key) {
                let message = format!("{object} is asked for twice: {owner}");
                findings.push(Diagnostic { place, severity: Severity::Error, message, hint: Some("keep one of them".to_owned()) });
                continue;
            }
            self.owners.insert(key, format!("{}:{} does so too", place.file, place.line));
            if !is_built {
                findings.extend(self.ports.check(&object, &manifest, &written));
                // Definitions are large, and ask for nothing.
                if !is_definition(&object) {
                    self.written.insert(object, written);
                }
            }
            manifests.push(manifest);
        }
        manifests
    }
}

/// Where a service lies, for what is said of it as a whole.
fn place(service: &Manifests) -> &Path {
    match &service.source {
        Source::Path(path) | Source::Kustomize(path) | Source::Release(Release::Path(path)) => path,
        Source::Chart(chart) => chart::place(chart),
        Source::Release(Release::Web { address, .. }) => Path::new(address),
        Source::Built(_) => Path::new(service.name.as_str()),
    }
}

/// The manifests of texts.
fn decoded(texts: &[Text], reading: &mut Reading, findings: &mut Vec<Diagnostic>) -> Vec<Found> {
    texts.iter().flat_map(|Text { name, text }| decode::manifests(name, text, reading, findings)).collect()
}

/// Puts an object of a kind that a definition brings into a namespace, if it names none and belongs into one.
fn put_into(namespace: &str, manifest: &mut Value, kinds: &BTreeMap<Kind, bool>) {
    let object = ObjectRef::of(manifest);
    if object.namespace.is_empty() && kinds.get(&Kind::of(&object)) == Some(&true) {
        manifest["metadata"]["namespace"] = namespace.into();
    }
}

#[cfg(test)]
mod tests {
    use super::super::render::Local;
    use super::*;

    fn service(name: &str, path: &Path) -> Manifests {
        let source = Source::Path(path.to_owned());
        Manifests { name: Name::new(name).unwrap(), source, variables: BTreeMap::new(), secrets: BTreeMap::new(), needs: BTreeSet::new() }
    }

    fn map(name: &str) -> String {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop}}\n")
    }

    fn read(services: &[Manifests], shown: &dyn Fn(&Path) -> String, taken: &[ObjectRef]) -> ServicesWanted {
        let taken = taken.iter().map(|object| (object.clone(), "kubestead makes it itself".to_owned())).collect();
        super::read(services, &Beside { shown, taken, version: None, cluster: None, programs: &Local::default() })
    }

    fn told(wanted: &ServicesWanted) -> Vec<String> {
        wanted.findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn files_of_all_folders_are_read_and_an_object_is_asked_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b.yaml"));
        std::fs::create_dir_all(a.join("deep")).unwrap();
        std::fs::write(a.join("deep/x.yml"), map("x")).unwrap();
        std::fs::write(a.join(".hidden.yaml"), "kind: [").unwrap();
        std::fs::write(a.join("README.md"), "kind: [").unwrap();
        std::fs::write(a.join("y.json"), "{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"shop\"}}").unwrap();
        std::fs::write(&b, map("z")).unwrap();
        let shown = |path: &Path| path.strip_prefix(dir.path()).unwrap().display().to_string();
        let wanted = read(&[service("a", &a), service("b", &b)], &shown, &[]);
        assert_eq!(told(&wanted), Vec::<String>::new());
        let names: Vec<String> = wanted.objects().map(|object| object.to_string()).collect();
        assert_eq!(names, ["Namespace shop", "ConfigMap shop/x", "ConfigMap shop/z"], "a namespace comes before what is in it");
        let first = &wanted.services[0].manifests[0];
        assert_eq!(first["metadata"]["labels"]["kubestead.io/service"], "a");
        assert!(first["metadata"]["annotations"]["kubestead.io/digest"].as_str().unwrap().starts_with("sha256:"));
        // The second one is the mistake: the first service is whole.
        std::fs::write(&b, map("x")).unwrap();
        let taken = ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: String::new(), name: "apps".into() };
        std::fs::write(a.join("z.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: apps}\n").unwrap();
        let wanted = read(&[service("a", &a), service("b", &b)], &shown, &[taken]);
        let all = told(&wanted);
        assert!(all[0].starts_with("a/z.yaml:1:1:") && all[0].contains("kubestead makes it itself"), "{all:?}");
        assert!(all[1].starts_with("b.yaml:1:1:") && all[1].contains("a/deep/x.yml:1"), "{all:?}");
    }

    #[test]
    fn what_cannot_be_read_keeps_its_service_from_being_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("m");
        std::fs::create_dir(&folder).unwrap();
        let shown = |path: &Path| path.display().to_string();
        let whole = |path: &Path| {
            let wanted = read(&[service("a", path)], &shown, &[]);
            (wanted.services[0].whole, told(&wanted).join("\n"))
        };
        assert!(matches!(whole(&folder), (false, words) if words.contains("there is no manifest")));
        std::fs::write(folder.join("a.yaml"), map("a")).unwrap();
        assert!(whole(&folder).0);
        std::os::unix::fs::symlink("/etc/passwd", folder.join("b.yaml")).unwrap();
        assert!(matches!(whole(&folder), (false, words) if words.contains("b.yaml:1:1") && words.contains("symbolic link")));
        std::fs::remove_file(folder.join("b.yaml")).unwrap();
        std::os::unix::fs::symlink(&folder, dir.path().join("link")).unwrap();
        for path in [dir.path().join("link"), dir.path().join("link/"), dir.path().join("none")] {
            assert!(!whole(&path).0, "{}", path.display());
        }
        std::fs::write(folder.join("big.yaml"), vec![b'#'; 17 << 20]).unwrap();
        assert!(matches!(whole(&folder), (false, words) if words.contains("larger than")));
    }
}
