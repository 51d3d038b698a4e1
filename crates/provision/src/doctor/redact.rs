//! Takes out of a text what nobody else should read: values of known secrets, keys, tokens, passwords. It takes too much rather than too little.

use std::sync::LazyLock;

use kubestead_core::secret::Secret;
use kubestead_core::visible::is_hidden;
use regex::Regex;
use zeroize::Zeroizing;

use crate::secret::forms;

/// What stands where something was.
const GONE: &str = "[redacted]";
/// From how many characters on a word may be a key in base64.
const LONG: usize = 24;

/// The part of a name that says that its value is a secret.
const NAMES: &str = r"(?:passw(?:or)?d|passphrase|secret|token|api[_. -]?key|(?:access|private|client|signing|encryption|certificate|recovery|shared|host|master)[_. -]?key|key[_.-]?data|credential|\bpwd\b|\bpsk\b|signature|dockerconfigjson|\.dockercfg|\bauth\b)";

/// A kind of text, and what becomes of it.
struct Rule {
    found: Regex,
    becomes: &'static str,
}

#[allow(clippy::expect_used)] // each is a constant, and a test makes all of them
fn expression(text: &str) -> Regex {
    Regex::new(text).expect("the expression is a constant")
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let name = format!(r"[A-Za-z0-9_.-]*{NAMES}[A-Za-z0-9_.-]*");
    // In quotes, in quotes that are themselves quoted, to the end of the line after a colon, or a word.
    let quoted = r#"\\+".*?(?:\\+"|$)|"(?:[^"\\]|\\.)*(?:"|$)|'[^']*(?:'|$)"#;
    let all: [(String, &'static str); 16] = [
        (r#"([A-Za-z][A-Za-z0-9+.-]*://)[^\s"'<>]*@"#.to_owned(), "$1[redacted]@"),
        (r#"(?im)\b((?:proxy-)?authorization|(?:set-)?cookie)(\\*["']?[ \t]*[:=][ \t]*\\*["']?)[^\n]+"#.to_owned(), "$1$2[redacted]"),
        (r"(?i)\b(bearer|basic)[ \t]+[A-Za-z0-9._~+/=-]{6,}".to_owned(), "$1 [redacted]"),
        // The values of an object, as kubectl keeps them in an annotation.
        (r#"(?i)(\\*"(?:string|binary)?data\\*"[ \t]*:[ \t]*)\{[^}]*(?:\}|$)"#.to_owned(), "$1[redacted]"),
        // A container as the kubelet writes it down when it cannot start one; and a variable that is named beside its value.
        (r"(?s)(EnvVar\{Name:[^,]*,Value:).*?(,ValueFrom:|\z)".to_owned(), "$1[redacted]$2"),
        (
            // What the rule above left of such a container stays, as it says further on what became of it.
            format!(
                r#"(?i)(\bname\\*["']?[ \t]*[:=][ \t]*\\*["']?{name}\\*["']?[\s,]+\\*["']?value\\*["']?[ \t]*[:=][ \t]*)(?:\[redacted\],ValueFrom:|{quoted}|[^\n]+)"#
            ),
            "$1[redacted]",
        ),
        (format!(r#"(?im)({name}\\*["']?[ \t]*(?:=>|[:=])[ \t]*)(?:{quoted})"#), "$1[redacted]"),
        (format!(r#"(?im)({name}["']?[ \t]*:[ \t]+)[^\n]+"#), "$1[redacted]"),
        // Several words.
        (r#"(?im)([A-Za-z0-9_.-]*passphrase[A-Za-z0-9_.-]*["']?(?:=>|[:=]))[^\n]+"#.to_owned(), "$1[redacted]"),
        // A value may have any sign in it, quotes too.
        (format!(r#"(?im)({name}["']?(?:=>|[:=]))\S+"#), "$1[redacted]"),
        (format!(r"(?im)({name}[ \t]+=[ \t]*)[^\n]+"), "$1[redacted]"),
        (format!(r#"(?im)(--[a-z0-9-]*(?:{NAMES}|key)[a-z0-9-]*\\*["']?[ \t,]+)(?:{quoted}|\S+)"#), "$1[redacted]"),
        (r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}".to_owned(), GONE),
        (r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b".to_owned(), GONE),
        (r"(?i)AGE-(?:SECRET-KEY|PLUGIN)-[A-Z0-9-]+|[$](?:2[abxy]|[156y]|argon2[a-z]*)[$][^\s:]+".to_owned(), GONE),
        (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|sk-|npm_|hvs\.|dop_v1_|SG\.|AKIA|ASIA|AIza)[A-Za-z0-9_.-]{10,}".to_owned(), GONE),
    ];
    all.into_iter().map(|(text, becomes)| Rule { found: expression(&text), becomes }).collect()
});

/// A private key. One whose end is not there goes on to the end of the text.
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?s)-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-{4,5}.*?(?:-{4,5} ?END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-{4,5}|\z)")
});
/// A name whose value stands on the lines below it.
static BELOW: LazyLock<Regex> =
    LazyLock::new(|| expression(&format!(r#"(?i){NAMES}[A-Za-z0-9_.-]*["']?[ \t]*:[ \t]*(?:[|>][-+0-9]*|[\[{{])?[ \t]*$"#)));
static WORD: LazyLock<Regex> = LazyLock::new(|| expression(r"[A-Za-z0-9+/_=-]+"));
/// What a terminal obeys, and may stand within a word.
static ESCAPE: LazyLock<Regex> = LazyLock::new(|| expression("\u{1b}(?:\\[[0-?]*[ -/]*[@-~]|\\][^\u{7}\u{1b}]*(?:\u{7}|\u{1b}\\\\)?|.)"));

/// Takes secrets out of texts.
#[derive(Default)]
pub struct Redactor {
    /// In the order in which they are looked for.
    known: Vec<Zeroizing<String>>,
}

impl Redactor {
    /// One that knows these values. It finds them as they are, line by line, in quotes, and in base64.
    pub fn knowing<'a>(values: impl IntoIterator<Item = &'a Secret>) -> Self {
        Self { known: forms(values) }
    }

    /// The text without them, and without anything that a terminal obeys.
    pub fn redact(&self, text: &str) -> String {
        let mut text: String = ESCAPE.replace_all(text, "").chars().filter(|c| matches!(c, '\n' | '\t') || !is_hidden(*c)).collect();
        for value in &self.known {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), GONE);
            }
        }
        // Whole lines go before what stands on them changes.
        text = below(&KEY.replace_all(&text, GONE));
        for Rule { found, becomes } in RULES.iter() {
            text = found.replace_all(&text, *becomes).into_owned();
        }
        WORD.replace_all(&text, |word: &regex::Captures<'_>| {
            let word = word.get(0).map_or("", |word| word.as_str());
            if is_key(word) { GONE.to_owned() } else { word.to_owned() }
        })
        .into_owned()
    }
}

/// Without the lines that belong to a name: the next one, and those that stand further in.
fn below(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    let (mut within, mut is_next, mut plain) = (None, false, String::with_capacity(text.len()));
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches('\n');
        if within.is_some_and(|own| is_next || bare.trim().is_empty() || indent(bare) > own) {
            is_next = false;
            if !bare.trim().is_empty() {
                plain.push_str(GONE);
            }
            plain.push_str(&line[bare.len()..]);
            continue;
        }
        is_next = BELOW.is_match(bare);
        within = is_next.then(|| indent(bare));
        plain.push_str(line);
    }
    plain
}

/// Whether a word looks like random bytes in base64. Digests and ids, which are in small hex, do not, nor do paths and names.
fn is_key(word: &str) -> bool {
    let run = word.split(['/', '-', '_', '+']).map(str::len).max().unwrap_or_default();
    let count = |is: fn(char) -> bool| word.chars().filter(|c| is(*c)).count();
    let (small, large, digits) = (count(|c| c.is_ascii_lowercase()), count(|c| c.is_ascii_uppercase()), count(|c| c.is_ascii_digit()));
    let is_mixed = small >= 2 && large >= 2 && digits >= 1;
    word.len() >= LONG && is_mixed && (run >= LONG / 2 || word.len() >= 2 * LONG)
}

#[cfg(test)]
mod tests;
