//! The things mail is about: projects, places, documents, firms' products.

/// Projects, each of which has a folder.
#[rustfmt::skip]
pub(crate) const PROJECTS: [&str; 12] = [
    "Nordlicht", "Harbour Bridge", "Copper Finch", "Ægir", "東北 Pilot", "Larkspur", "Château Cellar",
    "Granite Ledger", "Blue Heron Audit", "Mesa Warehouse", "Sankt Pauli Quay", "Winter Timetable",
];

/// Places.
#[rustfmt::skip]
pub(crate) const CITIES: [&str; 16] = [
    "Hamburg", "Rotterdam", "Lyon", "Sendai", "Albuquerque", "Gdańsk", "Zürich", "Málaga", "Reykjavík",
    "Bristol", "Kraków", "Osaka", "Bordeaux", "Tromsø", "Dublin", "Veracruz",
];

/// Papers that are written, sent and signed.
#[rustfmt::skip]
pub(crate) const DOCUMENTS: [&str; 18] = [
    "framework agreement", "statement of work", "non-disclosure agreement", "lease", "purchase order",
    "escrow agreement", "maintenance contract", "change request", "acceptance protocol", "bill of lading",
    "customs declaration", "risk register", "audit report", "test plan", "budget forecast", "site survey",
    "insurance certificate", "delivery schedule",
];

/// Things that are made, bought and break.
#[rustfmt::skip]
pub(crate) const PRODUCTS: [&str; 18] = [
    "gantry crane", "pressure sensor", "billing service", "login page", "cold store", "fibre link",
    "backup cluster", "ticket printer", "firmware image", "conveyor belt", "search index", "payroll export",
    "oak barrel", "quay wall", "route planner", "badge reader", "message queue", "steel bearing",
];

/// What may have been the reason.
#[rustfmt::skip]
pub(crate) const CAUSES: [&str; 14] = [
    "an expired certificate", "a blocked drain", "the customs strike", "a race condition",
    "late steel deliveries", "a wrong time zone", "the storm on Thursday", "an unpaid invoice",
    "a corrupted configuration", "missing signatures", "a faulty relay", "the holiday backlog",
    "an off-by-one error in the rounding", "a misread drawing",
];

/// Paragraphs of contracts.
#[rustfmt::skip]
pub(crate) const CLAUSES: [&str; 12] = [
    "liability cap", "termination notice", "force majeure", "exclusivity", "payment terms", "governing law",
    "warranty period", "confidentiality", "indemnity", "price adjustment", "penalty for delay",
    "data protection",
];
