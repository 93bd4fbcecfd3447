//! What `rollcall tenants` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

use super::Target;

/// Why clients have no tenant.
const CAUSES: [&str; 4] = ["unanswered", "pending", "unknown", "exhausted"];

#[derive(Debug, Subcommand)]
pub(crate) enum Tenants {
    /// Show connected clients without a tenant: why, and since when
    #[command(after_help = "Example: rollcall tenants list --older-than 2h\n\
Causes: unanswered = the look-up of its online has no answer yet; unknown = it is nobody's and \
will be retried; pending = a retry is under way; exhausted = it failed too often and is ignored \
until a new session, or until `retry`.")]
    List(ListTenantless),
    /// Have clients looked up now: also those that failed too often, or to confirm a tenant
    #[command(
        after_help = "Examples: rollcall tenants retry --all-exhausted --dry-run\n          \
rollcall tenants retry --client host-1 --client host-2\n\
A look-up that is under way is left to its answer. However many are asked for: the resolver asks \
at its own rate ([tenant] rate_per_second), and what it heard a moment ago ([tenant] found_for, \
unknown_for) it says again. Exit code 1 when a client had to be left."
    )]
    Retry(RetryTenants),
    /// Say whose clients are, as a directory does: no look-up is asked
    #[command(after_help = "Example: rollcall tenants assign --file clients.csv\n\
A .csv file has a first line with client_id,org_id and, if wanted, account; a .jsonl file has an \
object with these names, and perhaps identity (the x-rh-identity document), on each line. Lines \
that are refused are told with their number, the others count. Clients without a row are refused: \
assign them when they have connected. Exit code 1 when a line was refused.")]
    Assign(Assign),
    /// Say that clients are nobody's, as a directory does
    #[command(after_help = "Example: rollcall tenants remove --client host-1\n\
A file is as for `assign`; only client_id counts. They are looked up again like any client without \
a tenant: what the look-up service says of them counts then.")]
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(crate) struct ListTenantless {
    /// Only those with this cause
    #[arg(long, value_name = "CAUSE", value_parser = CAUSES, conflicts_with = "exhausted")]
    pub(crate) cause: Option<String>,
    /// Only those that failed too often
    #[arg(long)]
    pub(crate) exhausted: bool,
    /// Only those whose session began longer ago than this, e.g. 2h
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) older_than: Option<Duration>,
    /// At most this many [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// One JSON document a line, whole
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["clients", "org", "all_exhausted"]).required(true)))]
pub(crate) struct RetryTenants {
    /// A client, each with its own --client
    #[arg(long = "client", value_name = "ID")]
    pub(crate) clients: Vec<String>,
    /// All connected clients of this organisation: are they still its?
    #[arg(long, value_name = "ORG_ID")]
    pub(crate) org: Option<String>,
    /// All that failed too often
    #[arg(long)]
    pub(crate) all_exhausted: bool,
    /// Say who would be asked for, and ask for nobody
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Assign {
    /// Clients and their organisations, .csv or .jsonl
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Say what would be assigned, and assign nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").args(["clients", "file"]).required(true)))]
pub(crate) struct Remove {
    /// A client, each with its own --client
    #[arg(long = "client", value_name = "ID")]
    pub(crate) clients: Vec<String>,
    /// Clients, .csv or .jsonl
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}
