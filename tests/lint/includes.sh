#!/bin/sh
# SPDX-License-Identifier: MIT
# includes.sh - the layers: a file of the library includes its own layer or a
# lower one, and the ring and the wait do not know each other.  The tools see
# the public header and each other's parts only.
set -u

cd "$(dirname "$0")/../.." || exit

awk '
BEGIN {
	split("layout:0 atomic:1 cancel:1 copy:1 deadline:1 distance:1 error:1 futex:1 wait:2 " \
	      "lock:3 ring:3 ring_recv:3 lane:3 units:3 run:4 admin:4 birth:4 name:4 peer:4 sizes:4 list:4 fork:4 port:4 service:4 inspect:4 " \
	      "watch:4 header:4 handle:5 mmsock:5 " \
	      "recv:5 sem:5 send:5 call:5 caller:5 company:5 fate:5 serve:5", list, " ")
	for (i in list) {
		split(list[i], part, ":")
		layer[part[1]] = part[2]
	}
	split("stdint stddef stdatomic stdalign assert", list, " ")
	for (i in list)
		plain["<" list[i] ".h>"] = 1
}

function fail(text) {
	print FILENAME ":" FNR ": " text
	bad = 1
}

FNR == 1 {
	own = FILENAME
	sub(/.*\//, "", own)
	sub(/\.[ch]$/, "", own)
	tool = FILENAME ~ /^bin\//
	if (!tool && !(own in layer))
		fail(own " has no layer in tests/lint/includes.sh")
}

/^#[ \t]*include/ {
	if (FILENAME == "lib/layout.h" && !($2 in plain))
		fail("layout.h may not include " $2)
	if ($2 ~ /\.c[>"]/)
		fail("a source file is no header: " $2)
	if ($2 !~ /^"/ || $2 == "\"mmsock.h\"" && own != "ring")
		next
	other = substr($2, 2, length($2) - 4)
	if (tool ? other ~ /\// || other in layer : !(other in layer))
		fail($2 " does not belong here")
	else if (!tool && (layer[other] > layer[own] ||
	    own ~ /^(lane|ring|units)$/ && other ~ /^(wait|lock|futex|deadline)$/ ||
	    own == "wait" && other ~ /^(ring|lock)$/))
		fail(own " may not include " $2)
}

END { exit bad }
' lib/*.[ch] bin/*.[ch] bin/bench/*.[ch]
