//! The parser takes what it should, and survives everything.

use proptest::prelude::*;

use super::QueryError;
use super::ast::{Expr, Operator, Type};
use super::parse::parse;

#[test]
fn the_queries_of_the_datasource_are_understood() {
    for query in [
        "100 - (avg by (fqdn)(rate(node_cpu_seconds_total{mode='idle',fqdn='some_host'}[300s])) * 100)",
        "(node_memory_MemTotal_bytes{fqdn='h'} - avg_over_time(node_memory_MemAvailable_bytes{fqdn='h'}[300s])) / 1024",
        "max_over_time(ceilometer_memory_usage{resource='u'}[72s])",
        "clamp_max((avg by (resource)(rate(ceilometer_cpu{resource='u'}[300s]))/10e+8) *(100/4), 100)",
    ] {
        assert_eq!(parse(query).map(|expr| expr.kind()), Ok(Type::Vector), "{query}");
    }
}

#[test]
fn operators_bind_as_in_prometheus() {
    let top = |query: &str| match parse(query) {
        Ok(Expr::Binary { operator, .. }) => Some(operator),
        _ => None,
    };
    assert_eq!(top("a + b * c"), Some(Operator::Add));
    assert_eq!(top("a * b + c"), Some(Operator::Add));
    assert_eq!(top("a > b + c"), Some(Operator::Greater));
    assert_eq!(top("a or b and c"), Some(Operator::Or));
    assert_eq!(top("a ^ b * c"), Some(Operator::Multiply));
    assert!(matches!(parse("-a ^ b"), Ok(Expr::Negate(_))));
}

#[test]
fn durations_numbers_and_texts_are_read() {
    let range = |query: &str| match parse(query) {
        Ok(Expr::Selector(selector)) => selector.range_s,
        _ => None,
    };
    assert_eq!(range("up[5m]"), Some(300.0));
    assert_eq!(range("up[1h30m]"), Some(5400.0));
    assert_eq!(range("up[500ms]"), Some(0.5));
    assert_eq!(range("up[90]"), Some(90.0));
    assert!(matches!(parse(".5"), Ok(Expr::Number(number)) if (number - 0.5).abs() < f64::EPSILON));
    assert!(matches!(parse(r#""a\"b""#), Ok(Expr::Text(text)) if text == "a\"b"));
    assert!(matches!(parse("`a\\b`"), Ok(Expr::Text(text)) if text == "a\\b"));
    assert!(parse("# only\n up # a comment").is_ok());
}

#[test]
fn what_is_wrong_is_bad_data() {
    for query in [
        "",
        "   ",
        "# nothing",
        "up{",
        "up{a}",
        "up{a=b}",
        "up{a='b'",
        "up[",
        "up[0s]",
        "up[5x]",
        "(up",
        "up)",
        "5m5",
        "1abc",
        "'open",
        "up{a=~'('}",
        "{a=''}",
        "{a=~'.*'}",
        "sum(up[5m])",
        "rate(up)",
        "nothing(up)",
        "up up",
        "clamp_max(up)",
        "1 > 2",
        "up and 1",
        "up + bool up",
        "up + group_left up",
        "-'a'",
        "é",
    ] {
        assert!(matches!(parse(query), Err(QueryError::BadData(_))), "{query}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    assert!(parse(&"(".repeat(100_000)).is_err());
    assert!(parse(&"-".repeat(19_000)).is_err());
    assert!(parse(&vec!["1"; 5_000].join("+")).is_err());
    assert!(parse(&vec!["1"; 200].join("+")).is_ok());
    assert!(parse(&vec!["1"; 200].join("^")).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_mixture_of_tokens_makes_the_parser_panic(
        tokens in proptest::collection::vec(
            prop::sample::select(vec![
                "up", "sum", "by", "on", "rate", "(", ")", "{", "}", "[", "]", ",", "=", "=~", "!=", "+", "-", "*",
                "/", "^", "==", "bool", "group_left", "offset", "and", "5m", "300s", "1", "10e+8", "0x", "1e", "'a'",
                "\"(\"", "`", "@", ":", "#", "\\", "é",
            ]),
            0..24,
        ),
        gap in "[ ]?",
    ) {
        let _ = parse(&tokens.join(&gap));
    }
}
