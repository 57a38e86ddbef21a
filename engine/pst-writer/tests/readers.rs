//! Other people's readers read what the writer writes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

use std::path::Path;
use std::process::Command;

use postlode_pst_writer::{
    Address, Attachment, FileTime, Message, Options, Payload, PstWriter, Recipient, RecipientKind,
};

/// Runs a program of the Debian package `package` and gives what it printed.
fn run(package: &str, program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{program} failed: {out}{err}");
            out.into_owned()
        }
        Err(error) => panic!("cannot run {program}: {error}; this test needs the Debian package {package}"),
    }
}

const COUNT: usize = 3000;

fn body(number: usize) -> String {
    format!("Grüße zu Vertrag {number}.\r\n").repeat(1 + number % 300)
}

fn attachment(number: usize) -> Vec<u8> {
    (0..number * 37 % 70_001).map(|index| (index * number) as u8).collect()
}

/// A folder of 3,000 messages, every tenth with an attachment.
fn write(path: &Path) {
    let mut pst = PstWriter::new(std::fs::File::create_new(path).unwrap(), Options::new([3; 16])).unwrap();
    let folder = pst.add_folder_path("Lists/r-devel").unwrap();
    for number in 0..COUNT {
        let mut message = Message {
            subject: format!("Re: Vertrag {number} für Łódź"),
            sender: Some(Address::new("Jürgen Müller", "juergen@example.com")),
            recipients: vec![Recipient::new(RecipientKind::To, Address::new("Grace", "grace@example.com"))],
            submitted: Some(FileTime::from_unix(1_500_000_000 + number as i64)),
            delivered: Some(FileTime::from_unix(1_500_000_000 + number as i64)),
            message_id: Some(format!("<{number}@example.com>")),
            body_text: Some(body(number)),
            ..Message::default()
        };
        if number % 10 == 1 {
            let bytes = attachment(number);
            message.attachments.push(Attachment::new(format!("Plan {number}.bin"), Payload::Bytes(bytes)));
        }
        pst.add_message(folder, message).unwrap();
    }
    pst.finish().unwrap();
}

#[test]
fn pffexport_reads_a_folder_of_3000_messages() {
    let scratch = tempfile::tempdir().unwrap();
    let pst = scratch.path().join("big.pst");
    write(&pst);
    let target = scratch.path().join("big");
    run("pff-tools", "pffexport", &["-q", "-t", target.to_str().unwrap(), pst.to_str().unwrap()]);
    let folder = scratch.path().join("big.export/Top of Outlook data file/Lists/r-devel");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), COUNT);
    for number in 0..COUNT {
        let message = folder.join(format!("Message{:05}", number + 1));
        let headers = std::fs::read_to_string(message.join("OutlookHeaders.txt")).unwrap();
        assert!(headers.contains(&format!("Re: Vertrag {number} für Łódź\n")), "{headers}");
        assert_eq!(std::fs::read_to_string(message.join("Message.txt")).unwrap(), body(number));
        if number % 10 == 1 {
            let file = message.join(format!("Attachments/1_Plan {number}.bin"));
            assert!(std::fs::read(file).unwrap() == attachment(number), "attachment of {number}");
        }
    }
}

#[test]
fn readpst_reads_a_folder_of_3000_messages() {
    let scratch = tempfile::tempdir().unwrap();
    let pst = scratch.path().join("big.pst");
    write(&pst);
    let listed = run("pst-utils", "lspst", &[pst.to_str().unwrap()]);
    assert_eq!(listed.lines().filter(|line| line.starts_with("Email")).count(), COUNT);
    // One process: readpst's own share a file offset and then mix up what they read.
    let out = scratch.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let arguments = ["-q", "-j", "0", "-S", "-o", out.to_str().unwrap(), pst.to_str().unwrap()];
    run("pst-utils", "readpst", &arguments);
    let folder = out.join("Outlook data file/Lists/r-devel");
    let mut messages = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some((_, file)) = name.split_once('-') {
            let number: usize = file.trim_start_matches("Plan ").trim_end_matches(".bin").parse().unwrap();
            assert!(std::fs::read(&path).unwrap() == attachment(number), "attachment of {number}");
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains("From: =?utf-8?"), "{text}");
            assert!(text.contains("Message-Id: <") || text.contains("Message-ID: <"), "{text}");
            messages += 1;
        }
    }
    assert_eq!(messages, COUNT);
}
