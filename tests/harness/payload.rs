//! What devices send in the suites, and where: seed 000's messages, filled in.

/// Topic of a client's status messages in the `draft` dialect.
pub fn status_topic(client: &str) -> String {
    format!("redhat/insights/status/{client}")
}

/// Topic of a client's control messages in the `rhc` dialect.
pub fn control_topic(client: &str) -> String {
    format!("redhat/insights/{client}/control/out")
}

/// Seed 000's host handshake, with its facts, under message id `id`.
pub fn handshake(id: &str) -> String {
    let template = r#"{
    "type": "host-handshake",
    "message_id": "{id}",
    "version": 1,
    "sent": "2020-12-04T17:22:24+00:00",
    "payload": {
        "canonical_facts": {
            "insights_id": "cabb61b6-e61d-4d70-b475-01f5c009e93c",
            "machine_id": "3fb0c7be-89cb-4f19-84b7-94448f40f769",
            "bios_uuid": "3fb0c7be-89cb-4f19-84b7-94448f40f769",
            "subscription_manager_id": "63a12856-a262-4e1e-b562-c099a735ca76",
            "ip_addresses": ["192.168.122.162"],
            "mac_addresses": ["52:54:00:66:ea:9a","00:00:00:00:00:00"],
            "fqdn": "ic-rhel8-dev-thelio"
        }
    }
}"#;
    template.replace("{id}", id)
}

/// Seed 000's offline message.
pub fn offline() -> String {
    offline_with("33390934-7628-49f6-88ea-528ef740c774")
}

/// The same under message id `id`.
pub fn offline_with(id: &str) -> String {
    format!(r#"{{"type": "offline", "message_id": "{id}", "version": 1}}"#)
}

/// A `connection-status` of the `rhc` dialect: `online` or `offline`. A will has the id and the
/// time of its making, so both are fixed.
pub fn rhc_status(client: &str, state: &str) -> String {
    format!(
        r#"{{"type": "connection-status", "message_id": "{client}-{state}", "version": 1,
"sent": "2020-12-04T17:22:24+00:00", "content": {{"state": "{state}",
"canonical_facts": {{"insights_id": "cabb61b6-e61d-4d70-b475-01f5c009e93c"}},
"dispatchers": {{"rhc-worker-playbook": {{}}}}}}}}"#
    )
}

/// The answer of the `rhc` dialect to the ping `id`.
pub fn rhc_pong(id: &str) -> String {
    format!(
        r#"{{"type": "event", "message_id": "pong-{id}", "response_to": "{id}", "version": 1,
"sent": "2020-12-04T17:22:24+00:00", "content": "pong"}}"#
    )
}
