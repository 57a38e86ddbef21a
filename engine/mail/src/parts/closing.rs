//! Lines that end what somebody wrote: signatures, and what mailing lists put below.
//!
//! What always holds: the look ahead is bounded in lines, so that all of it is linear in the text.

use super::line::{Line, Lines, begins_with_one_of, head, quote_mark};

/// Most lines of a signature below a mark that is not quite one.
const SIGNATURE_LINES: usize = 8;
/// Lines below a rule that are searched for what tells a list's footer.
const FOOTER_LINES: usize = 4;
/// Most lines that stand for what was taken out.
const SCRUBBED_LINES: usize = 24;
/// Bytes of a line that are searched.
const LINE_BYTES: usize = 400;

/// First words of the line that a telephone or a mail program puts below.
const SENT_FROM: &[&str] = &[
    "sent from my ",
    "sent from mail for windows",
    "sent from yahoo mail",
    "sent from outlook",
    "sent from the all new aol",
    "sent with proton",
    "sent from proton",
    "sent from samsung",
    "sent from a ",
    "sent via the samsung",
    "sent via blackberry",
    "sent from iphone",
    "sent from ipad",
    "sent by my ",
    "get outlook for ",
    "von meinem iphone",
    "von meinem ipad",
    "von meinem handy",
    "von meinem smartphone",
    "von meinem mobil",
    "gesendet von meinem",
    "gesendet von mail für",
    "gesendet mit der",
    "von iphone gesendet",
    "diese nachricht wurde von meinem",
    "envoyé de mon",
    "envoyé depuis mon",
    "envoyé à partir de",
    "envoyé de l'",
    "provenance : courrier",
    "enviado desde mi",
    "enviado desde correo",
    "enviado do meu",
    "enviado a partir do",
    "enviado via iphone",
    "inviato da iphone",
    "inviato da ipad",
    "inviato dal mio",
    "inviato da posta",
    "inviato da outlook",
    "verstuurd vanaf mijn",
    "verzonden vanaf mijn",
    "verzonden vanuit mail",
    "verstuurd met",
    "wysłane z",
    "wysłano z",
    "skickat från",
    "sendt fra min",
];

/// What tells a list's footer below a rule.
const LIST: &[&str] = &[
    "mailing list",
    "mailinglist",
    "listinfo",
    "unsubscribe",
    "mailman",
    "mailinglijst",
    "abmelden:",
    "liste de diffusion",
    "google groups",
];

/// First words of lines that only lists' programs write.
const LIST_LINES: &[&str] = &[
    "you received this message because you are subscribed",
    "you are receiving this mail because",
    "you are receiving this email because you are subscribed",
    "you received this bugmail",
    "to unsubscribe from this",
    "to unsubscribe, send",
    "to unsubscribe, e-mail",
    "to unsubscribe, email",
    "to unsubscribe from the list",
    "to unsubscribe or change",
    "to unsubscribe send ",
    "view this message in context:",
    "sent from the ",
    "your use of yahoo! groups is subject to",
    "yahoo! groups links",
    "if you reply to this email, your message will be added to the discussion",
    "sie erhalten diese nachricht, weil sie",
    "vous recevez ce message, car vous êtes abonné",
    "vous avez reçu ce message, car vous êtes abonné",
    "has recibido este mensaje porque estás suscrito",
    "hai ricevuto questo messaggio perché sei iscritto",
    "je ontvangt dit bericht omdat je bent",
    "você recebeu esta mensagem porque está inscrito",
    "otrzymujesz tę wiadomość, ponieważ subskrybujesz",
    "du har fått det här meddelandet eftersom du prenumererar",
];

/// What lists' programs leave in the place of what they take out.
const SCRUBBED: &[&str] = &[
    "[[alternative html version deleted]]",
    "-------------- next part --------------",
    "an html attachment was scrubbed",
    "a non-text attachment was scrubbed",
    "an embedded and charset-unspecified text was scrubbed",
    "an embedded message was scrubbed",
    "[non-text portions of this message have been removed]",
];
/// What follows such a line, one line each.
const SCRUBBED_MORE: &[&str] =
    &["name:", "type:", "size:", "desc:", "url:", "from:", "subject:", "date:", "<http"];

/// How a signature begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// All that follows belongs to it.
    Rest,
    /// It is this line.
    Line,
}

/// Whether a signature begins at `first`.
pub(super) fn signature(first: Line<'_>, rest: Lines<'_>) -> Option<Signature> {
    let text = first.text;
    if text == "-- " {
        return Some(Signature::Rest);
    }
    if matches!(text.trim_end(), "--" | "---" | "—" | "\u{2013}") && ends_soon(rest) {
        return Some(Signature::Rest);
    }
    let words = head(text.trim(), LINE_BYTES);
    (words.len() < 120 && begins_with_one_of(words.trim_start_matches(['-', ' ', '*', '(', '[']), SENT_FROM))
        .then_some(Signature::Line)
}

/// Whether only a few lines follow until the text ends or another part of it begins.
fn ends_soon(rest: Lines<'_>) -> bool {
    let mut filled = 0usize;
    for line in rest.take(SIGNATURE_LINES.saturating_mul(2)) {
        if quote_mark(line.text).is_some() || is_rule(line.trimmed()) {
            return filled > 0;
        }
        if !line.is_blank() {
            filled = filled.saturating_add(1);
        }
        if filled > SIGNATURE_LINES {
            return false;
        }
    }
    rest.count_at_most(SIGNATURE_LINES.saturating_mul(2)) && filled > 0
}

impl Lines<'_> {
    /// Whether no more than so many lines follow.
    fn count_at_most(mut self, lines: usize) -> bool {
        self.nth(lines).is_none()
    }
}

/// A line of underscores or dashes.
fn is_rule(text: &str) -> bool {
    let all = |mark: u8| text.bytes().all(|b| b == mark);
    (8..200).contains(&text.len()) && (all(b'_') || all(b'-') || all(b'=') || all(b'*'))
}

/// Whether a list's footer begins at `first`.
pub(super) fn footer(first: Line<'_>, rest: Lines<'_>) -> bool {
    let text = first.trimmed();
    let own = |text: &str| {
        let text = head(text.trim_start_matches(['-', '*', ' ']), LINE_BYTES);
        begins_with_one_of(text, LIST_LINES)
            && (!text.starts_with("Sent from the ") || text.contains("mailing list archive"))
    };
    if own(text) {
        return true;
    }
    let short_rule = matches!(text, "--" | "---" | "-" | "----");
    if short_rule {
        let mut ahead = rest;
        return ahead.next_filled(1).is_some_and(|line| own(line.trimmed()));
    }
    if text.starts_with("--~--~-") || text.starts_with("------------------------ Yahoo! Groups") {
        return true;
    }
    is_rule(text)
        && rest
            .take(FOOTER_LINES)
            .take_while(|line| quote_mark(line.text).is_none())
            .any(|line| names_list(line.trimmed()))
}

/// Whether a line has what tells a list.
fn names_list(text: &str) -> bool {
    let bytes = head(text, LINE_BYTES).as_bytes();
    LIST.iter().any(|word| bytes.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word.as_bytes())))
}

/// How many lines from `first` on stand for something that a list's program took out.
pub(super) fn scrubbed(first: Line<'_>, rest: Lines<'_>) -> usize {
    if !begins_with_one_of(first.trimmed(), SCRUBBED) {
        return 0;
    }
    let belongs = |line: &Line<'_>| {
        begins_with_one_of(line.trimmed(), SCRUBBED) || begins_with_one_of(line.trimmed(), SCRUBBED_MORE)
    };
    rest.take(SCRUBBED_LINES).take_while(belongs).count().saturating_add(1)
}
