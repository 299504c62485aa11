#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-send: arguments and standard input, limits, waiting, failures

# shellcheck disable=SC1003,SC2154
load helpers

# A port of the smallest size, filled until nothing of 1000 bytes fits.
full_port() {
	mmsock-create -b 4K "$1"
	head -c 10000 /dev/zero | tr '\0' x | fold -w 1000 >filler
	run -1 t mmsock-send -n "$1" <filler
}

# wrong OPTION... - refused by mmsock-send, and nothing was sent
wrong() {
	misused mmsock-send "$@" p x
	shows p MSGS 0
}

@test "help and version go to stdout with status 0" {
	help_and_version mmsock-send
}

@test "each option in --help is tested here" {
	options_tested mmsock-send
}

@test "options of later work are not offered" {
	local option
	mmsock-create p
	for option in -p --peek -f%s --format=%s -J --json -t --timestamp -T --tee \
		-R1 --rate=1 -a/dev/null --file=/dev/null -j2 --jobs=2 --lease \
		--progress --encode=hex --decode=hex; do
		misused mmsock-send "$option" p x
	done
	for option in lp64be lp64le netstring fixed:8; do
		misused mmsock-send -F "$option" p x
	done
}

@test "each argument is a message, the empty one too" {
	mmsock-create p
	silent mmsock-send p one 'two words' '' $'with\nnewline'
	shows p MSGS 4
	t mmsock-recv -e -0 p >out
	printf 'one\0two words\0\0with\nnewline\0' | cmp - out
}

@test "arguments come through without stdin being read" {
	mmsock-create p
	printf 'a\nb\nc\n' | {
		mmsock-send p x
		cat >rest
	}
	is "$(cat rest)" $'a\nb\nc'
	is "$(drained p)" x
	silent mmsock-send p y <&-
	is "$(drained p)" y
}

@test "after -- what looks like an option is a message" {
	mmsock-create p
	silent mmsock-send p -- -n --help
	is "$(drained p)" $'-n\n--help'
}

@test "options are found behind the operands" {
	mmsock-create p
	silent mmsock-send p a b -c 1
	is "$(drained p)" a
}

@test "stdin is sent by lines" {
	mmsock-create p
	silent mmsock-send p < <(printf 'one\n\nthree\r\nlast')
	shows p MSGS 4
	t mmsock-recv -e p >out
	printf 'one\n\nthree\r\nlast\n' | cmp - out
}

@test "empty stdin sends nothing and is no error" {
	local framing
	mmsock-create p
	for framing in line null raw lp32be lp32le; do
		silent mmsock-send -F "$framing" p </dev/null
	done
	silent mmsock-send -d XY p </dev/null
	shows p MSGS 0
	shows p SENT 0
}

@test "-l, -0, -r, -s are --lines, --null, --raw, --slurp and -F" {
	local flag
	mmsock-create p
	printf 'a\0b\nc' >in
	for flag in -l --lines -Fline --framing=line; do
		silent mmsock-send "$flag" p <in
		shows p MSGS 2
		run -0 t mmsock-recv -e -Fraw p
	done
	for flag in -0 --null -Fnull --framing=null; do
		silent mmsock-send "$flag" p <in
		shows p MSGS 2
		is "$(drained p)" $'a\nb\nc'
	done
	for flag in -s --slurp -Fslurp --framing=slurp; do
		silent mmsock-send "$flag" p <in
		shows p MSGS 1
		t mmsock-recv -e -r p | cmp - in
	done
	for flag in -r --raw -Fraw --framing=raw; do
		silent mmsock-send "$flag" p <in
		t mmsock-recv -e -r p | cmp - in
	done
}

@test "-d and --delimiter take any byte string with escapes" {
	mmsock-create p
	printf 'a\r\nb\nc\r\n' | t mmsock-send -d '\r\n' p
	is "$(t mmsock-recv -e -0 p | od -An -c | tr -d ' \n')" 'a\0b\nc\0'
	printf 'a\377b' | t mmsock-send --delimiter='\xff' p
	is "$(drained p)" $'a\nb'
	printf 'a\0b' | t mmsock-send -d '\0' p
	is "$(drained p)" $'a\nb'
	printf 'a\tb' | t mmsock-send -d '\t' p
	is "$(drained p)" $'a\nb'
	printf 'a\\b' | t mmsock-send -d '\\' p
	is "$(drained p)" $'a\nb'
	printf 'aENDbEENDcENEND' | t mmsock-send -d END p
	is "$(drained p)" $'a\nbE\ncEN'
	printf 'aabaab' | t mmsock-send -d aab p
	is "$(t mmsock-recv -e -0 p | od -An -c | tr -d ' \n')" '\0\0'
	printf 'aaab' | t mmsock-send -d aab p
	is "$(drained p)" a
}

@test "a wrong delimiter or framing is refused" {
	local text
	mmsock-create p
	for text in '' '\' '\q' '\x' '\x4' '\xg0'; do
		wrong -d "$text"
	done
	for text in '' Line lines lp32 lp32be: nothing; do
		wrong -F "$text"
	done
	wrong --framing
}

@test "-F lp32be and lp32le read length prefixes" {
	mmsock-create p
	printf '\0\0\0\3abc\0\0\0\0\0\0\0\1x' | t mmsock-send -F lp32be p
	is "$(t mmsock-recv -e -0 p | tr '\0' ,)" abc,,x,
	printf '\3\0\0\0abc\0\0\0\0\1\0\0\0x' | t mmsock-send -F lp32le p
	is "$(t mmsock-recv -e -0 p | tr '\0' ,)" abc,,x,
}

@test "a length of -1 in lp32be is an empty message" {
	mmsock-create p
	printf '\0\0\0\1a\377\377\377\377\0\0\0\1b' | t mmsock-send -F lp32be p
	is "$(t mmsock-recv -e -0 p | tr '\0' ,)" a,,b,
}

@test "a truncated frame gives 65, with offset and record" {
	mmsock-create p
	run --separate-stderr -65 t mmsock-send -F lp32be p \
		< <(printf '\0\0\0\1a\0\0\0\5bcd')
	says mmsock-send
	like "$stderr" "(byte|offset) 5"
	like "$stderr" "record 2"
	is "$(drained p)" a
	run --separate-stderr -65 t mmsock-send -F lp32le p < <(printf '\1\0')
	says mmsock-send
	like "$stderr" "(byte|offset) 0"
	like "$stderr" "record 1"
	shows p MSGS 0
}

@test "a frame larger than the port takes gives 65 and is not read" {
	mmsock-create --max-message=10 p
	run --separate-stderr -65 t mmsock-send -F lp32be p \
		< <(printf '\0\0\0\2ok\177\377\377\377')
	says mmsock-send
	like "$stderr" "(byte|offset) 6"
	is "$(drained p)" ok
}

@test "a line that is too long gives 65 with its offset; nothing is cut" {
	mmsock-create --max-message=10 p
	run --separate-stderr -65 t mmsock-send p < <(
		echo 1234567890
		echo 12345678901
		echo after
	)
	says mmsock-send
	like "$stderr" "(byte|offset) 11"
	is "$(drained p)" 1234567890
}

@test "one argument that is too long keeps all from being sent" {
	mmsock-create --max-message=10 p
	fails 65 mmsock-send p short 12345678901
	like "$stderr" "message 2"
	shows p SENT 0
}

@test "raw input of any size goes through whole" {
	mmsock-create -b 64K p
	head -c 3000000 /dev/urandom >in
	start mmsock-send -r p <in
	t mmsock-recv -r p | cmp - in
	ends 0 "$PID"
}

@test "slurped input that does not fit gives 65 and sends nothing" {
	mmsock-create -b 64K p
	head -c 32768 /dev/urandom >fits
	head -c 32769 /dev/urandom >large
	silent mmsock-send -s p <fits
	run --separate-stderr -65 t mmsock-send -s p <large
	says mmsock-send
	shows p MSGS 1
	t mmsock-recv -e -r p | cmp - fits
}

@test "-c and --count stop after N messages" {
	mmsock-create p
	seq 10 | t mmsock-send -c 3 p
	is "$(drained p)" $'1\n2\n3'
	seq 10 | t mmsock-send --count=1 p
	is "$(drained p)" 1
	seq 2 | t mmsock-send -c 3 p
	is "$(drained p)" $'1\n2'
	silent mmsock-send -c 2 p a b c
	is "$(drained p)" $'a\nb'
}

@test "-c 0 attaches, checks and reads nothing" {
	mmsock-create p
	echo kept | {
		mmsock-send -c 0 p
		cat >rest
	}
	is "$(cat rest)" kept
	shows p SENT 0
	fails 66 mmsock-send -c 0 missing
}

@test "-c stops at once, while stdin stays open" {
	mmsock-create p
	open_feed
	start mmsock-send -c 2 p <feed
	feed one two
	ends 0 "$PID"
	is "$(drained p)" $'one\ntwo'
}

@test "counts are strict decimal" {
	local count
	mmsock-create p
	for count in '' -1 +1 ' 1' '1 ' 1x 0x1 01 1.0 1K 18446744073709551616; do
		wrong -c "$count"
	done
}

@test "-w and --timeout give up with 124 and tell how much went in" {
	full_port p
	run --separate-stderr -124 t mmsock-send -w 0.1 p <filler
	says mmsock-send
	is "$output" ""
	run -124 t mmsock-send --timeout=100ms p <filler
	mmsock-recv -c 1 p >/dev/null
	run --separate-stderr -124 t mmsock-send -w 0.1 p <filler
	like "$stderr" "(^|[^0-9])1 message"
}

@test "-w counts from the last progress, not from the start" {
	mmsock-create -b 4K p
	idle_sender p
	ready mmsock-recv p >out
	local reader=$PID
	feed x
	wait_until grep -q x out
	seq 100000 | t mmsock-send -w 5 p
	fed
	ends 0 "$reader"
	is "$(wc -l <out)" 100001
}

@test "durations take units and are strict" {
	local duration
	mmsock-create p
	for duration in 250us 10ms 1.5 2s 1m 1h inf 0.25s 1.5ms; do
		silent mmsock-send -w "$duration" p x
	done
	shows p MSGS 9
	mmsock-recv -e p >/dev/null
	for duration in '' -1 +1 1x '1 s' ' 1' s 1.5.1 . 1e3 infinite 0x1 \
		99999999999999999999h; do
		wrong -w "$duration"
	done
}

@test "MMSOCK_TIMEOUT is the default of -w" {
	full_port p
	MMSOCK_TIMEOUT=0.1 run -124 t mmsock-send p <filler
	MMSOCK_TIMEOUT=1h run -124 t mmsock-send -w 0.1 p <filler
	MMSOCK_TIMEOUT=soon run --separate-stderr -64 t mmsock-send p x
	like "$stderr" MMSOCK_TIMEOUT
}

@test "-n and --nonblock give 1 where it would wait, and say how much went in" {
	mmsock-create -b 4K p
	run --separate-stderr -0 t mmsock-send -n p x
	head -c 10000 /dev/zero | tr '\0' x | fold -w 1000 >filler
	run --separate-stderr -1 t mmsock-send -n p <filler
	is "$output" ""
	like "$stderr" "(^|[^0-9])4 messages"
	shows p MSGS 5
	run -1 t mmsock-send --nonblock p <filler
	shows p MSGS 5
}

@test "a full port blocks until there is room, nothing is lost" {
	mmsock-create -b 4K p
	seq 20000 >in
	start mmsock-send p <in
	wait_until full p
	t mmsock-recv p | cmp - in
	ends 0 "$PID"
}

@test "-u and --unbuffered send each message when it is read" {
	mmsock-create p
	seq 1000 >in
	silent mmsock-send -u p <in
	is "$(drained p | cmp - in)" ""
	silent mmsock-send --unbuffered p <in
	is "$(drained p | cmp - in)" ""
}

@test "a line is sent at once while stdin stays open" {
	mmsock-create p
	idle_sender p
	feed first
	comes p MSGS 1
	feed second third
	comes p MSGS 3
	fed
	ends 0 "$PID"
	is "$(drained p)" $'first\nsecond\nthird'
}

@test "-q and --quiet keep the exit status, -v and --verbose keep stdout clean" {
	mmsock-create p
	silent mmsock-send -q p x
	silent mmsock-send --quiet p x
	run -66 t mmsock-send -q missing x
	for flag in -v --verbose; do
		run --separate-stderr -0 t mmsock-send "$flag" p a b
		is "$output" ""
		like "$stderr" "^mmsock-send: "
		like "$stderr" "2 messages"
	done
}

@test "--wait-port waits until the port is created" {
	start mmsock-send --wait-port p hello
	mmsock-create other
	mmsock-create p
	ends 0 "$PID"
	is "$(drained p)" hello
	silent mmsock-send --wait-port p again
}

@test "--wait-port is bounded by -w and ended by a signal" {
	fails 124 mmsock-send --wait-port -w 0.1 p hello
	like "$stderr" "'p'"
	mkdir -p "$MMSOCK_DIR"
	fails 124 mmsock-send --wait-port -w 0.1 p hello
	run -1 t mmsock-send --wait-port -n p hello
}

@test "--wait-peer waits for a receiver" {
	mmsock-create p
	start mmsock-send --wait-peer p hello
	comes p WR 1
	shows p SENT 0
	run -0 t mmsock-recv p
	is "$output" hello
	ends 0 "$PID"
}

@test "--wait-peer=N waits for N receivers" {
	mmsock-create p
	start mmsock-send --wait-peer=2 p a b c
	comes p WR 1
	ready mmsock-recv p >out1
	local first=$PID
	shows p SENT 0
	ready mmsock-recv p >out2
	ends 0 "$PID"
	ends 0 "$first"
	is "$(sort out1 out2)" $'a\nb\nc'
}

@test "--wait-peer is bounded by -w" {
	mmsock-create p
	fails 124 mmsock-send --wait-peer -w 0.1 p hello
	shows p MSGS 0
	run -1 t mmsock-send --wait-peer -n p hello
	wrong --wait-peer=0x
	wrong --wait-peer=-1
}

@test "--create makes a missing port and leaves an old one" {
	silent mmsock-send --create p one
	shows p CAP 1048576
	silent mmsock-send --create=8K p two
	shows p CAP 1048576
	is "$(drained p)" $'one\ntwo'
	silent mmsock-send --create=8K q x
	shows q CAP 8192
	wrong_size=$(t mmsock-send --create=8X r x 2>&1) && false
	like "$wrong_size" "^mmsock-send: "
	[ ! -e "$MMSOCK_DIR/r" ]
}

@test "--create in a missing folder fails with 73" {
	fails 73 mmsock-send --create ./missing/p x
}

@test "--dir names the port directory" {
	mmsock-create --dir="$SHM/other" p
	silent mmsock-send --dir="$SHM/other" p x
	is "$(MMSOCK_DIR=$SHM/other t mmsock-recv -e p)" x
	fails 66 mmsock-send --dir="$SHM/missing" p x
	like "$stderr" "mmsock-create --dir=$SHM/missing p"
}

@test "--spin takes a duration, as MMSOCK_SPIN does" {
	local spin
	mmsock-create p
	for spin in 0 10us 1ms inf; do
		silent mmsock-send --spin="$spin" p x
		MMSOCK_SPIN=$spin silent mmsock-send p x
	done
	shows p MSGS 8
	MMSOCK_SPIN=much run -64 t mmsock-send p x
	mmsock-recv -e p >/dev/null
	wrong --spin=-1
	wrong --spin=fast
}

@test "--spin=inf does not keep -w from running out" {
	full_port p
	run -124 t mmsock-send --spin=inf -w 0.1 p <filler
	run -124 t mmsock-send --spin=0 -w 0.1 p <filler
}

@test "--strict is accepted and changes nothing for clean input" {
	mmsock-create p
	silent mmsock-send --strict p a b
	seq 3 | t mmsock-send --strict p
	shows p MSGS 5
}

@test "--strict refuses a message that holds the delimiter with 65" {
	mmsock-create p
	fails 65 mmsock-send --strict p ok $'a\nb' after
	shows p SENT 0
	silent mmsock-send --strict -0 p $'a\nb'
	silent mmsock-send p $'a\nb'
	fails 65 mmsock-send --strict -d XY p aXYb
	shows p MSGS 2
}

@test "--ready-fd tells when it is attached" {
	mmsock-create p
	open_feed
	ready mmsock-send p <feed
	shows p WR 1
	fed
	ends 0 "$PID"
	t mmsock-send --ready-fd=5 p x 5>ready
	is "$(od -An -c ready | tr -d ' ')" '\n'
	misused mmsock-send --ready-fd=x p y
	misused mmsock-send --ready-fd=-1 p y
	misused mmsock-send --ready-fd= p y
}

@test "a missing port gives 66 and the next step" {
	fails 66 mmsock-send p x
	like "$stderr" "^mmsock-send: port 'p': no such port \(create it with: mmsock-create p\)$"
	fails 66 mmsock-send ./p x
	fails 66 mmsock-send ./missing/p x
	[ ! -e "$MMSOCK_DIR/p" ]
}

@test "bad names and wrong usage give 64" {
	local name
	for name in '' . .. .hidden 'a b' 'a*'; do
		fails 64 mmsock-send "$name" x
	done
	fails 64 mmsock-send --create 'a b' x
	misused mmsock-send
	misused mmsock-send --no-such-option p x
	misused mmsock-send -Z p x
	misused mmsock-send -c
	misused mmsock-send --raw=1 p x
}

@test "a file that is no port gives 65 and is left alone" {
	echo data >file
	fails 65 mmsock-send ./file x
	fails 65 mmsock-send --create ./file x
	is "$(cat file)" data
	fails 65 mmsock-send /dev/null x
}

@test "reading stdin that fails gives 74" {
	mmsock-create p
	run --separate-stderr -74 t mmsock-send p </
	says mmsock-send
	run --separate-stderr -74 bash -c 'timeout -s KILL 20 mmsock-send p <&-'
	says mmsock-send
	nobody_attached p
}

@test "messages of exactly the largest size go through, one byte more not" {
	mmsock-create -b 4K p
	head -c 2048 /dev/urandom >fits
	head -c 2049 /dev/urandom >large
	silent mmsock-send -s p <fits
	t mmsock-recv -e -r p | cmp - fits
	run -65 t mmsock-send -s p <large
	shows p MSGS 0
}

@test "a signal ends a blocked sender cleanly" {
	full_port p
	ready mmsock-send p <filler
	wait_until full p
	kill -TERM "$PID"
	ends 143 "$PID"
	nobody_attached p
	ready mmsock-send p <filler
	wait_until full p
	kill -INT "$PID"
	ends 130 "$PID"
	nobody_attached p
	shows p STATE ok
}

@test "a signal ends a sender that waits for its input" {
	mmsock-create p
	idle_sender p
	kill -INT "$PID"
	ends 130 "$PID"
	nobody_attached p
	ready mmsock-send p <feed
	kill -TERM "$PID"
	ends 143 "$PID"
	nobody_attached p
	shows p STATE ok
}

@test "a signal ends a sender that waits for a port or a peer" {
	mmsock-create p
	ready mmsock-send --wait-peer p x
	kill -INT "$PID"
	ends 130 "$PID"
	nobody_attached p
}

@test "an ignored SIGINT stays ignored" {
	mmsock-create p
	open_feed
	start env --ignore-signal=INT mmsock-send p <feed
	comes p WR 1
	kill -INT "$PID"
	feed through
	comes p MSGS 1
	fed
	ends 0 "$PID"
}

@test "a sender loads no library but ours and that of C" {
	readelf -d "$(command -v mmsock-send)" >libraries
	grep -q "NEEDED.*libmmsock" libraries
	sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' libraries |
		grep -v -e libmmsock -e '^libc\.' -e 'san\.' -e libpthread \
			>others || :
	[ ! -s others ]
}
