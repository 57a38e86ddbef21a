//! Office Open XML: which parts of a package hold text, and in which order they are read.
//!
//! What always holds: a part that is damaged costs that part; the main parts are read before what stands beside them.

use crate::Format;
use crate::archive::{Archive, File};
use crate::meter::{Fail, Meter, corrupt};
use crate::output::Output;
use crate::xml::{Token, walk_part};
use crate::{container, sheet, word};

/// What a part is to its document, in the order of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Workbook,
    Styles,
    Strings,
    /// A sheet of a workbook.
    Sheet,
    /// The document, or a slide.
    Main,
    /// Footnotes, comments, headers, notes, diagrams.
    Side,
    /// A workbook in the binary format.
    Binary,
    /// Another document in this one.
    Embedded,
}

/// How content types end, and what they make of a part.
const TYPES: &[(&str, Role)] = &[
    ("sheet.binary.macroEnabled.main", Role::Binary),
    ("sheet.main+xml", Role::Workbook),
    ("sheet.macroEnabled.main+xml", Role::Workbook),
    ("spreadsheetml.template.main+xml", Role::Workbook),
    ("excel.template.macroEnabled.main+xml", Role::Workbook),
    ("spreadsheetml.styles+xml", Role::Styles),
    (".sharedStrings+xml", Role::Strings),
    (".worksheet+xml", Role::Sheet),
    ("wordprocessingml.document.main+xml", Role::Main),
    ("wordprocessingml.template.main+xml", Role::Main),
    ("word.document.macroEnabled.main+xml", Role::Main),
    ("word.template.macroEnabledTemplate.main+xml", Role::Main),
    (".slide+xml", Role::Main),
    (".notesSlide+xml", Role::Side),
    (".footnotes+xml", Role::Side),
    (".endnotes+xml", Role::Side),
    (".comments+xml", Role::Side),
    (".threadedcomments+xml", Role::Side),
    (".header+xml", Role::Side),
    (".footer+xml", Role::Side),
    (".diagramData+xml", Role::Side),
    (".drawing+xml", Role::Side),
    (".chart+xml", Role::Side),
];

/// How paths begin, and what they make of a part that has no content type of its own.
const PATHS: &[(&str, Role)] = &[
    ("xl/workbook.xml", Role::Workbook),
    ("xl/workbook.bin", Role::Binary),
    ("xl/styles.xml", Role::Styles),
    ("xl/sharedstrings.xml", Role::Strings),
    ("xl/worksheets/sheet", Role::Sheet),
    ("xl/comments", Role::Side),
    ("xl/drawings/drawing", Role::Side),
    ("word/document.xml", Role::Main),
    ("word/footnotes", Role::Side),
    ("word/endnotes", Role::Side),
    ("word/comments.xml", Role::Side),
    ("word/header", Role::Side),
    ("word/footer", Role::Side),
    ("ppt/slides/slide", Role::Main),
    ("ppt/notesslides/notesslide", Role::Side),
    ("ppt/comments/", Role::Side),
];

/// A package: what it is, and its parts with text.
pub(crate) struct Package {
    pub(crate) format: Format,
    /// Roles of the files of the archive, by their place in it, in the order of reading.
    parts: Vec<(Role, usize)>,
}

impl Package {
    /// The package that an archive is, if it is one.
    pub(crate) fn of(archive: &Archive<'_>, meter: &Meter<'_>) -> Result<Option<Self>, Fail> {
        let within = |folder: &str| archive.files.iter().any(|file| starts(&file.name, folder));
        let types = archive.find("[Content_Types].xml");
        let format = match types {
            _ if within("word/") => Format::Word,
            _ if within("xl/") => Format::Sheet,
            _ if within("ppt/") => Format::Slides,
            _ => return Ok(None),
        };
        let Some(types) = types else { return Ok(None) };
        let mut roles: Vec<Option<Role>> = archive.files.iter().map(|file| by_path(&file.name)).collect();
        match content_types(archive, types, meter) {
            Ok(named) => {
                // Both are sorted, so that a package of many parts takes no longer than sorting does.
                for (index, file) in archive.files.iter().enumerate() {
                    let name = file.name.trim_start_matches('/').to_ascii_lowercase();
                    if let Ok(at) = named.binary_search_by(|(part, _)| part.as_str().cmp(&name))
                        && let (Some(role), Some((_, named))) = (roles.get_mut(index), named.get(at))
                    {
                        *role = named.or(*role);
                    }
                }
            }
            Err(fail) if fail.ends_all() => return Err(fail),
            // The paths will do.
            Err(_) => {}
        }
        let mut parts: Vec<(Role, usize)> =
            roles.into_iter().enumerate().filter_map(|(index, role)| Some((role?, index))).collect();
        parts.sort_by_key(|(role, index)| (*role, archive.files.get(*index).map(|file| order(&file.name))));
        Ok(Some(Self { format, parts }))
    }

    pub(crate) fn read(
        &self,
        archive: &Archive<'_>,
        depth: u32,
        meter: &Meter<'_>,
        output: &mut Output,
    ) -> Result<(), Fail> {
        let mut workbook = sheet::Workbook::default();
        let mut main = false;
        for (role, index) in &self.parts {
            let Some(file) = archive.files.get(*index) else { continue };
            main |= matches!(role, Role::Main | Role::Workbook | Role::Sheet | Role::Binary);
            output.enter(&file.name);
            let read = match role {
                Role::Embedded if depth >= meter.limits.depth => {
                    Err(Fail::Refused(format!("it lies in more than {} files", meter.limits.depth)))
                }
                Role::Embedded => {
                    output.part()?;
                    container::one(archive, file, depth, meter, output)
                }
                _ => part(archive, *role, file, &mut workbook, meter, output),
            };
            if let Err(fail) = &read {
                output.note(fail);
            }
            output.leave();
            if read.is_err_and(|fail| fail.ends_all()) || meter.is_spent() || output.room() == 0 {
                return Ok(());
            }
        }
        if let Some(fail) = &archive.more {
            return Err(fail.clone());
        }
        if main { Ok(()) } else { Err(corrupt("the document has no main part")) }
    }
}

fn part(
    archive: &Archive<'_>,
    role: Role,
    file: &File,
    workbook: &mut sheet::Workbook,
    meter: &Meter<'_>,
    output: &mut Output,
) -> Result<(), Fail> {
    meter.entry()?;
    match role {
        Role::Workbook => workbook.read_names(archive, file, meter, output),
        Role::Styles => workbook.read_styles(archive, file, meter),
        Role::Strings => workbook.read_strings(archive, file, meter),
        Role::Sheet => workbook.read_sheet(archive, file, meter, output),
        Role::Main | Role::Side => word::read(archive, file, meter, output),
        Role::Embedded => Ok(()),
        Role::Binary => Err(Fail::Unsupported("workbooks in the binary format are not read".to_owned())),
    }
}

/// Parts and their roles, sorted by the name of the part.
fn content_types(
    archive: &Archive<'_>,
    types: &File,
    meter: &Meter<'_>,
) -> Result<Vec<(String, Option<Role>)>, Fail> {
    let mut named = Vec::new();
    walk_part(archive, types, meter, |token| {
        if let Token::Start("Override", attributes) = token
            && let (Some(part), Some(kind)) = (attributes.get("PartName"), attributes.get("ContentType"))
            && named.len() < archive.files.len()
        {
            let role = TYPES.iter().find(|(end, _)| kind.ends_with(end)).map(|(_, role)| *role);
            named.push((part.trim_start_matches('/').to_ascii_lowercase(), role));
        }
        Ok(())
    })?;
    named.sort();
    Ok(named)
}

fn by_path(name: &str) -> Option<Role> {
    if ["word/embeddings/", "xl/embeddings/", "ppt/embeddings/"].iter().any(|path| starts(name, path)) {
        return Some(Role::Embedded).filter(|_| !name.contains("_rels"));
    }
    let xml = name.rsplit_once('.').is_some_and(|(_, ending)| ending == "xml" || ending == "bin");
    let found = PATHS.iter().find(|(path, _)| starts(name, path));
    found.filter(|_| xml && !name.contains("_rels")).map(|(_, role)| *role)
}

fn starts(name: &str, path: &str) -> bool {
    name.as_bytes().get(..path.len()).is_some_and(|start| start.eq_ignore_ascii_case(path.as_bytes()))
}

/// The name without its number, and the number: `slide10` comes after `slide9`.
fn order(name: &str) -> (String, u64) {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let text = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = stem.get(text.len()..).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    (text.to_owned(), number)
}
