//! OpenDocument: texts, sheets and presentations of the offices that are not Microsoft's.
//!
//! What always holds: a paragraph is a line; cells that a sheet repeats come once.

use crate::archive::{Archive, File};
use crate::meter::{Fail, Meter, corrupt};
use crate::output::Output;
use crate::xml::{Token, walk_part};

/// Whether an archive is such a document: its media type is a file of its own.
pub(crate) fn is(archive: &Archive<'_>, meter: &Meter<'_>) -> Result<bool, Fail> {
    let Some(file) = archive.find("mimetype") else { return Ok(false) };
    match archive.all(file, 256, meter) {
        Ok(kind) => Ok(kind.starts_with(b"application/vnd.oasis.opendocument.")),
        Err(fail) if fail.ends_all() => Err(fail),
        Err(_) => Ok(false),
    }
}

pub(crate) fn read(archive: &Archive<'_>, meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
    if let Some(manifest) = archive.find("META-INF/manifest.xml") {
        let mut encrypted = false;
        // Where the manifest is damaged, the content is tried all the same.
        let _unread = walk_part(archive, manifest, meter, |token| {
            encrypted |= matches!(token, Token::Start("encryption-data", _));
            Ok(())
        });
        if encrypted {
            return Err(Fail::Encrypted("the document is encrypted".to_owned()));
        }
    }
    let content = archive.find("content.xml").ok_or_else(|| corrupt("the document has no content"))?;
    part(archive, content, meter, output)?;
    // Headers and footers.
    archive.find("styles.xml").map_or(Ok(()), |styles| part(archive, styles, meter, output))
}

fn part(archive: &Archive<'_>, file: &File, meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
    // Within a row of a table, and whether it has text already.
    let (mut paragraphs, mut rows, mut begun) = (0_u32, 0_u32, false);
    output.part()?;
    walk_part(archive, file, meter, |token| {
        match token {
            Token::Start("table-row", _) => (rows, begun) = (rows.saturating_add(1), false),
            Token::End("table-row") => {
                rows = rows.saturating_sub(1);
                output.line()?;
            }
            Token::Start("p" | "h", _) => {
                if rows > 0 && begun && paragraphs == 0 {
                    output.character('\t')?;
                }
                (paragraphs, begun) = (paragraphs.saturating_add(1), true);
            }
            Token::End("p" | "h") => {
                paragraphs = paragraphs.saturating_sub(1);
                if rows == 0 {
                    output.line()?;
                }
            }
            Token::Start("tab", _) if paragraphs > 0 => output.character('\t')?,
            Token::Start("line-break", _) if paragraphs > 0 => output.line()?,
            Token::Start("s", _) if paragraphs > 0 => output.blank()?,
            Token::Text(text) if paragraphs > 0 => output.push(text)?,
            _ => {}
        }
        Ok(())
    })?;
    output.line()
}
