use super::*;
use crate::lang::parse;

fn filter(query: &str) -> Filter {
    read(&parse(query).unwrap(), &TimeZone::UTC).unwrap()
}

#[test]
fn text_side_by_side_becomes_one_condition() {
    let Filter::All(parts) = filter("hello from:a@b.c -world (x OR y)") else { panic!() };
    assert_eq!(parts.len(), 2);
    let two = resolve(&parse("(a OR from:x@y.z) -(b from:x@y.z)").unwrap(), &TimeZone::UTC).unwrap();
    assert_eq!(two.texts.len(), 2);
    assert_eq!(filter("(a OR from:x@y.z) -b").wanted_text(), filter("a").wanted_text());
    assert_eq!(filter("-b").wanted_text(), None);
}

fn apart(query: &str) -> Resolved {
    resolve_apart(&parse(query).unwrap(), &TimeZone::UTC).unwrap()
}

#[test]
fn words_that_stand_alone_are_apart_from_conditions() {
    let bare = apart("tax return");
    let meaning = bare.meaning.unwrap();
    assert_eq!((meaning.text.as_str(), &meaning.within), ("tax return", &Filter::All(vec![])));
    assert_eq!((meaning.words, bare.filter), (Some(0), Filter::Is(Condition::Found(0))));
    assert_eq!(bare.texts, resolve(&parse("tax return").unwrap(), &TimeZone::UTC).unwrap().texts);
    assert!(matches!(bare.wanted, Some(TextQuery::Any(words)) if words.len() == 2));

    let mixed = apart("tax \"annual report\" from:a@b.c -draft subject:due & 2020");
    let meaning = mixed.meaning.unwrap();
    assert_eq!(meaning.text, "annual report due tax 2020");
    // In quotes, in a field, under a minus: one condition of text; and the author.
    assert_eq!((mixed.texts.len(), meaning.words), (2, Some(1)));
    let Filter::All(within) = meaning.within else { panic!() };
    let Filter::All(all) = mixed.filter else { panic!() };
    assert_eq!((within.len(), &all[..2], &all[2]), (2, &within[..], &Filter::Is(Condition::Found(1))));
}

#[test]
fn words_in_alternatives_stay_conditions_and_mean_something() {
    let either = apart("(tax OR duty) before:2020");
    let meaning = either.meaning.clone().unwrap();
    assert_eq!((meaning.text.as_str(), meaning.words), ("tax duty", None));
    assert_eq!(meaning.within, either.filter);
    for query in ["from:bob", "after:2020", "", "-tax"] {
        assert_eq!(apart(query).meaning, None, "{query}");
    }
    assert!(resolve_apart(&parse("&&").unwrap(), &TimeZone::UTC).is_err());
    assert_eq!(apart("tax &&").meaning, apart("tax").meaning);
}

#[test]
fn signs_between_words_are_left_out_and_signs_alone_refused() {
    assert_eq!(filter("a & b"), filter("a b"));
    assert_eq!(filter("a - b"), filter("a b"));
    assert_eq!(filter(""), Filter::All(vec![]));
    let error = resolve(&parse("  &&").unwrap(), &TimeZone::UTC).unwrap_err();
    assert_eq!(error.position, 3);
}

#[test]
fn a_full_address_is_equality_and_anything_else_words() {
    assert_eq!(filter("from:Bob@X.org"), Filter::Is(Condition::FromAddress("bob@x.org".into())));
    for value in ["from:@x.org", "from:bob@", "from:bob", "from:\"Bob X <b@x.org>\""] {
        assert!(matches!(filter(value), Filter::Is(Condition::Text(_))), "{value}");
    }
}

#[test]
fn folders_match_by_path_beginning_and_name() {
    let matches = |pattern: &str, folder: &str| FolderPattern::new(pattern).unwrap().matches(&fold(folder));
    assert!(matches("/Inbox/R", "/Inbox/R"));
    assert!(matches("/inbox", "/Inbox/R"));
    assert!(matches("inbox/r/", "/Inbox/R/x"));
    assert!(matches("R", "/Inbox/R"));
    assert!(matches("inbox", "/Top/Inbox/R"));
    assert!(!matches("/Inb", "/Inbox"));
    assert!(!matches("box", "/Inbox"));
    assert!(!matches("x/inbox", "/Top/x/Inbox/R"));
    assert_eq!(FolderPattern::new(" / "), None);
}

#[test]
fn values_are_read_or_refused_where_they_stand() {
    assert_eq!(filter("larger:1.5k"), Filter::Is(Condition::Larger(1536)));
    assert_eq!(filter("smaller:2MB"), Filter::Is(Condition::Smaller(2 << 20)));
    let second = |q: &str| resolve(&parse(q).unwrap(), &TimeZone::UTC).unwrap_err();
    assert_eq!(second("is:lost").suggestion.as_deref(), Some("is:recovered"));
    assert_eq!(second("is:flaged").suggestion.as_deref(), Some("is:flagged"));
    for query in [
        "a before:tomorrow",
        "a larger:big",
        "a has:legs",
        "a id:12",
        "a larger:99999999999G",
        "a on:someday",
        "a newer_than:7",
        "a older_than:-7d",
        "a type:.",
        "a type:application/pdf",
        "a lang:xyz",
    ] {
        let error = second(query);
        assert_eq!(error.position, query.find(':').unwrap() + 2, "{query}: {error}");
    }
    assert_eq!(second("has:legs").suggestion.as_deref(), Some("has:attachment"));
}

/// An address was asked for in four indexes of which two have it, and words were looked for four times.
#[test]
fn participants_are_two_conditions_or_one() {
    let address = || "a@b.c".to_owned();
    let both = vec![
        Filter::Is(Condition::FromAddress(address())),
        Filter::Is(Condition::Recipient(Role::Any, address())),
    ];
    assert_eq!(filter("participants:A@b.c"), Filter::Any(both));
    let Filter::Is(Condition::Text(TextQuery::Any(words))) = filter("participants:bob") else { panic!() };
    assert_eq!(words.len(), 2);
    let wanted = resolve(&parse("participants:bob").unwrap(), &TimeZone::UTC).unwrap().wanted;
    assert_eq!(wanted, Some(TextQuery::Any(words)), "they rank and mark alike");
}

#[test]
fn dates_outside_which_nothing_matches() {
    let days = |q: &str| {
        let (from, to) = filter(q).dates();
        (from.div_euclid(86_400_000_000), to.div_euclid(86_400_000_000))
    };
    assert_eq!(days("after:1970-01-11 before:1970-01-21 x"), (10, 20));
    assert_eq!(
        days("(after:1970-01-11 before:1970-01-21) OR (after:1970-02-01 before:1970-02-02)"),
        (10, 32)
    );
    assert_eq!(filter("x OR after:2000").dates().1, i64::MAX);
    assert_eq!(filter("x OR before:2000").dates().0, i64::MIN);
}
