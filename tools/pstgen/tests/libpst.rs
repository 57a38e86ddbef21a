//! readpst and lspst find in a made archive what its truth says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::{Made, entries, make, run, sha256};

#[test]
fn lspst_lists_every_mail_with_its_subject() {
    check_list(&make(|options| options.messages = Some(1200)));
}

#[test]
fn lspst_lists_every_mail_of_an_ansi_archive() {
    check_list(&make(|options| {
        options.messages = Some(1200);
        options.ansi = true;
    }));
}

fn check_list(made: &Made) {
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    // To this program reports and invitations are mail too.
    let is_mail =
        |class: &str| ["IPM.Note", "IPM.Schedule", "REPORT"].iter().any(|kind| class.starts_with(kind));
    for item in made.truth.iter().filter(|item| is_mail(item["message_class"].as_str().unwrap())) {
        // What an 8-bit archive has is printed as it is, which is no UTF-8.
        let shown = |c: char| if made.ansi && !c.is_ascii() { char::REPLACEMENT_CHARACTER } else { c };
        *expected.entry(item["subject"].as_str().unwrap().chars().map(shown).collect()).or_default() += 1;
    }
    for line in run("pst-utils", "lspst", &[made.pst.to_str().unwrap()]).lines() {
        if let Some(rest) = line.strip_prefix("Email\t") {
            let subject = rest.split_once("\tSubject:").map_or("", |(_, subject)| subject.trim_start());
            *expected.entry(subject.to_owned()).or_default() -= 1;
        }
    }
    // lspst shows no subject as (null) in some versions and as nothing in others.
    let null = expected.remove("(null)").unwrap_or(0) + expected.remove("").unwrap_or(0);
    expected.retain(|_, count| *count != 0);
    assert!(expected.is_empty() && null == 0, "{null} without subject, {expected:?}");
}

#[test]
fn readpst_writes_every_attachment_byte_for_byte() {
    check_files(&make(|options| {
        options.messages = Some(1200);
        options.seed = 4;
        options.attachments = 0.4;
    }));
}

#[test]
fn readpst_writes_every_attachment_of_an_ansi_archive() {
    check_files(&make(|options| {
        options.messages = Some(1200);
        options.seed = 5;
        options.attachments = 0.4;
        options.ansi = true;
    }));
}

fn check_files(made: &Made) {
    let out = made.scratch.path().join("out");
    std::fs::create_dir(&out).unwrap();
    // One process: readpst's own share a file offset and then mix up what they read.
    let arguments = ["-q", "-j", "0", "-S", "-D", "-o", out.to_str().unwrap(), made.pst.to_str().unwrap()];
    run("pst-utils", "readpst", &arguments);
    let mut found = BTreeMap::new();
    collect(&out, &mut found);
    let (mut expected, mut rtf) = (0, 0);
    for item in &made.truth {
        for file in item["files"].as_array().unwrap() {
            // readpst leaves empty files out.
            if file["message"].is_null() && file["size"] != 0 {
                let count = found.get_mut(file["sha256"].as_str().unwrap());
                let count = count.unwrap_or_else(|| panic!("{file} of {item} is missing"));
                *count -= 1;
                expected += 1;
            }
        }
        // Of RTF it makes a file.
        if let Some(sha256) = item["rtf_sha256"].as_str() {
            *found.get_mut(sha256).unwrap_or_else(|| panic!("the RTF of {item} is missing")) -= 1;
            rtf += 1;
        }
    }
    assert!(expected > 400 && rtf > 60, "{expected} attachments, {rtf} RTF bodies");
    assert!(found.values().all(|count| *count == 0), "files that nobody attached: {found:?}");
}

/// The hashes of attachments below `folder`: files called `<number of the message>-<name>`.
fn collect(folder: &Path, found: &mut BTreeMap<String, i64>) {
    for (name, path) in entries(folder) {
        if path.is_dir() {
            collect(&path, found);
        } else if name.split_once('-').is_some_and(|(number, _)| number.bytes().all(|b| b.is_ascii_digit())) {
            *found.entry(sha256(&std::fs::read(path).unwrap())).or_default() += 1;
        }
    }
}
