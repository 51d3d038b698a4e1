//! Texts of manifests, and what is wrong with a file as a whole.

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};

/// The names by which kustomize finds what it renders.
pub(super) const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A text with manifests in it.
pub(super) struct Text {
    /// As messages name it.
    pub name: String,
    pub text: String,
}

/// What is wrong with a file, at its beginning.
pub(super) fn finding(file: &str, message: impl Into<String>, hint: Option<&str>) -> Diagnostic {
    let place = Place { file: file.to_owned(), line: 1, column: 1 };
    Diagnostic { place, severity: Severity::Error, message: message.into(), hint: hint.map(str::to_owned) }
}

/// Whether nothing is wrong.
pub(super) fn sound(findings: &[Diagnostic]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Error)
}
