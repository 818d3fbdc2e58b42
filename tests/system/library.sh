# shellcheck shell=bash
# What the tests of the installed library share: programs are compiled as a stranger would. The library is found beside the program: SKEIN lies in PREFIX/bin.

root=$(dirname "$(dirname "$skein")")
export PKG_CONFIG_PATH=$root/lib/pkgconfig
# Installed with DESTDIR, so the paths in skein.pc want it in front; without, there is nothing to put there.
export PKG_CONFIG_SYSROOT_DIR=${root%/usr/local}
[ "$PKG_CONFIG_SYSROOT_DIR" != "$root" ] || PKG_CONFIG_SYSROOT_DIR=
export LD_LIBRARY_PATH=$root/lib

# compile PROGRAM SOURCE: as a stranger would, with every warning an error.
compile() { cc -std=c11 -Wall -Wextra -Wpedantic -Werror -O1 -o "$scratch/$1" "$2" $(pkg-config --cflags --libs skein); }
# page NAME PAGE: the program of a page of the documentation, compiled in its language.
page() {
	local lang
	lang=$(sed -n 's/^```\(c\|cpp\)$/\1/p' "$top/docs/library/$2.md" | head -1)
	sed -n '/^```c\(pp\)\?$/,/^```$/p' "$top/docs/library/$2.md" | sed '/^```/d' >"$scratch/$1.$lang"
	if [ "$lang" = c ]; then
		compile "$1" "$scratch/$1.c"
	else
		c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -O1 -o "$scratch/$1" "$scratch/$1.cpp" $(pkg-config --cflags --libs skein)
	fi
}
