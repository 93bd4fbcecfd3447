//! What devices say of themselves: plausible, and the same for the same seed and number.

use serde_json::{Value, json};

use crate::plan::{Identity, Kind};

/// Purpose of the draws in [`Identity::dice`].
const FACTS: u64 = 1;

/// `canonical_facts` of a host, with the keys that Cloud Connector knows.
pub(crate) fn canonical(who: &Identity) -> Value {
    let mut dice = who.dice(FACTS);
    let insights_id = dice.uuid();
    let machine_id = dice.uuid();
    let subscription = dice.uuid();
    let [_, high, middle, low] = who.index.to_be_bytes();
    let mac = dice.below(1 << 24).to_be_bytes();
    let subscription = match who.kind {
        // yggd connects with the id of its subscription.
        Kind::Yggd02 | Kind::Yggd04 => who.client_id.clone(),
        Kind::Host { .. } | Kind::Proxy => subscription.to_string(),
    };
    json!({
        "insights_id": insights_id,
        "machine_id": machine_id,
        "bios_uuid": machine_id,
        "subscription_manager_id": subscription,
        "ip_addresses": [format!("10.{high}.{middle}.{low}")],
        "mac_addresses": [
            format!("52:54:00:{:02x}:{:02x}:{:02x}", mac[5], mac[6], mac[7]),
            "00:00:00:00:00:00",
        ],
        "fqdn": format!("{}.fleet.example", who.client_id),
    })
}

/// Facts of yggd 0.2's will: nothing is known when it is made.
pub(crate) fn empty_canonical() -> Value {
    json!({
        "insights_id": "", "machine_id": "", "bios_uuid": "", "subscription_manager_id": "",
        "ip_addresses": null, "mac_addresses": null, "fqdn": "",
    })
}

/// `catalog_service_facts` of a proxy.
pub(crate) fn catalog(who: &Identity) -> Value {
    let mut dice = who.dice(FACTS);
    let sources = ["ansible-tower", "satellite", "openshift"];
    json!({
        "source_type": sources[dice.below(3) as usize],
        "application_type": "/insights/platform/catalog",
    })
}

/// Dispatchers of a host whose workers have registered.
pub(crate) fn dispatchers(who: &Identity) -> Value {
    let mut dice = who.dice(FACTS);
    let mut dispatchers = json!({
        "rhc-worker-playbook": { "ansible-runner-version": "2.3.6", "version": "0.1.9" },
        "package-manager": {},
    });
    if dice.chance(0.2) {
        dispatchers["rhc-worker-script"] = json!({ "version": "0.7" });
    }
    dispatchers
}

/// Tags of a host.
pub(crate) fn tags(who: &Identity) -> Value {
    let mut dice = who.dice(FACTS);
    let environments = ["production", "staging", "development"];
    json!({ "environment": environments[dice.below(3) as usize] })
}
