import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.apache.kafka.admin.AdminUtils;
import org.apache.kafka.admin.BrokerMetadata;

/*
 * Prints what Apache Kafka's replica placement answers, for tests/golden/cluster/assignments.txt:
 *
 *	javac -cp 'LIBS/*' Assignments.java && java -cp 'LIBS/*:.' Assignments > assignments.txt
 *
 * A line: brokers (id or id:rack, ascending), start (and shift), first partition, replication factor, then the replicas of each partition.
 */
public class Assignments {
	public static void main(String[] args) {
		Random random = new Random(39);

		for (int i = 0; i < 300; i++) {
			int n = 1 + random.nextInt(9), racks = i % 3 == 0 ? 0 : 1 + random.nextInt(4);
			int factor = 1 + random.nextInt(n), partitions = 1 + random.nextInt(20);
			int first = i % 2 == 0 ? 0 : random.nextInt(12), start = random.nextInt(n);
			List<BrokerMetadata> brokers = new ArrayList<>();
			StringBuilder line = new StringBuilder();

			for (int id = random.nextInt(3), k = 0; k < n; k++, id += 1 + random.nextInt(2)) {
				Optional<String> rack = racks == 0 ? Optional.empty() : Optional.of("r" + random.nextInt(racks));

				brokers.add(new BrokerMetadata(id, rack));
				line.append(k > 0 ? "," : "").append(id).append(rack.map(r -> ":" + r).orElse(""));
			}
			line.append(' ').append(start).append(' ').append(first).append(' ').append(factor);
			Map<Integer, List<Integer>> made = AdminUtils.assignReplicasToBrokers(brokers, partitions, factor, start, first);
			for (int p = first; p < first + partitions; p++)
				line.append(' ').append(made.get(p).toString().replaceAll("[\\[\\] ]", ""));
			System.out.println(line);
		}
	}
}
