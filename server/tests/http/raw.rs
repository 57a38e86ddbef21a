//! Requests as bytes, and what comes back.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may stay silent before it counts as kept open.
const SILENCE: Duration = Duration::from_millis(700);

/// What came back.
#[derive(Debug)]
pub struct Got {
    pub bytes: Vec<u8>,
    /// The server ended the connection.
    pub closed: bool,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Status of each answer (interim ones too). Bodies of ours never contain a status line.
    pub fn statuses(&self) -> Vec<u16> {
        let text = self.text();
        text.split("HTTP/1.").skip(1).map(|rest| rest[2..5].parse().unwrap()).collect()
    }
}

/// Sends bytes and reads until the server closes or falls silent.
pub async fn exchange(addr: SocketAddr, bytes: &[u8]) -> Got {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    // The server may refuse and close before all is sent.
    let _ = stream.write_all(bytes).await;
    read(&mut stream).await
}

pub async fn read(stream: &mut TcpStream) -> Got {
    let mut got = Got { bytes: Vec::new(), closed: false };
    let mut buffer = vec![0; 64 << 10];
    loop {
        match timeout(SILENCE, stream.read(&mut buffer)).await {
            Err(_) => return got,
            Ok(Ok(0) | Err(_)) => {
                got.closed = true;
                return got;
            }
            Ok(Ok(n)) => got.bytes.extend_from_slice(&buffer[..n]),
        }
    }
}
