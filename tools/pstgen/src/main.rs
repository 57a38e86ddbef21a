//! `pstgen`: the command line of the generator. Exit codes: 0 done, 1 not done, 2 usage.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pstgen::Options;

/// Writes a PST archive of made-up mail, or of the mail in a JSONL file, and says what is in it
#[derive(Debug, Parser)]
#[command(name = "pstgen", version)]
struct Arguments {
    /// The archive to write
    out: PathBuf,
    /// How many items to write [default: 1000; with --from, all]
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// What the archive is made from; the same seed gives the same bytes
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The share of messages with attachments, from 0 to 1
    #[arg(long, value_name = "R", default_value_t = 0.1, value_parser = share)]
    attachments: f64,
    /// Write what is in the archive here, one JSON object an item
    #[arg(long, value_name = "OUT.jsonl")]
    truth: Option<PathBuf>,
    /// Take the mail from this JSONL file (.zst too) and make none up
    #[arg(long, value_name = "MAIL.jsonl", conflicts_with = "attachments")]
    from: Option<PathBuf>,
    /// Write an ANSI archive, as Outlook did before 2003: at most 2 GiB, text in code page 1252
    #[arg(long)]
    ansi: bool,
    /// Replace files that are there already
    #[arg(long)]
    force: bool,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 1 is needed".into()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options {
        out: arguments.out,
        messages: arguments.messages,
        seed: arguments.seed,
        attachments: arguments.attachments,
        truth: arguments.truth,
        from: arguments.from,
        ansi: arguments.ansi,
        force: arguments.force,
    };
    match pstgen::generate(&options) {
        Ok(summary) => {
            use std::io::Write;
            // A closed pipe is no reason to call a finished archive a failure.
            let _ = writeln!(
                std::io::stdout(),
                "{}: {} items in {} folders, {} attachments, {} bytes",
                options.out.display(),
                summary.items,
                summary.folders,
                summary.attachments,
                summary.bytes
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "pstgen: {error}");
            ExitCode::FAILURE
        }
    }
}
