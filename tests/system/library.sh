# shellcheck shell=bash
# What the tests of the installed library share: programs are compiled as a stranger would. The library is found beside the program: SKEIN lies in PREFIX/bin.

if [ -e "$(dirname "$skein")/libskein.so" ]; then	# a build tree, perhaps with sanitizers: nothing is installed
	root=
	libdir=$(dirname "$skein")
	flags() { echo "-I$top/include -L$libdir -lskein $(! readelf -d "$libdir/libskein.so" | grep -q libasan || echo -fsanitize=address,undefined)"; }
else
	root=$(dirname "$(dirname "$skein")")
	libdir=$root/lib
	export PKG_CONFIG_PATH=$libdir/pkgconfig
	# Installed with DESTDIR, so the paths in skein.pc want it in front; without, there is nothing to put there.
	export PKG_CONFIG_SYSROOT_DIR=${root%/usr/local}
	[ "$PKG_CONFIG_SYSROOT_DIR" != "$root" ] || PKG_CONFIG_SYSROOT_DIR=
	flags() { pkg-config --cflags --libs skein; }
fi
export LD_LIBRARY_PATH=$libdir
is_installed() { [ -n "$root" ] || skip "nothing is installed"; }

# compile PROGRAM SOURCE: as a stranger would, with every warning an error.
compile() { cc -std=c11 -Wall -Wextra -Wpedantic -Werror -O1 -o "$scratch/$1" "$2" $(flags); }
# page NAME PAGE: the program of a page of the documentation, compiled in its language.
page() {
	local lang
	lang=$(sed -n 's/^```\(c\|cpp\)$/\1/p' "$top/docs/library/$2.md" | head -1)
	sed -n '/^```c\(pp\)\?$/,/^```$/p' "$top/docs/library/$2.md" | sed '/^```/d' >"$scratch/$1.$lang"
	if [ "$lang" = c ]; then
		compile "$1" "$scratch/$1.c"
	else
		c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -O1 -o "$scratch/$1" "$scratch/$1.cpp" $(flags)
	fi
}
