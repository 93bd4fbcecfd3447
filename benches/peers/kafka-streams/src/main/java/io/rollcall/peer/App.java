package io.rollcall.peer;

import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.StateRestoreListener;

/**
 * rollcall's fold as a Kafka Streams application. Arguments: brokers, prefix of the input topics,
 * prefix of the output topics (it is the application id too), state folder.
 *
 * <p>Tells on standard output, a line each, what the benchmark waits for: {@code restoring}, {@code
 * restored <rows>} and {@code running}.
 */
public final class App {
  private App() {}

  public static void main(String[] args) throws InterruptedException {
    String inputs = args[1];
    String outputs = args[2];
    var streams =
        new KafkaStreams(FleetTopology.build(inputs, outputs), config(args[0], outputs, args[3]));
    streams.setGlobalStateRestoreListener(new Told());
    streams.setStateListener(
        (now, before) -> {
          if (now == KafkaStreams.State.RUNNING) {
            say("running");
          }
        });
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler
              .StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    var ended = new CountDownLatch(1);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  // It comes back in its turn; a member that only went quiet would be waited for.
                  streams.close(
                      CloseOptions.timeout(Duration.ofSeconds(30))
                          .withGroupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP));
                  ended.countDown();
                }));
    streams.start();
    ended.await();
  }

  /** Everything that is not Kafka Streams' default. */
  static Properties config(String bootstrap, String application, String folder) {
    var config = new Properties();
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    // The prefix without its dot.
    config.put(
        StreamsConfig.APPLICATION_ID_CONFIG, application.substring(0, application.length() - 1));
    config.put(StreamsConfig.STATE_DIR_CONFIG, folder);
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    // Its default under exactly_once_v2, said because it decides the latency.
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    // As rollcall's producers.
    config.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    config.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    return config;
  }

  private static synchronized void say(String text) {
    System.out.println(text);
    System.out.flush();
  }

  /** Says when a restore begins and what it brought. */
  private static final class Told implements StateRestoreListener {
    @Override
    public void onRestoreStart(TopicPartition partition, String store, long from, long to) {
      say("restoring");
    }

    @Override
    public void onBatchRestored(TopicPartition partition, String store, long end, long rows) {}

    @Override
    public void onRestoreEnd(TopicPartition partition, String store, long rows) {
      say("restored " + rows);
    }
  }
}
