#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What once went wrong in tools like these, elsewhere or here

# shellcheck disable=SC2154
load helpers

@test "the last line arrives also without a newline" {
	mmsock-create p
	printf 'one\ntwo' | t mmsock-send p
	is "$(drained p)" $'one\ntwo'
	printf 'x' | t mmsock-send p
	is "$(drained p)" x
}

@test "empty stdin ends at once and sends nothing" {
	mmsock-create p
	silent mmsock-send p </dev/null
	: | silent mmsock-send p
	shows p SENT 0
}

@test "the end of stdin ends the sender, a thousand times" {
	local i
	mmsock-create -b 64K p
	for ((i = 0; i < 1000; i++)); do
		echo "$i" | mmsock-send p
	done
	t mmsock-recv -e p | cmp - <(seq 0 999)
	nobody_attached p
}

@test "a line of 10 MB is sent whole where it fits" {
	mmsock-create -b 32M p
	{
		head -c 10000000 /dev/zero | tr '\0' x
		echo
		echo after
	} >in
	silent mmsock-send p <in
	shows p MSGS 2
	drained p | cmp - in
}

@test "a line of 10 MB is refused where it does not fit, never split" {
	mmsock-create p
	{
		echo before
		head -c 10000000 /dev/zero | tr '\0' x
		echo
		echo after
	} >in
	run --separate-stderr -65 t mmsock-send p <in
	says mmsock-send
	like "$stderr" "(byte|offset) 7"
	is "$(drained p)" before
}

@test "nothing is appended to payloads" {
	mmsock-create p
	printf abc | t mmsock-send -s p
	mmsock-send p abc
	printf 'abc\n' | t mmsock-send p
	is "$(t mmsock-recv -e -r p)" abcabcabc
	shows p RECVD 3
	mmsock-send p abc
	is "$(t mmsock-recv -e -r p | wc -c)" 3
}

@test "an empty line is an empty message and no end of file" {
	mmsock-create p
	printf '\n\na\n\n' | t mmsock-send p
	shows p MSGS 4
	t mmsock-recv -e p | cmp - <(printf '\n\na\n\n')
	silent mmsock-send p ''
	is "$(t mmsock-recv -c 1 -F lp32be p | od -An -tx1 | tr -d ' ')" 00000000
}

@test "an empty message does not end a receiver" {
	mmsock-create p
	idle_sender p
	ready mmsock-recv p >out
	feed ''
	wait_until test -s out
	feed after
	fed
	ends 0 "$PID"
	is "$(cat out)" $'\nafter'
}

@test "the first line is with the reader at once while stdin stays open" {
	mmsock-create p
	idle_sender p
	feed first
	is "$(t mmsock-recv -c 1 p)" first
	shows p WR 1
}

@test "output reaches a pipe without waiting for 4 kB" {
	mmsock-create p
	idle_sender p
	mmsock-recv p 3>&- | while read -r line; do
		echo "$line" >seen
	done 3>&- &
	feed short
	wait_until grep -qx short seen
}

@test "a delimiter that straddles the buffer is found" {
	local n
	mmsock-create -b 4M p
	for n in 4094 4095 4096 65534 65535 65536 131071; do
		{
			head -c "$n" /dev/zero | tr '\0' x
			printf 'END'
			head -c "$n" /dev/zero | tr '\0' y
			printf 'END'
		} | t mmsock-send -d END p
		shows p MSGS 2
		is "$(t mmsock-recv -e -r p | tr -d xy | wc -c)" 0
	done
}

@test "in a loop with read, send leaves the loop's stdin alone" {
	mmsock-create p
	printf 'a\nb\nc\n' | while read -r x; do
		mmsock-send p "<$x>"
	done
	is "$(drained p)" $'<a>\n<b>\n<c>'
}

@test "stdin may be closed, /dev/null, a file, a pipe" {
	mmsock-create p
	echo from-file >in
	silent mmsock-send p <in
	echo from-pipe | silent mmsock-send p
	silent mmsock-send p </dev/null
	silent mmsock-send p arg <&-
	run -74 bash -c 'timeout -s KILL 20 mmsock-send p <&-'
	is "$(drained p)" $'from-file\nfrom-pipe\narg'
	is "$(mmsock-send p x; t mmsock-recv -e p <&-)" x
}

@test "stdin may be a terminal" {
	command -v script >/dev/null || skip "needs script(1)"
	mmsock-create p
	printf 'typed\n\004' | t script -qec "mmsock-send p" /dev/null
	is "$(drained p)" typed
}

@test "stdin may be a socket" {
	command -v socat >/dev/null || skip "needs socat"
	mmsock-create p
	seq 1000 | t socat -u - EXEC:'mmsock-send p'
	drained p | cmp - <(seq 1000)
}

@test "stdin and stdout may be in non-blocking mode" {
	mmsock-create -b 64K p
	seq 100000 >in
	t perl -e 'use Fcntl; pipe(my $r, my $w);
		if (!fork) { open STDOUT, ">&", $w; exec "cat", "in" }
		close $w; fcntl($r, F_SETFL, O_NONBLOCK);
		open STDIN, "<&", $r; exec "mmsock-send", "p"' 3>&- &
	t perl -e 'use Fcntl; pipe(my $r, my $w);
		if (!fork) { close $w; open STDIN, "<&", $r; exec "cat" }
		fcntl($w, F_SETFL, O_NONBLOCK); close $r;
		open STDOUT, ">&", $w; exec "mmsock-recv", "p"' >out
	wait_until cmp out in
}

@test "-c with -w returns at the message" {
	mmsock-create p
	mmsock-send p x
	is "$(LIMIT=5 t mmsock-recv -c 1 -w 1h p)" x
	ready mmsock-recv -c 1 -w 1h p >out
	local receiver=$PID
	idle_sender p
	feed y
	ends 0 "$receiver"
	is "$(cat out)" y
	shows p WR 1
}

@test "a time-out, an empty port and a missing port have their own status" {
	mmsock-create p
	fails 124 mmsock-recv -w 0.05 p
	run -1 t mmsock-recv -n p
	fails 66 mmsock-recv missing
	fails 66 mmsock-send missing x
	fails 66 mmsock-rm missing
	run -1 t mmsock-ls missing
	fails 73 mmsock-create p
}

@test "a full disk on stdout gives 74" {
	mmsock-create p
	seq 3 | mmsock-send p
	run --separate-stderr -74 bash -c 'timeout -s KILL 20 mmsock-recv -e p >/dev/full'
	says mmsock-recv
	like "$stderr" "[Nn]o space"
}

@test "recv into head leaves no participant behind" {
	local i
	mmsock-create p
	seq 100000 >in
	for i in 1 2 3; do
		mmsock-send -w 10 p <in 3>&- &
		is "$(mmsock-recv p | head -n 1)" 1
		comes p RD 0
		mmsock-recv p >/dev/null
		all_done
	done
	nobody_attached p
	shows p STATE ok
	shows p DIED 0
}

@test "after kill -9 nobody hangs, ls says so, rm --stale cleans, create works" {
	mmsock-create p
	ready mmsock-recv -k p
	local receiver=$PID
	idle_sender p
	kill -KILL "$PID" "$receiver"
	wait_until gone "$PID"
	wait_until gone "$receiver"
	comes p STATE stale
	nobody_attached p
	run --separate-stderr -0 t mmsock-rm --stale
	like "$stderr" "'p'"
	silent mmsock-create p
	mmsock-send p works
	is "$(drained p)" works
}

@test "after kill -9 the port can be used again without cleaning" {
	mmsock-create p
	ready mmsock-recv -k p
	kill -KILL "$PID"
	wait_until gone "$PID"
	silent mmsock-send p works
	is "$(drained p)" works
	shows p STATE ok
}

@test "another user's port gives 77" {
	needs_nobody
	chmod 755 "$SHM"
	mkdir -m 755 "$SHM/open"
	mmsock-create "$SHM/open/p"
	cd /
	run --separate-stderr -77 nobody mmsock-send "$SHM/open/p" x
	says mmsock-send
	run --separate-stderr -77 nobody mmsock-recv -e "$SHM/open/p"
	says mmsock-recv
	mmsock-create -m 666 p
	run --separate-stderr -77 nobody mmsock-recv -e --dir="$MMSOCK_DIR" p
	says mmsock-recv
}

@test "a port that was made to be shared works between users" {
	needs_nobody
	chmod 755 "$SHM"
	mkdir -m 755 "$SHM/open"
	mmsock-create -m 666 "$SHM/open/p"
	cd /
	nobody mmsock-send "$SHM/open/p" from-nobody
	is "$(drained "$SHM/open/p")" from-nobody
	mmsock-send "$SHM/open/p" from-root
	is "$(nobody mmsock-recv -e "$SHM/open/p")" from-root
}

@test "removing a port in use wakes everyone" {
	local pids=() i
	mmsock-create p
	for i in 1 2 3 4 5; do
		ready mmsock-recv -k p 2>/dev/null
		pids+=("$PID")
	done
	idle_sender p
	mmsock-rm -f p
	for i in "${pids[@]}"; do
		WAIT=3 ends 69 "$i"
	done
}

@test "sending before any receiver exists loses nothing" {
	mmsock-create p
	seq 1000 | mmsock-send p
	nobody_attached p
	t mmsock-recv p | cmp - <(seq 1000)
}

@test "--help exits with 0 in every tool and needs no port" {
	local tool
	for tool in $TOOLS; do
		run --separate-stderr -0 t "mmsock-$tool" --help
		like "$output" "mmsock-$tool"
	done
	[ ! -e "$MMSOCK_DIR" ]
}

@test "SIGINT in a blocked call: 130 and a clean detach" {
	local i
	mmsock-create p
	for ((i = 0; i < 20; i++)); do
		ready mmsock-recv p
		kill -INT "$PID"
		ends 130 "$PID"
	done
	nobody_attached p
	shows p DIED 0
	shows p STATE ok
}

@test "a tool started by bats in the background does not keep bats waiting" {
	mmsock-create p
	ready mmsock-recv -k p
	[ ! -e "/proc/$PID/fd/3" ]
}

@test "a hundred short senders and a reader lose nothing" {
	local i
	mmsock-create p
	ready mmsock-recv -k p >out
	for ((i = 0; i < 100; i++)); do
		mmsock-send p "m:$i" 3>&- &
	done
	wait_until lines_in out 100
	kill -TERM "$PID"
	ends 143 "$PID"
	sort -t: -k2n out | cmp - <(seq -f m:%.0f 0 99)
}

lines_in() {
	[ "$(wc -l <"$1")" -eq "$2" ]
}

@test "a receiver that waits uses no processor" {
	mmsock-create p
	ready mmsock-recv -k p
	wait_until asleep data p
	local before
	before=$(cpu_ticks "$PID")
	fails 124 mmsock-recv -w 2 p
	[ $(($(cpu_ticks "$PID") - before)) -le 2 ]
}

# cpu_ticks PID - user and system time so far, in hundredths of a second
cpu_ticks() {
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}

@test "messages keep their order through many wrap-arounds and sizes" {
	local round
	mmsock-create -b 4K p
	records 3000 1500 >in
	for ((round = 0; round < 3; round++)); do
		start mmsock-send -F lp32be p <in
		t mmsock-recv -F lp32be p | cmp - in
		ends 0 "$PID"
	done
}

@test "a port directory with a trailing slash and a relative one" {
	mmsock-create --dir="$SHM/d/" p
	mmsock-send --dir="$SHM/d" p x
	cd "$SHM"
	is "$(MMSOCK_DIR=d t mmsock-recv -e p)" x
}

@test "an empty --dir is no directory, in any tool" {
	local command
	for command in "call p x" "cat -i p" "create p" ls "recv -e p" "rm p" \
		"sem create p" "send p x" "serve --echo p"; do
		# shellcheck disable=SC2086
		misused "mmsock-${command%% *}" --dir= ${command#"${command%% *}"}
		like "$stderr" '--dir: is empty'
	done
	misused mmsock-ls --dir ''
	[ ! -e "$MMSOCK_DIR" ]
}

@test "a number out of its limits is told with the limit" {
	misused mmsock-create -t rpc --clients=1025 p
	like "$stderr" "--clients: '1025' is too large \\(at most 1024\\)"
	misused mmsock-call --inflight=0 p
	like "$stderr" "--inflight: '0' is too small \\(at least 1\\)"
	misused mmsock-send --wait-peer=99999999999999999999 p x
	like "$stderr" "'99999999999999999999' is too large \\(at most 1024\\)"
}

@test "an unknown framing is told with those that there are" {
	local known
	known=$(t mmsock-cat --help |
		sed -n '/^Framings:/,/^$/s/^  \([a-z0-9]*\) .*/\1/p' | paste -sd,)
	misused mmsock-cat -F lines -o p
	like "$stderr" "'lines' is not a framing \\(known: ${known//,/, }\\)"
}

@test "nobody is told to create a port where its directory is missing" {
	local command
	for command in "call $SHM/no/p x" "call --dir=$SHM/no/ports p x" \
		"cat $SHM/no/p" "recv $SHM/no/p" "sem wait $SHM/no/s"; do
		# shellcheck disable=SC2086
		fails 66 mmsock-$command
		like "$stderr" '\(its directory must exist\)$'
	done
	MMSOCK_DIR=$SHM/no/ports fails 66 mmsock-send p x
	like "$stderr" '\(its directory must exist\)$'
	# The port directory itself is made.
	fails 66 mmsock-call --dir="$SHM/other/" p x
	like "$stderr" "mmsock-create -t rpc --dir=$SHM/other/ p\\)$"
	fails 66 mmsock-call p x
	like "$stderr" 'mmsock-create -t rpc p\)$'
	fails 66 mmsock-recv ./p
	like "$stderr" 'mmsock-create ./p\)$'
}
