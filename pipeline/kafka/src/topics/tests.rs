//! Which topics are refused, what they should be, and how a difference reads.

use super::*;

const WANTED: Wanted = Wanted {
    partitions: 4,
    replication: None,
    retention_ms: None,
};

fn all(count: u32) -> HashMap<Topic, u32> {
    Topic::ALL.map(|topic| (topic, count)).into()
}

fn checked(partitions: &HashMap<Topic, u32>) -> Result<(), String> {
    check(&Names::new("p."), partitions).map_err(|error| error.to_string())
}

#[test]
fn topics_that_fit_each_other_pass() {
    assert_eq!(checked(&all(1)), Ok(()));
    assert_eq!(checked(&all(64)), Ok(()));
    let mut partitions = all(4);
    for spec in specs().iter().filter(|spec| !spec.is_copartitioned) {
        partitions.insert(spec.topic, 1);
    }
    assert_eq!(checked(&partitions), Ok(()));
}

#[test]
fn missing_topics_are_all_named_with_the_remedy() {
    let mut partitions = all(4);
    partitions.insert(Topic::Outbox, 0);
    partitions.remove(&Topic::Events);
    let said = checked(&partitions).unwrap_err();
    assert_eq!(
        said,
        "Kafka has no topic p.outbox, p.events; run `rollcall topics apply`"
    );
}

#[test]
fn unequal_topics_are_refused_with_the_remedy() {
    for spec in specs().iter().filter(|spec| spec.is_copartitioned) {
        let mut partitions = all(4);
        partitions.insert(spec.topic, 5);
        let said = checked(&partitions).unwrap_err();
        assert!(said.contains("has 4") || said.contains("has 5"), "{said}");
        assert!(said.contains("another [kafka] prefix"), "{said}");
    }
}

#[test]
fn each_topic_is_set_by_the_table() {
    for spec in specs() {
        let set = properties(spec.topic, WANTED);
        let is = |name: &str| set.get(name).map(String::as_str);
        assert_eq!(is("message.timestamp.type"), Some("LogAppendTime"));
        assert_eq!(is("min.insync.replicas"), None);
        match spec.cleanup {
            Cleanup::Compact => {
                assert_eq!(is("cleanup.policy"), Some("compact"));
                assert_eq!(is("retention.ms"), None);
            }
            Cleanup::Delete => {
                assert_eq!(is("cleanup.policy"), Some("delete"));
                assert_eq!(is("retention.ms"), Some("-1"));
                assert_eq!(is("delete.retention.ms"), None);
            }
        }
    }
    let wanted = Wanted {
        replication: Some(3),
        retention_ms: Some(86_400_000),
        ..WANTED
    };
    let set = properties(Topic::Status, wanted);
    assert_eq!(set["retention.ms"], "86400000");
    assert_eq!(set["min.insync.replicas"], "2");
    let largest = u64::MAX;
    let wanted = Wanted {
        retention_ms: Some(largest),
        ..WANTED
    };
    let set = properties(Topic::Status, wanted);
    assert_eq!(set["retention.ms"], i64::MAX.to_string());
}

#[test]
fn the_log_takes_what_a_topic_takes() {
    let bytes_max: usize = MESSAGE_BYTES_MAX.parse().unwrap();
    assert!(bytes_max > rollcall_log::RECORD_BYTES_MAX + 1024);
}

#[test]
fn a_difference_says_what_to_do() {
    let name = || "p.status".to_owned();
    let missing = Difference::Missing { name: name() };
    let partitions = Difference::Partitions {
        name: name(),
        found: 3,
        wanted: 4,
    };
    let setting = Difference::Setting {
        name: name(),
        property: "cleanup.policy",
        found: "compact".to_owned(),
        wanted: "delete".to_owned(),
    };
    // (difference, what it says, whether `apply` mends it)
    let table = [
        (missing, "p.status: is not there", true),
        (
            partitions,
            "p.status: has 3 partitions, [kafka] partitions asks for 4; set it to 3, or make the \
             topics anew under another prefix",
            false,
        ),
        (
            setting,
            "p.status: cleanup.policy = compact, should be delete",
            true,
        ),
    ];
    let names = Names::new("p.");
    for (difference, says, can_be_mended) in table {
        assert_eq!(difference.to_string(), says);
        assert_eq!(difference.can_be_mended(), can_be_mended);
        let topic = difference.topic(|name| names.find(name.as_bytes()));
        assert_eq!(topic, Some(Topic::Status));
    }
}
