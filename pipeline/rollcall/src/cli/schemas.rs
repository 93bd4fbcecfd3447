//! What `rollcall schemas` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What both end with: the lines that a configuration needs for it.
const HELP: &str = "\
Without a registry, values on Kafka are in Avro single-object encoding. With one they are in its
wire format: 0x00, the id of the schema, the body. Each topic has a subject of its own, the
topic's name and `-value`. In the configuration:

  [log]
  kind = \"kafka\"
  [registry]
  url = \"http://localhost:8081\"
  username = \"rollcall\"                        # only where it asks who you are
  password_file = \"/etc/rollcall/registry\"

`rollcall run` needs every subject to be registered, and refuses to start without; with
`register = true` it registers what is missing itself.

Example: rollcall schemas register --config rollcall.toml";

#[derive(Debug, Subcommand)]
pub(crate) enum Schemas {
    /// Print subject, id, version and state of each schema: exit code 0 when all of them are
    /// registered and fit what stands beside them, else 1. Changes nothing
    #[command(after_help = HELP)]
    Check(SchemasOf),
    /// Register what is missing, and print the same; what is there stays as it is
    #[command(after_help = HELP)]
    Register(SchemasOf),
}

#[derive(Debug, Args)]
pub(crate) struct SchemasOf {
    /// Configuration file (TOML) with `[registry] url`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}
