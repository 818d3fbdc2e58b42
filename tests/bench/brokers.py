"""What the benches that put skein beside others share: starting each of them, its processor time, memory and wakes, and how pairs of figures become a ratio.

What is started here ends with who started it, also when that is killed: programs get a signal from the kernel, and a ZooKeeper server is stopped by a shell that waits for the end of a pipe.
"""
import ctypes
import fcntl
import os
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SYSTEM = os.path.join(TOP, "tests", "system")
BENCH = os.path.join(TOP, "tests", "bench")
# Of Kafka's own start script, but for the heap.
JVM = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]
HEAP = {"java": ["-Xmx1G", "-Xms1G"], "java-kraft": ["-Xmx1G", "-Xms1G"], "java-tuned": ["-Xmx6G", "-Xms1G"]}
WAIT_S = 120
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MARK = "made-by-a-bench-of-skein"
pipes = {}              # of the shells that wait for our end, by the directory of their ZooKeeper server


class Failure(SystemExit):
    """A sentence on what is missing or has failed. Who does not catch it ends with it."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def wait_for_port(port, process, what):
    until = time.monotonic() + WAIT_S
    while not listens(port):
        if process.poll() is not None or time.monotonic() > until:
            raise Failure(f"{what}: nobody listens on port {port}")
        time.sleep(0.002)


def write_log4j(directory):
    path = os.path.join(directory, "log4j.properties")
    with open(path, "w", encoding="ascii") as f:
        f.write("log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\nlog4j.appender.out.layout=org.apache.log4j.SimpleLayout\n")
    return path


def java_classpath():
    if shutil.which("java") is None:
        raise Failure("java is missing: apt-get install default-jre-headless")
    done = subprocess.run([os.path.join(SYSTEM, "java-kafka"), "classpath"], stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode != 0:
        raise Failure("Apache Kafka's jars are not there: tests/system/java-kafka get")
    return done.stdout.strip()


def zookeeper(verb, directory="", *port):
    """start, stop or available. What was never begun may be stopped, too."""
    script = os.path.join(SYSTEM, "zookeeper")
    if verb == "start":
        pipes[directory] = subprocess.Popen(["sh", "-c", 'read -r _; exec "$0" stop "$1"', script, directory], stdin=subprocess.PIPE, start_new_session=True).stdin
    done = subprocess.run([script, verb, directory, *map(str, port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
    if verb == "stop" and directory in pipes:
        pipes.pop(directory).close()
    if verb != "stop" and done.returncode != 0:
        raise Failure(f"ZooKeeper: {done.stdout.strip().removeprefix('skipped: ')}")


def properties_of(name):
    with open(os.path.join(BENCH, name), encoding="ascii") as f:
        return [line.strip() for line in f if "=" in line and not line.startswith("#")]


def java_command(kind, classpath, log4j, directory, settings, main="kafka.Kafka", arguments=None):
    """The command of a Java broker with these settings, which are written to a file of the directory."""
    path = os.path.join(directory, "server.properties")
    with open(path, "w", encoding="ascii") as f:
        f.write("\n".join(settings) + "\n")
    return ["java", *HEAP[kind], *JVM, f"-Dlog4j.configuration=file:{log4j}", "-cp", classpath, main, *(arguments or []), path]


def skein_command(skein, settings):
    return [skein, "serve"] + [word for s in settings for word in ("--override", s)]


def popen(command, with_signal, **more):
    """A process that gets this signal when we end. In a group of its own: Control-C is for us, who end it when its turn has come. What ends us waits while it is forked, where Python
    would lose the exception."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)

    def prepare():
        os.setpgid(0, 0)
        LIBC.prctl(PR_SET_PDEATHSIG, with_signal)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        return subprocess.Popen(list(map(str, command)), preexec_fn=prepare, **more)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start(command, log):
    with open(log, "a", encoding="ascii") as out:
        return popen(command, signal.SIGKILL, stdout=out, stderr=out, stdin=subprocess.DEVNULL)


def run(command, timeout):
    """What a client prints. When it is killed here, what it has started ends, too (`skein bench start` sees to that)."""
    with popen(command, signal.SIGTERM, stdout=subprocess.PIPE, text=True) as process:
        try:
            out = process.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            raise Failure(f"{' '.join(process.args)}: has not ended within {timeout} s") from None
        finally:
            process.kill()
    if process.returncode != 0:
        raise Failure(f"{' '.join(process.args)}: has ended with {process.returncode}")
    return out


def end(process, with_signal=signal.SIGKILL):
    if process is not None and process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)


def cpu_s(pid):
    """User and system of all threads, also of those that have ended, from the process's clock."""
    return time.clock_gettime((~pid << 3) | 2)


def wakes(pid):
    count = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/status", encoding="ascii", errors="replace") as f:
                count += next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
        except (FileNotFoundError, ProcessLookupError, StopIteration):
            pass        # a thread that has just ended
    return count


def pss_mib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:")) / 1024


def machine_busy_s():
    """Of all processors, since the boot."""
    with open("/proc/stat", encoding="ascii") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return (sum(v) - v[3] - v[4] - v[7]) / os.sysconf("SC_CLK_TCK")


def recycle_memory(directory):
    """The pages of the files of earlier runs are free for those of the next. A virtual machine gets a page from its host when it first writes to it, which takes longer than all
    that a broker does with it, and gives back what is free for long: a run that has to begin new ones measures the host."""
    for at, _, names in os.walk(directory):
        for name in names:
            try:
                fd = os.open(os.path.join(at, name), os.O_RDONLY)
            except FileNotFoundError:
                continue        # its broker runs, and has deleted it
            os.fdatasync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def device(directory):
    """What the device under a directory does: ({"p50": µs, "p99": µs} of a thousand fdatasync, one after each 4 KiB appended, a thousand a second; sequential bytes per second)."""
    path = os.path.join(directory, "device")
    times = []
    with open(path, "wb", buffering=0) as f:
        due = time.monotonic()
        for _ in range(1000):
            f.write(b"x" * 4096)
            began = time.monotonic()
            os.fdatasync(f.fileno())
            times.append((time.monotonic() - began) * 1e6)
            due = max(due + 0.001, time.monotonic() - 0.1)
            time.sleep(max(due - time.monotonic(), 0))
        began = time.monotonic()
        for _ in range(256):
            f.write(bytes(1 << 20))
        os.fdatasync(f.fileno())
        rate = (256 << 20) / (time.monotonic() - began)
    os.truncate(path, 0)
    times.sort()
    return {"p50": times[500], "p99": times[990]}, rate


def slab_mib():
    """Of the kernel, where its end of a connection is."""
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Slab:")) / 1024


def connect_idle(port, count):
    """So many connections that have asked for the versions once, been answered, and are silent since. Fewer at a time than a backlog of Kafka's default holds, 50: whom that drops
    tries again after a second."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    question = bytes((0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255))
    out = []
    while len(out) < count:
        some = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(min(40, count - len(out)))]
        for s in some:
            s.sendall(question)
        for s in some:
            s.recv(65536)
        out += some
    return out


def ask_metadata(port, times):
    """So often for all topics, version 1, on one connection; how many topics the last answer is said to hold."""
    question = bytes((0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255))
    topics = -1
    with socket.create_connection(("127.0.0.1", port), 60) as s, s.makefile("rb") as answers:
        for _ in range(times):
            s.sendall(question)
            answer = answers.read(int.from_bytes(answers.read(4), "big"))
            at, brokers = 8, int.from_bytes(answer[4:8], "big")
            for _ in range(brokers):
                at += 4                                                     # id
                at += 2 + int.from_bytes(answer[at:at + 2], "big") + 4      # host, port
                rack = int.from_bytes(answer[at:at + 2], "big", signed=True)
                at += 2 + max(rack, 0)
            topics = int.from_bytes(answer[at + 4:at + 8], "big")           # behind the controller
    return topics


def in_turns(sides, runs, measure):
    """{kind: [figure of each run]}: first the one, then the other, again and again."""
    figures = {side.kind: [] for side in sides}
    for _ in range(runs):
        for side in sides:
            figures[side.kind].append(measure(side))
    return figures


def ratio(above, below):
    """Of two lists of figures, pair by pair: the median of the ratios and a bootstrapped interval of 95 % of that median; (ratio, None, None) of one pair, None of none."""
    pairs = [a / b for a, b in zip(above, below) if a is not None and b]
    if not pairs:
        return None
    if len(pairs) == 1:
        return pairs[0], None, None
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(pairs, k=len(pairs))) for _ in range(2000))
    return statistics.median(pairs), medians[50], medians[1949]


def interval(r):
    return "(one pair)" if r[1] is None else f"({r[1]:.2f}-{r[2]:.2f})"


def set_aside(directory, graveyard):
    """Empties the files of a directory and moves it out of the way. Nothing is removed before the end: ext4 does not give an inode out again for a minute or more, and each file that is
    made looks at all of these one by one, so that who comes after a broker with thousands of files would pay for them."""
    if not os.path.isdir(directory):
        return
    for at, _, names in os.walk(directory):
        for name in names:
            os.truncate(os.path.join(at, name), 0)
    os.makedirs(graveyard, exist_ok=True)
    os.rename(directory, os.path.join(graveyard, str(len(os.listdir(graveyard)))))


def claim(directory):
    """Makes a directory one's own: one that is not there, or empty, or that a bench which was killed has left, whose mark is in it. Returns what holds it meanwhile, and whether it is new."""
    is_new = not os.path.lexists(directory)
    try:
        os.makedirs(directory, exist_ok=True)
        names = os.listdir(directory)
        if names and MARK not in names:
            raise Failure(f"{directory} is not empty, and no bench has made what is in it: name a directory that is empty or not there")
        mark = open(os.path.join(directory, MARK), "a", encoding="ascii")
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failure(f"{directory}: another bench is at work in it") from None
    except OSError as e:
        raise Failure(f"{directory}: {e.strerror}: name a directory that is empty or not there") from None
    return mark, is_new


def remove(path):
    """A directory and all that is in it, or a file."""
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)
