//! The first bytes of an archive: what it is, and where everything begins ([MS-PST] 2.2.2.6).

use crate::bytes::{push_u16, push_u32};
use crate::crc::crc;
use crate::format::Format;
use crate::ndb::Encoding;
use crate::space::Extent;

/// What the partial checksum is over.
const PARTIAL: std::ops::Range<usize> = 8..8 + 471;
/// What the full checksum of Unicode archives is over.
const FULL: std::ops::Range<usize> = 8..8 + 516;

/// What there is to say when an archive is whole. Trees are told by id and place of their first page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Roots {
    pub(crate) extent: Extent,
    pub(crate) nodes: (u64, u64),
    pub(crate) blocks: (u64, u64),
    pub(crate) next_page: u64,
    pub(crate) next_block: u64,
    /// The highest node index in use, by node type.
    pub(crate) last_index: [u32; 32],
}

/// The header.
pub(crate) fn write(roots: &Roots, format: Format, encoding: Encoding) -> Vec<u8> {
    let (version, len) = match format {
        Format::Unicode => (23, 564),
        Format::Ansi => (15, 512),
    };
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(b"!BDN\0\0\0\0SM");
    push_u16(&mut out, version);
    push_u16(&mut out, 19); // version of the client format
    out.extend_from_slice(&[1, 1]); // platforms of creation and access
    out.resize(24, 0);
    match format {
        Format::Unicode => format.push_number(&mut out, 0x4_0000_0000), // unused
        Format::Ansi => format.push_number(&mut out, roots.next_block),
    }
    format.push_number(&mut out, roots.next_page);
    push_u32(&mut out, 1); // counts changes of the header
    for last in roots.last_index {
        push_u32(&mut out, last);
    }
    if format == Format::Unicode {
        out.resize(180, 0);
    }
    push_root(&mut out, roots, format);
    if format == Format::Unicode {
        out.resize(256, 0);
    }
    out.resize(out.len() + 256, 0xFF); // obsolete free maps
    let encoded = match encoding {
        Encoding::None => 0,
        Encoding::Permute => 1,
    };
    out.extend_from_slice(&[0x80, encoded]); // after a sentinel
    if format == Format::Unicode {
        push_u16(&mut out, 0);
        format.push_number(&mut out, roots.next_block);
        let full = crc(&out[FULL]);
        push_u32(&mut out, full);
    }
    out.resize(len, 0);
    let partial = crc(&out[PARTIAL]);
    out[4..8].copy_from_slice(&partial.to_le_bytes());
    out
}

/// Length, free space and trees ([MS-PST] 2.2.2.5).
fn push_root(out: &mut Vec<u8>, roots: &Roots, format: Format) {
    let Roots { extent, nodes, blocks, .. } = roots;
    push_u32(out, 0);
    let free_in_page_maps = 0;
    for number in [
        extent.file_len,
        extent.last_map,
        extent.free_bytes,
        free_in_page_maps,
        nodes.0,
        nodes.1,
        blocks.0,
        blocks.1,
    ] {
        format.push_number(out, number);
    }
    out.extend_from_slice(&[2, 0, 0, 0]); // the allocation maps are right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_where_the_format_puts_it() {
        let extent = Extent { file_len: 0x1111_0000, last_map: 0x1110_0000, free_bytes: 0x400 };
        let roots = Roots {
            extent,
            nodes: (0x51, 0x5100),
            blocks: (0x52, 0x5200),
            next_page: 0x61,
            next_block: 0x64,
            last_index: [0x77; 32],
        };
        for (format, places) in [
            (Format::Unicode, [184, 192, 200, 216, 224, 232, 240, 32, 516]),
            (Format::Ansi, [168, 172, 176, 184, 188, 192, 196, 28, 24]),
        ] {
            let header = write(&roots, format, Encoding::Permute);
            let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
            let expected = [0x1111_0000, 0x1110_0000, 0x400, 0x51, 0x5100, 0x52, 0x5200, 0x61, 0x64];
            assert_eq!(places.map(number), expected, "{format:?}");
            assert_eq!(number(4), crc(&header[8..479]));
            let (sentinel, maps, valid) =
                if format == Format::Unicode { (512, 256..512, 248) } else { (460, 204..460, 200) };
            assert_eq!(header[sentinel..sentinel + 2], [0x80, 1]);
            assert!(header[maps].iter().all(|byte| *byte == 0xFF));
            assert_eq!(header[valid], 2);
        }
    }
}
