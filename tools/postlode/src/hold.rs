//! A store opened by this process, with everything around it: runtime, engine, application, socket.
//!
//! What always holds: whoever holds a store for writing answers on the socket in its folder, until it is closed;
//! closing stops loads between two batches, lets answers end, seals the store, and then frees its lock.

use crate::arguments::VectorCodes;
use crate::config::Config;
use crate::embedding::{EmbedSettings, Embedding, Running};
use crate::error::Failure;
use crate::loader::StoreLoader;
use crate::output::Console;
use postlode_embed::BuiltIn;
use postlode_query::Engine;
use postlode_runtime::glommio::GlommioSpawner;
use postlode_runtime::portable::PortableSpawner;
use postlode_runtime::{Choice, CpuPool};
use postlode_semantic::{SemanticEngine, VectorIndex};
use postlode_server::{App, AppOptions, Client, ServeError, Shutdown, WriterSocket, serve_unix};
use postlode_store::{Access, Store, StoreError, StoreOptions};
use postlode_text::TextIndex;
use postlode_vector::CodeKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Shards of a snapshot: it only reads, so more would only cost threads.
const SNAPSHOT_SHARDS: usize = 4;
/// Memory of a writer that was told nothing.
const DEFAULT_MEMORY: u64 = 1 << 30;
/// Most bytes of cache of a writer that loads. A larger one would only fill up with the archive's size.
const LOADING_CACHE: u64 = 16 << 20;
/// Largest memtable of a shard, and the smallest that makes sense. Up to three of a shard are in memory at a time.
const MEMTABLE: std::ops::RangeInclusive<u64> = (1 << 20)..=(16 << 20);

/// How a store is to be opened for writing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// Shards; one a core where not said.
    pub shards: Option<u16>,
    /// Bytes for caches and memtables together.
    pub memory: Option<u64>,
    /// Codes of the vectors of new segments.
    pub codes: VectorCodes,
    /// It is opened to be loaded into: what is read for that is hardly read again.
    pub loading: bool,
    /// A better model than the built-in one has its vectors too.
    pub better: bool,
}

impl Plan {
    /// As the settings file has it.
    pub fn of(file: &Config) -> Self {
        let codes = file.vector_codes.unwrap_or_default();
        Self { shards: file.shards, memory: file.memory, codes, loading: false, better: false }
    }

    fn memory(self) -> u64 {
        self.memory.unwrap_or(DEFAULT_MEMORY)
    }

    /// What asks the store: by words, and by the meaning that the built-in model knows.
    fn engine(self, store: &Store, cpu: CpuPool) -> Engine {
        let semantic = SemanticEngine::new(Arc::new(BuiltIn), self.vectors());
        Engine::with_meaning(store.clone(), cpu, semantic, self.share(16))
    }

    fn share(self, part: u64) -> usize {
        usize::try_from(self.memory() / part).unwrap_or(usize::MAX)
    }

    /// Bytes for the vectors of one model.
    fn vectors(self) -> usize {
        self.share(if self.better { 8 } else { 4 })
    }

    fn codes(self) -> CodeKind {
        match self.codes {
            VectorCodes::Sq8 => CodeKind::Sq8,
            VectorCodes::B4 => CodeKind::B4,
            VectorCodes::F16 => CodeKind::F16,
        }
    }

    fn options(self, access: Access) -> StoreOptions {
        let shards = self.shards.map_or_else(cores, usize::from);
        let mut options = StoreOptions::new(shards, access, Arc::new(TextIndex));
        options.vectors = Some(Arc::new(VectorIndex::new(Arc::new(BuiltIn)).with_codes(self.codes())));
        let memory = self.memory();
        let memtable = (memory / 8 / shards.max(1) as u64).clamp(*MEMTABLE.start(), *MEMTABLE.end());
        options.memtable_bytes = usize::try_from(memtable).unwrap_or(usize::MAX);
        options.log_file_bytes = memtable;
        let cache = if self.loading { (memory / 4).min(LOADING_CACHE) } else { memory / 4 };
        options.cache_bytes = usize::try_from(cache).unwrap_or(usize::MAX);
        options
    }
}

/// An open store.
pub struct Hold {
    store: Store,
    app: Arc<App>,
    writer: Option<Writer>,
    embedding: Option<Running>,
}

/// What only a writer has.
struct Writer {
    loader: Arc<StoreLoader>,
    shutdown: Shutdown,
    socket: JoinHandle<Result<(), ServeError>>,
}

/// Why a store was not opened for writing.
pub enum OpenError {
    /// Another process writes it.
    Locked(Failure),
    /// Anything else.
    Other(Failure),
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl Hold {
    /// Opens what is there now, for reading.
    pub async fn snapshot(data: &Path) -> Result<Self, Failure> {
        let cpu = cpu_pool()?;
        let shards = cores().min(SNAPSHOT_SHARDS);
        let options = StoreOptions::new(shards, Access::Snapshot, Arc::new(TextIndex));
        // A few reads need no io_uring, and a snapshot should open wherever files can be read.
        let spawner = PortableSpawner::new(data.to_owned(), cpu.clone());
        let store = Store::open(spawner, options).await?;
        let app = App::new(Plan::default().engine(&store, cpu), AppOptions::default());
        Ok(Self { store, app, writer: None, embedding: None })
    }

    /// Opens it for reading, and keeps up with whoever writes it.
    pub async fn follow(data: &Path, plan: Plan, console: &Console) -> Result<Self, Failure> {
        let cpu = cpu_pool()?;
        let store = open(data, cpu.clone(), plan.options(Access::Follow), console).await?;
        let app = App::new(plan.engine(&store, cpu), AppOptions::default());
        Ok(Self { store, app, writer: None, embedding: None })
    }

    /// Opens it for writing, and listens on its socket.
    pub async fn write(data: &Path, plan: Plan, console: &Console) -> Result<Self, OpenError> {
        let cpu = cpu_pool()?;
        let store = match open(data, cpu.clone(), plan.options(Access::Write), console).await {
            Ok(store) => store,
            Err(StoreError::Locked(error)) => return Err(OpenError::Locked(locked(data, &error.path))),
            Err(error) => return Err(OpenError::Other(error.into())),
        };
        let loader = StoreLoader::new(store.clone());
        let options = AppOptions { loader: Some(Arc::clone(&loader) as _), ..AppOptions::default() };
        let app = App::new(plan.engine(&store, cpu), options);
        let mut socket = WriterSocket::bind(data).map_err(|error| {
            Failure::Unusable(format!("the socket in {} cannot be made: {error}", data.display()))
        })?;
        let shutdown = Shutdown::new();
        let (served, stop) = (Arc::clone(&app), shutdown.clone());
        let socket = tokio::spawn(async move { serve_unix(served, &mut socket, stop).await });
        Ok(Self { store, app, writer: Some(Writer { loader, shutdown, socket }), embedding: None })
    }

    /// Whom to ask.
    pub fn client(&self) -> Client {
        Client::in_process(Arc::clone(&self.app))
    }

    /// The application, to be served over TCP too.
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Who would embed with a better model.
    pub fn embedding(&self, model: &EmbedSettings, plan: Plan) -> Option<Embedding> {
        let embedding = Embedding::new(self.app.engine(), model, plan.vectors(), plan.codes())?;
        Some(if self.writer.is_some() { embedding } else { embedding.following() })
    }

    /// Embeds from now on.
    pub fn embed(&mut self, embedding: Embedding) -> Result<(), Failure> {
        self.app.watch_embedding(embedding.upgrade());
        self.embedding = Some(embedding.start()?);
        Ok(())
    }

    /// Stops running loads at the end of the batches they are at.
    pub fn loader(&self) -> Option<Arc<StoreLoader>> {
        self.writer.as_ref().map(|writer| Arc::clone(&writer.loader))
    }

    /// Ends everything in order.
    pub async fn close(self) -> Result<(), Failure> {
        if let Some(embedding) = self.embedding {
            embedding.stop().await;
        }
        if let Some(Writer { loader, shutdown, socket }) = self.writer {
            loader.stop();
            loader.ended().await;
            shutdown.trigger();
            match socket.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the socket was not served"),
                Err(error) => tracing::warn!(%error, "the socket's task broke"),
            }
        }
        drop(self.app);
        Ok(self.store.close().await?)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn cpu_pool() -> Result<CpuPool, Failure> {
    CpuPool::new(cores()).map_err(|error| Failure::Done(format!("no threads can be started: {error}")))
}

/// Opens it on the runtime that this machine allows, and says so where that is not the default.
async fn open(
    data: &Path,
    cpu: CpuPool,
    options: StoreOptions,
    console: &Console,
) -> Result<Store, StoreError> {
    // A store of many segments needs many open files, and the usual soft limit is 1,024.
    postlode_runtime::raise_open_files();
    let (choice, message) = postlode_runtime::choose(None);
    if let Some(message) = message {
        console.note(&format!("postlode: {message}"));
    }
    match choice {
        Choice::Glommio => Store::open(GlommioSpawner::new(data.to_owned(), cpu), options).await,
        Choice::Portable => Store::open(PortableSpawner::new(data.to_owned(), cpu), options).await,
    }
}

/// Says who holds the lock, and what to do about it.
fn locked(data: &Path, lock: &Path) -> Failure {
    let who = match holder(lock) {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    };
    let data = data.display();
    Failure::Unusable(format!(
        "{who} holds the store in {data} (lock {}) and does not answer on its socket: wait until it has ended, or stop it",
        lock.display()
    ))
}

/// The process that holds the lock on a file, as the kernel lists it.
fn holder(lock: &Path) -> Option<u32> {
    let inode = std::fs::metadata(lock).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // As `1: FLOCK  ADVISORY  WRITE 708 00:2c:413 0 EOF`.
    let mut holders = locks.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(4);
        let (pid, file) = (fields.next()?, fields.next()?);
        let of_file = file.rsplit(':').next()?.parse() == Ok(inode);
        if of_file { pid.parse().ok() } else { None }
    });
    holders.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LOCK");
        let file = std::fs::File::create(&path).unwrap();
        file.try_lock().unwrap();
        // Some containers show no locks; then nobody is named.
        if let Some(pid) = holder(&path) {
            assert_eq!(pid, std::process::id());
        }
        assert!(locked(dir.path(), &path).to_string().contains("LOCK"));
    }
}
