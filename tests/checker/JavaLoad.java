import java.io.FileWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.InvalidOffsetException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/**
 * What Kafka's own clients do while a cluster is made to fail. The history is that of workload.c: the same lines, the same values.
 *
 *	java -cp 'LIBS/*' JavaLoad.java run BROKERS TOPIC PARTITIONS SECONDS RATE SEED HISTORY    until SECONDS or SIGTERM
 *	java -cp 'LIBS/*' JavaLoad.java transact BROKERS TOPIC PARTITIONS ID COUNT                transactions, one after the other
 *
 * run: an idempotent producer, a consumer of all partitions, and two members of a group that commit and now and then leave. Their process
 * is "member", in several lives, because only both together must get on. Each assignment begins where the group's offsets say; what was
 * committed and what was said of it is also in the history ("commit", "committed").
 *
 * transact: the transactions of one transactional id, each with an offset of the group that is called as the id; of each three the last is aborted. Prints one
 * JSON object: the id's producer id and epoch, what was committed, what a consumer that reads committed records only is shown of the whole topic in the end,
 * the offset that was committed last, and the one that the group is told of.
 */
public final class JavaLoad {
	private static final int OUTSTANDING_MAX = 1500;
	private static final String[] CODECS = { "none", "gzip", "snappy", "lz4", "zstd" };
	private static final Duration POLL = Duration.ofMillis(100), PATIENCE = Duration.ofSeconds(5);

	private static PrintWriter history;
	private static volatile boolean isStopped;
	private static String brokers, topic;
	private static int partitions;

	private static void note(String process, String format, Object... args) {
		String rest = String.format(format, args);
		synchronized (history) {
			history.println("{\"t\":" + System.nanoTime() + ",\"p\":\"" + process + "\"," + rest + "}");
			history.flush();
		}
	}

	/** As value_make in workload.c. */
	private static byte[] value(String process, int number) {
		String name = process + "-" + number + " ";
		int length = 60 + number * 37 % 340;
		return (name + String.valueOf((char)('a' + number % 26)).repeat(length - name.length())).getBytes(StandardCharsets.US_ASCII);
	}

	/** The name in a record that was read, or "damaged". */
	private static String name(byte[] bytes) {
		String text = new String(bytes, StandardCharsets.US_ASCII);
		int space = text.indexOf(' '), dash = text.lastIndexOf('-', space);
		if (dash < 0 || !text.substring(dash + 1, space).matches("[0-9]{1,9}"))
			return "damaged";
		String process = text.substring(0, dash), filler = text.substring(space + 1);
		int number = Integer.parseInt(text.substring(dash + 1, space));
		boolean isLarge = process.startsWith("large") && number % 20 == 19;
		boolean isWhole = filler.equals(String.valueOf((char)('a' + number % 26)).repeat(filler.length()));
		return process.matches("[a-z0-9.]+") && isWhole && text.length() == (isLarge ? 30000 : 60 + (int)(number * 37L % 340)) ? text.substring(0, space) : "damaged";
	}

	private static Properties settings(String... more) {
		Properties p = new Properties();
		p.put("bootstrap.servers", brokers);
		p.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
		p.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
		p.put("key.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
		p.put("value.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
		p.put("request.timeout.ms", "4000");
		p.put("retry.backoff.ms", "50");
		p.put("reconnect.backoff.max.ms", "500");
		p.put("metadata.max.age.ms", "1000");
		p.put("enable.metrics.push", "false");
		for (int i = 0; i < more.length; i += 2)
			p.put(more[i], more[i + 1]);
		return p;
	}

	private static List<TopicPartition> everything() {
		List<TopicPartition> all = new ArrayList<>();
		for (int k = 0; k < partitions; k++)
			all.add(new TopicPartition(topic, k));
		return all;
	}

	private static String offsets(Map<TopicPartition, Long> of) {
		StringJoiner text = new StringJoiner(",", "{", "}");
		of.forEach((tp, offset) -> text.add("\"" + tp.partition() + "\":" + offset));
		return text.toString();
	}

	private static void sleep(long ms) {
		try {
			Thread.sleep(ms);
		} catch (InterruptedException e) {
			isStopped = true;
		}
	}

	// ---- producer -----------------------------------------------------------------------------------------------------------

	private static void produce(int rate, long seed, long end) {
		Random random = new Random(seed);
		for (int life = 0; !isStopped && System.nanoTime() < end; life++) {
			String process = "java0." + life;
			AtomicInteger outstanding = new AtomicInteger();
			note(process, "\"type\":\"ok\",\"f\":\"open\",\"kind\":\"idempotent\"");
			KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings("acks", "all", "enable.idempotence", "true", "linger.ms", "3",
				"delivery.timeout.ms", "2147483647", "batch.size", "12000", "max.block.ms", "5000", "compression.type", CODECS[(int)((seed + life) % CODECS.length)]));
			try {
				int number = 0;
				for (long begun = System.nanoTime(); !isStopped && System.nanoTime() < end; sleep(3))
					for (long due = (System.nanoTime() - begun) * rate / 1_000_000_000; number < due && outstanding.get() < OUTSTANDING_MAX; number++)
						send(producer, process, number, random.nextInt(partitions), outstanding);
			} catch (KafkaException e) {
				note(process, "\"type\":\"info\",\"f\":\"fatal\",\"err\":\"%s\"", e.getClass().getSimpleName());
			}
			producer.close(Duration.ofSeconds(60));
			note(process, "\"type\":\"ok\",\"f\":\"close\"");
		}
	}

	private static void send(KafkaProducer<byte[], byte[]> producer, String process, int number, int partition, AtomicInteger outstanding) {
		String what = "\"f\":\"send\",\"k\":" + partition + ",\"v\":\"" + process + "-" + number + "\"";
		note(process, "\"type\":\"invoke\",%s", what);
		outstanding.incrementAndGet();
		producer.send(new ProducerRecord<>(topic, partition, process.getBytes(StandardCharsets.US_ASCII), value(process, number)), (metadata, error) -> {
			outstanding.decrementAndGet();
			if (error != null)
				note(process, "\"type\":\"info\",%s,\"err\":\"%s\"", what, error.getClass().getSimpleName());
			else
				note(process, "\"type\":\"ok\",%s%s", what, metadata.hasOffset() ? ",\"off\":" + metadata.offset() : "");
		});
	}

	// ---- consumers ----------------------------------------------------------------------------------------------------------

	/** What one poll showed, as one line. */
	private static void shown(String process, ConsumerRecords<byte[], byte[]> records) {
		if (records.isEmpty())
			return;
		StringJoiner text = new StringJoiner(",", "{", "}");
		for (TopicPartition tp : records.partitions()) {
			StringJoiner of = new StringJoiner(",", "\"" + tp.partition() + "\":[", "]");
			for (ConsumerRecord<byte[], byte[]> r : records.records(tp))
				of.add("[" + r.offset() + ",\"" + name(r.value()) + "\"]");
			text.add(of.toString());
		}
		note(process, "\"type\":\"ok\",\"f\":\"poll\",\"v\":%s", text);
	}

	private static void refused(String process, InvalidOffsetException e) {
		Map<TopicPartition, Long> at = e instanceof OffsetOutOfRangeException out ? out.offsetOutOfRangePartitions() : Map.of();
		for (TopicPartition tp : e.partitions())
			note(process, "\"type\":\"info\",\"f\":\"poll\",\"k\":%d,\"next\":%d,\"err\":\"%s\"", tp.partition(), at.getOrDefault(tp, -1L),
				e.getClass().getSimpleName());
	}

	private static void consume(String process) {
		note(process, "\"type\":\"ok\",\"f\":\"open\",\"kind\":\"consumer\"");
		try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings("auto.offset.reset", "none", "enable.auto.commit", "false"))) {
			consumer.assign(everything());
			boolean isNew = true;
			while (!isStopped) {
				try {
					if (isNew) {
						Map<TopicPartition, Long> from = new HashMap<>();
						everything().forEach(tp -> from.put(tp, -1L));
						note(process, "\"type\":\"ok\",\"f\":\"assign\",\"v\":%s", offsets(from));
						consumer.seekToBeginning(everything());
						isNew = false;
					}
					shown(process, consumer.poll(POLL));
				} catch (InvalidOffsetException e) {
					refused(process, e);
					isNew = true;
				}
			}
		}
	}

	/** A member of the group, again and again. */
	private static void member(int index, long seed) {
		Random random = new Random(seed);
		for (int life = 0; !isStopped; life++) {
			String process = "member." + index + "." + life;
			note(process, "\"type\":\"ok\",\"f\":\"open\",\"kind\":\"consumer\"");
			try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings("auto.offset.reset", "earliest", "enable.auto.commit", "false",
				"group.id", "group-" + topic, "session.timeout.ms", "3000", "heartbeat.interval.ms", "500", "max.poll.interval.ms", "6000", "default.api.timeout.ms", "20000"))) {
				live(consumer, process, System.nanoTime() + (10 + random.nextInt(10)) * 1_000_000_000L);
			} catch (KafkaException e) {
				System.err.println(process + ": " + e);
				sleep(100);
			}
		}
	}

	private static void live(KafkaConsumer<byte[], byte[]> consumer, String process, long end) {
		Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
		consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
			@Override
			public void onPartitionsRevoked(Collection<TopicPartition> of) {
				commit(consumer, process, next);
				next.clear();
			}

			@Override
			public void onPartitionsLost(Collection<TopicPartition> of) {
				next.clear();
			}

			@Override
			public void onPartitionsAssigned(Collection<TopicPartition> of) {
				Map<TopicPartition, Long> from = new TreeMap<>((a, b) -> a.partition() - b.partition());
				long asked = System.nanoTime();
				for (TopicPartition tp : of)
					from.put(tp, consumer.position(tp));
				note(process, "\"t0\":%d,\"type\":\"ok\",\"f\":\"committed\",\"v\":%s", asked, offsets(from));
				note(process, "\"type\":\"ok\",\"f\":\"assign\",\"v\":%s", offsets(from));
			}
		});
		for (long commitAt = 0; !isStopped && System.nanoTime() < end;) {
			try {
				ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
				shown(process, records);
				for (TopicPartition tp : records.partitions()) {
					List<ConsumerRecord<byte[], byte[]>> of = records.records(tp);
					next.put(tp, new OffsetAndMetadata(of.get(of.size() - 1).offset() + 1));
				}
			} catch (InvalidOffsetException e) {
				refused(process, e);
				return;
			}
			if (System.nanoTime() > commitAt) {
				commit(consumer, process, next);
				commitAt = System.nanoTime() + 300_000_000L;
			}
		}
		commit(consumer, process, next);
	}

	private static void commit(KafkaConsumer<byte[], byte[]> consumer, String process, Map<TopicPartition, OffsetAndMetadata> next) {
		if (next.isEmpty())
			return;
		Map<TopicPartition, Long> said = new HashMap<>();
		next.forEach((tp, offset) -> said.put(tp, offset.offset()));
		try {
			consumer.commitSync(next, PATIENCE);
			note(process, "\"type\":\"ok\",\"f\":\"commit\",\"v\":%s", offsets(said));
		} catch (KafkaException e) {
			note(process, "\"type\":\"info\",\"f\":\"commit\",\"v\":%s,\"err\":\"%s\"", offsets(said), e.getClass().getSimpleName());
		}
	}

	// ---- transactions -------------------------------------------------------------------------------------------------------

	private static String list(List<String> names) {
		StringJoiner text = new StringJoiner("\",\"", "[\"", "\"]").setEmptyValue("[]");
		names.forEach(text::add);
		return text.toString();
	}

	private static void transact(String id, int count) throws Exception {
		List<String> committed = new ArrayList<>(), read = new ArrayList<>();
		TransactionDescription described;
		long offset = -1;
		try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings("transactional.id", id, "max.block.ms", "20000", "delivery.timeout.ms", "20000"))) {
			String run = Long.toString(System.nanoTime());
			producer.initTransactions();
			for (int i = 0; i < count; i++) {
				List<String> these = new ArrayList<>();
				producer.beginTransaction();
				for (int k = 0; k < partitions; k++) {
					these.add(run + "-" + i + "-" + k);
					producer.send(new ProducerRecord<>(topic, k, null, these.get(k).getBytes(StandardCharsets.US_ASCII)));
				}
				long now = System.currentTimeMillis();
				producer.sendOffsetsToTransaction(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(now)), new ConsumerGroupMetadata(id));
				producer.flush();
				if (i % 3 == 2) {
					producer.abortTransaction();
				} else {
					producer.commitTransaction();
					committed.addAll(these);
					offset = now;
				}
			}
		}
		try (Admin admin = Admin.create(settings())) {
			described = admin.describeTransactions(List.of(id)).description(id).get();
		}
		long told;
		try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings("isolation.level", "read_committed", "auto.offset.reset", "none",
			"enable.auto.commit", "false", "group.id", id))) {
			told = consumer.committed(Set.of(new TopicPartition(topic, 0))).get(new TopicPartition(topic, 0)).offset();
			consumer.assign(everything());
			consumer.seekToBeginning(everything());
			Map<TopicPartition, Long> ends = consumer.endOffsets(everything());
			long deadline = System.nanoTime() + 20_000_000_000L;
			while (ends.entrySet().stream().anyMatch(e -> consumer.position(e.getKey()) < e.getValue())) {
				if (System.nanoTime() > deadline)
					throw new IllegalStateException("the topic is not read to its end");
				consumer.poll(POLL).forEach(r -> read.add(new String(r.value(), StandardCharsets.US_ASCII)));
			}
		}
		System.out.println("{\"producer_id\":" + described.producerId() + ",\"epoch\":" + described.producerEpoch() + ",\"coordinator\":" + described.coordinatorId()
			+ ",\"committed\":" + list(committed) + ",\"read\":" + list(read) 
			+ ",\"offset\":" + offset + ",\"told\":" + told + "}");
	}

	private static void run(long seconds, int rate, long seed, String file) throws IOException, InterruptedException {
		history = new PrintWriter(new FileWriter(file, true));
		long end = System.nanoTime() + seconds * 1_000_000_000L;
		List<Thread> consumers = List.of(new Thread(() -> consume("javaconsumer0")), new Thread(() -> member(0, seed)), new Thread(() -> member(1, seed + 1)));
		Thread producer = new Thread(() -> produce(rate, seed, end));
		Thread main = Thread.currentThread();
		Runtime.getRuntime().addShutdownHook(new Thread(() -> {
			isStopped = true;
			try {
				main.join(80_000);
			} catch (InterruptedException e) {
				Thread.currentThread().interrupt();
			}
			Runtime.getRuntime().halt(main.isAlive() ? 1 : 0);
		}));
		consumers.forEach(Thread::start);
		producer.start();
		producer.join();
		isStopped = true;
		for (Thread t : consumers)
			t.join();
	}

	public static void main(String[] args) throws Exception {
		brokers = args[1];
		topic = args[2];
		partitions = Integer.parseInt(args[3]);
		if (args[0].equals("run"))
			run(Long.parseLong(args[4]), Integer.parseInt(args[5]), Long.parseLong(args[6]), args[7]);
		else
			transact(args[4], Integer.parseInt(args[5]));
	}

	private JavaLoad() {
	}
}
