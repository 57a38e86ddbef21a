//! Names of languages in a query: ISO 639-3, as rows have them, or ISO 639-1, as people know them.

/// Two letters and three, of the languages that mail is told to be in.
const NAMES: [(&str, &str); 66] = [
    ("af", "afr"),
    ("ak", "aka"),
    ("am", "amh"),
    ("ar", "ara"),
    ("az", "aze"),
    ("be", "bel"),
    ("bn", "ben"),
    ("bg", "bul"),
    ("ca", "cat"),
    ("cs", "ces"),
    ("zh", "cmn"),
    ("cy", "cym"),
    ("da", "dan"),
    ("de", "deu"),
    ("el", "ell"),
    ("en", "eng"),
    ("eo", "epo"),
    ("et", "est"),
    ("fi", "fin"),
    ("fr", "fra"),
    ("gu", "guj"),
    ("he", "heb"),
    ("hi", "hin"),
    ("hr", "hrv"),
    ("hu", "hun"),
    ("hy", "hye"),
    ("id", "ind"),
    ("it", "ita"),
    ("jv", "jav"),
    ("ja", "jpn"),
    ("kn", "kan"),
    ("ka", "kat"),
    ("km", "khm"),
    ("ko", "kor"),
    ("la", "lat"),
    ("lv", "lav"),
    ("lt", "lit"),
    ("ml", "mal"),
    ("mr", "mar"),
    ("mk", "mkd"),
    ("my", "mya"),
    ("ne", "nep"),
    ("nl", "nld"),
    ("no", "nob"),
    ("or", "ori"),
    ("pa", "pan"),
    ("fa", "pes"),
    ("pl", "pol"),
    ("pt", "por"),
    ("ro", "ron"),
    ("ru", "rus"),
    ("si", "sin"),
    ("sk", "slk"),
    ("sl", "slv"),
    ("es", "spa"),
    ("sr", "srp"),
    ("sv", "swe"),
    ("ta", "tam"),
    ("te", "tel"),
    ("th", "tha"),
    ("tr", "tur"),
    ("uk", "ukr"),
    ("ur", "urd"),
    ("vi", "vie"),
    ("yi", "yid"),
    ("zu", "zul"),
];

/// The three letters of a language; `None` for what is no name of one.
#[must_use]
pub fn three_letters(name: &str) -> Option<String> {
    let name = name.trim().to_ascii_lowercase();
    let letters = name.bytes().all(|b| b.is_ascii_lowercase());
    match (letters, name.len()) {
        (true, 2) => NAMES.iter().find(|(two, _)| *two == name).map(|(_, three)| (*three).to_owned()),
        (true, 3) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_two_names() {
        assert_eq!(three_letters(" DE ").as_deref(), Some("deu"));
        assert_eq!(three_letters("zh").as_deref(), Some("cmn"));
        assert_eq!(three_letters("Eng").as_deref(), Some("eng"));
        for none in ["", "xx", "english", "d1", "é", "e"] {
            assert_eq!(three_letters(none), None, "{none}");
        }
        assert!(NAMES.is_sorted_by_key(|(_, three)| three));
    }
}
