#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-recv: output, end of stream, waiting, failures

# shellcheck disable=SC1003,SC2154
load helpers

# hex FILE - its bytes
hex() {
	od -An -v -tx1 "$1" | tr -d ' \n'
}

wrong() {
	misused mmsock-recv "$@" p
	shows p RD 0
}

@test "help and version go to stdout with status 0" {
	help_and_version mmsock-recv
}

@test "each option in --help is tested here" {
	options_tested mmsock-recv
}

@test "options of later work are not offered" {
	local option
	mmsock-create p
	for option in -p --peek -f%s --format=%s -J --json -t --timestamp -T --tee \
		-R1 --rate=1 -j2 --jobs=2 --lease --progress --encode=hex \
		--decode=hex; do
		misused mmsock-recv -e "$option" p
	done
	for option in lp64be lp64le netstring fixed:8; do
		misused mmsock-recv -e -F "$option" p
	done
}

@test "messages come out in order, a line each" {
	mmsock-create p
	mmsock-send p one '' three
	run --separate-stderr -0 t mmsock-recv p
	is "$output" $'one\n\nthree'
	is "$stderr" ""
	shows p MSGS 0
	shows p RECVD 3
}

@test "-l, -0, -r, -s are --lines, --null, --raw, --slurp and -F" {
	local flag
	mmsock-create p
	for flag in -l --lines -Fline --framing=line; do
		mmsock-send p a b
		t mmsock-recv "$flag" p >out
		is "$(hex out)" 610a620a
	done
	for flag in -0 --null -Fnull --framing=null; do
		mmsock-send p a b
		t mmsock-recv "$flag" p >out
		is "$(hex out)" 61006200
	done
	for flag in -r --raw -Fraw --framing=raw; do
		mmsock-send p a b
		t mmsock-recv "$flag" p >out
		is "$(hex out)" 6162
	done
	for flag in -s --slurp -Fslurp --framing=slurp; do
		mmsock-send p ab
		t mmsock-recv "$flag" -c 1 p >out
		is "$(hex out)" 6162
	done
}

@test "-F lp32be and lp32le write length prefixes" {
	mmsock-create p
	mmsock-send p abc '' $'\n'
	t mmsock-recv -F lp32be p >out
	is "$(hex out)" 0000000361626300000000000000010a
	mmsock-send p abc '' $'\n'
	t mmsock-recv -F lp32le p >out
	is "$(hex out)" 0300000061626300000000010000000a
}

@test "-d and --delimiter end each message" {
	mmsock-create p
	mmsock-send p a b
	t mmsock-recv -d '\r\n' p >out
	is "$(hex out)" 610d0a620d0a
	mmsock-send p a b
	t mmsock-recv --delimiter='\xff\0\\' p >out
	is "$(hex out)" 61ff005c62ff005c
	wrong -d ''
	wrong -d '\q'
	wrong -F nothing
}

@test "a delimiter inside a payload is warned of once" {
	mmsock-create p
	mmsock-send p $'a\nb' $'c\nd' e
	run --separate-stderr -0 t mmsock-recv p
	is "$output" $'a\nb\nc\nd\ne'
	is "${#stderr_lines[@]}" 1
	says mmsock-recv
	like "$stderr" "-F lp32be"
	mmsock-send p $'a\nb'
	run --separate-stderr -0 t mmsock-recv -q p
	is "$stderr" ""
	mmsock-send p $'a\nb'
	run --separate-stderr -0 t mmsock-recv -0 p
	is "$stderr" ""
	mmsock-send p aXYb
	run --separate-stderr -0 t mmsock-recv -d XY p
	says mmsock-recv
}

@test "--strict makes a delimiter inside a payload an error, 65" {
	mmsock-create p
	mmsock-send p good $'a\nb'
	run --separate-stderr -65 t mmsock-recv --strict p
	says mmsock-recv
	is "$output" good
	run -65 t mmsock-recv --strict p
	shows p MSGS 1
	run -0 t mmsock-recv -q p
	is "$output" $'a\nb'
	mmsock-send p good
	run -0 t mmsock-recv -e --strict p
}

@test "a payload that makes a delimiter with the one behind it is one that holds it" {
	local payload
	mmsock-create p
	for payload in ab xab bbab; do
		mmsock-send p "$payload"
		run --separate-stderr -65 t mmsock-recv -e --strict -d aba p
		says mmsock-recv
		run --separate-stderr -0 t mmsock-recv -e -d aba p
		says mmsock-recv
	done
	mmsock-send p a ba xa
	run --separate-stderr -0 t mmsock-recv -e --strict -d aba p
	is "$stderr" ""
}

@test "--strict is content with binary framings and clean senders" {
	mmsock-create p
	mmsock-send p $'a\nb' $'\n'
	t mmsock-recv --strict -F lp32be p >out
	is "$(hex out)" 00000003610a62000000010a
}

@test "without a sender what waits is delivered, then it ends" {
	mmsock-create p
	seq 1000 | mmsock-send p
	run -0 t mmsock-recv p
	is "${#lines[@]}" 1000
}

@test "it ends when the last sender leaves" {
	mmsock-create p
	idle_sender p
	ready mmsock-recv p >out
	feed a
	wait_until grep -q a out
	feed b
	fed
	ends 0 "$PID"
	is "$(cat out)" $'a\nb'
}

@test "it ends when the last sender leaves without having sent" {
	mmsock-create p
	ready mmsock-recv p >out
	silent mmsock-send --wait-peer -c 0 p
	ends 0 "$PID"
	is "$(cat out)" ""
}

@test "it goes on while one of two senders is left" {
	mmsock-create p
	idle_sender p
	ready mmsock-recv p >out
	mmsock-send p short
	wait_until grep -q short out
	feed long
	wait_until grep -q long out
	fed
	ends 0 "$PID"
}

@test "on a drained port it waits for the next sender" {
	mmsock-create p
	mmsock-send p early
	is "$(drained p)" early
	ready mmsock-recv p >out
	mmsock-send p late
	ends 0 "$PID"
	is "$(cat out)" late
}

@test "several receivers all end when the last sender leaves" {
	mmsock-create p
	ready mmsock-recv p >out1
	local first=$PID
	ready mmsock-recv p >out2
	local second=$PID
	ready mmsock-recv p >out3
	seq 1000 | t mmsock-send --wait-peer=3 p
	ends 0 "$first"
	ends 0 "$second"
	ends 0 "$PID"
	sort -n out1 out2 out3 | cmp - <(seq 1000)
}

@test "-k and --keep-open wait on when the last sender has left" {
	local flag
	mmsock-create p
	for flag in -k --keep-open; do
		: >out
		ready mmsock-recv "$flag" p >out
		mmsock-send p one
		comes p WR 0
		mmsock-send p two
		wait_until grep -q two out
		shows p RD 1
		kill -TERM "$PID"
		ends 143 "$PID"
		is "$(cat out)" $'one\ntwo'
	done
}

@test "-e and --exit-on-empty end at the first emptiness" {
	mmsock-create p
	silent mmsock-recv -e p
	silent mmsock-recv --exit-on-empty p
	idle_sender p
	feed a b
	comes p MSGS 2
	run -0 t mmsock-recv -e p
	is "$output" $'a\nb'
	shows p WR 1
	silent mmsock-recv -e -k p
}

@test "-c and --count stop after N messages and leave the others" {
	mmsock-create p
	mmsock-send p a b c d e
	run -0 t mmsock-recv -c 2 p
	is "$output" $'a\nb'
	run -0 t mmsock-recv --count=1 p
	is "$output" c
	shows p MSGS 2
	run -0 t mmsock-recv -c 5 p
	is "$output" $'d\ne'
}

@test "-c 0 attaches, checks and takes nothing" {
	mmsock-create p
	mmsock-send p a
	silent mmsock-recv -c 0 p
	shows p MSGS 1
	fails 66 mmsock-recv -c 0 missing
}

@test "counts are strict decimal" {
	local count
	mmsock-create p
	for count in '' -1 +1 ' 1' '1 ' 1x 0x1 01 1.0 1K 18446744073709551616; do
		wrong -c "$count"
	done
}

@test "-w and --timeout give up with 124" {
	mmsock-create p
	fails 124 mmsock-recv -w 0.05 p
	like "$stderr" "port 'p': "
	fails 124 mmsock-recv --timeout=50ms p
	idle_sender p
	fails 124 mmsock-recv -w 50000us p
	feed a
	comes p MSGS 1
	run -124 --separate-stderr t mmsock-recv -w 0.05 p
	is "$output" a
	shows p RD 0
}

@test "-w 0 is an immediate end of patience" {
	mmsock-create p
	run t mmsock-recv -w 0 p
	one_of "$status" 1 124
}

@test "durations are strict" {
	local duration
	mmsock-create p
	for duration in '' -1 +1 1x '1 s' ' 1' s 1.5.1 . 1e3 infinite 0x1 \
		99999999999999999999h; do
		wrong -w "$duration"
	done
}

@test "MMSOCK_TIMEOUT is the default of -w" {
	mmsock-create p
	MMSOCK_TIMEOUT=50ms fails 124 mmsock-recv p
	MMSOCK_TIMEOUT=1h fails 124 mmsock-recv -w 0.05 p
	MMSOCK_TIMEOUT=soon run -64 t mmsock-recv p
}

@test "-n and --nonblock give 1 when it would wait" {
	mmsock-create p
	run --separate-stderr -1 t mmsock-recv -n p
	is "$output" ""
	run --separate-stderr -1 t mmsock-recv --nonblock p
	idle_sender p
	feed a b
	comes p MSGS 2
	run --separate-stderr -1 t mmsock-recv -n p
	is "$output" $'a\nb'
	feed c
	comes p MSGS 1
	run -0 t mmsock-recv -n -c 1 p
	is "$output" c
}

@test "end of stream wins over would-block with -n" {
	mmsock-create p
	mmsock-send p a b
	run --separate-stderr -0 t mmsock-recv -n p
	is "$output" $'a\nb'
	is "$stderr" ""
}

@test "output is flushed whenever the port runs empty" {
	mmsock-create p
	idle_sender p
	mkfifo out
	exec {OUT}<>out
	ready mmsock-recv p >out
	feed first
	read -r -t 10 -u "$OUT" line
	is "$line" first
	feed second third
	read -r -t 10 -u "$OUT" line
	is "$line" second
	read -r -t 10 -u "$OUT" line
	is "$line" third
}

@test "-u and --unbuffered write each message by itself" {
	mmsock-create p
	seq 100 >in
	mmsock-send p <in
	t mmsock-recv -u p | cmp - in
	mmsock-send p <in
	t mmsock-recv --unbuffered p | cmp - in
}

@test "-q and --quiet keep data and status, -v and --verbose keep stdout clean" {
	local flag
	mmsock-create p
	for flag in -q --quiet; do
		mmsock-send p a
		run --separate-stderr -0 t mmsock-recv "$flag" p
		is "$output" a
		is "$stderr" ""
		run -66 t mmsock-recv "$flag" missing
	done
	for flag in -v --verbose; do
		mmsock-send p a b
		run --separate-stderr -0 t mmsock-recv "$flag" p
		is "$output" $'a\nb'
		like "$stderr" "^mmsock-recv: "
		like "$stderr" "2 messages"
	done
}

@test "--wait-port waits until the port is created" {
	start mmsock-recv --wait-port p >out
	mmsock-create other
	mmsock-create p
	mmsock-send --wait-peer p hello
	ends 0 "$PID"
	is "$(cat out)" hello
}

@test "--wait-port works where the directory is made later" {
	start mmsock-recv --wait-port p >out
	wait_until grep -q mmsock-recv "/proc/$PID/comm"
	mmsock-send --create p hello
	ends 0 "$PID"
	is "$(cat out)" hello
}

@test "--wait-port also waits for a path" {
	start mmsock-recv --wait-port ./here >out
	mmsock-create ./here
	mmsock-send ./here hello
	ends 0 "$PID"
	is "$(cat out)" hello
}

@test "--wait-port is bounded by -w" {
	fails 124 mmsock-recv --wait-port -w 0.05 p
	mkdir -p "$MMSOCK_DIR"
	fails 124 mmsock-recv --wait-port -w 0.05 p
	fails 124 mmsock-recv --wait-port -w 0.05 ./here
}

@test "--wait-port is ended by a signal" {
	mkdir -p "$MMSOCK_DIR"
	start mmsock-recv --wait-port p
	wait_until grep -q mmsock-recv "/proc/$PID/comm"
	kill -TERM "$PID"
	ends 143 "$PID"
}

@test "--wait-peer waits for senders" {
	mmsock-create p
	mmsock-send p early
	start mmsock-recv --wait-peer p >out
	comes p RD 1
	shows p MSGS 1
	local receiver=$PID
	idle_sender p
	feed late
	fed
	ends 0 "$receiver"
	is "$(cat out)" $'early\nlate'
}

@test "--wait-peer does not miss a sender that comes and goes" {
	local i
	mmsock-create p
	for ((i = 0; i < 5; i++)); do
		ready mmsock-recv --wait-peer -w 5 p >out
		mmsock-send p hello
		ends 0 "$PID"
		is "$(cat out)" hello
	done
}

@test "--wait-peer=N is bounded by -w" {
	mmsock-create p
	idle_sender p
	mmsock-send p kept
	fails 124 mmsock-recv --wait-peer=2 -w 0.05 p
	shows p MSGS 1
	run -0 t mmsock-recv --wait-peer=1 -c 1 p
	is "$output" kept
	wrong --wait-peer=x
}

@test "--create makes a missing port and leaves an old one" {
	silent mmsock-recv --create -e p
	shows p CAP 1048576
	silent mmsock-recv --create=8K -e q
	shows q CAP 8192
	mmsock-send q x
	run -0 t mmsock-recv --create -e q
	is "$output" x
	shows q CAP 8192
	fails 73 mmsock-recv --create ./missing/p
}

@test "--dir names the port directory" {
	mmsock-create --dir="$SHM/other" p
	mmsock-send --dir="$SHM/other" p x
	run -0 t mmsock-recv --dir="$SHM/other" p
	is "$output" x
	fails 66 mmsock-recv p
}

@test "--spin takes a duration, as MMSOCK_SPIN does" {
	local spin
	mmsock-create p
	for spin in 0 10us 1ms inf; do
		mmsock-send p x
		run -0 t mmsock-recv --spin="$spin" p
		is "$output" x
		run -124 t mmsock-recv --spin="$spin" -w 0.05 p
		MMSOCK_SPIN=$spin run -124 t mmsock-recv -w 0.05 p
	done
	wrong --spin=-1
	wrong --spin=fast
	MMSOCK_SPIN=fast run -64 t mmsock-recv p
}

@test "--ready-fd tells when it is attached" {
	mmsock-create p
	ready mmsock-recv p
	shows p RD 1
	kill -TERM "$PID"
	ends 143 "$PID"
	t mmsock-recv -e --ready-fd=5 p 5>ready
	is "$(hex ready)" 0a
	wrong --ready-fd=x
	wrong --ready-fd=-1
}

@test "a missing port gives 66 and the next step" {
	fails 66 mmsock-recv p
	is "$stderr" "mmsock-recv: port 'p': no such port (create it with: mmsock-create p)"
	fails 66 mmsock-recv ./p
	fails 66 mmsock-recv ./missing/p
}

@test "bad names and wrong usage give 64" {
	local name
	mmsock-create p
	for name in '' . .. .hidden 'a b' 'a*'; do
		fails 64 mmsock-recv "$name"
	done
	misused mmsock-recv
	misused mmsock-recv -e p extra
	misused mmsock-recv -e p -- cat
	misused mmsock-recv --no-such-option p
	misused mmsock-recv -Z p
	misused mmsock-recv -w
	misused mmsock-recv --exit-on-empty=1 p
}

@test "a file that is no port gives 65" {
	echo data >file
	fails 65 mmsock-recv ./file
	is "$(cat file)" data
	fails 65 mmsock-recv /dev/null
}

@test "a full or closed stdout gives 74" {
	mmsock-create p
	mmsock-send p a b
	run --separate-stderr -74 bash -c 'timeout -s KILL 20 mmsock-recv p >/dev/full'
	says mmsock-recv
	mmsock-send p a b
	run --separate-stderr -74 bash -c 'timeout -s KILL 20 mmsock-recv p >&-'
	says mmsock-recv
	seq 100000 >in
	start mmsock-send p <in
	run -74 bash -c 'timeout -s KILL 20 mmsock-recv p >/dev/full'
	comes p RD 0
}

@test "a closed pipe ends it with SIGPIPE, and nobody stays attached" {
	mmsock-create p
	seq 100000 >in
	start mmsock-send p <in
	mmsock-recv p | head -n 1 >out || true
	is "$(cat out)" 1
	comes p RD 0
	mmsock-recv p >/dev/null
	ends 0 "$PID"
	start mmsock-send p <in
	is "$(mmsock-recv p | head -n 1; echo "${PIPESTATUS[0]}")" $'1\n141'
}

@test "a signal ends a waiting receiver cleanly" {
	mmsock-create p
	ready mmsock-recv p >out
	kill -INT "$PID"
	ends 130 "$PID"
	nobody_attached p
	ready mmsock-recv p >out
	kill -TERM "$PID"
	ends 143 "$PID"
	nobody_attached p
	shows p STATE ok
}

@test "a signal during a stream loses nothing that was taken" {
	mmsock-create -b 64K p
	idle_sender p
	local sender=$PID
	seq 500000 >&"$FEED" 3>&- &
	local writer=$!
	ready mmsock-recv p >out1
	wait_until test -s out1
	kill -TERM "$PID"
	ends 143 "$PID"
	ready mmsock-recv p >out2
	ends 0 "$writer"
	seq 500001 1000000 >&"$FEED"
	fed
	ends 0 "$sender"
	ends 0 "$PID"
	cat out1 out2 | cmp - <(seq 1000000)
}

@test "it ends with 0 also when the last sender was killed" {
	mmsock-create p
	idle_sender p
	local sender=$PID
	ready mmsock-recv p >out
	feed a
	wait_until grep -q a out
	kill -KILL "$sender"
	WAIT=3 ends 0 "$PID"
	is "$(cat out)" a
}

@test "--strict tells by 76 that a sender died attached" {
	mmsock-create p
	idle_sender p
	local sender=$PID
	ready mmsock-recv --strict p >out 2>err
	feed a
	wait_until grep -q a out
	kill -KILL "$sender"
	WAIT=3 ends 76 "$PID"
	is "$(cat out)" a
	like "$(cat err)" "^mmsock-recv: port 'p': .*died"
}

@test "--strict does not mind senders that died before it attached" {
	mmsock-create p
	idle_sender p
	feed a
	comes p MSGS 1
	kill -KILL "$PID"
	wait_until gone "$PID"
	run -0 t mmsock-recv --strict p
	is "$output" a
}

@test "a removed port is drained first, then 69" {
	mmsock-create p
	ready mmsock-recv -k p >out 2>err
	kill -STOP "$PID"
	seq 100 | mmsock-send p
	mmsock-rm -f p
	kill -CONT "$PID"
	WAIT=3 ends 69 "$PID"
	cmp out <(seq 100)
	like "$(cat err)" "^mmsock-recv: port 'p': .*removed"
}
