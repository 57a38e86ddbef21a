//! Where each field of each record lies, asserted when this crate is compiled: a field that is added, removed or moved is a
//! change of the format, and does not compile before a version is made for it.
//!
//! What always holds: records are packed, whatever the machine: no padding, every alignment 1.

use crate::manifest::{ArchivedAddon, ArchivedLogStream, ArchivedManifest, ArchivedSegmentEntry};
use crate::row::{
    ArchivedAddress, ArchivedArchiveVersion, ArchivedAttachment, ArchivedBody, ArchivedCounts, ArchivedDoc,
    ArchivedEmail, ArchivedException, ArchivedExtra, ArchivedFailure, ArchivedHoldings, ArchivedMark,
    ArchivedPartialNote, ArchivedPlace, ArchivedProp, ArchivedPropName, ArchivedRaw, ArchivedStamp,
    ArchivedThreadAlias, ArchivedWatermark, ArchivedWatermark2,
};
use crate::segment::{ArchivedDirectory, ArchivedSection};
use core::mem::{align_of, offset_of, size_of};

/// A record, its bytes, and where its fields begin.
macro_rules! layout {
    ($record:ty, $size:literal, $($field:ident => $at:literal),+) => {
        const _: () = {
            assert!(size_of::<$record>() == $size && align_of::<$record>() == 1);
            $(assert!(offset_of!($record, $field) == $at);)+
        };
    };
}

layout!(ArchivedSection,
    37, kind => 0, index => 2, offset => 4, bytes => 12, block_size => 20, root => 24, height => 28,
    entries => 29
);
layout!(ArchivedDirectory,
    73, id => 0, salt => 8, kind => 16, low => 17, high => 25, sections => 33, rows => 41, min_date => 49,
    max_date => 57, max_seq => 65
);
layout!(ArchivedSegmentEntry,
    89, id => 0, salt => 8, kind => 16, low => 17, high => 25, bytes => 33, emails => 41, rows => 49,
    min_date => 57, max_date => 65, max_seq => 73, addons => 81
);
layout!(ArchivedAddon, 40, id => 0, salt => 8, bytes => 16, model => 24, pending => 32);
layout!(ArchivedLogStream, 44, stream => 0, epoch => 8, low => 16, high => 24, first_file => 32, floor => 36);
layout!(ArchivedManifest,
    80, store => 0, number => 16, epoch => 24, segments => 32, logs => 40, next_seq => 48,
    next_segment => 56, lost => 64, active => 72
);
layout!(ArchivedCounts,
    48, found => 0, stored => 8, duplicate => 16, failed => 24, partial => 32, attachments => 40
);
layout!(ArchivedHoldings, 24, recipients => 0, unreadable => 8, unsearched => 16);
layout!(ArchivedArchiveVersion,
    138, path => 0, kind => 8, sha256 => 16, bytes => 48, folders => 56, custodian => 64, loaded_at => 72,
    complete => 80, counts => 81, password => 129, extra => 130
);
layout!(ArchivedFailure, 41, folder => 0, node => 8, code => 16, stage => 24, reason => 32, resolved => 40);
layout!(ArchivedWatermark, 60, high => 0, batches => 8, counts => 12);
layout!(ArchivedWatermark2, 84, high => 0, batches => 8, counts => 12, holdings => 60);
layout!(ArchivedMark, 41, tags => 0, note => 8, holds => 16, deleted => 24, revision => 25, date => 33);
layout!(ArchivedRaw, 11, encoding => 0, value_type => 1, bytes => 3);
layout!(ArchivedPropName, 29, guid => 0, lid => 16, name => 21);
layout!(ArchivedProp, 43, id => 0, name => 2, value => 32);
layout!(ArchivedBody,
    85, plain => 0, html => 12, rtf => 24, headers => 36, original => 48, text => 60, text_source => 68,
    props => 69, extra => 77
);
layout!(ArchivedDoc, 9, json => 0, removed => 8);
layout!(ArchivedPlace,
    73, archive => 0, version => 16, custodian => 32, folder => 40, node => 48, recovered => 56,
    date => 57, extra => 65
);
layout!(ArchivedThreadAlias, 16, to => 0);
layout!(ArchivedException,
    49, path => 0, custodian => 8, folder => 16, code => 24, stage => 32, reason => 40, resolved => 48
);
layout!(ArchivedAddress, 16, name => 0, address => 8);
layout!(ArchivedExtra, 10, number => 0, bytes => 2);
layout!(ArchivedStamp, 11, unix_micros => 0, offset_minutes => 8);
layout!(ArchivedAttachment,
    87, n => 0, name => 4, mime => 12, content_id => 20, inline => 28, kind => 29, size => 30,
    sha256 => 38, child => 70
);
layout!(ArchivedPartialNote, 24, code => 0, stage => 8, reason => 16);
layout!(ArchivedEmail,
    239, id => 0, id_scheme => 16, parent => 17, thread => 34, kind => 50, class => 51, message_id => 59,
    in_reply_to => 67, references => 75, subject => 83, topic => 91, from => 99, sender => 116, to => 133,
    cc => 141, bcc => 149, sent => 157, received => 169, date => 181, size => 189, importance => 197,
    sensitivity => 198, flags => 199, codepage => 203, language => 207, attachments => 215,
    partial => 223, extra => 231
);
