package io.rollcall.peer;

import io.rollcall.v1.AnswerSource;
import io.rollcall.v1.Cause;
import io.rollcall.v1.ConnectionEvent;
import io.rollcall.v1.ConnectionRow;
import io.rollcall.v1.Coordinates;
import io.rollcall.v1.Destination;
import io.rollcall.v1.Dialect;
import io.rollcall.v1.EventKind;
import io.rollcall.v1.Hash64;
import io.rollcall.v1.Ingress;
import io.rollcall.v1.Kind;
import io.rollcall.v1.Lookup;
import io.rollcall.v1.LookupDue;
import io.rollcall.v1.LookupWhy;
import io.rollcall.v1.OfflineFact;
import io.rollcall.v1.OfflineReason;
import io.rollcall.v1.Presence;
import io.rollcall.v1.Protocol;
import io.rollcall.v1.Session;
import io.rollcall.v1.TenantAnswer;
import io.rollcall.v1.TenantOutcome;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.LongStream;

/**
 * One record of one client: rollcall's rules (docs/rules.md) for what the benchmark's devices do.
 * Session epochs, retained and redelivered publishes, lost brokers, answers of the resolver and
 * deliveries do not occur there and are left out.
 */
final class Fold {
  static final long RETENTION_MS = 24 * 3_600_000L;

  private static final long ACTIVITY_STEP_MS = 30_000;
  private static final long REPLAYED_AFTER_MS = 60_000;
  private static final long REORDER_WITHIN_MS = 30_000;
  private static final long CONFIRMED_FOR_MS = 24 * 3_600_000L;
  private static final long STALE_AFTER_MS = 26 * 3_600_000L;
  private static final long REFRESH_AFTER_MS = 25 * 3_600_000L;
  private static final long RETRY_AFTER_MS = 30 * 60_000L;
  private static final long LOOKUP_TIMEOUT_MS = 24 * 3_600_000L;
  private static final long FAILURES_MAX = 30;
  private static final int GUARD_IDS_MAX = 8;

  /** A record for others. */
  record Derived(String key, Object value) {}

  /** The row after; null when there is none. */
  ConnectionRow row;

  final List<Derived> derived = new ArrayList<>(2);

  private final String client;
  private final Coordinates at;
  private final long appendedAt;
  private final long now;
  private boolean isChanged;

  Fold(String client, ConnectionRow row, Coordinates at, long appendedAt, long now) {
    this.client = client;
    this.row = row;
    this.at = at;
    this.appendedAt = appendedAt;
    this.now = now;
  }

  void publish(Ingress ingress, Publish publish) throws IOException {
    long received = Math.min(ingress.received_at, appendedAt);
    switch (publish.what) {
      case ONLINE -> online(ingress, publish, received);
      case OFFLINE -> offline(received);
      case MESSAGE -> signOfLife(received);
    }
  }

  void tenant(TenantAnswer answer) {
    boolean isFound = answer.outcome == TenantOutcome.found && !answer.org_id.isEmpty();
    if (row == null || answer.source != AnswerSource.directory || !isFound) {
      return;
    }
    boolean isNew = !row.org_id.equals(answer.org_id);
    Coordinates owed = row.inventory_owed;
    row.org_id = answer.org_id;
    row.account = answer.account;
    row.identity = Publish.isFilledObject(answer.identity) ? answer.identity : null;
    row.tenant_confirmed_at = now;
    row.tenant_lookup_timestamp = null;
    row.tenant_lookup_failure_count = 0;
    row.lookup = null;
    isChanged = true;
    if (isNew) {
      event(EventKind.tenant_found, "directory");
    }
    if (row.presence == Presence.offline) {
      row.inventory_owed = owed == null && isNew && qualifies() ? at : owed;
    } else if (isNew || owed != null) {
      inventory(owed == null ? at : owed);
    }
  }

  /** Closes the books; true when the row must be written. */
  boolean finish() {
    if (isChanged) {
      row.revision += 1;
      row.updated_at = now;
      row.due_at = dueAt();
    }
    return isChanged;
  }

  private void online(Ingress ingress, Publish publish, long received) {
    if (row == null) {
      create(ingress, publish, received);
      return;
    }
    Hash64 hash = Names.hash(publish.messageId);
    boolean isKnown =
        !publish.messageId.isEmpty()
            && (row.session.online_message_id.equals(publish.messageId)
                || row.guard.contains(hash));
    if (isKnown || isLate(publish, received)) {
      return;
    }
    Presence was = row.presence;
    boolean isUpdated = differs(publish);
    long connectedAt = row.session.connected_at;
    takeOver(ingress, publish, received, hash);
    if (was == Presence.offline) {
      row.tenant_lookup_failure_count = 0;
    } else {
      row.session.connected_at = connectedAt;
    }
    showOnline();
    touch();
    if (was == Presence.offline) {
      event(EventKind.connected, "");
    } else if (was != Presence.online) {
      event(EventKind.active, was.name());
    }
    if (isUpdated && was != Presence.offline) {
      event(EventKind.updated, "");
    }
    afterOnline();
  }

  private void create(Ingress ingress, Publish publish, long received) {
    row = new ConnectionRow();
    row.org_id = "";
    row.client_id = client;
    row.presence = Presence.online;
    row.guard = new ArrayList<>(1);
    row.last_activity_at = appendedAt;
    row.account = "";
    row.stale_timestamp = now + STALE_AFTER_MS;
    takeOver(ingress, publish, received, Names.hash(publish.messageId));
    event(EventKind.connected, "");
    afterOnline();
  }

  private void takeOver(Ingress ingress, Publish publish, long received, Hash64 hash) {
    row.session =
        new Session(null, appendedAt, publish.messageId, publish.sent, received, at);
    if (!publish.messageId.isEmpty()) {
      // The list that came with the row may be of another kind.
      var guard = new ArrayList<>(row.guard);
      while (guard.size() >= GUARD_IDS_MAX) {
        guard.remove(0);
      }
      guard.add(hash);
      row.guard = guard;
    }
    row.dialect = ingress.dialect;
    row.kind = publish.kind;
    row.canonical_facts = publish.facts;
    row.dispatchers = publish.dispatchers;
    row.tags = publish.tags;
    row.catalog_service_facts = publish.catalogFacts;
    row.client_name = publish.clientName;
    row.client_version = publish.clientVersion;
    String topic = Publish.outboundTopic(ingress, client);
    row.destination = new Destination(Protocol.mqtt, topic, "", "", "");
    isChanged = true;
  }

  private void afterOnline() {
    Coordinates owed = qualifies() ? at : null;
    if (row.org_id.isEmpty()) {
      row.account = "";
      row.tenant_lookup_timestamp = now;
      row.inventory_owed = owed;
      ask();
    } else if (isConfirmed()) {
      row.inventory_owed = null;
      inventory(at);
    } else {
      row.inventory_owed = owed;
      ask();
    }
  }

  private void ask() {
    if (row.lookup != null) {
      return;
    }
    var cause = new Cause(at, null);
    String id = Names.derive("lookup", client, at);
    row.lookup =
        new Lookup(id, now, now + LOOKUP_TIMEOUT_MS, LookupWhy.registration, 1L, cause);
    isChanged = true;
    var due = new LookupDue(id, client, LookupWhy.registration, 1L, cause, now);
    derived.add(new Derived(client, due));
  }

  private void offline(long received) {
    if (row == null || isReplayed(received) || row.presence == Presence.offline) {
      return;
    }
    row.presence = Presence.offline;
    row.offline = new OfflineFact(appendedAt, OfflineReason.message, false);
    row.unverified_at = null;
    row.lookup = null;
    isChanged = true;
    event(EventKind.disconnected, OfflineReason.message.name());
  }

  private void signOfLife(long received) {
    if (row == null) {
      return;
    }
    touch();
    Presence was = row.presence;
    boolean wakes =
        switch (was) {
          case inactive -> true;
          case offline -> row.offline == null || received > row.offline.at;
          case unverified -> row.unverified_at == null || received > row.unverified_at;
          default -> false;
        };
    if (!wakes) {
      return;
    }
    showOnline();
    isChanged = true;
    event(EventKind.active, was.name());
    if (was == Presence.offline && row.inventory_owed != null) {
      if (isConfirmed()) {
        inventory(row.inventory_owed);
      } else {
        ask();
      }
    }
  }

  private void touch() {
    if (appendedAt - row.last_activity_at >= ACTIVITY_STEP_MS) {
      row.last_activity_at = appendedAt;
      isChanged = true;
    }
  }

  private void showOnline() {
    row.presence = Presence.online;
    row.offline = null;
    row.unverified_at = null;
  }

  private void inventory(Coordinates cause) {
    boolean isTold = !row.org_id.isEmpty() && row.presence != Presence.offline && qualifies();
    if (!isTold || row.identity == null) {
      return;
    }
    String request = Names.derive("inventory", client, cause);
    try {
      byte[] message = Inventory.encode(row, request, now + STALE_AFTER_MS);
      derived.add(new Derived(row.org_id, message));
    } catch (IOException error) {
      throw new IllegalStateException("facts of " + client, error);
    }
    row.inventory_owed = null;
    row.refreshed_at = now;
    isChanged = true;
  }

  private void event(EventKind kind, String reason) {
    Long before = row.revision > 0 ? row.revision : null;
    var event =
        new ConnectionEvent(
            client, kind, new Cause(at, null), now, before, row.revision + 1, row.org_id,
            row.account, reason, null);
    derived.add(new Derived(client, event));
  }

  private boolean isLate(Publish publish, long received) {
    if (isReplayed(received)) {
      return true;
    }
    Session stored = row.session;
    long apart = Math.abs(received - stored.received_at);
    long older =
        believed(stored.online_sent, stored.received_at) - believed(publish.sent, received);
    return apart <= REORDER_WITHIN_MS && older > 0 && older <= REORDER_WITHIN_MS;
  }

  private boolean isReplayed(long received) {
    return row.session.received_at - received > REPLAYED_AFTER_MS;
  }

  private static long believed(Long sent, long received) {
    return sent != null && sent <= received ? sent : received;
  }

  private boolean differs(Publish publish) {
    return !Objects.equals(row.canonical_facts, publish.facts)
        || !Objects.equals(row.dispatchers, publish.dispatchers)
        || !Objects.equals(row.tags, publish.tags)
        || !Objects.equals(row.catalog_service_facts, publish.catalogFacts)
        || !row.client_name.equals(publish.clientName)
        || !row.client_version.equals(publish.clientVersion);
  }

  private boolean qualifies() {
    return row.kind == Kind.host
        && Publish.isFilledObject(row.canonical_facts)
        && (row.dialect == Dialect.draft || Publish.hasDispatcher(row.dispatchers));
  }

  private boolean isConfirmed() {
    return row.identity != null
        && row.tenant_confirmed_at != null
        && now - row.tenant_confirmed_at <= CONFIRMED_FOR_MS;
  }

  /** The earliest of the row's timers; the row carries it, the sweep fires retention alone. */
  private Long dueAt() {
    if (row.presence == Presence.offline) {
      return row.offline.at + RETENTION_MS;
    }
    boolean isWaiting =
        row.org_id.isEmpty()
            && row.lookup == null
            && row.tenant_lookup_failure_count <= FAILURES_MAX
            && row.tenant_lookup_timestamp != null;
    boolean isRefreshed =
        row.refreshed_at != null && row.identity != null && row.lookup == null && qualifies();
    long none = Long.MAX_VALUE;
    long due =
        LongStream.of(
                row.lookup == null ? none : row.lookup.due_at,
                isWaiting ? row.tenant_lookup_timestamp + RETRY_AFTER_MS : none,
                isRefreshed ? row.refreshed_at + REFRESH_AFTER_MS : none)
            .min()
            .orElse(none);
    return due == none ? null : due;
  }
}
