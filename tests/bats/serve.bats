#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-serve: a command that answers requests, its life and its death

# shellcheck disable=SC2016,SC2154
load helpers

wrong() {
	misused mmsock-serve "$@"
	nobody_attached p
}

# serves ARG... - start mmsock-serve, return once it is attached (by --ready-fd);
# its pid is in PID.  A busy machine may take longer than 5 s for a call.
serves() {
	MMSOCK_TIMEOUT=inf ready mmsock-serve "$@"
	export MMSOCK_TIMEOUT=18
}

# answers PORT REQUEST REPLY
answers() {
	is "$(t mmsock-call "$1" "$2"; echo .)" "$3."
}

# refuses PORT REQUEST TEXT - the caller gets 1 and a line that ends with TEXT
refuses() {
	run --separate-stderr -1 t mmsock-call "$1" "$2"
	is "$output" ""
	is "$stderr" "mmsock-call: port '$1': the request failed with status $3"
}

# What is said of a request that a worker cannot get.
HOLDS='65: it holds the delimiter, and was not executed (use mmsock-serve -F lp32be)'

# sizes SIZE... - lp32be records of these sizes
sizes() {
	perl -e 'for (@ARGV) { print pack("N", $_), pack("N*", 1 .. $_ / 4),
		"x" x ($_ % 4) }' "$@"
}

# stays NAME - a command for sh that says in NAME.begun that it has begun, and
# ends once something is written to NAME.go
stays() {
	mkfifo "$1.begun" "$1.go"
	echo "echo \$\$ >$1.begun; read x <$1.go; echo ready"
}

@test "help and version go to stdout with status 0" {
	help_and_version mmsock-serve
}

@test "each option in --help is tested here" {
	options_tested mmsock-serve
}

@test "wrong usage: 64, and nobody has attached" {
	mmsock-create -t rpc p
	wrong
	wrong p
	like "$stderr" 'one of -- CMD, --echo and --reply is needed'
	wrong p cat
	wrong p --
	wrong p -c 1 -- cat
	wrong --echo p -- cat
	like "$stderr" '-- CMD, --echo and --reply exclude each other'
	wrong --echo --reply=x p
	like "$stderr" '-- CMD, --echo and --reply exclude each other'
	wrong --persistent --echo p
	wrong --limit=1 --echo p
	wrong -F line p -- cat
	wrong -d x p -- cat
	wrong --persistent -s p -- cat
	wrong --persistent --slurp p -- cat
	wrong -j 0 p -- cat
	wrong -j 65 p -- cat
	wrong --jobs=x p -- cat
	wrong --limit=x p -- cat
	wrong --strict p -- cat
	wrong --no-such-option p -- cat
}

@test "a run a request: it is standard input, the output is the reply" {
	mmsock-create -t rpc p
	serves p -- sh -c 'cat; echo " $#" "$@"' sh one 'two  words'
	answers p 'a request' $'a request 2 one two  words\n'
	answers p '' $' 2 one two  words\n'
	answers p $'\n' $'\n 2 one two  words\n'
	kill "$PID"
	ends 143 "$PID"
	nobody_attached p
}

@test "a command without a reply replies nothing" {
	mmsock-create -t rpc p
	serves p -- true
	answers p 'a request' ''
}

@test "a command need not read its request" {
	mmsock-create -t rpc p
	serves p -- echo hello
	head -c 400000 /dev/zero | t mmsock-call p >out
	is "$(cat out)" hello
}

@test "a request can be read again: it is a file" {
	mmsock-create -t rpc p
	serves p -- sh -c 'cat; cat /dev/stdin'
	answers p twice twicetwice
}

@test "the command knows what it is called for" {
	mmsock-create -t rpc p
	unset MMSOCK_BIN
	ready mmsock-serve -j 1 p -- sh -c 'env | grep ^MMSOCK_ | sort; echo $PPID'
	start mmsock-call -w 18 p hello >out
	ends 0 "$PID"
	is "$(cat out)" "MMSOCK_DIR=$MMSOCK_DIR
MMSOCK_LEN=5
MMSOCK_PEER_PID=$PID
MMSOCK_PORT=p
MMSOCK_SEQ=1
MMSOCK_WORKER=1
$(field p PIDS)"
	like "$(t mmsock-call -w 18 p)" $'LEN=0\n.*\nMMSOCK_SEQ=2\n'
}

@test "the command inherits the rest of the environment, and --dir" {
	mmsock-create -t rpc --dir="$SHM/other" p
	THING=x MMSOCK_SEQ=old serves --dir="$SHM/other" p -- \
		sh -c 'echo $THING $MMSOCK_SEQ $MMSOCK_DIR'
	is "$(t mmsock-call --dir="$SHM/other" p)" "x 1 $SHM/other"
}

# But for two of the C library's own, which starting a program may leave ignored.
signals_told() {
	while read -r name set; do
		[ "$name" = SigQ: ] || echo "$name $((0x$set & ~0x180000000))"
	done
}

@test "the command inherits no descriptor and no blocked or caught signal" {
	mmsock-create -t rpc p
	serves p -- sh -c 'kill -PIPE $$'
	refuses p x '141: killed by signal 13 (Broken pipe)'
	kill "$PID"
	# Besides what all have here.
	start sh -c 'ls /proc/$$/fd >before; exec grep ^Sig /proc/self/status' \
		>signals
	ends 0 "$PID"
	serves -j 2 p -- sh -c 'ls /proc/$$/fd >after
		exec grep ^Sig /proc/self/status'
	is "$(t mmsock-call p | signals_told)" "$(signals_told <signals)"
	diff before after
}

@test "a command that fails: status and last line for the caller, all here" {
	mmsock-create -t rpc p
	serves p -- sh -c 'echo out; echo first >&2; echo >&2; printf last >&2
		exit 3' 2>err
	refuses p x '3: last'
	is "$(cat err)" $'first\n\nlast'
}

@test "a command that fails without a word: its status" {
	mmsock-create -t rpc p
	serves p -- sh -c 'exit 42'
	refuses p x 42
}

@test "a command that a signal kills: 128 + n" {
	mmsock-create -t rpc p
	serves p -- sh -c 'kill -KILL $$'
	refuses p x '137: killed by signal 9 (Killed)'
}

@test "of a long line what fits is passed on" {
	mmsock-create -t rpc p
	serves p -- sh -c 'head -c 100000 /dev/zero | tr "\0" x >&2; exit 1' \
		2>err
	run --separate-stderr -1 t mmsock-call p
	like "$stderr" 'with status 1: x+$'
	is "$(tr -cd x <<<"$stderr" | wc -c)" 1000
	is "$(wc -c <err)" 100000
}

@test "a command that cannot be run: 126, 127 before it attaches" {
	mmsock-create -t rpc p
	: >plain
	fails 127 mmsock-serve p -- no-such-command
	like "$stderr" "command 'no-such-command': No such file"
	fails 127 mmsock-serve p -- ./none
	fails 127 mmsock-serve p -- ''
	fails 127 mmsock-serve --persistent p -- ./none
	fails 126 mmsock-serve p -- ./plain
	fails 126 mmsock-serve p -- "$PWD"
	PATH=$PWD:$PATH fails 126 mmsock-serve p -- plain
	shows p RD 0
}

@test "a folder of PATH that may not be searched has no command: 127" {
	needs_nobody
	mkdir -m 700 closed
	: >closed/some-command
	run --separate-stderr -127 nobody env PATH="$PWD/closed:$PATH" \
		mmsock-serve p -- some-command
	like "$stderr" 'No such file'
}

@test "a command that cannot be run any more: 127 for the caller" {
	mmsock-create -t rpc p
	printf '#!/bin/sh\necho here\n' >script
	chmod +x script
	serves p -- ./script 2>err
	answers p x $'here\n'
	rm script
	refuses p x "127: mmsock-serve: command './script': No such file or directory"
	printf 'echo without a first line\n' >script
	chmod +x script
	answers p x $'without a first line\n'
}

@test "-c, --count: so many requests, of all workers together" {
	mmsock-create -t rpc p
	serves -c 2 -j 3 p -- cat
	answers p one one
	answers p two two
	ends 0 "$PID"
	nobody_attached p
	serves --count=1 --echo p
	answers p three three
	ends 0 "$PID"
	silent mmsock-serve -c 0 p -- cat
	fails 66 mmsock-serve -c 0 none -- cat
}

@test "-w, --timeout: 124 when no request comes; -n: 1" {
	mmsock-create -t rpc p
	fails 124 mmsock-serve -w 0.05 p -- cat
	fails 124 mmsock-serve -j 4 --timeout=0.05 p -- cat
	is "$stderr" "mmsock-serve: port 'p': timed out"
	fails 124 mmsock-serve -w 0 --echo p
	MMSOCK_TIMEOUT=0.05 fails 124 mmsock-serve --echo p
	run --separate-stderr -124 t mmsock-serve -q -w 0.01 --echo p
	is "$stderr" ""
	run --separate-stderr -124 t mmsock-serve --quiet -w 0.01 --echo p
	is "$stderr" ""
	run --separate-stderr -1 t mmsock-serve -n --echo p
	is "$stderr" ""
	run --separate-stderr -1 t mmsock-serve --nonblock -j 2 --echo p
	is "$stderr" ""
	nobody_attached p
}

@test "-w is not about a request that is worked at" {
	mmsock-create -t rpc p
	serves -w 0.2 -j 2 p -- sh -c "$(stays it)"
	local server=$PID
	start mmsock-call p >out
	read -r _ <it.begun
	# The other worker has waited for longer than that.
	mmsock-create q
	run -124 t mmsock-recv -w 0.5 q
	[ -e "/proc/$server" ]
	echo >it.go
	ends 0 "$PID"
	is "$(cat out)" ready
	ends 124 "$server"
}

@test "-j, --jobs: so many at a time, a number each" {
	local i pids=()
	mmsock-create -t rpc p
	# Each waits until all three are there.
	serves --jobs=3 p -- sh -c 'echo $MMSOCK_WORKER >>here
		until [ $(wc -l <here) = 3 ]; do :; done; echo ready'
	for i in 1 2 3; do
		start mmsock-call p >"out$i"
		pids+=("$PID")
	done
	for i in 1 2 3; do
		ends 0 "${pids[i - 1]}"
		is "$(cat "out$i")" ready
	done
	is "$(sort here)" $'1\n2\n3'
}

@test "-j: more than the port takes: 71, and it says so" {
	mmsock-create -t rpc p
	fails 71 mmsock-serve -j 33 --echo p
	is "$stderr" "mmsock-serve: port 'p': --jobs: 33 are more than the 32 servers that the port takes"
	silent mmsock-serve -j 32 -c 0 --echo p
	nobody_attached p
}

@test "several servers share the requests" {
	mmsock-create -t rpc p
	serves -c 1 --reply=one p
	serves -c 1 --reply=two p
	is "$(for _ in 1 2; do
		t mmsock-call p
		echo
	done | sort)" $'one\ntwo'
	wait_until nobody_attached p
}

@test "--echo: requests of every size around a page and a lane come back" {
	local lane
	mmsock-create -t rpc p
	serves --echo p
	sizes {0..80} {4000..4200} {4980..5020} {8150..8230} {65440..65536} |
		tee in | t mmsock-call -F lp32be p >out
	cmp out in
	mmsock-create -t rpc --reply-size=1M -b 4M q
	serves --echo q
	lane=$(field q LANE)
	sizes $((lane / 8 - 32)) $((lane / 8)) $((lane / 4 - 64)) \
		$((lane / 4 - 63)) 1048575 1048576 | tee in |
		t mmsock-call -F lp32be q >out
	cmp out in
}

@test "--reply: the same for all" {
	local large
	mmsock-create -t rpc --reply-size=2000 p
	large=$(printf %02000d 0)
	serves --reply=hello p
	answers p anything hello
	answers p '' hello
	kill "$PID"
	serves --reply="$large" p
	answers p x "$large"
	fails 65 mmsock-serve --reply="${large}0" p
}

@test "a reply that is too large: 65 for the caller, and the server goes on" {
	local large
	mmsock-create -t rpc --reply-size=2000 p
	large=$(printf %02000d 0)
	serves p -- cat 2>err
	answers p "$large" "$large"
	fails 65 mmsock-call p "${large}0"
	like "$stderr" 'larger than the 2000 bytes .*--reply-size'
	like "$(cat err)" 'larger than the 2000 bytes .*--reply-size'
	answers p again again
}

@test "a command that writes for ever is stopped where its reply is too large" {
	mmsock-create -t rpc p
	serves p -- yes
	fails 65 mmsock-call p
}

@test "what a command leaves behind does not hold its reply back" {
	mmsock-create -t rpc p
	mkfifo gate
	serves p -- sh -c 'read -r x <gate & echo ready'
	answers p x $'ready\n'
	# Whoever waits there is let go, and nobody waits for him.
	: <>gate
}

@test "--limit: what takes longer is killed, with what it started" {
	mmsock-create -t rpc p
	serves --limit=0.1 p -- sh -c 'tail -f /dev/null & echo $! >pid; wait; echo no'
	refuses p x '124: took longer than --limit allows and was killed'
	wait_until gone "$(cat pid)"
}

@test "--persistent: a record in, a record out, by the same process" {
	mmsock-create -t rpc p
	serves --persistent p -- sh -c 'while read -r x; do echo "$$ $x"; done'
	local first
	first=$(t mmsock-call p one)
	like "$first" '^[0-9]+ one$'
	answers p two "${first% one} two"
	answers p '' "${first% one} "
	kill "$PID"
	ends 143 "$PID"
	wait_until gone "${first% one}"
}

@test "--persistent: the end of a record that a request has, its reply gets too" {
	mmsock-create -t rpc p
	serves --persistent p -- sed -u 's/.*/\U&/'
	answers p hello HELLO
	answers p $'hello\n' $'HELLO\n'
	answers p $'\n' $'\n'
	is "$(printf 'a\nb\n' | t mmsock-call -l p)" $'A\nB'
}

@test "--persistent: a request that would be two is refused" {
	mmsock-create -t rpc p
	serves --persistent p -- sed -u 's/.*/\U&/'
	refuses p $'a\nb' "$HOLDS"
	refuses p $'a\n\n' "$HOLDS"
	answers p c C
}

@test "--persistent --raw: an empty request, which is no bytes, is refused" {
	mmsock-create -t rpc p
	serves --persistent --raw p -- cat
	refuses p '' '65: it is empty, which is no record, and was not executed (use mmsock-serve -F lp32be)'
	answers p a a
}

@test "--persistent speaks every framing" {
	local framing
	mmsock-create -t rpc p
	sizes {0..100} 5000 65536 >in
	for framing in lp32be lp32le; do
		serves --persistent --framing="$framing" p -- cat
		t mmsock-call -F lp32be p <in >out
		cmp out in
		kill "$PID"
		ends 143 "$PID"
	done
	serves --persistent -0 p -- cat
	answers p $'several\nlines' $'several\nlines'
	kill "$PID"
	ends 143 "$PID"
	serves --persistent --null p -- cat
	answers p $'several\nlines' $'several\nlines'
	kill "$PID"
	ends 143 "$PID"
	serves --persistent -d 'END' p -- cat
	answers p $'several\nlines' $'several\nlines'
	answers p 'linesEND' 'linesEND'
	refuses p 'linesENDmore' "$HOLDS"
	kill "$PID"
	ends 143 "$PID"
	serves --persistent --delimiter=';' p -- cat
	answers p a a
	kill "$PID"
	ends 143 "$PID"
	serves --persistent --raw p -- cat
	answers p $'several\nlines' $'several\nlines'
	kill "$PID"
	ends 143 "$PID"
	for framing in -l --lines -r; do
		serves --persistent "$framing" p -- cat
		answers p line line
		kill "$PID"
		ends 143 "$PID"
	done
}

@test "--persistent: a request larger than all pipes does not get stuck" {
	mmsock-create -t rpc --reply-size=2M -b 8M p
	serves --persistent -F lp32be p -- cat
	sizes 2097152 1 2000000 >in
	t mmsock-call -F lp32be p <in >out
	cmp out in
}

@test "--persistent: one that dies with a request is replaced, the caller told" {
	mmsock-create -t rpc p
	serves --persistent p -- sh -c 'while read -r x; do
		[ "$x" != die ] || exit 7; echo "$x"; done' 2>err
	answers p one one
	refuses p die 7
	answers p two two
	like "$(cat err)" "port 'p': worker 1 ended with status 7"
}

@test "--persistent: one that was killed while it had nothing to do is replaced" {
	mmsock-create -t rpc p
	serves --persistent -q p -- sh -c 'while read -r x; do echo $$; done'
	local server=$PID worker
	worker=$(t mmsock-call p x)
	kill -KILL "$worker"
	wait_until gone "$worker"
	like "$(t mmsock-call p x)" '^[0-9]+$'
	unlike "$(t mmsock-call p x)" "^$worker$"
	kill "$server"
	ends 143 "$server"
}

@test "--persistent: one that ends at once costs each caller an error, no more" {
	mmsock-create -t rpc p
	serves --persistent -q p -- sh -c 'echo here >>runs; exit 5'
	refuses p x 5
	refuses p x 5
	# The first, and one for each request.
	(($(wc -l <runs) <= 3))
}

@test "--persistent: half a record is no reply" {
	mmsock-create -t rpc p
	serves --persistent -q p -- sh -c 'read x; printf "half"; exit 0'
	refuses p x '1: ended without an answer'
	mmsock-create -t rpc q
	serves --persistent -q -F lp32be q -- sh -c \
		'head -c 5 >taken; printf "abc"; exit 3'
	refuses q x 3
}

@test "--persistent: one that says more than it was asked is replaced" {
	mmsock-create -t rpc p
	serves --persistent p -- sh -c 'while read -r x; do
		echo "$x"; [ "$x" != two ] || echo more; done' 2>err
	answers p one one
	answers p two two
	answers p three three
	answers p four four
	like "$(cat err)" "worker 1 wrote what it was not asked for"
}

@test "--persistent: one that closes its output is replaced" {
	mmsock-create -t rpc p
	serves --persistent -q p -- sh -c 'while read -r x; do
		[ "$x" != close ] || exec >&-; echo "$x"; done'
	answers p one one
	run -1 t mmsock-call p close
	answers p two two
}

@test "--persistent: a reply that is too large costs the worker" {
	local large
	mmsock-create -t rpc --reply-size=2000 p
	large=$(printf %02000d 0)
	serves --persistent p -- cat 2>err
	fails 65 mmsock-call p "${large}0"
	answers p "$large" "$large"
	like "$(cat err)" 'worker 1 wrote a reply that is too large, and was killed'
	# With the end that belongs to the request it is too large.
	fails 65 mmsock-call p "$large"$'\n'
	answers p again again
}

@test "--persistent --limit: a worker that takes longer is replaced" {
	mmsock-create -t rpc p
	serves --persistent --limit=0.2 p -- sh -c 'while read -r x; do
		[ "$x" != stop ] || { tail -f /dev/null & echo $! >pid; wait; }
		echo "$x"; done' 2>err
	answers p one one
	refuses p stop '124: took longer than --limit allows and was killed'
	answers p two two
	is "$(cat err)" "mmsock-serve: port 'p': worker 1 took longer than --limit allows and was killed"
	wait_until gone "$(cat pid)"
}

@test "--persistent -j: each worker is one process" {
	local i pids=()
	mmsock-create -t rpc p
	serves --persistent -j 2 p -- sh -c 'while read -r x; do
		echo $MMSOCK_WORKER >>here
		until [ $(sort -u here | wc -l) = 2 ]; do :; done
		echo $MMSOCK_WORKER; done'
	for i in 1 2; do
		start mmsock-call p x >"out$i"
		pids+=("$PID")
	done
	ends 0 "${pids[0]}"
	ends 0 "${pids[1]}"
	one_of "$(cat out1 out2)" 12 21
}

@test "SIGTERM: what runs is finished and answered, then it dies of it" {
	local signal
	mmsock-create -t rpc p
	for signal in TERM:143 INT:130 HUP:129; do
		rm -f it.*
		serves p -- sh -c "$(stays it)"
		local server=$PID
		start mmsock-call p x >out
		read -r _ <it.begun
		kill "-${signal%:*}" "$server"
		# It takes no other.
		start mmsock-call -w inf p y
		local other=$PID
		echo >it.go
		ends "${signal#*:}" "$server"
		wait_until test -s out
		is "$(cat out)" ready
		ends 69 "$other"
	done
	nobody_attached p
}

@test "SIGTERM while nothing runs: it ends at once" {
	mmsock-create -t rpc p
	serves -j 3 --persistent p -- cat
	kill "$PID"
	ends 143 "$PID"
	serves -j 3 p -- cat
	kill "$PID"
	ends 143 "$PID"
	nobody_attached p
}

@test "a second SIGTERM kills what runs, and the callers are told" {
	local option
	mmsock-create -t rpc p
	for option in --verbose --persistent; do
		rm -f it.*
		mkfifo it.begun
		serves "$option" -q p -- sh -c 'read x
			tail -f /dev/null & echo $! >pid; echo $$ >it.begun; wait; echo no'
		local server=$PID worker
		start mmsock-call p $'x\n' 2>err
		read -r worker <it.begun
		kill "$server"
		kill "$server" || true
		twice "$server" "$worker"
		ends 1 "$PID"
		like "$(cat err)" '137: was killed, because the server has to stop'
		ends 143 "$server"
		wait_until gone "$(cat pid)"
	done
}

# twice SERVER WORKER - signals of a kind that come together are one
twice() {
	until gone "$2"; do
		kill "$1" 2>/dev/null || return 0
		pause
	done
}

@test "kill -9: the callers get 69, and no command is left" {
	mmsock-create -t rpc p
	serves p -- sh -c "$(stays it)"
	local server=$PID worker
	start mmsock-call p x 2>err
	read -r worker <it.begun
	kill -KILL "$server"
	ends 69 "$PID"
	like "$(cat err)" "the server died or left"
	wait_until gone "$worker"
	serves --echo p
	answers p x x
}

@test "a caller that is killed does not trouble the server" {
	mmsock-create -t rpc p
	serves -v p -- sh -c "$(stays it)" 2>err
	local server=$PID
	start mmsock-call p x
	read -r _ <it.begun
	kill -KILL "$PID"
	wait_until gone "$PID"
	echo >it.go
	start mmsock-call p x >out
	read -r _ <it.begun
	echo >it.go
	ends 0 "$PID"
	is "$(cat out)" ready
	like "$(cat err)" "port 'p': a reply was dropped: the caller is gone"
	kill "$server"
	ends 143 "$server"
}

@test "a caller that is killed before its turn is not executed for" {
	mmsock-create -t rpc p
	serves -v -c 2 p -- sh -c "cat >>seen; $(stays it)" 2>err
	local server=$PID
	start mmsock-call p first >out
	local first=$PID
	read -r _ <it.begun
	start mmsock-call p second
	comes p CALLS 2
	killed "$PID"
	echo >it.go
	ends 0 "$first"
	wait_until grep -q "port 'p': a request was dropped: the caller is" err
	# Nor does it count.
	start mmsock-call p third >out
	read -r _ <it.begun
	echo >it.go
	ends 0 "$PID"
	is "$(cat seen out)" firstthirdready
	ends 0 "$server"
	like "$(cat err)" '2 requests, 10 bytes'
}

@test "--persistent: a caller that is killed before its turn is not executed for" {
	mmsock-create -t rpc p
	mkfifo it.begun it.go
	serves -v --persistent p -- sh -c 'while read -r x; do echo "$x" >>seen
		[ "$x" != first ] || { echo >it.begun; read -r y <it.go; }
		echo "$x"; done' 2>err
	start mmsock-call p first >out
	local first=$PID
	read -r _ <it.begun
	start mmsock-call p second
	comes p CALLS 2
	killed "$PID"
	echo >it.go
	ends 0 "$first"
	wait_until grep -q "port 'p': a request was dropped: the caller is" err
	answers p third third
	is "$(cat seen)" $'first\nthird'
}

@test "a caller that gave up is not executed for later" {
	mmsock-create -t rpc p
	serves p -- sh -c "cat >>seen; $(stays it)"
	start mmsock-call p first >out
	local first=$PID
	read -r _ <it.begun
	run -124 t mmsock-call -w 0.1 p second
	echo >it.go
	ends 0 "$first"
	start mmsock-call p third >out
	read -r _ <it.begun
	echo >it.go
	ends 0 "$PID"
	is "$(cat seen)" firstthird
}

@test "ports that are missing, no service, or gone" {
	mmsock-create q
	mmsock-create -t rpc p
	fails 66 mmsock-serve p2 -- cat
	fails 65 mmsock-serve q -- cat
	: >plain
	fails 65 mmsock-serve ./plain -- cat
	serves -j 2 p -- cat 2>err
	mmsock-rm -f p
	ends 69 "$PID"
	like "$(cat err)" "port 'p': .*removed"
}

@test "--create and --wait-port" {
	serves --create p -- cat
	answers p x x
	shows p TYPE rpc
	kill "$PID"
	ends 143 "$PID"
	serves --create=64K q -- cat
	shows q CAP 65536
	kill "$PID"
	start mmsock-serve --wait-port --echo r
	mmsock-create -t rpc r
	is "$(t mmsock-call -w 18 --wait-peer r hello)" hello
	fails 124 mmsock-serve --wait-port -w 0.05 --echo none
}

@test "--wait-peer: it waits for a client" {
	mmsock-create -t rpc p
	fails 124 mmsock-serve --wait-peer -w 0.05 --echo p
	start mmsock-serve --wait-peer=2 -w 15 -c 2 --echo p
	local server=$PID
	start mmsock-call -w 18 --wait-peer p one >out1
	start mmsock-call -w 18 --wait-peer p two >out2
	ends 0 "$server"
	wait_until test -s out1 -a -s out2
	is "$(cat out1 out2)" onetwo
}

@test "-v, --verbose: how many requests at the end" {
	mmsock-create -t rpc p
	serves -v -c 2 p -- cat 2>err
	answers p one one
	answers p three three
	ends 0 "$PID"
	is "$(cat err)" "mmsock-serve: port 'p': 2 requests, 8 bytes"
	serves --verbose -n --echo p 2>err
	ends 1 "$PID"
	is "$(cat err)" "mmsock-serve: port 'p': 0 requests, 0 bytes"
	serves -v p -- cat 2>err
	answers p x x
	kill "$PID"
	ends 143 "$PID"
	is "$(cat err)" "mmsock-serve: port 'p': 1 request, 1 byte"
	fails 124 mmsock-serve -v -w 0.05 --echo p
	like "$stderr" "timed out.*port 'p': 0 requests, 0 bytes"
}

@test "--spin: with any budget" {
	local spin
	mmsock-create -t rpc p
	for spin in 0 1ms inf; do
		serves --spin="$spin" -c 3 --echo p
		answers p one one
		answers p two two
		answers p three three
		ends 0 "$PID"
	done
}

@test "-u, --unbuffered changes nothing" {
	mmsock-create -t rpc p
	serves -u -c 1 --echo p
	answers p one one
	serves --unbuffered -c 1 --echo p
	answers p one one
}

@test "closed standard input, output and error do not matter" {
	mmsock-create -t rpc p
	serves p -- cat <&- >&- 2>&-
	answers p x x
	serves p -- sh -c 'echo word >&2; exit 2' 2>&-
	kill "$PID"
}

@test "another user's service: 77, or served where it is shared" {
	needs_nobody
	chmod 755 "$SHM"
	mmsock-create -t rpc p
	chmod 755 "$MMSOCK_DIR"
	run --separate-stderr -77 nobody mmsock-call p x
	run --separate-stderr -77 nobody mmsock-serve --echo p
	mmsock-create -t rpc -m 0666 q
	serves q -- sh -c 'cat; id -u'
	is "$(nobody mmsock-call q $'hello\n')" $'hello\n0'
}
