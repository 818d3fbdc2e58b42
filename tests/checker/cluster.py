"""A cluster for the fault tests: ZooKeeper servers and brokers, each in a network namespace of its own where that is possible.

Owner: one thread, which also watches the processes. Everything started here dies with it (PR_SET_PDEATHSIG), namespaces of runs that
died are taken away by the next run. In namespaces the addresses are 10.77.0.x, with a bridge in another namespace between them: nothing
of the machine's own network is touched or can be reached. Without (not root, no ip, no nft) all listens on 127.0.0.1, links cannot be cut.
"""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM = os.path.join(HERE, "..", "system")
sys.path.insert(0, SYSTEM)
import wire  # noqa: E402

BROKERS = (1, 2, 3)
TOPIC, PARTITIONS = "t", 3
ZOOKEEPER_JAR = "/usr/share/java/zookeeper.jar"
SESSION_TIMEOUT_MS = 4000
CLONE_NEWNET, PR_SET_PDEATHSIG = 0x40000000, 1
# ASan and UBSan end the program with it (SANITIZER below); these signals are a program's own failure.
SANITIZER_EXIT, CRASH_SIGNALS = 99, (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
RESTARTS_MAX = 40          # of one process, by the watch: a Java broker ends when its old session is still there

# Timeouts that a history of half a minute can wait for; small segments, so that they roll.
BROKER_CONFIG = {
    "zookeeper.session.timeout.ms": SESSION_TIMEOUT_MS, "zookeeper.connection.timeout.ms": 15000, "replica.lag.time.max.ms": 3000,
    "replica.socket.timeout.ms": 3000, "controller.socket.timeout.ms": 3000, "replica.fetch.wait.max.ms": 200,
    "replica.fetch.backoff.ms": 200, "replica.high.watermark.checkpoint.interval.ms": 1000, "controlled.shutdown.max.retries": 2,
    "controlled.shutdown.retry.backoff.ms": 500, "min.insync.replicas": 2, "default.replication.factor": 3,
    "unclean.leader.election.enable": "false", "auto.create.topics.enable": "false", "log.segment.bytes": 300000,
    "log.index.interval.bytes": 1000, "leader.imbalance.check.interval.seconds": 10, "offsets.topic.replication.factor": 3,
    "num.io.threads": 4, "num.network.threads": 2, "log.cleaner.enable": "false",
}
# Where kinds are mixed every internal topic has replicas on all of them, and few partitions, so that each is used.
MIXED_CONFIG = {"offsets.topic.num.partitions": 5, "transaction.state.log.num.partitions": 3, "transaction.state.log.replication.factor": 3,
                "transaction.state.log.min.isr": 2, "group.initial.rebalance.delay.ms": 200,
                "group.min.session.timeout.ms": 1000}

_libc = ctypes.CDLL(None, use_errno=True)


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def run(*command, check=True, **more):
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, **more)


class Missing(Exception):
    """Something that the test needs is not on this machine: the test is skipped with this sentence."""


class Network:
    """Namespaces, or loopback. address(host) for any host; cut() and heal() only where has_links."""

    ADDRESSES = {"b1": 1, "b2": 2, "b3": 3, "zk1": 11, "zk2": 12, "zk3": 13, "client": 100}

    def __init__(self, hosts, want_links=True):
        self.hosts, self.ports, self.tag = hosts, {}, f"skein-{os.getpid()}"
        self.has_links = want_links and self.why_no_links() is None
        if self.has_links:
            self._make()

    @staticmethod
    def why_no_links():
        if os.geteuid() != 0:
            return "not root"
        for program in ("ip", "nft"):
            if not shutil.which(program):
                return f"{program} is missing"
        name = f"skein-{os.getpid()}-try"
        if run("ip", "netns", "add", name, check=False).returncode != 0:
            return "network namespaces cannot be made here"
        tables = run("ip", "netns", "exec", name, "nft", "add", "table", "ip", "try", check=False).returncode
        bridge = run("ip", "-n", name, "link", "add", "br0", "type", "bridge", check=False).returncode
        run("ip", "netns", "del", name, check=False)
        return "nftables or bridges do not work here" if tables or bridge else None

    def name(self, host):
        return f"{self.tag}-{host}"

    def _make(self):
        self._sweep()
        run("ip", "netns", "add", self.name("hub"))
        run("ip", "-n", self.name("hub"), "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.name("hub"), "link", "set", "br0", "up")
        for host in self.hosts + ["client"]:
            ns = self.name(host)
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "add", "eth0", "type", "veth", "peer", "name", host, "netns", self.name("hub"))
            run("ip", "-n", self.name("hub"), "link", "set", host, "master", "br0", "up")
            run("ip", "-n", ns, "addr", "add", self.address(host) + "/24", "dev", "eth0")
            run("ip", "-n", ns, "link", "set", "eth0", "up")
            run("ip", "-n", ns, "link", "set", "lo", "up")
            self._nft(host, "add table ip faults; add set ip faults cut { type ipv4_addr; }; "
                      "add chain ip faults in { type filter hook input priority 0; }; add rule ip faults in ip saddr @cut drop")
        with open("/run/netns/" + self.name("client"), "rb") as f:     # from here on this process is the client's host
            if _libc.setns(f.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def _sweep(self):
        for line in run("ip", "netns", "list").stdout.splitlines():
            name = line.split()[0]
            parts = name.split("-")
            if parts[0] == "skein" and len(parts) == 3 and not os.path.exists("/proc/" + parts[1]):
                run("ip", "netns", "del", name, check=False)

    def _nft(self, host, commands):
        run("ip", "netns", "exec", self.name(host), "nft", commands)

    def address(self, host):
        return f"10.77.0.{self.ADDRESSES[host]}" if self.has_links else "127.0.0.1"

    def port(self, host, usual):
        """In a namespace the usual port; on loopback a free one, kept."""
        if self.has_links:
            return usual
        if (host, usual) not in self.ports:
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                self.ports[host, usual] = s.getsockname()[1]
        return self.ports[host, usual]

    def inside(self, host, command):
        return ["ip", "netns", "exec", self.name(host)] + command if self.has_links else command

    def cut(self, sender, receiver):
        """Packets of sender do not reach receiver any more; the other direction is another cut."""
        self._nft(receiver, "add element ip faults cut { %s }" % self.address(sender))

    def mend(self, sender, receiver):
        self._nft(receiver, "delete element ip faults cut { %s }" % self.address(sender))

    def heal(self):
        for host in self.hosts if self.has_links else ():
            self._nft(host, "flush set ip faults cut")

    def remove(self):
        for host in self.hosts + ["client", "hub"] if self.has_links else ():
            run("ip", "netns", "del", self.name(host), check=False)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A server: started again and again with one command, its output in one file. wanted: it should be running."""

    def __init__(self, name, command, log, environment=None):
        self.name, self.command, self.log, self.environment = name, command, log, environment
        self.popen, self.wanted, self.is_paused, self.restarts, self.since = None, False, False, 0, 0.0

    def start(self):
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                                          start_new_session=True, preexec_fn=_die_with_parent)
        self.wanted, self.is_paused, self.since = True, False, time.monotonic()

    def is_running(self):
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number):
        if self.is_running():
            self.popen.send_signal(number)

    def kill(self):
        self.wanted = False
        self.signal(signal.SIGKILL)
        if self.popen:
            self.popen.wait(10)

    def pause(self):
        self.is_paused = True
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.is_paused = False
        self.signal(signal.SIGCONT)

    def ask_to_stop(self):
        self.wanted = False
        self.signal(signal.SIGTERM)

    def wait(self, seconds):
        """The exit code, or None when it is still there."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


class Cluster:
    """kinds: {broker: "skein" or "java"}, of any of which another may become (settle); program: skein's path. config: more broker configuration.
    is_mixed: brokers of one kind may become of two.
    note(f, **fields): where events are told. topic: the one that the questions below are about."""

    def __init__(self, folder, kinds, program, note, zookeepers=1, want_links=True, config=None, is_mixed=False):
        self.folder, self.program, self.note = os.path.abspath(folder), program, note
        self.kinds, self.topic, self.is_mixed = dict(kinds), TOPIC, is_mixed or len(set(kinds.values())) > 1
        self.wrong = []                               # what no fault explains: crashes, stops that do not end
        self.ended_by_themselves = 0
        self.zk_names = [f"zk{i}" for i in range(1, zookeepers + 1)]
        self._require()
        self.network = Network([f"b{i}" for i in BROKERS] + self.zk_names, want_links)
        self.zookeepers = {name: self._zookeeper(name) for name in self.zk_names}
        self.brokers = {i: self._broker(i, config or {}) for i in BROKERS}

    def _require(self):
        if not shutil.which("java"):
            raise Missing("java is missing (ZooKeeper needs it)")
        if not os.path.exists(ZOOKEEPER_JAR):
            raise Missing("the package zookeeper is missing")
        if self.is_mixed or "java" in self.kinds.values():
            got = subprocess.run([os.path.join(SYSTEM, "java-kafka"), "classpath"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if got.returncode != 0:
                raise Missing("Apache Kafka cannot be had: " + got.stderr.strip()[-200:])
            self.classpath = got.stdout.strip()

    def _folder(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def _zookeeper(self, name):
        path, port, address = self._folder(name), self.network.port(name, 2181), self.network.address(name)
        lines = ["tickTime=200", "initLimit=20", "syncLimit=10", f"dataDir={path}/data", f"clientPort={port}", f"clientPortAddress={address}",
                 "maxClientCnxns=0", "maxSessionTimeout=60000", "admin.enableServer=false", "4lw.commands.whitelist=ruok"]
        os.makedirs(f"{path}/data", exist_ok=True)
        if len(self.zk_names) > 1:
            lines += [f"server.{n[2:]}={self.network.address(n)}:{self.network.port(n, 2888)}:{self.network.port(n, 3888)}" for n in self.zk_names]
            with open(f"{path}/data/myid", "w", encoding="ascii") as f:
                f.write(name[2:])
        with open(f"{path}/zoo.cfg", "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")
        java = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.admin.enableServer=false", "-cp", ZOOKEEPER_JAR,
                "org.apache.zookeeper.server.quorum.QuorumPeerMain", f"{path}/zoo.cfg"]
        return Process(name, self.network.inside(name, java), f"{path}/log")

    def _broker(self, i, config):
        host = f"b{i}"
        path, listener = self._folder(host), f"PLAINTEXT://{self.network.address(host)}:{self.network.port(host, 9092)}"
        connect = ",".join(f"{self.network.address(n)}:{self.network.port(n, 2181)}" for n in self.zk_names)
        settings = {"broker.id": i, "listeners": listener, "log.dirs": self.data(i), "zookeeper.connect": connect, **BROKER_CONFIG,
                    **(MIXED_CONFIG if self.is_mixed else {}), **config}
        with open(f"{path}/server.properties", "w", encoding="ascii") as f:
            f.writelines(f"{key}={value}\n" for key, value in settings.items())
        with open(f"{path}/log4j.properties", "w", encoding="ascii") as f:
            f.write("log4j.rootLogger=INFO, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n"
                    "log4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n\n")
        environment = dict(os.environ, ASAN_OPTIONS=f"detect_leaks=1:exitcode={SANITIZER_EXIT}:abort_on_error=0",
                           UBSAN_OPTIONS=f"print_stacktrace=1:exitcode={SANITIZER_EXIT}", HOME=path)
        environment.pop("NOTIFY_SOCKET", None)
        return Process(host, self._command(i), f"{path}/log", environment)

    def _command(self, i):
        path = self._folder(f"b{i}")
        if self.kinds[i] == "skein":
            command = [self.program, "serve", f"{path}/server.properties"]
        else:
            command = ["java", "-Xmx300m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j.configuration=file:{path}/log4j.properties",
                       "-cp", self.classpath, "kafka.Kafka", f"{path}/server.properties"]
        return self.network.inside(f"b{i}", command)

    def settle(self, i, kind):
        """Broker i, which is down, will be of this kind: the same id, configuration and data."""
        self.kinds[i] = kind
        self.brokers[i].command = self._command(i)

    def data(self, i):
        return os.path.join(self.folder, f"b{i}", "data")

    def address(self, i):
        host = f"b{i}"
        return f"{self.network.address(host)}:{self.network.port(host, 9092)}"

    @property
    def bootstrap(self):
        return ",".join(self.address(i) for i in BROKERS)

    def processes(self):
        return list(self.zookeepers.values()) + list(self.brokers.values())

    # ---- processes -------------------------------------------------------------------------------------------------------------

    def watch(self):
        """Looks at what ended by itself: a crash is wrong, anything else is started again after a second."""
        for p in self.processes():
            if not p.wanted or p.is_running():
                continue
            code = p.popen.returncode
            if p.since > 0:
                p.since = 0.0
                p.ended = time.monotonic()
                self.note("ended", process=p.name, code=code)
                self.ended_by_themselves += 1
                self._judge_exit(p, code)
            elif time.monotonic() - p.ended > 1:
                p.restarts += 1
                if p.restarts > RESTARTS_MAX:
                    raise RuntimeError(f"{p.name} ends again and again, see {p.log}")
                p.start()

    def _judge_exit(self, p, code):
        if code == SANITIZER_EXIT or -code in CRASH_SIGNALS:
            self.wrong.append(f"{p.name} crashed: exit {code}, see {p.log}")

    def sleep(self, seconds):
        """Sleeps while watching."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.watch()
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))

    def stop_broker(self, i, seconds):
        """After ask_to_stop: waits for the exit code; what does not end in time is killed, and is wrong for skein."""
        p = self.brokers[i]
        code = p.wait(seconds)
        self.note("stopped", broker=i, code=code)
        if code is None:
            if self.kinds[i] == "skein":
                self.wrong.append(f"{p.name} did not stop within {seconds} s")
            p.kill()
        else:
            self._judge_exit(p, code)
        return code

    def start(self, seconds=90):
        for p in self.zookeepers.values():
            p.start()
        for name in self.zk_names:
            self.until(seconds, lambda: self._accepts(self.network.address(name), self.network.port(name, 2181)), f"{name} accepts nothing")
        for p in self.brokers.values():
            p.start()
        self.until(seconds, lambda: all(len(v["Brokers"]) == len(BROKERS) for v in self.views().values()) and len(self.views()) == len(BROKERS),
                   "the brokers do not see each other")

    @staticmethod
    def _accepts(address, port):
        try:
            socket.create_connection((address, port), 1).close()
            return True
        except OSError:
            return False

    def until(self, seconds, condition, what):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} after {seconds} s")
            self.sleep(0.2)

    def close(self):
        for p in self.processes():
            p.kill()
        self.network.remove()

    # ---- questions -------------------------------------------------------------------------------------------------------------

    def ask(self, i, api, version, body, timeout=3):
        """The answer of broker i, or None."""
        client = None
        try:
            client = wire.connect(self.address(i), timeout)
            return wire.ask(client, api, version, body, timeout)
        except (OSError, wire.kafkawire.WireError):
            return None
        finally:
            if client:
                client.close()

    def view(self, i):
        return self.ask(i, "Metadata", 10, {"Topics": [{"Name": self.topic}], "AllowAutoTopicCreation": False}, 2)

    def topics(self, i):
        """The names that broker i knows; none without an answer."""
        answer = self.ask(i, "Metadata", 10, {"Topics": None, "AllowAutoTopicCreation": False})
        return [t["Name"] for t in answer["Topics"]] if answer else []

    def views(self):
        """{broker: its metadata} of those that answer."""
        found = {i: self.view(i) for i in BROKERS if self.brokers[i].is_running() and not self.brokers[i].is_paused}
        return {i: v for i, v in found.items() if v}

    def controller(self):
        """A broker's word for who is controller; None when nobody knows."""
        return next((v["ControllerId"] for v in self.views().values() if v["ControllerId"] in BROKERS), None)

    def ask_controller(self, api, version, body):
        i = self.controller()
        return i and self.ask(i, api, version, body, 8)

    def partitions(self, view):
        """{partition: (leader, epoch, isr, replicas)} of the test's topic."""
        found = [t for t in view["Topics"] if t["Name"] == self.topic and t["ErrorCode"] == 0]
        return {p["PartitionIndex"]: (p["LeaderId"], p["LeaderEpoch"], sorted(p["IsrNodes"]), sorted(p["ReplicaNodes"]))
                for t in found for p in t["Partitions"]}

    def leader(self, partition):
        for v in self.views().values():
            state = self.partitions(v).get(partition)
            if state and state[0] in BROKERS:
                return state[0]
        return None

    def is_whole(self):
        """Every broker tells the same of every partition, and that is: all replicas, all in sync."""
        views = [self.partitions(v) for v in self.views().values()]
        return (len(views) == len(BROKERS) and len(views[0]) == PARTITIONS and all(v == views[0] for v in views)
                and all(leader in BROKERS and isr == replicas == sorted(BROKERS) for leader, _, isr, replicas in views[0].values()))

    def create_topic(self):
        def created():
            i = self.controller()
            if i is None:
                return False
            client = wire.connect(self.address(i), 10)
            try:
                return wire.create_topics(client, {self.topic: (PARTITIONS, {"max.message.bytes": "20000"})}, replicas=len(BROKERS))[self.topic] in (0, 36)
            except OSError:
                return False
            finally:
                client.close()
        self.until(30, created, "the topic cannot be created")
        self.until(30, self.is_whole, "the new topic is not whole")

    def tell_views(self):
        return json.dumps({i: self.partitions(v) for i, v in self.views().items()})
