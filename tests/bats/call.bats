#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-call: requests from arguments and standard input, replies, failures

# shellcheck disable=SC2016,SC2154
load helpers

wrong() {
	misused mmsock-call "$@"
	nobody_attached p
}

# serves ARG... - start mmsock-serve, return once it is attached (by --ready-fd);
# its pid is in PID.  A busy machine may take longer than 5 s for a call.
serves() {
	MMSOCK_TIMEOUT=inf ready mmsock-serve "$@"
	export MMSOCK_TIMEOUT=18
}

# upper - a service of that name makes letters large
upper() {
	mmsock-create -t rpc upper
	serves --persistent upper -- sed -u 's/.*/\U&/'
}

# stuck PORT - a service that takes requests and never replies
stuck() {
	mmsock-create -t rpc "$1"
	mkfifo "$1.begun"
	serves "$1" -- sh -c "echo \$MMSOCK_SEQ >$1.begun; exec tail -f /dev/null"
}

@test "help and version go to stdout with status 0" {
	help_and_version mmsock-call
}

@test "each option in --help is tested here" {
	options_tested mmsock-call
}

@test "wrong usage: 64" {
	mmsock-create -t rpc p
	wrong
	wrong --inflight=0 p x
	wrong --inflight=65 p x
	wrong --inflight p x
	wrong -F nothing p x
	wrong -d '' p x
	wrong --raw -d x p x
	wrong --create --wait-port p x
	wrong -j 2 p x
	wrong --no-such-option p x
}

@test "each argument is a request, and replies are written as they are" {
	upper
	is "$(t mmsock-call upper one)" ONE
	is "$(t mmsock-call upper one 'two words' '' three)" 'ONETWO WORDSTHREE'
	is "$(t mmsock-call -l upper one 'two words' '' three)" \
		$'ONE\nTWO WORDS\n\nTHREE'
	t mmsock-call -0 upper one two >out
	printf 'ONE\0TWO\0' | cmp - out
}

@test "standard input is left alone where there are arguments" {
	upper
	printf 'a\nb\n' | {
		mmsock-call -l upper x
		cat
	} >out
	is "$(cat out)" $'X\na\nb'
	is "$(t mmsock-call upper y <&-)" Y
}

@test "all of standard input is one request, empty included" {
	mmsock-create -t rpc p
	serves -v p -- cat
	head -c 60000 /dev/urandom >in
	t mmsock-call p <in >out
	cmp out in
	t mmsock-call -s p <in >out
	cmp out in
	t mmsock-call --slurp p <in >out
	cmp out in
	printf 'no end of line' | t mmsock-call p >out
	is "$(cat out; echo .)" 'no end of line.'
	silent mmsock-call p </dev/null
	shows p SENT 5
}

@test "with a framing each record is a request" {
	upper
	is "$(printf 'a\nb\n\nc' | t mmsock-call -l upper)" $'A\nB\n\nC'
	is "$(printf 'a\nb\n' | t mmsock-call --lines upper)" $'A\nB'
	is "$(printf 'a\nb\n' | t mmsock-call -F line upper)" $'A\nB'
	printf 'a\0b\0' | t mmsock-call -0 upper >out
	printf 'A\0B\0' | cmp - out
	printf 'a\0b\0' | t mmsock-call --null upper | cmp - out
	is "$(printf 'a;b;' | t mmsock-call -d ';' upper)" 'A;B;'
	is "$(printf 'a--b--' | t mmsock-call --delimiter='--' upper)" 'A--B--'
	is "$(printf 'a' | t mmsock-call -r upper)" A
	is "$(printf 'a' | t mmsock-call --raw upper)" A
	printf '\0\0\0\1a\0\0\0\2bc' | t mmsock-call --framing=lp32be upper >out
	printf '\0\0\0\1A\0\0\0\2BC' | cmp - out
	silent mmsock-call -l upper </dev/null
}

@test "random binary requests come back, one at a time and many" {
	mmsock-create -t rpc p
	serves --echo p
	records 300 3000 >in
	t mmsock-call -F lp32be p <in >out
	cmp out in
	t mmsock-call -F lp32be --inflight=16 p <in >out
	cmp out in
}

@test "--inflight: many at a time, replies in the order of the requests" {
	local numbers
	mmsock-create -t rpc p
	# The first is answered first, and then the last of the others.
	serves -j 8 p -- sh -c 'read x; case $x in 1) ;;
		8) : >8 ;; *) until [ -e $((x + 1)) ]; do :; done; : >$x ;; esac
		echo $x'
	printf '%s\n' 1 2 3 4 5 6 7 8 >numbers
	numbers=$(t mmsock-call --inflight=8 -F lp32be p < <(
		perl -ne 'print pack("N/a*", $_)' numbers) | tr -cd '0-9')
	is "$numbers" 12345678
}

@test "--inflight: a thousand at a time, each once and in its place" {
	mmsock-create -t rpc p
	serves --echo -j 4 p
	seq 1000 >in
	t mmsock-call -l --inflight=64 p <in >out
	cmp out in
	shows p SENT 1000
}

@test "--inflight: large replies do not overtake the room for them" {
	mmsock-create -t rpc p
	serves --echo p
	perl -e 'print pack("N/a*", "x" x 60000) for 1 .. 40' >in
	t mmsock-call -F lp32be --inflight=8 p <in >out
	cmp out in
}

@test "one request, its reply, the next: standard input stays open" {
	local i line
	upper
	mkfifo replies
	exec {REPLIES}<>replies
	open_feed
	ready mmsock-call -w inf -l --inflight=8 upper <feed >replies
	for i in one two three; do
		feed "$i"
		read -r -t 20 -u "$REPLIES" line
		is "$line" "${i^^}"
	done
	fed
	ends 0 "$PID"
}

@test "ten clients at once: each gets its own replies" {
	local i pids=()
	mmsock-create -t rpc p
	serves --echo -j 3 p
	for i in {0..9}; do
		seq -f "$i:%.0f" 300 >"in$i"
		start mmsock-call -l -w 30 --inflight=$((i % 4 + 1)) p \
			<"in$i" >"out$i"
		pids+=("$PID")
	done
	for i in {0..9}; do
		WAIT=40 ends 0 "${pids[i]}"
		cmp "out$i" "in$i"
	done
	shows p WR 0
}

@test "clients beyond those that the port takes: 71, the others are served" {
	mmsock-create -t rpc --clients=1 p
	serves --echo p
	open_feed
	ready mmsock-call -l p <feed >out
	local client=$PID
	fails 71 mmsock-call p x
	feed hello
	fed
	ends 0 "$client"
	is "$(cat out)" hello
	is "$(t mmsock-call p again)" again
}

@test "nobody serves: 69, at once, and nothing was asked" {
	mmsock-create -t rpc p
	fails 69 mmsock-call -w inf p x
	like "$stderr" 'nobody serves .*mmsock-serve'
	fails 69 mmsock-call p </dev/null
	fails 69 mmsock-call -n p x
	fails 69 mmsock-call --nonblock p x
	fails 69 mmsock-call -q p x
	fails 69 mmsock-call --quiet -l p x y
	shows p MSGS 0
	nobody_attached p
}

@test "the last server leaves: 69 for those whose requests nobody took" {
	stuck p
	local server=$PID
	start mmsock-call -w inf p one 2>err1
	local one=$PID
	read -r _ <p.begun
	start mmsock-call -w inf p two 2>err2
	local two=$PID
	comes p CALLS 2
	kill -KILL "$server"
	ends 69 "$one"
	ends 69 "$two"
	like "$(cat err1)" 'the server died or left'
	like "$(cat err2)" 'nobody serves'
}

@test "-w, --timeout: 124, and what comes later is dropped" {
	local name
	mmsock-create -t rpc p
	mkfifo go.{one,two,three,x,four}
	serves p -- sh -c 'read x; : >started.$x; read go <go.$x; echo $x'
	fails 124 mmsock-call -w 0.1 p $'one\n'
	fails 124 mmsock-call --timeout=0.1 p $'two\n'
	MMSOCK_TIMEOUT=0.1 fails 124 mmsock-call p $'three\n'
	run --separate-stderr -124 t mmsock-call -q -w 0.1 p x
	is "$stderr" ""
	start mmsock-call -w inf p $'four\n' >out
	for name in one two three x; do
		[ ! -e started.$name ] || echo >go.$name
	done
	t sh -c 'echo >go.four'
	ends 0 "$PID"
	is "$(cat out)" four
}

@test "-n where somebody serves: 1, if it is not answered at once" {
	stuck p
	run --separate-stderr -1 t mmsock-call -n p x
	is "$output" ""
	is "$stderr" ""
}

@test "-c, --count: so many requests, and the rest of a file is left" {
	upper
	printf '%s\n' a b c d >in
	{
		mmsock-call -l -c 2 upper
		cat
	} <in >out
	is "$(cat out)" $'A\nB\nc\nd'
	is "$(t mmsock-call -l --count=1 upper x y)" X
	silent mmsock-call -c 0 upper x
	fails 66 mmsock-call -c 0 none x
}

@test "an error reply: 1, the status, and the line" {
	mmsock-create -t rpc p
	serves p -- sh -c 'echo out; echo "it went wrong" >&2; exit 3' 2>err
	fails 1 mmsock-call p x
	is "$stderr" "mmsock-call: port 'p': the request failed with status 3: it went wrong"
	is "$(cat err)" "it went wrong"
}

@test "nothing of an error reply can act on a terminal" {
	mmsock-create -t rpc p
	serves p -- sh -c 'printf "\033]0;x\007 \302\233 \303\244\n" >&2; exit 1' \
		2>err
	fails 1 mmsock-call p x
	is "$stderr" "mmsock-call: port 'p': the request failed with status 1: ?]0;x? ?? "$'\303\244'
}

@test "the first error ends it, and it says how far it came" {
	mmsock-create -t rpc p
	serves p -- sh -c 'read x; [ "$x" != c ] || exit 4; echo "$x"'
	run --separate-stderr -1 t mmsock-call p $'a\n' $'b\n' $'c\n' $'d\n'
	is "$output" $'a\nb'
	is "$stderr" "mmsock-call: port 'p': the request failed with status 4
mmsock-call: port 'p': 2 messages answered before that"
	shows p SENT 3
	run --separate-stderr -1 t mmsock-call --inflight=4 p $'a\n' $'b\n' \
		$'c\n' $'d\n'
	is "$output" $'a\nb'
	like "$stderr" 'status 4.*2 messages answered.*1 message sent after that'
	run --separate-stderr -1 t mmsock-call -q p $'a\n' $'c\n'
	is "${#stderr_lines[@]}" 1
}

@test "--inflight: what is not answered may be executed, or is known not to be" {
	local i taken server
	mmsock-create -t rpc p
	for i in 1 2; do
		serves -j "$i" p -- sh -c 'read x; [ "$x" != a ] || exit 0
			: >"$1.$MMSOCK_WORKER"; exec tail -f /dev/null' sh "begun$i"
		server=$PID
		start mmsock-call -w inf --inflight=4 p $'a\n' $'b\n' $'c\n' \
			$'d\n' 2>"err$i"
		for ((taken = 1; taken <= i; taken++)); do
			wait_until test -e "begun$i.$taken"
		done
		comes p CALLS 3
		kill -KILL "$server"
		ends 69 "$PID"
	done
	like "$(cat err1)" 'died or left.*1 message answered before that
.* 2 messages sent after that one, and not executed$'
	like "$(cat err2)" 'died or left.*1 message answered before that
.* 1 message sent after that one, and its reply dropped
.* 1 message sent after that one, and not executed$'
}

@test "a request that is too large: 65, and of arguments none is sent" {
	mmsock-create -t rpc --max-message=10 p
	serves --echo p
	fails 65 mmsock-call p ok 0123456789a
	like "$stderr" "message 2: larger than the 10 bytes"
	shows p SENT 0
	run --separate-stderr -65 t mmsock-call p <<<'0123456789a'
	like "$stderr" "larger than the 10 bytes"
	shows p SENT 0
	run --separate-stderr -65 t mmsock-call -l p < <(printf 'ok\n0123456789a\n')
	is "$output" ok
	like "$stderr" "record 2 at byte 3"
	like "$stderr" "1 message answered before that"
}

@test "a truncated frame: 65" {
	mmsock-create -t rpc p
	serves --echo p
	printf '\0\0\0\1a\0\0\0\5b' >in
	run --separate-stderr -65 t mmsock-call -F lp32be p <in
	like "$stderr" "record 2"
}

@test "-v, --verbose: the round trip" {
	upper
	run --separate-stderr -0 t mmsock-call -v upper hello
	is "$output" HELLO
	like "$stderr" "^mmsock-call: port 'upper': 5 bytes in [0-9]+\.[0-9]{3} ms$"
	run --separate-stderr -0 t mmsock-call --verbose -l upper a ''
	like "$stderr" $'1 byte in .* ms\n.*0 bytes in'
}

@test "--strict: a reply that holds the delimiter is not written: 65" {
	mmsock-create -t rpc p
	serves --reply=$'two\nlines' p
	run --separate-stderr -0 t mmsock-call -l p x y
	is "$output" $'two\nlines\ntwo\nlines'
	like "$stderr" 'holds the delimiter'
	fails 65 mmsock-call --strict -l p x
	like "$stderr" 'reply 1 holds the delimiter'
	is "$(t mmsock-call --strict p x)" $'two\nlines'
}

@test "-u, --unbuffered: each reply is written at once" {
	upper
	is "$(printf 'a\nb\n' | t mmsock-call -u -l upper)" $'A\nB'
	is "$(printf 'a\nb\n' | t mmsock-call --unbuffered -l upper)" $'A\nB'
}

@test "ports that are missing, no service, or gone" {
	mmsock-create q
	mmsock-sem create s
	: >plain
	fails 66 mmsock-call none x
	fails 65 mmsock-call q x
	like "$stderr" "port 'q': .*queue"
	fails 65 mmsock-call s x
	fails 65 mmsock-call ./plain x
	shows q MSGS 0
	stuck p
	start mmsock-call p x 2>err
	read -r _ <p.begun
	mmsock-rm -f p
	ends 69 "$PID"
	like "$(cat err)" "port 'p': .*removed"
}

@test "a service is no queue: 65" {
	mmsock-create -t rpc p
	fails 65 mmsock-send p x
	fails 65 mmsock-recv p
	fails 65 mmsock-cat -i p
	fails 65 mmsock-cat -o p
	shows p MSGS 0
}

@test "--dir, --create, --wait-port, --wait-peer, --ready-fd, --spin" {
	local spin client
	mmsock-create -t rpc --dir="$SHM/other" p
	serves --dir="$SHM/other" --echo p
	is "$(t mmsock-call --dir="$SHM/other" p x)" x
	fails 69 mmsock-call --create p x
	shows p TYPE rpc
	fails 69 mmsock-call --create=64K q x
	shows q CAP 65536
	start mmsock-call --wait-port --wait-peer -w 20 r hello >out
	client=$PID
	mmsock-create -t rpc r
	serves --echo r
	ends 0 "$client"
	is "$(cat out)" hello
	fails 124 mmsock-call --wait-peer=2 -w 0.05 r x
	is "$(t mmsock-call --ready-fd=1 r x)" $'\nx'
	for spin in 0 1ms inf; do
		is "$(t mmsock-call --spin="$spin" r "$spin")" "$spin"
	done
	is "$(MMSOCK_SPIN=0 t mmsock-call r x)" x
}

@test "standard output that is closed or full: 74" {
	mmsock-create -t rpc p
	serves --echo p
	run --separate-stderr -74 bash -c 'mmsock-call p x >&-'
	shows p SENT 0
	run --separate-stderr -74 bash -c 'mmsock-call p x >/dev/full'
	like "$stderr" 'standard output: No space'
	run --separate-stderr -74 bash -c 'mmsock-call -l p x y >/dev/full'
	shows p WR 0
}

@test "standard input that is closed or a directory: 74" {
	mmsock-create -t rpc p
	serves --echo p
	run --separate-stderr -74 bash -c 'mmsock-call p <&-'
	run --separate-stderr -74 bash -c 'mmsock-call p </'
	shows p SENT 0
}

@test "nobody reads standard output any more: 141" {
	mmsock-create -t rpc p
	serves --echo p
	set +o pipefail
	seq 100000 | { t mmsock-call -l p || echo $? >status; } | head -n 1 >out
	is "$(cat out)" 1
	is "$(cat status)" 141
	comes p WR 0
}

@test "a signal while it waits: it dies of it, detached" {
	local signal
	stuck p
	for signal in INT:130 TERM:143 HUP:129; do
		start mmsock-call -w inf p x
		comes p WR 1
		wait_until asleep reply p
		kill "-${signal%:*}" "$PID"
		ends "${signal#*:}" "$PID"
		shows p WR 0
	done
}

@test "a signal, or -n: it says how far it came" {
	stuck p
	start mmsock-call -w inf -l p one two 2>err
	comes p WR 1
	wait_until asleep reply p
	read -r _ <p.begun
	kill -INT "$PID"
	ends 130 "$PID"
	is "$(cat err)" "mmsock-call: port 'p': 0 messages answered before the signal
mmsock-call: port 'p': 1 message sent after these, and its reply dropped"
	run --separate-stderr -1 t mmsock-call -n -l p one two
	is "$stderr" "mmsock-call: port 'p': 0 messages answered without a wait
mmsock-call: port 'p': 1 message sent after these, and not executed"
}

@test "a signal while it reads standard input" {
	mmsock-create -t rpc p
	serves --echo p
	open_feed
	ready mmsock-call -l p <feed
	kill -INT "$PID"
	ends 130 "$PID"
	shows p WR 0
}

@test "killed in the middle of a thousand replies: the others go on" {
	local victim
	mmsock-create -t rpc p
	serves --echo -j 2 p
	open_feed
	ready mmsock-call -l --inflight=16 p <feed >/dev/null
	victim=$PID
	start mmsock-call -l -w 30 --inflight=4 p < <(seq 20000) >out
	seq 3000 >&"$FEED"
	kill -KILL "$victim"
	WAIT=40 ends 0 "$PID"
	cmp out <(seq 20000)
	wait_until gone "$victim"
	is "$(t mmsock-call p x)" x
}
