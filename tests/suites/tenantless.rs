//! Is a client without a tenant kept from inventory and API, and known as soon as its tenant is?

use serde_json::Value;

use rollcall_model::Topic;
use rollcall_tests::{Dev, eventually, payload};

/// Retries at once, so that the suite does not sit through half an hour.
const POLICY: &str = "[policy]\nretry_after = \"500ms\"\nlookup_backoff_min = \"100ms\"\n\
                      lookup_backoff_max = \"200ms\"\n";

/// Online, without a tenant, and the look-up of its registration has been answered.
fn is_tenantless(row: &Value) -> bool {
    row["presence"] == "online" && row["org_id"] == "" && row["lookup"].is_null()
}

#[test]
fn a_tenantless_client_is_seen_by_the_operator_only() {
    let dev = Dev::new("").unwrap();
    let rollcall = dev.start().unwrap();
    let (client, other) = ("tenantless-1", "device-1");
    rollcall
        .publish_status(client, &payload::handshake("id-1"))
        .unwrap();
    let row = rollcall
        .wait_for_row(client, "tenantless", is_tenantless)
        .unwrap();
    assert!(!row["tenant_lookup_timestamp"].is_null(), "{row}");
    assert_eq!(row["account"], "");

    // Another client that does get through: what it shows, the tenantless one could have shown.
    rollcall
        .publish_status(other, &payload::handshake("id-2"))
        .unwrap();
    rollcall
        .wait_for_row(other, "known", |row| row["org_id"] == "10000")
        .unwrap();
    let mut listed = Vec::new();
    eventually("the API to list the other client", || {
        listed = rollcall.api_list()?;
        Ok(listed.iter().any(|id| id == other).then_some(()))
    })
    .unwrap();
    assert_eq!(listed, [other]);
    assert_eq!(
        rollcall.api_status(client).unwrap()["status"],
        "disconnected"
    );
    assert_eq!(rollcall.inventory(other).unwrap().len(), 1);
    assert_eq!(rollcall.inventory(client).unwrap().len(), 0);
    assert_eq!(rollcall.events(client).unwrap(), ["connected"]);
    let shown = rollcall.ops("/ops/connections").unwrap().body;
    assert!(
        shown.contains(client),
        "the operator's list lacks {client}: {shown}"
    );
}

#[test]
fn a_client_that_the_tenant_file_names_later_becomes_known() {
    let dev = Dev::with_tenants(POLICY, "{}").unwrap();
    let rollcall = dev.start().unwrap();
    let client = "tenantless-2";
    rollcall
        .publish_status(client, &payload::handshake("id-1"))
        .unwrap();
    rollcall
        .wait_for_row(client, "tenantless", is_tenantless)
        .unwrap();
    assert_eq!(rollcall.inventory(client).unwrap().len(), 0);

    let named = format!(r#"{{"{client}": {{"accountId": "111000", "orgId": "10000"}}}}"#);
    dev.write_tenants(&named).unwrap();
    let row = rollcall
        .wait_for_row(client, "known", |row| row["org_id"] == "10000")
        .unwrap();
    assert_eq!(row["account"], "111000");
    assert!(row["tenant_lookup_timestamp"].is_null(), "{row}");
    assert_eq!(row["tenant_lookup_failure_count"], 0);
    rollcall
        .wait_for_events(client, &["connected", "tenant-found"])
        .unwrap();
    assert_eq!(rollcall.inventory(client).unwrap().len(), 1);
    eventually("the API to list it", || {
        Ok((rollcall.api_list()? == [client]).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_failed_retry_is_counted() {
    let dev = Dev::with_tenants(POLICY, "{}").unwrap();
    let rollcall = dev.start().unwrap();
    let client = "nobodys";
    rollcall
        .publish_status(client, &payload::handshake("id-1"))
        .unwrap();
    let row = rollcall
        .wait_for_row(client, "refused twice", |row| {
            row["tenant_lookup_failure_count"].as_u64() >= Some(2)
        })
        .unwrap();
    assert_eq!(row["org_id"], "");
    let asked = rollcall.records_of(Topic::Tenantless, client).unwrap();
    let why = |record: &Value| record["value"]["why"].as_str().unwrap().to_owned();
    assert_eq!(why(&asked[0]), "registration");
    assert!(
        asked[1..].iter().all(|record| why(record) == "retry"),
        "{asked:?}"
    );
}

#[test]
fn an_outage_is_no_answer() {
    let client = "somebodys";
    let down = format!(r#"{{"{client}": {{"error": "the gateway is down"}}}}"#);
    let dev = Dev::with_tenants(POLICY, &down).unwrap();
    let rollcall = dev.start().unwrap();
    rollcall
        .publish_status(client, &payload::handshake("id-1"))
        .unwrap();
    let asked_again = |row: &Value| row["lookup"]["attempt"].as_u64() >= Some(3);
    let row = rollcall
        .wait_for_row(client, "asked three times", asked_again)
        .unwrap();
    assert_eq!(
        row["tenant_lookup_failure_count"], 0,
        "an outage is no failure of the client"
    );
    let asked = rollcall.records_of(Topic::Tenantless, client).unwrap();
    let id = |record: &Value| record["value"]["lookup_id"].clone();
    assert!(
        asked.iter().all(|record| id(record) == id(&asked[0])),
        "the id is kept: {asked:?}"
    );

    let up = format!(r#"{{"{client}": {{"accountId": "111000", "orgId": "10000"}}}}"#);
    dev.write_tenants(&up).unwrap();
    rollcall
        .wait_for_row(client, "known", |row| row["org_id"] == "10000")
        .unwrap();
    rollcall
        .wait_for_events(client, &["connected", "tenant-found"])
        .unwrap();
    assert_eq!(rollcall.inventory(client).unwrap().len(), 1);
}
