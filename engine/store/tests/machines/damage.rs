//! Damage is found, named and confined: flipped bits in segments, lost and cut files, damaged logs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and looks at files from outside"
)]

use crate::common::machine::Machine;
use crate::common::*;
use postlode_format::index::IndexId;
use postlode_format::row::*;
use postlode_store::*;

/// A sealed store of `count` emails in one segment a shard.
fn sealed(machine: &Machine, shards: usize, count: u64) {
    let store = machine.open(options(shards, Access::Write)).unwrap();
    for chunk in (0..count).collect::<Vec<_>>().chunks(50) {
        machine.wait(store.load(batch(chunk.iter().copied()))).unwrap();
    }
    machine.wait(store.compact()).unwrap();
    machine.wait(store.close()).unwrap();
}

#[test]
fn every_section_with_a_flipped_bit_is_named_and_the_rest_answers() {
    Machine::each(|machine| {
        sealed(machine, 2, 300);
        let path = machine.files("segments").remove(0);
        let good = machine.read(&path);
        let store = machine.open(options(2, Access::Snapshot)).unwrap();
        let stats = machine.wait(store.stats()).unwrap();
        machine.wait(store.close()).unwrap();
        let segment =
            stats.segments.iter().find(|s| path.ends_with(format!("{:016x}.seg", s.id))).unwrap().clone();
        let mut at = 4096u64;
        let mut places: Vec<(String, u64)> =
            vec![("header".into(), 100), ("trailer".into(), segment.bytes - 1)];
        for (name, _, on_disk, _) in &segment.sections {
            // A section of nothing has no byte.
            if *on_disk > 0 {
                places.push((name.clone(), at));
            }
            at += on_disk;
        }
        places.push(("directory".into(), at));
        assert!(places.len() > 12, "{places:?}");
        for (name, at) in places {
            machine.flip(&path, at);
            let store = machine.open(options(2, Access::Snapshot)).unwrap();
            let report = machine.wait(store.verify()).unwrap();
            assert_eq!(report.damage.len(), 1, "{name}: {report:?}");
            assert_eq!(report.damage[0].segment, Some(segment.id));
            assert_eq!(report.damage[0].section, name);
            // Whatever is damaged: an answer is right, or says that it is not whole.
            let (mut there, mut missing) = (0, 0);
            for n in 0..300 {
                let email = machine.wait(store.emails(&[email_id(n)])).unwrap().remove(0);
                let body = machine.wait(store.bodies(&[email_id(n)])).unwrap().remove(0);
                match (email, body) {
                    (Ok(Some(found)), Ok(Some(body))) => {
                        assert_eq!(
                            access::<ArchivedEmail>(&found.email).unwrap().subject.as_str(),
                            subject(n)
                        );
                        assert_eq!(access::<ArchivedBody>(&body).unwrap().text(), text(n));
                        there += 1;
                    }
                    (Ok(None), _) | (_, Ok(None)) => panic!("{name}: mail {n} is silently missing"),
                    (Err(m), _) | (_, Err(m)) => {
                        assert_eq!(m.segment, Some(segment.id), "{m}");
                        missing += 1;
                    }
                }
            }
            assert_eq!(there + missing, 300);
            assert!(there >= 100, "{name}: only {there} emails can still be read");
            let scan =
                Scan { index: IndexId::Date, range: KeyRange::prefix(b""), descending: true, limit: 1000 };
            let page = machine.wait(store.scan(scan)).unwrap();
            assert!(page.keys.len() == 300 || !page.missing.is_empty(), "{name}: a scan is silently short");
            machine.wait(store.close()).unwrap();
            machine.write(&path, &good);
        }
        let store = machine.open(options(2, Access::Snapshot)).unwrap();
        assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
        machine.wait(store.close()).unwrap();
    });
}

/// The words of a mail can be had from the mail again.
#[test]
fn a_damaged_text_section_is_whole_again_after_a_merge() {
    Machine::each(|machine| {
        let mut options = options(1, Access::Write);
        options.fan_in = 0;
        let store = machine.open(options.clone()).unwrap();
        for part in [0..40, 40..80] {
            machine.wait(store.load(batch(part))).unwrap();
            machine.wait(store.seal()).unwrap();
        }
        let segment = machine.wait(store.stats()).unwrap().segments.remove(0);
        machine.wait(store.close()).unwrap();
        let mut at = 4096u64;
        for (name, _, on_disk, _) in &segment.sections {
            if name == "text" {
                break;
            }
            at += on_disk;
        }
        let path = std::path::PathBuf::from(format!("segments/{:016x}.seg", segment.id));
        machine.flip(&path, at);
        let store = machine.open(options).unwrap();
        let damage = machine.wait(store.verify()).unwrap().damage;
        assert_eq!(damage.iter().map(|d| d.section.as_str()).collect::<Vec<_>>(), ["text"]);
        machine.wait(store.compact()).unwrap();
        assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
        let sources = machine.wait(store.text_sources(std::collections::HashMap::new())).unwrap();
        assert_eq!((sources.missing.len(), sources.segments.len()), (0, 1));
        let text = &sources.segments[0].text;
        let all = text.read(0, usize::try_from(text.len()).unwrap()).unwrap();
        let all = String::from_utf8(all.to_vec()).unwrap();
        assert!((0..80).all(|n| all.lines().any(|line| line == subject(n))), "{all}");
        machine.wait(check(&store, &(0..80).collect::<Vec<_>>()));
        drop(sources);
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn a_segment_that_is_gone_or_cut_is_named() {
    for cut in [None, Some(5000), Some(0)] {
        Machine::each(|machine| {
            sealed(machine, 2, 100);
            let path = machine.files("segments").remove(1);
            match cut {
                None => machine.remove(&path),
                Some(bytes) => machine.write(&path, &machine.read(&path)[..bytes]),
            }
            let store = machine.open(options(2, Access::Write)).unwrap();
            assert_eq!(machine.wait(store.verify()).unwrap().damage.len(), 1);
            assert_eq!(machine.wait(store.stats()).unwrap().missing.len(), 1);
            let page = machine.wait(store.scan(Scan {
                index: IndexId::Date,
                range: KeyRange::prefix(b""),
                descending: false,
                limit: 1000,
            }));
            let page = page.unwrap();
            assert!(!page.keys.is_empty() && page.keys.len() < 100 && page.missing.len() == 1);
            // A merge must not make the loss final.
            machine.wait(store.load(batch(200..260))).unwrap();
            machine.wait(store.seal()).unwrap();
            machine.wait(store.load(batch(300..360))).unwrap();
            assert!(machine.wait(store.compact()).is_err());
            // It keeps no other from being merged, and nothing is left that no manifest names.
            let stats = machine.wait(store.stats()).unwrap();
            assert_eq!(stats.segments.len(), 3, "one a shard, and the damaged one");
            assert_eq!(machine.files("segments").len(), if cut.is_none() { 2 } else { 3 });
            machine.wait(store.close()).unwrap();
        });
    }
}

#[test]
fn a_damaged_manifest_stops_the_store_and_says_why() {
    Machine::each(|machine| {
        sealed(machine, 1, 10);
        let newest = machine.files("manifest").pop().unwrap();
        let good = machine.read(&newest);
        machine.flip(&newest, 50);
        for access in [Access::Snapshot, Access::Write] {
            let error = machine.open(options(1, access)).err().unwrap().to_string();
            assert!(error.contains("manifest/") && error.contains("checksum"), "{error}");
        }
        let mut newer = good.clone();
        newer[8] = 9;
        // Checksum over version, number, length and payload.
        let crc = crc32fast::hash(&[&newer[8..12], &newer[16..]].concat());
        newer[12..16].copy_from_slice(&crc.to_le_bytes());
        machine.write(&newest, &newer);
        let error = machine.open(options(1, Access::Write)).err().unwrap().to_string();
        assert!(error.contains("newer Postlode"), "{error}");
        machine.write(&newest, &good);
        let store = machine.open(options(1, Access::Write)).unwrap();
        machine.wait(check(&store, &(0..10).collect::<Vec<_>>()));
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn a_damaged_log_loses_only_what_is_damaged_and_the_loss_is_remembered() {
    Machine::each(|machine| {
        let store = machine.open(options(1, Access::Write)).unwrap();
        for n in 0..20 {
            machine.wait(store.load(batch([n]))).unwrap();
        }
        drop(store);
        let log = machine.files("log").remove(0);
        // The third frame: each takes one page, and all of them fit into one memtable.
        machine.flip(&log, 2 * 4096 + 77);
        let snapshot = machine.open(options(1, Access::Snapshot)).unwrap();
        assert_eq!(machine.wait(snapshot.verify()).unwrap().damage.len(), 1);
        machine.wait(snapshot.close()).unwrap();
        let store = machine.open(options(1, Access::Write)).unwrap();
        let rest: Vec<u64> = (0..20).filter(|n| *n != 2).collect();
        machine.wait(check(&store, &rest));
        let stats = machine.wait(store.stats()).unwrap();
        assert_eq!(stats.lost.len(), 1);
        machine.wait(store.close()).unwrap();
        let store = machine.open(options(1, Access::Snapshot)).unwrap();
        assert_eq!(machine.wait(store.verify()).unwrap().damage.len(), 1, "nobody forgets what was lost");
        machine.wait(store.close()).unwrap();
    });
}

#[test]
fn a_torn_last_frame_was_never_acknowledged_and_is_cut() {
    Machine::each(|machine| {
        let store = machine.open(options(1, Access::Write)).unwrap();
        for n in 0..10 {
            machine.wait(store.load(batch([n]))).unwrap();
        }
        drop(store);
        let log = machine.files("log").remove(0);
        machine.flip(&log, 9 * 4096 + 500);
        let store = machine.open(options(1, Access::Write)).unwrap();
        machine.wait(check(&store, &(0..9).collect::<Vec<_>>()));
        assert_eq!(machine.wait(store.verify()).unwrap().damage, []);
        machine.wait(store.close()).unwrap();
    });
}

/// Damage to the last frame was taken for a frame that was never finished, and mail that had been acknowledged minutes
/// before was gone without a word. A moment after it the log itself says what was acknowledged.
#[test]
fn a_damaged_last_frame_that_was_acknowledged_is_named() {
    Machine::each(|machine| {
        let store = machine.open(options(1, Access::Write)).unwrap();
        for n in 0..10 {
            machine.wait(store.load(batch([n]))).unwrap();
        }
        machine.pause(std::time::Duration::from_millis(1_200));
        drop(store);
        let log = machine.files("log").remove(0);
        machine.flip(&log, 9 * 4096 + 500);
        let store = machine.open(options(1, Access::Write)).unwrap();
        machine.wait(check(&store, &(0..9).collect::<Vec<_>>()));
        let damage = machine.wait(store.verify()).unwrap().damage;
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert_eq!(machine.wait(store.stats()).unwrap().lost.len(), 1);
        machine.wait(store.close()).unwrap();
    });
}
