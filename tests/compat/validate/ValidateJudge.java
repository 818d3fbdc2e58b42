import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;

import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.requests.ProduceResponse;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.CloseableIterator;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.common.MetadataVersion;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;
import org.apache.kafka.storage.internals.log.RecordValidationException;

/*
 * Gives the batches that skein-validate made to Kafka's own validator and compares. Equal means:
 *   accepted by both: the same stored bytes, or, where another compressor or a padded number makes a difference, the same
 *     header and records when Java reads them;
 *   single records refused: the same code and texts;
 *   refused as a whole: the same code, if the batch came uncompressed; of a broken stream and of broken records in it both
 *     sides may notice the one or the other first.
 * skein may refuse what Kafka's leader accepts only where no Java consumer can read the batch, or where it is no gzip by RFC 1952.
 */
public class ValidateJudge {
	static final class Metrics implements LogValidator.MetricsRecorder {
		public void recordInvalidMagic() {}
		public void recordInvalidOffset() {}
		public void recordInvalidSequence() {}
		public void recordInvalidChecksums() {}
		public void recordNoKeyCompactedTopic() {}
	}

	static final class Verdict {
		int code;
		String text = "";
		byte[] stored;
		boolean perRecord;
	}

	static byte[] unhex(String s) {
		byte[] b = new byte[s.length() / 2];
		for (int i = 0; i < b.length; i++)
			b[i] = (byte) (Character.digit(s.charAt(2 * i), 16) << 4 | Character.digit(s.charAt(2 * i + 1), 16));
		return b;
	}

	static RecordBatch batchOf(byte[] bytes) {
		return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches().iterator().next();
	}

	static Time clock(long now) {
		return (Time) Proxy.newProxyInstance(ValidateJudge.class.getClassLoader(), new Class<?>[] { Time.class }, (p, m, a) -> now);
	}

	static Verdict kafka(String[] field) {
		Verdict v = new Verdict();
		try {
			byte[] bytes = unhex(field[0]);
			MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
			CompressionType source = CompressionType.forId(batchOf(bytes).compressionType().id);
			int target = Integer.parseInt(field[1]);
			LogValidator validator = new LogValidator(records, new TopicPartition("t", 0), clock(Long.parseLong(field[6])), source,
				Compression.of(target < 0 ? source : CompressionType.forId(target)).build(), field[3].equals("1"), (byte) 2,
				field[2].equals("1") ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME,
				Long.parseLong(field[4]), Long.parseLong(field[5]), 0, AppendOrigin.CLIENT, MetadataVersion.latestProduction());
			ByteBuffer b = validator.validateMessagesAndAssignOffsets(PrimitiveRef.ofLong(0), new Metrics(), BufferSupplier.NO_CACHING)
				.validatedRecords.buffer().duplicate();
			v.stored = new byte[b.remaining()];
			b.get(v.stored);
		} catch (RecordValidationException e) {
			v.code = Errors.forException(e.invalidException()).code();
			v.perRecord = true;
			StringBuilder text = new StringBuilder(e.invalidException().getMessage());
			for (ProduceResponse.RecordError r : e.recordErrors())
				text.append('|').append(r.batchIndex).append(':').append(r.message);
			v.text = text.toString();
		} catch (Throwable e) {
			v.code = Errors.forException(e).code();
			v.text = e.toString();
		}
		return v;
	}

	/* What a consumer would see; null if it would fail. */
	static List<String> read(byte[] bytes) {
		List<String> seen = new ArrayList<>();
		RecordBatch batch = batchOf(bytes);
		if (!batch.isValid())
			return null;
		seen.add(batch.baseOffset() + " " + batch.lastOffset() + " " + batch.timestampType() + " " + batch.compressionType() + " " +
			batch.maxTimestamp() + " " + batch.producerId() + " " + batch.producerEpoch() + " " + batch.baseSequence() + " " +
			batch.isTransactional() + " " + batch.partitionLeaderEpoch() + " " + batch.deleteHorizonMs());
		try (CloseableIterator<Record> it = batch.streamingIterator(BufferSupplier.NO_CACHING)) {
			while (it.hasNext()) {
				Record r = it.next();
				seen.add(r.offset() + " " + r.timestamp() + " " + r.key() + " " + (r.hasKey() ? r.key().hashCode() : "") + " " +
					(r.hasValue() ? r.value().hashCode() : "null") + " " + java.util.Arrays.toString(r.headers()));
			}
		} catch (RuntimeException e) {
			return null;
		}
		return seen;
	}

	static boolean isOddGzip(byte[] batch) {
		return (batch[22] & 7) == 1 && batch.length > 64 && (batch[64] & 0xe0) != 0;
	}

	static String judge(String[] field, String[] ours, String text, Verdict kafka) {
		int code = Integer.parseInt(ours[1]);
		byte[] sent = unhex(field[0]);
		boolean isPlain = (sent[22] & 7) == 0;
		if (code == 0 && kafka.code == 0) {
			byte[] stored = unhex(text);
			if (java.util.Arrays.equals(stored, kafka.stored))
				return null;
			List<String> seen = read(stored);
			return seen != null && seen.equals(read(kafka.stored)) ? null : "stored otherwise";
		}
		if (code == 0)
			return "accepted, Kafka: " + kafka.code + " " + kafka.text;
		if (kafka.code == 0)
			return !isPlain && (read(sent) == null || isOddGzip(sent)) ? null : "refused with " + code + ", Kafka accepts";
		if (kafka.perRecord && !text.isEmpty())
			return code == kafka.code && text.equals(kafka.text) ? null : "other words: " + code + " " + text + "\nKafka: " + kafka.code + " " + kafka.text;
		if (isPlain)
			return code == kafka.code ? null : "refused with " + code + ", Kafka: " + kafka.code + " " + kafka.text;
		return null;
	}

	public static void main(String[] args) throws Exception {
		Process p = new ProcessBuilder(args[0], args[1], args[2]).redirectError(ProcessBuilder.Redirect.INHERIT).start();
		BufferedReader in = new BufferedReader(new InputStreamReader(p.getInputStream()));
		int passed = 0, failed = 0;
		for (String line; (line = in.readLine()) != null;) {
			String[] ours = line.split("\\|", 3);
			String[] field = ours[0].split(" ");
			String wrong = judge(field, ours, ours[2], kafka(field));
			if (wrong == null) {
				passed++;
			} else if (failed++ < 10) {
				System.out.println(wrong + "\n    " + ours[0].substring(0, Math.min(ours[0].length(), 2000)));
			}
		}
		System.out.println(passed + " passed, " + failed + " failed, 0 skipped");
		System.exit(failed == 0 && passed == Integer.parseInt(args[2]) && p.waitFor() == 0 ? 0 : 1);
	}
}
