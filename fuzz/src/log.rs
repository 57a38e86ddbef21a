//! Log pages and the scanner that makes frames of them.

use postlode_format::FormatError;
use postlode_format::limits::{MAX_FRAME, PAGE};
use postlode_format::log::{Fed, LogScanner, PageHeader, decode_page, encode_frame};
use postlode_format::row::Rows;

/// Scans the bytes as a log file: as they are, and with every page's checksum made right.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default();
    scan(data);
    let mut sealed = data.to_vec();
    sealed.resize(data.len().next_multiple_of(PAGE), 0);
    sealed.chunks_exact_mut(PAGE).for_each(reseal);
    scan(&sealed);
}

/// Makes a page's checksum right.
pub fn reseal(page: &mut [u8]) {
    let crc = crc32fast::hash(page.get(4..).unwrap_or_default());
    if let Some(first) = page.first_chunk_mut::<4>() {
        *first = crc.to_le_bytes();
    }
}

fn scan(pages: &[u8]) {
    let first = pages.chunks(PAGE).find_map(|page| decode_page(page).ok());
    let (stream, first_seq, generation, number) =
        first.map_or((0, 0, 0, 0), |(h, _)| (h.stream, h.first_seq, h.generation, h.page));
    let mut scanner = LogScanner::new(stream, first_seq);
    scanner.start_file(generation);
    for (n, page) in pages.chunks(PAGE).enumerate() {
        if let Ok((header, payload)) = decode_page(page) {
            whole_frame(header, payload);
        }
        let before = scanner.next_seq();
        let number = number.wrapping_add(u32::try_from(n).unwrap_or(0));
        if page.len() < PAGE {
            scanner.unreadable(number);
            continue;
        }
        match scanner.feed(number, page) {
            Fed::Frame(frame) => {
                assert!(frame.payload.len() <= MAX_FRAME && frame.payload.len() <= pages.len());
                assert!(frame.first_seq >= before, "a frame that was read before came again");
                assert_eq!(frame.first_seq, scanner.next_seq());
                scanner.advance(Rows::new(frame.payload).filter(Result::is_ok).count() as u64);
            }
            Fed::Newer(error) => assert!(matches!(error, FormatError::Newer { .. }), "{error}"),
            Fed::More => {}
        }
        assert!(scanner.next_seq() >= before, "sequence numbers went back");
    }
    let next = scanner.next_seq();
    let damage = scanner.finish(next);
    assert!(!damage.is_empty(), "a row that somebody remembers is lost, and nobody says so");
    for one in damage {
        assert!(one.lost.0 <= one.lost.1, "{one:?}");
    }
}

/// A page that is a frame of its own can be written again, and reads as what it was.
fn whole_frame(header: PageHeader, payload: &[u8]) {
    if header.frame_page != 0 || header.frame_len as usize != payload.len() {
        return;
    }
    let mut page = vec![0; PAGE];
    assert!(encode_frame(header, payload, &mut page).is_ok(), "a page that was read cannot be written");
    assert_eq!(decode_page(&page), Ok((header, payload)));
}
