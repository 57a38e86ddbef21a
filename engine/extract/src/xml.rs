//! Walking XML, of which the office formats are made.
//!
//! quick-xml is a tokenizer: nesting costs nothing but the names of what is open, and entities that a document declares
//! are never expanded. What always holds: names come without their namespaces, and character references resolved.

use crate::archive::{Archive, File};
use crate::meter::{Fail, Meter, corrupt};
use crate::unpack::fail_in;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use quick_xml::{Error, XmlVersion, escape};
use std::cell::Cell;
use std::io::BufRead;

/// Longest part in an encoding other than UTF-8, which is decoded whole.
const RECODED: u64 = 32 << 20;

/// What comes by.
pub(crate) enum Token<'t> {
    Start(&'t str, Attributes<'t>),
    End(&'t str),
    Text(&'t str),
}

/// The attributes of an element.
pub(crate) struct Attributes<'t>(&'t BytesStart<'t>);

impl Attributes<'_> {
    /// The value of an attribute, by its name without namespace.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        for attribute in self.0.attributes().with_checks(false) {
            let attribute = attribute.ok()?;
            if attribute.key.local_name().as_ref() == name {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                return value.ok().map(std::borrow::Cow::into_owned);
            }
        }
        None
    }
}

/// Walks a part of an archive.
pub(crate) fn walk_part(
    archive: &Archive<'_>,
    file: &File,
    meter: &Meter<'_>,
    on: impl FnMut(Token<'_>) -> Result<(), Fail>,
) -> Result<(), Fail> {
    let token = Cell::new(0);
    let mut unpack = archive.read(file, meter)?.with_token(&token);
    let start = unpack.fill_buf().map_err(|error| fail_in(&error))?;
    let bom = encoding_rs::Encoding::for_bom(start);
    match bom {
        Some((encoding, _)) if encoding != encoding_rs::UTF_8 => {
            let bytes = archive.all(file, RECODED, meter)?;
            let (text, _, _) = encoding.decode(&bytes);
            walk(text.as_bytes(), &token, meter, on)
        }
        _ => walk(unpack, &token, meter, on),
    }
}

/// Walks a document. `token` is set back with each token that came by.
pub(crate) fn walk(
    input: impl BufRead,
    token: &Cell<u64>,
    meter: &Meter<'_>,
    mut on: impl FnMut(Token<'_>) -> Result<(), Fail>,
) -> Result<(), Fail> {
    let mut reader = Reader::from_reader(input);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    // Well-formedness is not what is looked for: what is there is read.
    (config.check_end_names, config.allow_unmatched_ends, config.allow_dangling_amp) = (false, true, true);
    let (mut buffer, mut count) = (Vec::new(), 0_u32);
    loop {
        buffer.clear();
        token.set(0);
        count = count.wrapping_add(1);
        if count.is_multiple_of(1024) {
            meter.time()?;
        }
        match reader.read_event_into(&mut buffer).map_err(|error| fail(&error))? {
            Event::Start(start) => on(Token::Start(start.local_name().as_ref(), Attributes(&start)))?,
            Event::End(end) => on(Token::End(end.local_name().as_ref()))?,
            Event::Text(text) => on(Token::Text(&text.xml10_content()))?,
            Event::CData(text) => on(Token::Text(&text.xml10_content()))?,
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(c)) => on(Token::Text(c.encode_utf8(&mut [0; 4])))?,
                _ => {
                    if let Some(text) = escape::resolve_predefined_entity(&reference.xml10_content()) {
                        on(Token::Text(text))?;
                    }
                }
            },
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn fail(error: &Error) -> Fail {
    match error {
        Error::Io(error) => fail_in(error),
        error => corrupt(format!("its XML is damaged: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn text(xml: &str) -> Result<String, Fail> {
        let limits = Limits::default();
        let mut out = String::new();
        walk(xml.as_bytes(), &Cell::new(0), &Meter::new(&limits), |token| {
            match token {
                Token::Text(text) => out.push_str(text),
                Token::Start("b", attributes) => out.push_str(&attributes.get("c").unwrap_or_default()),
                _ => {}
            }
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn text_comes_with_its_references() {
        assert_eq!(text("<a>x &amp; y&#33;<![CDATA[<z>]]></a>").unwrap(), "x & y!<z>");
        assert_eq!(text("<p:a><p:b r:c='1&lt;2'/></p:a>").unwrap(), "1<2");
        assert!(text("<a><b").is_err());
        assert_eq!(text("<a>x</b></c>y").unwrap(), "xy");
    }

    #[test]
    fn entities_are_not_expanded_and_depth_costs_nothing() {
        let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><l>&b;ok</l>";
        assert_eq!(text(laughs).unwrap(), "ok");
        let deep = format!("{}deep{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        assert_eq!(text(&deep).unwrap(), "deep");
        assert_eq!(text(&"<a>".repeat(100_000)).unwrap(), "");
    }
}
