//! Listening: accepts connections, bounds them in number and in time, and lets them end in peace.
//!
//! What always holds: a peer that sends slowly or takes nothing loses its connection, so that all connections
//! end some day; once a stop was asked for, no new request begins and running answers have
//! [`Limits::drain_timeout`](crate::Limits) to end.

mod patient;

use crate::app::{App, Origin};
use crate::body;
use crate::limits::{MAX_HEAD, MAX_HEADERS};
use crate::socket::WriterSocket;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use patient::Patient;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Pause after a failed accept: the usual reason is that no descriptor is free, which takes a while to pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener cannot be used.
    #[error("cannot listen: {0}")]
    Listener(#[from] io::Error),
    /// The socket is served already.
    #[error("this socket is served already")]
    Served,
}

/// A stop that somebody may ask for and all may wait for. Clones are the same stop.
#[derive(Debug, Clone)]
pub struct Shutdown {
    asked: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Nobody asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self { asked: Arc::new(watch::Sender::new(false)) }
    }

    /// One that SIGTERM and SIGINT ask for.
    ///
    /// # Errors
    /// Where the signals cannot be had.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let asked = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            asked.trigger();
        });
        Ok(shutdown)
    }

    /// Asks for it.
    pub fn trigger(&self) {
        self.asked.send_replace(true);
    }

    /// It was asked for.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits until it is asked for.
    pub async fn triggered(&self) {
        let mut asked = self.asked.subscribe();
        // The sender lives in `self`, so the wait ends by a value alone.
        drop(asked.wait_for(|asked| *asked).await);
    }
}

/// Serves HTTP/1 over TCP until a stop is asked for and running answers have ended.
///
/// # Errors
/// None at present; what goes wrong with a connection ends that connection.
pub async fn serve_tcp(app: Arc<App>, listener: TcpListener, shutdown: Shutdown) -> Result<(), ServeError> {
    let accept = || async {
        let (stream, _) = listener.accept().await?;
        // Answers are small and written at once: waiting for more to send only makes them late.
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    serve(app, Origin::Tcp, accept, shutdown).await;
    Ok(())
}

/// Serves HTTP/1 over the writer's socket, likewise.
///
/// # Errors
/// Where the socket cannot be used inside tokio, or is served already.
pub async fn serve_unix(
    app: Arc<App>,
    socket: &mut WriterSocket,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let listener = UnixListener::from_std(socket.take_listener().ok_or(ServeError::Served)?)?;
    let accept = || async { Ok(listener.accept().await?.0) };
    serve(app, Origin::Socket, accept, shutdown).await;
    Ok(())
}

async fn serve<A, F, S>(app: Arc<App>, origin: Origin, accept: A, shutdown: Shutdown)
where
    A: Fn() -> F,
    F: Future<Output = io::Result<S>>,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let free = Arc::new(Semaphore::new(app.limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        // Connections beyond the limit wait in the kernel's queue.
        let next = async {
            let permit = Arc::clone(&free).acquire_owned().await;
            (permit, accept().await)
        };
        let (permit, stream) = tokio::select! {
            () = shutdown.triggered() => break,
            next = next => next,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = graceful.watch(connection(Arc::clone(&app), origin, stream));
        connections.spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
        while connections.try_join_next().is_some() {}
    }
    app.start_draining();
    if tokio::time::timeout(app.limits.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("answers that were still being sent are cut off");
    }
    connections.shutdown().await;
}

/// How long a command of the same user may take to read on.
const NO_HURRY: Duration = Duration::from_secs(24 * 3600);

fn connection<S>(
    app: Arc<App>,
    origin: Origin,
    stream: S,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &app.limits;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD * 2)
        .half_close(false);
    // Commands of the store's own user may pause while they write what they are sent.
    let patience = if origin == Origin::Tcp { limits.write_timeout } else { NO_HURRY };
    let stream = TokioIo::new(Patient::new(stream, patience));
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(app.handle(request.map(body::boxed), origin).await) }
    });
    http.serve_connection(stream, service)
}
