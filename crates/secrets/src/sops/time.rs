//! Points in time as sops writes them: RFC 3339, and the looser forms that YAML knows.
#![allow(clippy::format_push_string)] // a few short texts

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time with the offset it was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    year: u32,
    month: u32,
    day: u32,
    seconds: u32,
    nanos: u32,
    offset_minutes: i32,
}

impl Time {
    /// Reads RFC 3339 (`2024-01-02T03:04:05.6+01:00`), and, when `loose`, what YAML allows besides: a `t`, a blank before the time (then
    /// without an offset), a date alone, and one-digit fields.
    pub(crate) fn parse(text: &str, loose: bool) -> Option<Self> {
        let mut rest = text;
        let year = number(&mut rest, 4, 4)?;
        let least = if loose { 1 } else { 2 };
        rest = rest.strip_prefix('-')?;
        let month = number(&mut rest, least, 2)?;
        rest = rest.strip_prefix('-')?;
        let day = number(&mut rest, least, 2)?;
        if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
            return None;
        }
        let date = Self { year, month, day, seconds: 0, nanos: 0, offset_minutes: 0 };
        if rest.is_empty() {
            return loose.then_some(date);
        }
        let separator = rest.chars().next()?;
        rest = &rest[separator.len_utf8()..];
        if !(separator == 'T' || loose && (separator == 't' || separator == ' ')) {
            return None;
        }
        // One digit is enough to Go here.
        let hour = number(&mut rest, 1, 2)?;
        rest = rest.strip_prefix(':')?;
        let minute = number(&mut rest, least, 2)?;
        rest = rest.strip_prefix(':')?;
        let second = number(&mut rest, least, 2)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let nanos = fraction(&mut rest)?;
        let offset_minutes = if separator == ' ' {
            rest.is_empty().then_some(0)?
        } else if rest == "Z" {
            0
        } else {
            offset(rest)?
        };
        Some(Self { seconds: hour * 3600 + minute * 60 + second, nanos, offset_minutes, ..date })
    }

    /// The present moment in UTC, without fractions.
    pub(crate) fn now() -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let (year, month, day) = civil(seconds / 86400);
        let of_day = u32::try_from(seconds % 86400).unwrap_or_default();
        Self { year, month, day, seconds: of_day, nanos: 0, offset_minutes: 0 }
    }

    /// As Go's `time.RFC3339` prints it, with fractions as in `RFC3339Nano` when wanted.
    pub(crate) fn render(self, with_fraction: bool) -> String {
        let Self { year, month, day, seconds, nanos, offset_minutes } = self;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if with_fraction && nanos > 0 {
            text.push_str(format!(".{nanos:09}").trim_end_matches('0'));
        }
        if offset_minutes == 0 {
            text.push('Z');
        } else {
            let sign = if offset_minutes < 0 { '-' } else { '+' };
            let distance = offset_minutes.unsigned_abs();
            text.push_str(&format!("{sign}{:02}:{:02}", distance / 60, distance % 60));
        }
        text
    }
}

fn number(rest: &mut &str, least: usize, most: usize) -> Option<u32> {
    let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < least {
        return None;
    }
    let (head, tail) = rest.split_at(digits);
    *rest = tail;
    head.parse().ok()
}

/// `.5` -> 500000000; digits after the ninth are dropped.
fn fraction(rest: &mut &str) -> Option<u32> {
    let Some(tail) = rest.strip_prefix(['.', ',']) else { return Some(0) };
    let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let (head, tail) = tail.split_at(digits);
    *rest = tail;
    format!("{:0<9}", &head[..digits.min(9)]).parse().ok()
}

fn offset(text: &str) -> Option<i32> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut rest = &text[1..];
    let hours = number(&mut rest, 2, 2)?;
    rest = rest.strip_prefix(':')?;
    let minutes = number(&mut rest, 2, 2)?;
    let within = rest.is_empty() && hours <= 24 && minutes < 60;
    within.then(|| i32::try_from(hours * 60 + minutes).ok().map(|m| sign * m)).flatten()
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil(days: u64) -> (u32, u32, u32) {
    let mut left = u32::try_from(days).unwrap_or_default();
    let mut year = 1970;
    loop {
        let length = if days_in(year, 2) == 29 { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let mut month = 1;
    while left >= days_in(year, month) {
        left -= days_in(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_times_become_rfc_3339() {
        for (given, expected) in [
            ("2024-01-01", "2024-01-01T00:00:00Z"),
            ("2024-1-2 3:4:5", "2024-01-02T03:04:05Z"),
            ("2001-12-14t21:59:43.10-05:00", "2001-12-14T21:59:43.1-05:00"),
            ("2001-12-15T02:59:43.123456789Z", "2001-12-15T02:59:43.123456789Z"),
            ("2024-02-29T00:00:00+00:00", "2024-02-29T00:00:00Z"),
        ] {
            assert_eq!(Time::parse(given, true).unwrap().render(true), expected);
        }
        for bad in
            ["2023-02-29", "2024-13-01", "12:30:00", "2024-01-01T25:00:00Z", "2024-01-01 00:00:00Z", "2024-01-01x", "2024-01-01T1:1:1."]
        {
            assert!(Time::parse(bad, true).is_none(), "{bad}");
        }
        assert!(Time::parse("2024-01-01", false).is_none());
    }

    #[test]
    fn stamps_are_read_as_loosely_as_go_reads_them() {
        for (given, expected) in [
            ("2016-03-16T3:34:46Z", "2016-03-16T03:34:46Z"),
            ("2016-03-16T23:34:46,5Z", "2016-03-16T23:34:46Z"),
            ("2016-03-16T23:34:46.123456Z", "2016-03-16T23:34:46Z"),
            ("2016-03-16T23:34:46+24:00", "2016-03-16T23:34:46+24:00"),
        ] {
            assert_eq!(Time::parse(given, false).unwrap().render(false), expected);
        }
        for bad in
            ["2016-03-16T23:34:46", "2016-03-16 23:34:46", "2016-03-16t23:34:46z", "2016-03-16T23:34:46+0000", "2016-03-16T23:34:46+25:00"]
        {
            assert!(Time::parse(bad, false).is_none(), "{bad}");
        }
    }

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_781), (2026, 11, 24));
    }
}
