//! Why the resolver stopped, and why a tenant file is refused.

use std::path::PathBuf;

use rollcall_schemas::tenant_file::ShapeError;

/// Why the resolver stopped. Never the fault of a record: those become dead letters.
pub type Error = rollcall_log::StageError;

/// Why `[tenant]` is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The `static` source needs a file.
    #[error("[tenant] kind = \"static\" names no file; set [tenant] file")]
    NoFile,
    /// The file is missing or broken.
    #[error(transparent)]
    File(#[from] FileError),
    /// The `gateway` source needs to know where it is.
    #[error("[tenant] kind = \"gateway\" names no gateway; set [tenant] url")]
    NoUrl,
    /// That is no place to ask at.
    #[error("[tenant] url = {text:?}: give http://HOST[:PORT]/PATH or https://…")]
    Url {
        /// What was given.
        text: String,
    },
    /// With nothing of it nobody would ever be asked.
    #[error("[tenant] {key} = 0: give at least 1")]
    Zero {
        /// The key.
        key: &'static str,
    },
    /// So much of it makes no sense.
    #[error("[tenant] {key} = {given}: {remedy}")]
    Bound {
        /// The key.
        key: &'static str,
        /// What was given.
        given: String,
        /// What can be given.
        remedy: String,
    },
    /// Certificates cannot be read.
    #[error("[tenant] ca_file {}: cannot be used", .path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The HTTP client cannot be made.
    #[error("cannot set up HTTP for the auth gateway")]
    Client {
        /// What the library said.
        #[source]
        source: reqwest::Error,
    },
}

/// Why a tenant file is refused. At start this stops the process; later the last good content
/// stays.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read the tenant file {}; create it, or correct [tenant] file", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than a tenant file may be.
    #[error(
        "tenant file {} has {bytes} bytes, more than {bytes_max}; look tenants up elsewhere",
        .path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes found.
        bytes: u64,
        /// Bytes allowed.
        bytes_max: u64,
    },
    /// It is not of the deployed shape.
    #[error(
        "tenant file {} is broken at line {line}, column {column}; every entry reads \
         \"client id\": {{\"accountId\": \"…\", \"orgId\": \"…\"}} or {{\"error\": \"…\"}}",
        .path.display()
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 when the line is empty.
        column: usize,
        /// What is wrong there.
        #[source]
        source: ShapeError,
    },
}

impl FileError {
    /// The error with its causes on one line, for a log field.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }
}
