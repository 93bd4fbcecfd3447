//! Numbers, durations and names that make no sense are refused, each by its key.

use super::refused;

/// A file, and what its error says.
const TABLE: &[(&str, &str)] = &[
    ("[log]\npartitions = 0", "[log] partitions"),
    ("[dialect.rhc]\nprefix = \"a/+/b\"", "[dialect.rhc] prefix"),
    (
        "[process]\nmemory = \"95 MiB\"",
        "[process] memory = \"95 MiB\"",
    ),
    ("[mqtt]\nurl = \"broker:1883\"", "[mqtt] url"),
    ("[mqtt]\nversion = 3", "[mqtt] version"),
    ("[mqtt]\nreceive_maximum = 0", "[mqtt] receive_maximum"),
    ("[mqtt]\nclient_id = \"a b\"", "[mqtt] client_id"),
    ("[mqtt]\npassword_file = \"p\"", "[mqtt] username"),
    (
        "[mqtt]\nurl = \"mqtts://broker\"\nkey_file = \"k\"",
        "cert_file and key_file",
    ),
    (
        "[mqtt]\nurl = \"mqtt://broker\"\nca_file = \"c\"",
        "mqtts://",
    ),
    ("[policy]\nretry_after = \"0s\"", "[policy] retry_after"),
    (
        "[self_check]\nrows_per_second = 99",
        "[self_check] rows_per_second = 99: give 100 to 1000000",
    ),
    (
        "[self_check]\nrows_per_second = 1000001",
        "[self_check] rows_per_second",
    ),
    (
        "[self_check]\ninterval = \"999ms\"",
        "[self_check] interval = \"999ms\": give at least \"1s\", or \"off\"",
    ),
    (
        "[policy]\nbatch_records_max = 0",
        "[policy] batch_records_max",
    ),
    (
        "[policy]\ninactive_after = \"1h\"",
        "[policy] inactive_after",
    ),
    (
        "[policy]\nbatch_wait = \"1h\"",
        "[policy] batch_wait = \"1h\": give at most \"1m\"",
    ),
    (
        "[policy]\nbatch_records_max = 1000001",
        "[policy] batch_records_max = 1000001: give at most 1000000",
    ),
    (
        "[policy]\nmax_failures = -1",
        "[policy] max_failures = -1: give 0 to 4294967295",
    ),
    (
        "[policy]\nrow_retention = \"101y\"",
        "[policy] row_retention = \"101y\": \"101y\" is longer than a hundred years",
    ),
    (
        "[policy]\ninactive_after = \"0s\"",
        "[policy] inactive_after",
    ),
    (
        "[policy]\ndelivery_deadline = \"0s\"",
        "[policy] delivery_deadline",
    ),
    (
        "[log]\nretention = \"0s\"",
        "[log] retention = \"0s\": give at least \"1m\", or \"off\"",
    ),
    (
        "[process]\nshards = 257",
        "[process] shards = 257: give 1 to 256, or 0",
    ),
    (
        "[process]\nmemory = \"17000 GiB\"",
        "give at most 16384 GiB",
    ),
    (
        "[mqtt]\nreceive_maximum = 65536",
        "[mqtt] receive_maximum = 65536: give 0 to 65535",
    ),
    (
        "[tenant]\nrate_per_second = 0",
        "[tenant] rate_per_second = 0",
    ),
    ("[tenant]\nconcurrency = 0", "[tenant] concurrency = 0"),
    (
        "[tenant]\nconcurrency = 10001",
        "[tenant] concurrency = 10001",
    ),
    ("[tenant]\ncache_entries = 0", "[tenant] cache_entries = 0"),
    (
        "[tenant]\ntimeout = \"2h\"",
        "[tenant] timeout = \"2h\": give at most \"1h\"",
    ),
    ("[tenant]\nfound_for = \"1y\"", "[tenant] found_for"),
    (
        "[tenant]\nunknown_statuses = [404, 4]",
        "[tenant] unknown_statuses = [4]",
    ),
    (
        "[ops]\nhosts = [\"http://ops\"]",
        "[ops] hosts: \"http://ops\"",
    ),
    ("[api]\nhosts = [\"\"]", "[api] hosts: \"\""),
    (
        "[ops]\nprobes_listen = \"8090\"",
        "[ops] probes_listen = \"8090\": give ADDRESS:PORT",
    ),
];

#[test]
fn values_out_of_bounds_are_refused_by_name() {
    for (text, key) in TABLE {
        let found = refused(text);
        assert!(found.contains(key), "{text}: {found}");
    }
}
