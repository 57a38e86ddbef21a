//! How the system's allocator keeps what this program frees.
//!
//! glibc serves large blocks by mmap, but raises its idea of "large" with every such block that is freed, up to 32 MiB.
//! Batches of mail, of a few hundred KiB to a few MiB each, then come from the heaps, live until their memtable is
//! sealed, and leave holes: loading 300,000 mails took 388 MiB in place of 190, and grew with the archive. With a fixed
//! threshold they go back to the system one by one.

/// Blocks of this size come from the system and go back to it.
const MMAP_FROM: i32 = 128 << 10;
/// Free bytes at the top of a heap that are kept.
const KEEP: i32 = 4 << 20;
/// Heaps at most. Each keeps holes of its own, and threads come and go.
const HEAPS: i32 = 4;

/// Sets it; before the first thread.
#[cfg(target_env = "gnu")]
pub fn set_up() {
    let settings =
        [(libc::M_MMAP_THRESHOLD, MMAP_FROM), (libc::M_TRIM_THRESHOLD, KEEP), (libc::M_ARENA_MAX, HEAPS)];
    for (option, value) in settings {
        // SAFETY: mallopt takes two integers and changes settings of the allocator alone; it may be called at any time, and
        // no other thread runs yet. It gives 0 for a value it does not take, and the setting is as before then.
        let _taken = unsafe { libc::mallopt(option, value) };
    }
}

/// Other allocators do not do that.
#[cfg(not(target_env = "gnu"))]
pub fn set_up() {
    let _ = (MMAP_FROM, KEEP, HEAPS);
}
