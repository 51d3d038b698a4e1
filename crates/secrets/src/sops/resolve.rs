//! What a plain YAML scalar is. This repeats the resolver of go-yaml v3, on purpose to the letter: where it differs the MAC does.

use std::sync::LazyLock;

use regex::Regex;

use super::time::Time;
use super::value::Value;

static FLOAT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").expect("the expression is a constant"));

/// Resolves an unquoted scalar without a tag.
pub(crate) fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::null()),
        "true" | "True" | "TRUE" => return Ok(Value::bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Ok(Value::float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Ok(Value::float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Ok(Value::float(f64::NEG_INFINITY)),
        _ => {}
    }
    let resolved = match text.as_bytes().first() {
        Some(b'.') => float(text),
        Some(b'0'..=b'9' | b'+' | b'-') => time(text).map_or_else(|| number(text), |time| Ok(Some(Value::time(time))))?,
        _ => None,
    };
    Ok(resolved.unwrap_or_else(|| Value::text(text)))
}

/// Resolves a scalar with one of YAML's own tags, such as `int` for `!!int`.
pub(crate) fn tagged(suffix: &str, text: &str) -> Result<Value, String> {
    use super::value::Kind;
    let wanted = match suffix {
        "int" => Kind::Int,
        "float" => Kind::Float,
        "bool" => Kind::Bool,
        "null" => Kind::Null,
        "timestamp" => Kind::Time,
        "binary" => {
            use base64::Engine;
            let compact: String = text.split_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(compact).map_err(|_| "!!binary before what is no base64")?;
            return Ok(Value::raw_text(bytes));
        }
        _ => return Ok(Value::text(text)),
    };
    let value = plain(text)?;
    match (wanted, value.kind()) {
        (wanted, found) if wanted == found => Ok(value),
        (Kind::Float, Kind::Int) => {
            value.as_str().and_then(|text| text.parse().ok()).map(Value::float).ok_or_else(|| "!!float before what is no number".to_owned())
        }
        _ => Err(format!("the tag !!{suffix} does not fit its value")),
    }
}

fn time(text: &str) -> Option<Time> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (digits == 4 && text.as_bytes().get(4) == Some(&b'-')).then(|| Time::parse(text, true)).flatten()
}

fn float(text: &str) -> Option<Value> {
    let number: f64 = FLOAT.is_match(text).then(|| text.parse().ok()).flatten()?;
    number.is_finite().then(|| Value::float(number))
}

fn number(text: &str) -> Result<Option<Value>, String> {
    let digits = text.replace('_', "");
    let (negative, body) = match digits.as_bytes().first() {
        Some(b'-') => (true, &digits[1..]),
        Some(b'+') => (false, &digits[1..]),
        _ => (false, digits.as_str()),
    };
    if let Some(number) = whole(body) {
        let signed = if negative { -number } else { number };
        return match i64::try_from(signed) {
            Ok(number) => Ok(Some(Value::int(number))),
            Err(_) if !negative && u64::try_from(number).is_ok() => {
                Err("this number is above 9223372036854775807, which sops cannot hold; quote it".to_owned())
            }
            Err(_) => Ok(float(&digits)),
        };
    }
    Ok(float(&digits))
}

/// An unsigned number in Go's notation: `0x`, `0o`, `0b`, a leading zero for octal.
fn whole(body: &str) -> Option<i128> {
    let (radix, digits) = match body.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &body[2..]),
        [b'0', b'o' | b'O', ..] => (8, &body[2..]),
        [b'0', b'b' | b'B', ..] => (2, &body[2..]),
        [b'0', _, ..] => (8, &body[1..]),
        _ => (10, body),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    i128::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sops::value::Kind;

    #[test]
    fn scalars_are_what_go_yaml_makes_of_them() {
        let cases = [
            ("0644", Kind::Int, "420"),
            ("08", Kind::Float, "8"),
            ("0o17", Kind::Int, "15"),
            ("0b101", Kind::Int, "5"),
            ("-0x1F", Kind::Int, "-31"),
            ("1_000", Kind::Int, "1000"),
            ("1_0.5", Kind::Float, "10.5"),
            (".5", Kind::Float, "0.5"),
            ("1e3", Kind::Float, "1000"),
            ("3.0", Kind::Float, "3"),
            ("12:30:00", Kind::Text, "12:30:00"),
            ("yes", Kind::Text, "yes"),
            ("on", Kind::Text, "on"),
            ("True", Kind::Bool, "True"),
            ("2024-01-01", Kind::Time, "2024-01-01T00:00:00Z"),
            ("2024-1-2 3:4:5", Kind::Time, "2024-01-02T03:04:05Z"),
            ("-", Kind::Text, "-"),
            ("+", Kind::Text, "+"),
            ("1.2.3", Kind::Text, "1.2.3"),
            ("1e999", Kind::Text, "1e999"),
            ("-9223372036854775808", Kind::Int, "-9223372036854775808"),
            ("99999999999999999999", Kind::Float, "100000000000000000000"),
            ("~", Kind::Null, ""),
            ("0x", Kind::Text, "0x"),
            ("-.inf", Kind::Float, "-Inf"),
        ];
        for (text, kind, canonical) in cases {
            let value = plain(text).unwrap();
            assert_eq!((value.kind(), value.as_str().unwrap()), (kind, canonical), "{text}");
        }
        assert!(plain("18446744073709551615").is_err());
    }

    #[test]
    fn tags_of_yaml_decide_and_must_fit() {
        assert_eq!(tagged("str", "5").unwrap().kind(), Kind::Text);
        assert_eq!(tagged("float", "5").unwrap().kind(), Kind::Float);
        assert_eq!(tagged("int", "5").unwrap().as_int(), Some(5));
        assert_eq!(tagged("binary", "aGk=").unwrap().as_str(), Some("hi"));
        assert_eq!(tagged("binary", "/wD+7Q==").unwrap().bytes().expose(), [0xff, 0x00, 0xfe, 0xed]);
        assert!(tagged("int", "x").is_err());
    }
}
