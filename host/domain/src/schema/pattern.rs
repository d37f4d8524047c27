//! How large the machine is that a pattern becomes: an estimate from its text, on the large side.
//!
//! Matching takes time in proportion to the text times the states that are followed at a time. Repetition multiplies them: twenty characters make
//! a thousand states.

use std::iter::Peekable;
use std::str::Chars;

/// States of what stands for any character but some: characters beyond ASCII have several bytes.
const ANY: u64 = 40;
/// States of a class of Unicode, as letters.
const UNICODE: u64 = 1_000;

/// A sequence that is being read: the states of what is whole, and those of its last item, which a repetition may multiply.
#[derive(Default)]
struct Sequence {
    before: u64,
    last: u64,
}

impl Sequence {
    fn item(&mut self, states: u64) {
        self.before = self.before.saturating_add(self.last);
        self.last = states;
    }

    fn states(&self) -> u64 {
        self.before.saturating_add(self.last)
    }
}

/// About how many states a pattern has, rather too many than too few. What is no pattern has some number.
pub(super) fn states(pattern: &str) -> u64 {
    let mut open: Vec<Sequence> = Vec::new();
    let mut sequence = Sequence::default();
    let mut chars = pattern.chars().peekable();
    while let Some(character) = chars.next() {
        match character {
            '\\' => sequence.item(escape(&mut chars)),
            '[' => sequence.item(class(&mut chars)),
            '(' => open.push(std::mem::take(&mut sequence)),
            ')' => {
                let group = sequence.states().saturating_add(2);
                sequence = open.pop().unwrap_or_default();
                sequence.item(group);
            }
            '{' => match repetition(&mut chars) {
                Some(times) => sequence.last = sequence.last.saturating_add(1).saturating_mul(times.max(1)),
                None => sequence.item(1),
            },
            '*' | '+' | '?' => sequence.last = sequence.last.saturating_add(2),
            '.' => sequence.item(ANY),
            other => sequence.item(other.len_utf8() as u64 + 1),
        }
    }
    let all = open.iter().map(Sequence::states).fold(sequence.states(), u64::saturating_add);
    // Letters that stand for both cases, and for some of other alphabets.
    if pattern.contains("(?") { all.saturating_mul(4) } else { all }
}

fn escape(chars: &mut Peekable<Chars<'_>>) -> u64 {
    match chars.next() {
        Some('p' | 'P') => {
            braces(chars);
            UNICODE
        }
        Some('x' | 'u' | 'U') => {
            braces(chars);
            4
        }
        Some('W' | 'D' | 'S') => ANY,
        _ => 4,
    }
}

/// Passes over a name or number in braces.
fn braces(chars: &mut Peekable<Chars<'_>>) {
    if chars.peek() == Some(&'{') {
        let _ = chars.find(|&character| character == '}');
    }
}

fn class(chars: &mut Peekable<Chars<'_>>) -> u64 {
    let (mut states, mut depth) = (1_u64, 1_u32);
    while let Some(character) = chars.next() {
        states = states.saturating_add(match character {
            '\\' => escape(chars),
            '^' => ANY,
            '[' => {
                depth += 1;
                1
            }
            ']' => {
                depth -= 1;
                1
            }
            _ if character.is_ascii() => 0,
            _ => ANY,
        });
        if depth == 0 {
            break;
        }
    }
    states
}

/// How often what stands before is there at most; none if this is no repetition.
fn repetition(chars: &mut Peekable<Chars<'_>>) -> Option<u64> {
    let mut ahead = chars.clone();
    let mut most = 0_u64;
    let mut number = 0_u64;
    loop {
        match ahead.next()? {
            digit @ '0'..='9' => {
                number = number.saturating_mul(10).saturating_add(u64::from(digit).saturating_sub(u64::from('0')));
            }
            ',' => most = std::mem::take(&mut number),
            ' ' => {}
            '}' => break,
            _ => return None,
        }
    }
    *chars = ahead;
    Some(most.max(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_multiply_what_they_repeat() {
        assert!(states("^[a-z0-9_-]+$") < 64);
        assert!(states("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$") < 200);
        assert!(states("a[ab]{1000}c") > 1_000);
        assert!(states("(a{100}){100}") > 10_000);
        assert!(states("((a{9}b){9,}c){0,9}") > 9 * 9 * 9);
        assert!(states(r"\p{L}{100}") > 50_000 && states(r"[\p{L}\d]{100}") > 50_000 && states(".{100}") > 2_000);
        assert!(states(r"(?i)a{1000}") > 4_000);
        assert_eq!(states("a{b}"), states("a{b}"));
        for odd in ["", "[", "(((", ")))", "a{", "a{99999999999999999999}", "a{1,2", "\\", "[[[]", r"\p{"] {
            let _ = states(odd);
        }
    }
}
