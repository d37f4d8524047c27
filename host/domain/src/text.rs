//! Texts that people read on terminals and in logs, whoever wrote them.

use std::borrow::Cow;

/// Whether a character steers what shows the text instead of being shown: control characters (C0, DEL and C1), which terminals take for commands,
/// and those that turn the direction of what follows (U+202A to U+202E, U+2066 to U+2069), which make a text read as another one.
pub fn is_steering(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first character of a text of one line that steers.
pub fn steering(text: &str) -> Option<char> {
    text.chars().find(|&character| is_steering(character))
}

/// The first character of a text of several lines that steers; ends of lines and tabs belong to it.
pub fn steering_in_lines(text: &str) -> Option<char> {
    text.chars().find(|&character| is_steering(character) && !matches!(character, '\n' | '\r' | '\t'))
}

/// The text in one line: a space for every character that steers.
pub fn one_line(text: &str) -> String {
    text.chars().map(|character| if is_steering(character) { ' ' } else { character }).collect()
}

/// The text with its lines and tabs, and U+FFFD for every other character that steers.
pub fn lines(text: &str) -> Cow<'_, str> {
    if steering_in_lines(text).is_none() {
        return Cow::Borrowed(text);
    }
    let neutral = |character: char| match character {
        '\n' | '\t' => character,
        _ if is_steering(character) => char::REPLACEMENT_CHARACTER,
        _ => character,
    };
    Cow::Owned(text.chars().map(neutral).collect())
}

/// The beginning and the end of a text, which take `most` bytes together, with what is left out between them counted; the whole text if it is
/// no longer.
pub fn middle_cut(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let head = text.floor_char_boundary(most / 4 * 3);
    let tail = text.ceil_char_boundary(text.len() - most / 4);
    format!("{} … ({} bytes) … {}", &text[..head], tail - head, &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_turns_a_text_round_is_found_and_neutralised() {
        for odd in
            ['\0', '\u{7}', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}']
        {
            let text = format!("a{odd}b");
            assert_eq!((steering(&text), steering_in_lines(&text)), (Some(odd), Some(odd)), "{odd:?}");
            assert_eq!((one_line(&text).as_str(), lines(&text).as_ref()), ("a b", "a\u{fffd}b"));
        }
        for fine in ["größer", "مرحبا", "🎉 \u{200d}", "a\u{200f}b", ""] {
            assert_eq!((steering(fine), one_line(fine).as_str(), lines(fine).as_ref()), (None, fine, fine));
        }
        assert_eq!((steering("a\nb"), steering_in_lines("a\r\n\tb")), (Some('\n'), None));
        assert_eq!(lines("a\n\tb"), "a\n\tb");
    }

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        assert_eq!(middle_cut("short".to_owned(), 100), "short");
        let text = format!("begin {} end", "é".repeat(1000));
        let cut = middle_cut(text, 100);
        assert!(cut.starts_with("begin é") && cut.ends_with("é end") && cut.contains(" bytes) … "), "{cut}");
        assert!(cut.len() < 140, "{}", cut.len());
    }
}
