//! A parser as the loader sees it: started, asked, listened to for a limited time, and ended.
//!
//! What always holds: one that is dropped is dead; why one died is known by its end, not by what it said.

use crate::nursery;
use crate::parser;
use crate::wire::{self, ArchivedReply, Opening, Request, Trouble, receive, send};
use bytes::Bytes;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How parsers are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsers {
    /// As processes of their own: this program with these arguments, which does nothing but call
    /// [`crate::parser_main`]. What an archive does to one of them, it does to that process alone.
    Processes {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<OsString>,
        /// Its environment: it gets nothing else of this process's.
        environment: Vec<(OsString, OsString)>,
    },
    /// As threads of this process, for archives that are trusted: nothing confines them, a crash of libpff is a crash
    /// of this process, and one that hangs is left hanging.
    Threads,
    /// As threads that end, as a crash would end them, where they are asked for one of the first so many ways of naming
    /// items.
    #[cfg(test)]
    Frail(u8),
}

/// Time in which a parser must take what it is asked.
const PATIENCE: Duration = Duration::from_secs(30);
/// The last bytes of what a parser wrote to stderr that are looked at.
const LAST_WORDS: u64 = 16 << 10;

/// Why a parser is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Death {
    /// Failure code: `timeout`, `memory` or `crashed`.
    pub(crate) code: &'static str,
    /// What happened, for people.
    pub(crate) reason: String,
    /// It was killed by something else than what it read: a person, or a system short of memory. That says little of
    /// the item it was at.
    pub(crate) killed: bool,
}

impl Death {
    pub(crate) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), killed: false }
    }
}

fn thread(
    stream: UnixStream,
    taken: impl Fn(&Request) -> bool + Send + 'static,
) -> std::io::Result<Option<std::process::Child>> {
    let serve = move || {
        // It ends when the other side closes.
        drop(parser::serve(&stream, Vec::new(), taken));
    };
    std::thread::Builder::new().name("parser".to_owned()).spawn(serve)?;
    Ok(None)
}

/// A running parser. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Child {
    stream: UnixStream,
    process: Option<std::process::Child>,
}

impl Child {
    /// Starts one, and waits until it is ready. Also tells what it could not give up of its powers.
    pub(crate) fn start(parsers: &Parsers, patience: Duration) -> Result<(Self, Vec<String>), Death> {
        let not_started = |error: &dyn std::fmt::Display| {
            Death::new("crashed", format!("no parser can be started: {error}"))
        };
        let (stream, theirs) = UnixStream::pair().map_err(|error| not_started(&error))?;
        let process = match parsers {
            Parsers::Processes { program, arguments, environment } => {
                let mut command = Command::new(program);
                command
                    .args(arguments)
                    .env_clear()
                    .envs(environment.iter().map(|(name, value)| (name, value)))
                    .current_dir("/")
                    .stdin(Stdio::from(OwnedFd::from(theirs)))
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped());
                let started = nursery::spawn(command);
                Some(started.map_err(|error| not_started(&format!("{}: {error}", program.display())))?)
            }
            Parsers::Threads => thread(theirs, |_| true).map_err(|error| not_started(&error))?,
            #[cfg(test)]
            Parsers::Frail(ways) => {
                let ways = *ways;
                let taken =
                    move |asked: &Request| !matches!(asked, Request::List(way) if (*way as u8) < ways);
                thread(theirs, taken).map_err(|error| not_started(&error))?
            }
        };
        let mut child = Self { stream, process };
        let frame = child.next(Instant::now().checked_add(patience))?;
        match wire::open::<ArchivedReply>(&frame) {
            Ok(ArchivedReply::Ready { unconfined }) => {
                let unconfined = unconfined.iter().map(|what| what.as_str().to_owned()).collect();
                Ok((child, unconfined))
            }
            _ => Err(child.misbehaved()),
        }
    }

    /// Process id, where it is a process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(std::process::Child::id)
    }

    /// Asks it something.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<(), Death> {
        // One that takes nothing any more must not hold its loader.
        if let Err(error) = self.stream.set_write_timeout(Some(PATIENCE)) {
            return Err(self.ended(&error));
        }
        match send(&self.stream, request) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.ended(&error)),
        }
    }

    /// Gives it an archive and asks it to open it.
    pub(crate) fn give(&mut self, file: &File, opening: &Opening) -> Result<(), Death> {
        self.ask(&Request::Open(opening.clone()))?;
        match wire::send_descriptor(&self.stream, file) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.ended(&error)),
        }
    }

    /// What it says next, all of which must be there before `until`.
    pub(crate) fn next(&mut self, until: Option<Instant>) -> Result<Bytes, Death> {
        match receive(&self.stream, until) {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(self.ended(&io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(self.ended(&error)),
        }
    }

    /// It said what no parser says; it ends here.
    pub(crate) fn misbehaved(&mut self) -> Death {
        drop(self.end());
        Death::new("crashed", "the parser said what no parser says")
    }

    /// Why the socket failed.
    fn ended(&mut self, error: &io::Error) -> Death {
        if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            drop(self.end());
            return Death::new("timeout", "the parser said nothing for too long");
        }
        if error.kind() == io::ErrorKind::InvalidData {
            return self.misbehaved();
        }
        match self.end() {
            Some((status, words)) => death(status, &words),
            None => Death::new("crashed", "the parser ended"),
        }
    }

    /// Ends it. Tells how it ended where it had ended by itself, and the last it wrote.
    fn end(&mut self) -> Option<(std::process::ExitStatus, String)> {
        // A thread notices by the closed socket.
        drop(self.stream.shutdown(Shutdown::Both));
        let mut process = self.process.take()?;
        // One that has just closed its socket is on its way out: its own end says more than our signal.
        for _ in 0..50 {
            if !matches!(process.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // It may have ended; then there is nobody to be killed.
        drop(process.kill());
        let status = process.wait().ok()?;
        let mut words = Vec::new();
        if let Some(stderr) = process.stderr.take() {
            // What cannot be read is not needed.
            drop(stderr.take(LAST_WORDS).read_to_end(&mut words));
        }
        Some((status, String::from_utf8_lossy(&words).into_owned()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.stream.shutdown(Shutdown::Both));
        if let Some(process) = &mut self.process {
            // It may have ended; then there is nobody to be killed.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// Why a parser died, from its end. What it wrote may hold words of the mail it read, so that none of it is passed on.
fn death(status: std::process::ExitStatus, words: &str) -> Death {
    const KILLED_FOR_TIME: i32 = libc::SIGXCPU;
    if words.contains("memory allocation of") {
        return Death::new("memory", "the parser needed more memory than it may have");
    }
    match (status.signal(), status.code()) {
        (Some(KILLED_FOR_TIME), _) => Death::new("timeout", "the parser used up its processor time"),
        (Some(signal), _) => Death {
            killed: signal == libc::SIGKILL,
            ..Death::new("crashed", format!("the parser was ended by signal {signal}"))
        },
        (None, code) => Death::new("crashed", format!("the parser ended with code {}", code.unwrap_or(-1))),
    }
}

/// A failure code as there is one: what comes from a parser is not believed to be.
pub(crate) fn known_code(code: &str) -> &'static str {
    const CODES: [&str; 8] =
        ["refused", "corrupt", "encrypted", "timeout", "crashed", "memory", "unsupported", "io"];
    CODES.into_iter().find(|known| *known == code).unwrap_or("corrupt")
}

/// The text of a trouble that crossed.
pub(crate) fn trouble(crossed: &wire::ArchivedTrouble) -> Trouble {
    let code = known_code(&crossed.code);
    let cut = |text: &str| text.chars().take(1000).collect();
    Trouble { code: code.to_owned(), stage: cut(&crossed.stage), reason: cut(&crossed.reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(script: &str) -> Parsers {
        Parsers::Processes {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: Vec::new(),
        }
    }

    fn start(parsers: &Parsers) -> Death {
        Child::start(parsers, Duration::from_millis(400)).map(|_| ()).unwrap_err()
    }

    #[test]
    fn why_a_parser_died_is_known() {
        assert_eq!(start(&script("kill -SEGV $$")).reason, "the parser was ended by signal 11");
        assert!(!start(&script("kill -SEGV $$")).killed);
        assert!(start(&script("kill -KILL $$")).killed);
        assert_eq!(start(&script("exit 7")).reason, "the parser ended with code 7");
        assert_eq!(
            start(&script("echo memory allocation of 9 bytes failed >&2; kill -ABRT $$")).code,
            "memory"
        );
        assert_eq!(start(&script("exec sleep 60")).code, "timeout");
        assert_eq!(start(&script("printf 'much more than is' >&0; exec sleep 60")).code, "crashed");
        let none = Parsers::Processes {
            program: "/no/such/program".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
        };
        assert!(start(&none).reason.contains("/no/such/program"));
    }

    #[test]
    fn one_that_is_dropped_is_dead() {
        let (stream, _theirs) = UnixStream::pair().unwrap();
        let process = Command::new("sleep").arg("60").stderr(Stdio::piped()).spawn().unwrap();
        let pid = process.id();
        drop(Child { stream, process: Some(process) });
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
