//! TNEF, the `winmail.dat` of Outlook ([MS-OXTNEF]): a message packed into an attachment. Its text and the files in it
//! are read as those of an archive are.
//!
//! What always holds: no length is believed beyond the bytes that are there; what lies behind damage is not guessed
//! at; a stream inside a stream counts as one level deeper.

use crate::classify;
use crate::meter::{Fail, Meter, corrupt};
use crate::output::Output;
use crate::plain;
use postlode_mail::rtf;
use std::borrow::Cow;

/// The first bytes of every stream.
pub(crate) const MAGIC: &[u8] = b"\x78\x9f\x3e\x22";

/// Ids of attributes that are looked at; the upper half of each is its type.
mod attribute {
    pub(super) const CODE_PAGE: u32 = 0x0006_9007;
    pub(super) const SUBJECT: u32 = 0x0001_8004;
    pub(super) const BODY: u32 = 0x0002_800c;
    pub(super) const MESSAGE: u32 = 0x0006_9003;
    pub(super) const NEXT_FILE: u32 = 0x0006_9002;
    pub(super) const TITLE: u32 = 0x0001_8010;
    pub(super) const DATA: u32 = 0x0006_800f;
    pub(super) const FILE: u32 = 0x0006_9005;
}

/// Ids of MAPI properties that are looked at.
mod property {
    pub(super) const SUBJECT: u16 = 0x0037;
    pub(super) const BODY: u16 = 0x1000;
    pub(super) const RTF: u16 = 0x1009;
    pub(super) const HTML: u16 = 0x1013;
    pub(super) const DATA: u16 = 0x3701;
    pub(super) const LONG_NAME: u16 = 0x3707;
    pub(super) const NAME: u16 = 0x3001;
}

/// Types of MAPI properties.
mod kind {
    pub(super) const OBJECT: u16 = 0x000d;
    pub(super) const STRING: u16 = 0x001e;
    pub(super) const UNICODE: u16 = 0x001f;
    pub(super) const BINARY: u16 = 0x0102;
    pub(super) const MULTIPLE: u16 = 0x1000;
}

/// Most properties of one list: more than any real message has.
const PROPERTIES: u32 = 16_384;

/// Bytes yet to be read.
struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// So many bytes, and those that fill them up to a multiple of four.
    fn padded(&mut self, count: usize) -> Option<&'b [u8]> {
        let value = self.take(count)?;
        let fill = count.checked_next_multiple_of(4)?.checked_sub(count)?;
        // The last value of a stream may lack its filling.
        let _filling = self.take(fill.min(self.0.len()));
        Some(value)
    }
}

/// What is kept of a message.
#[derive(Default)]
struct Message<'b> {
    subject: Option<Cow<'b, str>>,
    body: Option<Cow<'b, str>>,
    html: Option<&'b [u8]>,
    rtf: Option<&'b [u8]>,
}

/// A file of it.
#[derive(Default)]
struct File<'b> {
    title: Option<Cow<'b, str>>,
    long_name: Option<Cow<'b, str>>,
    data: Option<&'b [u8]>,
}

pub(crate) fn read(bytes: &[u8], depth: u32, meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
    if depth > meter.limits.depth {
        return Err(Fail::Refused(format!("it lies in more than {} archives", meter.limits.depth)));
    }
    let mut stream = Cursor(bytes.get(MAGIC.len()..).unwrap_or_default());
    let cut = || corrupt("the TNEF stream ends early");
    stream.u16().ok_or_else(cut)?;
    let mut page = encoding_rs::WINDOWS_1252;
    let mut message = Message::default();
    let mut files: Vec<File<'_>> = Vec::new();
    let mut damage = None;
    while !stream.0.is_empty() {
        let Some((id, value, whole)) = next(&mut stream) else {
            damage = Some(cut());
            break;
        };
        if !whole {
            damage = Some(corrupt("a checksum in the TNEF stream does not match"));
        }
        match id {
            attribute::CODE_PAGE => {
                let number = Cursor(value).u32().and_then(|page| u16::try_from(page).ok());
                page = number.and_then(codepage).unwrap_or(page);
            }
            attribute::SUBJECT => message.subject = Some(text(value, page)),
            attribute::BODY => message.body = Some(text(value, page)),
            attribute::MESSAGE => {
                let whole = properties(value, |id, kind, value| match id {
                    property::SUBJECT => message.subject = Some(string(kind, value, page)),
                    property::BODY => message.body = Some(string(kind, value, page)),
                    property::HTML => message.html = Some(value),
                    property::RTF => message.rtf = Some(value),
                    _ => {}
                });
                damage = damage.or_else(|| whole.is_none().then(cut));
            }
            attribute::NEXT_FILE => {
                meter.entry()?;
                files.push(File::default());
            }
            attribute::TITLE | attribute::DATA | attribute::FILE => {
                let Some(file) = files.last_mut() else {
                    damage = Some(corrupt("the TNEF stream has a file that does not begin"));
                    continue;
                };
                match id {
                    attribute::TITLE => file.title = Some(text(value, page)),
                    attribute::DATA => file.data = Some(value),
                    _ => {
                        let whole = file.properties(value, page);
                        damage = damage.or_else(|| whole.is_none().then(cut));
                    }
                }
            }
            _ => {}
        }
    }
    message.tell(meter, output)?;
    for file in files {
        file.tell(depth, meter, output)?;
        if meter.is_spent() || output.room() == 0 {
            break;
        }
    }
    damage.map_or(Ok(()), Err)
}

/// The next attribute: its id, its value, whether its checksum is right.
fn next<'b>(stream: &mut Cursor<'b>) -> Option<(u32, &'b [u8], bool)> {
    let [_level] = stream.array()?;
    let id = stream.u32()?;
    let length = stream.length()?;
    let value = stream.take(length)?;
    let checksum = stream.u16()?;
    let sum = value.iter().fold(0u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    Some((id, value, sum == checksum))
}

/// Goes through a list of properties that have one value each of some length. `None`: it ends early.
fn properties<'b>(list: &'b [u8], mut each: impl FnMut(u16, u16, &'b [u8])) -> Option<()> {
    let mut list = Cursor(list);
    for _ in 0..list.u32()?.min(PROPERTIES) {
        let (kind, id) = (list.u16()?, list.u16()?);
        if id >= 0x8000 {
            list.take(16)?;
            match list.u32()? {
                0 => drop(list.take(4)?),
                _ => {
                    let length = list.length()?;
                    list.padded(length)?;
                }
            }
        }
        let single = kind & !kind::MULTIPLE;
        let listed = matches!(single, kind::OBJECT | kind::STRING | kind::UNICODE | kind::BINARY);
        let count = if listed || single != kind { list.u32()? } else { 1 };
        for _ in 0..count {
            let length = match single {
                kind::OBJECT | kind::STRING | kind::UNICODE | kind::BINARY => list.length()?,
                0x0005..=0x0007 | 0x0014 | 0x0040 => 8,
                0x0048 => 16,
                _ => 4,
            };
            let value = list.padded(length)?;
            if listed && single == kind && count == 1 {
                each(id, kind, value);
            }
        }
    }
    Some(())
}

/// Text in the stream's code page, without the zero at its end.
fn text<'b>(value: &'b [u8], page: &'static encoding_rs::Encoding) -> Cow<'b, str> {
    let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
    page.decode_without_bom_handling(value).0
}

fn string<'b>(kind: u16, value: &'b [u8], page: &'static encoding_rs::Encoding) -> Cow<'b, str> {
    if kind != kind::UNICODE {
        return text(value, page);
    }
    let text = encoding_rs::UTF_16LE.decode_without_bom_handling(value).0;
    Cow::Owned(text.trim_end_matches('\0').to_owned())
}

fn codepage(number: u16) -> Option<&'static encoding_rs::Encoding> {
    postlode_mail::codepage::encoding(u32::from(number))
}

impl Message<'_> {
    /// Its text: as HTML, plain or RTF, the first there is.
    fn tell(&self, meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
        if let Some(subject) = &self.subject {
            output.push(subject)?;
            output.part()?;
        }
        let plain = self.body.as_ref().filter(|body| !body.trim().is_empty());
        if let Some(body) = plain {
            output.push(body)?;
        } else if let Some(html) = self.html {
            plain::html(html, meter, output)?;
        } else if let Some(packed) = self.rtf {
            let limit = usize::try_from(meter.limits.unpacked).unwrap_or(usize::MAX);
            let (bytes, error) = rtf::decompress(packed, limit);
            meter.unpacked(bytes.len())?;
            plain::rtf(&bytes, meter, output)?;
            if let Some(error) = error {
                output.note(&corrupt(error.to_string()));
            }
        }
        Ok(())
    }
}

impl<'b> File<'b> {
    fn properties(&mut self, list: &'b [u8], page: &'static encoding_rs::Encoding) -> Option<()> {
        properties(list, |id, kind, value| match id {
            property::LONG_NAME => self.long_name = Some(string(kind, value, page)),
            property::NAME if self.long_name.is_none() => self.title = Some(string(kind, value, page)),
            // An object begins with the id of its interface: a message, then, which is a stream of its own.
            property::DATA if kind == kind::OBJECT => self.data = value.get(16..),
            property::DATA => self.data = Some(value),
            _ => {}
        })
    }

    fn tell(&self, depth: u32, meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
        let name = self.long_name.as_ref().or(self.title.as_ref()).map_or("", |name| name.as_ref());
        output.part()?;
        output.push(name)?;
        output.line()?;
        output.enter(name);
        match self.data {
            Some(bytes) => drop(classify::read(bytes, name, "", depth.saturating_add(1), meter, output)),
            None => output.note(&corrupt("it has no bytes")),
        }
        output.leave();
        Ok(())
    }
}
