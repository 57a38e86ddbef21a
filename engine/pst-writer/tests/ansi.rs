//! ANSI archives are what [MS-PST] says, down to the bit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod check;

use std::io::Cursor;

use check::Archive;
use check::made::{Pst, mail, permutation, written};
use postlode_pst_writer::{Attachment, Encoding, Error, Format, Message, Options, Payload, PstWriter};

/// What `fill` makes of an ANSI archive.
fn checked(encoding: Encoding, fill: impl FnOnce(&mut Pst<'_>)) -> Archive {
    Archive::open(written(Format::Ansi, encoding, fill), (encoding == Encoding::Permute).then(permutation))
}

#[test]
fn an_ansi_archive_is_as_whole_as_a_unicode_one() {
    let sizes = [0, 3580, 3581, 8180, 8181, 70_000, 8180 * 2043, 8180 * 2043 + 1];
    let byte = |index: usize| (index * 7 + index / 251) as u8;
    for encoding in [Encoding::None, Encoding::Permute] {
        let mut nids = Vec::new();
        let archive = checked(encoding, |pst| {
            let inbox = pst.add_folder_path("Inbox/Größe").unwrap();
            nids.extend((0..3000).map(|number| pst.add_message(inbox, mail(number)).unwrap().nid));
            let mut message = mail(1);
            for size in sizes {
                let bytes: Vec<u8> = (0..size).map(byte).collect();
                message.attachments.push(Attachment::new(format!("Größe {size}"), Payload::Bytes(bytes)));
            }
            for number in 0..1000 {
                let name = Attachment::new(format!("{number}"), Payload::Message(Box::new(mail(number))));
                message.attachments.push(name);
            }
            nids.push(pst.add_message(inbox, message).unwrap().nid);
        });
        assert_eq!(archive.check_messaging(), 3001);
        let message = archive.nodes[&nids[7]];
        let properties = archive.properties(message);
        assert_eq!(properties[&0x0070_001E], b"Contract 7 \x96 Gr\xf6\xdfe");
        assert!(properties.keys().all(|tag| tag & 0xFFFF != 0x1F));
        let subnodes = archive.subnodes(archive.nodes[&nids[3000]].subnodes);
        let (rows, _) = archive.table(subnodes[&0x671]);
        for (row, size) in rows.keys().zip(sizes) {
            let data = &archive.properties(subnodes[row])[&0x3701_0102];
            assert_eq!(data.len(), size);
            assert!(data.iter().enumerate().all(|(index, value)| *value == byte(index)), "{size} bytes");
        }
    }
}

#[test]
fn a_folder_of_an_ansi_archive_has_as_many_items_as_its_index_can_count() {
    let mut contents = 0;
    let archive = checked(Encoding::None, |pst| {
        let folder = pst.add_folder_path("Big").unwrap();
        contents = folder.nid() & !0x1F | 0x0E;
        for _ in 0..65_536 {
            pst.add_message(folder, Message::default()).unwrap();
        }
    });
    assert_eq!(archive.table(archive.nodes[&contents]).0.len(), 65_536);

    let options = Options { format: Format::Ansi, ..Options::new([9; 16]) };
    let mut pst = PstWriter::new(Cursor::new(Vec::new()), options).unwrap();
    let (full, other) = (pst.add_folder_path("Full").unwrap(), pst.add_folder_path("Other").unwrap());
    for _ in 0..65_536 {
        pst.add_message(full, Message::default()).unwrap();
    }
    pst.add_message(other, Message::default()).unwrap();
    let error = pst.add_message(full, Message::default()).unwrap_err();
    assert!(matches!(error, Error::TooMany { limit: 65_536, .. }), "{error}");
}
