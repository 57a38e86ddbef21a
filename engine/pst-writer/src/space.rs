//! Where pages and blocks lie in the file, and the maps that say which space is taken.
//!
//! After a head of 0x4400 bytes the file is a row of regions of 253,952 bytes. Each opens with an allocation
//! map page (AMap), one bit for 64 bytes of the region; every eighth has a page map (PMap) after it, and far
//! into the file come free maps (FMap, FPMap). Maps other than AMaps are obsolete: they are filled with ones
//! and only have to lie where old readers look for them ([MS-PST] 2.2.2.7.2 to 2.2.2.7.5).
//!
//! Space is given out upwards and never taken back; one region is held in memory and written when it is
//! full, so the file is written front to back. Nothing lies across the border of two regions.

use std::io::{Seek, SeekFrom, Write};

use crate::bytes::put;
use crate::error::Error;
use crate::format::Format;
use crate::page::{MAP_LEN, PAGE_LEN, PageKind, seal};

/// Where the first region begins; before it lie the header and the density list.
pub(crate) const FIRST_REGION: u64 = 0x4400;
/// Where the density list page lies.
pub(crate) const DENSITY_LIST: u64 = 0x4200;
/// The unit of allocation, in bytes: one bit of an allocation map.
pub(crate) const SLOT_LEN: usize = 64;
/// Bytes in a region.
pub(crate) const REGION_LEN: usize = MAP_LEN * 8 * SLOT_LEN;

const REGIONS_PER_PMAP: u64 = 8;
/// The header's own free map covers the regions before the first FMap page.
const REGIONS_BEFORE_FMAP: u64 = 128;
const REGIONS_PER_FMAP: u64 = MAP_LEN as u64;
const REGIONS_BEFORE_FPMAP: u64 = 128 * 8 * REGIONS_PER_PMAP;
const REGIONS_PER_FPMAP: u64 = MAP_LEN as u64 * 8 * REGIONS_PER_PMAP;

/// The space in a file, and the region that is being filled.
#[derive(Debug)]
pub(crate) struct Space<W> {
    sink: W,
    format: Format,
    region: Vec<u8>,
    /// The number of the region in memory.
    number: u64,
    /// Bytes given out in the region, a multiple of [`SLOT_LEN`]; gaps left by alignment count as given out
    /// only in this cursor, not in `taken`.
    cursor: usize,
    taken: [u8; MAP_LEN],
    free_bytes: u64,
}

/// What the header has to say about the file's space.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Bytes in the file.
    pub(crate) file_len: u64,
    /// Where the last allocation map lies.
    pub(crate) last_map: u64,
    /// Bytes free by all allocation maps.
    pub(crate) free_bytes: u64,
}

impl<W: Write + Seek> Space<W> {
    /// Takes over an empty `sink` and leaves room for the head, which is written last.
    pub(crate) fn new(mut sink: W, format: Format) -> Result<Self, Error> {
        sink.write_all(&[0; FIRST_REGION as usize])?;
        let mut space = Self {
            sink,
            format,
            region: vec![0; REGION_LEN],
            number: 0,
            cursor: 0,
            taken: [0; MAP_LEN],
            free_bytes: 0,
        };
        space.open_region();
        Ok(space)
    }

    /// Gives out `len` zeroed bytes aligned to `align` (64 or 512) and says where they lie in the file.
    /// `len` is at most a block, 8,192 bytes.
    pub(crate) fn take(&mut self, len: usize, align: usize) -> Result<(u64, &mut [u8]), Error> {
        let mut start = self.cursor.next_multiple_of(align);
        if start + len > REGION_LEN {
            let most = self.format.most_bytes();
            if region_start(self.number + 2) > most {
                return Err(Error::TooLarge { limit: most });
            }
            self.close_region()?;
            self.number += 1;
            self.open_region();
            start = self.cursor.next_multiple_of(align);
        }
        self.mark(start, len);
        self.cursor = (start + len).next_multiple_of(SLOT_LEN);
        let at = region_start(self.number) + start as u64;
        Ok((at, &mut self.region[start..start + len]))
    }

    /// Writes the last region.
    pub(crate) fn close(&mut self) -> Result<Extent, Error> {
        self.close_region()?;
        Ok(Extent {
            file_len: region_start(self.number + 1),
            last_map: region_start(self.number),
            free_bytes: self.free_bytes,
        })
    }

    /// Writes the head of the file and gives the sink back, flushed.
    pub(crate) fn write_head(mut self, head: &[u8]) -> Result<W, Error> {
        self.sink.seek(SeekFrom::Start(0))?;
        self.sink.write_all(head)?;
        self.sink.seek(SeekFrom::End(0))?;
        self.sink.flush()?;
        Ok(self.sink)
    }

    fn mark(&mut self, start: usize, len: usize) {
        for slot in start / SLOT_LEN..(start + len).div_ceil(SLOT_LEN) {
            self.taken[slot / 8] |= 0x80 >> (slot % 8);
        }
    }

    fn open_region(&mut self) {
        self.region.fill(0);
        self.taken = [0; MAP_LEN];
        let maps = maps_of(self.number).len() * PAGE_LEN;
        self.mark(0, maps);
        self.cursor = maps;
    }

    fn close_region(&mut self) -> Result<(), Error> {
        let taken: u32 = self.taken.iter().map(|byte| byte.count_ones()).sum();
        self.free_bytes += (REGION_LEN - taken as usize * SLOT_LEN) as u64;
        for (index, kind) in maps_of(self.number).into_iter().enumerate() {
            let at = region_start(self.number) + (index * PAGE_LEN) as u64;
            let page = &mut self.region[index * PAGE_LEN..(index + 1) * PAGE_LEN];
            match kind {
                PageKind::AllocationMap => put(page, self.format.map_offset(), &self.taken),
                _ => page[self.format.map_offset()..][..MAP_LEN].fill(0xFF),
            }
            seal(page, kind, at, at, self.format);
        }
        self.sink.write_all(&self.region)?;
        Ok(())
    }
}

/// Where region `number` begins.
fn region_start(number: u64) -> u64 {
    FIRST_REGION + number * REGION_LEN as u64
}

/// The map pages at the start of region `number`, in the order they lie.
fn maps_of(number: u64) -> Vec<PageKind> {
    let mut maps = vec![PageKind::AllocationMap];
    if number.is_multiple_of(REGIONS_PER_PMAP) {
        maps.push(PageKind::PageMap);
    }
    if number >= REGIONS_BEFORE_FMAP && (number - REGIONS_BEFORE_FMAP).is_multiple_of(REGIONS_PER_FMAP) {
        maps.push(PageKind::FreeMap);
    }
    if number >= REGIONS_BEFORE_FPMAP && (number - REGIONS_BEFORE_FPMAP).is_multiple_of(REGIONS_PER_FPMAP) {
        maps.push(PageKind::FreePageMap);
    }
    maps
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn maps_lie_where_the_format_puts_them() {
        assert_eq!(maps_of(0), [PageKind::AllocationMap, PageKind::PageMap]);
        assert_eq!(maps_of(1), [PageKind::AllocationMap]);
        assert_eq!(maps_of(128), [PageKind::AllocationMap, PageKind::PageMap, PageKind::FreeMap]);
        assert_eq!(maps_of(128 + 496).last(), Some(&PageKind::FreeMap));
        assert_eq!(maps_of(8192), [PageKind::AllocationMap, PageKind::PageMap, PageKind::FreePageMap]);
        assert_eq!(maps_of(8192 + 31744).last(), Some(&PageKind::FreePageMap));
    }

    #[test]
    fn nothing_lies_across_regions_and_the_map_tells_what_is_taken() {
        let mut space = Space::new(Cursor::new(Vec::new()), Format::Unicode).unwrap();
        let mut places = Vec::new();
        for index in 0..100 {
            let (len, align) = if index % 5 == 0 { (512, 512) } else { (8192 - index * 8, 64) };
            let (at, room) = space.take(len, align).unwrap();
            assert!(room.iter().all(|byte| *byte == 0));
            room.fill(0xAA);
            assert_eq!(at % align as u64, 0);
            let region = (at - FIRST_REGION) / REGION_LEN as u64;
            assert_eq!((at + len as u64 - 1 - FIRST_REGION) / REGION_LEN as u64, region);
            places.push((at, len));
        }
        let extent = space.close().unwrap();
        let file = space.write_head(&[]).unwrap().into_inner();
        assert_eq!(file.len() as u64, extent.file_len);
        let mut free = 0;
        for region in 0..(file.len() - FIRST_REGION as usize) / REGION_LEN {
            let start = FIRST_REGION as usize + region * REGION_LEN;
            for slot in 0..REGION_LEN / SLOT_LEN {
                let bit = file[start + slot / 8] >> (7 - slot % 8) & 1 == 1;
                let at = (start + slot * SLOT_LEN) as u64;
                let used = slot < maps_of(region as u64).len() * 8
                    || places.iter().any(|(p, len)| at + 64 > *p && at < p + *len as u64);
                assert_eq!(bit, used, "region {region} slot {slot}");
                free += u64::from(!bit) * SLOT_LEN as u64;
            }
        }
        assert_eq!(free, extent.free_bytes);
    }

    /// Takes everything and keeps nothing.
    struct Nowhere;

    impl Write for Nowhere {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Nowhere {
        fn seek(&mut self, _: SeekFrom) -> std::io::Result<u64> {
            Ok(0)
        }
    }

    #[test]
    fn an_ansi_archive_ends_before_its_offsets_do() {
        let mut space = Space::new(Nowhere, Format::Ansi).unwrap();
        let error = loop {
            match space.take(8192, SLOT_LEN) {
                Ok((at, _)) => assert!(at + 8192 <= 1 << 31),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TooLarge { limit: 0x8000_0000 }));
        assert!(region_start(space.number + 1) > (1 << 31) - REGION_LEN as u64, "as much as there can be");
    }
}
