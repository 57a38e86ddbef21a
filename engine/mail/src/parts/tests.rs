//! Fixtures of the ways in which mail programs quote, and what holds for any text.

use super::*;
use proptest::prelude::*;

fn letter(kind: PartKind) -> char {
    match kind {
        PartKind::New => 'N',
        PartKind::Quoted => 'Q',
        PartKind::Signature => 'S',
        PartKind::Footer => 'F',
    }
}

/// The text with the kind of each part before it.
fn shown(text: &str) -> String {
    split(text).iter().map(|part| format!("{}[{}]", letter(part.kind), part.of(text))).collect()
}

/// The kinds of the parts in order.
fn kinds(text: &str) -> String {
    split(text).iter().map(|part| letter(part.kind)).collect()
}

#[test]
fn a_plain_text_is_new() {
    assert_eq!(shown("Hello,\n\nhere I am.\n"), "N[Hello,\n\nhere I am.\n]");
    assert_eq!(shown(""), "");
    assert_eq!(shown("\n \n"), "N[\n \n]");
}

#[test]
fn replies_above_below_and_between() {
    assert_eq!(
        shown("Yes.\n\nOn Mon, 3 Mar 2014 at 10:11, Ann Lee <ann@x.org> wrote:\n> Really?\n>\n> Ann\n"),
        "N[Yes.\n\n]Q[On Mon, 3 Mar 2014 at 10:11, Ann Lee <ann@x.org> wrote:\n> Really?\n>\n> Ann\n]"
    );
    assert_eq!(
        shown("Ann Lee wrote:\n\n> One?\n\nFirst.\n> Two?\n>> Old.\nSecond.\n"),
        "Q[Ann Lee wrote:\n\n> One?\n\n]N[First.\n]Q[> Two?\n>> Old.\n]N[Second.\n]"
    );
    assert_eq!(shown("\n> Old\n\nNew"), "Q[\n> Old\n\n]N[New]");
    assert_eq!(shown("AL> Old words of hers\nNew"), "Q[AL> Old words of hers\n]N[New]");
}

#[test]
fn attributions_of_many_languages_are_quoted() {
    for line in [
        "On Mon, Mar 3, 2014 at 10:11 AM, Ann Lee <ann@x.org> wrote:",
        "On Mar 3, 2014, at 10:11, Ann\nLee <ann@x.org>\nwrote:",
        "Am 3. März 2014 um 10:11 schrieb Ann Lee <ann@x.org>:",
        "Am 03.03.2014 10:11, schrieb Ann Lee:",
        "Le 3 mars 2014 à 10:11, Ann Lee <ann@x.org> a écrit :",
        "Le 03/03/2014 10:11, Ann Lee a ?crit\u{a0}:",
        "El lun., 3 mar. 2014 a las 10:11, Ann Lee (<ann@x.org>) escribió:",
        "Il giorno lun 3 mar 2014 alle ore 10:11 Ann Lee <ann@x.org> ha scritto:",
        "Op ma 3 mrt. 2014 om 10:11 schreef Ann Lee <ann@x.org>:",
        "Em seg., 3 de mar. de 2014 às 10:11, Ann Lee <ann@x.org> escreveu:",
        "W dniu 3.03.2014 o 10:11, Ann Lee pisze:",
        "pon., 3 mar 2014 o 10:11 Ann Lee <ann@x.org> napisał(a):",
        "Den mån 3 mars 2014 kl 10:11 skrev Ann Lee <ann@x.org>:",
        "2014-03-03 10:11 GMT+01:00 Ann Lee <ann@x.org>:",
        "Quoting Ann Lee <ann@x.org>:",
        "Zitat von Ann Lee <ann@x.org>:",
        "Ann Lee <ann@x.org> writes:",
        "In message <1@x.org> Ann Lee says:",
    ] {
        assert_eq!(kinds(&format!("Good.\n\n{line}\n\n> Old\n> older\n")), "NQ", "{line}");
    }
}

#[test]
fn quotes_without_marks_run_to_the_end() {
    let attribution =
        "New\n\nAm 3. März 2014 um 10:11 schrieb Ann Lee <ann@x.org>:\n\nOld\n\nOlder\n-- \nAnn\n";
    assert_eq!(kinds(attribution), "NQ");
    for block in [
        "-----Original Message-----\nFrom: Ann\nSent: today\nTo: me\nSubject: x\n\nOld\n\nolder",
        "-----Ursprüngliche Nachricht-----\nOld\n\nolder",
        "---------- Forwarded message ----------\nFrom: Ann\n\nOld",
        "Begin forwarded message:\n\nFrom: Ann\nSubject: x\nDate: y\n\nOld",
        "________________________________\nFrom: Ann\nSent: Monday\nTo: me\nSubject: x\n\nOld",
        "From: Ann\nSent: Monday\nTo: me; you;\n them\nSubject: x\n\nOld",
        "*Von:* Ann\n*Gesendet:* Montag\n*An:* mich\n*Betreff:* x\n\nAlt",
        "De : Ann\nEnvoyé : lundi\nÀ : moi\nObjet : x\n\nVieux",
        "De: Ann\nEnviado el: lunes\nPara: mí\nAsunto: x\n\nViejo",
        "Da: Ann\nInviato: lunedì\nA: me\nOggetto: x\n\nVecchio",
        "Van: Ann\nVerzonden: maandag\nAan: mij\nOnderwerp: x\n\nOud",
        "De: Ann\nEnviada em: segunda\nPara: mim\nAssunto: x\n\nVelho",
        "Od: Ann\nWysłano: poniedziałek\nDo: ja\nTemat: x\n\nStare",
        "Från: Ann\nSkickat: måndag\nTill: mig\nÄmne: x\n\nGammalt",
    ] {
        assert_eq!(kinds(&format!("New\n\n{block}\n")), "NQ", "{block}");
    }
}

#[test]
fn what_is_no_quote_stays_new() {
    for text in [
        "On page 12 he wrote:\n\nall is well\n",
        "He wrote:\n\nall is well\n",
        "From: the beginning\nwe knew\n",
        "To: all of you\nSubject: to change\n\nwe come\n",
        "a > b\n-----\nfoo\n",
        "Prices:\n--\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
    ] {
        assert_eq!(kinds(text), "N", "{text}");
    }
}

/// `[...]` between an attribution and the first mark made all that follows quoted, the reply too.
#[test]
fn marks_that_come_a_little_later_count() {
    assert_eq!(kinds("On 3 Mar 2014, B <b@x.org> wrote:\n[...]\n> old\n\nnew\n"), "QNQN");
}

#[test]
fn bars_are_marks_where_an_attribution_says_so() {
    assert_eq!(kinds("On 3 Mar 2014 at 10:11, B wrote:\n| old\n|\n| older\n\nnew\n| old\nnew\n"), "QNQN");
    assert_eq!(kinds("A table:\n| a | b |\n| c | d |\n"), "N");
}

#[test]
fn an_attribution_with_nothing_above_and_nothing_marked_is_above_the_reply() {
    assert_eq!(kinds("On 3 Mar 2014 at 10:11, B <b@x.org> wrote:\n\nHi B,\nyes.\n"), "QN");
}

#[test]
fn new_text_below_a_marked_forward_is_new() {
    assert_eq!(kinds("---- Original Message ----\nFrom: A\nDate: B\nSubject: C\n\n> old\n\nnew\n"), "QN");
    assert_eq!(kinds("Begin forwarded message:\n\n> From: A\n> old\n\nnew\n"), "QN");
}

#[test]
fn lines_that_a_program_broke_stay_quoted() {
    let long = "> a line that is as long as lines get before some program breaks\n";
    assert_eq!(kinds(&format!("X wrote:\n{long}them\n> and goes on\nyes\n")), "QN");
    assert_eq!(kinds(&format!("X wrote:\n{long}\nyes\n> and goes on\n")), "QNQ");
}

#[test]
fn signatures_end_where_a_quote_begins() {
    assert_eq!(
        shown("Hi\n-- \nAnn\nx.org\n\nOn 3 Mar 2014, B <b@x.org> wrote:\n> old\n\nnew\n"),
        "N[Hi\n]S[-- \nAnn\nx.org\n\n]Q[On 3 Mar 2014, B <b@x.org> wrote:\n> old\n\n]N[new\n]"
    );
    assert_eq!(kinds("Hi\n--\nAnn\nx.org\n"), "NS");
    assert_eq!(
        shown("Hi\n\nSent from my iPhone\n\n> old\n"),
        "N[Hi\n\n]S[Sent from my iPhone\n\n]Q[> old\n]"
    );
    assert_eq!(kinds("Hallo\n\nVon meinem iPhone gesendet\n"), "NS");
}

#[test]
fn footers_of_lists_are_told() {
    let mailman = "_______________________________________________\nBirds mailing list\nBirds@x.org\nhttps://x.org/listinfo/birds\n";
    assert_eq!(shown(&format!("Hi\n\n{mailman}")), format!("N[Hi\n\n]F[{mailman}]"));
    assert_eq!(kinds(&format!("Hi\n-- \nAnn\n{mailman}")), "NSF");
    assert_eq!(
        kinds(
            "Hi\n\n-- \nYou received this message because you are subscribed to the Google Groups \"b\".\nTo unsubscribe x\n"
        ),
        "NF"
    );
    assert_eq!(kinds("Hi\n--\nTo unsubscribe from this list: send the line\nthe body\n"), "NF");
    assert_eq!(
        kinds(
            "Hi\n---------------------------------------------------------------------\nTo unsubscribe, e-mail: b@x.org\n"
        ),
        "NF"
    );
    assert_eq!(kinds("Hi\n\n\t[[alternative HTML version deleted]]\n\nBye\n"), "NFN");
    assert_eq!(kinds("______________________\nA form to fill in\nand more\n"), "N");
}

#[test]
fn what_somebody_typed_at_a_prompt_is_new() {
    let session = "It fails:\n\n> x <- read(\"f\")\n> x$a\n[1] 5\n> print(x)\nError\n\nWhy?\n";
    assert_eq!(kinds(session), "N");
    assert_eq!(kinds("> How do I read it?\n\nSo:\n\n> x <- read()\n"), "QNQ");
    assert_eq!(kinds("Ann wrote:\n> x <- read()\n\nNo.\n"), "QN");
}

/// Commands between quotes were taken for more of these, though the program that sent them had kept them apart.
#[test]
fn a_stuffed_line_is_new() {
    assert_eq!(kinds("Ann wrote:\n> How?\n\nSo:\n > x <- 1\n > print(x)\n[1] 1\n> And?\nNo.\n"), "QNQN");
    assert_eq!(kinds("Ann wrote:\n > How?\n > When?\n\nSo.\n"), "QN");
}

#[test]
fn returns_before_line_ends_change_nothing() {
    assert_eq!(
        kinds("Hi\r\n-- \r\nAnn\r\n\r\nOn 3 Mar 2014, B <b@x.org> wrote:\r\n> old\r\n\r\nnew\r\n"),
        "NSQN"
    );
}

/// Lines of which hostile and common texts are made.
const LINES: &str = "(On Mon 3 Mar 2014|wrote:|>|> a|> x <- f(1)|From: a|To: b|Subject: c|Sent: 10:11|-- |--|____________|x mailing list|\
    Sent from my x|-----Original Message-----|Begin forwarded message:|\\[\\[alternative HTML version deleted\\]\\]|é|[ a-z:>é]{0,9}|)";

proptest! {
    #[test]
    fn parts_cover_any_text(lines in proptest::collection::vec(LINES, 0..60), end in "(\n|\r\n| \n)", any in ".{0,40}") {
        for text in [lines.join(&end), any] {
            let parts = split(&text);
            let mut at = 0;
            let mut before = None;
            for part in &parts {
                prop_assert_eq!(part.start, at);
                prop_assert!(part.end > part.start);
                prop_assert!(before != Some(part.kind));
                prop_assert!(at == 0 || text.as_bytes()[at as usize - 1] == b'\n');
                prop_assert!(text.is_char_boundary(at as usize));
                at = part.end;
                before = Some(part.kind);
            }
            prop_assert_eq!(at as usize, text.len());
        }
    }
}

/// Every line begins something that looks ahead; were any of it searched to the end, this would not come back.
#[test]
fn hostile_texts_are_split_in_one_pass() {
    for line in [
        "On 2014\n",
        "From: x\n",
        "--\n",
        "____________\n",
        "\n",
        "> x(\n",
        "[[alternative html version deleted]]\n",
        "-- original message\n",
        "x:",
    ] {
        let text = line.repeat(2_000_000 / line.len());
        assert!(!split(&text).is_empty());
    }
}
