//! One row by hand: what `avro` and the size of a row are measured on.

use rollcall_model::ingress::Dialect;
use rollcall_model::row::{Destination, Kind, Presence, Session};
use rollcall_model::{ClientId, ConnectionRow, Coordinates, Json, Millis, Received, Topic};

/// Facts of a host as yggd 0.2 sends them (anchors/cloud-connector.md, section 1).
const FACTS: &str = concat!(
    r#"{"insights_id":"f8f9e4b7-7c0e-4a70-9e2c-63b2f1c0f6d1","#,
    r#""machine_id":"6d0f5f4f-3d1c-4f0e-8f0b-2b6f8e9a1c3d","#,
    r#""bios_uuid":"ec2d6b0a-53f4-4f0f-9a6e-1b5c8f2e7d41","#,
    r#""subscription_manager_id":"0d2c6b0a-53f4-4f0f-9a6e-1b5c8f2e7d41","#,
    r#""ip_addresses":["10.0.23.118"],"mac_addresses":["52:54:00:6b:3c:59"],"#,
    r#""fqdn":"host-0117.example.com"}"#,
);

/// Identity of a registered host.
const IDENTITY: &str = concat!(
    r#"{"identity":{"type":"System","auth_type":"cert-auth","org_id":"10000","#,
    r#""internal":{"org_id":"10000"},"account_number":"111000","#,
    r#""system":{"cn":"0d2c6b0a-53f4-4f0f-9a6e-1b5c8f2e7d41","cert_type":"system"}}}"#,
);

/// The row of an online host with a known tenant: what a fold reads and writes most.
///
/// Errors: none of the texts is refused, but the constructors are checked ones.
pub fn connection_row() -> Result<ConnectionRow, Box<dyn std::error::Error>> {
    let client_id = ClientId::new("0d2c6b0a-53f4-4f0f-9a6e-1b5c8f2e7d41")?;
    let now = Millis(1_763_700_000_000);
    Ok(ConnectionRow {
        due_at: Some(now + 90_000_000),
        org_id: "10000".to_owned(),
        dialect: Dialect::Rhc,
        kind: Kind::Host,
        presence: Presence::Online,
        session: Session {
            epoch: None,
            connected_at: now,
            online_message_id: "a6a7d866-7de0-409a-84e0-3c56c4171bb7".to_owned(),
            online_sent: Some(now - 120),
            received: Received {
                at: now - 20,
                bridge: 0x9e37_79b9_7f4a_7c15,
                order: 1_767_225_600_000_000,
            },
            outlived_sent: None,
            cause: Coordinates {
                topic: Topic::Status,
                partition: 7,
                offset: 1_234_567,
            },
        },
        guard: (1..=8u64)
            .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .collect(),
        last_activity_at: now,
        heard: Some(Received {
            at: now,
            bridge: 0x9e37_79b9_7f4a_7c15,
            order: 1_767_225_600_000_000,
        }),
        offline: None,
        unverified_received: None,
        unverified_at: None,
        probed_at: None,
        no_subscriber_count: 0,
        account: "111000".to_owned(),
        identity: Some(Json::new(IDENTITY)?),
        tenant_confirmed_at: Some(now + 300),
        tenant_lookup_timestamp: None,
        tenant_lookup_failure_count: 0,
        lookup: None,
        inventory_owed: None,
        canonical_facts: Some(Json::new(FACTS)?),
        dispatchers: Some(Json::new(
            r#"{"rhc-worker-playbook":{},"package-manager":{}}"#,
        )?),
        tags: None,
        catalog_service_facts: None,
        client_name: "yggd".to_owned(),
        client_version: "0.2.3".to_owned(),
        stale_timestamp: now + 93_600_000,
        refreshed_at: Some(now + 300),
        destination: Destination {
            mqtt_topic: format!("redhat/insights/{client_id}/data/in"),
            ..Destination::default()
        },
        client_id,
        revision: 3,
        updated_at: now + 300,
    })
}
