//! Durations as Go writes them, such as `2m0s`: a kubelet tells them in another spelling than they were given in.

/// Units and their nanoseconds; a longer word before one that it begins with.
const UNITS: [(&str, u64); 7] =
    [("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];

/// The nanoseconds of a duration as Go's `time.ParseDuration` takes it, without sign and fractions; `None` if it is none, or longer than Go's 292 years.
pub fn nanoseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        let (unit, length) = UNITS.into_iter().find(|(unit, _)| rest[digits..].starts_with(unit))?;
        sum = sum.checked_add(number.checked_mul(length)?)?;
        rest = &rest[digits + unit.len()..];
    }
    i64::try_from(sum).is_ok().then_some(sum)
}

/// Whether a text is a duration.
pub fn is_duration(text: &str) -> bool {
    nanoseconds(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, seconds) in [("2m", 120), ("2m0s", 120), ("1h30m", 5400), ("90s", 90), ("0s", 0), ("168h0m0s", 604_800)] {
            assert_eq!(nanoseconds(text), Some(seconds * 1_000_000_000), "{text}");
        }
        assert_eq!(nanoseconds("1500ms"), Some(1_500_000_000));
        for bad in ["", "2", "m", "2 m", "-2m", "2d", "2m3", "1.5h", "999999999h", "99999999999999999999s"] {
            assert_eq!(nanoseconds(bad), None, "{bad}");
        }
    }
}
