//! Serves the transformer as OpenAI's `/v1/embeddings`, for `postlode embed` and for measurements.
//!
//! It listens where it is told to and asks nobody who he is: the loopback is the place for it.

use crate::teacher::Teacher;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use postlode_embed::{Tokenizer, Vocabulary};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Pieces of a text that are read.
const READ: usize = 254;
/// Texts and bytes of a request.
const TEXTS: usize = 256;
const BODY: usize = 4 << 20;
/// Time for the head of a request.
const HEAD: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    model: String,
    input: Input,
}

struct Served {
    teacher: Teacher,
    words: String,
}

/// Why there are no vectors: a status and a line.
type Refused = (StatusCode, String);

pub fn serve(model: &Path, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let words = std::fs::read_to_string(model.join("vocab.txt"))?;
    Vocabulary::parse(&words)?;
    let served = Arc::new(Served { teacher: Teacher::load(model)?, words });
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("serving {} on http://{}/v1", model.display(), listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            let served = Arc::clone(&served);
            let service = service_fn(move |request| answer(Arc::clone(&served), request));
            tokio::spawn(async move {
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD);
                // A connection that breaks is its own affair.
                drop(http.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    })
}

async fn answer(
    served: Arc<Served>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match vectors(served, request).await {
        Ok(body) => (StatusCode::OK, body),
        Err((status, message)) => (status, json!({ "error": { "message": message } })),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

async fn vectors(served: Arc<Served>, request: Request<Incoming>) -> Result<Value, Refused> {
    if request.method() != Method::POST || request.uri().path() != "/v1/embeddings" {
        return Err((StatusCode::NOT_FOUND, "POST /v1/embeddings is all there is".to_owned()));
    }
    let body = Limited::new(request.into_body(), BODY).collect().await;
    let body = body.map_err(|error| (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?.to_bytes();
    let asked: Asked =
        serde_json::from_slice(&body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let texts = match asked.input {
        Input::One(text) => vec![text],
        Input::Several(texts) => texts,
    };
    if texts.len() > TEXTS {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, format!("at most {TEXTS} texts")));
    }
    let read = tokio::task::spawn_blocking(move || served.read(&texts)).await;
    let vectors = read
        .unwrap_or_else(|error| Err(error.to_string()))
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let data: Vec<Value> = vectors
        .into_iter()
        .enumerate()
        .map(|(index, vector)| json!({ "object": "embedding", "index": index, "embedding": vector }))
        .collect();
    Ok(json!({ "object": "list", "model": asked.model, "data": data }))
}

impl Served {
    fn read(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, String> {
        let vocabulary = Vocabulary::parse(&self.words).map_err(|error| error.to_string())?;
        let mut tokenizer = Tokenizer::new(&vocabulary);
        let mut pieces: Vec<Vec<u32>> = Vec::with_capacity(texts.len());
        for text in texts {
            let mut own = Vec::new();
            tokenizer.tokens(text, READ, &mut own);
            pieces.push(own);
        }
        let said = self.teacher.read(&pieces, &|_| {}).map_err(|error| error.to_string())?;
        Ok((0..texts.len()).map(|text| said.row(text).to_vec()).collect())
    }
}
