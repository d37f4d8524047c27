//! What somebody perhaps meant by a name that is not known.

/// Most changes of one letter between a name and what it may be a slip of.
const MOST_CHANGES: usize = 3;
/// Longer names are nobody's slip; comparing them would take time for nothing.
const LONGEST: usize = 200;

/// The known name that needs the fewest changes, if it needs few.
///
/// Parts of a name are parted by `.` or `:`. The right last part under a wrong first one is a likely slip too. Of two equally near
/// names the first in order counts.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let last = |name: &str| name.rsplit(['.', ':']).next().unwrap_or_default().to_owned();
    known
        .into_iter()
        .map(|candidate| {
            let whole = distance(name, candidate);
            let option = distance(&last(name), &last(candidate)) + 1;
            (whole.min(option), candidate)
        })
        .min()
        .filter(|(distance, candidate)| *distance <= MOST_CHANGES.min(candidate.len() / 2))
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_found_if_it_is_near() {
        let known = ["api.listen", "api.max_limit", "log.level", "applier.max_workers"];
        for (name, want) in [
            ("api.lisen", Some("api.listen")),
            ("apii.max_limits", Some("api.max_limit")),
            ("engine.max_limit", Some("api.max_limit")),
            ("something.else", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), want, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
        assert_eq!(nearest("audit:get_al", ["audit:get", "audit:get_all", "goal:get_all"]), Some("audit:get_all"));
    }
}
