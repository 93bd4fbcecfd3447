//! What a tenant file means, what is refused, and what happens when it changes under the resolver.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use rollcall_log::{Clock, ManualClock};
use rollcall_model::event::TenantOutcome;
use rollcall_model::host::Identity;
use rollcall_model::{ClientId, Millis};
use rollcall_schemas::identity;
use tempfile::TempDir;

use super::support::due;
use crate::static_file::CHECK_INTERVAL_MS;
use crate::{Config, ConfigError, FileError, Kind, Source};

const GOOD: &str = r#"{
  "c-1": {"accountId": "111", "orgId": "222"},
  "c-2": {"error": "gateway says 503"},
  "c-3": {"orgId": "333"},
  "tenantless-7": {"accountId": "1", "orgId": "7"}
}"#;

struct Place {
    _folder: TempDir,
    path: PathBuf,
    clock: Arc<ManualClock>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenants.json");
        Self {
            _folder: folder,
            path,
            clock: Arc::new(ManualClock::at(Millis(1_000_000))),
        }
    }

    fn with(text: &str) -> Self {
        let place = Self::new();
        place.write(text);
        place
    }

    /// Replaces the file as an editor does: the inode tells the states apart however fast the test
    /// is.
    fn write(&self, text: &str) {
        let next = self.path.with_extension("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, &self.path).unwrap();
    }

    fn config(&self) -> Config {
        Config {
            kind: Kind::Static,
            file: Some(self.path.clone()),
            ..Config::default()
        }
    }

    fn open(&self) -> Result<Arc<dyn Source>, ConfigError> {
        self.config().open(self.clock.clone())
    }

    fn open_dev(&self) -> Arc<dyn Source> {
        self.config()
            .open_dev(self.clock.clone() as Arc<dyn Clock>)
            .unwrap()
    }

    fn pass_interval(&self) {
        self.clock.advance(CHECK_INTERVAL_MS);
    }
}

fn ask(source: &Arc<dyn Source>, client: &str) -> TenantOutcome {
    source
        .look_up(&due(client))
        .now_or_never()
        .expect("a file answers at once")
}

fn found(client: &str, org_id: &str, account: &str) -> TenantOutcome {
    TenantOutcome::Found {
        org_id: org_id.to_owned(),
        account: account.to_owned(),
        identity: identity::system(&ClientId::new(client).unwrap(), org_id, account),
    }
}

fn unavailable(cause: &str) -> TenantOutcome {
    TenantOutcome::Unavailable {
        cause: cause.to_owned(),
    }
}

#[test]
fn a_file_answers_found_unavailable_and_unknown() {
    let source = Place::with(GOOD).open().unwrap();
    assert_eq!(ask(&source, "c-1"), found("c-1", "222", "111"));
    assert_eq!(ask(&source, "c-2"), unavailable("gateway says 503"));
    assert_eq!(ask(&source, "c-3"), found("c-3", "333", ""));
    assert_eq!(ask(&source, "c-4"), TenantOutcome::Unknown);
}

#[test]
fn the_identity_is_one_that_inventory_takes() {
    let uuid = "8a823918-f801-474c-9f79-7cc7e9d79a7f";
    let text = format!(r#"{{"edge-1": {{"orgId": "222"}}, "{uuid}": {{"orgId": "222"}}}}"#);
    let source = Place::with(&text).open().unwrap();
    for (client, kind, cn) in [("edge-1", "User", None), (uuid, "System", Some(uuid))] {
        let TenantOutcome::Found { identity, .. } = ask(&source, client) else {
            panic!("{client} has a tenant");
        };
        assert_eq!(Identity::read(&identity).check("222"), Ok(()));
        let identity = &identity.value()["identity"];
        assert_eq!(identity["org_id"], "222");
        assert_eq!(identity["type"], kind);
        assert_eq!(identity["auth_type"], "cert-auth");
        assert_eq!(identity["system"]["cn"].as_str(), cn);
    }
}

/// Checks that `text` is refused with `line` and, in the chain, every one of `parts`.
fn check_refused(text: &str, line: usize, parts: &[&str]) {
    let place = Place::with(text);
    let Err(ConfigError::File(error)) = place.open() else {
        panic!("accepted: {text}");
    };
    let FileError::Shape { line: found, .. } = &error else {
        panic!("another refusal: {error}");
    };
    assert_eq!(*found, line, "{}", error.chain());
    let chain = error.chain();
    assert!(chain.contains(&place.path.display().to_string()), "{chain}");
    for part in parts {
        assert!(chain.contains(part), "`{part}` is not in: {chain}");
    }
}

#[test]
fn a_broken_file_is_refused_with_its_line() {
    check_refused("", 1, &["EOF"]);
    check_refused("{\n\"c-1\": {\"orgId\": \"1\"", 2, &["EOF"]);
    check_refused("[]", 1, &["an object with a member per client id"]);
    check_refused("{\n\n\"c-1\": {\"orgid\": \"1\"}}", 3, &["orgid", "orgId"]);
    check_refused("{\n\"c-1\": {\"orgId\": 1}}", 2, &["invalid type"]);
    check_refused("{\n\"c-1\": {\"accountId\": \"1\"}}", 2, &["neither"]);
    check_refused(
        "{\n\"c-1\": {\"orgId\": \"1\", \"error\": \"x\"}}",
        2,
        &["both"],
    );
    check_refused(
        "{\n\"c-1\": {\"accountId\": \"1\", \"error\": \"x\"}}",
        2,
        &["both"],
    );
    check_refused(
        "{\"a\": {\"orgId\": \"1\"},\n\"a\": {\"orgId\": \"2\"}}",
        2,
        &["named twice"],
    );
    check_refused("{\n\"a/b\": {\"orgId\": \"1\"}}", 2, &["client id holds"]);
}

#[test]
fn a_missing_file_is_refused_with_a_remedy() {
    let place = Place::new();
    let error = place.open().err().unwrap().to_string();
    assert!(
        error.contains("tenants.json") && error.contains("create it"),
        "{error}"
    );
}

#[test]
fn a_static_source_without_a_file_is_refused() {
    assert!(matches!(
        Config::default().check(),
        Err(ConfigError::NoFile)
    ));
    assert!(Place::new().config().check().is_ok());
}

#[test]
fn a_change_is_seen_after_the_interval_and_not_before() {
    let place = Place::with(GOOD);
    let source = place.open().unwrap();
    place.write(r#"{"c-1": {"orgId": "999"}}"#);
    place.clock.advance(CHECK_INTERVAL_MS - 1);
    assert_eq!(ask(&source, "c-1"), found("c-1", "222", "111"));
    place.clock.advance(1);
    assert_eq!(ask(&source, "c-1"), found("c-1", "999", ""));
    assert_eq!(ask(&source, "c-2"), TenantOutcome::Unknown);
}

#[test]
fn a_change_is_seen_although_the_clock_was_set_back() {
    let place = Place::with(GOOD);
    let source = place.open().unwrap();
    place.write("{}");
    place.clock.advance(-CHECK_INTERVAL_MS * 100);
    assert_eq!(ask(&source, "c-1"), TenantOutcome::Unknown);
}

#[test]
fn a_file_that_turns_broken_or_goes_leaves_the_last_good_content() {
    let place = Place::with(GOOD);
    let source = place.open().unwrap();
    for broken in ["{", r#"{"c-1": {}}"#] {
        place.write(broken);
        place.pass_interval();
        assert_eq!(ask(&source, "c-1"), found("c-1", "222", "111"));
    }
    fs::remove_file(&place.path).unwrap();
    place.pass_interval();
    assert_eq!(ask(&source, "c-2"), unavailable("gateway says 503"));
    place.write(r#"{"c-1": {"orgId": "5"}}"#);
    place.pass_interval();
    assert_eq!(ask(&source, "c-1"), found("c-1", "5", ""));
}

#[test]
fn dev_rules_answer_without_a_file() {
    let source = Config::default().open_dev(Place::new().clock).unwrap();
    assert_eq!(ask(&source, "c-1"), found("c-1", "10000", "111000"));
    assert_eq!(ask(&source, "tenantless-7"), TenantOutcome::Unknown);
    assert!(matches!(
        ask(&source, "unavailable-7"),
        TenantOutcome::Unavailable { .. }
    ));
}

#[test]
fn dev_follows_a_file_that_appears_changes_and_goes() {
    let place = Place::new();
    let source = place.open_dev();
    assert_eq!(ask(&source, "tenantless-7"), TenantOutcome::Unknown);
    place.write(GOOD);
    place.pass_interval();
    assert_eq!(
        ask(&source, "tenantless-7"),
        found("tenantless-7", "7", "1")
    );
    assert_eq!(ask(&source, "c-2"), unavailable("gateway says 503"));
    assert_eq!(ask(&source, "c-9"), found("c-9", "10000", "111000"));
    place.write("{ broken");
    place.pass_interval();
    assert_eq!(
        ask(&source, "tenantless-7"),
        found("tenantless-7", "7", "1")
    );
    fs::remove_file(&place.path).unwrap();
    place.pass_interval();
    assert_eq!(ask(&source, "tenantless-7"), TenantOutcome::Unknown);
}

#[test]
fn dev_refuses_a_file_that_is_broken_at_start() {
    let place = Place::with("{ broken");
    let refused = place.config().open_dev(place.clock.clone());
    assert!(matches!(refused, Err(FileError::Shape { line: 1, .. })));
}
