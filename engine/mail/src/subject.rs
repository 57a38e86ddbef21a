//! Subjects: the marks that MAPI and people put in front of them.

/// Removes MAPI's mark of where the prefix ends: U+0001 and a character that holds the length. [MS-PST] 2.5.3.1.1.
#[must_use]
pub fn without_mapi_mark(subject: &str) -> &str {
    let mut chars = subject.chars();
    if chars.next() == Some('\u{1}') {
        chars.next();
        chars.as_str()
    } else {
        subject
    }
}

/// Marks of replies and forwards in the languages in which mail programs write them, lower case.
const MARKS: &[&str] = &[
    "re", "fw", "fwd", // English
    "aw", "wg", "antw", "antwort", // German, Dutch
    "sv", "vs", "vl", "vb", "vedr", // Nordic
    "rv", "res", "enc", "ref", // Spanish, Portuguese
    "r", "i", "rif", // Italian
    "tr", "rép", // French
    "odp", "pd", // Polish
    "ynt", "ilt", // Turkish
    "atb", "απ", "πρθ", // Latvian, Greek
    "回复", "答复", "转发", "回覆", "轉寄", "返信", "転送", // Chinese, Japanese
    "отв", "на", // Russian
];

/// The subject without reply and forward marks at its start, as `Re:`, `AW:`, `Fwd[2]:`, `RE (3):`, trimmed.
#[must_use]
pub fn topic(subject: &str) -> &str {
    let mut rest = subject.trim();
    while let Some(next) = strip_mark(rest) {
        rest = next.trim_start();
    }
    rest
}

fn strip_mark(text: &str) -> Option<&str> {
    let (mark, rest) = text.split_at(text.find([':', '：'])?);
    let mark = mark.trim_end();
    // A count, as in Outlook's `Re[2]:`.
    let word = match mark.strip_suffix([']', ')']) {
        Some(open) => {
            let digits = open.trim_end_matches(|c: char| c.is_ascii_digit());
            if digits.len() == open.len() {
                return None;
            }
            digits.strip_suffix(['[', '('])?.trim_end()
        }
        None => mark,
    };
    if word.is_empty() || word.len() > 16 || !MARKS.contains(&word.to_lowercase().as_str()) {
        return None;
    }
    let mut chars = rest.chars();
    chars.next();
    Some(chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_mapi_mark_is_removed_and_nothing_else() {
        assert_eq!(without_mapi_mark("\u{1}\u{5}Re: a"), "Re: a");
        assert_eq!(without_mapi_mark("\u{1}\u{1}Subject"), "Subject");
        assert_eq!(without_mapi_mark("Re: a"), "Re: a");
        assert_eq!(without_mapi_mark("\u{1}"), "");
        assert_eq!(without_mapi_mark(" a "), " a ");
    }

    #[test]
    fn marks_are_stripped_however_many() {
        for subject in [
            "Re: x y",
            "RE:x y",
            "Fwd: Re: AW: x y",
            "Re[2]: x y",
            "Re (3): x y",
            " SV : x y",
            "回复：x y",
            "x y",
        ] {
            assert_eq!(topic(subject), "x y", "{subject}");
        }
        assert_eq!(topic("[R-sig-Geo] Re: x"), "[R-sig-Geo] Re: x");
        assert_eq!(topic("Report: x"), "Report: x");
        assert_eq!(topic("Re (a): x"), "Re (a): x");
        assert_eq!(topic("Re:"), "");
        assert_eq!(topic(":"), ":");
    }

    proptest! {
        #[test]
        fn any_subject_has_a_topic_inside_it(subject in "[\u{1}RrEe:：\\[\\]()0-9 äΑ\u{0}-\u{20}]{0,40}") {
            prop_assert!(subject.contains(topic(&subject)));
            prop_assert_eq!(topic(topic(&subject)), topic(&subject));
            prop_assert!(subject.ends_with(without_mapi_mark(&subject)));
        }
    }
}
