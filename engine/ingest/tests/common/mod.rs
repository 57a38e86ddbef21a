//! A store and a loader over it, for tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use futures_lite::future::block_on;
use postlode_ingest::{LoadReport, LoadRequest, Loader, Parsers};
use postlode_runtime::CpuPool;
use postlode_runtime::portable::PortableSpawner;
use postlode_store::{Access, Store, StoreOptions};
use postlode_text::TextIndex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub fn store(root: &Path) -> Store {
    let cpu = CpuPool::new(1).unwrap();
    let mut options = StoreOptions::new(2, Access::Write, Arc::new(TextIndex));
    options.log_file_bytes = 4 << 20;
    block_on(Store::open(PortableSpawner::new(root.to_owned(), cpu), options)).unwrap()
}

pub fn load(store: &Store, paths: &[PathBuf], custodian: &str) -> LoadReport {
    let request = LoadRequest {
        paths: paths.to_vec(),
        custodian: custodian.to_owned(),
        jobs: Some(2),
        ..LoadRequest::default()
    };
    let report =
        block_on(Loader::new(store.clone(), Parsers::Threads).start(request).unwrap().finish()).unwrap();
    check(&report);
    report
}

/// What holds in every report.
pub fn check(report: &LoadReport) {
    let mut sum = [0; 5];
    for a in &report.archives {
        assert_eq!(a.found, a.stored + a.duplicate + a.failed, "{}", a.path);
        if a.refused.is_some() {
            assert_eq!(a.found, 0);
        }
        for (sum, n) in sum.iter_mut().zip([a.found, a.stored, a.duplicate, a.failed, a.partial]) {
            *sum += n;
        }
    }
    assert_eq!(sum, [report.found, report.stored, report.duplicate, report.failed, report.partial]);
}
