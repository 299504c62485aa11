#!/bin/sh
# SPDX-License-Identifier: MIT
# docs.sh - what CONTRIBUTING.md and README.md show works: the template of a
# tool compiles without a warning and runs, and so do the pipelines.  TAP.
set -u

cd "$(dirname "$0")/.." || exit
: "${BUILD:=$PWD/build}" "${CC:=cc}"
SAN=${SANITIZE:+-fsanitize=$SANITIZE}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PATH="$BUILD/bin:$PATH" MMSOCK_DIR="$tmp/ports"
number=0
failed=0

is() {
	number=$((number + 1))
	case="$number - $1"
	shift
	if "$@" >"$tmp/log" 2>&1; then
		echo "ok $case"
		return
	fi
	sed 's/^/# /' "$tmp/log"
	echo "not ok $case"
	failed=1
}

# blocks LANGUAGE FILE - what its fenced blocks of that language hold
blocks() {
	awk -v open="^\`\`\`$1\$" '/^```$/ { inside = 0 } inside
		$0 ~ open { inside = 1 }' "$2"
}

# shellcheck disable=SC2086
template() {
	blocks c CONTRIBUTING.md >"$tmp/mmsock-foo.c"
	test -s "$tmp/mmsock-foo.c" || return
	$CC -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow \
		-Wconversion -Wmissing-prototypes -Werror $SAN -Iinclude -Ibin \
		-o "$tmp/mmsock-foo" "$tmp/mmsock-foo.c" \
		"$BUILD/obj/bin/tool.o" "$BUILD/obj/bin/number.o" \
		"$BUILD/obj/bin/signals.o" -L"$BUILD/lib" -lmmsock -lbsd \
		-Wl,-rpath,"$BUILD/lib"
}
template_runs() {
	mmsock-create foo && seq 3 | mmsock-send foo || return
	test "$("$tmp/mmsock-foo" foo)" = 3 && "$tmp/mmsock-foo" --help &&
		mmsock-rm foo
}
pipelines() {
	blocks sh README.md >"$tmp/readme.sh"
	test -s "$tmp/readme.sh" || return
	(cd "$tmp" && timeout 60 bash -eux -o pipefail readme.sh)
}

echo 1..3
is "the template of a tool compiles" template
is "the template of a tool runs" template_runs
is "the pipelines of the README run" pipelines
exit $failed
