//! Values of YAML as Kubernetes reads them (YAML 1.1, as its own reader has it), and variables in them.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

/// Words that YAML 1.1 reads as true or false, and YAML 1.2 as text.
const UNCLEAR: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];

/// The value of a word without quotes. The error is what to write instead.
pub(super) fn plain(text: &str) -> Result<Value, &'static str> {
    let lower = text.to_ascii_lowercase();
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ if UNCLEAR.contains(&lower.as_str()) => {
            return Err("some readers take it for true or false: write true or false, or put it in quotes");
        }
        _ if [".inf", "+.inf", "-.inf", ".nan"].contains(&lower.as_str()) => return Err("no object can hold it: put it in quotes"),
        _ => {}
    }
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(text.into());
    }
    let number = |digits: &str, radix| {
        i64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-'])).map(|n| (sign * n).into())
    };
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, radix)));
    if let Some((rest, radix)) = prefixed {
        return Ok(number(rest, radix).unwrap_or_else(|| text.into()));
    }
    if digits.bytes().all(|c| c.is_ascii_digit()) {
        // `defaultMode: 0400` is octal to Kubernetes.
        let octal = digits.len() > 1 && digits.starts_with('0');
        if octal && digits.contains(['8', '9']) {
            return Err("a number that begins with 0 is octal, and this one cannot be: put it in quotes");
        }
        let large = || sign == 1 && !octal;
        let whole = number(digits, if octal { 8 } else { 10 }).or_else(|| digits.parse::<u64>().ok().filter(|_| large()).map(Value::from));
        return whole.ok_or("the number is too large: put it in quotes");
    }
    if digits.contains('_') && digits.bytes().all(|c| c.is_ascii_digit() || c == b'_') {
        return Err("some readers take it for a number: write the number without _, or put it in quotes");
    }
    Ok(if is_float(digits) { float(text).unwrap_or_else(|| text.into()) } else { text.into() })
}

/// The value of a word without quotes in what a program rendered, which nobody can put into quotes: as go-yaml 2 has it, by which helm and kubectl read.
pub(super) fn rendered(text: &str) -> Result<Value, &'static str> {
    let hint = match plain(text) {
        Ok(value) => return Ok(value),
        Err(hint) => hint,
    };
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Ok(true.into()),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Ok(false.into()),
        _ if text.contains('_') => return plain(&text.replace('_', "")).map_err(|_| hint),
        _ => {}
    }
    if text.chars().any(|c| c.is_ascii_digit()) { float(text).ok_or(hint) } else { Err(hint) }
}

fn float(text: &str) -> Option<Value> {
    Number::from_f64(text.parse().ok()?).map(Value::Number)
}

/// Digits with one point among them or an exponent: not `1.2.3`, and not `1Gi`.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).map_or((digits, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let all = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    let parts: Vec<&str> = mantissa.split('.').collect();
    let exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all(digits)
    });
    exponent && parts.len() <= 2 && parts.iter().all(|part| all(part)) && parts.iter().any(|part| !part.is_empty())
}

/// Puts values in the place of `${NAME}`. `$${` is `${` itself, whatever follows; `$NAME`, `$(NAME)` and `${NAME:-x}` are left as they are. The error is the
/// names of variables that nobody declared, each once.
pub(super) fn substitute(text: &str, variables: &BTreeMap<String, String>) -> Result<String, Vec<String>> {
    let named = |text: &'_ str| {
        text.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).filter(|name| is_name(name))
    };
    let (mut found, mut rest) = (String::with_capacity(text.len()), text);
    let mut unknown: Vec<String> = Vec::new();
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        found.push_str(before);
        if let Some(name) = named(after) {
            rest = &after[name.len() + 2..];
            match variables.get(&name) {
                Some(value) => found.push_str(value),
                None if unknown.contains(&name) => {}
                None => unknown.push(name),
            }
        } else if let Some(itself) = after.strip_prefix('$').and_then(|after| after.strip_prefix('{')) {
            found.extend(['$', '{']);
            rest = itself;
        } else {
            found.push('$');
            rest = after;
        }
    }
    found.push_str(rest);
    if unknown.is_empty() { Ok(found) } else { Err(unknown) }
}

fn is_name(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_is_read_as_kubernetes_reads_it() {
        for (text, value) in [
            ("", json!(null)),
            ("True", json!(true)),
            ("80", json!(80)),
            ("-1", json!(-1)),
            ("0400", json!(256)),
            ("0x1F", json!(31)),
            ("0.5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("1.2.3", json!("1.2.3")),
            ("1Gi", json!("1Gi")),
            ("10.0.0.0/8", json!("10.0.0.0/8")),
            ("2026-11-28", json!("2026-11-28")),
            ("-", json!("-")),
            ("--port", json!("--port")),
            (".", json!(".")),
            ("18446744073709551615", json!(u64::MAX)),
        ] {
            assert_eq!(plain(text), Ok(value), "{text:?}");
        }
        for text in ["yes", "Off", "y", ".NaN", "0899", "1_000", "99999999999999999999"] {
            assert!(plain(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_declared_names_in_braces_are_replaced() {
        let variables = BTreeMap::from([("A".to_owned(), "x${B}".to_owned()), ("B_1".to_owned(), String::new())]);
        for (text, after) in [
            ("${A}-${B_1}-${A}", "x${B}--x${B}"),
            ("$A $(A) ${A:-y} ${1} ${} ${", "$A $(A) ${A:-y} ${1} ${} ${"),
            ("$${A} $$ $", "${A} $$ $"),
            ("$((1 + $${A##*-})) $${ $${x${A}", "$((1 + ${A##*-})) ${ ${xx${B}"),
            ("ä${A}ö", "äx${B}ö"),
            ("${x ${A}", "${x x${B}"),
        ] {
            assert_eq!(substitute(text, &variables).as_deref(), Ok(after), "{text}");
        }
        assert_eq!(substitute("${A}${C} ${D}${C}", &variables), Err(vec!["C".to_owned(), "D".to_owned()]));
    }
}
