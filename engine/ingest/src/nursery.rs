//! Where parsers are started: on one thread that stays.
//!
//! A parser asks to be killed when its parent is gone, so that none outlives its loader. For the system the parent is the
//! thread that started it, not the process, and the threads of a load end long before the load does. What always
//! holds: the thread here ends with the process.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

/// A process to be, and where it goes.
type Birth = (Command, Sender<io::Result<Child>>);

static NURSERY: Mutex<Option<Sender<Birth>>> = Mutex::new(None);

/// Starts a process.
///
/// # Errors
/// Where the system gives no process, or no thread to start one on.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (to, from) = channel();
    nursery()?.send((command, to)).map_err(|_| gone())?;
    from.recv().map_err(|_| gone())?
}

fn nursery() -> io::Result<Sender<Birth>> {
    let mut nursery = NURSERY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(nursery) = &*nursery {
        return Ok(nursery.clone());
    }
    let (to, births) = channel::<Birth>();
    let serve = move || {
        while let Ok((mut command, to)) = births.recv() {
            // Whoever wanted it may be gone: then it ends by its closed socket.
            drop(to.send(command.spawn()));
        }
    };
    std::thread::Builder::new().name("nursery".to_owned()).spawn(serve)?;
    *nursery = Some(to.clone());
    Ok(to)
}

fn gone() -> io::Error {
    io::Error::other("the thread that starts parsers has ended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    /// Parsers were started by the threads of a load, and died with them: the next file was refused, because the parser
    /// that was kept for it had been killed.
    #[test]
    fn a_parser_outlives_the_thread_that_wanted_it() {
        let mut command = Command::new("/bin/sh");
        // As a parser does: told to die with its parent, it waits to be asked something.
        command.args(["-c", "read line; echo $line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let started = std::thread::spawn(move || {
            let mut child = spawn(command).unwrap();
            let pid = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            assert!(pid.contains("(sh)"));
            (child.stdin.take(), child)
        });
        let (stdin, child) = started.join().unwrap();
        let thread = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        assert!(thread.contains(&format!("PPid:\t{}", std::process::id())));
        use std::io::Write;
        stdin.unwrap().write_all(b"alive\n").unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"alive\n");
    }
}
