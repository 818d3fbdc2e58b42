# shellcheck shell=bash
# What the system tests share. A test is a file of stories, functions named story_...; run_stories tells them in the order in
# which they stand, each in a subshell that ends at the first command that fails. What one story leaves behind (a broker, a
# topic) the next may use: brokers are known by name, and what is known of them lies in files below $scratch.
#
#   NAME.test SKEIN [PATTERN]     SKEIN: the program to test; only stories whose names match PATTERN
#
# Environment: SKEIN_TEST_BUILD  the build tree with the test programs, default: where SKEIN lies
#              SKEIN_TEST_KEEP   1 = the scratch directory is left there in any case (it always is after a failure)
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
name=$(basename "$0" .test)
[ $# -ge 1 ] && [ -x "$1" ] || { echo "usage: $0 SKEIN [PATTERN]" >&2; exit 2; }
skein=$(realpath "$1")
pattern=${2:-.}
build=${SKEIN_TEST_BUILD:-$(dirname "$skein")}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/skein-$name.XXXXXX")
# Short for sockets and fast for small files; a test that needs a file system of its own makes one below.
mkdir -p "$scratch/home" "$scratch/run"
export CACHE_HOME=$HOME HOME=$scratch/home PYTHONDONTWRITEBYTECODE=1
unset XDG_DATA_HOME XDG_CONFIG_HOME NOTIFY_SOCKET SKEIN_BOOTSTRAP SKEIN_PROFILE
# A sanitizer's findings end the program with a code of their own, which broker_stop tells from a clean stop.
export ASAN_OPTIONS=detect_leaks=1:exitcode=99:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1:exitcode=99

# ---- brokers ------------------------------------------------------------------------------------------------------------------

# free_port: below those that the kernel gives to clients, so that nobody takes it while its broker is down.
free_port() {
	python3 -c 'import random, socket
low = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
while True:
    s, port = socket.socket(), random.randrange(low - 10000, low) if low > 20000 else 0
    try:
        s.bind(("127.0.0.1", port))
        break
    except OSError:
        pass
print(s.getsockname()[1])'
}

# launch NAME COMMAND...: runs it beside the test; $scratch/run/NAME has pid, log and, once it has ended, rc.
launch() {
	local d=$scratch/run/$1
	shift
	mkdir -p "$d"
	rm -f "$d/rc" "$d/pid"
	(
		trap - EXIT ERR
		set +eE
		"$@" >>"$d/log" 2>&1 </dev/null 9>&- &
		echo $! >"$d/pid.new"
		mv "$d/pid.new" "$d/pid"
		wait $!
		echo $? >"$d/rc.new"
		mv "$d/rc.new" "$d/rc"
	) 2>/dev/null &
	until [ -s "$d/pid" ]; do sleep 0.002; done
}

is_running() { [ ! -e "$scratch/run/$1/rc" ]; }
has_ended() { [ -e "$scratch/run/$1/rc" ]; }

# accepts PORT: somebody listens there.
accepts() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# broker_start NAME [key=value...]: starts skein serve and waits until it can be connected to. The first start of a name
# chooses its port and makes its data directory; later ones find both again.
broker_start() {
	local b=$1 d=$scratch/run/$1 port i kv
	shift
	mkdir -p "$d"
	[ -s "$d/port" ] || free_port >"$d/port"
	port=$(cat "$d/port")
	local args=(--override "listeners=PLAINTEXT://127.0.0.1:$port" --override "log.dirs=${DATA:-$d/data}")
	for kv; do args+=(--override "$kv"); done
	launch "$b" ${WRAP:-} "$skein" serve "${args[@]}"
	for ((i = 0; i < 1000; i++)); do
		accepts "$port" && return 0
		if has_ended "$b"; then
			echo "broker $b ended with $(cat "$d/rc") while starting:"
			tail -5 "$d/log"
			return 1
		fi
		sleep 0.01
	done
	echo "broker $b does not accept connections after 10 s"
	return 1
}

pid_of() { cat "$scratch/run/$1/pid"; }
at() { echo "127.0.0.1:$(cat "$scratch/run/$1/port")"; }
data_of() { echo "$scratch/run/$1/data"; }
log_of() { echo "$scratch/run/$1/log"; }

# broker_stop NAME: the clean stop, which must be one.
broker_stop() {
	kill -TERM "$(pid_of "$1")"
	eventually 20 has_ended "$1"
	equal "exit code of broker $1" 0 "$(cat "$scratch/run/$1/rc")"
}

broker_kill() {
	kill -KILL "$(pid_of "$1")"
	eventually 10 has_ended "$1"
}

# ---- Java -------------------------------------------------------------------------------------------------------------------------

# java_kafka VERB ARGS...: tests/system/java-kafka for at most a minute.
java_kafka() { timeout -k 5 90 "$here/java-kafka" "$@"; }

# java_needed: ends the story, skipped, where there is no Java or no Kafka to be had.
java_needed() {
	command -v java >/dev/null || skip "there is no java"
	"$here/java-kafka" get 2>"$scratch/get" || skip "Apache Kafka cannot be had: $(tail -1 "$scratch/get")"
}

# ---- statements ---------------------------------------------------------------------------------------------------------------

# eventually SECONDS COMMAND...: true as soon as the command is.
eventually() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "not within the time: $*"; return 1; }
		sleep 0.02
	done
}

equal() {
	[ "$2" = "$3" ] || { printf '%s: wanted <%s>, got <%s>\n' "$1" "$2" "$3"; return 1; }
}

# contains FILE REGEX...: each is found somewhere in the file.
contains() {
	local f=$1 re
	shift
	for re; do
		grep -qE -- "$re" "$f" || { echo "$f does not contain <$re>:"; tail -20 "$f"; return 1; }
	done
}

# ends_with CODE COMMAND...: runs it for at most 30 s, output into $scratch/out; it must exit with that code.
ends_with() {
	local wanted=$1 code=0
	shift
	timeout -k 5 30 "$@" >"$scratch/out" 2>&1 </dev/null || code=$?
	[ "$code" = "$wanted" ] || { echo "wanted exit code $wanted, got $code: $*"; tail -20 "$scratch/out"; return 1; }
}

# fails COMMAND...: for a statement; a command after ! does not end a story.
fails() {
	if "$@"; then
		return 1
	fi
}

# skip SENTENCE: ends the story; counted apart.
skip() {
	echo "skipped: $name: $*"
	exit 77
}

# program NAME: path of one of our test programs.
program() { [ -x "$build/tests/system/$1" ] && echo "$build/tests/system/$1"; }

kcat() { timeout -k 5 60 kcat "$@"; }
create_topic() { python3 "$here/wire.py" create "$@"; }
decode() { python3 "$top/tests/golden/storage/decode.py" "$@"; }

# ---- telling ------------------------------------------------------------------------------------------------------------------

passed=0 failed=0 skipped=0

at_end() {
	local p d
	if declare -F clean_up >/dev/null; then clean_up; fi
	for p in "$scratch"/run/*/pid; do
		d=$(dirname "$p")
		[ -s "$p" ] && [ ! -e "$d/rc" ] && kill -KILL "$(cat "$p")" 2>/dev/null && eventually 5 test -e "$d/rc"
	done
	if [ $failed = 0 ] && [ -z "${SKEIN_TEST_KEEP:-}" ]; then rm -rf "$scratch"; else echo "left in place: $scratch"; fi
	echo "$passed passed, $failed failed, $skipped skipped"
}

# told_by LINE COMMAND: where a story ended, from the inside out, once.
told_by() {
	local i said
	[ ! -e "$scratch/told" ] || return 0
	touch "$scratch/told"
	said="line $1: $2"
	for ((i = 1; i < ${#FUNCNAME[@]} - 3; i++)); do said+=$'\n'"    in ${FUNCNAME[i]}, called at line ${BASH_LINENO[i]}"; done
	echo "$said" >&2
}

run_stories() {
	local fn code start
	trap at_end EXIT
	trap 'exit 1' HUP INT TERM
	for fn in $(grep -oE '^story_[a-z0-9_]+' "$0"); do
		[[ $fn =~ $pattern ]] || continue
		start=$(date +%s%N)
		rm -f "$scratch/told"
		(
			set -eE
			trap 'told_by "$LINENO" "$BASH_COMMAND"' ERR
			trap - EXIT
			"$fn"
		) >"$scratch/story" 2>&1
		code=$?
		case $code in
		0) passed=$((passed + 1)); printf 'ok       %s (%d ms)\n' "${fn//_/ }" $((($(date +%s%N) - start) / 1000000)); grep '^# ' "$scratch/story" ;;
		77) skipped=$((skipped + 1)); grep '^skipped: ' "$scratch/story" ;;
		*)
			failed=$((failed + 1))
			printf 'FAILED   %s\n' "${fn//_/ }"
			sed 's/^/    /' "$scratch/story" ;;
		esac
	done
	[ $failed = 0 ]
}
