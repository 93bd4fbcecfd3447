//! One command a file. Each gives an [`Outcome`]; `main` turns it into text and an exit code.

pub(crate) mod config;
pub(crate) mod connections;
pub(crate) mod dev;
pub(crate) mod dlq;
pub(crate) mod fleet;
pub(crate) mod import;
pub(crate) mod rebuild;
pub(crate) mod run;
pub(crate) mod schemas;
pub(crate) mod send;
pub(crate) mod tail;
pub(crate) mod tenants;
pub(crate) mod topics;

mod node;
mod source;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Asked in a way that cannot work: exit code 2.
    Usage(String),
    /// Tried and failed: exit code 1.
    Failed(anyhow::Error),
    /// The answer is no, and it has been printed: exit code 1.
    Told,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Failed(error)
    }
}

impl From<crate::config::Invalid> for Failure {
    fn from(error: crate::config::Invalid) -> Self {
        Failure::Usage(error.to_string())
    }
}

impl From<rollcall_api::ConfigError> for Failure {
    fn from(error: rollcall_api::ConfigError) -> Self {
        Failure::Usage(error.to_string())
    }
}

impl From<rollcall_tenant::ConfigError> for Failure {
    fn from(error: rollcall_tenant::ConfigError) -> Self {
        use rollcall_tenant::ConfigError as Error;
        match error {
            // What a tenant file holds, or what a library cannot do, is no word of the command's.
            Error::File(_) | Error::Client { .. } => {
                Failure::Failed(anyhow::Error::from(error).context("[tenant]"))
            }
            Error::NoFile
            | Error::NoUrl
            | Error::Url { .. }
            | Error::Zero { .. }
            | Error::Bound { .. }
            | Error::Certificates { .. } => {
                Failure::Usage(format!("{:#}", anyhow::Error::from(error)))
            }
        }
    }
}

/// What a command gives back.
pub(crate) type Outcome = Result<(), Failure>;
