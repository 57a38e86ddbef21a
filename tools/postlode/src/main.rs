//! `postlode`: the program. Commands, their flags, outputs and exit codes are those of the interface document.
//!
//! What always holds: machine output goes to stdout alone, everything else to stderr; a failed command says in one
//! line what, where, and what to do; a closed pipe ends it quietly.

mod allocator;
mod arguments;
mod commands;
mod config;
mod custodians;
mod embedding;
mod error;
mod hold;
mod loader;
mod measure;
mod output;
mod session;
mod settings;
mod sizes;

use arguments::{Arguments, BenchCommand, Command, SegmentCommand};
use clap::Parser;
use error::Failure;
use output::Console;
use settings::Settings;
use std::process::ExitCode;

/// Threads of the async front end; the store and the pipeline have their own.
const FRONT_THREADS: usize = 2;

fn main() -> ExitCode {
    allocator::set_up();
    // Before anything else: a parser has no threads, no log and no settings.
    if std::env::args_os().nth(1).is_some_and(|command| command == loader::PARSER_COMMAND) {
        return ExitCode::from(postlode_ingest::parser_main());
    }
    // clap itself exits with 2 on wrong usage, and with 0 for --help and --version.
    let arguments = Arguments::parse();
    let console = Console::new(arguments.common.json);
    let done = start(arguments, &console);
    let code = match done {
        Ok(code) => code,
        Err(Failure::Closed) => return ExitCode::SUCCESS,
        Err(failure) => {
            console.error(&failure.to_string());
            failure.exit_code()
        }
    };
    // What is still in the buffer may meet a closed pipe, or a full disk.
    match console.flush() {
        Ok(()) | Err(Failure::Closed) => ExitCode::from(code),
        Err(failure) => {
            console.error(&failure.to_string());
            ExitCode::from(failure.exit_code().max(code))
        }
    }
}

fn start(arguments: Arguments, console: &Console) -> Result<u8, Failure> {
    log(arguments.common.verbose);
    let settings = Settings::resolve(&arguments.common)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(FRONT_THREADS)
        .thread_name("front")
        .enable_all()
        .build()
        .map_err(|error| Failure::Done(format!("no threads can be started: {error}")))?;
    let code = runtime.block_on(run(arguments.command, &settings, console));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    code
}

async fn run(command: Command, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    match command {
        Command::Load(load) => commands::load::run(load, settings, console).await,
        Command::Search(search) => commands::search::run(search, settings, console).await,
        Command::Show(show) => commands::show::run(show, settings, console).await,
        Command::Export(export) => commands::export::run(export, settings, console).await,
        Command::Stats(stats) => commands::stats::run(stats, settings, console).await,
        Command::Serve(serve) => commands::serve::run(serve, settings, console).await,
        Command::Update(update) => commands::update::run(update, settings, console).await,
        Command::Hold(hold) => commands::hold_mail::run(hold, settings, console).await,
        Command::Saved(saved) => commands::saved::run(saved, settings, console).await,
        Command::Embed(embed) => commands::embed::run(embed, settings, console).await,
        Command::Backup(backup) => commands::backup::backup(backup, settings, console).await,
        Command::Restore(restore) => commands::backup::restore(restore, settings, console).await,
        Command::Bench(BenchCommand::Load(bench)) => commands::bench::load(bench, settings, console).await,
        Command::Bench(BenchCommand::Query(bench)) => {
            commands::bench_query::run(bench, settings, console).await
        }
        Command::Bench(BenchCommand::Vectors(bench)) => commands::bench_vectors::run(&bench, console),
        Command::Segment(SegmentCommand::List) => commands::segment::list(settings, console).await,
        Command::Segment(SegmentCommand::Verify) => commands::segment::verify(settings, console).await,
        Command::Segment(SegmentCommand::Inspect { segment }) => {
            commands::inspect::inspect(&segment, settings, console).await
        }
        Command::Segment(SegmentCommand::Dump { segment, limit }) => {
            commands::inspect::dump(&segment, limit, settings, console).await
        }
        Command::Segment(SegmentCommand::Compact) => commands::segment::compact(settings, console).await,
    }
}

/// Logs to stderr: warnings, with -v what is done, with -vv how.
fn log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    // Libraries below speak of their own affairs; what they cannot do comes back as an error.
    let filter = format!(
        "error,postlode={level},postlode_server={level},postlode_ingest={level},postlode_store={level},postlode_query={level},postlode_semantic={level},postlode_embed={level},postlode_text={level},postlode_runtime={level},postlode_mail={level}"
    );
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_target(verbose > 1)
        .with_ansi(false)
        .init();
}
