//! Reads the deployed table, in one snapshot, a part at a time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, IsolationLevel, Portal, Row, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::Error;
use crate::row::TableRow;

/// How long the server may take to let us in.
const CONNECT: Duration = Duration::from_secs(15);

/// What it knows us by.
const NAME: &str = "rollcall import";

/// The newest row of each client. Times as whole milliseconds, JSON as text: both are passed on.
const ROWS: &str = "\
SELECT DISTINCT ON (client_id) client_id, message_id,
  CASE WHEN isfinite(message_sent) THEN floor(extract(epoch FROM message_sent) * 1000)::int8 END,
  CASE WHEN isfinite(updated_at) THEN floor(extract(epoch FROM updated_at) * 1000)::int8 END,
  org_id, account, canonical_facts::text, dispatchers::text, tags::text,
  count(*) OVER (PARTITION BY client_id)
FROM connections
ORDER BY client_id, updated_at DESC NULLS LAST, id DESC";

/// A connection to the deployed database.
pub struct Database {
    client: Client,
    /// Drives the connection; gone with the client.
    connection: JoinHandle<()>,
    at: String,
}

impl Database {
    /// Connects to `url`, as libpq reads it, with `password` if the URL names none. TLS is spoken
    /// as `sslmode` says, and always checked: against `ca_file`, or the system's certificates.
    ///
    /// Errors: [`Error::Url`], [`Error::Certificates`], [`Error::Database`].
    pub async fn connect(
        url: &str,
        password: Option<&str>,
        ca_file: Option<&Path>,
    ) -> Result<Self, Error> {
        let mut config: Config = url.parse().map_err(|source| Error::Url { source })?;
        config.application_name(NAME).connect_timeout(CONNECT);
        if let Some(password) = password.filter(|_| config.get_password().is_none()) {
            config.password(password);
        }
        let at = place(&config);
        let tls = MakeRustlsConnect::new(tls(config.get_ssl_mode(), ca_file)?);
        let connected = config.connect(tls).await;
        let (client, connection) = connected.map_err(|source| {
            let is_tls = source.to_string().contains("TLS");
            Error::Database {
                action: "connect",
                at: at.clone(),
                remedy: match is_tls {
                    true => {
                        "; --ca-file names who vouches for the server, and sslmode=disable in the \
                         URL goes without TLS"
                    }
                    false => "",
                },
                source,
            }
        })?;
        let connection = tokio::spawn(async move {
            // Whoever waits for an answer is told.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "The database closed the connection.");
            }
        });
        Ok(Self {
            client,
            connection,
            at,
        })
    }

    /// Begins to read.
    ///
    /// Errors: [`Error::Database`].
    pub(crate) async fn rows(&mut self) -> Result<Rows<'_>, Error> {
        let at = self.at.clone();
        let begin = self.client.build_transaction().read_only(true);
        let begin = begin.isolation_level(IsolationLevel::RepeatableRead);
        let transaction = begin.start().await.map_err(failed("begin", &at))?;
        let counted = transaction
            .query_one("SELECT count(DISTINCT client_id) FROM connections", &[])
            .await
            .map_err(failed("count the rows of table connections", &at))?;
        let portal = transaction.bind(ROWS, &[]).await;
        let portal = portal.map_err(failed("read table connections", &at))?;
        Ok(Rows {
            clients: u64::try_from(counted.get::<_, i64>(0)).unwrap_or_default(),
            transaction,
            portal,
            at,
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// The rows of one snapshot.
pub(crate) struct Rows<'a> {
    /// Clients in it.
    pub(crate) clients: u64,
    transaction: Transaction<'a>,
    portal: Portal,
    at: String,
}

impl Rows<'_> {
    /// The next rows, at most `rows_max`; none at the end.
    pub(crate) async fn next(&self, rows_max: u16) -> Result<Vec<TableRow>, Error> {
        let action = "read table connections";
        let rows = self
            .transaction
            .query_portal(&self.portal, i32::from(rows_max))
            .await
            .map_err(failed(action, &self.at))?;
        let rows = rows.iter().map(row).collect::<Result<_, _>>();
        rows.map_err(failed(action, &self.at))
    }
}

fn row(row: &Row) -> Result<TableRow, tokio_postgres::Error> {
    let text = |column| row.try_get::<usize, Option<String>>(column);
    Ok(TableRow {
        client_id: text(0)?.unwrap_or_default(),
        message_id: text(1)?,
        sent: row.try_get(2)?,
        updated_at: row.try_get(3)?,
        org_id: text(4)?.unwrap_or_default(),
        account: text(5)?.unwrap_or_default(),
        canonical_facts: text(6)?,
        dispatchers: text(7)?,
        tags: text(8)?,
        copies: u64::try_from(row.try_get::<_, i64>(9)?).unwrap_or(1),
    })
}

fn failed(action: &'static str, at: &str) -> impl Fn(tokio_postgres::Error) -> Error + use<> {
    let at = at.to_owned();
    move |source| Error::Database {
        action,
        at: at.clone(),
        remedy: "",
        source,
    }
}

/// Host and database, for messages.
fn place(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts: Vec<_> = hosts.collect();
    format!(
        "{}/{}",
        hosts.join(","),
        config.get_dbname().unwrap_or_default()
    )
}

/// What TLS trusts: nobody's word is needed where none is spoken.
fn tls(mode: SslMode, ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let unreadable = |source: Box<dyn std::error::Error + Send + Sync>| {
                let path = path.display().to_string();
                Error::Certificates { path, source }
            };
            let found = CertificateDer::pem_file_iter(path);
            let found = found.map_err(|error| unreadable(error.into()))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| unreadable(error.into()))?;
                let added = roots.add(certificate);
                added.map_err(|error| unreadable(error.into()))?;
            }
            if roots.is_empty() {
                return Err(unreadable("there is none in it".into()));
            }
        }
        None if mode != SslMode::Disable => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        None => {}
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::Certificates {
        path: "the TLS library".to_owned(),
        source: error.into(),
    })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
