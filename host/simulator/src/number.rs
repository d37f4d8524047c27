//! Conversions between numbers, in one place with the reason why they are harmless.

/// A count as a float.
#[expect(clippy::cast_precision_loss, reason = "counts of a cluster are far below 2^53")]
pub(crate) fn float(value: u64) -> f64 {
    value as f64
}

/// A length as a float.
pub(crate) fn float_len(value: usize) -> f64 {
    float(value as u64)
}

/// A time in milliseconds since the epoch as seconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch are far below 2^53")]
pub(crate) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// The integer part of a float; out of range saturates and NaN is 0.
#[expect(clippy::cast_possible_truncation, reason = "truncation and saturation are what is asked for")]
pub(crate) fn whole(value: f64) -> i64 {
    value as i64
}
