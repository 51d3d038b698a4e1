//! Values in the words of others: an API server quotes what it refuses, and a log what it was told.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use kubestead_core::secret::Secret;
use zeroize::Zeroizing;

/// A value of fewer bytes is no secret that could be told from other words.
const SHORT: usize = 4;

/// Values as they may stand in a text: as they are and line by line, each in quotes too, and in base64. The longest first: one may hold another.
pub(crate) fn forms<'a>(values: impl IntoIterator<Item = &'a Secret>) -> Vec<Zeroizing<String>> {
    let mut found = Vec::new();
    for bytes in values.into_iter().map(Secret::expose).filter(|bytes| bytes.len() >= SHORT) {
        found.extend([STANDARD.encode(bytes), STANDARD_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)].map(Zeroizing::new));
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        for line in text.lines().chain([text]).map(str::trim).filter(|line| line.len() >= SHORT) {
            found.push(Zeroizing::new(line.to_owned()));
            found.push(quoted(line));
        }
    }
    longest_first(&mut found);
    found
}

/// A text as it stands between quotes.
fn quoted(text: &str) -> Zeroizing<String> {
    let quoted = Zeroizing::new(serde_json::to_string(text).unwrap_or_default());
    Zeroizing::new(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned())
}

fn longest_first(texts: &mut Vec<Zeroizing<String>>) {
    texts.retain(|text| text.len() >= SHORT);
    texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    texts.dedup();
}

/// A text without values, and without other texts that hold one.
pub(crate) fn redacted<'a>(
    text: String,
    values: impl IntoIterator<Item = &'a Secret>,
    others: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut known = forms(values);
    known.extend(others.into_iter().map(|other| Zeroizing::new(other.to_owned())));
    longest_first(&mut known);
    known.iter().fold(text, |text, known| text.replace(known.as_str(), "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str, values: &[&str]) -> String {
        let values: Vec<Secret> = values.iter().map(|value| Secret::new(value.as_bytes().to_vec())).collect();
        redacted(text.to_owned(), &values, None)
    }

    #[test]
    fn a_value_that_holds_another_goes_as_a_whole() {
        for values in [["1234", "1234-tail"], ["1234-tail", "1234"]] {
            assert_eq!(without("a 1234-tail b 1234 c", &values), "a … b … c");
        }
        // The base64 of one begins as that of the other does.
        let (one, two) = ("abcdef", "abcdefghi");
        assert_eq!(without(&format!("x {} y", STANDARD.encode(two)), &[one, two]), "x … y");
        let whole = STANDARD.encode(format!("{two} and more"));
        let values = [Secret::new(two.as_bytes().to_vec())];
        assert_eq!(redacted(format!("x {whole} y"), &values, [whole.as_str()]), "x … y");
    }

    #[test]
    fn a_value_is_found_in_quotes_and_each_line_of_it_alone() {
        let key = "-----BEGIN KEY-----\nMIIcanary\nMIIother\n-----END KEY-----\n";
        assert_eq!(without(&format!("denied: {key:?}"), &[key]), "denied: \"…\\n\"");
        assert_eq!(without("denied: MIIcanary\\n and MIIother|", &[key]), "denied: …\\n and …|");
        let value = "a\"b\\c\td";
        assert_eq!(without(&format!("denied: {value:?} {value}"), &[value]), "denied: \"…\" …");
        assert_eq!(without("a yes b", &["yes"]), "a yes b", "what is short is left");
    }
}
