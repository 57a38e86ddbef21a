//! A named thread as an [`Executor`], whose panic becomes an error of the join.

use crate::Executor;
use crate::disk::{DiskError, DiskErrorKind};
use std::any::Any;
use std::path::Path;

/// Starts a thread that runs `main`.
pub(crate) fn start(name: &str, main: impl FnOnce() + Send + 'static) -> Result<Executor, DiskError> {
    start_checked(name, move || {
        main();
        Ok(())
    })
}

/// The same, for a main function that can fail.
pub(crate) fn start_checked(
    name: &str,
    main: impl FnOnce() -> Result<(), DiskError> + Send + 'static,
) -> Result<Executor, DiskError> {
    // The library panics on a name with a NUL.
    let name: String = name.chars().filter(|letter| *letter != '\0').collect();
    let thread = std::thread::Builder::new().name(name.clone()).spawn(main);
    let thread = thread.map_err(|error| DiskError::from_io("start thread", Path::new(&name), &error))?;
    Ok(Executor::new(move || match thread.join() {
        Ok(ended) => ended,
        Err(panic) => Err(DiskError::new(DiskErrorKind::Io, "run thread", Path::new(&name), said(&*panic))),
    }))
}

/// Puts the calling thread that many steps behind the others. (On Linux a priority belongs to a thread, and 0 means the
/// calling one.)
pub(crate) fn give_way(nice: u8) {
    let Ok(now) = rustix::process::getpriority_process(None) else { return };
    // Without it the thread is merely not as polite.
    let _ = rustix::process::setpriority_process(None, now.saturating_add(i32::from(nice)).min(19));
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("without words"))
}
