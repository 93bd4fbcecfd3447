//! TLS 1.3 with rustls and ring; the only place that knows either.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::Error;
use crate::options::TlsFiles;

/// What a TLS connection is made with, as the files had it at one moment.
pub(crate) struct Connector(tokio_rustls::TlsConnector);

impl Connector {
    /// Reads the files. Blocks, for as long as small files take.
    pub(crate) fn read(files: &TlsFiles) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        match &files.ca_file {
            Some(path) => {
                for certificate in certificates(path, "ca_file")? {
                    let added = roots.add(certificate);
                    added.map_err(|error| unusable(path, "ca_file", error))?;
                }
            }
            // What cannot be read there is the system's affair; too few roots show in the
            // handshake.
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            // Others in this process bring TLS 1.2 into rustls.
            .with_protocol_versions(&[&TLS13])
            .expect("ring speaks TLS 1.3")
            .with_root_certificates(roots);
        let config = match &files.client_files {
            None => builder.with_no_client_auth(),
            Some((certificate_file, key_file)) => {
                let chain = certificates(certificate_file, "cert_file")?;
                let key = PrivateKeyDer::from_pem_file(key_file);
                let key = key.map_err(|error| unusable(key_file, "key_file", error))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| unusable(key_file, "key_file", error))?
            }
        };
        Ok(Self(Arc::new(config).into()))
    }

    /// Speaks TLS over `stream` with a broker that can show that it is `host`.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned());
        self.0
            .connect(name.map_err(io::Error::other)?, stream)
            .await
    }
}

fn certificates(path: &Path, key: &'static str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found: Vec<_> = read.map_err(|error| unusable(path, key, error))?;
    if found.is_empty() {
        return Err(unusable(path, key, "it holds no certificate"));
    }
    Ok(found)
}

fn unusable(
    path: &Path,
    key: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::TlsFile {
        what: if key == "key_file" {
            "key"
        } else {
            "certificates"
        },
        path: path.to_owned(),
        key,
        source: source.into(),
    }
}
