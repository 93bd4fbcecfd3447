package io.rollcall.peer;

import com.dynatrace.hash4j.hashing.Hasher64;
import com.dynatrace.hash4j.hashing.Hashing;
import io.rollcall.v1.Coordinates;
import io.rollcall.v1.Hash64;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.UUID;

/** Ids that follow from their cause, and hashes of the guard: the same as rollcall's. */
final class Names {
  /** The namespace of every UUID v5 (state/model/src/id.rs). */
  private static final UUID NAMESPACE = UUID.fromString("0d2c6b0a-53f4-5f0f-9a6e-1b5c8f2e7d41");

  private static final Hasher64 XXH3 = Hashing.xxh3_64();

  private static final ThreadLocal<MessageDigest> SHA_1 =
      ThreadLocal.withInitial(
          () -> {
            try {
              return MessageDigest.getInstance("SHA-1");
            } catch (NoSuchAlgorithmException error) {
              throw new IllegalStateException(error);
            }
          });

  private Names() {}

  static Hash64 hash(String id) {
    long hash = XXH3.hashBytesToLong(id.getBytes(StandardCharsets.UTF_8));
    return new Hash64(ByteBuffer.allocate(8).putLong(hash).array());
  }

  /** A UUID v5 of kind, client and cause (docs/rules.md, "Formulas"). */
  static String derive(String kind, String client, Coordinates cause) {
    String name = kind + '|' + client + '|' + text(cause);
    MessageDigest digest = SHA_1.get();
    var namespace = ByteBuffer.allocate(16);
    namespace.putLong(NAMESPACE.getMostSignificantBits());
    namespace.putLong(NAMESPACE.getLeastSignificantBits());
    digest.update(namespace.array());
    ByteBuffer hash = ByteBuffer.wrap(digest.digest(name.getBytes(StandardCharsets.UTF_8)));
    long high = hash.getLong() & ~0xf000L | 0x5000L;
    long low = hash.getLong() & 0x3fff_ffff_ffff_ffffL | 0x8000_0000_0000_0000L;
    return new UUID(high, low).toString();
  }

  private static String text(Coordinates at) {
    return at.topic.name() + '/' + at.partition + '/' + at.offset;
  }
}
