//! Texts as people see them, kept in `tests/golden`: a test holds what is made now against them. `UPDATE=1 cargo test -p kubestead-cli` writes them anew,
//! to be read in the diff.

/// Fails if the text is not that of the file.
pub(crate) fn holds(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{} is not what is shown now (UPDATE=1 writes it anew):\n{text}", path.display());
}
