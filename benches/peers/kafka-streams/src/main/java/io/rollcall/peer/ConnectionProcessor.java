package io.rollcall.peer;

import io.rollcall.v1.Cause;
import io.rollcall.v1.ConnectionEvent;
import io.rollcall.v1.ConnectionRow;
import io.rollcall.v1.Coordinates;
import io.rollcall.v1.EventKind;
import io.rollcall.v1.Ingress;
import io.rollcall.v1.IngressKind;
import io.rollcall.v1.LookupDue;
import io.rollcall.v1.Presence;
import io.rollcall.v1.TenantAnswer;
import io.rollcall.v1.Timer;
import io.rollcall.v1.TimerKind;
import io.rollcall.v1.Topic;
import java.io.IOException;
import java.time.Duration;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/** Reads a client's row, lets {@link Fold} change it, writes it back and forwards what comes of it. */
final class ConnectionProcessor implements Processor<String, SpecificRecordBase, String, Object> {
  /** How often rows are looked through for those whose retention is over. */
  private static final Duration SWEEP = Duration.ofHours(1);

  private ProcessorContext<String, Object> context;
  private KeyValueStore<String, ConnectionRow> rows;

  @Override
  public void init(ProcessorContext<String, Object> context) {
    this.context = context;
    rows = context.getStateStore(FleetTopology.STORE);
    context.schedule(SWEEP, PunctuationType.WALL_CLOCK_TIME, this::sweep);
  }

  @Override
  public void process(Record<String, SpecificRecordBase> record) {
    String client = record.key();
    RecordMetadata at = context.recordMetadata().orElseThrow();
    var cause = new Coordinates(topic(at), (long) at.partition(), at.offset());
    var fold =
        new Fold(
            client, rows.get(client), cause, record.timestamp(), context.currentSystemTimeMs());
    if (record.value() instanceof TenantAnswer answer) {
      fold.tenant(answer);
    } else if (record.value() instanceof Ingress ingress && ingress.kind == IngressKind.publish) {
      try {
        fold.publish(ingress, Publish.read(ingress, client));
      } catch (IOException error) {
        throw new IllegalArgumentException("read " + at, error);
      }
    }
    if (fold.finish()) {
      rows.put(client, fold.row);
    }
    for (Fold.Derived derived : fold.derived) {
      forward(derived, record.timestamp());
    }
  }

  private void forward(Fold.Derived derived, long timestamp) {
    var record = new Record<String, Object>(derived.key(), derived.value(), timestamp);
    if (derived.value() instanceof ConnectionEvent) {
      context.forward(record, FleetTopology.EVENTS);
    } else if (derived.value() instanceof LookupDue) {
      context.forward(record, FleetTopology.LOOKUPS);
    } else {
      context.forward(record, FleetTopology.INVENTORY);
    }
  }

  /** Takes offline rows whose retention is over out of the store, as a null of the changelog. */
  private void sweep(long now) {
    try (KeyValueIterator<String, ConnectionRow> all = rows.all()) {
      while (all.hasNext()) {
        KeyValue<String, ConnectionRow> entry = all.next();
        ConnectionRow row = entry.value;
        if (row.presence != Presence.offline || row.offline.at + Fold.RETENTION_MS > now) {
          continue;
        }
        long dueAt = row.offline.at + Fold.RETENTION_MS;
        var cause = new Cause(null, new Timer(TimerKind.retention, dueAt));
        var event =
            new ConnectionEvent(
                entry.key, EventKind.expired, cause, now, row.revision, null, row.org_id,
                row.account, row.offline.reason.name(), null);
        rows.delete(entry.key);
        context.forward(new Record<>(entry.key, (Object) event, now), FleetTopology.EVENTS);
      }
    }
  }

  /** The topic without its prefix. */
  private static Topic topic(RecordMetadata at) {
    String name = at.topic();
    return Topic.valueOf(name.substring(name.lastIndexOf('.') + 1));
  }
}
