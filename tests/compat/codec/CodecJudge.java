/*
 * Compares skein's codec with Kafka's own: the same message must be the same bytes.
 *
 *     java -cp ... CodecJudge SKEIN_CODEC [SEEDS] [NAME]
 *
 * For every message and version that skein-codec lists, and every seed:
 *   java-c  Kafka's message object is filled by reflection, following Kafka's schema of that version, and serialised;
 *           skein decodes and encodes it; the bytes are equal.
 *   c-java  skein encodes a random message; Kafka reads and serialises it; the bytes are equal.
 *   into    both read a message of this version and write it in every other: both refuse, or the bytes are equal.
 * Then the other direction of the list: every API that a ZooKeeper-mode broker serves is one skein knows, with the same
 * versions and the same headers.
 */
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.record.BaseRecords;
import org.apache.kafka.common.record.MemoryRecords;

public class CodecJudge {
    private static final String[] PACKAGES = {
        "org.apache.kafka.common.message.", "org.apache.kafka.coordinator.group.generated.",
        "org.apache.kafka.coordinator.transaction.generated.",
    };
    private static final int SHOWN_MAX = 20;

    private final DataOutputStream toSkein;
    private final DataInputStream fromSkein;
    private final Map<String, Field> fieldsByName = new HashMap<>();
    private int passed = 0;
    private int failed = 0;

    CodecJudge(Process skein) {
        toSkein = new DataOutputStream(new BufferedOutputStream(skein.getOutputStream()));
        fromSkein = new DataInputStream(new BufferedInputStream(skein.getInputStream()));
    }

    // ---- the question to skein ----

    private byte[] ask(char op, String name, int version, byte[] bytes) throws IOException {
        byte[] nameBytes = name.getBytes(StandardCharsets.UTF_8);
        toSkein.writeByte(op);
        toSkein.writeShort(nameBytes.length);
        toSkein.write(nameBytes);
        toSkein.writeShort(version);
        toSkein.writeInt(bytes.length);
        toSkein.write(bytes);
        toSkein.flush();
        int length = fromSkein.readInt();
        if (length < 0)
            return null;
        byte[] answer = new byte[length];
        fromSkein.readFully(answer);
        return answer;
    }

    // ---- Kafka's messages ----

    private static String camel(String name) {
        StringBuilder out = new StringBuilder();
        for (String word : name.split("_"))
            out.append(Character.toUpperCase(word.charAt(0))).append(word.substring(1));
        return out.toString();
    }

    private static Class<?> messageClass(String name) {
        for (String prefix : PACKAGES) {
            for (String suffix : new String[] {"Data", ""}) {
                try {
                    Class<?> c = Class.forName(prefix + camel(name) + suffix);
                    if (Message.class.isAssignableFrom(c))
                        return c;
                } catch (ClassNotFoundException e) {
                    // the next candidate
                }
            }
        }
        return null;
    }

    private static Message newMessage(Class<?> c) throws ReflectiveOperationException {
        return (Message) c.getDeclaredConstructor().newInstance();
    }

    private static byte[] serialise(Message m, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(m.size(cache, version));
        m.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining())
            throw new IllegalStateException("size() and write() differ");
        return buffer.array();
    }

    private Field javaField(Class<?> c, String schemaName) {
        return fieldsByName.computeIfAbsent(c.getName() + "/" + schemaName, key -> {
            String wanted = schemaName.replace("_", "").toLowerCase();
            for (Field f : c.getDeclaredFields()) {
                if (f.getName().toLowerCase().equals(wanted)) {
                    f.setAccessible(true);
                    return f;
                }
            }
            throw new IllegalStateException(c + " has no field for " + schemaName);
        });
    }

    private double fillChance = 1;      // of a field to get another value than its default

    private void fill(Object m, Schema schema, Random random) throws ReflectiveOperationException {
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields) {
                Map<?, ?> tagged = (Map<?, ?>) javaField(TaggedFields.class, "fields").get(bound.def.type);
                for (Object f : tagged.values())
                    if (random.nextBoolean())
                        fillField(m, (org.apache.kafka.common.protocol.types.Field) f, random);
            } else {
                fillField(m, bound.def, random);
            }
        }
    }

    private void fillField(Object m, org.apache.kafka.common.protocol.types.Field f, Random random)
            throws ReflectiveOperationException {
        if (random.nextDouble() >= fillChance)
            return;
        Field field = javaField(m.getClass(), f.name);
        // Kafka's schema does not say that a struct may be null; its message object does
        if (f.type instanceof Schema && field.get(m) == null && random.nextBoolean())
            return;
        field.set(m, value(f.type, field.getType(), field.getGenericType(), random));
    }

    private Object value(org.apache.kafka.common.protocol.types.Type type, Class<?> c, Type generic, Random random)
            throws ReflectiveOperationException {
        if (type.isNullable() && random.nextInt(4) == 0)
            return null;
        if (type.isArray())
            return array(type.arrayElementType().get(), c, generic, random);
        if (c == boolean.class || c == Boolean.class)
            return random.nextBoolean();
        if (c == byte.class || c == Byte.class)
            return (byte) integer(random);
        if (c == short.class || c == Short.class)
            return (short) integer(random);
        if (c == int.class || c == Integer.class)
            return (int) integer(random);
        if (c == long.class || c == Long.class)
            return integer(random);
        if (c == double.class)
            return random.nextInt(1000) / 8.0;
        if (c == Uuid.class)
            return random.nextInt(8) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
        if (c == String.class)
            return string(random);
        if (c == byte[].class)
            return bytes(random);
        if (c == ByteBuffer.class)
            return ByteBuffer.wrap(bytes(random));
        if (c == BaseRecords.class)
            return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes(random)));
        if (type instanceof Schema) {
            Object inner = newMessage(c);
            fill(inner, (Schema) type, random);
            return inner;
        }
        throw new IllegalStateException("no value for " + type + " in " + c);
    }

    @SuppressWarnings("unchecked")
    private Object array(org.apache.kafka.common.protocol.types.Type element, Class<?> c, Type generic, Random random)
            throws ReflectiveOperationException {
        boolean isList = c == java.util.List.class;
        Collection<Object> out = isList ? new ArrayList<>()
            : (Collection<Object>) c.getDeclaredConstructor().newInstance();
        Type owner = isList ? generic : c.getGenericSuperclass();
        Class<?> elementClass = (Class<?>) ((ParameterizedType) owner).getActualTypeArguments()[0];
        for (int n = random.nextInt(4); n > 0; n--)
            out.add(value(element, elementClass, elementClass, random));
        return out;
    }

    private static long integer(Random random) {
        long[] extremes = {0, -1, 1, Long.MAX_VALUE, Long.MIN_VALUE, Integer.MAX_VALUE, Integer.MIN_VALUE};
        return random.nextInt(4) == 0 ? extremes[random.nextInt(extremes.length)]
            : random.nextLong() >>> random.nextInt(64);
    }

    private static int length(Random random, int longest) {
        return random.nextInt(32) == 0 ? random.nextInt(longest) : random.nextInt(20);
    }

    private static String string(Random random) {
        String pieces = "aZ-._09\u00fc\u20ac";
        StringBuilder out = new StringBuilder();
        for (int n = length(random, 10000); n > 0; n--)
            out.append(random.nextInt(30) == 0 ? "\ud83d\ude00"
                : String.valueOf(pieces.charAt(random.nextInt(pieces.length()))));
        return out.toString();
    }

    private static byte[] bytes(Random random) {
        byte[] out = new byte[length(random, 30000)];
        random.nextBytes(out);
        return out;
    }

    // ---- the comparison ----

    private void verdict(String what, boolean ok, String why) {
        if (ok) {
            passed++;
            return;
        }
        failed++;
        if (failed <= SHOWN_MAX)
            System.out.println("FAIL " + what + ": " + why);
    }

    private static String difference(byte[] java, byte[] skein) {
        if (skein == null)
            return "refused by skein";
        int at = Arrays.mismatch(java, skein);
        return at < 0 ? null : java.length + " bytes in Java, " + skein.length + " in skein, first difference at " + at;
    }

    private byte[] randomBytes(Class<?> c, int version, long seed) throws ReflectiveOperationException {
        Message m = newMessage(c);
        Schema[] schemas = (Schema[]) c.getField("SCHEMAS").get(null);
        fill(m, schemas[version], new Random(seed));
        return serialise(m, (short) version);
    }

    private String javaToSkein(String name, Class<?> c, int version, long seed) throws Exception {
        byte[] bytes = randomBytes(c, version, seed);
        return difference(bytes, ask('R', name, version, bytes));
    }

    /* Full messages are mostly refused; sparse ones mostly fit. */
    private String intoOthers(String name, Class<?> c, int version, long seed) throws Exception {
        fillChance = new double[] {1, 0.7, 0.3, 0.1}[(int) (seed & 3)];
        byte[] bytes = randomBytes(c, version, seed);
        fillChance = 1;
        Message m = newMessage(c);
        m.read(new ByteBufferAccessor(ByteBuffer.wrap(bytes)), (short) version);
        for (short v = m.lowestSupportedVersion(); v <= m.highestSupportedVersion(); v++) {
            byte[] java = null;
            try {
                java = serialise(m, v);
            } catch (UnsupportedVersionException | NullPointerException e) {
                // refused: the version lacks a field, or null
            }
            ByteBuffer question = ByteBuffer.allocate(2 + bytes.length).putShort(v).put(bytes);
            byte[] skein = ask('C', name, version, question.array());
            String why = java != null ? difference(java, skein) : skein != null ? "refused by Java only" : null;
            if (why != null)
                return "in version " + v + ": " + why;
        }
        return null;
    }

    private String skeinToJava(String name, Class<?> c, int version, long seed) throws Exception {
        byte[] bytes = ask('F', name, version, ByteBuffer.allocate(8).putLong(seed).array());
        if (bytes == null)
            return "skein cannot encode its random message";
        Message m = newMessage(c);
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        m.read(new ByteBufferAccessor(buffer), (short) version);
        if (buffer.hasRemaining())
            return buffer.remaining() + " bytes not read by Java";
        return difference(serialise(m, (short) version), bytes);
    }

    private interface Comparison {
        String run(String name, Class<?> c, int version, long seed) throws Exception;
    }

    private void compare(String direction, Comparison comparison, String name, Class<?> c, int version, int seeds)
            throws IOException {
        String why = null;
        for (int seed = 0; seed < seeds && why == null; seed++) {
            try {
                why = comparison.run(name, c, version, seed * 31L + version);
            } catch (IOException e) {
                throw e;
            } catch (Exception e) {
                why = e.toString();
            }
            if (why != null)
                why += " (seed " + seed + ")";
        }
        verdict(direction + " " + name + " v" + version, why == null, why);
    }

    private void compareVersions(String name, Class<?> c, int low, int high) throws ReflectiveOperationException {
        Message m = newMessage(c);
        verdict("versions " + name, m.lowestSupportedVersion() == low && m.highestSupportedVersion() == high,
            "Java has " + m.lowestSupportedVersion() + "-" + m.highestSupportedVersion() + ", skein " + low + "-" + high);
    }

    private static String snake(String camel) {
        return camel.replaceAll("([a-z0-9])([A-Z])", "$1_$2").toLowerCase();
    }

    /* The header's layout is part of the judgement: skein writes it for this API and version, Java says how long it is. */
    private void compareApis(Map<String, int[]> known) throws IOException {
        for (ApiKeys key : ApiKeys.apisForListener(ApiMessageType.ListenerType.ZK_BROKER)) {
            if (key == ApiKeys.ENVELOPE)
                continue;
            String name = snake(key.name);
            verdict("served " + name, known.containsKey(name + "_request") && known.containsKey(name + "_response"),
                "skein does not know this API");
            for (short v = key.oldestVersion(); v <= key.latestVersion(); v++) {
                byte[] question = ByteBuffer.allocate(4).putShort(key.id).putShort(v).array();
                byte[] skein = ask('H', "", 0, question);
                byte[] java = {(byte) key.requestHeaderVersion(v), (byte) key.responseHeaderVersion(v)};
                String why = difference(java, skein);
                verdict("headers " + name + " v" + v, why == null, why);
            }
        }
    }

    private void run(int seeds, String only) throws Exception {
        Map<String, int[]> known = new HashMap<>();
        for (String line : new String(ask('L', "", 0, new byte[0]), StandardCharsets.UTF_8).split("\n")) {
            String[] words = line.split(" ");
            int low = Integer.parseInt(words[1]);
            int high = Integer.parseInt(words[2]);
            known.put(words[0], new int[] {low, high});
            if (only != null && !words[0].equals(only))
                continue;
            Class<?> c = messageClass(words[0]);
            if (c == null) {
                verdict("class " + words[0], false, "Java does not know this message");
                continue;
            }
            compareVersions(words[0], c, low, high);
            for (int v = low; v <= high; v++) {
                compare("java-c", this::javaToSkein, words[0], c, v, seeds);
                compare("c-java", this::skeinToJava, words[0], c, v, seeds);
                compare("into", this::intoOthers, words[0], c, v, seeds);
            }
        }
        if (only == null)
            compareApis(known);
    }

    public static void main(String[] args) throws Exception {
        Process skein = new ProcessBuilder(args[0]).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        CodecJudge judge = new CodecJudge(skein);
        try {
            judge.run(args.length > 1 ? Integer.parseInt(args[1]) : 20, args.length > 2 ? args[2] : null);
        } finally {
            skein.getOutputStream().close();
            skein.waitFor();
        }
        System.out.println(judge.passed + " passed, " + judge.failed + " failed, 0 skipped");
        System.exit(judge.failed == 0 ? 0 : 1);
    }
}
