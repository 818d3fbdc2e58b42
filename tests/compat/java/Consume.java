import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.stream.Collectors;

import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;

/**
 * A member of a group. Consume ASSIGNOR BOOTSTRAP GROUP TOPIC [INSTANCE]
 *
 * Prints "assigned P..." for each assignment and "P OFFSET VALUE" for each record, commits what it has printed, ends at SIGTERM and leaves the group (but an INSTANCE stays in it).
 */
public class Consume {
    private static volatile boolean goesOn = true;

    private static void sayAssigned(KafkaConsumer<String, String> consumer) {
        System.out.println("assigned " + consumer.assignment().stream().map(TopicPartition::partition).sorted().map(String::valueOf).collect(Collectors.joining(" ")));
    }

    public static void main(String[] args) throws Exception {
        Properties config = new Properties();
        config.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + args[0] + "Assignor");
        config.put("bootstrap.servers", args[1]);
        config.put("group.id", args[2]);
        if (args.length > 4)
            config.put("group.instance.id", args[4]);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        config.put("session.timeout.ms", "6000");
        config.put("heartbeat.interval.ms", "500");
        config.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        config.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            goesOn = false;
            try {
                main.join(15000);
            } catch (InterruptedException e) {
                System.err.println(e);
            }
        }));
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config)) {
            consumer.subscribe(List.of(args[3]), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
                    sayAssigned(consumer);
                }
            });
            boolean isUncommitted = false;
            while (goesOn) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
                for (ConsumerRecord<String, String> r : records)
                    System.out.println(r.partition() + " " + r.offset() + " " + r.value());
                if (records.isEmpty() && !isUncommitted)
                    continue;
                try {
                    consumer.commitSync();
                    isUncommitted = false;
                } catch (RebalanceInProgressException | CommitFailedException e) {
                    isUncommitted = true;       // with the next one, or by who reads it next
                }
            }
        }
        Runtime.getRuntime().halt(0);
    }
}
