#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh - have libFuzzer search each target of $FUZZ for $FUZZ_SECONDS, one after
# another, and speak TAP.  It begins with the corpus that is kept and with what
# earlier searches have left in $BUILD/corpus, where new inputs go; one that breaks
# something is kept in $BUILD/found.  Descriptor 3, where it is open, is told how it
# goes.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit
: "${BUILD:=$PWD/build/fuzz}" "${FUZZ_SECONDS:=60}" "${FUZZ:?names no target}"

# Words of the tools, since the parser of options does not show what it compares.
words() {
	cat "$here"/../../bin/*.[ch] "$here"/../../bin/bench/*.c |
		grep -Eo '"[A-Za-z0-9][A-Za-z0-9-]{1,15}"' | sort -u |
		sed 's/"\(.*\)"/&\n"\\x00--\1"/'
}

# One input takes a millisecond or so; 10 s are a loop that does not end.
# Most inputs are scripts, and long ones say little more than short ones.
search() {
	options="-timeout=10 -rss_limit_mb=4096 -max_len=1024 -len_control=2"
	[ "$1" != arguments ] || options="$options -dict=$BUILD/words"
	mkdir -p "$BUILD/corpus/$1" "$BUILD/found" || return
	# shellcheck disable=SC2086
	nice "$BUILD/tests/fuzz/$1" $options -print_final_stats=1 \
		-max_total_time="$FUZZ_SECONDS" \
		-artifact_prefix="$BUILD/found/$1-" \
		"$BUILD/corpus/$1" "$here/corpus/$1" >"$BUILD/$1.log" 2>&1
}

figures() {
	awk '/number_of_executed_units/ { runs = $2 }
		/ cov: / { cov = $4; split($8, corpus, "/") }
		END { printf "%d runs, %d edges, %d inputs", runs, cov, corpus[1] }' \
		"$BUILD/$1.log"
}

words >"$BUILD/words"
# shellcheck disable=SC2086
set -- $FUZZ
echo "1..$#"
number=0
for target; do
	number=$((number + 1))
	search "$target" && ok=ok || ok="not ok"
	[ "$ok" = ok ] || sed 's/^/# /' "$BUILD/$target.log" | tail -n 60
	line="$ok $number - nothing is found in $target ($(figures "$target"))"
	echo "$line"
	{ echo "$line" >&3; } 2>/dev/null
done
