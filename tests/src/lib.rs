//! What the end-to-end tests share: the built program, stores in temporary folders, archives, and HTTP.
//!
//! The tests are in `tests/`, one scenario a file. They run the program as a user does, and look at nothing but what
//! it says, its exit codes, and the files it leaves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says what it could not do"
)]

pub mod mutate;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest time any command of a test may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The built program. `make test` builds it before the tests; elsewhere it is built by the first test.
///
/// # Panics
/// Where it cannot be built.
#[must_use]
pub fn program() -> PathBuf {
    // target/debug/deps/the_test-0123: the programs are two folders up.
    let this = std::env::current_exe().unwrap();
    let built = this.parent().and_then(Path::parent).unwrap().join("postlode");
    if !built.exists() {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let status = cargo.args(["build", "--locked", "-p", "postlode"]).status().unwrap();
        assert!(status.success(), "the program cannot be built");
    }
    built
}

/// A folder of a test, with a store in it.
pub struct Scene {
    dir: TempDir,
    environment: Vec<(String, String)>,
    /// A program and arguments that run each command, if any.
    within: Vec<String>,
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Scene {
    /// An empty one.
    ///
    /// # Panics
    /// Where there is no temporary folder.
    #[must_use]
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), environment: Vec::new(), within: Vec::new() }
    }

    /// Sets a variable for all commands to come.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has all commands to come run by another program, which replaces itself by them: `nsenter`, say.
    pub fn run_within(&mut self, runner: Vec<String>) {
        self.within = runner;
    }

    /// A path in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The store's folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Makes an archive of so many items.
    ///
    /// # Panics
    /// Where it cannot be written.
    #[must_use]
    pub fn archive(&self, name: &str, messages: u64, seed: u64) -> (PathBuf, pstgen::Summary) {
        let path = self.path(name);
        let truth = Some(path.with_extension("jsonl"));
        let options = pstgen::Options { seed, truth, ..pstgen::Options::new(&path, messages) };
        let summary = pstgen::generate(&options).unwrap();
        (path, summary)
    }

    /// What [`Scene::archive`] says is in an archive, one object an item.
    ///
    /// # Panics
    /// Where that cannot be read.
    #[must_use]
    pub fn truth(&self, archive: &Path) -> Vec<Value> {
        lines(&std::fs::read_to_string(archive.with_extension("jsonl")).unwrap())
    }

    /// A command, not started yet, on the scene's store.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = program();
        let mut command = match self.within.split_first() {
            None => Command::new(program),
            Some((runner, first)) => {
                let mut command = Command::new(runner);
                command.args(first).arg(program);
                command
            }
        };
        command.args(arguments).env_remove("POSTLODE_CONFIG").env("POSTLODE_DATA", self.data());
        command.env("RUST_BACKTRACE", "0").envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// Where it does not end, or ends by a panic.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_for(arguments, PATIENCE.as_secs())
    }

    /// Runs a command that may take so many seconds.
    ///
    /// # Panics
    /// Where it does not end, or ends by a panic.
    #[must_use]
    pub fn run_for(&self, arguments: &[&str], seconds: u64) -> Ended {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(child.wait_with_output().unwrap()));
        match ended.recv_timeout(Duration::from_secs(seconds)) {
            Ok(output) => Ended::new(arguments, &output),
            Err(_) => {
                signal(pid, Signal::KILL);
                panic!("postlode {arguments:?} did not end");
            }
        }
    }

    /// Starts a command and leaves it running.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child: Some(child), arguments: arguments.iter().map(|a| (*a).to_owned()).collect() }
    }

    /// Starts `serve` on a free port, and waits until it answers.
    ///
    /// # Panics
    /// Where it says no address.
    #[must_use]
    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// The same, with further arguments.
    ///
    /// # Panics
    /// Where it says no address.
    #[must_use]
    pub fn serve_with(&self, more: &[&str]) -> Server {
        let mut running = self.start(&[&["serve", "--listen", "127.0.0.1:0", "--json"], more].concat());
        let child = running.child.as_mut().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
        let Ok(said) = serde_json::from_str::<Value>(&first) else {
            panic!("serve said {first:?}: {}", running.wait().err);
        };
        let address = said["address"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        Server { running, address }
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub out: String,
    /// What it wrote to stderr.
    pub err: String,
}

impl Ended {
    fn new(arguments: &[&str], output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended = Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(!ended.err.contains("panicked"), "postlode {arguments:?} panicked: {}", ended.err);
        ended
    }

    /// Asserts the exit code.
    ///
    /// # Panics
    /// Where it is another.
    #[must_use]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Stdout as one JSON value.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    /// Stdout as JSON values, one a line.
    ///
    /// # Panics
    /// Where a line is none.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        lines(&self.out)
    }
}

/// JSON values, one a line.
///
/// # Panics
/// Where a line is none.
#[must_use]
pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A number in a JSON object.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {value}"))
}

/// A command that runs. Killed when dropped.
pub struct Running {
    child: Option<Child>,
    arguments: Vec<String>,
}

impl Running {
    /// Sends it a signal.
    pub fn signal(&self, which: Signal) {
        if let Some(child) = &self.child {
            signal(child.id(), which);
        }
    }

    /// Its process id.
    ///
    /// # Panics
    /// Where it was waited for already.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Has it ended by itself?
    ///
    /// # Panics
    /// Where the system does not know.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn wait(&mut self) -> Ended {
        let arguments = self.arguments.clone();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let begun = Instant::now();
        while !self.has_ended() {
            assert!(begun.elapsed() < PATIENCE, "postlode {arguments:?} did not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        Ended::new(&arguments, &output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn signal(pid: u32, which: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended already.
    let _ = kill_process(pid, which);
}

/// A running `serve`.
pub struct Server {
    /// The command.
    pub running: Running,
    /// Address and port.
    pub address: String,
}

impl Server {
    /// GET: status and body.
    ///
    /// # Panics
    /// Where no whole answer comes.
    #[must_use]
    pub fn get(&self, target: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_off(end + 4))
    }

    /// GET: a JSON body of status 200.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn json(&self, target: &str) -> Value {
        let (status, body) = self.get(target);
        assert_eq!(status, 200, "{target}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }
}

/// The corpus of real archives: `POSTLODE_CORPUS`, by default `../shared/corpus` beside the workspace. `None`, and a word
/// about it, where there is none.
#[must_use]
pub fn corpus() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let path = std::env::var_os("POSTLODE_CORPUS").map_or(default, PathBuf::from);
    if path.join("pst/EXPECTED.tsv").exists() {
        return Some(path);
    }
    eprintln!("not run: there is no corpus at {} (POSTLODE_CORPUS)", path.display());
    None
}
