//! What the writer writes is what [MS-PST] says, down to the bit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod check;

use std::io::{Cursor, Read};

use check::lists::utf16;
use check::made::{Pst, mail, permutation, written};
use check::{Archive, u16_at};
use postlode_pst_writer::{
    Address, Attachment, Encoding, Error, Format, Message, NameKey, Options, PSETID_COMMON, Payload,
    PstWriter, Recipient, RecipientKind, Value,
};

fn checked(fill: impl FnOnce(&mut Pst<'_>)) -> Archive {
    Archive::open(written(Format::Unicode, Encoding::None, fill), None)
}

#[test]
fn an_archive_without_messages_has_what_every_archive_must() {
    let archive = checked(|_| {});
    assert_eq!(archive.check_messaging(), 0);
    for nid in
        [0x21, 0x61, 0x122, 0x12D, 0x12E, 0x12F, 0x1E1, 0x201, 0x60D, 0x60E, 0x60F, 0x610, 0x671, 0x692]
    {
        assert!(archive.nodes.contains_key(&nid), "node {nid:#x}");
    }
    let store = archive.properties(archive.nodes[&0x21]);
    assert_eq!(store[&0x0FF9_0102], [9; 16]);
    let top = &store[&0x35E0_0102];
    assert_eq!((&top[4..20], &top[20..]), (&[9; 16][..], &0x8022_u32.to_le_bytes()[..]));
}

#[test]
fn three_thousand_messages_in_a_folder_are_all_there() {
    let mut nids = Vec::new();
    let archive = checked(|pst| {
        let inbox = pst.add_folder_path("Inbox").unwrap();
        nids = (0..3000).map(|number| pst.add_message(inbox, mail(number)).unwrap().nid).collect();
    });
    assert_eq!(archive.check_messaging(), 3000);
    assert!(archive.tree_depth >= 2, "several levels of B-tree");
    for (number, nid) in nids.iter().enumerate() {
        let properties = archive.properties(archive.nodes[nid]);
        assert_eq!(utf16(&properties[&0x0037_001F]), format!("\u{1}\u{5}Re: Contract {number} – Größe"));
        assert_eq!(utf16(&properties[&0x0070_001F]), format!("Contract {number} – Größe"));
        assert_eq!(utf16(&properties[&0x1000_001F]).len(), 9 * (1 + number % 600));
    }
}

#[test]
fn a_contents_table_outgrows_its_first_fill_bitmap() {
    let mut contents = 0;
    let archive = checked(|pst| {
        let folder = pst.add_folder_path("Lists/r-devel").unwrap();
        contents = folder.nid() & !0x1F | 0x0E;
        for number in 0..7000 {
            let message = Message { subject: format!("{number} {}", "x".repeat(120)), ..Message::default() };
            pst.add_message(folder, message).unwrap();
        }
    });
    assert_eq!(archive.check_messaging(), 7000);
    let (rows, depth) = archive.table(archive.nodes[&contents]);
    assert_eq!((rows.len(), depth), (7000, 1));
    assert!(archive.heap(archive.nodes[&contents], 0x7C).pages() > 8 + 128);
}

#[test]
fn an_index_over_many_rows_has_three_levels() {
    let count = 447 * 447 + 1;
    let mut contents = 0;
    let archive = checked(|pst| {
        let folder = pst.add_folder_path("Big").unwrap();
        contents = folder.nid() & !0x1F | 0x0E;
        for _ in 0..count {
            pst.add_message(folder, Message::default()).unwrap();
        }
    });
    let (rows, depth) = archive.table(archive.nodes[&contents]);
    assert_eq!((rows.len(), depth), (count, 2));
}

#[test]
fn attachments_of_all_sizes_keep_every_byte() {
    let sizes = [0, 1, 3580, 3581, 8176, 8177, 16_352, 70_000, 8176 * 1021, 8176 * 1021 + 1, 40_000_000];
    let byte = |index: usize| (index * 7 + index / 251) as u8;
    let mut nid = 0;
    let archive = checked(|pst| {
        let inbox = pst.add_folder_path("Inbox").unwrap();
        let mut message = mail(1);
        for size in sizes {
            let bytes: Vec<u8> = (0..size).map(byte).collect();
            // Every second one as a stream that gives odd pieces.
            let payload = match size % 2 {
                0 => Payload::Bytes(bytes),
                _ => Payload::Stream(Box::new(Slow(Cursor::new(bytes)))),
            };
            message.attachments.push(Attachment::new(format!("файл {size}.bin"), payload));
        }
        nid = pst.add_message(inbox, message).unwrap().nid;
    });
    assert_eq!(archive.check_messaging(), 1);
    let subnodes = archive.subnodes(archive.nodes[&nid].subnodes);
    let (rows, _) = archive.table(subnodes[&0x671]);
    assert_eq!(rows.len(), sizes.len());
    for (row, size) in rows.keys().zip(sizes) {
        let properties = archive.properties(subnodes[row]);
        assert_eq!(utf16(&properties[&0x3707_001F]), format!("файл {size}.bin"));
        let data = &properties[&0x3701_0102];
        assert_eq!(data.len(), size);
        assert!(data.iter().enumerate().all(|(index, value)| *value == byte(index)), "{size} bytes");
    }
}

/// Gives at most 1,000 bytes at a time.
struct Slow(Cursor<Vec<u8>>);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(1000);
        self.0.read(&mut buffer[..len])
    }
}

#[test]
fn a_message_can_have_more_subnodes_and_recipients_than_one_block_holds() {
    let mut nid = 0;
    let archive = checked(|pst| {
        let inbox = pst.add_folder_path("Inbox").unwrap();
        let mut message = mail(1);
        for number in 0..900 {
            let payload = Payload::Bytes(format!("{number}").into_bytes());
            message.attachments.push(Attachment::new(format!("{number}.txt"), payload));
        }
        for number in 0..2500 {
            let address = Address::new(format!("Person {number}"), format!("p{number}@example.com"));
            message.recipients.push(Recipient::new(RecipientKind::Bcc, address));
        }
        nid = pst.add_message(inbox, message).unwrap().nid;
    });
    assert_eq!(archive.check_messaging(), 1);
    let subnodes = archive.subnodes(archive.nodes[&nid].subnodes);
    assert!(subnodes.len() > 340);
    let (recipients, _) = archive.table(subnodes[&0x692]);
    assert_eq!(recipients.len(), 2501);
    assert_eq!(utf16(&recipients[&2501][&0x3003_001F]), "p2499@example.com");
    assert_eq!(archive.table(subnodes[&0x671]).0.len(), 900);
}

#[test]
fn messages_in_messages_are_whole_to_the_allowed_depth_and_refused_beyond() {
    let nested = |depth| {
        (0..depth).fold(mail(0), |inner, level| {
            let mut outer = mail(level + 1);
            outer.attachments.push(Attachment::new("inner", Payload::Message(Box::new(inner))));
            outer
        })
    };
    let archive = checked(|pst| {
        let top = pst.top();
        pst.add_message(top, nested(Message::MAX_DEPTH)).unwrap();
    });
    assert_eq!(archive.check_messaging(), 1);
    let mut pst = PstWriter::new(Cursor::new(Vec::new()), Options::new([1; 16])).unwrap();
    let top = pst.top();
    assert!(matches!(pst.add_message(top, nested(Message::MAX_DEPTH + 1)), Err(Error::TooDeep(_))));
    assert!(matches!(pst.add_message(top, mail(1)), Err(Error::Poisoned)));
    assert!(matches!(pst.finish(), Err(Error::Poisoned)));
}

#[test]
fn every_type_of_property_comes_back_and_named_ones_are_in_the_map() {
    let long: String = "Ünïcödé 日本 🎉 ".repeat(2000);
    let mut nid = 0;
    let mut named = 0;
    let archive = checked(|pst| {
        named = pst.named_property(PSETID_COMMON, NameKey::Name("Żółw".into())).unwrap();
        let mut message = mail(1);
        message
            .properties
            .set(0x6001, Value::I16(-2))
            .set(0x6002, Value::I64(-3))
            .set(0x6003, Value::F64(0.5))
            .set(0x6004, Value::Guid([4; 16]))
            .set(0x6005, Value::MvI32(vec![1, -1]))
            .set(0x6006, Value::MvBinary(vec![vec![], vec![7]]))
            .set(0x6007, Value::Raw { kind: 0x001E, bytes: b"eight bit".to_vec() })
            .set_str(0x6008, long.as_str())
            .set_str(named, "");
        nid = pst.add_message(pst.top(), message).unwrap().nid;
    });
    archive.check_messaging();
    let properties = archive.properties(archive.nodes[&nid]);
    assert_eq!(u16_at(&properties[&0x6001_0002], 0), 0xFFFE);
    assert_eq!(properties[&0x6002_0014], (-3_i64).to_le_bytes());
    assert_eq!(properties[&0x6003_0005], 0.5_f64.to_le_bytes());
    assert_eq!(properties[&0x6004_0048], [4; 16]);
    assert_eq!(properties[&0x6005_1003], [1, 0, 0, 0, 255, 255, 255, 255]);
    assert_eq!(properties[&0x6006_1102], [2, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 7]);
    assert_eq!(properties[&0x6007_001E], b"eight bit");
    assert_eq!(utf16(&properties[&0x6008_001F]), long);
    assert!(properties[&(u32::from(named) << 16 | 0x1F)].is_empty());
    let map = archive.properties(archive.nodes[&0x61]);
    let entry = &map[&0x0003_0102][usize::from(named - 0x8000) * 8..][..8];
    let offset = check::u32_at(entry, 0) as usize;
    let strings = &map[&0x0004_0102];
    let len = check::u32_at(strings, offset) as usize;
    assert_eq!(utf16(&strings[offset + 4..offset + 4 + len]), "Żółw");
    assert_eq!(u16_at(entry, 6), named - 0x8000);
}

#[test]
fn permuted_archives_differ_from_plain_ones_by_one_permutation() {
    let fill = |pst: &mut Pst<'_>| {
        for number in 0..200 {
            pst.add_message(pst.top(), mail(number)).unwrap();
        }
    };
    let plain = written(Format::Unicode, Encoding::None, fill);
    let permuted = written(Format::Unicode, Encoding::Permute, fill);
    assert_eq!(plain.len(), permuted.len());
    let archive = Archive::open(plain, None);
    let other = Archive::open(permuted, Some(permutation()));
    assert_eq!(other.check_messaging(), 200);
    for (nid, node) in &archive.nodes {
        assert_eq!(archive.data(node.data), other.data(other.nodes[nid].data), "node {nid:#x}");
    }
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let fill = |pst: &mut Pst<'_>| {
        let folder = pst.add_folder_path("Inbox/Projects").unwrap();
        for number in 0..100 {
            pst.add_message(folder, mail(number)).unwrap();
        }
    };
    assert_eq!(
        written(Format::Unicode, Encoding::Permute, fill),
        written(Format::Unicode, Encoding::Permute, fill)
    );
}

#[test]
fn folders_are_found_again_and_bad_names_refused() {
    let archive = checked(|pst| {
        let first = pst.add_folder_path("Inbox/Projekte/Ägir").unwrap();
        assert_eq!(pst.add_folder_path("/Inbox/Projekte/Ägir/").unwrap(), first);
        assert!(matches!(pst.add_folder(first, "", None), Err(Error::FolderName(_))));
        assert!(matches!(pst.add_folder(first, "a\0b", None), Err(Error::FolderName(_))));
        let elsewhere = {
            let mut other = PstWriter::new(Cursor::new(Vec::new()), Options::new([2; 16])).unwrap();
            (0..50).map(|n| other.add_folder(other.top(), &format!("{n}"), None).unwrap()).last().unwrap()
        };
        assert!(matches!(pst.add_message(elsewhere, mail(1)), Err(Error::UnknownFolder(_))));
        pst.add_message(first, mail(1)).unwrap();
    });
    assert_eq!(archive.check_messaging(), 1);
}

#[test]
fn more_folders_than_can_share_an_empty_table() {
    let archive = checked(|pst| {
        for number in 0..66_000 {
            pst.add_folder(pst.top(), &format!("{number}"), None).unwrap();
        }
    });
    let (folders, _) = archive.table(archive.nodes[&0x802D]);
    assert_eq!(folders.len(), 66_001);
}

#[test]
fn a_failing_stream_is_named_and_ends_the_archive() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let mut pst = PstWriter::new(Cursor::new(Vec::new()), Options::new([1; 16])).unwrap();
    let mut message = mail(1);
    message.attachments.push(Attachment::new("plan.pdf", Payload::Stream(Box::new(Failing))));
    let error = pst.add_message(pst.top(), message).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the content of attachment \"plan.pdf\": gone");
    assert!(matches!(pst.add_folder_path("x"), Err(Error::Poisoned)));
}

#[test]
fn the_strict_reader_accepts_what_outlook_wrote() {
    let corpus = std::env::var_os("POSTLODE_CORPUS")
        .map(std::path::PathBuf::from)
        .unwrap_or_else(|| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"));
    let path = corpus.join("pst/microsoft__Empty.pst");
    let Ok(file) = std::fs::read(&path) else {
        println!("skipped: {} is not there; POSTLODE_CORPUS says where the corpus is", path.display());
        return;
    };
    let archive = Archive::open(file, Some(permutation()));
    assert_eq!(archive.check_messaging(), 0);
    let ours = checked(|_| {});
    for nid in ours.nodes.keys().filter(|nid| **nid & 0x1F != 0x1F) {
        assert!(archive.nodes.contains_key(nid), "node {nid:#x} is ours alone");
    }
}
