//! Whether io_uring can be used here, and if not, why: asked before any executor starts.
//!
//! What always holds: the question has no effect that outlasts it, and a refusal is an answer, never a panic.

use io_uring::{IoUring, Probe, opcode};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::io;

/// Below this glommio refuses to start an executor.
const MIN_MEMLOCK: u64 = 512 << 10;

/// What the runtime asks the ring to do. The newest of them came with Linux 5.6, the probe for them with 5.6 too;
/// glommio names 5.8 as its minimum.
const OPERATIONS: [(&str, u8); 12] = [
    ("POLL_ADD", opcode::PollAdd::CODE),
    ("READ_FIXED", opcode::ReadFixed::CODE),
    ("WRITE_FIXED", opcode::WriteFixed::CODE),
    ("FSYNC", opcode::Fsync::CODE),
    ("TIMEOUT", opcode::Timeout::CODE),
    ("LINK_TIMEOUT", opcode::LinkTimeout::CODE),
    ("FALLOCATE", opcode::Fallocate::CODE),
    ("OPENAT", opcode::OpenAt::CODE),
    ("CLOSE", opcode::Close::CODE),
    ("STATX", opcode::Statx::CODE),
    ("READ", opcode::Read::CODE),
    ("WRITE", opcode::Write::CODE),
];

/// Asks the kernel.
///
/// # Errors
/// Why io_uring cannot be used, in words for the operator, and what would help.
pub fn io_uring() -> Result<(), String> {
    let mut ring = IoUring::new(8).map_err(|error| refused("io_uring_setup", &error))?;
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|error| refused("io_uring_register", &error))?;
    let lacking: Vec<&str> =
        OPERATIONS.iter().filter(|(_, code)| !probe.is_supported(*code)).map(|(name, _)| *name).collect();
    if !lacking.is_empty() {
        return Err(format!(
            "this kernel's io_uring lacks {}: Linux 5.8 or later is needed",
            lacking.join(", ")
        ));
    }
    // SAFETY: the operation names no memory and no descriptor.
    let pushed = unsafe { ring.submission().push(&opcode::Nop::new().build()) };
    pushed.map_err(|_| "io_uring gave a ring with no room".to_owned())?;
    ring.submit_and_wait(1).map_err(|error| refused("io_uring_enter", &error))?;
    match getrlimit(Resource::Memlock).current {
        Some(limit) if limit < MIN_MEMLOCK => Err(format!(
            "the limit of locked memory (ulimit -l, LimitMEMLOCK) is {} KiB where {} KiB are needed",
            limit >> 10,
            MIN_MEMLOCK >> 10
        )),
        _ => Ok(()),
    }
}

/// What a refused call most likely means.
fn refused(call: &str, error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::PERM | Errno::ACCESS) => switched_off().unwrap_or_else(|| {
            format!(
                "{call} is not permitted: a seccomp or security profile forbids io_uring (that of Docker does); \
                 allow io_uring_setup, io_uring_enter and io_uring_register"
            )
        }),
        Some(Errno::NOSYS) => {
            format!("there is no {call} here: the kernel is older than 5.1, was built without io_uring, or a sandbox hides it")
        }
        Some(Errno::NOMEM) => {
            format!("{call} got no memory: the limit of locked memory (ulimit -l, LimitMEMLOCK) is too small for a ring")
        }
        Some(Errno::MFILE | Errno::NFILE) => format!("{call} got no descriptor: too many files are open"),
        _ => format!("{call} failed: {error}"),
    }
}

/// The sysctl that switches io_uring off, where it does.
fn switched_off() -> Option<String> {
    let value = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    match value.trim() {
        "1" => {
            Some("io_uring is for privileged processes alone (sysctl kernel.io_uring_disabled=1)".to_owned())
        }
        "2" => Some("io_uring is switched off (sysctl kernel.io_uring_disabled=2)".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_words_of_its_own() {
        let say = |errno: Errno| refused("io_uring_setup", &io::Error::from(errno));
        let said = [Errno::PERM, Errno::NOSYS, Errno::NOMEM, Errno::MFILE, Errno::IO].map(say);
        let hints = ["io_uring", "older than 5.1", "locked memory", "too many files", "failed"];
        for (said, hint) in said.iter().zip(hints) {
            assert!(said.contains(hint), "{said}");
        }
    }
}
