//! What the JSON Schema says of a cluster file, as an editor would ask it.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&kubestead_provision::file::schema()).expect("the schema is one"));

/// What the schema says against a value.
pub(crate) fn against(value: &Value) -> Vec<String> {
    SCHEMA.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// A cluster file as an editor reads it.
pub(crate) fn read(text: &str) -> Value {
    serde_saphyr::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_else(|error| unreachable!("{error}\n{text}"))
}

/// Fails if the schema refuses a file that `check` takes.
#[allow(dead_code)] // each test program has what it needs of it
pub(crate) fn holds(text: &str) {
    let found = against(&read(text));
    assert!(found.is_empty(), "{found:#?}\n{text}");
}
