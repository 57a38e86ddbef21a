//! libpff finds in a made archive exactly what its truth says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use support::{Made, entries, make, pffexport, same_text, sha256};

/// What pffexport writes an item's properties to.
const PROPERTY_FILES: [&str; 7] = [
    "OutlookHeaders.txt",
    "Appointment.txt",
    "Contact.txt",
    "DistributionList.txt",
    "Meeting.txt",
    "Task.txt",
    "Note.txt",
];

#[derive(Debug, Default)]
struct Seen {
    files: usize,
    messages: usize,
    rtf: usize,
}

#[test]
fn everything_in_the_truth_is_in_the_archive() {
    check_archive(&make(|options| {
        options.messages = Some(1500);
        options.seed = 11;
        options.attachments = 0.4;
    }));
}

#[test]
fn everything_in_the_truth_is_in_an_ansi_archive() {
    check_archive(&make(|options| {
        options.messages = Some(1500);
        options.seed = 12;
        options.attachments = 0.4;
        options.ansi = true;
    }));
}

fn check_archive(made: &Made) {
    let export = pffexport(made);
    let mut in_folder: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = Seen::default();
    for item in &made.truth {
        let folder = item["folder"].as_str().unwrap();
        let number = in_folder.entry(folder).or_default();
        *number += 1;
        let all = entries(&export.join(as_file_name(&folder[1..])));
        // Message00001, Appointment00002 and so on: numbered through the folder.
        let digits = format!("{number:05}");
        let (_, path) = all
            .iter()
            .find(|(name, _)| name.ends_with(&digits) && name.len() > 5)
            .unwrap_or_else(|| panic!("no item {digits} in {folder}"));
        check(item, path, &mut seen);
    }
    for (folder, count) in &in_folder {
        let items = entries(&export.join(as_file_name(&folder[1..])))
            .keys()
            .filter(|name| name.len() > 5 && name[name.len() - 5..].bytes().all(|byte| byte.is_ascii_digit()))
            .count();
        assert_eq!(items, *count, "items of {folder}");
    }
    assert!(in_folder.len() > 20, "{in_folder:?}");
    assert!(seen.files > 500 && seen.messages > 10 && seen.rtf > 80, "{seen:?}");
}

/// A name as the program writes it: without question marks, which ANSI archives have for what they cannot keep.
fn as_file_name(name: &str) -> String {
    name.replace('?', "_")
}

/// The address that an item's own address type goes with.
fn known_as<'a>(item: &'a Value, smtp: &'a str) -> &'a str {
    item["exchange"][smtp].as_str().unwrap_or(smtp)
}

/// Compares an exported item with its truth, and what is attached to it.
fn check(item: &Value, path: &Path, seen: &mut Seen) {
    let files = entries(path);
    let properties: String = PROPERTY_FILES
        .iter()
        .filter_map(|name| files.get(*name))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let shown = |label: &str| {
        properties.lines().find_map(|line| line.strip_prefix(label)).map_or("", str::trim_start)
    };
    let text = |key: &str| item[key].as_str().unwrap_or("");
    assert!(same_text(shown("Subject:\t"), text("subject")), "{path:?}: {properties} {item}");
    // Of items that are not mail the program shows less.
    let class = text("message_class");
    if class == "IPM.Note" || class.starts_with("REPORT.") {
        assert_eq!(shown("Sender name:\t"), text("sender"));
        // Where there are two addresses, the program shows that of the Exchange server.
        assert_eq!(shown("Sender email address:\t"), known_as(item, text("sender_address")));
        let delivered = shown("Delivery time:\t");
        assert_eq!(delivered.split(' ').nth(3).unwrap()[..8], text("delivered")[11..], "{delivered}");
        let len = |name: &str| files.get(name).map(|path| std::fs::read(path).unwrap());
        let plain = len("Message.txt").map(|bytes| String::from_utf8(bytes).unwrap());
        // An old libpff turns characters beyond U+FFFF into others, but none into one of another length.
        assert_eq!(plain.map_or(0, |text| text.len()), item["text_len"], "{path:?}");
        assert_eq!(len("Message.html").map_or(0, |bytes| bytes.len()), item["html_len"], "{path:?}");
        // The program puts a zero behind RTF.
        let rtf = len("Message.rtf").map(|bytes| bytes.strip_suffix(&[0]).unwrap().to_vec());
        assert_eq!(rtf.as_ref().map_or(0, Vec::len), item["rtf_len"], "{path:?}");
        assert_eq!(rtf.map(|bytes| sha256(&bytes)).as_deref(), item["rtf_sha256"].as_str(), "{path:?}");
        seen.rtf += usize::from(item["rtf"] == true);
        let recipients = files.get("Recipients.txt").map(|path| std::fs::read_to_string(path).unwrap());
        let shown: Vec<&str> = recipients
            .as_deref()
            .unwrap_or("")
            .lines()
            .filter_map(|line| line.strip_prefix("Email address:"))
            .map(str::trim)
            .collect();
        for kind in ["to", "cc", "bcc"] {
            for address in item[kind].as_array().unwrap() {
                let address = known_as(item, address.as_str().unwrap());
                assert!(shown.contains(&address), "{address} of {path:?}");
            }
        }
    }
    let expected = item["files"].as_array().unwrap();
    assert_eq!(expected.len(), item["attachments"]);
    let attached = entries(&path.join("Attachments"));
    assert_eq!(attached.len(), expected.len(), "{path:?}");
    for (index, file) in expected.iter().enumerate() {
        let number = index + 1;
        if file["message"].is_null() {
            let (name, path) =
                attached.iter().find(|(name, _)| name.starts_with(&format!("{number}_"))).unwrap();
            let expected = as_file_name(file["name"].as_str().unwrap());
            assert!(same_text(&name[format!("{number}_").len()..], &expected), "{name}");
            let bytes = std::fs::read(path).unwrap();
            assert_eq!(bytes.len(), file["size"]);
            assert_eq!(sha256(&bytes), file["sha256"]);
            seen.files += 1;
        } else {
            let inner = attached[&format!("Attachment{number:05}")].join("Message00001");
            check(&file["message"], &inner, seen);
            seen.messages += 1;
        }
    }
}
