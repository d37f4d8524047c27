//! PromQL text as tokens.

use super::QueryError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Number(f64),
    /// In seconds.
    Duration(f64),
    Text(String),
    Symbol(&'static str),
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 26] = [
    "=~", "!~", "!=", "==", ">=", "<=", "(", ")", "{", "}", "[", "]", ",", "=", "+", "-", "*", "/", "%", "^", ">", "<",
    ":", "@", ";", "|",
];

/// Tokens of a query; many more than any sensible query has.
const MAX_TOKENS: usize = 20_000;

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix('#') {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let Some(first) = rest.chars().next() else { return Ok(found) };
        if found.len() >= MAX_TOKENS {
            return Err(QueryError::bad("parse error: the query is too long"));
        }
        let (token, length) = match first {
            '"' | '\'' | '`' => text_literal(rest, first)?,
            '0'..='9' => number(rest)?,
            '.' if rest[1..].starts_with(|next: char| next.is_ascii_digit()) => number(rest)?,
            'a'..='z' | 'A'..='Z' | '_' => word(rest),
            _ => {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                let symbol =
                    symbol.ok_or_else(|| QueryError::bad(format!("parse error: unexpected character: {first:?}")))?;
                (Token::Symbol(symbol), symbol.len())
            }
        };
        found.push(token);
        rest = &rest[length..];
    }
}

fn word(rest: &str) -> (Token, usize) {
    let end =
        rest.find(|next: char| !(next.is_ascii_alphanumeric() || next == '_' || next == ':')).unwrap_or(rest.len());
    (Token::Word(rest[..end].to_owned()), end)
}

fn number(rest: &str) -> Result<(Token, usize), QueryError> {
    let bytes = rest.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if let Some(hex) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let length = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
        let value = u32::from_str_radix(&hex[..length], 16).map_err(|_| malformed(rest))?;
        return Ok((Token::Number(f64::from(value)), length + 2));
    }
    let mut end = digits(0);
    if bytes.get(end).is_some_and(|&byte| unit(byte).is_some()) {
        return duration(rest);
    }
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let after = digits((end + 1 + sign).min(bytes.len()));
        if after > end + 1 + sign {
            end = after;
        }
    }
    let glued = bytes.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let value = rest[..end].parse().ok().filter(|_| !glued).ok_or_else(|| malformed(rest))?;
    Ok((Token::Number(value), end))
}

fn malformed(rest: &str) -> QueryError {
    let shown: String = rest.chars().take(20).collect();
    QueryError::bad(format!("parse error: bad number or duration syntax: {shown:?}"))
}

/// Seconds of the unit that starts with this letter.
fn unit(letter: u8) -> Option<f64> {
    Some(match letter {
        b's' => 1.0,
        b'm' => 60.0,
        b'h' => 3600.0,
        b'd' => 86_400.0,
        b'w' => 604_800.0,
        b'y' => 31_536_000.0,
        _ => return None,
    })
}

/// `300s`, `5m`, `1h30m`, `500ms`.
fn duration(rest: &str) -> Result<(Token, usize), QueryError> {
    let bytes = rest.as_bytes();
    let (mut at, mut seconds) = (0, 0.0);
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let amount: f64 = rest[at..end].parse().map_err(|_| malformed(rest))?;
        let (factor, length) = if rest[end..].starts_with("ms") {
            (0.001, 2)
        } else {
            (bytes.get(end).copied().and_then(unit).ok_or_else(|| malformed(rest))?, 1)
        };
        seconds += amount * factor;
        at = end + length;
    }
    if bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') || !seconds.is_finite() {
        return Err(malformed(rest));
    }
    Ok((Token::Duration(seconds), at))
}

fn text_literal(rest: &str, quote: char) -> Result<(Token, usize), QueryError> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Ok((Token::Text(text), at + quote.len_utf8())),
            '\\' if quote != '`' => match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, escaped @ ('\\' | '"' | '\''))) => text.push(escaped),
                _ => return Err(QueryError::bad("parse error: unknown escape sequence")),
            },
            '\n' if quote != '`' => break,
            _ => text.push(character),
        }
    }
    Err(QueryError::bad("parse error: unterminated quoted string"))
}
