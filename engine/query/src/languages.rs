//! Names of languages in a query: ISO 639-3, as rows have them, or ISO 639-1, as people know them.

/// Two letters and three, of the languages that mail can be told to be in.
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

/// Other names of some of them: ISO 639-2 has those of libraries, and languages that have several forms have several names.
const OTHERS: [(&str, &str); 21] = [
    ("nb", "nob"),
    ("nor", "nob"),
    ("ger", "deu"),
    ("fre", "fra"),
    ("dut", "nld"),
    ("chi", "cmn"),
    ("zho", "cmn"),
    ("per", "pes"),
    ("fas", "pes"),
    ("cze", "ces"),
    ("gre", "ell"),
    ("rum", "ron"),
    ("slo", "slk"),
    ("arm", "hye"),
    ("geo", "kat"),
    ("mac", "mkd"),
    ("bur", "mya"),
    ("wel", "cym"),
    ("iw", "heb"),
    ("in", "ind"),
    ("ji", "yid"),
];

/// The three letters of a language, as rows have them; `None` for what is no name of one that mail can be in.
#[must_use]
pub fn three_letters(name: &str) -> Option<&'static str> {
    let name = name.trim().to_ascii_lowercase();
    let own = NAMES.iter().find(|(two, three)| *two == name || *three == name);
    own.or_else(|| OTHERS.iter().find(|(other, _)| *other == name)).map(|(_, three)| *three)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_two_names() {
        for (name, three) in
            [(" DE ", "deu"), ("zh", "cmn"), ("Eng", "eng"), ("ger", "deu"), ("nb", "nob"), ("no", "nob")]
        {
            assert_eq!(three_letters(name), Some(three), "{name}");
        }
        for none in ["", "xx", "xyz", "english", "d1", "é", "e"] {
            assert_eq!(three_letters(none), None, "{none}");
        }
        assert!(NAMES.is_sorted_by_key(|(_, three)| three));
    }
}
