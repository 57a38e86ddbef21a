use super::*;
use proptest::prelude::*;

fn header(page: u32, first_seq: u64, durable_seq: u64) -> PageHeader {
    PageHeader {
        frame_type: FrameType::Rows,
        used: 0,
        stream: 42,
        generation: 3,
        page,
        first_seq,
        durable_seq,
        frame_len: 0,
        frame_page: 0,
    }
}

/// Frames of the given payload sizes, one sequence number a frame, each written after the one before was durable.
fn log(sizes: &[usize]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut out, mut payloads) = (Vec::new(), Vec::new());
    for (n, &size) in sizes.iter().enumerate() {
        let payload: Vec<u8> = (0..size).map(|i| (i * 7 + n) as u8).collect();
        let start = out.len();
        out.resize(start + pages_for(size) * PAGE, 0);
        let seq = n as u64 + 1;
        encode_frame(header((start / PAGE) as u32, seq, seq - 1), &payload, &mut out[start..]).unwrap();
        payloads.push(payload);
    }
    out.resize(out.len() + 2 * PAGE, 0);
    (out, payloads)
}

fn scan(bytes: &[u8], known: u64) -> (Vec<(u64, Vec<u8>)>, Vec<LogDamage>) {
    let mut scanner = LogScanner::new(42, 1);
    scanner.start_file(3);
    let mut frames = Vec::new();
    for (n, page) in bytes.chunks(PAGE).enumerate() {
        if let Fed::Frame(frame) = scanner.feed(n as u32, page) {
            scanner.advance(1);
            frames.push((frame.first_seq, frame.payload.to_vec()));
        }
    }
    (frames, scanner.finish(known))
}

#[test]
fn frames_of_every_size_come_back() {
    let sizes = [0, 1, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 3 * PAYLOAD, 100_000];
    let (bytes, payloads) = log(&sizes);
    let (frames, damage) = scan(&bytes, 0);
    assert_eq!(frames.into_iter().map(|f| f.1).collect::<Vec<_>>(), payloads);
    assert_eq!(damage, []);
}

#[test]
fn a_damaged_page_in_the_middle_is_corruption_and_the_rest_is_read() {
    let (bytes, _) = log(&[10, 10_000, 10]);
    let last = bytes.len() / PAGE - 3;
    for page in 0..bytes.len() / PAGE - 2 {
        let mut bytes = bytes.clone();
        bytes[page * PAGE + 100] ^= 1;
        let (frames, damage) = scan(&bytes, 0);
        assert_eq!(frames.len(), 2, "page {page}");
        if page == last {
            assert_eq!(damage, [], "nobody knows that the last frame was acknowledged: it is cut");
            assert_eq!(scan(&bytes, 3).1[0].lost, (3, 3), "somebody remembers: it is corruption");
        } else {
            let lost = if page == 0 { 1 } else { 2 };
            assert_eq!(damage.len(), 1);
            assert_eq!(damage[0].lost, (lost, lost));
        }
    }
}

#[test]
fn pages_of_another_stream_file_or_place_do_not_count() {
    let (bytes, _) = log(&[10, 20]);
    for at in [8usize, 16, 20] {
        let mut bytes = bytes.clone();
        let page = &mut bytes[PAGE..2 * PAGE];
        page[at] ^= 1;
        let crc = crc32fast::hash(&page[4..]).to_le_bytes();
        page[..4].copy_from_slice(&crc);
        assert_eq!(scan(&bytes, 0).0.len(), 1, "field at {at}");
    }
}

#[test]
fn a_page_of_a_newer_layout_is_not_taken_for_a_torn_one() {
    let (mut bytes, _) = log(&[10]);
    bytes[4] = 2;
    let crc = crc32fast::hash(&bytes[4..PAGE]).to_le_bytes();
    bytes[..4].copy_from_slice(&crc);
    let mut scanner = LogScanner::new(42, 1);
    scanner.start_file(3);
    assert!(matches!(scanner.feed(0, &bytes[..PAGE]), Fed::Newer(FormatError::Newer { found: 2, .. })));
}

#[test]
fn an_unreadable_end_is_a_loss_of_unknown_size() {
    let (bytes, _) = log(&[10, 10]);
    for readable in 0..3u32 {
        let mut scanner = LogScanner::new(42, 1);
        scanner.start_file(3);
        for (n, page) in (0..).zip(bytes.chunks(PAGE)) {
            match n < readable {
                true => drop(matches!(scanner.feed(n, page), Fed::Frame(_)).then(|| scanner.advance(1))),
                false => scanner.unreadable(n),
            }
        }
        assert_eq!(scanner.finish(0)[0].lost, (u64::from(readable) + 1, u64::MAX));
    }
}

#[test]
fn a_frame_inside_a_payload_is_never_read() {
    let (inner, _) = log(&[10, 20]);
    let mut payload = vec![0; PAYLOAD];
    payload.extend_from_slice(&inner);
    let mut bytes = vec![0; (pages_for(payload.len()) + 1) * PAGE];
    encode_frame(header(0, 1, 0), &payload, &mut bytes).unwrap();
    bytes[60] ^= 1;
    assert_eq!(scan(&bytes, 0), (vec![], vec![]));
}

proptest! {
    #[test]
    fn any_cut_gives_a_prefix(sizes in proptest::collection::vec(0usize..9000, 1..6), cut in 0usize..60_000) {
        let (bytes, payloads) = log(&sizes);
        let mut torn = bytes.clone();
        torn.iter_mut().skip(cut).for_each(|b| *b = 0);
        let (frames, damage) = scan(&torn, 0);
        prop_assert!(damage.is_empty());
        for (n, frame) in frames.iter().enumerate() {
            prop_assert_eq!(&frame.1, &payloads[n]);
        }
        let (frames, damage) = scan(&torn, sizes.len() as u64);
        prop_assert_eq!(frames.len() == sizes.len(), damage.is_empty());
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..3 * PAGE)) {
        prop_assert!(scan(&bytes, 0).0.is_empty());
    }
}
