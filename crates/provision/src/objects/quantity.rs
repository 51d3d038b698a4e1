//! Quantities: the API server writes them in another unit than people do (`1000m` becomes `1`, `1024Mi` becomes `1Gi`).

use serde_json::Value;

/// Fields whose values, or those of the map in it, are quantities (the API reference).
const AMOUNTS: [&str; 13] = [
    "averageValue",
    "capacity",
    "default",
    "defaultRequest",
    "divisor",
    "hard",
    "limits",
    "max",
    "maxLimitRequestRatio",
    "min",
    "podFixed",
    "requests",
    "sizeLimit",
];

/// Whether a field has quantities.
pub(super) fn is_amount(key: &str) -> bool {
    AMOUNTS.contains(&key)
}

/// Whether two values are one quantity.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let read = |value| text(value).and_then(|text| billionths(&text));
    matches!((read(one), read(other)), (Some(one), Some(other)) if one == other)
}

/// A quantity in billionths, which is as small as they get; `None` if it is none, or too large.
pub(crate) fn billionths(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let is_number = number.contains(|c: char| c.is_ascii_digit());
    let part = part.trim_end_matches('0');
    if !is_number || part.len() > 9 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{whole}{part}{}", "0".repeat(9 - part.len()));
    let billionths: i128 = digits.parse().ok()?;
    let power = |base: i128, exponent: usize| base.checked_pow(u32::try_from(exponent).ok()?);
    let times = |factor: Option<i128>| billionths.checked_mul(factor?);
    let over = |divisor: i128| (billionths % divisor == 0).then_some(billionths / divisor);
    match suffix {
        "" => Some(billionths),
        "m" => over(1_000),
        "u" => over(1_000_000),
        "n" => over(1_000_000_000),
        _ => match suffix.strip_suffix('i') {
            Some(binary) => times(power(1024, 1 + "KMGTPE".find(binary).filter(|_| binary.len() == 1)?)),
            None => match suffix.strip_prefix(['e', 'E']) {
                Some(exponent) if !exponent.is_empty() => times(power(10, exponent.parse().ok()?)),
                _ => times(power(1000, 1 + "kMGTPE".find(suffix).filter(|_| suffix.len() == 1)?)),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_quantity_in_other_units_is_the_same() {
        for (one, other) in [
            (json!("1000m"), json!(1)),
            (json!("0.5"), json!("500m")),
            (json!(0.1), json!("100m")),
            (json!("1024Mi"), json!("1Gi")),
            (json!("1048576Ki"), json!("1Gi")),
            (json!("1000M"), json!("1G")),
            (json!("1e9"), json!("1G")),
            (json!(1e9), json!("1G")),
            (json!("2.0"), json!("2")),
            (json!("1.5Gi"), json!("1536Mi")),
            (json!("100u"), json!("100000n")),
            (json!("1E"), json!("1000P")),
        ] {
            assert!(same(&one, &other), "{one} {other}");
        }
        for (one, other) in [
            (json!("1"), json!("1m")),
            (json!("1G"), json!("1Gi")),
            (json!("a"), json!("a")),
            (json!(""), json!("")),
            (json!("i"), json!("i")),
            (json!("1x"), json!("1x")),
            (json!("1ki"), json!("1024")),
            (json!("1KM"), json!("1KM")),
            (json!("1e99"), json!("1e99")),
            (json!("9999999999999999999999999999999999999999"), json!("1")),
            (json!("--1"), json!("--1")),
            (json!(null), json!(null)),
        ] {
            assert!(!same(&one, &other), "{one} {other}");
        }
    }
}
