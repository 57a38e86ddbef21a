//! Sentences with gaps, by topic and language. A gap is a word in braces; `fill` puts something into it.

use std::fmt::Write;

use crate::civil::Civil;
use crate::people::Language;
use crate::random::Random;
use crate::scenery::{CAUSES, CITIES, CLAUSES, DOCUMENTS, PRODUCTS};

/// What a thread is about: subjects to begin with, and sentences.
pub(crate) struct Topic {
    pub(crate) subjects: &'static [&'static str],
    pub(crate) sentences: &'static [&'static str],
}

/// The topics of threads in English.
#[rustfmt::skip]
pub(crate) const TOPICS: [Topic; 8] = [
    Topic {
        subjects: &[
            "{project}: {document} for signature", "Comments on the {document}", "{clause} in the {project} contract",
            "Draft {document} ({project})", "Countersigned {document}", "Question about the {clause} clause",
        ],
        sentences: &[
            "Please find the revised {document} for {project}; the only open point is the {clause} clause.",
            "Counsel wants the {clause} limited to {amount} before anyone signs.",
            "We can accept the wording on {clause}, but not the date of {date}.",
            "The other side sent their redline of the {document} last night and struck the {clause} altogether.",
            "Could you countersign the {document} by {date} and return the scanned copy to {person}?",
            "Without a signed {document} we cannot release the deposit of {amount}.",
            "Section {number} refers to an annex that was never attached.",
            "{person} confirmed that the {document} supersedes the one we signed in {city}.",
            "If the {clause} stays in, we need a cap and a notice period of {number} days.",
            "The original of the {document} is in the safe in {city}.",
        ],
    },
    Topic {
        subjects: &[
            "{project} deadline", "Milestone {number} is at risk", "New date for {project}", "{project}: plan until {date}",
            "Slipping: {product}", "Can we still make {date}?",
        ],
        sentences: &[
            "The deadline for {project} moves from {date} to a week later because of {cause}.",
            "Milestone {number} is at risk: the {product} has not been delivered to {city} yet.",
            "I would rather cut scope than miss {date} again.",
            "{person} thinks {number} days are enough if the team in {city} helps with the {product}.",
            "The critical path now runs through the {product}, no longer through the {document}.",
            "Please update the plan before the steering meeting on {date}.",
            "We lost {number} days to {cause} and will not get them back.",
            "If the {document} is not approved by {date}, everything after it slides.",
            "I have asked {person} for two more people until the end of the month.",
        ],
    },
    Topic {
        subjects: &[
            "Invoice {number} overdue", "Budget {project}", "Offer for the {product}", "Payment of {amount}",
            "Cost overrun on {project}", "Quarterly figures",
        ],
        sentences: &[
            "Invoice {number} over {amount} has been overdue since {date}.",
            "The budget for {project} is spent to {number} percent, mostly on the {product}.",
            "{person} approved {amount} for the {product}, on condition that we get three offers.",
            "Accounts in {city} booked the payment to the wrong cost centre.",
            "The discount only holds if we order {number} of them before {date}.",
            "Exchange rates cost us {amount} this quarter.",
            "Please send the credit note for the damaged {product}.",
            "The forecast assumes that the {document} is signed; otherwise we are {amount} short.",
            "Travel to {city} is over budget, so please book early.",
        ],
    },
    Topic {
        subjects: &[
            "Outage of the {product}", "Incident {number}: {product} down", "Post-mortem: {product}", "{product} is slow again",
            "Root cause found", "Maintenance window on {date}",
        ],
        sentences: &[
            "The {product} went down at four in the morning; the cause was {cause}.",
            "We rolled back to version {number} and the errors stopped within minutes.",
            "Monitoring in {city} did not page anyone because of {cause}.",
            "{person} restarted the {product} twice before it came back.",
            "Customers saw errors for about {number} minutes.",
            "The fix for the {product} goes out in the maintenance window on {date}.",
            "Logs are attached to ticket {number}; look for the first timeout.",
            "I suspect {cause}, but I cannot reproduce it in the test environment.",
            "Please do not touch the {product} until {person} has taken a copy of the disk.",
        ],
    },
    Topic {
        subjects: &[
            "Meeting in {city} on {date}", "Agenda {project}", "Minutes of {date}", "Trip to {city}", "Lunch with {person}?",
            "Room for the {project} workshop",
        ],
        sentences: &[
            "Shall we meet in {city} on {date} to go through the {document}?",
            "Agenda: status of {project}, the {product}, the {clause}, any other business.",
            "{person} will take the minutes; {number} people have accepted so far.",
            "My train gets into {city} at half past nine, so I would start at ten.",
            "The room holds {number} people, which will be tight.",
            "Action: {person} to send the {document} before {date}.",
            "We agreed to postpone the decision on the {product} until the figures are in.",
            "Please bring the drawings of the {product}; the projector in {city} is broken.",
            "I booked a table near the station for {number}.",
        ],
    },
    Topic {
        subjects: &[
            "Shipment {number} delayed", "Customs papers for the {product}", "Delivery to {city}", "Damaged goods: {product}",
            "Tracking number for {project}",
        ],
        sentences: &[
            "Container {number} is held at customs in {city} because of {cause}.",
            "The {product} left the warehouse on {date} and should reach {city} within a week.",
            "Two of the {number} crates arrived damaged; photographs follow.",
            "Customs asks for the {document} in the original.",
            "The carrier blames {cause} and refuses to pay the {amount}.",
            "{person} can receive the {product} until six, after that the gate is locked.",
            "Please quote shipment {number} in all letters to the forwarder.",
            "We will route everything for {project} through {city} until further notice.",
        ],
    },
    Topic {
        subjects: &[
            "Application for {project}", "Interview on {date}", "Welcome to the team", "Holiday until {date}", "Training: {product}",
            "Parental leave cover",
        ],
        sentences: &[
            "{person} starts in {city} on {date} and will look after the {product}.",
            "The candidate knows the {product} well but asked for {amount} a year.",
            "I am on holiday until {date}; {person} covers for me.",
            "Everyone who works with the {product} needs the safety training, {number} places are left.",
            "Please hand in holiday requests for the summer before {date}.",
            "The works council agreed to the new shift plan in {city}.",
            "Could you write two sentences about {person} for the newsletter?",
            "References from {city} are excellent; I would make an offer this week.",
        ],
    },
    Topic {
        subjects: &[
            "Audit of {project}", "Findings {number}", "Access to the {product}", "Request for documents: {project}",
            "Retention of the {document}", "Privileged: {project}",
        ],
        sentences: &[
            "The auditors asked for every {document} about {project} since {date}.",
            "Finding {number}: nobody could show who approved the payment of {amount}.",
            "Access to the {product} must be limited to named people by {date}.",
            "Please preserve all mail about the {document}; do not delete anything.",
            "{person} collects the documents in {city} and keeps the list.",
            "Nothing about the {clause} should be discussed outside this group.",
            "The retention period of the {document} ends {number} months after termination.",
            "We found {number} accounts of people who left, some with access to the {product}.",
        ],
    },
];

/// Words around the sentences, in one language.
pub(crate) struct Manners {
    pub(crate) greetings: &'static [&'static str],
    pub(crate) closings: &'static [&'static str],
    /// Sentences of the language's own; in English the topic's are used.
    pub(crate) sentences: &'static [&'static str],
    pub(crate) subjects: &'static [&'static str],
    pub(crate) reply: &'static str,
    pub(crate) wrote: &'static str,
}

/// The manners of `language`.
pub(crate) fn manners(language: Language) -> &'static Manners {
    match language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
        Language::French => &FRENCH,
        Language::Spanish => &SPANISH,
        Language::Japanese => &JAPANESE,
        Language::Chinese => &CHINESE,
    }
}

const ENGLISH: Manners = Manners {
    greetings: &["Hi {person},", "Dear {person},", "Hello all,", "Morning {person},", "Team,", "{person} —"],
    closings: &["Best regards,", "Thanks,", "Cheers,", "Kind regards,", "Speak soon,"],
    sentences: &[],
    subjects: &[],
    reply: "Re: ",
    wrote: "On {when}, {whom} wrote:",
};

#[rustfmt::skip]
const GERMAN: Manners = Manners {
    greetings: &["Hallo {person},", "Liebe Kolleginnen und Kollegen,", "Guten Morgen {person},", "Sehr geehrte Damen und Herren,"],
    closings: &["Viele Grüße", "Mit freundlichen Grüßen", "Schöne Grüße aus {city}", "Danke und Gruß"],
    subjects: &["Rückfrage zu {project}", "Vertrag {project}: Änderungen", "Terminverschiebung auf {date}", "Rechnung {number} – Mahnung", "Überprüfung der Kaimauer in {city}"],
    sentences: &[
        "Der Vertrag für {project} liegt zur Unterschrift bereit, es fehlt nur noch die Anlage {number}.",
        "Wegen der Lieferverzögerung müssen wir den Termin auf den {date} verschieben.",
        "Könnten Sie bitte prüfen, ob die Rechnung über {amount} schon überwiesen wurde?",
        "Die Baustelle in {city} ruht seit gestern; schuld ist der gebrochene Träger.",
        "Für die Prüfung brauchen wir größere Maßstäbe als in Zeichnung {number}.",
        "{person} hat die Änderungen am Angebot bestätigt, außer der Haftungsgrenze.",
        "Bitte schicken Sie mir die Unterlagen bis spätestens {date} zurück.",
        "Das Budget ist zu {number} Prozent ausgeschöpft, mehr geht nicht.",
        "Über die Kündigungsfrist müssen wir noch einmal reden.",
    ],
    reply: "AW: ",
    wrote: "Am {when} schrieb {whom}:",
};

#[rustfmt::skip]
const FRENCH: Manners = Manners {
    greetings: &["Bonjour {person},", "Chère équipe,", "Bonjour à tous,"],
    closings: &["Bien à vous,", "Cordialement,", "À bientôt,", "Amitiés de {city},"],
    subjects: &["Contrat {project} : dernière version", "Délai pour {project}", "Facture nº {number}", "Réunion à {city} le {date}"],
    sentences: &[
        "Vous trouverez ci-joint la dernière version du contrat pour {project}.",
        "Le délai du {date} ne pourra pas être tenu à cause de la grève à {city}.",
        "La facture nº {number} d'un montant de {amount} n'a toujours pas été réglée.",
        "{person} préfère que nous négociions d'abord la clause de responsabilité.",
        "Les fûts de chêne sont arrivés abîmés, il faudra prévenir l'assureur.",
        "Pourriez-vous confirmer votre présence à la réunion du {date} ?",
        "Nous avons goûté la cuvée {number} : très élégante, un peu fermée.",
        "Où en êtes-vous de l'étude du site près de {city} ?",
    ],
    reply: "Re: ",
    wrote: "Le {when}, {whom} a écrit :",
};

#[rustfmt::skip]
const SPANISH: Manners = Manners {
    greetings: &["Hola {person}:", "Buenos días a todos:", "Estimado equipo:"],
    closings: &["Un saludo,", "Saludos cordiales,", "Muchas gracias,"],
    subjects: &["Envío {number} retrasado", "Contrato de {project}", "¿Reunión el {date}?", "Presupuesto del almacén"],
    sentences: &[
        "El camión con destino a {city} salió esta mañana con {number} palés.",
        "La aduana pide el certificado original antes del {date}.",
        "El presupuesto de {project} sube a {amount} por culpa del combustible.",
        "¿Podría {person} revisar las cláusulas de indemnización?",
        "El almacén está lleno hasta mañana; no enviéis más cajas.",
        "Adjunto las fotos de la mercancía dañada, son {number} en total.",
        "Señalaría también que el año pasado firmamos otra fecha.",
    ],
    reply: "RE: ",
    wrote: "El {when}, {whom} escribió:",
};

#[rustfmt::skip]
const JAPANESE: Manners = Manners {
    greetings: &["{person}様", "お世話になっております。", "関係者各位"],
    closings: &["よろしくお願いいたします。", "以上、ご確認ください。", "取り急ぎご報告まで。"],
    subjects: &["{project} の納期について", "見積書 {number} の件", "契約書のご確認", "{city} 出張の件"],
    sentences: &[
        "{project} の契約書を確認いたしましたので、ご署名をお願いいたします。",
        "納期は {date} に変更となりました。",
        "センサーの不具合の原因は電源回路にあると思われます。",
        "見積書 {number} の金額は {amount} です。",
        "来週の会議は {city} で行う予定です。",
        "ファームウェアの更新は夜間に実施いたします。",
        "ご不明な点がございましたら、ご連絡ください。",
        "請求書の支払期限は {date} です。",
    ],
    reply: "Re: ",
    wrote: "{when} {whom}:",
};

#[rustfmt::skip]
const CHINESE: Manners = Manners {
    greetings: &["{person}，您好：", "各位同事：", "大家好！"],
    closings: &["谢谢！", "此致敬礼", "祝好"],
    subjects: &["{project} 合同", "关于 {number} 号订单", "交货日期", "{city} 会议安排"],
    sentences: &[
        "{project} 的合同已经发给法务部审核。",
        "请在 {date} 之前确认交货日期。",
        "第 {number} 号订单的金额为 {amount}。",
        "传感器的库存不足，供应商下周补货。",
        "会议改在 {city} 举行，请提前订票。",
        "发票有误，请重新开具。",
        "违约金条款还需要再讨论。",
    ],
    reply: "答复: ",
    wrote: "{when} {whom} 写道：",
};

/// What the gaps of one mail are filled with, where that is not chance.
pub(crate) struct Gaps<'a> {
    pub(crate) project: &'a str,
    /// Whom the text names.
    pub(crate) person: &'a str,
    /// When it is written.
    pub(crate) unix: i64,
}

/// Appends `template` to `out` with its gaps filled.
pub(crate) fn fill(out: &mut String, template: &str, gaps: &Gaps<'_>, random: &mut Random) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((gap, after)) = after.split_once('}') else { break };
        rest = after;
        match gap {
            "project" => out.push_str(gaps.project),
            "person" => out.push_str(gaps.person),
            "city" => out.push_str(random.pick(&CITIES)),
            "document" => out.push_str(random.pick(&DOCUMENTS)),
            "product" => out.push_str(random.pick(&PRODUCTS)),
            "cause" => out.push_str(random.pick(&CAUSES)),
            "clause" => out.push_str(random.pick(&CLAUSES)),
            "number" => push_display(out, random.between(3, 97) * if random.chance(0.3) { 113 } else { 1 }),
            "amount" => {
                let currency = random.pick(&["EUR", "EUR", "USD", "£", "¥"]);
                let thousands = random.between(1, 480);
                push_display(out, format_args!("{currency} {thousands},{:03}", random.below(20) * 50));
            }
            "date" => {
                let days = random.between(1, 60) as i64;
                out.push_str(&Civil::from_unix(gaps.unix + days * 86_400).short());
            }
            other => out.push_str(other),
        }
    }
    out.push_str(rest);
}

fn push_display(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gap_has_something_to_fill_it() {
        const KNOWN: [&str; 9] =
            ["project", "person", "city", "document", "product", "cause", "clause", "number", "amount"];
        let gaps = Gaps { project: "P", person: "N", unix: 0 };
        let mut random = Random::new(1, 1);
        let languages = [&ENGLISH, &GERMAN, &FRENCH, &SPANISH, &JAPANESE, &CHINESE];
        let topics = TOPICS.iter().flat_map(|topic| topic.subjects.iter().chain(topic.sentences));
        let others = languages.iter().flat_map(|manners| {
            [manners.greetings, manners.closings, manners.sentences, manners.subjects].into_iter().flatten()
        });
        for template in topics.chain(others) {
            for gap in template.split('{').skip(1) {
                let (gap, _) = gap.split_once('}').unwrap();
                assert!(gap == "date" || KNOWN.contains(&gap), "{gap} in {template}");
            }
            let mut out = String::new();
            fill(&mut out, template, &gaps, &mut random);
            assert!(!out.contains(['{', '}']), "{out}");
        }
    }
}
