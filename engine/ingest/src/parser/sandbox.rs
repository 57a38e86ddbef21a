//! What a parser gives up before it sees its first archive: memory and processor time without bound, the file system,
//! the network, other processes.
//!
//! What always holds: no archive is opened before this has run. Where the system lacks a part of it (a kernel without
//! landlock, a container that forbids seccomp) the parser goes on without that part and says which.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope,
};
use rustix::process::{
    Resource, Rlimit, Signal, set_dumpable_behavior, set_parent_process_death_signal, setrlimit,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

/// Bytes of memory of its own that a parser may have: several times the largest family.
pub(super) const MEMORY: u64 = 1 << 30;
/// Seconds of processor time. A parser that makes progress is replaced long before.
const PROCESSOR: u64 = 4 * 3600;
/// Seconds until one that went past that is killed like any other process.
const PROCESSOR_GRACE: u64 = 10;
/// Open descriptors.
const DESCRIPTORS: u64 = 64;

/// Gives all of that up. Returns what the system did not let it give up.
pub(super) fn confine() -> Vec<String> {
    let mut missing = Vec::new();
    let mut tried = |what: &str, done: Result<(), String>| {
        if let Err(reason) = done {
            missing.push(format!("{what}: {reason}"));
        }
    };
    tried("dying with the loader", system(set_parent_process_death_signal(Some(Signal::KILL))));
    let limits = [
        (Resource::Data, MEMORY),
        (Resource::Cpu, PROCESSOR),
        (Resource::Nofile, DESCRIPTORS),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ];
    for (resource, most) in limits {
        // At the lower limit of processor time it is told so by a signal of its own, at the upper one just killed.
        let more = if resource == Resource::Cpu { PROCESSOR_GRACE } else { 0 };
        let limit = Rlimit { current: Some(most), maximum: most.checked_add(more) };
        tried("limits", system(setrlimit(resource, limit)));
    }
    // Its memory holds mail: nobody else's debugger.
    let private = rustix::process::DumpableBehavior::NotDumpable;
    tried("privacy", system(set_dumpable_behavior(private)));
    tried("landlock", landlock());
    tried("seccomp", seccomp());
    missing
}

fn system(done: rustix::io::Result<()>) -> Result<(), String> {
    done.map_err(|error| error.to_string())
}

/// No file may be opened, no address connected to.
fn landlock() -> Result<(), String> {
    let abi = ABI::V6;
    let restricted = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    match restricted {
        Ok(status) if status.ruleset == RulesetStatus::NotEnforced => {
            Err("the kernel does not have it".to_owned())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Nothing but reading what is open, writing to the loader, memory, and ending. Any other call fails as forbidden.
fn seccomp() -> Result<(), String> {
    let rules = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let architecture = std::env::consts::ARCH.try_into().map_err(|_| "an unknown processor".to_owned())?;
    let forbidden = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, forbidden, SeccompAction::Allow, architecture);
    let filter = filter.map_err(|error| error.to_string())?;
    let program: BpfProgram =
        filter.try_into().map_err(|error: seccompiler::BackendError| error.to_string())?;
    apply_filter(&program).map_err(|error| error.to_string())
}

/// What reading an open archive, memory, and ending take, in the C library as in ours.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_ppoll,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    /// Both hold for the thread that asks, so that a thread of its own can be confined for a test.
    fn confined<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(f).join().unwrap()
    }

    #[test]
    fn landlock_closes_the_file_system_and_leaves_what_is_open() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "open").unwrap();
        let mut open = file.reopen().unwrap();
        let path = file.path().to_owned();
        confined(move || {
            if let Err(reason) = landlock() {
                // A kernel without it: then the parser says so, and that is all there is to test.
                assert!(reason.contains("the kernel does not have it"), "{reason}");
                return;
            }
            assert!(std::fs::read(&path).is_err());
            assert!(std::fs::write(path.with_extension("new"), "x").is_err());
            let mut text = String::new();
            open.read_to_string(&mut text).unwrap();
            assert_eq!(text, "open");
        });
    }

    #[test]
    fn seccomp_leaves_a_parser_its_socket_and_nothing_else() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        confined(move || {
            seccomp().unwrap();
            assert!(std::fs::read("/etc/passwd").is_err());
            assert!(
                std::net::TcpStream::connect("127.0.0.1:9")
                    .is_err_and(|error| { error.kind() == std::io::ErrorKind::PermissionDenied })
            );
            assert!(std::process::Command::new("/bin/true").status().is_err());
            assert!(std::thread::Builder::new().spawn(|| ()).is_err());
            there.write_all(b"still here").unwrap();
        });
        let mut said = String::new();
        here.read_to_string(&mut said).unwrap();
        assert_eq!(said, "still here");
    }
}
