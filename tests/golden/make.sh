#!/bin/sh
# SPDX-License-Identifier: MIT
# make.sh [DIR] - make ports and semaphores as this version makes them, for later
# versions to open.  Run it once for a layout version, keep what it writes into
# DIR (tests/golden/layout-N), and never make it anew: what counts is that other
# programs than today's have written it.  tests/bats/abi.bats knows what is in
# each.  BUILD from the environment.
#
# empty     created, and nothing else
# messages  "first", an empty one, the bytes 0 to 255, 2000 times "x"; one more
#           was there and has been taken
# wrapped   the lines 301 to 540, across the end of the ring
# dead      "one" and "two"; a sender was killed with the sending end and half a
#           message, a receiver with the receiving end
# asleep    a receiver was killed asleep, with nothing there
# sem       3 units of at most 5, after one post and one wait
# owned     2 units of 3; the owner of the third was killed
# service   one request, "asked", was answered
# serving   a server was killed with the request "taken", then two clients with that
#           and with the request "waiting"
#
# All were made "in another boot", whose id is not one that a kernel gives.
set -eu

cd "$(dirname "$0")/../.."
: "${BUILD:=$PWD/build}"
layout=$(sed -n 's/^#define MMS_LAYOUT_VERSION \([0-9]*\)U$/\1/p' lib/layout.h)
to=${1:-tests/golden/layout-$layout}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$BUILD/bin:$BUILD/tests/abi:$PATH
export MMSOCK_DIR="$work/ports"

# hold CMD... - run what stays for ever, until it has what it holds
hold() {
	mkfifo "$work/said"
	"$@" >"$work/said" &
	holders="$holders $!"
	head -n 1 "$work/said" >/dev/null
	rm "$work/said"
}

# kill_holders - one after the other could put things right for those before
kill_holders() {
	# shellcheck disable=SC2086
	kill -KILL $holders
	# shellcheck disable=SC2086
	wait $holders || :
	holders=
}

holders=
mmsock-create -b 4K empty messages wrapped dead asleep

mmsock-send messages taken first ''
mmsock-recv -c 1 messages >"$work/taken"
perl -e 'binmode STDOUT; print map chr, 0 .. 255' | mmsock-send -s messages
perl -e 'print "x" x 2000' | mmsock-send -s messages

seq 300 | mmsock-send wrapped &
mmsock-recv wrapped >"$work/taken"
wait
seq 301 540 | mmsock-send wrapped

mmsock-send dead one two
hold partner lend dead
hold partner look dead
kill_holders

mkfifo "$work/attached"
mmsock-recv -k --spin=0 --ready-fd=9 asleep 9>"$work/attached" &
head -n 1 "$work/attached" >/dev/null
until mmsock-ls -v -r --noheadings -o ACTIVITY asleep | grep -q asleep:data; do
	sleep 0.1
done
kill -KILL $!
wait $! || :

mmsock-sem create --max=5 sem 3
mmsock-sem post sem
mmsock-sem wait sem
mmsock-sem create --max=3 owned 3
hold partner take owned
kill_holders

mmsock-create -t rpc -b 4K --clients=2 --reply-size=1K service serving
mmsock-serve -c 1 --echo service &
mmsock-call --wait-peer service asked >"$work/taken"
wait

mkfifo "$work/begun"
mmsock-serve serving -- sh -c "exec >'$work/begun'; echo; exec cat '$work/begun'" &
holders="$holders $!"
mmsock-call -w inf --wait-peer serving taken &
holders="$holders $!"
head -n 1 "$work/begun" >/dev/null
mmsock-call -w inf serving waiting &
holders="$holders $!"
until mmsock-ls -r --noheadings -o MSGS serving | grep -q 1; do
	sleep 0.1
done
kill_holders
# The command that had the request ends.
: >"$work/begun"

# See mmsock-port(5) for the place of the boot id.
mkdir -p "$to"
for port in empty messages wrapped dead asleep sem owned service serving; do
	printf 'the golden boot.' | dd of="$MMSOCK_DIR/$port" bs=1 seek=4552 \
		conv=notrunc status=none
	cp "$MMSOCK_DIR/$port" "$to/$port.port"
done
