package io.rollcall.peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.rollcall.v1.Dialect;
import io.rollcall.v1.Ingress;
import io.rollcall.v1.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.OffsetDateTime;
import java.util.Set;

/**
 * What a publish says, read by a streaming parser; JSON that a row keeps is cut out as received.
 * Both dialects, as schemas/src/dialect has them, without session epochs and cleared handshakes.
 */
final class Publish {
  enum What {
    ONLINE,
    OFFLINE,
    MESSAGE
  }

  private static final JsonFactory JSON = new JsonFactory();

  /** What lets inventory hear of an rhc client. */
  private static final Set<String> DISPATCHERS =
      Set.of("rhc-worker-playbook", "package-manager", "rhc-worker-script");

  What what = What.MESSAGE;
  Kind kind = Kind.host;
  String messageId = "";
  Long sent;
  String facts;
  String dispatchers;
  String tags;
  String catalogFacts;
  String clientName = "";
  String clientVersion = "";

  private String type = "";
  private String state = "";

  private Publish() {}

  /** Reads the payload of a publish of `client`. Errors: it is none that this dialect knows. */
  static Publish read(Ingress ingress, String client) throws IOException {
    if (!ownTopic(ingress, client)) {
      throw new IOException("MQTT topic " + ingress.mqtt_topic + " is not of client " + client);
    }
    var publish = new Publish();
    ByteBuffer payload = ingress.payload;
    if (!payload.hasRemaining()) {
      return publish;
    }
    int from = payload.arrayOffset() + payload.position();
    byte[] bytes = payload.array();
    try (JsonParser parser = JSON.createParser(bytes, from, payload.remaining())) {
      publish.envelope(parser, bytes, from);
    }
    publish.judge(ingress.dialect);
    return publish;
  }

  /** The topic on which the client listens. */
  static String outboundTopic(Ingress ingress, String client) {
    String topic = ingress.mqtt_topic;
    String prefix = topic.substring(0, topic.indexOf("/insights/") + "/insights/".length());
    return ingress.dialect == Dialect.draft ? prefix + "out/" + client : prefix + client + "/data/in";
  }

  /** Whether the object that `json` is has a member that inventory asks for. */
  static boolean hasDispatcher(String json) {
    return json != null && hasMember(json, DISPATCHERS);
  }

  /** Whether `json` is an object with members. */
  static boolean isFilledObject(String json) {
    return json != null && json.startsWith("{") && !json.substring(1).stripLeading().startsWith("}");
  }

  private static boolean ownTopic(Ingress ingress, String client) {
    String topic = ingress.mqtt_topic;
    if (ingress.dialect == Dialect.draft) {
      return topic.endsWith("/insights/status/" + client)
          || topic.endsWith("/insights/in/" + client);
    }
    return topic.endsWith("/insights/" + client + "/control/out")
        || topic.endsWith("/insights/" + client + "/data/out");
  }

  private void envelope(JsonParser parser, byte[] bytes, int from) throws IOException {
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      throw new IOException("payload is no object");
    }
    for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
      JsonToken token = parser.nextToken();
      switch (name) {
        case "type" -> type = parser.getValueAsString("");
        case "message_id" -> messageId = parser.getValueAsString("");
        case "sent" -> sent = time(parser.getValueAsString(""));
        case "version" -> {
          if (token != JsonToken.VALUE_NULL && parser.getValueAsInt() != 1) {
            throw new IOException("version is not 1");
          }
        }
        case "payload", "content" -> {
          if (token == JsonToken.START_OBJECT) {
            body(parser, bytes, from);
          }
        }
        default -> parser.skipChildren();
      }
    }
    if (parser.nextToken() != null) {
      throw new IOException("bytes behind the payload");
    }
  }

  private void body(JsonParser parser, byte[] bytes, int from) throws IOException {
    for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
      parser.nextToken();
      switch (name) {
        case "state" -> state = parser.getValueAsString("");
        case "canonical_facts" -> facts = raw(parser, bytes, from);
        case "dispatchers" -> dispatchers = raw(parser, bytes, from);
        case "tags" -> tags = raw(parser, bytes, from);
        case "catalog_service_facts" -> catalogFacts = raw(parser, bytes, from);
        case "client_name" -> clientName = parser.getValueAsString("");
        case "client_version" -> clientVersion = parser.getValueAsString("");
        default -> parser.skipChildren();
      }
    }
  }

  private void judge(Dialect dialect) throws IOException {
    switch (type) {
      case "host-handshake" -> what = What.ONLINE;
      case "proxy-handshake" -> {
        what = What.ONLINE;
        kind = Kind.proxy;
      }
      case "offline" -> what = What.OFFLINE;
      case "connection-status" -> {
        what = state.equals("online") ? What.ONLINE : What.OFFLINE;
        kind = hasMember(dispatchers, Set.of("catalog")) ? Kind.proxy : Kind.host;
      }
      case "message", "message-error", "data", "event" -> what = What.MESSAGE;
      default -> throw new IOException("type " + type + " is not of dialect " + dialect);
    }
  }

  /** The text of the current value, as it was received. */
  private static String raw(JsonParser parser, byte[] bytes, int from) throws IOException {
    if (parser.currentToken() == JsonToken.VALUE_NULL) {
      return null;
    }
    int begin = from + (int) parser.currentTokenLocation().getByteOffset();
    parser.skipChildren();
    parser.finishToken();
    int end = from + (int) parser.currentLocation().getByteOffset();
    return new String(bytes, begin, end - begin, StandardCharsets.UTF_8);
  }

  private static boolean hasMember(String json, Set<String> names) {
    if (json == null) {
      return false;
    }
    try (JsonParser parser = JSON.createParser(json)) {
      parser.nextToken();
      for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
        if (names.contains(name)) {
          return true;
        }
        parser.nextToken();
        parser.skipChildren();
      }
      return false;
    } catch (IOException error) {
      return false;
    }
  }

  private static Long time(String text) {
    try {
      return OffsetDateTime.parse(text).toInstant().toEpochMilli();
    } catch (DateTimeException error) {
      return null;
    }
  }
}
