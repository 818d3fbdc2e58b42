import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Runs the main methods of Kafka's tools in one Java machine, because starting one takes longer than what most tools do.
 *
 *	java -cp 'LIBS/*' JavaTools.java PORT
 *
 * Who connects to 127.0.0.1:PORT sends one line, the name of a class and its arguments with tabs between, and gets what the tool
 * writes to its standard output and error, and at the end a line "exit CODE". One tool runs at a time. What the tools log
 * goes to this process's standard error.
 */
public final class JavaTools {
	/** Thrown where a tool would end its process. */
	private static final class Ended extends Error {
		Ended(int code) {
			super("exit " + code, null, false, false);
		}
	}

	/** The code of the first end. Some tools catch what is thrown, say so, and end once more: of that nothing is heard. */
	private static Integer code;

	private static synchronized void end(int given) {
		if (code == null) {
			code = given;
			System.out.flush();
			out.to = OutputStream.nullOutputStream();
		}
		throw new Ended(given);
	}

	/** Where standard output and error go at the moment; Scala's console keeps the stream that it finds first. */
	private static final class Switch extends OutputStream {
		volatile OutputStream to;

		@Override
		public void write(int b) throws IOException {
			to.write(b);
		}

		@Override
		public void write(byte[] b, int off, int len) throws IOException {
			to.write(b, off, len);
		}

		@Override
		public void flush() throws IOException {
			to.flush();
		}
	}

	private static final Switch out = new Switch();

	private static void run(String[] words) {
		code = null;
		try {
			Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) Arrays.copyOfRange(words, 1, words.length));
		} catch (InvocationTargetException e) {
			if (!(e.getCause() instanceof Ended)) {
				System.out.println("Exception in thread \"main\" " + e.getCause());
				code = code == null ? 1 : code;
			}
		} catch (ReflectiveOperationException e) {
			System.out.println(e);
			code = 127;
		}
		System.out.flush();
	}

	public static void main(String[] args) throws IOException {
		// The logger takes standard error as it is now.
		org.slf4j.LoggerFactory.getLogger("tools").info("the tools wait");
		org.apache.kafka.common.utils.Exit.setExitProcedure((given, message) -> end(given));
		org.apache.zookeeper.util.ServiceUtils.setSystemExitProcedure(JavaTools::end);
		OutputStream nobody = new FileOutputStream(FileDescriptor.err);
		out.to = nobody;
		System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
		System.setErr(System.out);
		try (ServerSocket listener = new ServerSocket(Integer.parseInt(args[0]), 1, InetAddress.getLoopbackAddress())) {
			while (true) {
				try (Socket socket = listener.accept()) {
					String line = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8)).readLine();
					if (line == null)
						continue;
					OutputStream client = socket.getOutputStream();
					out.to = client;
					run(line.split("\t", -1));
					out.to = client;
					System.out.println("exit " + (code == null ? 0 : code));
				} catch (IOException e) {
					e.printStackTrace(new PrintStream(nobody, true, StandardCharsets.UTF_8));
				} finally {
					out.to = nobody;
				}
			}
		}
	}
}
