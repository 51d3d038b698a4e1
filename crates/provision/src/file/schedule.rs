//! When a CronJob runs: five fields, as the API server reads them (github.com/robfig/cron v3, `ParseStandard`).

/// A field: its name, the least and the most number, and words for numbers, from the least on.
struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, words: &[] },
    Field { name: "hour", least: 0, most: 23, words: &[] },
    Field { name: "day of the month", least: 1, most: 31, words: &[] },
    Field {
        name: "month",
        least: 1,
        most: 12,
        words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { name: "day of the week", least: 0, most: 6, words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// What is wrong with a schedule; `None` if it is one.
pub(crate) fn wrong(text: &str) -> Option<String> {
    let fields: Vec<&str> = text.split(' ').collect();
    if fields.len() != FIELDS.len() {
        return Some(format!("it has {} fields, and a schedule has {}", fields.len(), FIELDS.len()));
    }
    let wrong = FIELDS.iter().zip(fields).filter_map(|(field, text)| {
        let bad = text.split(',').find(|part| !field.takes(part))?;
        Some(format!("{bad:?} is no {} ({} to {})", field.name, field.least, field.most))
    });
    let wrong: Vec<String> = wrong.collect();
    (!wrong.is_empty()).then(|| wrong.join(", "))
}

impl Field {
    /// Whether a part between commas is a number, a range or all of them, each perhaps with a step.
    fn takes(&self, part: &str) -> bool {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let (first, last) = range.split_once('-').map_or((range, None), |(first, last)| (first, Some(last)));
        let numbers = match (first, last) {
            ("*" | "?", None) => true,
            (first, None) => self.number(first).is_some(),
            (first, Some(last)) => matches!((self.number(first), self.number(last)), (Some(first), Some(last)) if first <= last),
        };
        numbers && step.is_none_or(|step| digits(step).is_some_and(|step| step > 0))
    }

    fn number(&self, text: &str) -> Option<u8> {
        let word = || self.words.iter().position(|word| word.eq_ignore_ascii_case(text)).and_then(|at| u8::try_from(at).ok());
        let number = digits(text).or_else(|| word().map(|at| at + self.least))?;
        (self.least..=self.most).contains(&number).then_some(number)
    }
}

fn digits(text: &str) -> Option<u8> {
    text.parse().ok().filter(|_| text.bytes().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_one_that_the_api_server_takes() {
        for good in ["*/5 * * * *", "0 3 1-7 jan-MAR,12 sun", "59 23 31 12 6", "0-30/10,45 * ? * MON-fri", "5/15 0 * * 0"] {
            assert_eq!(wrong(good), None, "{good}");
        }
        for (bad, words) in [
            ("99 25 * * 7", "\"99\" is no minute (0 to 59), \"25\" is no hour (0 to 23), \"7\" is no day"),
            ("0 24 * * *", "\"24\" is no hour (0 to 23)"),
            ("0 0 0 * *", "day of the month"),
            ("0 0 1 13 *", "month"),
            ("0 0 * * 7", "\"7\" is no day of the week (0 to 6)"),
            ("0 0 * * mo", "day of the week"),
            ("30-10 * * * *", "minute"),
            ("*/0 * * * *", "minute"),
            ("*/ * * * *", "minute"),
            ("1,,2 * * * *", "minute"),
            ("* * * *", "4 fields"),
        ] {
            assert!(wrong(bad).is_some_and(|told| told.contains(words)), "{bad}: {:?}", wrong(bad));
        }
    }
}
