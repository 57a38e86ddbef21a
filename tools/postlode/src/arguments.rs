//! The command line.

use crate::sizes;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Loads Outlook PST and OST archives and searches them
#[derive(Debug, Parser)]
#[command(name = "postlode", version, max_term_width = 100)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Folder of the store [default: ~/.local/share/postlode]
    #[arg(long, global = true, env = "POSTLODE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Settings, as TOML; flags and the environment come before them
    #[arg(long, global = true, env = "POSTLODE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Machine output on stdout, and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// Say what is being done; twice: in detail
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load .pst, .ost, .eml and .mbox files, or folders of them; safe to repeat and to interrupt
    Load(Load),
    /// Search: words, "phrases", from: to: subject: folder: before: after: has:attachment, - to exclude
    Search(Search),
    /// Show one email
    Show(Show),
    /// Write the emails that a query finds to a file
    Export(Export),
    /// Change what is said of the emails that a query finds: tags, a note, holds
    Update(UpdateMail),
    /// Holds: named sets of mail that cannot be deleted
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Searches that are kept under names (search --save NAME, search --saved NAME)
    #[command(subcommand)]
    Saved(SavedCommand),
    /// Counts, sizes and memory
    Stats(Stats),
    /// Serve HTTP
    Serve(Serve),
    /// Embed all mail with a better model, and search by that one from then on; safe to repeat and to interrupt
    Embed(Embed),
    /// Look into the store and look after it
    #[command(subcommand)]
    Segment(SegmentCommand),
    /// Copy the store as it is now into an empty folder, while it is served and loaded
    Backup(Backup),
    /// Make the store from a backup; each file is checked before it is accepted
    Restore(Restore),
    /// Measure how fast this machine does it
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// `backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// Where to: an empty folder, or one that is made
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    /// Copy every byte, where files would get a second name on the same disk
    #[arg(long)]
    pub copy: bool,
}

/// `restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    #[arg(value_name = "DIR")]
    pub from: PathBuf,
}

/// `bench`
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Load archives into a throw-away store: mails a minute by stage, memory, bytes on disk a mail
    Load(BenchLoad),
    /// Ask the store from many clients at once: questions a second, how long each takes
    Query(BenchQuery),
    /// Index vectors and search them: recall, queries a second of one thread, how long each takes
    Vectors(BenchVectors),
}

/// `bench query`
#[derive(Debug, Args)]
pub struct BenchQuery {
    /// Clients, each of which asks again as soon as it has its answer
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clients: u32,
    /// Seconds of each kind
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// What is asked for, several with commas between [default: each in turn]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub kind: Vec<QueryKind>,
    /// Questions a second, whether answers come or not, in place of clients that wait
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// Snippets too, for which the text of each hit is read
    #[arg(long)]
    pub snippets: bool,
    /// What decides about the questions that are drawn from the store's mail
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Write the questions here, one JSON object a line, for others to be asked the same
    #[arg(long, value_name = "FILE.jsonl")]
    pub write: Option<PathBuf>,
    /// Memory for caches, as 512MiB or 2GiB
    #[arg(long, value_name = "BYTES", value_parser = sizes::parse)]
    pub memory: Option<u64>,
}

/// What a bench of questions asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QueryKind {
    /// One email by its id
    Point,
    /// The newest 50 of a sender
    Sender,
    /// The best 20 for two words of a subject, by words
    Keyword,
    /// The nearest 10 to a subject in meaning
    Semantic,
    /// The best 10 for two words of a subject, by words and meaning, of a year or a domain
    Hybrid,
    /// Senders, domains, folders, years and types of attachments of all mail
    Facets,
}

/// `bench vectors`
#[derive(Debug, Args)]
pub struct BenchVectors {
    /// The vectors (.fvecs)
    #[arg(long, value_name = "FILE")]
    pub base: PathBuf,
    /// Vectors that are asked for (.fvecs)
    #[arg(long, value_name = "FILE")]
    pub query: PathBuf,
    /// The nearest of each, the nearest first (.ivecs)
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    /// What a walk compares
    #[arg(long, value_enum, default_value_t = Codes::Sq8)]
    pub codes: Codes,
    /// Nodes in sight, one run for each
    #[arg(long, value_delimiter = ',', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000),
          default_values_t = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512])]
    pub ef: Vec<u32>,
    /// Nearest that are asked for
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub k: u32,
    /// Links of a node; twice as many at the bottom
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(2..=256))]
    pub m: u16,
    /// Nodes in sight while the graph is built
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(2..=4096))]
    pub ef_construction: u16,
    /// Threads that build [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Runs of each, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub runs: u16,
}

/// Codes of the vectors of a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VectorCodes {
    /// A byte a value
    #[default]
    Sq8,
    /// Half a byte a value
    B4,
    /// Halves
    F16,
}

/// What a walk through a graph compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Codes {
    /// A byte a value
    Sq8,
    /// Half a byte a value
    B4,
    /// A byte for eight values
    Pq,
    /// The same, of vectors turned as is best for them
    Opq,
    /// Halves
    F16,
}

/// `bench load`
#[derive(Debug, Args)]
pub struct BenchLoad {
    /// Archives, or folders that are searched for archives
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Folder for the throw-away store [default: beside the store]
    #[arg(long, value_name = "DIR")]
    pub within: Option<PathBuf>,
}

/// `load`
#[derive(Debug, Args)]
pub struct Load {
    /// Archives, or folders that are searched for archives
    #[arg(required_unless_present_any = ["custodians", "retry_failed"], value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Whose mail it is
    #[arg(long, value_name = "NAME")]
    pub custodian: Option<String>,
    /// A CSV file of path,custodian that says whose mail certain files and folders are; without PATH all of them are
    /// loaded
    #[arg(long, value_name = "FILE")]
    pub custodians: Option<PathBuf>,
    /// Deleted and orphaned items too, marked as recovered
    #[arg(long)]
    pub recover: bool,
    /// Read once more what could not be read before; without PATH of all archives
    #[arg(long)]
    pub retry_failed: bool,
    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
}

/// How hits are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// By words
    Keyword,
    /// By meaning
    Semantic,
    /// By both
    Hybrid,
}

/// The order of hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Best first
    Relevance,
    /// Newest first
    Date,
    /// Largest first
    Size,
    /// By the sender's address
    Sender,
}

/// What hits are shown as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// Each by itself
    None,
    /// Mails of one thread
    Thread,
    /// Copies of one message, by its Message-ID
    Message,
    /// Near-duplicates: mails whose new text is nearly the same
    Near,
}

/// How words and meaning come to one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fusion {
    /// Some of both scores
    Mix,
    /// By ranks
    Rrf,
}

/// A number from 0 to 1.
fn part(text: &str) -> Result<f32, String> {
    let part = text.parse::<f32>().ok().filter(|part| (0.0..=1.0).contains(part));
    part.ok_or_else(|| "want a number from 0 to 1".to_owned())
}

/// `search`
#[derive(Debug, Args)]
pub struct Search {
    /// The query; an empty one finds everything
    #[arg(allow_hyphen_values = true, required_unless_present = "saved")]
    pub query: Option<String>,
    /// Ask what was saved under this name; mode, order, grouping, ranking, time zone and facets are those that were saved
    #[arg(long, value_name = "NAME", conflicts_with_all = ["query", "mode", "sort", "group", "fusion", "recency", "tz", "facets", "save"])]
    pub saved: Option<String>,
    /// Save the search under this name too, for whoever searches this store; what had the name before is replaced
    #[arg(long, value_name = "NAME")]
    pub save: Option<String>,
    /// How hits are found
    #[arg(long, value_enum, default_value_t = Mode::Hybrid)]
    pub mode: Mode,
    /// At most so many hits
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    /// The order of hits [default: relevance where the query has words, else date]
    #[arg(long, value_enum)]
    pub sort: Option<Sort>,
    /// Show as one: the mails of a thread, the copies of a message, those whose text is nearly the same
    #[arg(long, value_enum, default_value_t = Group::None)]
    pub group: Group,
    /// How words and meaning come to one score: some of both, or by ranks (reciprocal rank fusion)
    #[arg(long, value_enum, default_value_t = Fusion::Mix)]
    pub fusion: Fusion,
    /// How much of their score older emails lose, from 0 to 1; 0.2 is mild
    #[arg(long, value_name = "PART", default_value_t = 0.0, value_parser = part)]
    pub recency: f32,
    /// Time zone of day boundaries: an IANA name or an offset [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Count what was found by sender, domain, recipient, folder, custodian, archive, tag, class, type (of attachments),
    /// language, year or month; several with commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = postlode_query::Facet::from_name)]
    pub facets: Vec<postlode_query::Facet>,
    /// Tell how the answer was found
    #[arg(long)]
    pub explain: bool,
}

/// `show`
#[derive(Debug, Args)]
pub struct Show {
    /// Id of the email: 32 hex digits
    pub id: String,
    /// Its text alone
    #[arg(long, conflicts_with_all = ["eml", "attachment"])]
    pub body: bool,
    /// The whole message as RFC 5322
    #[arg(long, conflicts_with = "attachment")]
    pub eml: bool,
    /// The bytes of one attachment, by its number
    #[arg(long, value_name = "N")]
    pub attachment: Option<u32>,
}

/// `export`
#[derive(Debug, Args)]
pub struct Export {
    /// The query; an empty one is everything
    #[arg(default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub query: String,
    /// What is written
    #[arg(long, value_enum)]
    pub format: Format,
    /// The file to write, or for eml the folder, which must not exist yet; - is stdout (jsonl, csv)
    #[arg(long, value_name = "PATH")]
    pub out: PathBuf,
    /// Time zone of day boundaries in the query [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
}

/// `update`
#[derive(Debug, Args)]
pub struct UpdateMail {
    /// Which emails; id:… is one
    #[arg(allow_hyphen_values = true)]
    pub query: String,
    /// A tag that they get; may be given several times
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// A tag that they lose
    #[arg(long, value_name = "TAG")]
    pub untag: Vec<String>,
    /// Their note from now on; empty takes it away
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// A hold that they come under; `hold add` makes it
    #[arg(long, value_name = "NAME")]
    pub hold: Vec<String>,
    /// A hold that they are released from
    #[arg(long, value_name = "NAME")]
    pub release: Vec<String>,
    /// An empty query is meant: all mail
    #[arg(long)]
    pub all: bool,
    /// Time zone of day boundaries in the query [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
}

/// `hold`
#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Make a hold, and put under it what a query finds
    Add {
        /// Its name
        name: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Which emails come under it [default: none yet]
        #[arg(long, value_name = "QUERY", allow_hyphen_values = true)]
        query: Option<String>,
        /// Time zone of day boundaries in the query [default: UTC]
        #[arg(long, value_name = "ZONE", requires = "query")]
        tz: Option<String>,
        /// An empty query is meant: all mail
        #[arg(long, requires = "query")]
        all: bool,
    },
    /// List holds, with how many emails are under each
    List,
    /// Release a hold and all mail that is under it
    Release {
        /// Its name
        name: String,
    },
}

/// `saved`
#[derive(Debug, Subcommand)]
pub enum SavedCommand {
    /// List saved searches
    List,
    /// Remove a saved search
    Remove {
        /// Its name
        name: String,
    },
}

/// Formats that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A folder of messages by months, and a manifest with the hash of each
    Eml,
    /// One file of messages, and a manifest beside it
    Mbox,
    /// A JSON object a line, with text, headers and places
    Jsonl,
    /// A row an email, without its text
    Csv,
    /// An Outlook archive with the folders of each archive, and a manifest beside it
    Pst,
}

/// `stats`
#[derive(Debug, Args)]
pub struct Stats {
    /// List what could not be read, with code and reason
    #[arg(long)]
    pub failures: bool,
    /// Only failures with this in their archive, folder, code, stage or reason
    #[arg(long, value_name = "TEXT", requires = "failures")]
    pub matching: Option<String>,
    /// Failures as CSV
    #[arg(long, requires = "failures", conflicts_with = "json")]
    pub csv: bool,
}

/// `serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Address to listen on, of this machine's loopback [default: 127.0.0.1:8700]
    #[arg(long, env = "POSTLODE_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Memory to use for caches and what is not sealed yet, as 2GiB [default: 1GiB]
    #[arg(long, env = "POSTLODE_MEMORY", value_name = "SIZE", value_parser = sizes::parse)]
    pub memory: Option<u64>,
    /// Shards of the store while it is open [default: one a core]
    #[arg(long, env = "POSTLODE_SHARDS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub shards: Option<u16>,
    /// What searches by meaning compare: a byte a value, half a byte (less memory), halves (the exact values); for segments
    /// that are made from now on [default: sq8]
    #[arg(long, env = "POSTLODE_VECTOR_CODES", value_enum)]
    pub vector_codes: Option<VectorCodes>,
    /// Where better vectors come from.
    #[command(flatten)]
    pub embed: EmbedFlags,
    /// Only read, and keep up with the process that writes the store, at most a second behind
    #[arg(long, env = "POSTLODE_FOLLOW")]
    pub follow: bool,
}

/// Where better vectors come from.
#[derive(Debug, Clone, Default, Args)]
pub struct EmbedFlags {
    /// Where a better model than the built-in one is served, as OpenAI's /v1/embeddings: Ollama, vLLM, llama.cpp, TEI
    /// (http://127.0.0.1:11434/v1). The text of all mail is sent there
    #[arg(long, env = "POSTLODE_EMBED_ENDPOINT", value_name = "URL")]
    pub embed_endpoint: Option<String>,
    /// The name of that model; a key for it is read from POSTLODE_EMBED_KEY
    #[arg(long, env = "POSTLODE_EMBED_MODEL", value_name = "NAME")]
    pub embed_model: Option<String>,
    /// The folder of a better model than the built-in one, to run here: a BERT-like one with model.safetensors, as
    /// all-MiniLM-L6-v2. Nothing is sent anywhere
    #[arg(long, env = "POSTLODE_EMBED_FOLDER", value_name = "DIR")]
    pub embed_folder: Option<String>,
    /// The library that runs it, ONNX Runtime [default: libonnxruntime.so of this system]
    #[arg(long, env = "ORT_DYLIB_PATH", value_name = "FILE")]
    pub onnxruntime: Option<String>,
}

/// `embed`
#[derive(Debug, Args)]
pub struct Embed {
    /// Where better vectors come from.
    #[command(flatten)]
    pub flags: EmbedFlags,
    /// Search by the built-in model again, and drop the vectors of the other, whatever endpoint is set
    #[arg(long)]
    pub built_in: bool,
}

/// `segment`
#[derive(Debug, Subcommand)]
pub enum SegmentCommand {
    /// List the segments and what is in them
    List,
    /// Read every byte; exits with 3 where something is damaged, and names it
    Verify,
    /// Merge segments, and leave no log behind
    Compact,
    /// Show a segment from inside: sections, shapes of indexes, ranges of keys, compression
    Inspect {
        /// Its id, as `segment list` tells it
        segment: String,
    },
    /// Write the rows of a segment, one a line of JSON
    Dump {
        /// Its id, as `segment list` tells it
        segment: String,
        /// At most so many rows
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    fn parse(line: &str) -> Result<Arguments, clap::error::ErrorKind> {
        Arguments::try_parse_from(line.split(' ')).map_err(|error| error.kind())
    }

    #[test]
    fn flags_may_stand_before_and_behind_the_command() {
        for line in ["postlode --data /d --json load a.pst", "postlode load --json a.pst --data /d"] {
            let arguments = parse(line).unwrap();
            assert!(arguments.common.json);
            assert_eq!(arguments.common.data, Some(PathBuf::from("/d")));
        }
    }

    #[test]
    fn a_query_may_begin_with_a_minus() {
        let Command::Search(search) = parse("postlode search -from:ann --limit 3").unwrap().command else {
            panic!("another command")
        };
        assert_eq!((search.query.as_deref(), search.limit), (Some("-from:ann"), 3));
    }

    #[test]
    fn wrong_usage_is_refused() {
        for line in [
            "postlode",
            "postlode load",
            "postlode load a --jobs 0",
            "postlode search a --limit 0",
            "postlode search a --mode guess",
            "postlode search a --recency nan",
            "postlode search a --recency 1.1",
            "postlode show x --body --eml",
            "postlode export q --out a",
            "postlode segment",
            "postlode search",
            "postlode search a --saved b",
            "postlode update",
            "postlode hold add x",
            "postlode serve --listen nowhere",
            "postlode serve --memory much",
            "postlode serve --follow=maybe",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
