package io.rollcall.peer;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.avro.Schema;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Avro's single-object encoding of generated classes, with the coders that were generated with
 * them. Stream threads share one: encoder and decoder keep what they reuse per thread.
 */
final class AvroSerde {
  private AvroSerde() {}

  static <T extends SpecificRecordBase> Serde<T> of(Class<T> type) {
    Schema schema = SpecificData.get().getSchema(type);
    var model = new SpecificData(type.getClassLoader());
    model.setCustomCoders(true);
    var encoder = new BinaryMessageEncoder<T>(model, schema);
    var decoder = new BinaryMessageDecoder<T>(model, schema);
    var buffers = ThreadLocal.withInitial(() -> new ByteArrayOutputStream(1024));
    Serializer<T> serializer =
        (topic, value) -> {
          if (value == null) {
            return null;
          }
          try {
            ByteArrayOutputStream buffer = buffers.get();
            buffer.reset();
            encoder.encode(value, buffer);
            return buffer.toByteArray();
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        };
    // Into a new object: Kafka Streams keeps the next record of several partitions at a time.
    Deserializer<T> deserializer =
        (topic, bytes) -> {
          if (bytes == null) {
            return null;
          }
          try {
            return decoder.decode(bytes, null);
          } catch (IOException error) {
            throw new SerializationException("decode " + type.getSimpleName(), error);
          }
        };
    return Serdes.serdeFrom(serializer, deserializer);
  }
}
