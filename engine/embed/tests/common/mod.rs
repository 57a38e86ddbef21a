//! An endpoint as OpenAI's, over real connections, that serves real vectors and misbehaves as it is told.
#![allow(dead_code, clippy::unwrap_used, reason = "a test may panic, and uses its own part of this")]

use postlode_embed::{BuiltIn, Embed};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which connection it came by.
    pub connection: usize,
    pub path: String,
    pub authorization: Option<String>,
    pub model: String,
    pub texts: Vec<String>,
    /// Requests that were being answered then, with this one.
    pub at_once: usize,
}

/// What goes back.
pub enum Answer {
    /// A status, headers and a body.
    Status(u16, String, String),
    /// Nothing: the connection is closed.
    Close,
    /// Half of an answer.
    Half,
    /// Nothing for so long, then the connection is closed.
    Stall(Duration),
    /// An answer that does not end.
    Endless,
}

impl Answer {
    pub fn json(body: Value) -> Self {
        Self::Status(200, String::new(), body.to_string())
    }

    pub fn status(status: u16) -> Self {
        Self::Status(status, String::new(), json!({ "error": { "message": "no" } }).to_string())
    }

    /// The vectors of the built-in model, as the endpoint of a model gives them: not of length one, in another order.
    pub fn vectors(texts: &[String]) -> Self {
        Self::json(json!({ "object": "list", "data": data(texts) }))
    }
}

/// The vectors of texts; of one that the model does not know, a vector all its own.
pub fn data(texts: &[String]) -> Vec<Value> {
    let vectors = BuiltIn.embed(texts).unwrap();
    let stranger = || (0..256).map(|n| f32::from(u8::from(n == 7))).collect::<Vec<f32>>();
    let mut data: Vec<Value> = vectors
        .into_iter()
        .enumerate()
        .map(|(index, vector)| {
            let vector: Vec<f32> = vector.unwrap_or_else(stranger).into_iter().map(|x| x * 3.0).collect();
            json!({ "object": "embedding", "index": index, "embedding": vector })
        })
        .collect();
    data.reverse();
    data
}

type Behave = dyn Fn(usize, &Asked) -> Answer + Send + Sync;

pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// One that answers each request as `behave` says, which is told how many came before.
    pub fn start(behave: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", behave)
    }

    /// One that does all it is asked to.
    pub fn good() -> Self {
        Self::start(|_, asked| Answer::vectors(&asked.texts))
    }

    pub fn at(address: &str, behave: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (all, ends, behave): (_, _, Arc<Behave>) =
            (Arc::clone(&asked), Arc::clone(&stop), Arc::new(behave));
        let at_once = Arc::new(AtomicUsize::new(0));
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let (all, behave, at_once) = (Arc::clone(&all), Arc::clone(&behave), Arc::clone(&at_once));
                let ends = Arc::clone(&ends);
                std::thread::spawn(move || {
                    serve(stream.unwrap(), connection, &all, &*behave, &at_once, &ends)
                });
            }
        });
        Self { address, asked, stop }
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// All that came.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes who waits for a connection.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(
    stream: TcpStream,
    connection: usize,
    all: &Mutex<Vec<Asked>>,
    behave: &Behave,
    at_once: &AtomicUsize,
    ends: &AtomicBool,
) {
    let mut out = stream.try_clone().unwrap();
    let mut from = BufReader::new(stream);
    while !ends.load(Ordering::SeqCst) {
        let Some(mut asked) = read(&mut from, connection) else { return };
        if ends.load(Ordering::SeqCst) {
            return;
        }
        asked.at_once = at_once.fetch_add(1, Ordering::SeqCst) + 1;
        let before = {
            let mut all = all.lock().unwrap();
            all.push(asked.clone());
            all.len() - 1
        };
        let answer = behave(before, &asked);
        at_once.fetch_sub(1, Ordering::SeqCst);
        let written = match answer {
            Answer::Status(status, headers, body) => {
                let length = body.len();
                write!(out, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}").is_ok()
            }
            Answer::Close => false,
            Answer::Half => {
                drop(write!(out, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{{\"data\":["));
                false
            }
            Answer::Stall(time) => {
                std::thread::sleep(time);
                false
            }
            Answer::Endless => {
                let started = write!(out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_ok();
                let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x1_0000], b"\r\n"].concat();
                while started && out.write_all(&chunk).is_ok() {}
                false
            }
        };
        if !written {
            drop(out.shutdown(std::net::Shutdown::Both));
            return;
        }
    }
}

fn read(from: &mut BufReader<TcpStream>, connection: usize) -> Option<Asked> {
    let mut line = String::new();
    from.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut authorization) = (0, None);
    loop {
        line.clear();
        from.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    let texts = body["input"].as_array()?.iter().filter_map(|text| Some(text.as_str()?.to_owned())).collect();
    let model = body["model"].as_str()?.to_owned();
    Some(Asked { connection, path, authorization, model, texts, at_once: 0 })
}
