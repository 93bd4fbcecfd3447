package io.rollcall.peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.rollcall.v1.ConnectionRow;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

/** The host-ingress message, with the members that rollcall writes (schemas/src/inventory.rs). */
final class Inventory {
  private static final JsonFactory JSON = new JsonFactory();

  /** The facts that Host Inventory takes; of a device's others it is told nothing. */
  private static final Set<String> TAKEN =
      Set.of(
          "bios_uuid",
          "fqdn",
          "insights_id",
          "ip_addresses",
          "mac_addresses",
          "provider_id",
          "provider_type",
          "satellite_id",
          "subscription_manager_id");

  private Inventory() {}

  static byte[] encode(ConnectionRow row, String requestId, long staleAt) throws IOException {
    Map<String, String> members = facts(row.canonical_facts);
    members.put("account", quoted(row.account));
    members.put("org_id", quoted(row.org_id));
    Instant stale = Instant.ofEpochMilli(staleAt).truncatedTo(ChronoUnit.SECONDS);
    members.put("stale_timestamp", quoted(stale.toString()));
    members.put("reporter", quoted("cloud-connector"));
    members.remove("tags");
    members.put("system_profile", profile(row));
    var bytes = new ByteArrayOutputStream(1024);
    try (JsonGenerator out = JSON.createGenerator(bytes)) {
      out.writeStartObject();
      out.writeObjectFieldStart("data");
      for (Map.Entry<String, String> member : members.entrySet()) {
        out.writeFieldName(member.getKey());
        out.writeRawValue(member.getValue());
      }
      out.writeEndObject();
      out.writeStringField("operation", "add_host");
      out.writeObjectFieldStart("platform_metadata");
      byte[] identity = row.identity.getBytes(StandardCharsets.UTF_8);
      out.writeStringField("b64_identity", Base64.getEncoder().encodeToString(identity));
      out.writeStringField("request_id", requestId);
      out.writeEndObject();
      out.writeEndObject();
    }
    return bytes.toByteArray();
  }

  /**
   * Texts and arrays of known names that are not empty, as received; an `insights_id` only when it is
   * a UUID. The fleet's are all valid, so nothing else is looked at.
   */
  private static Map<String, String> facts(String json) throws IOException {
    var taken = new TreeMap<String, String>();
    try (JsonParser parser = JSON.createParser(json)) {
      parser.nextToken();
      for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
        JsonToken token = parser.nextToken();
        int begin = (int) parser.currentTokenLocation().getCharOffset();
        if (!TAKEN.contains(name)) {
          parser.skipChildren();
        } else if (token == JsonToken.VALUE_STRING) {
          String text = parser.getText();
          int end = (int) parser.currentLocation().getCharOffset();
          if (!text.isEmpty() && (!name.equals("insights_id") || isUuid(text))) {
            taken.put(name, json.substring(begin, end));
          }
        } else if (token == JsonToken.START_ARRAY && !name.equals("insights_id")) {
          parser.skipChildren();
          int end = (int) parser.currentLocation().getCharOffset();
          String array = json.substring(begin, end);
          if (!array.substring(1, array.length() - 1).isBlank()) {
            taken.put(name, array);
          }
        } else {
          parser.skipChildren();
        }
      }
    }
    return taken;
  }

  private static boolean isUuid(String text) {
    try {
      UUID.fromString(text);
      return true;
    } catch (IllegalArgumentException error) {
      return false;
    }
  }

  /** Only a certificate proves that the client is the system's owner. */
  private static String profile(ConnectionRow row) throws IOException {
    String client = "\"rhc_client_id\":" + quoted(row.client_id);
    if (!isCertAuth(row.identity)) {
      return "{" + client + "}";
    }
    return "{\"owner_id\":" + quoted(row.client_id) + "," + client + "}";
  }

  private static boolean isCertAuth(String identity) throws IOException {
    try (JsonParser parser = JSON.createParser(identity)) {
      for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
        if (token == JsonToken.FIELD_NAME && parser.currentName().equals("auth_type")) {
          return parser.nextToken() == JsonToken.VALUE_STRING
              && parser.getText().equals("cert-auth");
        }
      }
    }
    return false;
  }

  private static String quoted(String text) {
    var escaped = new StringBuilder(text.length() + 2).append('"');
    com.fasterxml.jackson.core.io.JsonStringEncoder.getInstance().quoteAsString(text, escaped);
    return escaped.append('"').toString();
  }
}
