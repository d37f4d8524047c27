//! Points in time as the API reads and writes them.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, SubsecRound as _, Timelike as _};
use watcher_domain::Timestamp;

/// With the offset `+00:00`: when rows were made, changed and deleted.
pub(crate) fn with_offset(time: Timestamp) -> String {
    format!("{}+00:00", naive(time))
}

/// Without an offset, in UTC: when audits run.
pub(crate) fn naive(time: Timestamp) -> String {
    let format = if time.nanosecond() / 1000 == 0 { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S%.6f" };
    time.format(format).to_string()
}

/// Reads ISO 8601: a date, or date and time with `T` or a space between, with or without seconds, fraction and offset. Without an
/// offset it is UTC. Years 1 to 9999.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let offset_start = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, offset) = rest.split_at(offset_start);
    let time = match time.strip_prefix(['T', 't', ' ']).map(str::trim_end) {
        None if time.is_empty() && offset.is_empty() => NaiveTime::MIN,
        None => return None,
        Some(time) => {
            ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|format| NaiveTime::parse_from_str(time, format).ok())?
        }
    };
    let minutes = offset_minutes(offset)?;
    // What chrono reads as a leap second cannot be kept.
    let time = Some(time).filter(|time| time.nanosecond() < 1_000_000_000)?;
    let utc = NaiveDateTime::new(date, time).checked_sub_signed(chrono::TimeDelta::minutes(minutes))?;
    let years = 1..=9999;
    years.contains(&chrono::Datelike::year(&utc)).then(|| utc.and_utc().trunc_subsecs(6))
}

/// Minutes east of Greenwich.
fn offset_minutes(offset: &str) -> Option<i64> {
    let sign = match offset.as_bytes().first() {
        None | Some(b'Z' | b'z') => return (offset.len() <= 1).then_some(0),
        Some(b'-') => -1,
        Some(_) => 1,
    };
    let digits = offset[1..].replace(':', "");
    let number: i64 = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let minutes = match digits.len() {
        1 | 2 => number * 60,
        4 => number / 100 * 60 + number % 100,
        _ => return None,
    };
    (minutes < 24 * 60).then_some(sign * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_iso_form_and_kept_in_utc() {
        for (text, expected) in [
            ("2030-01-01", "2030-01-01T00:00:00"),
            ("2030-01-01T10:20", "2030-01-01T10:20:00"),
            ("2030-01-01 00:00:00.5+02:00", "2029-12-31T22:00:00.500000"),
            ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00"),
            ("2030-01-01T00:00:00-0130", "2030-01-01T01:30:00"),
        ] {
            assert_eq!(parse(text).map(naive).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "x",
            "10:00",
            "2030-13-01",
            "2030-01-01T",
            "2030-01-01T25:00:00",
            "2030-01-01T10:00:60",
            "20300101T101010",
            "2030-01-01x",
            "2030-01-01T00:00:00+",
            "é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
