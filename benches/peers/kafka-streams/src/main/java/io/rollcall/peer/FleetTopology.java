package io.rollcall.peer;

import io.rollcall.v1.ConnectionEvent;
import io.rollcall.v1.ConnectionRow;
import io.rollcall.v1.Ingress;
import io.rollcall.v1.LookupDue;
import io.rollcall.v1.TenantAnswer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.Stores;

/** Three input topics, one processor with its store, three output topics and the changelog. */
final class FleetTopology {
  /** The store's name, and with it the changelog's. */
  static final String STORE = "connections";

  static final String EVENTS = "to-events";
  static final String INVENTORY = "to-inventory";
  static final String LOOKUPS = "to-tenantless";

  private static final String FOLD = "fold";

  private FleetTopology() {}

  static Topology build(String inputs, String outputs) {
    var topology = new Topology();
    var keys = new StringDeserializer();
    topology.addSource(
        "publishes",
        keys,
        AvroSerde.of(Ingress.class).deserializer(),
        inputs + "status",
        inputs + "messages");
    topology.addSource(
        "tenants", keys, AvroSerde.of(TenantAnswer.class).deserializer(), inputs + "tenants");
    topology.addProcessor(FOLD, ConnectionProcessor::new, "publishes", "tenants");
    // On RocksDB with a compacted changelog: what a persistent store is by default.
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore(STORE),
            Serdes.String(),
            AvroSerde.of(ConnectionRow.class)),
        FOLD);
    var named = new StringSerializer();
    topology.addSink(
        EVENTS, outputs + "events", named, AvroSerde.of(ConnectionEvent.class).serializer(), FOLD);
    topology.addSink(INVENTORY, outputs + "inventory", named, new ByteArraySerializer(), FOLD);
    topology.addSink(
        LOOKUPS, outputs + "tenantless", named, AvroSerde.of(LookupDue.class).serializer(), FOLD);
    return topology;
  }
}
