//! Certificates for servers on loopback, made by `openssl` when a test starts.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// A self-signed authority: `<name>.pem` and `<name>.key` in `folder`.
pub fn authority(folder: &Path, name: &str) -> anyhow::Result<()> {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key \
             -out {name}.pem"
        ),
    )
}

/// A certificate for 127.0.0.1 that `authority` signs: `<name>.pem` and `<name>.key` in `folder`.
pub fn signed(folder: &Path, authority: &str, name: &str) -> anyhow::Result<()> {
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1")?;
    request(folder, name)?;
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial \
             -days 2 -extfile names -out {name}.pem"
        ),
    )
}

/// As [`signed`], of a certificate that was valid on one day long ago.
pub fn expired(folder: &Path, authority: &str, name: &str) -> anyhow::Result<()> {
    // `x509` gives no certificate of the past; `ca` does, and keeps books about it.
    let book = "[ca]\ndefault_ca = c\n[c]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n\
                default_md = sha256\npolicy = p\nx509_extensions = x\n[p]\n\
                commonName = supplied\n[x]\nsubjectAltName = IP:127.0.0.1\n";
    for (file, text) in [("ca.conf", book), ("index", ""), ("serial", "01\n")] {
        std::fs::write(folder.join(file), text)?;
    }
    request(folder, name)?;
    openssl(
        folder,
        &format!(
            "ca -batch -notext -config ca.conf -cert {authority}.pem -keyfile {authority}.key \
             -startdate 20200101000000Z -enddate 20200102000000Z -in {name}.csr -out {name}.pem"
        ),
    )
}

/// A key, and what is to be signed: `<name>.key` and `<name>.csr` in `folder`.
fn request(folder: &Path, name: &str) -> anyhow::Result<()> {
    openssl(
        folder,
        &format!("req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"),
    )
}

fn openssl(folder: &Path, line: &str) -> anyhow::Result<()> {
    let output = Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(folder)
        .output()
        .context("run openssl; install it: apt-get install -y openssl (`make setup`)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "openssl {line}: {said}");
    Ok(())
}
