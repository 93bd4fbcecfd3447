//! Addresses, ports and shutdown.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use tokio::sync::watch;

use crate::{Bounds, Config, OpsConfig, Room, ServeError, bind, serve};

fn check(listen: &str, allow_remote: bool) -> [Result<(), String>; 2] {
    let listen: SocketAddr = listen.parse().unwrap();
    let api = Config {
        listen,
        allow_remote,
        ..Config::default()
    };
    let ops = OpsConfig {
        listen,
        allow_remote,
        ..OpsConfig::default()
    };
    [
        api.check().map_err(|error| error.to_string()),
        ops.check().map_err(|error| error.to_string()),
    ]
}

#[test]
fn loopback_is_allowed_and_the_default() {
    Config::default().check().unwrap();
    OpsConfig::default().check().unwrap();
    for listen in [
        "127.0.0.1:0",
        "127.9.9.9:80",
        "[::1]:8080",
        "[::ffff:127.0.0.1]:80",
    ] {
        assert_eq!(check(listen, false), [Ok(()), Ok(())], "{listen}");
    }
}

#[test]
fn another_address_needs_leave_and_the_error_says_how() {
    for listen in [
        "0.0.0.0:8080",
        "10.1.2.3:8080",
        "[::]:8080",
        "[::ffff:10.0.0.1]:80",
    ] {
        let [api, ops] = check(listen, false).map(Result::unwrap_err);
        assert!(
            api.contains(listen) && api.contains("[api] allow_remote"),
            "{api}"
        );
        assert!(api.contains("x-rh-identity"), "{api}");
        assert!(ops.contains("[ops] allow_remote"), "{ops}");
        assert_eq!(check(listen, true), [Ok(()), Ok(())], "{listen}");
    }
}

#[tokio::test]
async fn a_port_in_use_names_the_remedy() {
    let taken = bind(([127, 0, 0, 1], 0).into(), "--http").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, "--http").await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&address.to_string()) && text.contains("--http"),
        "{text}"
    );
    assert!(matches!(error, ServeError::Bind { .. }));
}

#[tokio::test]
async fn serving_ends_when_told() {
    let listener = bind(([127, 0, 0, 1], 0).into(), "--http").await.unwrap();
    let router = Router::new().route("/", get(|| async { "here" }));
    let (stop, stopping) = watch::channel(false);
    let bounds = Bounds::new("test", 8, u64::MAX, Room::default());
    let serving = tokio::spawn(serve(listener, router, bounds, stopping));
    stop.send(true).unwrap();
    serving.await.unwrap();
}
