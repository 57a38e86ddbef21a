//! Rows: the envelope they stand in, the record of every kind, and the index keys made from them.

use bytes::{Bytes, BytesMut};
use postlode_format::index::{entries, part_of_key};
use postlode_format::limits::{MAX_KEY, MAX_KEY_PART};
use postlode_format::row::*;
use rkyv::rancor::Error;

/// Reads the bytes as a frame's rows, and as the record of each kind.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default();
    let mut read = 0usize;
    for row in Rows::new(Bytes::copy_from_slice(data)) {
        let Ok(row) = row else { break };
        let mut again = BytesMut::new();
        if row.encode(&mut again).is_ok() {
            let end = read.saturating_add(again.len());
            assert_eq!(data.get(read..end), Some(again.as_ref()), "a row is written differently");
        }
        read = read.saturating_add(row.encoded_len());
        record(row.kind, &row.key, &row.value);
    }
    for kind in RowKind::ALL {
        record(kind, data.get(..data.len().min(40)).unwrap_or_default(), data);
    }
}

/// Everything that is done with a row before anybody looks at its content.
fn record(kind: RowKind, key: &[u8], value: &[u8]) {
    let hash = shard_hash(kind, key);
    for shards in [1, 2, 7] {
        let shard = shard_of(hash, shards);
        let (low, high) = shard_range(shard, shards);
        assert!(shard < shards && (low..=high).contains(&hash));
    }
    match kind {
        RowKind::Email => whole::<Email>(value),
        RowKind::Body => {
            whole::<Body>(value);
            if let Ok(body) = access::<ArchivedBody>(value) {
                assert!(body.text().len() <= value.len(), "more text than there are bytes");
                let raws = [&body.plain, &body.html, &body.rtf, &body.headers, &body.original];
                raws.into_iter().filter_map(|raw| raw.as_ref()).for_each(|raw| drop(raw.original()));
            }
        }
        RowKind::Place => whole::<Place>(value),
        RowKind::Mark => whole::<Mark>(value),
        RowKind::ThreadAlias => whole::<ThreadAlias>(value),
        RowKind::BlobChunk | RowKind::ThreadEdge => {}
        RowKind::Archive => whole::<ArchiveVersion>(value),
        RowKind::Failure => whole::<Failure>(value),
        RowKind::Watermark => whole::<Watermark>(value),
        RowKind::Watermark2 => whole::<Watermark2>(value),
        RowKind::Exception => whole::<Exception>(value),
        RowKind::Doc => whole::<Doc>(value),
    }
    for (_, key) in entries(kind, key, value).unwrap_or_default() {
        assert!(key.len() <= MAX_KEY && key.len() <= MAX_KEY_PART.saturating_add(100), "{} bytes", key.len());
        assert!(part_of_key(&key).is_none_or(|part| part.len() < key.len()));
    }
}

/// A record that is accepted can be taken out whole, written again, and is the same then.
fn whole<T>(value: &[u8])
where
    T: rkyv::Archive + PartialEq + std::fmt::Debug,
    T: for<'a> rkyv::Serialize<
            rkyv::api::high::HighSerializer<
                rkyv::util::AlignedVec,
                rkyv::ser::allocator::ArenaHandle<'a>,
                Error,
            >,
        >,
    T::Archived: rkyv::Portable
        + for<'a> rkyv::bytecheck::CheckBytes<rkyv::api::high::HighValidator<'a, Error>>
        + rkyv::Deserialize<T, rkyv::api::high::HighDeserializer<Error>>,
{
    let Ok(archived) = access::<T::Archived>(value) else { return };
    let taken = rkyv::deserialize::<T, Error>(archived);
    assert!(taken.is_ok(), "a record was accepted that cannot be taken out");
    let Ok(taken) = taken else { return };
    let bytes = to_bytes(&taken);
    let again = bytes.as_ref().ok().and_then(|bytes| access::<T::Archived>(bytes).ok());
    let again = again.and_then(|archived| rkyv::deserialize::<T, Error>(archived).ok());
    assert_eq!(again, Some(taken), "a record is another after writing it");
}
