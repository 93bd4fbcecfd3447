//! PostgreSQL as a child process on a free port in a temporary folder, as the deployed system uses
//! it; stopped by its process id. A server that the Debian package may have started is not touched.
//!
//! It refuses to run as root: then it runs as `nobody`.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use crate::certificates;
use crate::lines::Lines;
use crate::wait::eventually;

/// The deployed table (anchors/cloud-connector.md section 3), as its migrations leave it.
pub const CONNECTIONS: &str = "\
CREATE TABLE connections (
  id serial PRIMARY KEY,
  account varchar(10),
  client_id varchar(100) NOT NULL,
  dispatchers jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  canonical_facts jsonb NOT NULL DEFAULT '{}',
  stale_timestamp timestamptz NOT NULL DEFAULT now(),
  tags jsonb,
  message_id varchar(40),
  message_sent timestamptz NOT NULL DEFAULT now(),
  org_id varchar(20) NOT NULL,
  tenant_lookup_failure_count int DEFAULT 0,
  tenant_lookup_timestamp timestamptz);
CREATE INDEX ON connections (client_id);
CREATE INDEX ON connections (org_id);
CREATE INDEX ON connections USING gin (canonical_facts);
CREATE INDEX ON connections USING gin (tags);
";

/// Who it runs as when the tests are root's.
const NOBODY: &str = "nobody";

/// A running server; stopped when dropped.
pub struct Postgres {
    address: SocketAddr,
    child: Child,
    said: Lines,
    /// Last, so that it goes after the process that writes into it.
    folder: tempfile::TempDir,
}

impl Postgres {
    /// Starts one with an empty database, and waits until it answers.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(false)
    }

    /// The same, which lets nobody in without TLS; see [`Postgres::ca_file`].
    pub fn secured() -> anyhow::Result<Self> {
        Self::start_with(true)
    }

    fn start_with(is_secured: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir()?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        let is_root = fs::metadata(&data)?.uid() == 0;
        if is_root {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
            chown(&data, Some(id("-u")?), Some(id("-g")?)).context("hand over its folder")?;
        }
        let mut initdb = command("initdb", is_root)?;
        initdb.arg("-D").arg(&data).args(["-U", "postgres"]);
        initdb.args(["-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let made = initdb.output().with_context(missing)?;
        let said = String::from_utf8_lossy(&made.stderr);
        anyhow::ensure!(made.status.success(), "initdb: {said}");
        if is_secured {
            secure(folder.path(), &data, is_root)?;
        }
        // Free now; nobody else asks for one by number.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut postgres = command("postgres", is_root)?;
        postgres.arg("-D").arg(&data);
        postgres.args(["-h", "127.0.0.1", "-p", &address.port().to_string()]);
        postgres.args(["-c", "unix_socket_directories=", "-c", "fsync=off"]);
        postgres.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = postgres.spawn().with_context(missing)?;
        let said = Lines::default();
        said.collect(child.stderr.take().context("its errors")?);
        let mut server = Self {
            address,
            child,
            said,
            folder,
        };
        eventually("postgres to answer", || {
            if let Some(status) = server.child.try_wait()? {
                anyhow::bail!("it ended with {status}");
            }
            server.run("SELECT 1").map(Some)
        })
        .with_context(|| format!("postgres said:\n{}", server.said.tail()))?;
        Ok(server)
    }

    /// Who vouches for its certificate, after [`Postgres::secured`].
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What a client connects with.
    pub fn url(&self) -> String {
        format!("postgresql://postgres@{}/postgres", self.address)
    }

    /// Runs statements; gives the columns of what they say, unaligned.
    pub fn run(&self, statements: &str) -> anyhow::Result<String> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", &self.url()]);
        psql.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = psql.spawn().with_context(missing)?;
        if let Some(mut input) = child.stdin.take() {
            // A client that was refused closes its end; what it says then is in its output.
            let _ = input.write_all(statements.as_bytes());
        }
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "psql: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT: it ends its sessions and itself. It may have ended already.
        let id = self.child.id().to_string();
        let _ = Command::new("sh")
            .args(["-c", "kill -INT \"$1\"", "sh", &id])
            .status();
        let _ = self.child.wait();
    }
}

/// Gives the server a certificate, and has it refuse whoever speaks no TLS.
fn secure(folder: &Path, data: &Path, is_root: bool) -> anyhow::Result<()> {
    certificates::authority(folder, "ca")?;
    certificates::signed(folder, "ca", "server")?;
    for (made, name) in [("server.pem", "server.crt"), ("server.key", "server.key")] {
        let file = data.join(name);
        fs::copy(folder.join(made), &file)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        if is_root {
            chown(&file, Some(id("-u")?), Some(id("-g")?))?;
        }
    }
    fs::write(
        data.join("pg_hba.conf"),
        "hostssl all all 127.0.0.1/32 trust\n",
    )?;
    let mut settings = fs::OpenOptions::new()
        .append(true)
        .open(data.join("postgresql.conf"))?;
    settings.write_all(b"ssl = on\n").context("switch TLS on")
}

/// A program of the server, as somebody it may run as.
fn command(name: &str, is_root: bool) -> anyhow::Result<Command> {
    let program = program(name);
    let mut command = match is_root {
        false => Command::new(&program),
        true => {
            let mut command = Command::new("setpriv");
            let ids = [
                format!("--reuid={}", id("-u")?),
                format!("--regid={}", id("-g")?),
            ];
            command.args(ids).arg("--clear-groups").arg(&program);
            command
        }
    };
    command.stdin(Stdio::null()).current_dir("/");
    // Whose name and language it is must not matter.
    command.env("LC_ALL", "C");
    Ok(command)
}

/// Debian keeps each version's programs in a folder of its own; the newest is taken.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.flatten().map(|entry| entry.path());
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let found = versions.max_by_key(|path| number(path));
    let found = found.map(|version| version.join("bin").join(name));
    let found = found.filter(|program| program.is_file());
    found.unwrap_or_else(|| name.into())
}

fn missing() -> String {
    "start postgres; install it: apt-get install -y postgresql (`make setup`)".to_owned()
}

fn id(flag: &str) -> anyhow::Result<u32> {
    let output = Command::new("id").args([flag, NOBODY]).output()?;
    let text = String::from_utf8(output.stdout)?;
    text.trim()
        .parse()
        .with_context(|| format!("id {flag} {NOBODY}"))
}
