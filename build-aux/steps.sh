# shellcheck shell=bash
# What ./quickstart and ./walkthrough share: they source it after setting name, log and skein, in the top directory.

die() {
	echo "$name: $*" >&2
	exit 1
}

# step TEXT COMMAND...: one line for what takes a while; its output is kept, and shown if it fails.
step() {
	printf '%s ... ' "$1"
	shift
	local start=$SECONDS
	if "$@" >>"$log" 2>&1 </dev/null; then
		echo "done ($((SECONDS - start)) s)"
	else
		echo "failed"
		tail -20 "$log" >&2
		die "the whole output is in $log"
	fi
}

make_configure() { { [ configure -nt configure.ac ] && [ configure -nt Makefile.am ]; } || ./autogen.sh; }
make_skein() (
	cd build || exit 1
	[ -e Makefile ] || ../configure -q || exit 1
	make -s -j"$(nproc)" skein
)

# show COMMAND...: prints a command as one would type it, then runs it.
show() {
	local words=("$@")
	words[0]=${words[0]/#$PWD\//}
	echo
	echo "\$ ${words[*]}"
	"$@" || die "that should have worked"
}
