#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh - what `make install` puts in place works from there, and
# `make uninstall` takes all of it away.  TAP.  BUILD, CC, CXX, MAKE from the
# environment.
set -u

: "${BUILD:=$PWD/build}" "${CC:=cc}" "${CXX:=c++}" "${MAKE:=make}"
SAN=${SANITIZE:+-fsanitize=$SANITIZE}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
prefix=$tmp/usr
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig" LD_LIBRARY_PATH=
export MMSOCK_DIR="$tmp/ports"
number=0
failed=0

# is NAME CMD ARG... - one case: CMD succeeds
is() {
	number=$((number + 1))
	name=$1
	shift
	if "$@" >"$tmp/log" 2>&1; then
		echo "ok $number - $name"
		return
	fi
	sed 's/^/# /' "$tmp/log"
	echo "not ok $number - $name"
	failed=1
}

mk() { "$MAKE" --no-print-directory BUILD="$BUILD" PREFIX="$prefix" "$@"; }
tree() { (cd "$1" && find . ! -type d | sort); }

cat >"$tmp/x.c" <<'END'
#include <mmsock.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	struct mmsock *port;
	char text[16];

	if (mmsock_open("x", NULL, &port) < 0 ||
	    mmsock_send(port, "hello", 6, 0) < 0 ||
	    mmsock_recv(port, text, sizeof(text), 0) != 6)
		return 1;
	mmsock_close(port);
	if (mmsock_remove("x", NULL, MMSOCK_REMOVE_UNUSED) < 0)
		return 1;
	return puts(text) < 0 || strcmp(text, "hello") != 0;
}
END
cp "$tmp/x.c" "$tmp/x.cc"

# A program finds the library by the loader's path, as after ldconfig.
# shellcheck disable=SC2046,SC2086
program() {
	$1 $SAN -Wall -Werror $2 -o "$tmp/x" $(pkg-config --cflags mmsock) \
		$(pkg-config --libs mmsock) &&
		LD_LIBRARY_PATH=$prefix/lib "$tmp/x"
}
# shellcheck disable=SC2046,SC2086
archive() {
	$CC $SAN "$tmp/x.c" -o "$tmp/x" $(pkg-config --cflags mmsock) \
		"$prefix/lib/libmmsock.a" -pthread && "$tmp/x"
}
pipeline() {
	PATH=$prefix/bin:$PATH
	mmsock-create p && seq 3 | mmsock-send p &&
		test "$(mmsock-recv -e p)" = "$(seq 3)" && mmsock-rm p
}
pages() {
	for page in "$prefix"/share/man/man*/*; do
		test -r "$page" || return
	done
	while read -r function; do
		test -e "$prefix/share/man/man3/$function.3" ||
			{ echo "$function has no page" && return 1; }
	done <tests/abi/symbols.txt
}
staged() {
	mk install DESTDIR="$tmp/stage" && tree "$tmp/stage$prefix" >"$tmp/b" &&
		tree "$prefix" | cmp - "$tmp/b" &&
		! grep stage "$tmp/stage$prefix/lib/pkgconfig/mmsock.pc"
}
uninstalled() {
	touch "$prefix/bin/other" "$prefix/lib/other"
	mk uninstall
	test "$(tree "$prefix")" = "./bin/other
./lib/other"
}

echo 1..9
# DESTDIR=/ keeps ldconfig out of it; the files land below PREFIX.
is "make install succeeds" mk install DESTDIR=/
is "a C program built by pkg-config runs" program "$CC" "$tmp/x.c"
is "a C++ program built by pkg-config runs" program "$CXX" "$tmp/x.cc"
is "a program built with the archive runs" archive
is "the installed tools find their library" pipeline
is "every public function has a page" pages
is "the library says its version" \
	test "$(pkg-config --modversion mmsock)" = "$(sed -n \
		's/^#define MMSOCK_VERSION "\(.*\)"/\1/p' include/mmsock.h)"
is "DESTDIR holds the same files" staged
is "make uninstall takes away what install put there, and no more" uninstalled
exit $failed
