//! Questions to the registry, one at a time, each of which ends in time.
//!
//! The calls are those of schema_registry_converter. Of it nothing else is used: its codecs keep
//! what failed for ever, and ask inside of a fold (anchors/stream-engine.md, traps 40 and 41). It
//! retries nothing; whoever may wait insists.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{ClientBuilder, Url};
use schema_registry_converter::async_impl::schema_registry as calls;
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    RawError, RawRegisteredSchema, RegisteredSchema, SchemaType, SrCall, SuppliedSchema,
};
use tokio::runtime::Runtime;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tracing::warn;

use super::error::Error;
use super::metrics;
use super::settings::Settings;
use crate::broker::patiently;

/// How long one question may take.
const ASK: Duration = Duration::from_secs(2);

/// Pause before a question is asked again; doubles up to the second.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(2);

/// What the registry calls 404: of these, the thing that was asked for is not there. A 404 without
/// such a code is somebody else's: a wrong address, a gateway without a registry behind it.
const UNKNOWN: std::ops::RangeInclusive<u32> = 40_401..=40_499;

/// A registered schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) id: u32,
    pub(super) version: Option<u32>,
    pub(super) text: String,
}

/// What stands under an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ById {
    /// An Avro schema, whole.
    Avro(String),
    /// Something that no value of ours is written with, in words.
    Other(String),
}

/// Asks the registry.
pub(crate) struct Client {
    settings: SrSettings,
    pub(super) url: String,
    /// Whoever asks may be a thread of a runtime that must not be waited on, or of none.
    runtime: Option<Runtime>,
}

impl Client {
    /// A client; nobody is asked yet.
    ///
    /// Errors: settings and files that are of no use.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        settings.check()?;
        let url = settings.base().to_owned();
        let mut builder = SrSettings::new_builder(url.clone());
        builder.set_timeout(ASK).no_proxy();
        if !settings.username.is_empty() {
            let password = settings
                .password_file
                .as_deref()
                .map(password)
                .transpose()?;
            builder.set_basic_authorization(&settings.username, password.as_deref());
        }
        let http = ClientBuilder::new().tls_backend_preconfigured(tls(settings)?);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Client {
            url: url.clone(),
            source,
        };
        let made = builder
            .build_with(http)
            .map_err(|error| failed(error.into()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("registry")
            .enable_all()
            .build()
            .map_err(|error| failed(error.into()))?;
        Ok(Self {
            settings: made,
            url,
            runtime: Some(runtime),
        })
    }

    /// The same, asking each question again until `within` is over: one that answers slowly is
    /// given the time.
    pub(crate) fn insisting(&self, within: Duration) -> Insisting<'_> {
        Insisting {
            client: self,
            within,
        }
    }

    /// What stands under `id`; `None` when the registry does not know it.
    pub(super) fn by_id(&self, id: u32) -> Result<Option<ById>, Error> {
        let settings = self.settings.clone();
        let asked = self.wait(async move { calls::get_schema_by_id(id, &settings).await });
        let found = self.answer("id", asked)?;
        Ok(found.map(|found| match found {
            RegisteredSchema { schema_type, .. } if schema_type != SchemaType::Avro => {
                ById::Other(format!("it is {schema_type:?}, no Avro schema"))
            }
            RegisteredSchema { references, .. } if !references.is_empty() => {
                ById::Other("it refers to other schemas".to_owned())
            }
            RegisteredSchema { schema, .. } => ById::Avro(schema),
        }))
    }

    /// Asks for `id`, which it must know, to see whether it answers.
    pub(super) fn probe(&self, id: u32) -> Result<(), Error> {
        let settings = self.settings.clone();
        let asked = self.wait(async move { calls::get_schema_by_id(id, &settings).await });
        self.answer("probe", asked).map(|_| ())
    }

    /// Where exactly that text is registered under `subject`.
    fn find(&self, subject: &str, text: &str) -> Result<Option<Registered>, Error> {
        let body = serde_json::json!({"schema": text, "schemaType": "AVRO"}).to_string();
        let (settings, subject) = (self.settings.clone(), subject.to_owned());
        let asked = self.wait(async move {
            calls::perform_sr_call(&settings, SrCall::PostForVersion(&subject, &body)).await
        });
        let found = self.answer("find", asked)?;
        found
            .map(|raw| self.registered(raw, Some(text)))
            .transpose()
    }

    /// The newest schema of `subject`.
    fn latest(&self, subject: &str) -> Result<Option<Registered>, Error> {
        let (settings, subject) = (self.settings.clone(), subject.to_owned());
        let asked = self.wait(async move {
            calls::perform_sr_call(&settings, SrCall::GetLatest(&subject)).await
        });
        let found = self.answer("latest", asked)?;
        found.map(|raw| self.registered(raw, None)).transpose()
    }

    /// Registers `text` under `subject`; gives the id.
    fn register(&self, subject: &str, text: &str) -> Result<u32, Error> {
        let (settings, subject) = (self.settings.clone(), subject.to_owned());
        let schema = SuppliedSchema::new(None, SchemaType::Avro, text.to_owned());
        let asked = self.wait(async move { calls::post_schema(&settings, subject, schema).await });
        match self.answer("register", asked)? {
            Some(registered) => Ok(registered.id),
            None => Err(self.unanswered("it does not know where to register".to_owned())),
        }
    }

    /// Whether the registry would take `text` as the next schema of `subject`; `None` when it has
    /// no such subject.
    fn is_compatible(&self, subject: &str, text: &str) -> Result<Option<bool>, Error> {
        let (settings, subject) = (self.settings.clone(), subject.to_owned());
        let schema = SuppliedSchema::new(None, SchemaType::Avro, text.to_owned());
        let asked =
            self.wait(async move { calls::is_compatible_schema(&settings, subject, schema).await });
        self.answer("compatible", asked)
    }

    fn registered(
        &self,
        raw: RawRegisteredSchema,
        text: Option<&str>,
    ) -> Result<Registered, Error> {
        let text = raw.schema.or(text.map(str::to_owned));
        match (raw.id, text) {
            (Some(id), Some(text)) => Ok(Registered {
                id,
                version: raw.version,
                text,
            }),
            _ => Err(self.unanswered("a schema without its id or its text".to_owned())),
        }
    }

    /// Waits for a call on a runtime of its own, letting others of this thread go on.
    fn wait<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, SRCError>> + Send + 'static,
    ) -> Option<Result<T, SRCError>> {
        let (done, answer) = std::sync::mpsc::channel();
        self.runtime.as_ref()?.spawn(async move {
            // Nobody waits any more at the end of the process.
            let _ = done.send(call.await);
        });
        patiently(|| answer.recv().ok())
    }

    fn answer<T>(
        &self,
        call: &'static str,
        asked: Option<Result<T, SRCError>>,
    ) -> Result<Option<T>, Error> {
        let answered = match asked {
            Some(Ok(answer)) => Ok(Some(answer)),
            Some(Err(error)) => self.judge(&error),
            None => Err(self.unanswered("the call was broken off".to_owned())),
        };
        metrics::asked(
            call,
            match &answered {
                Ok(Some(_)) => "found",
                Ok(None) => "unknown",
                Err(Error::Refused { .. }) => "refused",
                Err(_) => "unanswered",
            },
        );
        answered
    }

    /// What an error of the crate means. It tells neither the status nor what the answer was, but
    /// in words and in its source.
    fn judge<T>(&self, error: &SRCError) -> Result<Option<T>, Error> {
        let said = std::error::Error::source(error);
        let said: Option<&RawError> = said.and_then(|source| source.downcast_ref());
        let status: Option<u16> = error.error.rsplit_once("status ").and_then(|(_, status)| {
            let digits = status.get(..3)?;
            digits.parse().ok()
        });
        match (status, said) {
            (Some(404), Some(said)) if UNKNOWN.contains(&said.error_code) => Ok(None),
            (Some(status @ 400..=499), _) if status != 408 && status != 429 => {
                let url = self.url.clone();
                let why = match said {
                    Some(said) if said.error_code != 0 => format!("{status}, {}", said.message),
                    _ => format!("{status}; does [registry] url end where its API begins?"),
                };
                Err(Error::Refused { url, why })
            }
            (Some(status), _) => Err(self.unanswered(format!("it answers {status}"))),
            (None, _) => Err(self.unanswered(chain(error))),
        }
    }

    fn unanswered(&self, why: String) -> Error {
        let url = self.url.clone();
        Error::Unanswered { url, why }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Where it is dropped may be no place to wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Questions of somebody who waits for a registry that does not answer yet.
pub(crate) struct Insisting<'a> {
    client: &'a Client,
    within: Duration,
}

impl Insisting<'_> {
    pub(super) fn url(&self) -> String {
        self.client.url.clone()
    }

    pub(super) fn find(&self, subject: &str, text: &str) -> Result<Option<Registered>, Error> {
        self.insist(|client| client.find(subject, text))
    }

    pub(super) fn latest(&self, subject: &str) -> Result<Option<Registered>, Error> {
        self.insist(|client| client.latest(subject))
    }

    pub(super) fn register(&self, subject: &str, text: &str) -> Result<u32, Error> {
        self.insist(|client| client.register(subject, text))
    }

    pub(super) fn is_compatible(&self, subject: &str, text: &str) -> Result<Option<bool>, Error> {
        self.insist(|client| client.is_compatible(subject, text))
    }

    fn insist<T>(&self, ask: impl Fn(&Client) -> Result<T, Error>) -> Result<T, Error> {
        let deadline = Instant::now() + self.within;
        let mut pause = AGAIN_AFTER;
        let mut told = String::new();
        loop {
            match ask(self.client) {
                Err(error) if error.may_pass() && Instant::now() + pause < deadline => {
                    // Once for each reason.
                    if told != error.to_string() {
                        told = error.to_string();
                        warn!(%error, "Asking the schema registry again.");
                    }
                    patiently(|| std::thread::sleep(pause));
                    pause = (2 * pause).min(AGAIN_AFTER_MAX);
                }
                other => return other,
            }
        }
    }
}

fn password(path: &Path) -> Result<String, Error> {
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|source| file("password_file", path, source))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// TLS with rustls and ring. Without https it is never used, and nothing is read for it.
fn tls(settings: &Settings) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let is_needed = Url::parse(&settings.url).is_ok_and(|url| url.scheme() == "https");
    match &settings.ca_file {
        Some(path) => {
            let unusable = |source| file("ca_file", path, source);
            let read = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| file("ca_file", path, error))?;
            if read.is_empty() {
                return Err(unusable("it holds no certificate"));
            }
            for certificate in read {
                let added = roots.add(certificate);
                added.map_err(|error| file("ca_file", path, error))?;
            }
        }
        // What cannot be read there is the system's affair; too few roots show in the handshake.
        None if is_needed => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        None => {}
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn file(
    key: &'static str,
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::File {
        key,
        path: path.to_owned(),
        source: source.into(),
    }
}

/// What `error` says, and its sources, without what they say twice.
fn chain(error: &SRCError) -> String {
    let mut why = error.error.clone();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let more = error.to_string();
        if !why.contains(&more) {
            why += &format!(": {more}");
        }
        source = error.source();
    }
    why
}
