//! Intervals of continuous audits: seconds, or a cron text.

use std::str::FromStr;

use chrono::TimeDelta;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::clock::Timestamp;

/// Longest cron text that is read; the API's column is no longer.
const LONGEST: usize = 255;

/// How often a continuous audit runs.
#[derive(Debug, Clone)]
pub enum Interval {
    /// Every so many seconds; at least one.
    Seconds(u64),
    /// Whenever a cron text says, in UTC.
    Cron(Box<Cron>),
}

/// A text that is no interval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInterval {
    /// Seconds that are not above nothing.
    #[error("Interval of audit must be at least 1 second, not {0}.")]
    NotPositive(String),
    /// Not 5, 6 or 7 columns.
    #[error("Exactly 5, 6 or 7 columns has to be specified for iterator expression.")]
    Columns,
    /// A column that makes no sense.
    #[error("[{text}] is not acceptable: {reason}")]
    Cron {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FromStr for Interval {
    type Err = InvalidInterval;

    /// Reads a whole number of seconds, a nickname such as `@daily`, or 5 to 7 columns: minute, hour, day of month, month, day of week,
    /// then, as Watcher has it, second and year.
    fn from_str(text: &str) -> Result<Self, InvalidInterval> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.parse() {
                Ok(seconds) if seconds > 0 => Ok(Self::Seconds(seconds)),
                _ => Err(InvalidInterval::NotPositive(text.chars().take(LONGEST).collect())),
            };
        }
        if text.len() > LONGEST {
            return Err(InvalidInterval::Columns);
        }
        let columns: Vec<&str> = text.split_whitespace().collect();
        let pattern = match columns[..] {
            [nickname] if nickname.starts_with('@') => nickname.to_owned(),
            [_, _, _, _, _] => columns.join(" "),
            [.., second] if columns.len() == 6 => format!("{second} {}", columns[..5].join(" ")),
            [.., second, year] if columns.len() == 7 => format!("{second} {} {year}", columns[..5].join(" ")),
            _ => return Err(InvalidInterval::Columns),
        };
        CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Optional)
            .build()
            .parse(&pattern)
            .map(|cron| Self::Cron(Box::new(cron)))
            .map_err(|error| InvalidInterval::Cron { text: text.to_owned(), reason: error.to_string() })
    }
}

impl Interval {
    /// The next time after `time`; none if there is no other.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Seconds(seconds) => {
                let step = i64::try_from(*seconds).ok().and_then(TimeDelta::try_seconds)?;
                time.checked_add_signed(step)
            }
            Self::Cron(cron) => cron.find_next_occurrence(&time, false).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(interval: &str) -> String {
        let start: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
        interval.parse::<Interval>().unwrap().next_after(start).unwrap().to_rfc3339()
    }

    #[test]
    fn seconds_and_cron_texts_say_when_comes_next() {
        assert_eq!(next("120"), "2026-01-01T00:02:30+00:00");
        assert_eq!(next("*/5 * * * *"), "2026-01-01T00:05:00+00:00");
        assert_eq!(next("@daily"), "2026-01-02T00:00:00+00:00");
        assert_eq!(next("0 0 * jan mon"), "2026-01-05T00:00:00+00:00");
    }

    #[test]
    fn the_sixth_column_is_the_second_and_the_seventh_the_year() {
        assert_eq!(next("* * * * * */20"), "2026-01-01T00:00:40+00:00");
        assert_eq!(next("0 0 1 1 * 0 2031"), "2031-01-01T00:00:00+00:00");
    }

    #[test]
    fn what_is_no_interval_is_refused() {
        for text in ["", "zz", "* * * *", " 5 ", "5.5", "* * * * * * * *"] {
            assert_eq!(text.parse::<Interval>().unwrap_err(), InvalidInterval::Columns, "{text}");
        }
        for text in ["0", "-5", "99999999999999999999999"] {
            assert!(matches!(text.parse::<Interval>(), Err(InvalidInterval::NotPositive(_))), "{text}");
        }
        for text in ["61 * * * *", "x x x x x", "@never"] {
            assert!(matches!(text.parse::<Interval>(), Err(InvalidInterval::Cron { .. })), "{text}");
        }
    }
}
