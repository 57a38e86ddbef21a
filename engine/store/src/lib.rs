//! Shards, log, memtable, segments, manifest, recovery.
