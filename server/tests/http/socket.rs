//! The writer's socket: who may use it, where it may lie, and what becomes of one that was left behind.

use crate::fixture::Site;
use postlode_server::{AppOptions, Client, ClientError, WriterSocket};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_for_its_user_alone_and_goes_with_the_server() {
    let site = Site::start().await;
    let path = site.data.join("postlode.sock");
    let meta = std::fs::symlink_metadata(&path).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let data = site.data.clone();
    assert_eq!(site.client().await.get("/healthz").await.unwrap().status, 200);
    let Site { shutdown, .. } = &site;
    shutdown.trigger();
    tokio::time::timeout(std::time::Duration::from_secs(10), async {
        while path.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the socket is removed");
    assert!(Client::socket(&data).await.unwrap().is_none());
    site.stop().await;
}

/// 107 bytes are all that a socket's address holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_path_works() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = dir.path().to_owned();
    for _ in 0..6 {
        data.push("a-folder-with-a-rather-long-name");
    }
    assert!(data.as_os_str().len() > 150);
    let site = Site::at(dir, data, AppOptions::default()).await;
    let answer = site.client().await.get("/local/stats").await.unwrap();
    let stats: postlode_server::stats::Stats = answer.json().await.unwrap();
    assert_eq!(stats.emails, crate::fixture::MAILS);
    assert!(site.data.join("postlode.sock").exists());
    site.stop().await;
}

#[tokio::test]
async fn one_left_behind_is_replaced_one_in_use_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postlode.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(Client::socket(dir.path()).await.unwrap().is_none(), "a socket without a listener is no writer");
    let held = WriterSocket::bind(dir.path()).unwrap();
    assert!(Client::socket(dir.path()).await.unwrap().is_some());
    let refused = WriterSocket::bind(dir.path()).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AddrInUse);
    assert!(path.exists());
    drop(held);
    assert!(!path.exists());
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postlode.sock");
    std::fs::write(&path, "precious").unwrap();
    let refused = WriterSocket::bind(dir.path()).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let error = Client::socket(dir.path()).await.map(|client| client.is_some());
    assert!(matches!(error, Ok(false) | Err(ClientError::Unreachable { .. })));
}

#[test]
fn only_the_own_socket_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postlode.sock");
    let mine = WriterSocket::bind(dir.path()).unwrap();
    std::fs::rename(&path, dir.path().join("moved")).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    let inode = std::fs::metadata(&path).unwrap().ino();
    drop(mine);
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode);
    drop(other);
}

#[tokio::test]
async fn a_folder_that_is_not_there_has_no_writer() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Client::socket(&dir.path().join("nothing")).await.unwrap().is_none());
    assert!(WriterSocket::bind(&dir.path().join("nothing")).is_err());
}
