#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh - exported symbols and shared memory layout are as recorded in
# symbols.txt and layout.txt, which change only with a version; and the header
# is one for C++ too.  TAP.  BUILD and CXX from the environment.
set -u

cd "$(dirname "$0")/../.." || exit
: "${BUILD:=$PWD/build}" "${CXX:=c++}"
SAN=${SANITIZE:+-fsanitize=$SANITIZE}
failed=0

# is CASE CMD ARG...
is() {
	case=$1
	shift
	if "$@" >"$log" 2>&1; then
		echo "ok $case"
		return
	fi
	sed 's/^/# /' "$log"
	echo "not ok $case"
	failed=1
}

layout() { "$BUILD/tests/abi/layout" | diff -u tests/abi/layout.txt -; }
# shellcheck disable=SC2086
from_cxx() {
	$CXX $SAN -Wall -Wextra -Wpedantic -Werror -Iinclude \
		-o "$BUILD/tests/abi/header" tests/abi/header.cc \
		-L"$BUILD/lib" -lmmsock -Wl,-rpath,"$BUILD/lib" &&
		"$BUILD/tests/abi/header"
}

log=$(mktemp) || exit
trap 'rm -f "$log"' EXIT
echo 1..3
is "1 - the library exports what is recorded" \
	tests/lint/exports.sh "$BUILD/lib/libmmsock.so"
is "2 - shared memory is laid out as recorded" layout
is "3 - a C++ program can use the public header" from_cxx
exit $failed
