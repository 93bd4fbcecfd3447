//! Does a client get its tenant from the auth gateway, and keep it while the gateway is down?

#![expect(
    clippy::unwrap_used,
    reason = "all of it is a test; clippy knows `#[test]` functions only"
)]

use rollcall_tests::gateway::{Gateway, Mood};
use rollcall_tests::{Dev, Rollcall, eventually, payload};
use serde_json::Value;

/// A node that asks `gateway`, and asks again at once.
fn node(gateway: &Gateway) -> Dev {
    let url = gateway.url();
    Dev::new(&format!(
        "[tenant]\nkind = \"gateway\"\nurl = \"{url}\"\ntimeout = \"500ms\"\nfound_for = \"1ms\"\n\
         unknown_for = \"1ms\"\n[policy]\nlookup_backoff_min = \"50ms\"\n\
         lookup_backoff_max = \"200ms\"\nretry_after = \"500ms\"\ntenant_confirmed_for = \"0s\"\n"
    ))
    .unwrap()
}

fn greet(rollcall: &Rollcall, client: &str, id: &str) {
    rollcall
        .publish_status(client, &payload::handshake(id))
        .unwrap();
}

fn is_known(row: &Value) -> bool {
    row["org_id"] == "10000" && row["lookup"].is_null()
}

#[test]
fn an_outage_of_the_gateway_takes_no_tenant_away_and_ends_by_itself() {
    let gateway = Gateway::start(Mood::Well).unwrap();
    let dev = node(&gateway);
    let rollcall = dev.start().unwrap();
    greet(&rollcall, "early", "m-1");
    let row = rollcall.wait_for_row("early", "known", is_known).unwrap();
    assert_eq!(row["account"], "111000");
    assert_eq!(rollcall.inventory("early").unwrap().len(), 1);

    for (number, mood) in [
        Mood::Broken(503),
        Mood::Broken(401),
        Mood::Astray,
        Mood::Silent,
    ]
    .into_iter()
    .enumerate()
    {
        gateway.be(mood);
        let (asked, late) = (gateway.requests(), format!("late-{number}"));
        greet(&rollcall, "early", &format!("m-2-{number}"));
        greet(&rollcall, &late, "m-1");
        rollcall
            .wait_for_row(&late, "waiting", |row| row["lookup"].is_object())
            .unwrap();
        eventually("the gateway to be asked in vain", || {
            Ok((gateway.requests() > asked).then_some(()))
        })
        .unwrap();
        let row = rollcall.row("early").unwrap().unwrap();
        assert_eq!(row["org_id"], "10000", "{mood:?}: {row}");
        let listed = rollcall.api_list().unwrap();
        assert!(listed.contains(&"early".to_owned()), "{mood:?}: {listed:?}");
        assert!(!listed.contains(&late), "{mood:?}: {listed:?}");
        let row = rollcall.row(&late).unwrap().unwrap();
        assert_eq!(row["org_id"], "", "{mood:?}: {row}");
        assert_eq!(row["tenant_lookup_failure_count"], 0, "{mood:?}: {row}");

        gateway.be(Mood::Well);
        rollcall.wait_for_row(&late, "known", is_known).unwrap();
        eventually("inventory to be told", || {
            Ok((rollcall.inventory(&late)?.len() == 1).then_some(()))
        })
        .unwrap();
        rollcall
            .wait_for_row("early", "confirmed", is_known)
            .unwrap();
    }
}

#[test]
fn the_gateways_own_word_that_a_client_is_nobodys_is_believed() {
    let gateway = Gateway::start(Mood::Well).unwrap();
    let dev = node(&gateway);
    let rollcall = dev.start().unwrap();
    greet(&rollcall, "device-1", "m-1");
    rollcall
        .wait_for_row("device-1", "known", is_known)
        .unwrap();
    gateway.be(Mood::Empty);
    greet(&rollcall, "device-1", "m-2");
    rollcall
        .wait_for_row("device-1", "nobody's", |row| row["org_id"] == "")
        .unwrap();
    eventually("the API to hide it", || {
        Ok(rollcall.api_list()?.is_empty().then_some(()))
    })
    .unwrap();
    gateway.be(Mood::Well);
    rollcall
        .wait_for_row("device-1", "known", is_known)
        .unwrap();
}
