//! A gateway that speaks TLS: who vouches for it, and what each way of not being believed comes to.

use std::path::Path;
use std::sync::Arc;

use rollcall_tests::certificates;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Act, Config, Server, config, gateway, owned, said};
use crate::gateway::Gateway;

/// An authority, and certificates that it signed: a good one, and one that has expired.
fn certificates() -> TempDir {
    let folder = TempDir::new().unwrap();
    certificates::authority(folder.path(), "authority").unwrap();
    certificates::authority(folder.path(), "stranger").unwrap();
    certificates::signed(folder.path(), "authority", "gateway").unwrap();
    certificates::expired(folder.path(), "authority", "expired").unwrap();
    folder
}

/// A server that shows the certificate of this name.
async fn server(folder: &TempDir, name: &str) -> Server {
    let file = |kind: &str| folder.path().join(format!("{name}.{kind}"));
    let chain = CertificateDer::pem_file_iter(file("pem")).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Server::over(owned(), Some(TlsAcceptor::from(Arc::new(config)))).await
}

/// A gateway at `address`, for which the authority of this name vouches.
fn believing(server: &Server, folder: &Path, authority: Option<&str>) -> Gateway {
    gateway(&Config {
        ca_file: authority.map(|name| folder.join(format!("{name}.pem"))),
        ..config(&format!("https://{}/api", server.address))
    })
}

#[tokio::test]
async fn a_gateway_is_believed_whose_authority_vouches_for_it() {
    let folder = certificates();
    let server = server(&folder, "gateway").await;
    let gateway = believing(&server, folder.path(), Some("authority"));
    assert_eq!(said(&gateway, "c-1").await, "found 7");
    assert_eq!(said(&gateway, "c-2").await, "found 7");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_gateway_that_is_not_believed_takes_no_tenant_away() {
    let folder = certificates();
    let cases = [
        ("gateway", "stranger", "UnknownIssuer"),
        ("expired", "authority", "expired"),
    ];
    for (shown, authority, expected) in cases {
        let server = server(&folder, shown).await;
        let cause = said(&believing(&server, folder.path(), Some(authority)), "c-1").await;
        assert!(cause.contains("cannot be reached"), "{cause}");
        assert!(cause.contains(expected), "{cause}");
        assert!(server.requests().is_empty(), "nobody was asked");
    }
}

#[tokio::test]
async fn a_gateway_of_another_name_is_not_believed() {
    let folder = certificates();
    let server = server(&folder, "gateway").await;
    let port = server.address.port();
    let gateway = gateway(&Config {
        ca_file: Some(folder.path().join("authority.pem")),
        ..config(&format!("https://localhost:{port}/api"))
    });
    let cause = said(&gateway, "c-1").await;
    assert!(cause.contains("not valid for name"), "{cause}");
}

#[tokio::test]
async fn tls_that_meets_http_and_http_that_meets_tls_are_unavailable() {
    let folder = certificates();
    let tls = server(&folder, "gateway").await;
    let plain = gateway(&config(&format!("http://{}/api", tls.address)));
    let cause = said(&plain, "c-1").await;
    assert!(cause.contains("cannot be reached"), "{cause}");
    assert!(tls.requests().is_empty());

    let text = "HTTP/1.1 400 No TLS\r\n\r\n".to_owned();
    let http = Server::start(Act::Greet(text)).await;
    let cause = said(&believing(&http, folder.path(), Some("authority")), "c-1").await;
    assert!(cause.contains("InvalidContentType"), "{cause}");
}

#[test]
fn a_file_without_certificates_is_refused_by_its_name() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("none.pem");
    std::fs::write(&path, "no certificate").unwrap();
    let section = Config {
        ca_file: Some(path.clone()),
        ..config("https://gateway/")
    };
    let clock = Arc::new(rollcall_log::ManualClock::at(rollcall_model::Millis(0)));
    let error = Gateway::new(&section, clock).err().unwrap();
    let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    let path = path.display();
    assert_eq!(
        text,
        format!("[tenant] ca_file {path}: cannot be used: it holds no certificate")
    );
}
