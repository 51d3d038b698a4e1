//! The one place that prints. Data goes to standard output, everything else to standard error.

use std::io::Write;

/// Data. A closed pipe ends the program quietly, as other programs do.
pub(crate) fn data(text: &str) {
    if writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n')).is_err() {
        std::process::exit(0);
    }
}

/// A message for people.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A value as JSON.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<(), serde_json::Error> {
    data(&serde_json::to_string_pretty(value)?);
    Ok(())
}
