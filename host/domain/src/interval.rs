//! Intervals of continuous audits: seconds, or a cron text.

use std::num::IntErrorKind;
use std::str::FromStr;

use chrono::TimeDelta;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::clock::Timestamp;

/// Longest cron text that is read; the API's column is no longer.
const LONGEST: usize = 255;

/// The last second that the API's notation of times has, 9999-12-31T23:59:59.
const LAST_TIME: Timestamp = match Timestamp::from_timestamp(253_402_300_799, 0) {
    Some(time) => time,
    None => Timestamp::MAX_UTC,
};

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
    /// More seconds than can be counted.
    #[error("Interval of audit must be less than 2^64 seconds, not {0}.")]
    TooLong(String),
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
                // Digits, however many: what is kept is the text.
                _ if text.len() > LONGEST => Err(InvalidInterval::TooLong(text.chars().take(LONGEST).collect())),
                Ok(seconds) if seconds > 0 => Ok(Self::Seconds(seconds)),
                Err(error) if *error.kind() == IntErrorKind::PosOverflow => {
                    Err(InvalidInterval::TooLong(text.chars().take(LONGEST).collect()))
                }
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
    /// When a continuous audit runs next, worked out afresh: when it is new, after its decision engine was away, after it was resumed or
    /// its interval changed. `planned` is when it was to run before. None if there is no later time.
    ///
    /// Seconds: at once if it is new; else the next of the times `planned + k · interval`, for whole k of either sign, from `now` on.
    /// Times that were missed are not made up for, and a shorter interval does not wait for a time that a longer one had set.
    /// Cron texts: the next time they say.
    ///
    /// # Source
    /// `ContinuousAuditHandler.launch_audits_periodically`; there a time in the future stays however far it is.
    pub fn resume(&self, planned: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        match (self, planned) {
            (Self::Seconds(_), None) => Some(now),
            (Self::Seconds(_), Some(planned)) if planned == now => Some(now),
            (Self::Seconds(seconds), Some(planned)) => Some(on_grid(*seconds, planned, now)),
            (Self::Cron(_), _) => self.next_after(now),
        }
    }

    /// When a continuous audit runs next after a run that was planned for `planned` and ended at `now`: after `now`, on the same grid.
    /// Times that passed while it ran are left out. None if there is no later time.
    pub fn after_run(&self, planned: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Seconds(seconds) => Some(on_grid(*seconds, planned.unwrap_or(now), now)),
            Self::Cron(_) => self.next_after(now),
        }
    }

    /// The next time after `time`; none if there is no other.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Seconds(seconds) => {
                let step = i64::try_from(*seconds).ok().and_then(TimeDelta::try_seconds)?;
                time.checked_add_signed(step)
            }
            Self::Cron(cron) => cron.find_next_occurrence(&time, false).ok(),
        }
        .filter(in_calendar)
    }
}

/// The first of the times `planned + k · seconds` after `now`, at most `seconds` away, or the end of the calendar.
fn on_grid(seconds: u64, planned: Timestamp, now: Timestamp) -> Timestamp {
    let step = i128::from(seconds.max(1)) * 1_000_000;
    let apart = planned - now;
    let apart = i128::from(apart.num_seconds()) * 1_000_000 + i128::from(apart.subsec_nanos() / 1000);
    let ahead = apart.rem_euclid(step);
    let ahead = if ahead == 0 { step } else { ahead };
    let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
    now.checked_add_signed(TimeDelta::microseconds(ahead)).filter(in_calendar).unwrap_or(LAST_TIME)
}

/// Whether the API can write a time down.
fn in_calendar(time: &Timestamp) -> bool {
    *time <= LAST_TIME
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
        for text in ["0", "-5", "-99999999999999999999999"] {
            assert!(matches!(text.parse::<Interval>(), Err(InvalidInterval::NotPositive(_))), "{text}");
        }
        let long = "18446744073709551616".parse::<Interval>();
        assert!(matches!(long, Err(InvalidInterval::TooLong(_))), "{long:?}");
        for text in ["61 * * * *", "x x x x x", "@never"] {
            assert!(matches!(text.parse::<Interval>(), Err(InvalidInterval::Cron { .. })), "{text}");
        }
    }

    fn at(time: &str) -> Timestamp {
        format!("2026-01-01T{time}Z").parse().unwrap()
    }

    #[test]
    fn missed_runs_are_not_made_up_for_and_the_grid_stays() {
        let every = |seconds| Interval::Seconds(seconds);
        for (seconds, planned, now, expected) in [
            (60, "10:00:00", "10:00:00", "10:00:00"),
            (60, "10:00:30", "10:00:00", "10:00:30"),
            (60, "10:00:00", "10:00:01", "10:01:00"),
            (60, "10:00:00", "10:02:00", "10:03:00"),
            (7, "10:00:00", "10:01:00", "10:01:03"),
            (60, "20:00:30", "10:00:00", "10:00:30"),
        ] {
            assert_eq!(
                every(seconds).resume(Some(at(planned)), at(now)),
                Some(at(expected)),
                "{seconds} {planned} {now}"
            );
        }
        assert_eq!(every(60).resume(None, at("10:00:00")), Some(at("10:00:00")), "a new audit runs at once");
        let daily: Interval = "30 9 * * *".parse().unwrap();
        assert_eq!(daily.resume(None, at("08:00:00")), Some(at("09:30:00")));
        assert_eq!(daily.resume(Some(at("07:00:00")), at("08:00:00")), Some(at("09:30:00")));
    }

    #[test]
    fn after_a_run_the_next_time_is_always_later() {
        let interval = Interval::Seconds(60);
        for (planned, now, expected) in [
            ("10:00:00", "10:00:00", "10:01:00"),
            ("10:00:00", "10:00:59", "10:01:00"),
            ("10:00:00", "10:01:00", "10:02:00"),
            ("10:00:00", "10:05:30", "10:06:00"),
        ] {
            assert_eq!(interval.after_run(Some(at(planned)), at(now)), Some(at(expected)), "{planned} {now}");
        }
    }

    #[test]
    fn a_time_that_no_calendar_has_is_not_reached() {
        let never = Interval::Seconds(u64::MAX);
        assert_eq!(never.resume(None, at("10:00:00")), Some(at("10:00:00")));
        assert_eq!(never.after_run(None, at("10:00:00")), Some(LAST_TIME));
        assert_eq!(never.resume(Some(LAST_TIME), at("10:00:00")), Some(LAST_TIME));
        let past: Interval = "0 0 1 1 * 0 2020".parse().unwrap();
        assert_eq!(past.resume(None, at("10:00:00")), None);
        assert_eq!(past.after_run(None, at("10:00:00")), None);
    }
}
