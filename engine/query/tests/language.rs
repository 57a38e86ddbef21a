//! The language: what is printed parses to the same tree, and nothing that is typed does harm.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

use jiff::tz::TimeZone;
use postlode_query::filter::resolve;
use postlode_query::lang::{
    Field, MAX_BYTES, MAX_DEPTH, MAX_TERMS, Near, Node, Term, from_json, parse, print, to_json,
};
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
    let plain =
        (fields(), "[a-zé0-9][a-zé0-9@./-]{0,12}|AROUND|[0-9]|AROUND5").prop_map(|(f, v)| term(f, &v, false));
    let apart = (fields(), prop::collection::vec(("[a-zé ]{1,9}", any::<bool>()), 2), 1u32..=1000);
    let near = apart.prop_map(|(field, values, apart)| {
        let of = |(value, quoted): &(String, bool)| {
            let quoted = *quoted || value.contains(' ');
            Term { field, value: value.clone(), quoted, at: 0 }
        };
        Node::Near(Box::new(Near { either: [of(&values[0]), of(&values[1])], apart }))
    });
    prop_oneof![3 => quoted, 3 => plain, 1 => near].prop_recursive(6, 40, 4, |inner| {
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
        prop_assert_eq!(&parse(&text)?, &tree, "{}", text);
        prop_assert_eq!(from_json(&to_json(&tree)), Ok(tree));
    }

    #[test]
    fn any_input_is_survived(text: String) {
        drop(parse(&text));
    }

    #[test]
    fn any_mix_of_the_languages_own_pieces_is_survived(pieces in prop::collection::vec(prop::sample::select(vec![
        "(", ")", "\"", "-", "OR", "AND", "NOT", " ", "from:", "before:", "x", "\\", ":", "é", "subject:(", "--", "NEAR",
        "NEAR/3", "AROUND 4", "AROUND(5)", "*", "~", "/",
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
    // What is printed stands right before a bracket.
    for query in ["(x: OR x: ) x", "x (a OR Re: )", "(on: )"] {
        let tree = parse(query).unwrap();
        assert_eq!(parse(&print(&tree)).unwrap(), tree, "{query}");
    }
}

#[test]
fn words_near_one_another() {
    let near = |field: Field, left: &str, right: &str, apart: u32| {
        let of = |value: &str| Term { field, value: value.to_owned(), quoted: value.contains(' '), at: 0 };
        Node::Near(Box::new(Near { either: [of(left), of(right)], apart }))
    };
    let tax = || near(Field::Any, "tax", "annual report", 10);
    assert_eq!(parse("tax NEAR \"annual report\"").unwrap(), tax());
    assert_eq!(parse("tax AROUND 10 \"annual report\"").unwrap(), tax());
    assert_eq!(parse("tax AROUND(10)\"annual report\"").unwrap(), tax());
    assert_eq!(parse("(tax NEAR/10 \"annual report\")").unwrap(), tax());
    assert_eq!(
        parse("x tax NEAR/10 \"annual report\" y").unwrap(),
        Node::And(vec![word("x"), tax(), word("y")])
    );
    assert_eq!(parse("x OR tax NEAR \"annual report\"").unwrap(), Node::Or(vec![word("x"), tax()]));
    assert_eq!(parse("subject:(a NEAR/3 b)").unwrap(), near(Field::Subject, "a", "b", 3));
    assert_eq!(parse("-(a NEAR/3 b)").unwrap(), Node::Not(Box::new(near(Field::Any, "a", "b", 3))));
    // Words in capitals that are none of these.
    let words = |all: &[&str]| Node::And(all.iter().map(|one| word(one)).collect());
    assert_eq!(parse("AROUND town NEARBY AROUND").unwrap(), words(&["AROUND", "town", "NEARBY", "AROUND"]));
    assert_eq!(parse("walk AROUND 5th").unwrap(), words(&["walk", "AROUND", "5th"]));
    assert_eq!(parse("GET AROUND 10").unwrap(), words(&["GET", "AROUND", "10"]));
    assert_eq!(parse("walk AROUND5 b").unwrap(), words(&["walk", "AROUND5", "b"]));
    let either = Node::Or(vec![word("5"), word("6")]);
    assert_eq!(parse("x AROUND (5 OR 6)").unwrap(), Node::And(vec![word("x"), word("AROUND"), either]));
    assert!(parse("a AROUND (5 b").is_err());
    assert_eq!(parse("a AROUND\n5 b").unwrap(), near(Field::Any, "a", "b", 5));
    // Words that would be an operator side by side are not made one by printing them.
    let apart = words(&["a", "AROUND", "5", "b"]);
    assert_eq!(parse("a (AROUND) 5 b").unwrap(), apart);
    assert_eq!(parse(&print(&apart)).unwrap(), apart);
}

/// The page that users read names every field, by every name.
#[test]
fn the_page_tells_all_fields() {
    let page = include_str!("../QUERIES.md");
    for (name, _) in Field::NAMES {
        assert!(page.contains(&format!("`{name}:`")), "{name}");
    }
}

#[test]
fn trees_as_json() {
    let read = |text: &str| from_json(&serde_json::from_str(text).unwrap());
    let tree = r#"{"and":[{"from":"alice@example.com"},{"or":[{"text":"tax"},{"subject":{"phrase":"annual report"}}]},
        {"not":{"folder":"Deleted Items"}},{"larger":1000},{"near":[{"text":"a"},{"text":"b c"}],"apart":3}]}"#;
    let text = "from:alice@example.com (tax OR subject:\"annual report\") -folder:\"Deleted Items\" larger:1000 a NEAR/3 \"b c\"";
    assert_eq!(read(tree), Ok(parse(text).unwrap()));
    assert_eq!(read(r#"{"and":[]}"#), Ok(parse("").unwrap()));
    // What would be read as something else is a phrase.
    for value in ["OR", "-a", "from:b", "a b", "(", "", "\"", "NEAR", "NEAR/5"] {
        let json = serde_json::json!({ "text": value });
        assert_eq!(from_json(&json), Ok(term(Field::Any, value, true)), "{value}");
    }
    for (json, error) in [
        ("[]", "q: write an object as {\"and\": […]} or {\"from\": \"alice@example.com\"}"),
        (r#"{"and":[{"form":"bob"}]}"#, "q.and[0]: there is no field \"form\" (did you mean from?)"),
        (r#"{"or":[]}"#, "q.or: there is nothing in the list"),
        (r#"{"and":[{"and":[]}]}"#, "q.and[0].and: there is nothing in the list"),
        (r#"{"not":{"from":["a"]}}"#, "q.not.from: a string is wanted, or {\"phrase\": \"…\"}"),
        (r#"{"from":"a","to":"b"}"#, "q: one name is wanted, as in {\"from\": \"alice@example.com\"}"),
        (r#"{"near":[{"text":"a"},{"from":"b"}]}"#, "q.near: two terms of one field are wanted"),
        (r#"{"near":[{"text":"a"},{"text":"b"}],"apart":0}"#, "q: apart is a number from 1 to 1000"),
    ] {
        assert_eq!(read(json), Err(error.to_owned()), "{json}");
    }
    let deep =
        (0..300).fold(serde_json::json!({"text": "a"}), |inner, _| serde_json::json!({ "not": inner }));
    assert!(from_json(&deep).unwrap_err().contains("nested too deeply"));
    let many: Vec<_> = (0..=MAX_TERMS).map(|_| serde_json::json!({"text": "a"})).collect();
    assert!(from_json(&serde_json::json!({ "or": many })).unwrap_err().contains("too many terms"));
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
        ("a NEAR", 7, None),
        ("NEAR a", 1, Some("\"NEAR\" for the word")),
        ("NEAR/5 a", 1, Some("\"NEAR\" for the word")),
        ("a NEAR/0 b", 8, Some("NEAR/10")),
        ("a NEAR/x b", 8, Some("NEAR/10")),
        ("a NEAR/1001 b", 8, Some("NEAR/10")),
        ("a NEAR (b c)", 3, None),
        ("-a NEAR b", 4, None),
        ("a NEAR b NEAR c", 10, None),
        ("subject:a NEAR b", 11, Some("subject:(… NEAR …)")),
        ("\"a b\"~5", 6, Some("word NEAR/10 word, or a blank between")),
    ] {
        let error = parse(query).unwrap_err();
        assert_eq!((error.position, error.suggestion.as_deref()), (position, suggestion), "{query}: {error}");
    }
}

/// Such conditions were dropped, and the answer was to a wider question; others looked for a star that no name has.
#[test]
fn what_cannot_be_meant_is_refused() {
    let refused = |query: &str| resolve(&parse(query).unwrap(), &TimeZone::UTC).unwrap_err();
    for query in [
        "budget from:\"\"",
        "budget from:&&",
        "budget archive:/",
        "budget participants:\"--\"",
        "from:alice*@example.com",
        "domain:*.example.com",
        "archive:*.pst",
        "folder:*/Sent",
        "class:IPM.*.X",
        "filename:report*.pdf",
        "a* NEAR b",
        "tag:x*",
    ] {
        refused(query);
    }
    assert!(resolve(&parse("from:*@example.com tag:\"x*\"").unwrap(), &TimeZone::UTC).is_ok());
    let many = |term: &str, n: usize| vec![term; n].join(" ");
    assert!(refused(&many("word*", 129)).message.contains("at most 128"));
    assert_eq!(refused(&many("words~", 17)).position, 16 * 7 + 1);
    assert!(refused(&many("(a NEAR b)", 65)).message.contains("at most 64"));
    assert!(resolve(&parse(&many("word*", 128)).unwrap(), &TimeZone::UTC).is_ok());
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
