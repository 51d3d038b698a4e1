//! A small chart, and other files of services.

use std::path::{Path, PathBuf};
use std::process::Command;

use kubestead_core::name::Name;
use kubestead_provision::file::{Chart, ChartPlace, Source};

/// A folder with a chart in `shop`.
pub(crate) struct Folder(PathBuf);

const TEMPLATE: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data:
  host: {{ .Values.host | quote }}
  version: {{ .Capabilities.KubeVersion.Version }}
  mesh: {{ .Capabilities.APIVersions.Has \"kubestead.test/v1/Mesh\" | quote }}
  script: echo ${HOME}
  sum: {{ .Values.password | sha256sum }}
  on: \"yes\"
---
# {{ .Values.meta }}
";
const WITH_PASSWORD: &str = "{{- if .Values.password }}
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
data:
  password: {{ printf \"u:%s\" .Values.password | b64enc }}
---
apiVersion: kubestead.test/v1
kind: Mesh
metadata: {name: m}
status: {}
spec: {size: 1}
{{- end }}
";

impl Folder {
    pub(crate) fn new(above: &Path) -> Self {
        let folder = Self(above.join("files"));
        folder.write("shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.2.3\n");
        folder.write("shop/values.yaml", "host: none\npassword: \"\"\nmeta: {a: 1}\nextra: {a: 1, b: 2}\n");
        folder.write("shop/templates/cm.yaml", TEMPLATE);
        folder.write("shop/templates/secret.yaml", WITH_PASSWORD);
        folder
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(file)).unwrap();
    }

    pub(crate) fn plain(&self, values: &[&Path]) -> Chart {
        let from = ChartPlace::Path(self.path("shop"));
        let values = values.iter().map(|path| (*path).to_owned()).collect();
        Chart { from, digest: None, values, namespace: Name::new("shop").unwrap(), without_hooks: false }
    }

    pub(crate) fn chart(&self, values: &[&Path]) -> Source {
        Source::Chart(self.plain(values))
    }

    /// Its archive.
    pub(crate) fn package(&self, helm: &Path) -> PathBuf {
        let to = self.path("packed");
        let ran = Command::new(helm).args(["package", "--destination"]).arg(&to).arg(self.path("shop")).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        to.join("shop-1.2.3.tgz")
    }
}

/// Writes a program. Another process does so: a child of another test would have it open, and it could not be run.
pub(crate) fn program(path: &Path, text: &str) {
    let mut child = Command::new("bash")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}
