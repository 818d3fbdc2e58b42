import java.time.Duration;
import java.util.BitSet;
import java.util.Properties;
import java.util.stream.Stream;

import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The word count of Kafka Streams, at least once. WordCount BOOTSTRAP APPLICATION STATE-DIRECTORY LINES COUNTS DISTINCT
 *
 * LINES    lines "ID WORD...", ID a number, no word twice in a line; words go through a repartition topic
 * COUNTS   per word how often it was counted, which may be more often than it was written when an instance has died
 * DISTINCT per word in how many different lines it was: the state is the set of their numbers, to which adding twice adds nothing
 *
 * Prints "counted PARTITION OFFSET WORD" for each record of the repartition topic that it takes, "state NAME" for each state; ends at SIGTERM.
 */
public class WordCount {
    private static final class Say extends ContextualFixedKeyProcessor<String, Integer, Integer> {
        @Override
        public void process(FixedKeyRecord<String, Integer> record) {
            RecordMetadata at = context().recordMetadata().get();
            System.out.println("counted " + at.partition() + " " + at.offset() + " " + record.key());
            context().forward(record);
        }
    }

    private static byte[] with(Integer id, byte[] set) {
        BitSet bits = BitSet.valueOf(set);
        bits.set(id);
        return bits.toByteArray();
    }

    private static StreamsBuilder topology(String lines, String counts, String distinct) {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, Integer> words = builder.stream(lines, Consumed.with(Serdes.String(), Serdes.String()))
            .flatMap((nothing, line) -> {
                String[] parts = line.split(" ");
                Integer id = Integer.valueOf(parts[0]);
                return Stream.of(parts).skip(1).map(word -> KeyValue.pair(word, id)).toList();
            })
            .repartition(Repartitioned.<String, Integer>as("words").withKeySerde(Serdes.String()).withValueSerde(Serdes.Integer()))
            .processValues(Say::new);
        KGroupedStream<String, Integer> byWord = words.groupByKey();
        byWord.count(Materialized.as("counts")).toStream().mapValues(String::valueOf).to(counts, Produced.with(Serdes.String(), Serdes.String()));
        byWord.aggregate(() -> new byte[0], (word, id, set) -> with(id, set),
                Materialized.<String, byte[], KeyValueStore<Bytes, byte[]>>as("lines").withKeySerde(Serdes.String()).withValueSerde(Serdes.ByteArray()))
            .toStream().mapValues(set -> String.valueOf(BitSet.valueOf(set).cardinality())).to(distinct, Produced.with(Serdes.String(), Serdes.String()));
        return builder;
    }

    public static void main(String[] args) {
        Properties config = new Properties();
        config.put("bootstrap.servers", args[0]);
        config.put("application.id", args[1]);
        config.put("state.dir", args[2]);
        config.put("processing.guarantee", "at_least_once");
        config.put("default.key.serde", Serdes.StringSerde.class.getName());
        config.put("default.value.serde", Serdes.IntegerSerde.class.getName());
        config.put("commit.interval.ms", "1000");
        config.put("repartition.purge.interval.ms", "2000");
        config.put("consumer.auto.offset.reset", "earliest");
        config.put("session.timeout.ms", "6000");
        config.put("heartbeat.interval.ms", "500");
        KafkaStreams streams = new KafkaStreams(topology(args[3], args[4], args[5]).build(), config);
        streams.setStateListener((now, before) -> System.out.println("state " + now));
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            boolean isClosed = streams.close(Duration.ofSeconds(20));
            Runtime.getRuntime().halt(isClosed ? 0 : 1);
        }));
        streams.start();
    }
}
