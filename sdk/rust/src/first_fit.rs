//! An index for first-fit packing: which is the first bin with enough of everything?
//!
//! Bins have a fixed order. Each offers `D` amounts; a search gives the first bin, in that order, whose every amount covers what
//! is needed. A tree of maxima lets a search pass over whole groups of full bins, so that packing does not cost
//! bins × items. Amounts are compared as they are: whoever needs more than `free >= need` (a sum that must be rounded in a
//! certain order, for example) offers an upper bound and checks the bin that is found.

/// Bins in a fixed order, searchable by what they have left.
///
/// ```
/// use watcher_sdk::FirstFit;
///
/// let mut bins = FirstFit::new([[4.0, 1.0], [1.0, 8.0], [4.0, 8.0]]);
/// assert_eq!(bins.first(0, 3, &[2.0, 2.0]), Some(2));
/// bins.set(0, [4.0, 3.0]);
/// assert_eq!(bins.first(0, 3, &[2.0, 2.0]), Some(0));
/// bins.close(0);
/// assert_eq!(bins.first(0, 2, &[2.0, 2.0]), None);
/// ```
#[derive(Debug, Clone)]
pub struct FirstFit<const D: usize> {
    /// Leaves are at `size..`; the parent of `i` is `i / 2` and holds the maxima of its children.
    tree: Vec<[f64; D]>,
    size: usize,
}

impl<const D: usize> FirstFit<D> {
    /// An index over bins with these free amounts.
    pub fn new(bins: impl IntoIterator<Item = [f64; D]>) -> Self {
        let bins: Vec<_> = bins.into_iter().collect();
        let size = bins.len().next_power_of_two();
        let mut tree = vec![[f64::NEG_INFINITY; D]; size];
        tree.extend(bins);
        tree.resize(2 * size, [f64::NEG_INFINITY; D]);
        for i in (1..size).rev() {
            tree[i] = larger(&tree[2 * i], &tree[2 * i + 1]);
        }
        Self { tree, size }
    }

    /// Changes what a bin has left. Nothing happens for a bin that is not there.
    pub fn set(&mut self, bin: usize, free: [f64; D]) {
        if bin >= self.size {
            return;
        }
        let mut i = bin + self.size;
        self.tree[i] = free;
        while i > 1 {
            i /= 2;
            let maxima = larger(&self.tree[2 * i], &self.tree[2 * i + 1]);
            self.tree[i] = maxima;
        }
    }

    /// Takes a bin out of all searches, until it is [set](Self::set) again.
    pub fn close(&mut self, bin: usize) {
        self.set(bin, [f64::NEG_INFINITY; D]);
    }

    /// The first bin from `from` and before `end` that has at least `need` of everything.
    pub fn first(&self, from: usize, end: usize, need: &[f64; D]) -> Option<usize> {
        if from >= end || from >= self.size {
            return None;
        }
        let levels = self.size.ilog2();
        let mut i = from + self.size;
        i >>= i.trailing_zeros().min(levels);
        loop {
            // The first leaf below `i`.
            let start = (i << (levels - i.ilog2())) - self.size;
            if start >= end {
                return None;
            }
            if covers(&self.tree[i], need) {
                if i >= self.size {
                    return Some(start);
                }
                i *= 2;
                continue;
            }
            // On to the largest subtree that begins where this one ends.
            i += 1;
            i >>= i.trailing_zeros();
            if i == 1 {
                return None;
            }
        }
    }
}

fn larger<const D: usize>(a: &[f64; D], b: &[f64; D]) -> [f64; D] {
    std::array::from_fn(|d| if a[d] > b[d] { a[d] } else { b[d] })
}

fn covers<const D: usize>(free: &[f64; D], need: &[f64; D]) -> bool {
    free.iter().zip(need).all(|(free, need)| free >= need)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix64;

    #[test]
    fn it_finds_what_a_plain_scan_finds() {
        let mut random = SplitMix64::new(7);
        let amounts = |random: &mut SplitMix64| [0; 3].map(|_| f64::from(random.below(6)));
        for len in 0..40_u32 {
            let mut bins: Vec<[f64; 3]> = (0..len).map(|_| amounts(&mut random)).collect();
            let mut index = FirstFit::new(bins.clone());
            for _ in 0..200 {
                if len > 0 {
                    let bin = random.below(len) as usize;
                    bins[bin] = amounts(&mut random);
                    index.set(bin, bins[bin]);
                }
                let (from, end) = (random.below(42) as usize, random.below(42) as usize);
                let need = amounts(&mut random);
                let plain = (from..end.min(bins.len())).find(|&bin| covers(&bins[bin], &need));
                assert_eq!(index.first(from, end, &need), plain, "{bins:?} {from}..{end} {need:?}");
            }
        }
    }
}
