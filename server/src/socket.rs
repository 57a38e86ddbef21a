//! The writer's socket in the data folder: how it is made, found and taken away again.
//!
//! What always holds:
//!
//! * the socket has mode 0600 from its first moment, and its name appears only once it listens;
//! * a path longer than the 107 bytes that a socket's address holds works too, through /proc/self/fd;
//! * only a socket nobody listens on is replaced, and only by a caller who holds the store's lock;
//! * at the end only the socket that was made here is removed.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fchmod, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect as connect_to, listen, socket_with,
};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Its name in the data folder.
pub const NAME: &str = "postlode.sock";
/// Its name until it listens.
const NEW: &str = "postlode.sock.new";
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// The socket of the one writer; its name goes away when this is dropped.
pub struct WriterSocket {
    listener: Option<UnixListener>,
    folder: OwnedFd,
    /// Device and inode of what was made here.
    made: (u64, u64),
}

impl WriterSocket {
    /// Makes the socket. The caller holds the store's lock, so whatever socket is there is left over.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] where somebody listens on it all the same, [`io::ErrorKind::AlreadyExists`]
    /// where something that is no socket has its name, or what the system said.
    pub fn bind(data: &Path) -> io::Result<Self> {
        let folder = open_folder(data)?;
        refuse_if_in_use(data, &folder)?;
        remove_if_there(&folder, NEW)?;
        let socket = new_socket()?;
        // Linux makes the name with the mode that the socket has, less the umask.
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        bind(&socket, &address(data, &folder, NEW)?)?;
        listen(&socket, BACKLOG)?;
        let stat = statat(&folder, NEW, AtFlags::SYMLINK_NOFOLLOW)?;
        renameat(&folder, NEW, &folder, NAME)?;
        let listener = UnixListener::from(socket);
        listener.set_nonblocking(true)?;
        Ok(Self { listener: Some(listener), folder, made: (stat.st_dev, stat.st_ino) })
    }

    /// The listener, to be accepted from; it does not block. `None` the second time.
    pub(crate) fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }
}

impl Drop for WriterSocket {
    fn drop(&mut self) {
        // A later writer may have put its own there already; errors have nobody to be told to.
        if let Ok(stat) = statat(&self.folder, NAME, AtFlags::SYMLINK_NOFOLLOW)
            && (stat.st_dev, stat.st_ino) == self.made
        {
            let _gone_or_not = unlinkat(&self.folder, NAME, AtFlags::empty());
        }
    }
}

/// Connects to the writer of a data folder.
///
/// # Errors
/// What the system said; [`means_nobody`] tells whether that means that there is no writer.
pub(crate) fn connect(data: &Path) -> io::Result<UnixStream> {
    let folder = open_folder(data)?;
    let socket = new_socket()?;
    connect_to(&socket, &address(data, &folder, NAME)?)?;
    Ok(UnixStream::from(socket))
}

/// Does the error of [`connect`] mean that nobody listens there?
pub(crate) fn means_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn open_folder(data: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, data, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn new_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// The address of a name in the folder: by its path where that fits, else by the folder's descriptor, which must
/// stay open for as long as the address is used.
fn address(data: &Path, folder: &OwnedFd, name: &str) -> io::Result<SocketAddrUnix> {
    match SocketAddrUnix::new(data.join(name)) {
        Err(Errno::NAMETOOLONG) => {
            let short = PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()));
            Ok(SocketAddrUnix::new(short)?)
        }
        other => Ok(other?),
    }
}

fn refuse_if_in_use(data: &Path, folder: &OwnedFd) -> io::Result<()> {
    let stat = match statat(folder, NAME, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Socket {
        let text = format!("{} is in the way and is no socket: remove it", data.join(NAME).display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    match connect(data) {
        Ok(_) => {
            let text = format!("another process listens on {}", data.join(NAME).display());
            Err(io::Error::new(io::ErrorKind::AddrInUse, text))
        }
        Err(error) if means_nobody(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

fn remove_if_there(folder: &OwnedFd, name: &str) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
