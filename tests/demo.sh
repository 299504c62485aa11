#!/bin/sh
# SPDX-License-Identifier: MIT
# demo.sh BUILD - a pipeline over a real file: the C headers of this machine,
# line by line, through a named port.  Each step is checked; a failure ends it.
set -eu

PATH=$1/bin:$PATH
tmp=$(mktemp -d)
MMSOCK_DIR=$(mktemp -d /dev/shm/mmsock-demo.XXXXXX 2>/dev/null ||
	mktemp -d)
export MMSOCK_DIR
children=
cleanup() {
	for child in $children; do
		kill "$child" 2>/dev/null || :
	done
	rm -rf "$tmp" "$MMSOCK_DIR"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { printf '\n# %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; }
now() { date +%s%N; }
ms() { echo $((($2 - $1) / 1000000)); }

find /usr/include -name '*.h' -exec cat {} + 2>/dev/null |
	head -c 64M >"$tmp/in"
echo >>"$tmp/in"
lines=$(wc -l <"$tmp/in")
bytes=$(wc -c <"$tmp/in")

say "A port is a named queue in shared memory.  Make one and look at it."
show "mmsock-create demo; mmsock-ls"
mmsock-create demo
mmsock-ls

say "C headers from /usr/include ($lines lines, $bytes bytes), one message a"
echo "# line, from one process to another that never heard of it."
show "mmsock-send demo < in & mmsock-recv demo > out"
start=$(now)
mmsock-send demo <"$tmp/in" &
children=$!
mmsock-recv demo >"$tmp/out"
wait "$children"
children=
end=$(now)
cmp "$tmp/in" "$tmp/out"
echo "$lines messages in $(ms "$start" "$end") ms; cmp: no difference"

say "Two receivers share the work; each message goes to exactly one."
show "mmsock-recv demo > a & mmsock-recv demo > b &"
show "mmsock-send --wait-peer=2 demo < in; wait; sort a b"
mmsock-recv demo >"$tmp/a" &
a=$!
mmsock-recv demo >"$tmp/b" &
b=$!
children="$a $b"
mmsock-send --wait-peer=2 demo <"$tmp/in"
wait "$a"
wait "$b"
children=
LC_ALL=C sort "$tmp/in" >"$tmp/sorted"
LC_ALL=C sort "$tmp/a" "$tmp/b" | cmp - "$tmp/sorted"
echo "$(wc -l <"$tmp/a") + $(wc -l <"$tmp/b") = $lines messages, each once"

say "Messages outlive their sender.  They wait in the port."
show "seq 3 | mmsock-send demo; mmsock-recv -e demo; mmsock-rm demo"
seq 3 | mmsock-send demo
test "$(mmsock-recv -e demo | tee /dev/stderr)" = "$(seq 3)"
mmsock-rm demo

say "All as it should be."
