//! Which errors a start gives.

use std::net::TcpListener;
use std::sync::Arc;

use futures::FutureExt;

use super::Broker;
use crate::{BoxFuture, Error, Options, Publish, PublishHook, Verdict};

struct Accept;

impl PublishHook for Accept {
    fn publish(&self, _publish: Publish) -> BoxFuture<'_, Verdict> {
        async { Verdict::Accepted }.boxed()
    }
}

#[tokio::test]
async fn a_port_in_use_names_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = Broker::start(Options::new(addr, folder.path()), Arc::new(Accept))
        .await
        .err();
    let Some(Error::Listen {
        addr: named,
        source,
    }) = &error
    else {
        panic!("not a listen error: {error:?}");
    };
    assert_eq!(
        (*named, source.kind()),
        (addr, std::io::ErrorKind::AddrInUse)
    );
    assert!(error.unwrap().to_string().contains("--mqtt"));
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    std::fs::write(&file, "not a folder").unwrap();
    let addr = "127.0.0.1:0".parse().unwrap();
    let error = Broker::start(Options::new(addr, &file), Arc::new(Accept))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&error, Error::Retained { path, .. } if path.contains("data")),
        "{error:?}"
    );
}

#[tokio::test]
async fn two_brokers_run_in_one_process() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let addr = "127.0.0.1:0".parse().unwrap();
    let first = Broker::start(Options::new(addr, folders[0].path()), Arc::new(Accept))
        .await
        .unwrap();
    let second = Broker::start(Options::new(addr, folders[1].path()), Arc::new(Accept))
        .await
        .unwrap();
    assert_ne!(first.local_addr(), second.local_addr());
    first.shutdown().await;
    second.shutdown().await;
}
