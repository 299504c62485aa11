#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh - have SPIN search the models, case by case, and speak TAP.
# MODEL_SET is quick, full or long (each contains the one before); with a number as
# argument only that line of cases.txt is searched.  A case that should pass must be
# searched to the end; one that should be refuted must be refuted by a claim, and
# its trail is kept in $BUILD/model.  Descriptor 3, where it is open, is told how it
# goes.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit
: "${BUILD:=$PWD/build}" "${MODEL_SET:=full}" "${CC:=cc}"
out=$BUILD/model
if ! command -v spin >/dev/null; then
	echo "1..0 # SKIP spin is not installed"
	exit 77
fi
case $MODEL_SET in
quick) sets=quick ;;
full) sets='quick|full' ;;
long) sets='quick|full|long' ;;
*)
	echo "MODEL_SET is quick, full or long, not '$MODEL_SET'" >&2
	exit 2
	;;
esac

# The line of the table, which is set, expectation, model, flags, sentence.
wanted=$(awk -v sets="^($sets)$" -v only="${1-}" '
	/^#/ || !NF { next }
	only ? NR == only : $1 ~ sets { print NR ":" $0 }' "$here/cases.txt")
count=$(echo "$wanted" | grep -c .)
mkdir -p "$out" || exit
echo "1..$count"

# Search for bad states, or for cycles without progress.  To compile a search well
# takes longer than most searches.
search() {
	how='-O0 -DSAFETY'
	options=
	case $size,$expect in
	quick,live) how='-O0 -DNP -DNFAIR=3' options='-l -f' ;;
	*,live) how='-O2 -DNP -DNFAIR=3' options='-l -f' ;;
	full,pass | long,pass) how='-O2 -DSAFETY' ;;
	esac
	rm -rf "$work"
	mkdir -p "$work" && cd "$work" || return
	cp "$here/$model" . || return
	# shellcheck disable=SC2086
	{
		nice spin -a $flags "$model" &&
			nice "$CC" -w $how -DCOLLAPSE -DMEMLIM=4096 -o pan pan.c
	} >spin.log 2>&1 || return
	depth=20000
	case $model,$expect in
	both.pml,* | *,live) depth=3000000 ;;
	esac
	# shellcheck disable=SC2086
	nice timeout 900 ./pan -m$depth $options >pan.log 2>&1
}

# Searched to the end, without an error?
proved() {
	grep -q 'errors: 0$' pan.log &&
		! grep -Eq 'too small|out of memory|truncated|not completed' pan.log
}

# Refuted by what the model claims, and not by a mistake in it?
refuted() {
	grep -q 'errors: 1$' pan.log && grep -Eq \
		'assertion violated|invalid end state|non-progress cycle' pan.log
}

figures() {
	awk '/errors:/ { depth = $6 + 0 }
		/states, stored/ { states = $1 }
		/total actual memory/ { memory = $1 }
		/elapsed time/ { seconds = $4 }
		END {
			printf "%d states, depth %d, %.1f s, %d MiB\n",
				states, depth, seconds, memory
		}' pan.log
}

n=0
failed=0
while IFS= read -r row; do
	n=$((n + 1))
	line=${row%%:*}
	case=${row#*:}
	sentence=${case##*| }
	# shellcheck disable=SC2086
	set -- ${case%%|*}
	size=$1 expect=$2 model=$3
	shift 3
	flags=$*
	work=$out/$line
	verdict='not ok'
	search
	cd "$work" || exit
	if [ ! -e pan.log ]; then
		sed 's/^/# /' spin.log
	elif case $expect in
		pass | live) proved ;;
		*) refuted ;;
		esac then
		verdict=ok
	fi
	found='not searched'
	[ -e pan.log ] && found=$(figures)
	if [ "$verdict" != ok ]; then
		failed=1
		echo "# tests/model/check.sh $line; flags: $flags; see $work"
		[ -e pan.log ] && sed -n '/^pan:1/s/^/# /p' pan.log
	fi
	case $expect in
	refuted) sentence="refuted: $sentence" ;;
	hole) sentence="known hole: $sentence" ;;
	esac
	sentence="${model%.pml}: $sentence"
	echo "# $found"
	echo "$verdict $n - $sentence"
	{ echo "$verdict $n - $sentence: $found" >&3; } 2>/dev/null
	rm -f pan pan.[bchmpt] _spin_nvr.tmp
done <<EOF
$wanted
EOF
exit $failed
