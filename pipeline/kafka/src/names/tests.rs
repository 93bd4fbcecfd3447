//! Names on the broker, and the way back.

use super::*;

#[test]
fn every_topic_is_found_by_its_name() {
    let names = Names::new("fleet-1.");
    for topic in Topic::ALL {
        let name = names.topic(topic);
        assert_eq!(name, format!("fleet-1.{topic}"));
        assert_eq!(names.find(name.as_bytes()), Some(topic));
        assert_eq!(names.find(topic.to_string().as_bytes()), None);
    }
    assert_eq!(names.find(b"fleet-1."), None);
    assert_eq!(names.find(b"fleet-2.status"), None);
    assert_eq!(Names::new("").find(b"status"), Some(Topic::Status));
}

#[test]
fn inventory_may_be_somebody_elses() {
    let (other, topic) = ("platform.inventory.host-ingress", Topic::Inventory);
    let names = Names::new("p.").with_inventory(other);
    assert_eq!(names.topic(topic), other);
    assert_eq!(names.find(other.as_bytes()), Some(topic));
    assert_eq!(names.find(b"p.inventory"), None);
    for topic in Topic::ALL {
        assert_eq!(names.is_ours(topic), topic != Topic::Inventory);
        assert_eq!(names.find(names.topic(topic).as_bytes()), Some(topic));
    }
    let names = Names::new("p.").with_inventory("");
    assert_eq!(
        (names.topic(topic), names.is_ours(topic)),
        ("p.inventory", true)
    );
    let names = Names::new("p.").with_inventory("p.inventory");
    assert!(names.is_ours(topic));
}

#[test]
fn prefixes_keep_deployments_apart() {
    let (one, two) = (Names::new("one."), Names::new("two."));
    assert_eq!(one.group("processor"), "one.processor");
    assert_ne!(one.group("processor"), two.group("processor"));
    assert_ne!(one.nobody(), two.nobody());
    assert_ne!(one.instance("a"), two.instance("a"));
    assert_ne!(
        one.transaction("a", 0, Turn::One),
        two.transaction("a", 0, Turn::One)
    );
}

#[test]
fn slots_keep_their_order_as_text() {
    let names = Names::new("p.");
    let ids = |slot| Turn::ALL.map(|turn| names.transaction("a", slot, turn));
    let mut sorted: Vec<String> = (0..200).flat_map(ids).collect();
    let counted = sorted.clone();
    sorted.sort();
    assert_eq!(sorted, counted);
    assert_eq!(counted[24..26], ["p.a-012", "p.a-012b"]);
}
