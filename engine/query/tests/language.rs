//! The language: what is printed parses to the same tree, and nothing that is typed does harm.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

use postlode_query::lang::{Field, MAX_BYTES, MAX_DEPTH, MAX_TERMS, Node, Term, parse, print};
use proptest::prelude::*;

fn term(field: Field, value: &str, quoted: bool) -> Node {
    Node::Term(Term { field, value: value.to_owned(), quoted, at: 0 })
}

fn word(value: &str) -> Node {
    term(Field::Any, value, false)
}

fn fields() -> impl Strategy<Value = Field> {
    let all: Vec<Field> = Field::NAMES.iter().map(|(_, f)| *f).chain([Field::Any; 6]).collect();
    prop::sample::select(all)
}

fn trees() -> impl Strategy<Value = Node> {
    let quoted = (fields(), ".{0,12}").prop_map(|(f, v)| term(f, &v, true));
    let plain = (fields(), "[a-zé0-9][a-zé0-9@./-]{0,12}").prop_map(|(f, v)| term(f, &v, false));
    prop_oneof![quoted, plain].prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::Or),
            inner.prop_map(|n| Node::Not(Box::new(n))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_parses_to_the_same_tree(tree in trees()) {
        let text = print(&tree);
        prop_assert_eq!(parse(&text)?, tree, "{}", text);
    }

    #[test]
    fn any_input_is_survived(text: String) {
        drop(parse(&text));
    }

    #[test]
    fn any_mix_of_the_languages_own_pieces_is_survived(pieces in prop::collection::vec(prop::sample::select(vec![
        "(", ")", "\"", "-", "OR", "AND", "NOT", " ", "from:", "before:", "x", "\\", ":", "é", "subject:(", "--",
    ]), 0..60)) {
        let text = pieces.concat();
        match parse(&text) {
            Ok(tree) => prop_assert_eq!(parse(&print(&tree)).unwrap(), tree),
            Err(error) => {
                prop_assert!(error.position >= 1);
                prop_assert!(error.position <= text.chars().count() + 1);
            }
        }
    }
}

#[test]
fn the_shapes_of_the_language() {
    assert_eq!(parse("  ").unwrap(), Node::And(vec![]));
    assert_eq!(parse("a b").unwrap(), Node::And(vec![word("a"), word("b")]));
    assert_eq!(
        parse("a b OR c d").unwrap(),
        Node::And(vec![word("a"), Node::Or(vec![word("b"), word("c")]), word("d")])
    );
    assert_eq!(parse("a AND b").unwrap(), parse("a b").unwrap());
    assert_eq!(parse("NOT a").unwrap(), parse("-a").unwrap());
    assert_eq!(parse("FROM:Bob").unwrap(), term(Field::From, "Bob", false));
    assert_eq!(
        parse("from:(bob OR \"al ice\")").unwrap(),
        Node::Or(vec![term(Field::From, "bob", false), term(Field::From, "al ice", true)])
    );
    assert_eq!(parse(r#""a \"b\" \c""#).unwrap(), term(Field::Any, r#"a "b" \c"#, true));
    assert_eq!(parse("https://x.y/z").unwrap(), word("https://x.y/z"));
    assert_eq!(parse("or - and").unwrap(), Node::And(vec![word("or"), word("-"), word("and")]));
    assert_eq!(parse("-(a b)").unwrap(), Node::Not(Box::new(parse("a b").unwrap())));
    assert_eq!(parse("label:x").unwrap(), parse("tag:x").unwrap());
    // Words of every day that are fields too.
    let words = ["Meeting", "on:", "Monday", "type:", "pdf", "size:"].map(word).to_vec();
    assert_eq!(parse("Meeting on: Monday type: pdf size:").unwrap(), Node::And(words));
    assert_eq!(parse("on:2020").unwrap(), term(Field::On, "2020", false));
    assert!(parse("from: bob").is_err());
}

#[test]
fn errors_point_at_the_character() {
    for (query, position, suggestion) in [
        ("form:bob", 1, Some("from:")),
        ("abc form:bob", 5, Some("from:")),
        ("xyzzy:bob", 1, Some("\"xyzzy:…\" in quotes")),
        ("é from:", 8, Some("from:alice@example.com")),
        ("a (b", 3, Some(")")),
        ("a b)", 4, None),
        ("()", 2, None),
        ("a OR", 5, None),
        ("OR a", 1, Some("\"OR\" for the word")),
        ("a AND", 6, None),
        ("say \"hello", 5, Some("\"")),
    ] {
        let error = parse(query).unwrap_err();
        assert_eq!((error.position, error.suggestion.as_deref()), (position, suggestion), "{query}: {error}");
    }
}

#[test]
fn size_is_bounded() {
    assert!(parse(&"a ".repeat(MAX_BYTES)).unwrap_err().message.contains("too long"));
    assert!(parse(&"(".repeat(10_000)).unwrap_err().message.contains("too deeply"));
    assert!(parse(&"-".repeat(10_000)).unwrap_err().message.contains("too deeply"));
    assert!(parse(&"from:(".repeat(10_000)).unwrap_err().message.contains("too deeply"));
    assert!(parse(&"a ".repeat(MAX_TERMS + 1)).unwrap_err().message.contains("too many terms"));
    let deep = format!("{}a{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
    assert_eq!(parse(&deep).unwrap(), word("a"));
}
