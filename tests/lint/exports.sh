#!/bin/sh
# SPDX-License-Identifier: MIT
# exports.sh LIBRARY - what the shared library exports, what the map lists,
# what the header declares and what tests/abi/symbols.txt records is the same.
set -u

cd "$(dirname "$0")/../.." || exit
tmp=$(mktemp -d) || exit
trap 'rm -rf "$tmp"' EXIT

sort -u tests/abi/symbols.txt >"$tmp/recorded"
nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
	sort -u >"$tmp/exported"
grep -oE '\bmmsock_[a-z_]+;' lib/libmmsock.map | tr -d ';' |
	sort -u >"$tmp/mapped"
tr '\n' ' ' <include/mmsock.h | grep -oE 'MMSOCK_API [^(]*\(' |
	grep -oE 'mmsock_[a-z_]+\($' | tr -d '(' | sort -u >"$tmp/declared"

bad=0
for list in exported mapped declared; do
	diff -u --label recorded --label $list "$tmp/recorded" "$tmp/$list" ||
		bad=1
done
exit $bad
