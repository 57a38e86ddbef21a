//! The cast: people who always have the same address, job and way of signing.

use postlode_pst_writer::Address;

use crate::random::Random;

/// The language someone writes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
    French,
    Spanish,
    Japanese,
    Chinese,
}

/// Someone who writes and gets mail.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) given: &'static str,
    pub(crate) family: &'static str,
    pub(crate) company: &'static str,
    pub(crate) domain: &'static str,
    pub(crate) title: &'static str,
    pub(crate) phone: String,
    pub(crate) language: Language,
    local: &'static str,
}

impl Person {
    /// The whole name, family name first where that is the custom.
    pub(crate) fn name(&self) -> String {
        match self.language {
            Language::Japanese | Language::Chinese if !self.given.is_ascii() => {
                format!("{} {}", self.family, self.given)
            }
            _ => format!("{} {}", self.given, self.family),
        }
    }

    /// Name and address.
    pub(crate) fn address(&self) -> Address {
        Address::new(self.name(), self.mail())
    }

    /// Name and address as the owner's Exchange server knows them: colleagues by a distinguished name.
    pub(crate) fn exchange_address(&self) -> Address {
        if self.domain != COMPANIES[0].1 {
            return self.address();
        }
        self.address().with_exchange(format!(
            "/O=POSTLODE/OU=EXCHANGE ADMINISTRATIVE GROUP (FYDIBOHF23SPDLT)/CN=RECIPIENTS/CN={}",
            self.local.to_uppercase()
        ))
    }

    /// The address alone.
    pub(crate) fn mail(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }
}

/// The companies: name and domain. The first is the archive owner's.
const COMPANIES: [(&str, &str); 6] = [
    ("Postlode Works", "postlode.example"),
    ("Hafenbau Nord GmbH", "hafenbau-nord.example"),
    ("Delacroix & Fils", "delacroix.example"),
    ("Kitayama Denki", "kitayama.example"),
    ("Blue Heron Legal LLP", "blueheron-legal.example"),
    ("Mesa Verde Logistics", "mesaverde.example"),
];

use Language::{Chinese, English, French, German, Japanese, Spanish};

/// Given name, family name, the part of the address before the @, company, title, language.
const CAST: [(&str, &str, &str, usize, &str, Language); 40] = [
    ("Margaret", "Holloway", "margaret.holloway", 0, "Head of Operations", English),
    ("Tobias", "Brückner", "tobias.brueckner", 0, "Project Manager", German),
    ("Aoife", "Ní Bhriain", "aoife.nibhriain", 0, "Software Engineer", English),
    ("Samuel", "Okonkwo", "samuel.okonkwo", 0, "Data Engineer", English),
    ("Priya", "Raghunathan", "priya.raghunathan", 0, "Finance Director", English),
    ("Elena", "Vasquez", "elena.vasquez", 0, "Procurement Lead", Spanish),
    ("Jonas", "Lindqvist", "jonas.lindqvist", 0, "Security Officer", English),
    ("Hannah", "Weiß", "hannah.weiss", 0, "Human Resources", German),
    ("Daniel", "Abramov", "daniel.abramov", 0, "Support Engineer", English),
    ("Chloé", "Marchand", "chloe.marchand", 0, "Designer", French),
    ("Rupert", "Ashdown", "rupert.ashdown", 0, "Chief Executive", English),
    ("Mei", "Tanaka", "mei.tanaka", 0, "Quality Manager", English),
    ("Frederik", "Sørensen", "frederik.soerensen", 0, "Infrastructure Engineer", English),
    ("Ingrid", "Kowalczyk", "ingrid.kowalczyk", 0, "Legal Counsel", English),
    ("Jürgen", "Thomsen", "j.thomsen", 1, "Managing Director", German),
    ("Katrin", "Möller", "k.moeller", 1, "Site Manager", German),
    ("Stefan", "Großkopf", "s.grosskopf", 1, "Structural Engineer", German),
    ("Lars", "Petersen", "l.petersen", 1, "Crane Operations", English),
    ("Ute", "Hagedorn", "u.hagedorn", 1, "Accounts", German),
    ("Bernd", "Jäger", "b.jaeger", 1, "Surveyor", German),
    ("Étienne", "Delacroix", "etienne", 2, "Owner", French),
    ("Amélie", "Rousseau", "amelie.rousseau", 2, "Export Manager", French),
    ("Gaël", "Lefèvre", "gael.lefevre", 2, "Cellar Master", French),
    ("Solène", "Garçon", "solene.garcon", 2, "Accounts", French),
    ("健一", "北山", "kitayama.k", 3, "President", Japanese),
    ("由美子", "佐藤", "sato.yumiko", 3, "Sales", Japanese),
    ("大輔", "中村", "nakamura.d", 3, "Firmware Engineer", Japanese),
    ("Akira", "Mori", "mori.akira", 3, "Overseas Sales", English),
    ("丽", "王", "wang.li", 3, "Supply Chain", Chinese),
    ("Constance", "Whitfield", "cwhitfield", 4, "Partner", English),
    ("Malcolm", "O'Dowd", "modowd", 4, "Associate", English),
    ("Beatrice", "Kline", "bkline", 4, "Paralegal", English),
    ("Nathaniel", "Prior", "nprior", 4, "Associate", English),
    ("Rosa", "Ibáñez", "rosa.ibanez", 5, "Dispatch", Spanish),
    ("Hector", "Quiñones", "hector.quinones", 5, "Fleet Manager", Spanish),
    ("Dawn", "Littlefield", "dawn.littlefield", 5, "Account Manager", English),
    ("Marcus", "Bell", "marcus.bell", 5, "Customs Broker", English),
    ("Ximena", "Peña", "ximena.pena", 5, "Warehouse Lead", Spanish),
    ("Owen", "Gallagher", "owen.gallagher", 5, "Claims", English),
    ("Tessa", "van den Berg", "tessa.vandenberg", 5, "Planner", English),
];

/// How many of the cast belong to the owner's company.
const COLLEAGUES: usize = 14;

/// Everyone, and whose archive it is.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) people: Vec<Person>,
    pub(crate) owner: usize,
}

impl Cast {
    /// The cast, with an owner that depends on the seed.
    pub(crate) fn new(random: &mut Random) -> Self {
        let owner = random.below(COLLEAGUES);
        let people = CAST
            .iter()
            .map(|(given, family, local, company, title, language)| Person {
                given,
                family,
                local,
                company: COMPANIES[*company].0,
                domain: COMPANIES[*company].1,
                title,
                language: *language,
                phone: format!("+49 30 5550 {:04}", random.between(1000, 9999)),
            })
            .collect();
        Self { people, owner }
    }

    /// `count` different people other than the owner.
    pub(crate) fn others(&self, random: &mut Random, count: usize) -> Vec<usize> {
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count.min(self.people.len() - 1) {
            let person = random.below(self.people.len());
            if person != self.owner && !chosen.contains(&person) {
                chosen.push(person);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ascii_and_differ() {
        let cast = Cast::new(&mut Random::new(1, 1));
        let mut addresses: Vec<String> = cast.people.iter().map(Person::mail).collect();
        assert!(addresses.iter().all(|address| address.is_ascii()));
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), CAST.len());
        assert!(CAST[..COLLEAGUES].iter().all(|person| person.3 == 0));
    }
}
