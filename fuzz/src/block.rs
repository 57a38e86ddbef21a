//! Blocks of a section.
//!
//! Any bytes as a block, and as the payload of one.

use postlode_format::block::{BlockPlace, open, payload_size, seal, valid_size};
use postlode_format::limits::{MAX_BLOCK, MIN_BLOCK};

const PLACE: BlockPlace = BlockPlace { segment: 7, salt: 5, section: 2, block: 9 };

/// Opens the bytes as a block, and seals and opens them as a payload.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(MAX_BLOCK)).unwrap_or_default();
    if let Ok(payload) = open(PLACE, data) {
        // What is accepted is exactly what would have been written.
        assert!(valid_size(data.len()), "a block of {} bytes was accepted", data.len());
        let mut again = Vec::new();
        assert!(seal(PLACE, data.len(), payload, &mut again).is_ok(), "a payload cannot be sealed again");
        assert_eq!(again, data, "a block was accepted that is written differently");
    }
    for size in [MIN_BLOCK, 4 * MIN_BLOCK, MAX_BLOCK] {
        let payload = data.get(..data.len().min(payload_size(size))).unwrap_or_default();
        let mut block = Vec::new();
        assert!(seal(PLACE, size, payload, &mut block).is_ok(), "a payload that fits was refused");
        assert_eq!(block.len(), size);
        match open(PLACE, &block) {
            Ok(read) => assert!(read.starts_with(payload), "another payload came back"),
            Err(error) => unreadable(&error),
        }
        for place in [
            BlockPlace { segment: 8, ..PLACE },
            BlockPlace { salt: 6, ..PLACE },
            BlockPlace { section: 3, ..PLACE },
            BlockPlace { block: 0, ..PLACE },
        ] {
            assert!(open(place, &block).is_err(), "a block was accepted at another place");
        }
    }
}

fn unreadable(error: &dyn std::fmt::Display) {
    assert_eq!(error.to_string(), "", "a block that was just sealed cannot be opened");
}
