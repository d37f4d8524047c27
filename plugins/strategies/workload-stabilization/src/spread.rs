//! How unequal the values of many hosts are: the population standard deviation, and cheap bounds for what a migration makes of it.
//!
//! A decision must not depend on how a sum was rounded, so there is one exact result: mean and variance added up host by host, in order.
//! That costs one pass over all hosts, and there are as many candidates as instances × destinations. [`Spread::bounds_after`] therefore
//! says in constant time between which numbers the exact result lies; only where that does not settle a comparison, the exact one is needed.

/// Where a number lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub low: f64,
    pub high: f64,
}

impl Bounds {
    pub(crate) const fn exactly(value: f64) -> Self {
        Self { low: value, high: value }
    }

    /// Whether the number is below another, if the bounds tell.
    pub(crate) fn is_below(&self, other: &Self) -> Option<bool> {
        if self.high < other.low {
            Some(true)
        } else if self.low >= other.high {
            Some(false)
        } else {
            None
        }
    }
}

/// Two hosts with their new values.
pub(crate) type Change = [(usize, f64); 2];

/// The values of all hosts.
#[derive(Debug)]
pub(crate) struct Spread {
    values: Vec<f64>,
    /// About the mean; deviations from it are small numbers, whose squares lose little.
    center: f64,
    deviations: f64,
    squares: f64,
    largest: f64,
    /// Changes since the sums were added up anew, and the largest that `squares` has been since.
    changes: u32,
    peak: f64,
}

/// How many sums are made beside each other.
const LANES: usize = 8;

/// Sums are added up anew after this many changes, so that rounding errors stay within the bounds.
const CHANGES_UNTIL_RENEWAL: u32 = 256;

impl Spread {
    pub(crate) fn new(values: Vec<f64>) -> Self {
        let mut spread =
            Self { values, center: 0.0, deviations: 0.0, squares: 0.0, largest: 0.0, changes: 0, peak: 0.0 };
        spread.renew();
        spread
    }

    fn renew(&mut self) {
        self.center = if self.values.is_empty() { 0.0 } else { self.values.iter().sum::<f64>() / self.count() };
        let (mut deviations, mut squares) = (Sum::default(), Sum::default());
        self.largest = 0.0;
        for value in &self.values {
            let deviation = value - self.center;
            deviations.add(deviation);
            squares.add(deviation * deviation);
            self.largest = self.largest.max(value.abs());
        }
        self.deviations = deviations.total();
        self.squares = squares.total();
        self.changes = 0;
        self.peak = self.squares;
    }

    #[expect(clippy::cast_precision_loss, reason = "a cluster has fewer than 2^32 hosts")]
    fn count(&self) -> f64 {
        self.values.len() as f64
    }

    /// The standard deviation; 0 without hosts. One pass over all hosts for the mean and one for the variance.
    pub(crate) fn standard_deviation(&self) -> f64 {
        if self.values.is_empty() {
            return 0.0;
        }
        let mean = self.values.iter().fold(0.0, |sum, value| sum + value) / self.count();
        let squares = self.values.iter().fold(0.0, |sum, value| sum + (value - mean) * (value - mean));
        (squares / self.count()).sqrt()
    }

    /// The standard deviation if two hosts had other values.
    pub(crate) fn standard_deviation_after(&mut self, change: &Change) -> f64 {
        let before = change.map(|(host, _)| self.values[host]);
        for &(host, value) in change {
            self.values[host] = value;
        }
        let exact = self.standard_deviation();
        for (&(host, _), value) in change.iter().zip(before) {
            self.values[host] = value;
        }
        exact
    }

    /// [`Self::standard_deviation_after`] of many changes. A sum in order waits for each of its additions; several sums beside each other
    /// do not wait for one another.
    pub(crate) fn standard_deviations_after(&self, changes: &[Change]) -> Vec<f64> {
        let mut results = Vec::with_capacity(changes.len());
        for lanes in changes.chunks(LANES) {
            let mut padded = [[(usize::MAX, 0.0); 2]; LANES];
            padded[..lanes.len()].copy_from_slice(lanes);
            results.extend_from_slice(&self.lanes_after(&padded)[..lanes.len()]);
        }
        results
    }

    fn lanes_after(&self, changes: &[Change; LANES]) -> [f64; LANES] {
        if self.values.is_empty() {
            return [0.0; LANES];
        }
        let means = self.lane_sums(changes, |_, value| value).map(|sum| sum / self.count());
        let squares = self.lane_sums(changes, |lane, value| (value - means[lane]) * (value - means[lane]));
        squares.map(|squares| (squares / self.count()).sqrt())
    }

    /// In each lane the sum of a term of every value, in order, with that lane's change.
    fn lane_sums(&self, changes: &[Change; LANES], term: impl Fn(usize, f64) -> f64) -> [f64; LANES] {
        let mut sums = [0.0; LANES];
        let add_all = |sums: &mut [f64; LANES], values: &[f64]| {
            for &value in values {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    *sum += term(lane, value);
                }
            }
        };
        let mut touched: Vec<usize> = changes.iter().flatten().map(|&(host, _)| host).collect();
        touched.retain(|&host| host < self.values.len());
        touched.sort_unstable();
        touched.dedup();
        let mut start = 0;
        for host in touched {
            add_all(&mut sums, &self.values[start..host]);
            for (lane, (sum, change)) in sums.iter_mut().zip(changes).enumerate() {
                // Of two changes of one host the later one counts.
                let new = change.iter().rev().find(|(changed, _)| *changed == host).map(|&(_, value)| value);
                *sum += term(lane, new.unwrap_or(self.values[host]));
            }
            start = host + 1;
        }
        add_all(&mut sums, &self.values[start..]);
        sums
    }

    /// Between which numbers [`Self::standard_deviation_after`] lies.
    ///
    /// With unit roundoff u and n hosts, adding up n squares is off by at most n·u of their sum, and the mean by (n + 1)·u of the largest value,
    /// which moves the variance by the square of that. Our own sums are compensated: their few u are in the 64 besides n. Every change since adds a
    /// few u of the largest sum there has been.
    pub(crate) fn bounds_after(&self, change: &Change) -> Bounds {
        let (mut deviations, mut squares, mut most) = (self.deviations, self.squares, self.squares);
        let mut largest = self.largest;
        for &(host, value) in change {
            let (before, after) = (self.values[host] - self.center, value - self.center);
            deviations += after - before;
            squares += after * after - before * before;
            most += after * after;
            largest = largest.max(value.abs());
        }
        let count = self.count();
        let unit = 0.5 * f64::EPSILON;
        let mean_error = (count + 4.0) * unit * largest;
        let drift = 16.0 * f64::from(self.changes) * unit * self.peak;
        let error = (count + 64.0) * unit * most + drift + 2.0 * count * mean_error * mean_error;
        let variation = squares - deviations * deviations / count;
        Bounds {
            low: ((variation - error).max(0.0) / count).sqrt(),
            high: ((variation + error).max(0.0) / count).sqrt(),
        }
    }

    /// Gives two hosts other values for good.
    pub(crate) fn change(&mut self, change: &Change) {
        for &(host, value) in change {
            let (before, after) = (self.values[host] - self.center, value - self.center);
            self.deviations += after - before;
            self.squares += after * after - before * before;
            self.peak = self.peak.max(self.squares + before * before);
            self.largest = self.largest.max(value.abs());
            self.values[host] = value;
        }
        self.changes += 1;
        if self.changes >= CHANGES_UNTIL_RENEWAL {
            self.renew();
        }
    }
}

/// A sum that keeps what rounding cut off (Neumaier).
#[derive(Debug, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let next = self.sum + term;
        self.lost += if self.sum.abs() >= term.abs() { (self.sum - next) + term } else { (term - next) + self.sum };
        self.sum = next;
    }

    fn total(&self) -> f64 {
        self.sum + self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watcher_sdk::SplitMix64;

    #[test]
    fn bounds_hold_the_exact_result_and_are_narrow() {
        let mut random = SplitMix64::new(3);
        let mut number = |scale: f64| f64::from(random.below(1_000_000)) / 1e6 * scale;
        for count in [2_usize, 3, 10, 100, 1000] {
            for scale in [1.0, 1e-9, 1e6] {
                let offset = number(100.0 * scale);
                let mut spread = Spread::new((0..count).map(|_| offset + number(scale)).collect());
                for round in 0..600 {
                    let (a, b) = (round % count, (round * 7 + 1) % count);
                    if a == b {
                        continue;
                    }
                    let change = [(a, offset + number(scale)), (b, offset + number(scale))];
                    let bounds = spread.bounds_after(&change);
                    let exact = spread.standard_deviation_after(&change);
                    assert!(bounds.low <= exact && exact <= bounds.high, "{count} {scale}: {bounds:?} {exact}");
                    assert!(bounds.high - bounds.low <= 1e-5 * scale, "{count} {scale}: {bounds:?}");
                    spread.change(&change);
                }
            }
        }
    }

    #[test]
    fn many_changes_at_once_give_what_each_gives_alone() {
        let mut random = SplitMix64::new(5);
        for hosts in [2_usize, 3, 17, 64] {
            let mut spread = Spread::new((0..hosts).map(|_| f64::from(random.below(1000)) / 7.0).collect());
            for many in [0_u32, 1, 7, 8, 9, 40] {
                let mut host = || usize::try_from(random.below(u32::try_from(hosts).unwrap())).unwrap();
                let changes: Vec<Change> =
                    (0..many).map(|i| [(host(), f64::from(i) / 3.0), (host(), 100.0 - f64::from(i))]).collect();
                let alone: Vec<f64> = changes.iter().map(|change| spread.standard_deviation_after(change)).collect();
                let together = spread.standard_deviations_after(&changes);
                assert!(together.iter().zip(&alone).all(|(a, b)| a.to_bits() == b.to_bits()), "{together:?} {alone:?}");
                assert_eq!(together.len(), alone.len());
            }
        }
    }

    #[test]
    fn equal_values_have_no_spread() {
        let spread = Spread::new(vec![0.25; 8]);
        assert!(spread.standard_deviation() <= 0.0);
        assert!(spread.bounds_after(&[(0, 0.25), (1, 0.25)]).low <= 0.0);
        assert!(Spread::new(Vec::new()).standard_deviation() <= 0.0);
    }
}
