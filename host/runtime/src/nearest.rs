//! Which of several names somebody may have meant.

/// Longest name that is compared: what a name costs is bounded.
const MAX_CHARS: usize = 200;

/// The known name that is nearest to `name`, if any is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_CHARS {
        return None;
    }
    let ranked = known.into_iter().filter(|other| other.len() <= MAX_CHARS).map(|other| (distance(name, other), other));
    let (distance, found) = ranked.min_by_key(|&(distance, _)| distance)?;
    (distance <= name.len().max(found.len()).div_ceil(3)).then_some(found)
}

/// How many bytes have to be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut corner = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, b) in other.bytes().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or_default();
            let left = row.get(j).copied().unwrap_or_default();
            let changed = corner + usize::from(a != b);
            corner = above;
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = changed.min(above + 1).min(left + 1);
            }
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_what_was_meant() {
        let known = ["execute", "describe", "global-efficacy"];
        assert_eq!(nearest("excute", known), Some("execute"));
        assert_eq!(nearest("global_efficacy", known), Some("global-efficacy"));
        assert_eq!(nearest("sockets", known), None);
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
