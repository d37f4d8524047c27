//! The score: pure logic over numbers.

/// The mean of `features`, each counted by its weight, or once where there is none. None without anything that counts.
pub fn weighted_mean(features: &[f64], weights: &[f64]) -> Option<f64> {
    let weights = weights.iter().copied().chain(std::iter::repeat(1.0));
    let (sum, total) = features
        .iter()
        .zip(weights)
        .fold((0.0, 0.0), |(sum, total), (feature, weight)| (sum + feature * weight, total + weight));
    (total > 0.0).then(|| sum / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_without_a_weight_counts_once() {
        assert_eq!(weighted_mean(&[1.0, 2.0, 6.0], &[]), Some(3.0));
        assert_eq!(weighted_mean(&[1.0, 5.0], &[3.0]), Some(2.0));
    }

    #[test]
    fn nothing_that_counts_has_no_mean() {
        assert_eq!(weighted_mean(&[], &[]), None);
        assert_eq!(weighted_mean(&[1.0], &[0.0]), None);
    }
}
