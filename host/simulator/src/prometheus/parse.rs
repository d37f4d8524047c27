//! PromQL tokens as a tree.

use regex::Regex;

use super::QueryError;
use super::ast::{Aggregation, Expr, Function, Grouping, Matcher, Matching, Operator, Selector, Side, Test, Type};
use super::lex::{Token, tokens};

/// Nesting of parentheses and signs.
const MAX_DEPTH: usize = 48;
/// Operators in a query: a chain of them is as deep a tree as it is long.
const MAX_OPERATORS: usize = 256;

/// Reads a query.
///
/// # Errors
/// [`QueryError::BadData`] says what is wrong, or what is not supported.
pub(super) fn parse(text: &str) -> Result<Expr, QueryError> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err(QueryError::bad("parse error: no expression found in input"));
    }
    let mut parser = Parser { tokens, at: 0, depth: 0, operators: 0 };
    let expr = parser.expression(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(QueryError::bad(format!("parse error: unexpected {}", show(token)))),
    }
}

fn show(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("identifier {word:?}"),
        Token::Number(number) => format!("number {number}"),
        Token::Duration(seconds) => format!("duration of {seconds}s"),
        Token::Text(text) => format!("string {text:?}"),
        Token::Symbol(symbol) => format!("{symbol:?}"),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    operators: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(given)) if *given == symbol);
        self.at += usize::from(found);
        found
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(given)) if given.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), QueryError> {
        if self.accept(symbol) { Ok(()) } else { Err(self.unexpected(symbol)) }
    }

    fn unexpected(&self, wanted: &str) -> QueryError {
        let given = self.peek().map_or_else(|| "end of input".to_owned(), show);
        QueryError::bad(format!("parse error: unexpected {given}, expected {wanted:?}"))
    }

    fn expression(&mut self, weakest: u8) -> Result<Expr, QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(QueryError::bad("parse error: the query is nested too deeply"));
        }
        let mut left = self.unary()?;
        while let Some(operator) = self.operator().filter(|operator| operator.strength() > weakest) {
            self.operators += 1;
            if self.operators > MAX_OPERATORS {
                return Err(QueryError::bad("parse error: the query has too many operators"));
            }
            self.at += 1;
            let matching = self.matching(operator)?;
            // A power binds to the right, all else to the left.
            let strength = operator.strength() - u8::from(operator == Operator::Power);
            let right = self.expression(strength)?;
            check_operands(operator, &matching, &left, &right)?;
            left = Expr::Binary { operator, matching, left: Box::new(left), right: Box::new(right) };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<Operator> {
        Some(match self.peek()? {
            Token::Symbol(symbol) => match *symbol {
                "+" => Operator::Add,
                "-" => Operator::Subtract,
                "*" => Operator::Multiply,
                "/" => Operator::Divide,
                "%" => Operator::Modulo,
                "^" => Operator::Power,
                "==" => Operator::Equal,
                "!=" => Operator::NotEqual,
                ">" => Operator::Greater,
                "<" => Operator::Less,
                ">=" => Operator::GreaterOrEqual,
                "<=" => Operator::LessOrEqual,
                _ => return None,
            },
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "and" => Operator::And,
                "or" => Operator::Or,
                "unless" => Operator::Unless,
                _ => return None,
            },
            Token::Number(_) | Token::Duration(_) | Token::Text(_) => return None,
        })
    }

    fn matching(&mut self, operator: Operator) -> Result<Matching, QueryError> {
        let mut matching = Matching { bool_result: self.accept_word("bool"), ..Matching::default() };
        if matching.bool_result && !operator.is_comparison() {
            return Err(QueryError::bad("parse error: bool modifier can only be used on comparison operators"));
        }
        if self.accept_word("on") {
            matching.labels = Some((true, self.label_list()?));
        } else if self.accept_word("ignoring") {
            matching.labels = Some((false, self.label_list()?));
        }
        let side = if self.accept_word("group_left") {
            Some(Side::Left)
        } else if self.accept_word("group_right") {
            Some(Side::Right)
        } else {
            None
        };
        if let Some(side) = side {
            if matching.labels.is_none() || operator.is_set() {
                return Err(QueryError::bad("parse error: unexpected group modifier"));
            }
            let labels = if matches!(self.peek(), Some(Token::Symbol("("))) { self.label_list()? } else { Vec::new() };
            matching.group = Some((side, labels));
        }
        Ok(matching)
    }

    fn label_list(&mut self) -> Result<Vec<String>, QueryError> {
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.accept(")") {
            let Some(Token::Word(label)) = self.next() else {
                self.at -= 1;
                return Err(self.unexpected("label"));
            };
            labels.push(label);
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(labels)
    }

    fn unary(&mut self) -> Result<Expr, QueryError> {
        if self.accept("+") {
            return self.signed();
        }
        if self.accept("-") {
            let of = self.signed()?;
            if !matches!(of.kind(), Type::Scalar | Type::Vector) {
                return Err(QueryError::bad(format!(
                    "parse error: unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                    of.kind().as_str()
                )));
            }
            return Ok(match of {
                Expr::Number(number) => Expr::Number(-number),
                other => Expr::Negate(Box::new(other)),
            });
        }
        self.primary()
    }

    /// What a sign stands before: a power binds tighter than a sign.
    fn signed(&mut self) -> Result<Expr, QueryError> {
        self.expression(Operator::Power.strength() - 1)
    }

    fn primary(&mut self) -> Result<Expr, QueryError> {
        let expr = match self.next() {
            Some(Token::Number(number)) => Expr::Number(number),
            Some(Token::Text(text)) => Expr::Text(text),
            Some(Token::Symbol("(")) => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                inner
            }
            Some(Token::Symbol("{")) => {
                self.at -= 1;
                self.selector(None)?
            }
            Some(Token::Word(word)) => self.named(word)?,
            _ => {
                self.at -= 1;
                return Err(self.unexpected("expression"));
            }
        };
        match self.peek() {
            Some(Token::Symbol("[")) => Err(QueryError::bad("parse error: subqueries are not supported")),
            Some(Token::Symbol("@")) => Err(QueryError::bad("parse error: the @ modifier is not supported")),
            _ => Ok(expr),
        }
    }

    fn named(&mut self, word: String) -> Result<Expr, QueryError> {
        let lower = word.to_ascii_lowercase();
        if matches!(lower.as_str(), "inf" | "nan") {
            return Ok(Expr::Number(if lower == "inf" { f64::INFINITY } else { f64::NAN }));
        }
        let called = matches!(self.peek(), Some(Token::Symbol("(")));
        let grouped = matches!(self.peek(), Some(Token::Word(next)) if matches!(next.as_str(), "by" | "without"));
        if called || grouped {
            if let Some(operator) = Aggregation::named(&lower) {
                return self.aggregate(operator);
            }
            return match Function::named(&word) {
                Some(function) if called => self.call(&word, function),
                _ => Err(QueryError::bad(format!("parse error: unknown or unsupported function with name {word:?}"))),
            };
        }
        self.selector(Some(word))
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, QueryError> {
        if self.accept_word("by") {
            return Ok(Some(Grouping::By(self.label_list()?)));
        }
        if self.accept_word("without") {
            return Ok(Some(Grouping::Without(self.label_list()?)));
        }
        Ok(None)
    }

    fn aggregate(&mut self, operator: Aggregation) -> Result<Expr, QueryError> {
        let before = self.grouping()?;
        self.expect("(")?;
        let of = self.expression(0)?;
        self.expect(")")?;
        let grouping = match before {
            Some(grouping) => grouping,
            None => self.grouping()?.unwrap_or(Grouping::By(Vec::new())),
        };
        if of.kind() != Type::Vector {
            return Err(wrong_type("aggregation expression", Type::Vector, of.kind()));
        }
        Ok(Expr::Aggregate { operator, grouping, of: Box::new(of) })
    }

    fn call(&mut self, name: &str, function: Function) -> Result<Expr, QueryError> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.accept(")") {
            arguments.push(self.expression(0)?);
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        let wanted = function.arguments();
        if arguments.len() != wanted.len() {
            return Err(QueryError::bad(format!(
                "parse error: expected {} argument(s) in call to {name:?}, got {}",
                wanted.len(),
                arguments.len()
            )));
        }
        for (argument, &wanted) in arguments.iter().zip(wanted) {
            if argument.kind() != wanted {
                return Err(wrong_type(&format!("call to function {name:?}"), wanted, argument.kind()));
            }
        }
        Ok(Expr::Call { function, arguments })
    }

    fn selector(&mut self, name: Option<String>) -> Result<Expr, QueryError> {
        let mut matchers = Vec::new();
        if let Some(name) = name {
            matchers.push(Matcher { label: "__name__".to_owned(), test: Test::Equal(name) });
        }
        if self.accept("{") {
            while !self.accept("}") {
                matchers.push(self.matcher()?);
                if !self.accept(",") {
                    self.expect("}")?;
                    break;
                }
            }
        }
        if matchers.iter().all(|matcher| matcher.test.takes("")) {
            return Err(QueryError::bad("parse error: vector selector must contain at least one non-empty matcher"));
        }
        let range_s = if self.accept("[") {
            let seconds = match self.next() {
                Some(Token::Duration(seconds) | Token::Number(seconds)) if seconds > 0.0 => seconds,
                _ => return Err(QueryError::bad("parse error: duration must be greater than 0")),
            };
            if matches!(self.peek(), Some(Token::Symbol(":"))) {
                return Err(QueryError::bad("parse error: subqueries are not supported"));
            }
            self.expect("]")?;
            Some(seconds)
        } else {
            None
        };
        let offset_s = if self.accept_word("offset") {
            let sign = if self.accept("-") { -1.0 } else { 1.0 };
            match self.next() {
                Some(Token::Duration(seconds) | Token::Number(seconds)) => sign * seconds,
                _ => return Err(QueryError::bad("parse error: unexpected offset, expected duration")),
            }
        } else {
            0.0
        };
        Ok(Expr::Selector(Selector { matchers, range_s, offset_s }))
    }

    fn matcher(&mut self) -> Result<Matcher, QueryError> {
        let Some(Token::Word(label)) = self.next() else {
            self.at -= 1;
            return Err(self.unexpected("label"));
        };
        let operator = ["=~", "!~", "!=", "="].into_iter().find(|symbol| self.accept(symbol));
        let operator = operator.ok_or_else(|| self.unexpected("label matching operator"))?;
        let Some(Token::Text(value)) = self.next() else {
            self.at -= 1;
            return Err(self.unexpected("string"));
        };
        let pattern = || {
            Regex::new(&format!("^(?s:{value})$"))
                .map_err(|_| QueryError::bad(format!("parse error: error parsing regexp {value:?}")))
        };
        let test = match operator {
            "=~" => Test::Matches(pattern()?),
            "!~" => Test::MatchesNot(pattern()?),
            "!=" => Test::NotEqual(value),
            _ => Test::Equal(value),
        };
        Ok(Matcher { label, test })
    }
}

fn wrong_type(place: &str, wanted: Type, given: Type) -> QueryError {
    QueryError::bad(format!("parse error: expected type {} in {place}, got {}", wanted.as_str(), given.as_str()))
}

fn check_operands(operator: Operator, matching: &Matching, left: &Expr, right: &Expr) -> Result<(), QueryError> {
    for side in [left, right] {
        if !matches!(side.kind(), Type::Scalar | Type::Vector) {
            return Err(QueryError::bad(
                "parse error: binary expression must contain only scalar and instant vector types",
            ));
        }
    }
    let scalars = [left, right].into_iter().filter(|side| side.kind() == Type::Scalar).count();
    if scalars > 0 && operator.is_set() {
        return Err(QueryError::bad("parse error: set operator not allowed in binary scalar expression"));
    }
    if scalars > 0 && matching.labels.is_some() {
        return Err(QueryError::bad("parse error: vector matching only allowed between instant vectors"));
    }
    if scalars == 2 && operator.is_comparison() && !matching.bool_result {
        return Err(QueryError::bad("parse error: comparisons between scalars must use BOOL modifier"));
    }
    Ok(())
}
