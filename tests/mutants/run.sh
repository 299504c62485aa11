#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh [-a] [NAME...] - weaken the library in one place at a time, and see that
# the tests of list.txt notice.  Works on a copy of the tree in $BUILD/mutants, which
# is built as it is first: what fails there proves nothing.  Of each mutant, what
# depends on the change is built, and its tests run; killed is it where they fail,
# also by hanging.  Names may come in MUTANTS.  Speaks TAP; with -a shows all cases
# that fail, of the programs that are named.  Descriptor 3, where it is open, is
# told how it goes.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit
root=$(cd "$here/../.." && pwd) || exit
: "${BUILD:=$root/build}" "${MAKE:=make}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1}"
# Of a case, and of a program that is stuck all the same.
export CHECK_TIMEOUT="${CHECK_TIMEOUT:-120}"
limit=240
tree=$BUILD/mutants
all=
if [ "${1-}" = -a ]; then
	all=1
	shift
fi
# shellcheck disable=SC2086
[ $# != 0 ] || set -- ${MUTANTS-}
names=$("$here/mutants.pl" names "$@") || exit
count=$(echo "$names" | wc -l)

# What has not changed keeps its time, so that it need not be built again.
copy() {
	mkdir -p "$tree" && cd "$root" || return
	find Makefile bin include lib tests man -type f \( -name '*.[ch]' -o \
		-name Makefile -o -name '*.map' \) >"$tree.files" || return
	while IFS= read -r file; do
		cmp -s "$file" "$tree/$file" && continue
		mkdir -p "$tree/$(dirname "$file")" &&
			cp "$file" "$tree/$file" || return
	done <"$tree.files"
	rm -f "$tree.files"
}

# Without optimisation across files, which takes long and changes no order that
# matters here.
build() {
	where=build
	sanitize=
	if [ "$1" = tsan ]; then
		where=build/tsan
		sanitize=thread
	fi
	shift
	for program; do
		set -- "$@" "$where/tests/$program"
		shift
	done
	nice "$MAKE" -s -C "$tree" BUILD="$where" SANITIZE="$sanitize" LTO= \
		CFLAGS='-O1 -w' CPPFLAGS='-include tests/mutants/weak.h' \
		"$@" >"$tree.log" 2>&1
}

build_for() {
	for kind in plain tsan; do
		programs=$(awk -v kind=$kind '$2 == kind { print $3 }' "$1" |
			sort -u)
		# shellcheck disable=SC2086
		[ -z "$programs" ] || build $kind $programs || return
	done
}

# Does the case, or the program, fail?
fails() {
	program=$tree/build/tests/$2
	[ "$1" = tsan ] && program=$tree/build/tsan/tests/$2
	what="$1 $2"
	sentence=$3
	set -- "$program"
	[ -z "$sentence" ] || set -- "$program" "$sentence"
	[ -z "$all" ] || set -- "$program"
	# Places that lie closer than in make check.
	stress=
	case $program in */fault/*) stress=STRESS=4 ;; esac
	# shellcheck disable=SC2086
	env $stress timeout -k 5 $limit "$@" >"$tree.out" 2>&1 </dev/null
	status=$?
	sed 's/^/# /' "$tree.out" >>"$tree.log"
	[ -z "$all" ] || sed -n "s|^not ok [0-9]* - |# $what: |p" "$tree.out"
	! grep -q 'no such case' "$tree.out" && [ $status != 0 ] &&
		[ $status != 77 ]
}

# All of a list of tests, as they should go: killed or survives.
judge() {
	while read -r expected kind program sentence; do
		if fails "$kind" "$program" "$sentence"; then
			found=killed
		else
			found=survives
		fi
		[ $found = "$expected" ] && continue
		echo "# $kind $program: ${sentence:-all} should say $expected"
		return 1
	done <"$1"
}

report() {
	echo "$1"
	{ echo "$1" >&3; } 2>/dev/null
}

copy || exit
echo "1..$((count + 1))"
for name in $names; do
	"$here/mutants.pl" tests "$name" || exit
done | sed 's/^killed/survives/' | sort -u >"$tree.tests"
if ! build_for "$tree.tests"; then
	sed 's/^/# /' "$tree.log"
	report 'not ok 1 - the tree as it is does not build'
	exit 1
fi
if [ -z "$all" ] && ! judge "$tree.tests"; then
	report 'not ok 1 - the tree as it is does not pass'
	exit 1
fi
report "ok 1 - the tree as it is passes $(wc -l <"$tree.tests") tests"

n=1
failed=0
for name in $names; do
	n=$((n + 1))
	verdict='not ok'
	"$here/mutants.pl" tests "$name" >"$tree.tests"
	if ! changed=$("$here/mutants.pl" apply "$name" "$tree"); then
		echo "# its edits do not apply: $changed"
	elif ! build_for "$tree.tests"; then
		sed 's/^/# /' "$tree.log"
	elif judge "$tree.tests"; then
		verdict=ok
	elif [ -z "$all" ]; then
		sed -n '/^# /p' "$tree.log" | tail -n 30
	fi
	[ "$verdict" = ok ] || failed=1
	report "$verdict $n - $name: $(awk '{ printf "%s%s %s %s", sep, $1,
		$2, $3; sep = ", " }' "$tree.tests")"
	for file in $changed; do
		cp "$tree/$file.orig" "$tree/$file" || exit
	done
done
exit $failed
