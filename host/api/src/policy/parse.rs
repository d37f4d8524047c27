//! From the text of a policy file to a [`Check`].
//!
//! The language is that of oslo.policy: `not` binds closer than `and`, `and` closer than `or`; words are parted by white space, and
//! parentheses stand at the beginning or end of a word. What oslo.policy would take for "never" or fail on later is refused here.

use watcher_domain::spelling::nearest;

use super::check::{Check, Constant, Part, Template};
use super::subject::{Attribute, Target};

/// Longest text of a check, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// Deepest nesting of parentheses and `not`.
const MAX_DEPTH: usize = 32;

/// Why a text is no check. It says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Nothing but white space.
    #[error("nothing is asked for; \"@\" allows everybody and \"!\" nobody")]
    Blank,
    /// Longer than any check of an operator.
    #[error("it is longer than {MAX_TEXT} bytes")]
    TooLong,
    /// Nested deeper than any check of an operator.
    #[error("it is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The text ends where a check must follow.
    #[error("it ends where a check such as role:admin must follow{}", after(.0))]
    Unfinished(String),
    /// Something stands where a check must.
    #[error("{0:?} stands where a check such as role:admin must")]
    NoCheck(String),
    /// Two checks follow each other.
    #[error("{0:?} follows a check: \"and\" or \"or\" must stand between")]
    NoOperator(String),
    /// A parenthesis is never closed.
    #[error("a parenthesis is not closed")]
    Open,
    /// A parenthesis is closed that was never opened.
    #[error("a parenthesis is closed that was not opened")]
    Closed,
    /// A word without a colon.
    #[error("{0:?} is no check: it must be of the form KIND:VALUE, such as role:admin")]
    NoColon(String),
    /// Quotes around the whole.
    #[error("{0} is a quoted text, not a check: quotes belong to the left of the colon only, as in 'text':%(name)s")]
    Quoted(String),
    /// The left side of the colon means nothing.
    #[error(
        "{word:?} is nothing that can be asked for: rule, role, an attribute of the caller ({}), 'text', a whole number, True, \
         False or None{}",
        known(), suggestion(*.nearest)
    )]
    Kind {
        /// The left side.
        word: String,
        /// What was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// A check that asks another server.
    #[error("checks that ask another server ({0}:) are not supported")]
    Remote(String),
    /// The right side of the colon is empty.
    #[error("{0:?} has nothing on the right of the colon")]
    NoValue(String),
    /// A percent sign that is no attribute.
    #[error("% must be followed by (NAME)s, such as %(project_id)s, or by another %")]
    Percent,
    /// No target has this attribute.
    #[error("%({name})s is not known: a target has {}", Target::ATTRIBUTES.join(", "))]
    TargetAttribute {
        /// The attribute.
        name: String,
    },
}

fn after(word: &str) -> String {
    if word.is_empty() { String::new() } else { format!(" after {word:?}") }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

fn known() -> String {
    Attribute::ALL.iter().map(|attribute| attribute.name()).collect::<Vec<_>>().join(", ")
}

/// A word of the language.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    And(&'a str),
    Or(&'a str),
    Not(&'a str),
    Word(&'a str),
}

impl<'a> Token<'a> {
    fn text(&self) -> &'a str {
        match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::And(text) | Self::Or(text) | Self::Not(text) | Self::Word(text) => text,
        }
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let bare = word.trim_start_matches('(');
        tokens.extend(std::iter::repeat_n(Token::Open, word.len() - bare.len()));
        let clean = bare.trim_end_matches(')');
        match clean.to_ascii_lowercase().as_str() {
            "" => {}
            "and" => tokens.push(Token::And(clean)),
            "or" => tokens.push(Token::Or(clean)),
            "not" => tokens.push(Token::Not(clean)),
            _ => tokens.push(Token::Word(clean)),
        }
        tokens.extend(std::iter::repeat_n(Token::Close, bare.len() - clean.len()));
    }
    tokens
}

impl std::str::FromStr for Check {
    type Err = ParseError;

    /// An empty text allows everybody, as in oslo.policy.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Ok(Self::Always);
        }
        if text.len() > MAX_TEXT {
            return Err(ParseError::TooLong);
        }
        let tokens = tokens(text);
        if tokens.is_empty() {
            return Err(ParseError::Blank);
        }
        let mut reader = Reader { tokens: &tokens, place: 0 };
        let check = reader.any(0)?;
        match reader.peek() {
            None => Ok(check),
            Some(Token::Close) => Err(ParseError::Closed),
            Some(other) => Err(ParseError::NoOperator(other.text().to_owned())),
        }
    }
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    place: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.place)
    }

    /// `… or … or …`
    fn any(&mut self, depth: usize) -> Result<Check, ParseError> {
        let mut checks = vec![self.all(depth)?];
        while let Some(Token::Or(_)) = self.peek() {
            self.place += 1;
            checks.push(self.all(depth)?);
        }
        Ok(single_or(checks, Check::Any))
    }

    /// `… and … and …`
    fn all(&mut self, depth: usize) -> Result<Check, ParseError> {
        let mut checks = vec![self.one(depth)?];
        while let Some(Token::And(_)) = self.peek() {
            self.place += 1;
            checks.push(self.one(depth)?);
        }
        Ok(single_or(checks, Check::All))
    }

    /// A check, one that is turned round, or one in parentheses.
    fn one(&mut self, depth: usize) -> Result<Check, ParseError> {
        if depth > MAX_DEPTH {
            return Err(ParseError::TooDeep);
        }
        let before = self.place.checked_sub(1).map_or("", |place| self.tokens[place].text());
        let token = self.peek().ok_or_else(|| ParseError::Unfinished(before.to_owned()))?;
        self.place += 1;
        match token {
            Token::Not(_) => Ok(Check::Not(Box::new(self.one(depth + 1)?))),
            Token::Word(word) => atom(word),
            Token::Open => {
                let check = self.any(depth + 1)?;
                match self.peek() {
                    Some(Token::Close) => {
                        self.place += 1;
                        Ok(check)
                    }
                    None => Err(ParseError::Open),
                    Some(other) => Err(ParseError::NoOperator(other.text().to_owned())),
                }
            }
            Token::Close | Token::And(_) | Token::Or(_) => Err(ParseError::NoCheck(token.text().to_owned())),
        }
    }
}

fn single_or(mut checks: Vec<Check>, many: fn(Vec<Check>) -> Check) -> Check {
    match (checks.pop(), checks.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            checks.extend(last);
            many(checks)
        }
    }
}

/// A single check.
pub(super) fn atom(word: &str) -> Result<Check, ParseError> {
    match word {
        "@" => return Ok(Check::Always),
        "!" => return Ok(Check::Never),
        _ => {}
    }
    let quoted = |quote: char| word.len() >= 2 && word.starts_with(quote) && word.ends_with(quote);
    if quoted('\'') || quoted('"') {
        return Err(ParseError::Quoted(word.to_owned()));
    }
    let (kind, value) = word.split_once(':').ok_or_else(|| ParseError::NoColon(word.to_owned()))?;
    if value.is_empty() {
        return Err(ParseError::NoValue(word.to_owned()));
    }
    match kind {
        "rule" => return Ok(Check::Rule(value.to_owned())),
        "role" => return Ok(Check::Role(template(value)?)),
        "http" | "https" => return Err(ParseError::Remote(kind.to_owned())),
        _ => {}
    }
    if let Some(attribute) = Attribute::named(kind) {
        return Ok(Check::Caller(attribute, template(value)?));
    }
    if let Some(constant) = constant(kind) {
        return Ok(Check::Constant(constant, template(value)?));
    }
    let names = Attribute::ALL.iter().map(|attribute| attribute.name()).chain(["rule", "role"]);
    Err(ParseError::Kind { word: kind.to_owned(), nearest: nearest(kind, names) })
}

/// A constant, if it is one whose written form is its only one.
fn constant(text: &str) -> Option<Constant> {
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            let plain = !inner.contains([quote, '\\']);
            return plain.then(|| Constant::Text(inner.to_owned()));
        }
    }
    let digits = text.strip_prefix('-').filter(|rest| *rest != "0").unwrap_or(text);
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.is_empty()
        && (digits == "0" || !digits.starts_with('0'));
    (whole || matches!(text, "True" | "False" | "None")).then(|| Constant::Word(text.to_owned()))
}

fn template(text: &str) -> Result<Template, ParseError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('%') {
            plain.push('%');
            rest = after;
            continue;
        }
        let (name, after) =
            after.strip_prefix('(').and_then(|inner| inner.split_once(")s")).ok_or(ParseError::Percent)?;
        if !Target::ATTRIBUTES.contains(&name) {
            return Err(ParseError::TargetAttribute { name: name.to_owned() });
        }
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Target(name.to_owned()));
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(Template(parts))
}
