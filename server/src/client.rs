//! Asks an [`App`]: the one in this process, or that of the writer behind the socket in a data folder.

use crate::app::{App, Origin};
use crate::body::{self, Body, WholeError};
use crate::limits::MAX_ANSWER;
use crate::lines::Lines;
use crate::socket;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::UnixStream;

/// Why there is no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The writer could not be reached.
    #[error("the writer at {} cannot be reached: {reason}", socket.display())]
    Unreachable {
        /// Its socket.
        socket: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The request cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Request(String),
    /// The connection broke before the answer was whole.
    #[error("the answer was cut short: {0}")]
    Broken(String),
    /// The answer is not what it should be: the writer is perhaps of another version.
    #[error("the answer cannot be read: {0}")]
    Malformed(String),
    /// A problem document.
    #[error("{}", told(.document))]
    Problem {
        /// The status.
        status: StatusCode,
        /// The document.
        document: Value,
    },
}

/// The sentence of a problem document.
fn told(document: &Value) -> String {
    let member = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    match (member("title"), member("detail")) {
        ("", "") => "the request failed".to_owned(),
        (title, "") => title.to_owned(),
        (_, detail) => detail.to_owned(),
    }
}

impl ClientError {
    /// The name of the problem (the end of its type), where it is one.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Problem { document, .. } => {
                document.get("type")?.as_str()?.strip_prefix(crate::problem::TYPE_PREFIX)
            }
            _ => None,
        }
    }
}

/// Asks an [`App`], wherever it is. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    to: To,
}

#[derive(Clone)]
enum To {
    App(Arc<App>),
    Socket(PathBuf),
}

impl Client {
    /// Asks an application of this process.
    #[must_use]
    pub fn in_process(app: Arc<App>) -> Self {
        Self { to: To::App(app) }
    }

    /// Asks the writer of a data folder; `None` where there is none now. To be called inside tokio, as all of this.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] where there may be one, but its socket cannot be used.
    pub async fn socket(data: &Path) -> Result<Option<Self>, ClientError> {
        match socket::connect(data) {
            Ok(_probe) => Ok(Some(Self { to: To::Socket(data.to_owned()) })),
            Err(error) if socket::means_nobody(&error) => Ok(None),
            Err(error) => Err(unreachable_at(data, &error)),
        }
    }

    /// Asks with GET. `target`: path and query, as [`crate::target`] makes them.
    ///
    /// # Errors
    /// Where no answer came; an answer that is a problem is an [`Answer`] still (see [`Answer::ok`]).
    pub async fn get(&self, target: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, target, None).await
    }

    /// Asks with POST, sending JSON.
    ///
    /// # Errors
    /// As [`Client::get`], and where `json` cannot be written.
    pub async fn post(&self, target: &str, json: &impl Serialize) -> Result<Answer, ClientError> {
        let json = serde_json::to_vec(json).map_err(|error| ClientError::Request(error.to_string()))?;
        self.send(Method::POST, target, Some(json.into())).await
    }

    /// Asks with PUT, sending JSON.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn put(&self, target: &str, json: &impl Serialize) -> Result<Answer, ClientError> {
        let json = serde_json::to_vec(json).map_err(|error| ClientError::Request(error.to_string()))?;
        self.send(Method::PUT, target, Some(json.into())).await
    }

    /// Asks with DELETE.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete(&self, target: &str) -> Result<Answer, ClientError> {
        self.send(Method::DELETE, target, None).await
    }

    async fn send(&self, method: Method, target: &str, json: Option<Bytes>) -> Result<Answer, ClientError> {
        let mut request = Request::builder().method(method).uri(target);
        if json.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let mut request = request
            .body(json.map_or_else(body::empty, body::full))
            .map_err(|error| ClientError::Request(format!("{target}: {error}")))?;
        let response = match &self.to {
            To::App(app) => app.handle(request, Origin::InProcess).await,
            To::Socket(data) => {
                request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
                over_socket(data, request).await?.map(body::boxed)
            }
        };
        let (parts, body) = response.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

fn unreachable_at(data: &Path, error: &io::Error) -> ClientError {
    ClientError::Unreachable { socket: data.join(socket::NAME), reason: error.to_string() }
}

/// One connection a request: it costs some microseconds, and needs no pool.
async fn over_socket(
    data: &Path,
    request: Request<Body>,
) -> Result<hyper::Response<hyper::body::Incoming>, ClientError> {
    let stream = socket::connect(data).and_then(|stream| {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    });
    let stream = stream.map_err(|error| unreachable_at(data, &error))?;
    let broken = |error: hyper::Error| ClientError::Broken(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Whoever reads the answer is told too; this is for those who look for the cause.
            tracing::debug!(%error, "the connection to the writer broke");
        }
    });
    sender.send_request(request).await.map_err(broken)
}

/// An answer whose body is still to be read.
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    body: Body,
}

impl Answer {
    /// The answer itself if it is a success.
    ///
    /// # Errors
    /// [`ClientError::Problem`] otherwise.
    pub async fn ok(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let status = self.status;
        let bytes = self.bytes().await?;
        let document = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(format!("the answer was {status} without a problem document")));
        Err(ClientError::Problem { status, document })
    }

    /// The whole body.
    ///
    /// # Errors
    /// Where the connection broke, or it is above [`MAX_ANSWER`].
    pub async fn bytes(self) -> Result<Bytes, ClientError> {
        match body::whole(self.body, MAX_ANSWER).await {
            Ok(bytes) => Ok(bytes),
            Err(WholeError::TooLarge) => {
                Err(ClientError::Malformed(format!("it is above {MAX_ANSWER} bytes")))
            }
            Err(WholeError::Broken(error)) => Err(ClientError::Broken(error.to_string())),
        }
    }

    /// The body of a success, as JSON.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let bytes = self.ok().await?.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Malformed(error.to_string()))
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`ClientError::Broken`] where it ends early.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(ClientError::Broken(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The body, line by line.
    #[must_use]
    pub fn lines(self) -> Lines {
        Lines::new(self.body)
    }
}
