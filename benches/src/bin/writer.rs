//! How fast PST archives are written: by the writer alone, and by `pstgen` with the mail it makes up.

use clap::Parser;
use postlode_benches::figures::{mb, median, rate};
use postlode_benches::{BenchError, machine, place};
use postlode_pst_writer::{Address, Message, Options, PstWriter, Recipient, RecipientKind};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Measures the PST writer.
#[derive(Parser)]
struct Arguments {
    /// Messages of an archive.
    #[arg(long, default_value_t = 20_000)]
    messages: u64,
    /// Bytes of a message's body.
    #[arg(long, default_value_t = 3_000)]
    body: usize,
    /// Runs; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Folder for throw-away archives (default: the target folder).
    #[arg(long)]
    within: Option<PathBuf>,
}

fn main() -> Result<(), BenchError> {
    let arguments = Arguments::parse();
    println!("writer: {}\n", machine::told());
    let scratch = place::throw_away(arguments.within.as_deref())?;
    let (mut alone, mut made_up) = (Vec::new(), Vec::new());
    for n in 0..arguments.runs.max(1) {
        let start = Instant::now();
        let bytes = write(&scratch.path().join(format!("a{n}.pst")), &arguments)?;
        alone.push((bytes, start.elapsed().as_secs_f64()));
        let start = Instant::now();
        let path = scratch.path().join(format!("b{n}.pst"));
        let made = pstgen::generate(&pstgen::Options::new(path, arguments.messages))?;
        made_up.push((made.bytes, start.elapsed().as_secs_f64()));
    }
    for (what, runs) in [("the writer alone", alone), ("pstgen, mail made up", made_up)] {
        let of = |figure: &dyn Fn(&(u64, f64)) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
        println!(
            "  {what:<22} {:>6.1} MB/s {:>8.0} messages/s   ({} messages, {:.1} MB)",
            of(&|(bytes, seconds)| mb(*bytes) / seconds),
            of(&|(_, seconds)| rate(arguments.messages, *seconds)),
            arguments.messages,
            of(&|(bytes, _)| mb(*bytes)),
        );
    }
    Ok(())
}

/// Writes plain messages into a few folders. Gives the bytes of the archive.
fn write(path: &Path, arguments: &Arguments) -> Result<u64, BenchError> {
    let file = File::create_new(path).map_err(BenchError::io(path.display().to_string()))?;
    let mut pst = PstWriter::new(BufWriter::new(file), Options::new([7; 16]))?;
    let mut folders = Vec::new();
    for n in 0..10 {
        folders.push(pst.add_folder_path(&format!("Inbox/Project {n}"))?);
    }
    let text = "All work and no play makes a dull archive. ".repeat(arguments.body / 43 + 1);
    for (n, folder) in (0..arguments.messages).zip(folders.iter().cycle()) {
        let to = Address::new("Bob", "bob@example.org");
        let message = Message {
            subject: format!("Message {n}"),
            sender: Some(Address::new("Ann", "ann@example.org")),
            recipients: vec![Recipient::new(RecipientKind::To, to)],
            body_text: Some(text.chars().take(arguments.body).collect()),
            ..Message::default()
        };
        pst.add_message(*folder, message)?;
    }
    Ok(pst.finish()?.1)
}
