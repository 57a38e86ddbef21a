//! A store in a temporary folder with some mail in it, and a server over it.

use bytes::Bytes;
use postlode_format::id::{Field, Id, IdBuilder, ThreadRoot, thread_key, to_hex};
use postlode_format::limits::BLOB_CHUNK;
use postlode_format::row::*;
use postlode_query::Engine;
use postlode_runtime::CpuPool;
use postlode_runtime::portable::PortableSpawner;
use postlode_server::{
    App, AppOptions, Client, Limits, ServeError, Shutdown, WriterSocket, serve_tcp, serve_unix,
};
use postlode_store::*;
use postlode_text::TextIndex;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Mails in the store.
pub const MAILS: u64 = 40;
/// Bytes of the large attachment: several chunks, and more than sockets buffer.
pub const LARGE: usize = 9 * BLOB_CHUNK + 17;
/// The path the archive was loaded from.
pub const ARCHIVE: &str = "/mail/a.pst";

const ARCHIVE_ID: Id = [1; 16];
const VERSION: Id = [2; 16];

/// A server that runs, and what it stands on.
pub struct Site {
    pub app: Arc<App>,
    pub store: Store,
    pub addr: SocketAddr,
    pub data: PathBuf,
    pub shutdown: Shutdown,
    tcp: JoinHandle<Result<(), ServeError>>,
    unix: JoinHandle<Result<(), ServeError>>,
    _dir: TempDir,
}

impl Site {
    pub async fn start() -> Self {
        Self::with(AppOptions::default()).await
    }

    pub async fn with_limits(limits: Limits) -> Self {
        Self::with(AppOptions { limits, ..AppOptions::default() }).await
    }

    pub async fn with(options: AppOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        Self::at(dir, data, options).await
    }

    pub async fn at(dir: TempDir, data: PathBuf, options: AppOptions) -> Self {
        let store = open(&data, Access::Write).await;
        fill(&store).await;
        let app = App::new(engine(&store), options);
        let shutdown = Shutdown::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let tcp = tokio::spawn(serve_tcp(Arc::clone(&app), listener, shutdown.clone()));
        let mut socket = WriterSocket::bind(&data).unwrap();
        let (for_unix, stop) = (Arc::clone(&app), shutdown.clone());
        let unix = tokio::spawn(async move { serve_unix(for_unix, &mut socket, stop).await });
        Self { app, store, addr, data, shutdown, tcp, unix, _dir: dir }
    }

    /// A client of the socket.
    pub async fn client(&self) -> Client {
        Client::socket(&self.data).await.unwrap().unwrap()
    }

    /// Stops, and waits until all connections have ended.
    pub async fn stop(self) {
        self.shutdown.trigger();
        self.tcp.await.unwrap().unwrap();
        self.unix.await.unwrap().unwrap();
        // A test may have closed it already.
        assert!(matches!(self.store.close().await, Ok(()) | Err(StoreError::Closed)));
    }
}

pub fn engine(store: &Store) -> Engine {
    Engine::new(store.clone(), CpuPool::new(2).unwrap())
}

pub async fn open(data: &Path, access: Access) -> Store {
    let spawner = PortableSpawner::new(data.to_owned(), CpuPool::new(1).unwrap());
    let mut options = StoreOptions::new(2, access, Arc::new(TextIndex));
    options.log_file_bytes = 4 << 20;
    options.cache_bytes = 4 << 20;
    Store::open(spawner, options).await.unwrap()
}

pub fn id(n: u64) -> Id {
    IdBuilder::mail().field(Field::MessageId, 0, format!("<{n}@test>").as_bytes()).finish()
}

pub fn hex(n: u64) -> String {
    to_hex(&id(n))
}

/// The bytes of the large attachment.
pub fn large() -> Vec<u8> {
    (0..LARGE).map(|n| (n * 7 + n / 1000) as u8).collect()
}

/// The bytes of the hostile one.
pub const HOSTILE: &[u8] = b"<script>alert(1)</script>";

async fn fill(store: &Store) {
    let mut rows = vec![archive(), failure(7, "corrupt", false), failure(8, "timeout", true)];
    for (bytes, hash) in [(large(), [7; 32]), (HOSTILE.to_vec(), [8; 32])] {
        for (n, chunk) in bytes.chunks(BLOB_CHUNK).enumerate() {
            let key = blob_key(&hash, u32::try_from(n).unwrap()).into();
            rows.push(Row { kind: RowKind::BlobChunk, key, value: Bytes::copy_from_slice(chunk) });
        }
    }
    store.put(rows).await.unwrap();
    let emails = (0..MAILS).map(email).collect();
    store.load(LoadBatch { emails, ..LoadBatch::default() }).await.unwrap();
}

fn archive() -> Row {
    let version = ArchiveVersion {
        extra: Vec::new(),
        path: ARCHIVE.into(),
        kind: "pst-unicode".into(),
        sha256: [3; 32],
        bytes: 1000,
        folders: 2,
        custodian: "ann".into(),
        loaded_at: 0,
        complete: true,
        counts: Counts::default(),
        password: false,
    };
    let key = archive_key(&ARCHIVE_ID, &VERSION).into();
    Row { kind: RowKind::Archive, key, value: to_bytes(&version).unwrap() }
}

fn failure(node: u64, code: &str, resolved: bool) -> Row {
    let failure = Failure {
        folder: "/Inbox".into(),
        node,
        code: code.into(),
        stage: "body".into(),
        reason: "a block is not there".into(),
        resolved,
    };
    let key = failure_key(&ARCHIVE_ID, &VERSION, node).into();
    Row { kind: RowKind::Failure, key, value: to_bytes(&failure).unwrap() }
}

/// Mail 0 has attachments; the others have words.
fn email(n: u64) -> NewEmail {
    let id = id(n);
    let date = 1_488_296_340_000_000 + i64::try_from(n).unwrap() * 3_600_000_000;
    let address = |name: &str| Address { name: name.into(), address: format!("{name}@example.org") };
    let attachments = match n {
        0 => vec![
            attachment(0, "rapport é.pdf", "application/pdf", LARGE, [7; 32]),
            attachment(1, "../e\"vil\r\n.html", "text/html", HOSTILE.len(), [8; 32]),
        ],
        _ => Vec::new(),
    };
    let email = Email {
        extra: Vec::new(),
        id,
        id_scheme: 1,
        parent: None,
        thread: thread_key(ThreadRoot::MessageId(&format!("{n}@test"))),
        kind: ItemKind::Mail,
        class: "IPM.Note".into(),
        message_id: format!("<{n}@test>"),
        in_reply_to: Vec::new(),
        references: Vec::new(),
        subject: format!("Release plan {n}"),
        topic: format!("Release plan {n}"),
        from: Some(address(if n.is_multiple_of(2) { "ann" } else { "bob" })),
        sender: None,
        to: vec![address("you")],
        cc: Vec::new(),
        bcc: Vec::new(),
        sent: Some(Stamp { unix_micros: date, offset_minutes: Some(60) }),
        received: None,
        date,
        size: 1000 + n,
        importance: 1,
        sensitivity: 0,
        flags: if n == 0 { flag::HAS_ATTACHMENT } else { 0 },
        codepage: 65001,
        language: "eng".into(),
        attachments,
        partial: Vec::new(),
    };
    let text = format!("This is mail number{n}. The quick brown fox jumps over the lazy dog.\n");
    let raw = |text: String| {
        Some(Raw { encoding: RawEncoding::Utf16AsUtf8, value_type: 0x1f, bytes: text.into_bytes() })
    };
    let body = Body {
        extra: Vec::new(),
        plain: raw(text),
        html: None,
        rtf: None,
        headers: raw(format!("Message-ID: <{n}@test>\r\n")),
        original: None,
        text: String::new(),
        text_source: TextSource::PlainAsKept,
        props: Vec::new(),
    };
    let folder = if n.is_multiple_of(4) { "/Top/Inbox" } else { "/Top/Sent" };
    let place = Place {
        extra: Vec::new(),
        archive: ARCHIVE_ID,
        version: VERSION,
        custodian: "ann".into(),
        folder: folder.into(),
        node: n + 100,
        recovered: false,
        date,
    };
    NewEmail {
        id,
        email: to_bytes(&email).unwrap(),
        body: to_bytes(&body).unwrap(),
        place: Row {
            kind: RowKind::Place,
            key: place_key(&id, &ARCHIVE_ID, n + 100).into(),
            value: to_bytes(&place).unwrap(),
        },
    }
}

fn attachment(n: u32, name: &str, mime: &str, size: usize, sha256: [u8; 32]) -> Attachment {
    Attachment {
        n,
        name: name.into(),
        mime: mime.into(),
        content_id: String::new(),
        inline: false,
        kind: AttachmentKind::Data,
        size: size as u64,
        sha256,
        child: None,
    }
}
