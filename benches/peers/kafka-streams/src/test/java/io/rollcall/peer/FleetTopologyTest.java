package io.rollcall.peer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.rollcall.v1.AnswerSource;
import io.rollcall.v1.ConnectionEvent;
import io.rollcall.v1.ConnectionRow;
import io.rollcall.v1.Dialect;
import io.rollcall.v1.EventKind;
import io.rollcall.v1.Ingress;
import io.rollcall.v1.IngressKind;
import io.rollcall.v1.LookupDue;
import io.rollcall.v1.Presence;
import io.rollcall.v1.TenantAnswer;
import io.rollcall.v1.TenantOutcome;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.state.KeyValueStore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The rules that the benchmark's devices meet, on a topology without a broker. */
final class FleetTopologyTest {
  private static final String CLIENT = "11111111-2222-4333-8444-555555555555";
  private static final Instant START = Instant.parse("2026-11-21T12:00:00Z");
  private static final String FACTS = "{\"fqdn\": \"h\" , \"insights_id\":\"" + CLIENT + "\"}";

  @TempDir Path folder;

  private TopologyTestDriver driver;
  private TestInputTopic<String, Ingress> status;
  private TestInputTopic<String, Ingress> messages;
  private TestInputTopic<String, TenantAnswer> tenants;
  private TestOutputTopic<String, ConnectionEvent> events;
  private TestOutputTopic<String, byte[]> inventory;
  private TestOutputTopic<String, LookupDue> lookups;
  private KeyValueStore<String, ConnectionRow> rows;
  private Instant now = START;

  @BeforeEach
  void start() {
    var config = App.config("localhost:1", "test.", folder.toString());
    driver = new TopologyTestDriver(FleetTopology.build("in.", "test."), config, START);
    var keys = new StringSerializer();
    var publishes = AvroSerde.of(Ingress.class).serializer();
    status = driver.createInputTopic("in.status", keys, publishes);
    messages = driver.createInputTopic("in.messages", keys, publishes);
    var answers = AvroSerde.of(TenantAnswer.class).serializer();
    tenants = driver.createInputTopic("in.tenants", keys, answers);
    var names = new StringDeserializer();
    events =
        driver.createOutputTopic(
            "test.events", names, AvroSerde.of(ConnectionEvent.class).deserializer());
    inventory = driver.createOutputTopic("test.inventory", names, new ByteArrayDeserializer());
    lookups =
        driver.createOutputTopic(
            "test.tenantless", names, AvroSerde.of(LookupDue.class).deserializer());
    rows = driver.getKeyValueStore(FleetTopology.STORE);
  }

  @AfterEach
  void stop() {
    driver.close();
  }

  @Test
  void aFirstOnlineMakesARowAndAsksForItsTenant() {
    online("a");
    ConnectionRow row = rows.get(CLIENT);
    assertEquals(Presence.online, row.presence);
    assertEquals(FACTS, row.canonical_facts, "as received");
    assertEquals("redhat/insights/out/" + CLIENT, row.destination.mqtt_topic);
    assertEquals(List.of(EventKind.connected), kinds());
    LookupDue due = lookups.readValue();
    assertEquals(due.lookup_id, row.lookup.id);
    // A UUID v5 of `lookup|<client>|status/0/0`, computed elsewhere.
    assertEquals("07f3b994-3554-5656-b1ff-3aa58659582d", due.lookup_id);
    assertTrue(inventory.isEmpty());
  }

  @Test
  void aTenantPaysWhatIsOwedToInventory() {
    online("a");
    found();
    assertEquals("10000", rows.get(CLIENT).org_id);
    assertNull(rows.get(CLIENT).lookup);
    assertEquals(List.of(EventKind.connected, EventKind.tenant_found), kinds());
    var message = inventory.readKeyValue();
    assertEquals("10000", message.key);
    String text = new String(message.value, StandardCharsets.UTF_8);
    assertTrue(text.startsWith("{\"data\":{\"account\":\"1\",\"fqdn\":\"h\","), text);
    assertTrue(text.contains("\"stale_timestamp\":\"2026-11-22T14:00:00Z\""), text);
    online("b");
    assertEquals(1, inventory.getQueueSize(), "the tenant is confirmed");
  }

  @Test
  void anIdCountsOnceWhileItIsAmongTheLastEight() {
    for (char id = 'a'; id <= 'i'; id++) {
      online(String.valueOf(id));
    }
    ConnectionRow row = rows.get(CLIENT);
    assertEquals(8, row.guard.size());
    assertEquals(9, row.revision);
    online("b");
    assertEquals(9, rows.get(CLIENT).revision, "a duplicate");
    online("a");
    assertEquals(10, rows.get(CLIENT).revision, "forgotten");
  }

  @Test
  void anOfflineRowStaysForADay() {
    online("a");
    publish(status, "{\"type\":\"offline\",\"message_id\":\"o\",\"version\":1}");
    ConnectionRow row = rows.get(CLIENT);
    assertEquals(Presence.offline, row.presence);
    assertEquals(row.offline.at + 24 * 3_600_000L, row.due_at);
    assertEquals(List.of(EventKind.connected, EventKind.disconnected), kinds());
    driver.advanceWallClockTime(Duration.ofHours(23));
    assertEquals(Presence.offline, rows.get(CLIENT).presence);
    driver.advanceWallClockTime(Duration.ofHours(2));
    assertNull(rows.get(CLIENT));
    assertEquals(List.of(EventKind.expired), kinds());
  }

  @Test
  void aMessageMovesActivityInSteps() {
    online("a");
    String message = "{\"type\":\"message\",\"message_id\":\"m\",\"payload\":{\"n\":[1]}}";
    now = START.plusSeconds(29);
    publish(messages, message);
    assertEquals(1, rows.get(CLIENT).revision);
    now = START.plusSeconds(30);
    publish(messages, message);
    assertEquals(2, rows.get(CLIENT).revision);
    assertEquals(now.toEpochMilli(), rows.get(CLIENT).last_activity_at);
  }

  private void online(String id) {
    publish(
        status,
        "{\"type\":\"host-handshake\",\"message_id\":\""
            + id
            + "\",\"version\":1,\"sent\":\"2026-11-21T11:59:59.000Z\",\"payload\":"
            + "{\"canonical_facts\":"
            + FACTS
            + "}}");
  }

  private void publish(TestInputTopic<String, Ingress> topic, String payload) {
    var ingress =
        new Ingress(
            IngressKind.publish,
            Dialect.draft,
            "redhat/insights/status/" + CLIENT,
            ByteBuffer.wrap(payload.getBytes(StandardCharsets.UTF_8)),
            1,
            false,
            false,
            List.of(),
            now.toEpochMilli(),
            "bridge-0",
            1L);
    topic.pipeInput(CLIENT, ingress, now);
  }

  private void found() {
    var answer =
        new TenantAnswer(
            AnswerSource.directory,
            null,
            TenantOutcome.found,
            "10000",
            "1",
            "{\"identity\":{\"auth_type\":\"cert-auth\"}}",
            "");
    tenants.pipeInput(CLIENT, answer, now);
  }

  private List<EventKind> kinds() {
    return events.readValuesToList().stream().map(event -> event.kind).toList();
  }
}
