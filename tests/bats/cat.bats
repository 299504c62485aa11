#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-cat: streams through ports, relays, waiting, failures

# shellcheck disable=SC2154
load helpers

wrong() {
	misused mmsock-cat "$@"
	nobody_attached p
}

# bytes COUNT - so many, the same in each call, no two stretches alike
bytes() {
	seq 100000000 | head -c "$1"
}

# cpu PID - clock ticks that the process has used
cpu() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

# pipe_size FILE [SIZE] - of that pipe, set before if SIZE is given
pipe_size() {
	perl -e 'sysopen my $f, $ARGV[0], 04000 or die "$!";
		fcntl $f, 1031, $ARGV[1] + 0 or die "$!" if $ARGV[1];
		print 0 + fcntl $f, 1032, 0' "$@"
}

# blocked PID - it waits in the kernel
blocked() {
	grep -q '^State:.*S' "/proc/$1/status"
}

# stopped PID
stopped() {
	grep -q '^State:.*T' "/proc/$1/status"
}

# open_pipe - make a FIFO named pipe that is open both ways and that nobody reads
# by himself, so that whoever writes there has to wait when it is full
open_pipe() {
	mkfifo pipe
	exec {PIPE}<>pipe
}

# letters FILE... - print each lp32be record's length if it is all one letter
letters() {
	cat "$@" | perl -e 'local $/; $_ = <STDIN>; my $sum = 0;
		while (length) {
			my $n = unpack "N", substr $_, 0, 4, "";
			my $r = substr $_, 0, $n, "";
			my $l = substr $r, 0, 1;
			$r eq $l x $n or die "mixed";
			$sum{$l} += $n;
		}
		print map "$_:$sum{$_}\n", sort keys %sum'
}

@test "help and version go to stdout with status 0" {
	help_and_version mmsock-cat
}

@test "each option in --help is tested here" {
	options_tested mmsock-cat
}

@test "options of later work are not offered" {
	local option
	mmsock-create p
	for option in --peek -f%s --format=%s -J --json -t --timestamp -R1 \
		--rate=1 -j2 --jobs=2 --lease --encode=hex --decode=hex; do
		wrong -i p "$option"
	done
}

@test "without -i and -o it says which there are" {
	mmsock-create p
	wrong
	like "$stderr" "-i PORT .*-o PORT"
	wrong p
	like "$stderr" "-i p .*-o p"
	wrong -i p q
	wrong --no-such-option
	wrong -i
	wrong -o
}

@test "options that go with -i or -o only are refused without" {
	mmsock-create p
	wrong -T -i p
	wrong --tee -i p
	wrong -e -o p
	wrong --exit-on-empty -o p
	wrong -k -o p
	wrong --keep-open -o p
	wrong -i p -d '' -o q
	wrong -i p -F nothing
	wrong -i p --raw -d x
	wrong --create --wait-port -i p
}

@test "a port that is input and output is refused" {
	mmsock-create p
	wrong -i p -o p
	wrong -i q -i p -o r -o "$MMSOCK_DIR/p"
}

@test "-i, --input, -o, --output: what goes in comes out" {
	mmsock-create p
	bytes 1000000 >in
	start mmsock-cat --output=p <in
	t mmsock-cat --input=p >out
	cmp out in
	ends 0 "$PID"
	start mmsock-cat -o p <in
	t mmsock-cat -i p >out
	cmp out in
	ends 0 "$PID"
	nobody_attached p
	shows p USED 0
}

@test "tar through a port gives the same files" {
	mmsock-create p
	mkdir -p dir/deep copy
	head -c 3000000 /dev/urandom >dir/random
	seq 100000 >dir/deep/seq
	: >dir/empty
	ln -s deep/seq dir/link
	tar c dir | t mmsock-cat -o p 3>&- &
	t mmsock-cat -i p | tar x -C copy
	diff -r --no-dereference dir copy/dir
	all_done
}

@test "bytes go through ports of any size" {
	local size
	bytes 300000 >in
	for size in 4K 64K 8M; do
		mmsock-create -b "$size" "p$size"
		t mmsock-cat -o "p$size" <in 3>&- &
		t mmsock-cat -i "p$size" | cmp - in
		all_done
	done
	mmsock-create --max-message=1 one
	bytes 1000 | t mmsock-cat -o one
	shows one MSGS 1000
	t mmsock-cat -i one | cmp - <(bytes 1000)
}

@test "bytes go in from and out to whatever there is" {
	mkfifo fifo
	mmsock-create -b 64K p
	bytes 500000 >in
	# A FIFO on both sides.
	cat in >fifo 3>&- &
	t mmsock-cat -o p <fifo 3>&- &
	mkfifo out
	t mmsock-cat -i p >out 3>&- &
	cmp out in
	all_done
	# A file on tmpfs, and one that is appended to.
	cp in "$SHM/in"
	t mmsock-cat -o p <"$SHM/in" 3>&- &
	echo before >appended
	t mmsock-cat -i p >>appended
	cmp appended <(echo before; cat in)
	# Sockets.
	t socat -u FILE:in EXEC:"mmsock-cat -o p" 3>&- &
	t socat -u EXEC:"mmsock-cat -i p" STDOUT | cmp - in
	all_done
	# A file in /proc has no size.
	t mmsock-cat -o p </proc/version
	t mmsock-cat -i p | cmp - /proc/version
	# A terminal.
	t script -qec "mmsock-cat -o p <&1" /dev/null < <(echo typed
		printf '\4') >/dev/null
	is "$(t mmsock-cat -i p)" typed
	t mmsock-cat -o p <in 3>&- &
	t mmsock-cat -i p >/dev/null
	all_done
}

@test "a descriptor that others share stays in its mode" {
	mmsock-create p
	mkfifo in out
	exec {in}<>in {out}<>out
	ready mmsock-cat -o p <&"$in"
	bytes 1000 >&"$in"
	comes p SENT 1
	ready mmsock-cat -u -i p >&"$out"
	comes p RECVD 1
	# O_NONBLOCK is 04000.
	unlike "$(grep flags "/proc/$BASHPID/fdinfo/$in")" "4...$"
	unlike "$(grep flags "/proc/$BASHPID/fdinfo/$out")" "4...$"
}

@test "input that ends at once sends nothing" {
	mmsock-create p
	silent mmsock-cat -o p </dev/null
	: >empty
	silent mmsock-cat -o p <empty
	silent mmsock-cat -o p < <(:)
	mkfifo fifo
	: >fifo 3>&- &
	silent mmsock-cat -o p <fifo
	# Its writer has left before mmsock-cat starts.
	exec {late}< <(:)
	wait $!
	silent mmsock-cat -o p <&"$late"
	shows p SENT 0
	silent mmsock-cat -s -o p </dev/null
	shows p SENT 1
}

@test "input that ends is seen to end where the port is full" {
	mmsock-create -b 4K p
	bytes 10000 | run -1 t mmsock-cat -n -q -o p
	silent mmsock-cat -w 5 -o p </dev/null
	silent mmsock-cat -w 5 -o p < <(:)
}

@test "input that is closed or a folder gives 74" {
	mmsock-create p
	run --separate-stderr -74 bash -c 'mmsock-cat -o p <&-'
	says mmsock-cat
	run --separate-stderr -74 bash -c 'mmsock-cat -o p <.'
	says mmsock-cat
	run --separate-stderr -74 bash -c 'mmsock-cat -l -o p <&-'
	says mmsock-cat
	nobody_attached p
}

@test "a little goes into a port that is nearly full" {
	mmsock-create -b 64K p
	head -c 30000 /dev/zero | t mmsock-send -s p
	head -c 30000 /dev/zero | t mmsock-send -s p
	echo hi | t mmsock-cat -n -o p
	shows p MSGS 3
	mmsock-create q
	mmsock-send q more
	t mmsock-cat -n -i q -o p
	shows p MSGS 4
}

@test "a first line is there at once while the input stays open" {
	mmsock-create p
	open_feed
	open_pipe
	ready mmsock-cat -o p <feed
	ready mmsock-cat -i p >&"$PIPE"
	feed first
	read -r -t 10 -u "$PIPE" line
	is "$line" first
	feed second
	read -r -t 10 -u "$PIPE" line
	is "$line" second
}

@test "each read is a message, and several writers do not mix in one" {
	local letter pids=()
	mmsock-create -b 64K p
	for letter in a b c; do
		head -c 2000000 /dev/zero | tr '\0' "$letter" >"in$letter"
		mkfifo "pipe$letter"
		cat "in$letter" >"pipe$letter" 3>&- &
		ready mmsock-cat --wait-peer -o p <"pipe$letter"
		pids+=("$PID")
	done
	t mmsock-recv -F lp32be p >out
	for letter in "${pids[@]}"; do
		ends 0 "$letter"
	done
	is "$(letters out)" $'a:2000000\nb:2000000\nc:2000000'
}

@test "messages of any size come out as bytes, in order" {
	mmsock-create -b 16M p
	records 200 60000 >in
	t mmsock-send -F lp32be p <in
	t mmsock-cat -i p -F lp32be | cmp - in
	t mmsock-send -F lp32be p <in
	perl -e 'while (read STDIN, my $n, 4) {
		read STDIN, my $b, unpack("N", $n) or next; print $b }' \
		<in >payloads
	t mmsock-cat -i p | cmp - payloads
	t mmsock-send -F lp32be p <in
	t mmsock-cat -u -i p | cmp - payloads
	# More than a pipe holds, and a reader who takes his time.
	t mmsock-send -F lp32be p <in
	t mmsock-cat --unbuffered -i p | t dd ibs=700 status=none | cmp - payloads
	t mmsock-send -F lp32be p <in
	t mmsock-cat -i p | t dd ibs=700 status=none | cmp - payloads
}

@test "framings cut the input and mark the output" {
	local flag
	mmsock-create p
	for flag in -l --lines -Fline --framing=line; do
		printf 'a\n\nb' | t mmsock-cat "$flag" -o p
		shows p MSGS 3
		is "$(t mmsock-cat "$flag" -i p; echo .)" $'a\n\nb\n.'
	done
	for flag in -0 --null -Fnull; do
		printf 'a\0b\nc\0' | t mmsock-cat "$flag" -o p
		shows p MSGS 2
		t mmsock-cat "$flag" -i p | cmp - <(printf 'a\0b\nc\0')
	done
	for flag in -r --raw -Fraw -s --slurp -Fslurp; do
		printf 'a\nb' | t mmsock-cat "$flag" -o p
		shows p MSGS 1
		is "$(t mmsock-cat "$flag" -i p; echo .)" $'a\nb.'
	done
	for flag in -Flp32be -Flp32le; do
		printf 'a\0bc' | t mmsock-cat -0 -o p
		t mmsock-cat "$flag" -i p >saved
		t mmsock-cat "$flag" -o p <saved
		is "$(t mmsock-cat -d , -i p)" a,bc,
	done
	printf 'a--b--' | t mmsock-cat --delimiter=-- -o p
	is "$(t mmsock-recv p)" $'a\nb'
}

@test "framed input that is wrong gives 65 and says where" {
	mmsock-create -b 4K p
	run --separate-stderr -65 t mmsock-cat -F lp32be -o p \
		< <(printf '\0\0\0\1a\0\0\0\5b')
	like "$stderr" "record 2 at byte 5"
	like "$stderr" "1 message sent before that"
	head -c 10000 /dev/zero >large
	run --separate-stderr -65 t mmsock-cat -l -o p <large
	like "$stderr" "larger than"
}

@test "a delimiter inside a payload is warned of; --strict makes it 65" {
	mmsock-create p
	mmsock-send p good $'a\nb'
	run --separate-stderr -0 t mmsock-cat -l -i p
	is "$output" $'good\na\nb'
	says mmsock-cat
	mmsock-send p good $'a\nb'
	run --separate-stderr -65 t mmsock-cat --strict -l -i p
	is "$output" good
	says mmsock-cat
	shows p MSGS 1
	run -0 t mmsock-cat --strict -i p
	is "$output" $'a\nb'
}

@test "several -o: each port gets all" {
	mmsock-create a b c
	seq 10000 >in
	start mmsock-cat -o a -o b -o c <in
	t mmsock-cat -i a | cmp - in
	t mmsock-cat -i b | cmp - in
	t mmsock-cat -i c | cmp - in
	ends 0 "$PID"
	seq 3 | t mmsock-cat -l -o a -o b
	shows a MSGS 3
	shows b MSGS 3
}

@test "the slowest of several -o holds the others back" {
	mmsock-create -b 4K small
	mmsock-create -b 64K large
	bytes 20000 >in
	start mmsock-cat -o small -o large <in
	wait_until full small
	t mmsock-cat -i small | cmp - in
	t mmsock-cat -i large | cmp - in
	ends 0 "$PID"
}

@test "-T and --tee copy to standard output what was sent" {
	mmsock-create a b
	seq 1000 >in
	t mmsock-cat -T -o a <in >out
	cmp out in
	t mmsock-cat -e -i a | t mmsock-cat -l --tee -o a | cmp - in
	t mmsock-cat --tee -l -o b -i a -d , >out
	cmp out <(tr '\n' , <in)
	printf 'x\0y' | t mmsock-cat --tee -0 -o a -o b >out
	cmp out <(printf 'x\0y\0')
	shows a MSGS 2
	mmsock-create c
	open_feed
	ready mmsock-cat -T -o c <feed >out
	feed soon
	wait_until grep -q soon out
}

@test "several -i are merged, each message once" {
	local i
	mmsock-create a b c
	for i in 1 2 3; do
		seq -f "$i:%.0f" 50000 >"in$i"
	done
	start mmsock-send --wait-peer a <in1
	start mmsock-send --wait-peer b <in2
	start mmsock-send --wait-peer c <in3
	t mmsock-cat -l -i a -i b -i c >out
	once 3 50000 out
	in_order out
	for i in a b c; do
		nobody_attached "$i"
	done
}

@test "several -i: large messages do not mix either" {
	local letter
	mmsock-create a b
	for letter in a b; do
		head -c 3000000 /dev/zero | tr '\0' "$letter" |
			t mmsock-cat -o "$letter" 3>&- &
	done
	t mmsock-cat -F lp32be -i a -i b >out
	is "$(letters out)" $'a:3000000\nb:3000000'
	all_done
}

@test "several -i: one that is silent keeps no other back" {
	mmsock-create a b
	open_pipe
	idle_sender a
	mmsock-send b hello
	ready mmsock-cat -l -i a -i b >&"$PIPE"
	read -r -t 10 -u "$PIPE" line
	is "$line" hello
	feed world
	read -r -t 10 -u "$PIPE" line
	is "$line" world
	fed
	ends 0 "$PID"
}

@test "-c counts the messages of several -i together" {
	mmsock-create a b
	idle_sender a
	feed 1 2 3
	comes a MSGS 3
	mmsock-send b 4 5 6
	run -0 t mmsock-cat -l -c 5 -i a -i b
	is "${#lines[@]}" 5
	is "$(($(field a MSGS) + $(field b MSGS)))" 1
	silent mmsock-cat -c 0 -i a -i b
}

@test "a relay keeps messages as they are, whatever the framing" {
	local framing
	mmsock-create a b
	records 300 2000 >in
	for framing in raw line null slurp lp32be lp32le; do
		t mmsock-send -F lp32be a <in
		t mmsock-cat -F "$framing" -i a -o b
		shows b MSGS 300
		t mmsock-recv -F lp32be b | cmp - in
	done
	t mmsock-send -F lp32be a <in
	t mmsock-cat -u -v -i a -o b 2>err
	like "$(cat err)" "port 'a': 300 messages, [0-9]* bytes"
	like "$(cat err)" "port 'b': 300 messages, [0-9]* bytes"
	t mmsock-recv -F lp32be b | cmp - in
}

@test "a relay merges and fans out" {
	mmsock-create a b c d
	mmsock-send a 1 2
	mmsock-send b 3 4
	silent mmsock-cat -i a -i b -o c -o d
	is "$(drained c | sort)" $'1\n2\n3\n4'
	is "$(drained d | sort)" $'1\n2\n3\n4'
}

@test "a relay between ports of different sizes keeps order and messages" {
	mmsock-create -b 256K a
	mmsock-create -b 4K b
	seq 200000 >in
	start mmsock-send --wait-peer a <in
	start mmsock-cat -i a -o b
	t mmsock-recv b | cmp - in
	ends 0 "$PID"
}

@test "a relay leaves what does not fit on its port" {
	mmsock-create -b 256K a
	mmsock-create -b 4K b
	mmsock-send a small
	head -c 5000 /dev/zero | mmsock-send -s a
	run --separate-stderr -65 t mmsock-cat -i a -o b
	like "$stderr" "port 'a': message 2 is larger"
	is "$(drained b)" small
	shows a MSGS 1
}

@test "a relay that waits for room takes nothing" {
	mmsock-create a
	mmsock-create -b 4K b
	seq 10000 | run -1 t mmsock-send -q -n b
	mmsock-send a 1 2 3
	run --separate-stderr -1 t mmsock-cat -n -i a -o b
	shows a MSGS 3
	run --separate-stderr -124 t mmsock-cat -w 0.05 -i a -o b
	like "$stderr" "port 'b': "
	shows a MSGS 3
	ready mmsock-cat -i a -o b
	wait_until full b
	shows a MSGS 3
	kill -TERM "$PID"
	ends 143 "$PID"
	shows a MSGS 3
	nobody_attached a
	nobody_attached b
	ready mmsock-cat -i a -o b
	wait_until full b
	t mmsock-recv -e b >/dev/null
	ends 0 "$PID"
	shows a MSGS 0
}

@test "a slow reader holds the writer back, and nobody spins" {
	local writer reader used
	mmsock-create -b 64K p
	mmsock-create idle
	open_pipe
	head -c 8000000 /dev/zero >in
	ready mmsock-cat -o p <in
	writer=$PID
	ready mmsock-cat -i p >&"$PIPE"
	reader=$PID
	wait_until full p
	wait_until blocked "$reader"
	used=$(($(cpu "$writer") + $(cpu "$reader")))
	# In a second, 100 ticks, a spinner would use most of them.
	run -124 t mmsock-recv -q -w 1 idle
	(($(cpu "$writer") + $(cpu "$reader") <= used + 10))
	# Others may use the port meanwhile.
	run -0 t mmsock-recv -w 5 -q -r -c 1 p
	kill -TERM "$reader"
	ends 143 "$reader"
	kill -TERM "$writer"
	ends 143 "$writer"
	nobody_attached p
}

@test "a reader that is stopped does not hold the port" {
	mmsock-create -b 64K p
	open_pipe
	bytes 3000000 >in
	start mmsock-cat -o p <in
	ready mmsock-cat -i p >&"$PIPE"
	wait_until full p
	wait_until blocked "$PID"
	kill -STOP "$PID"
	wait_until stopped "$PID"
	run -0 t mmsock-recv -w 5 -q -r -c 1 p
	kill -KILL "$PID"
	t mmsock-recv -r p >/dev/null
	all_done
}

@test "a writer that is stopped while it waits for input does not hold the port" {
	mmsock-create p
	open_feed
	ready mmsock-cat -o p <feed
	wait_until blocked "$PID"
	kill -STOP "$PID"
	wait_until stopped "$PID"
	silent mmsock-send -w 5 p hello
	is "$(drained p)" hello
	feed late
	kill -CONT "$PID"
	comes p MSGS 1
	fed
	ends 0 "$PID"
}

@test "a writer that is killed: its bytes arrive, --strict says 76" {
	local writer
	mmsock-create p
	open_feed
	ready mmsock-cat -o p <feed
	writer=$PID
	ready mmsock-cat --strict -i p >out 2>err
	feed a b
	wait_until grep -q b out
	kill -KILL "$writer"
	WAIT=3 ends 76 "$PID"
	is "$(cat out)" $'a\nb'
	like "$(cat err)" "^mmsock-cat: port 'p': 1 sender died"
	ready mmsock-cat -o p <feed
	writer=$PID
	ready mmsock-cat -i p >out
	feed c
	wait_until grep -q c out
	kill -KILL "$writer"
	WAIT=3 ends 0 "$PID"
}

@test "kill -9 of either side in the middle of a stream hangs nobody" {
	local i
	mmsock-create -b 64K p
	for i in 1 2 3 4 5; do
		ready mmsock-cat -o p </dev/zero
		local writer=$PID
		ready mmsock-cat -i p >/dev/null
		local reader=$PID
		wait_until eval '(($(field p RECVD) > i * 200))'
		if ((i % 2)); then
			kill -KILL "$writer"
			WAIT=3 ends 0 "$reader"
		else
			kill -KILL "$reader"
			t mmsock-recv -r -c 50 p >/dev/null
			kill -TERM "$writer"
			ends 143 "$writer"
		fi
		t mmsock-recv -e -r p >/dev/null
	done
	bytes 300000 | t mmsock-cat -o p 3>&- &
	t mmsock-cat -i p | cmp - <(bytes 300000)
	all_done
}

@test "without a sender what waits is delivered, then it ends" {
	mmsock-create p
	bytes 100000 | t mmsock-cat -o p
	t mmsock-cat -i p | cmp - <(bytes 100000)
	# Nothing has come, nobody was there: it waits.
	ready mmsock-cat -i p >out
	bytes 10 | t mmsock-cat -o p
	ends 0 "$PID"
	cmp out <(bytes 10)
}

@test "-k and --keep-open wait on when the last sender has left" {
	local flag
	mmsock-create p
	for flag in -k --keep-open; do
		: >out
		ready mmsock-cat "$flag" -i p >out
		mmsock-send p one
		comes p WR 0
		mmsock-send p two
		wait_until grep -q two out
		kill -TERM "$PID"
		ends 143 "$PID"
	done
}

@test "-e and --exit-on-empty end at the first emptiness" {
	mmsock-create p q
	silent mmsock-cat -e -i p
	idle_sender p
	feed a b
	comes p MSGS 2
	mmsock-send q c
	run -0 t mmsock-cat --exit-on-empty -l -i p -i q
	is "$(sort <<<"$output")" $'a\nb\nc'
	shows p WR 1
}

@test "-c and --count stop after N messages" {
	mmsock-create p
	seq 10 >in
	t mmsock-cat -l -c 3 -o p <in
	shows p MSGS 3
	run -0 t mmsock-cat -l --count=2 -i p
	is "$output" $'1\n2'
	bytes 300000 >in
	(
		t mmsock-cat -c 1 -o p
		cat >rest
	) <in
	t mmsock-cat -c 2 -l -i p >out
	cmp <(tail -c +3 out | head -c -1; cat rest) in
	silent mmsock-cat -c 0 -o p <in
	silent mmsock-cat -c 0 -i p
	wrong -c -1 -i p
}

@test "-c takes no more where messages are written straight from the ring" {
	mmsock-create p
	head -c 50000 /dev/zero >in
	for _ in 1 2 3; do
		t mmsock-send -s p <in
	done
	is "$(t mmsock-cat -c 2 -i p | wc -c)" 100000
	shows p MSGS 1
}

@test "-w and --timeout give up with 124" {
	mmsock-create p q
	fails 124 mmsock-cat -w 0.05 -i p
	like "$stderr" "port 'p': "
	fails 124 mmsock-cat --timeout=50ms -i p -i q
	run -124 t mmsock-cat -w 0 -i p
	MMSOCK_TIMEOUT=50ms fails 124 mmsock-cat -i p
	wrong -w soon -i p
	mmsock-create -b 4K r
	run --separate-stderr -124 t mmsock-cat -w 0.05 -o r < <(bytes 10000)
	like "$stderr" "port 'r': .*"
	like "$stderr" "messages sent before that"
}

@test "-w with several -i: progress of one is progress" {
	mmsock-create a b
	idle_sender a
	ready mmsock-cat -l -w 2 -i a -i b >out
	local i
	for i in 1 2 3 4 5; do
		feed "$i"
		wait_until grep -q "$i" out
		# Half a second each, in all longer than -w.
		run -124 t mmsock-recv -q -w 0.5 b
	done
	shows a RD 1
	WAIT=15 ends 124 "$PID"
	is "$(cat out)" "$(seq 5)"
}

@test "-n and --nonblock give 1 when it would wait" {
	mmsock-create p
	mmsock-create -b 4K q
	run --separate-stderr -1 t mmsock-cat -n -i p
	is "$output$stderr" ""
	idle_sender p
	feed a
	comes p MSGS 1
	run --separate-stderr -1 t mmsock-cat --nonblock -i p
	is "$output" a
	fed
	wait_until has p WR 0
	mmsock-send p b
	run --separate-stderr -0 t mmsock-cat -n -i p
	is "$output" b
	run --separate-stderr -1 t mmsock-cat -n -o q < <(bytes 10000)
	like "$stderr" "sent before that"
}

@test "-q and --quiet, -v and --verbose change standard error only" {
	mmsock-create p
	bytes 5000 >in
	run --separate-stderr -0 t mmsock-cat -v -o p <in
	is "$stderr" "mmsock-cat: port 'p': 1 message, 5000 bytes"
	t mmsock-cat --verbose -i p >out 2>err
	cmp out in
	is "$(cat err)" "mmsock-cat: port 'p': 1 message, 5000 bytes"
	mmsock-create a b
	mmsock-send p 12 345
	run --separate-stderr -0 t mmsock-cat -v -i p -o a -o b
	is "${#stderr_lines[@]}" 3
	like "$stderr" "port 'p': 2 messages, 5 bytes"
	like "$stderr" "port 'b': 2 messages, 5 bytes"
	mmsock-send p $'a\nb'
	run --separate-stderr -0 t mmsock-cat --quiet -l -i p
	is "$stderr" ""
	run --separate-stderr -124 t mmsock-cat -q -w 0.05 -i p
	is "$stderr" ""
	run --separate-stderr -66 t mmsock-cat -q -i missing
	says mmsock-cat
}

@test "--wait-port waits for each port" {
	start mmsock-cat --wait-port -i p -o q
	mmsock-create q p
	mmsock-send --wait-peer p hello
	ends 0 "$PID"
	is "$(drained q)" hello
	fails 124 mmsock-cat --wait-port -w 0.05 -i p -i missing
}

@test "--wait-peer waits at each port" {
	mmsock-create p q
	seq 3 >in
	start mmsock-cat -l --wait-peer -o p -o q <in
	ready mmsock-recv p >out
	local first=$PID
	shows p SENT 0
	ready mmsock-recv q >out2
	ends 0 "$first"
	ends 0 "$PID"
	cmp out in
	cmp out2 in
	fails 124 mmsock-cat --wait-peer=2 -w 0.05 -i p
}

@test "--create makes each port that is missing" {
	echo hello | t mmsock-cat --create=64K -o p -o q
	shows p CAP 65536
	shows q CAP 65536
	is "$(t mmsock-cat --create -i p -i r -e)" hello
	fails 73 mmsock-cat --create -i ./missing/p
}

@test "--dir names the port directory" {
	mmsock-create --dir="$SHM/other" p
	echo hello | t mmsock-cat --dir="$SHM/other" -o p
	is "$(t mmsock-cat --dir="$SHM/other" -i p)" hello
	fails 66 mmsock-cat -i p
}

@test "--spin takes a duration" {
	local spin
	mmsock-create p
	for spin in 0 10us inf; do
		bytes 300000 | t mmsock-cat --spin="$spin" -o p 3>&- &
		t mmsock-cat --spin="$spin" -i p | cmp - <(bytes 300000)
		all_done
	done
	wrong --spin=fast -i p
}

@test "--ready-fd tells when it is attached to all" {
	mmsock-create p q r
	ready mmsock-cat -i p -i q -o r
	shows p RD 1
	shows q RD 1
	shows r WR 1
	kill -TERM "$PID"
	ends 143 "$PID"
}

@test "--progress says how much went through, and how fast" {
	local line='^ *[0-9.]+[KMG]?i?B [0-9]+:[0-9]{2}:[0-9]{2} \[ *[0-9.]+[KMG]?i?B/s\]$'
	mmsock-create p q
	bytes 2000000 | t mmsock-cat --progress -o p 2>err1 3>&- &
	run --separate-stderr -0 t mmsock-cat --progress -i p
	like "${stderr_lines[-1]}" "$line"
	like "${stderr_lines[-1]}" "1.9MiB"
	all_done
	like "$(tail -n 1 err1)" "1.9MiB"
	mmsock-send p 12 345
	run --separate-stderr -0 t mmsock-cat --progress -i p -o q
	like "$stderr" "^ *5B 0:00:00"
	silent mmsock-cat --no-progress -i q -o p
	silent mmsock-cat -q --progress -i p -o q
	silent mmsock-cat -i q -o p
}

@test "progress shows by itself where only standard error is a terminal" {
	mmsock-create p
	idle_sender p
	feed hello
	start script -qfec "mmsock-cat -i p >/dev/null" typescript </dev/null \
		>/dev/null
	WAIT=20 wait_until grep -q "5B 0:00:0" typescript
	fed
	ends 0 "$PID"
	mmsock-send p x
	t script -qfec "mmsock-cat -i p >/dev/null" typescript </dev/null \
		>/dev/null
	unlike "$(cat typescript)" "0:00:0"
	start script -qfec "mmsock-cat --no-progress -w 1.5 -i p >/dev/null" \
		typescript </dev/null >/dev/null
	ends 124 "$PID"
	unlike "$(cat typescript)" "0:00:0"
}

@test "the pipes on both sides grow, and never shrink" {
	local most
	most=$(</proc/sys/fs/pipe-max-size)
	mmsock-create p
	mkfifo in out
	exec {in}<>in {out}<>out
	ready mmsock-cat -o p <in
	ready mmsock-cat -i p >out
	if ((EUID == 0)); then
		is "$(pipe_size in)" "$most"
		is "$(pipe_size out)" "$most"
		mkfifo huge
		exec {huge}<>huge
		# Not where root may do less than usual.
		if pipe_size huge $((2 * most)); then
			ready mmsock-cat -o p <&"$huge"
			is "$(pipe_size huge)" $((2 * most))
		fi
	else
		(($(pipe_size in) >= 65536))
		(($(pipe_size out) >= 65536))
	fi
}

@test "a missing port gives 66, a bad name 64, a file that is none 65" {
	mmsock-create p
	fails 66 mmsock-cat -i missing
	is "$stderr" "mmsock-cat: port 'missing': no such port (create it with: mmsock-create missing)"
	fails 66 mmsock-cat -i p -o missing
	fails 66 mmsock-cat -o ./missing
	fails 64 mmsock-cat -i .hidden
	echo data >file
	fails 65 mmsock-cat -o ./file
	is "$(cat file)" data
	nobody_attached p
}

@test "too many ports are refused" {
	local i many=()
	mmsock-create p
	for ((i = 0; i < 65; i++)); do
		many+=(-i p)
	done
	wrong "${many[@]}"
	mmsock-send p x
	run -0 t mmsock-cat -e "${many[@]:2}"
	is "$output" x
}

@test "a removed port is drained first, then 69" {
	mmsock-create p
	ready mmsock-cat -k -i p >out 2>err
	kill -STOP "$PID"
	wait_until stopped "$PID"
	bytes 1000 | t mmsock-cat -o p
	mmsock-rm -f p
	kill -CONT "$PID"
	WAIT=3 ends 69 "$PID"
	cmp out <(bytes 1000)
	like "$(cat err)" "^mmsock-cat: port 'p': .*removed"
}

@test "a port that goes while the writer waits for input gives 69" {
	local way
	for way in "mmsock-rm -f p" "mmsock-create --overwrite p" \
		"rm $MMSOCK_DIR/p"; do
		mmsock-create -E p
		ready mmsock-cat -o p <never 2>err
		$way
		WAIT=5 ends 69 "$PID"
		like "$(cat err)" "^mmsock-cat: port 'p': "
	done
	mmsock-create -E p
	mmsock-create q
	ready mmsock-cat -l -T -o q -o p <never 2>err
	mmsock-rm -f p
	WAIT=5 ends 69 "$PID"
}

@test "a relay that waits for messages sees that its outputs are gone" {
	mmsock-create a b c
	ready mmsock-cat -i a -o b 2>err
	mmsock-rm -f b
	WAIT=5 ends 69 "$PID"
	like "$(cat err)" "^mmsock-cat: port 'b': "
	mmsock-create b
	ready mmsock-cat -w 1h -i a -i b -o c 2>err
	mmsock-rm -f c
	WAIT=5 ends 69 "$PID"
	like "$(cat err)" "^mmsock-cat: port 'c': "
	nobody_attached a
}

@test "one of several -i that is removed leaves the others alone" {
	mmsock-create a b
	idle_sender b
	ready mmsock-cat -l -k -i a -i b >out 2>err
	mmsock-rm -f a
	wait_until grep -q "port 'a': .*removed" err
	feed still
	wait_until grep -q still out
	mmsock-rm -f b
	WAIT=3 ends 69 "$PID"
}

@test "a full or closed stdout gives 74" {
	mmsock-create p
	mmsock-send p a b
	run --separate-stderr -74 bash -c 'timeout -s KILL 20 mmsock-cat -i p >/dev/full'
	says mmsock-cat
	mmsock-send p a b
	run --separate-stderr -74 bash -c 'timeout -s KILL 20 mmsock-cat -i p >&-'
	says mmsock-cat
	shows p MSGS 2
	run --separate-stderr -74 bash -c 'echo c | mmsock-cat -T -o p >/dev/full'
	bytes 200000 | t mmsock-cat -o p 3>&- &
	run --separate-stderr -74 bash -c 'timeout -s KILL 20 mmsock-cat -i p >/dev/full'
	t mmsock-cat -e -i p >/dev/null
	all_done
	comes p RD 0
}

@test "a closed pipe ends it with SIGPIPE, and nobody stays attached" {
	mmsock-create p
	ready mmsock-cat -o p </dev/zero
	local writer=$PID
	is "$(t mmsock-cat -i p | head -c 1 | wc -c
		echo "${PIPESTATUS[0]}")" $'1\n141'
	comes p RD 0
	kill -TERM "$writer"
	ends 143 "$writer"
	t mmsock-recv -e -r p >/dev/null
	# Also while nothing comes.
	idle_sender p
	mkfifo fifo
	cat fifo >/dev/null 3>&- &
	local reader=$!
	ready mmsock-cat -i p >fifo
	kill "$reader"
	WAIT=5 ends 141 "$PID"
	mmsock-create q
	cat fifo >/dev/null 3>&- &
	reader=$!
	ready mmsock-cat -i p -i q >fifo
	kill "$reader"
	WAIT=5 ends 141 "$PID"
	comes p RD 0
	comes q RD 0
}

@test "an ignored SIGPIPE makes a closed pipe 74" {
	mmsock-create p
	bytes 3000000 | t mmsock-cat -q -o p 3>&- &
	run --separate-stderr -74 bash -c \
		'trap "" PIPE; mmsock-cat -i p > >(head -c 1 >/dev/null)'
	like "$stderr" "standard output: "
	t mmsock-cat -i p >/dev/null
	all_done
}

@test "signals end it cleanly, whatever it waits for" {
	local signal status
	mmsock-create a b
	mmsock-create -b 4K small
	open_pipe
	open_feed
	for signal in INT:130 TERM:143 HUP:129; do
		status=${signal#*:} signal=${signal%:*}
		# Input.
		ready mmsock-cat -o a <never
		kill "-$signal" "$PID"
		ends "$status" "$PID"
		ready mmsock-cat -l -T -o a -o b <never
		kill "-$signal" "$PID"
		ends "$status" "$PID"
		# Messages, of one port or several.
		ready mmsock-cat -i a
		kill "-$signal" "$PID"
		ends "$status" "$PID"
		ready mmsock-cat -i a -i b -i small
		kill "-$signal" "$PID"
		ends "$status" "$PID"
		# Room in a port.
		ready mmsock-cat -q -o small </dev/zero
		wait_until full small
		kill "-$signal" "$PID"
		ends "$status" "$PID"
		t mmsock-recv -e -r small >/dev/null
		# Nothing at all: the stream never stops.
		ready mmsock-cat -i a >/dev/null
		local reader=$PID
		ready mmsock-cat -q -o a </dev/zero
		wait_until eval '(($(field a RECVD) > 100))'
		kill "-$signal" "$PID"
		ends "$status" "$PID"
		ends 0 "$reader"
		t mmsock-recv -e -r a >/dev/null
	done
	nobody_attached a
	nobody_attached b
	nobody_attached small
}

@test "signals end it also where nobody reads what it writes" {
	local flags reader
	mmsock-create a b
	open_pipe
	ready mmsock-cat -q -o a </dev/zero
	ready mmsock-cat -q -o b </dev/zero
	for flags in "-i a" "-i a -i b" "-l -i a -i b"; do
		# shellcheck disable=SC2086
		ready mmsock-cat -q $flags >pipe
		reader=$PID
		wait_until full a
		wait_until blocked "$reader"
		kill -TERM "$reader"
		ends 143 "$reader"
	done
}

@test "a port of another user gives 77" {
	needs_nobody
	mkdir -m 711 "$SHM/open"
	chmod 711 "$SHM"
	mmsock-create "$SHM/open/p"
	run --separate-stderr -77 nobody mmsock-cat -i "$SHM/open/p"
	says mmsock-cat
}

@test "a port file that is cut short gives 70 and says so" {
	mmsock-create ./p
	head -c 400000 /dev/zero >in
	open_feed
	ready mmsock-cat -i ./p >/dev/null 2>err
	kill -STOP "$PID"
	wait_until stopped "$PID"
	t mmsock-send -s ./p <in
	# The record's header is left, most of the record is not.
	truncate -s 65536 p
	kill -CONT "$PID"
	WAIT=3 ends 70 "$PID"
	like "$(cat err)" "^mmsock-cat: port './p': .*cut short"
	mmsock-create ./q
	ready mmsock-cat -o ./q <feed 2>err
	truncate -s 16384 q
	bytes 60000 >&"$FEED"
	WAIT=3 ends 70 "$PID"
	like "$(cat err)" "^mmsock-cat: port './q': .*cut short"
}

@test "a damaged port gives 70, another layout 76" {
	mmsock-create p q
	poke "$MMSOCK_DIR/p" 0 XXXXXXXX
	run t mmsock-cat -i p
	one_of "$status" 65 70
	poke "$MMSOCK_DIR/q" 8 '\377'
	run t mmsock-cat -i q
	one_of "$status" 70 76
}

@test "a service, both ways: each message is a request, replies go to stdout" {
	mmsock-create -t rpc upper
	ready mmsock-serve upper -- tr a-z A-Z
	is "$(echo hello | t mmsock-cat upper)" HELLO
	is "$(printf 'a\nb\n' | t mmsock-cat -l upper)" $'A\nB'
	is "$(printf 'a;b;' | t mmsock-cat -d ';' upper)" 'A;B;'
	bytes 60000 >in
	t mmsock-cat upper <in >out
	cmp out in
	silent mmsock-cat upper </dev/null
	silent mmsock-cat -c 0 upper
	shows upper WR 0
}

@test "a service: what is typed is answered while stdin stays open" {
	local i line
	mmsock-create -t rpc upper
	ready mmsock-serve upper -- tr a-z A-Z
	mkfifo replies
	exec {REPLIES}<>replies
	open_feed
	ready mmsock-cat upper <feed >replies
	for i in one two; do
		feed "$i"
		read -r -t 20 -u "$REPLIES" line
		is "$line" "${i^^}"
	done
	fed
	ends 0 "$PID"
}

@test "a service: its failures, and what does not go with it" {
	mmsock-create -t rpc p
	mmsock-create q
	run --separate-stderr -69 t mmsock-cat p <<<x
	like "$stderr" 'nobody serves'
	ready mmsock-serve -q p -- sh -c 'cat; exit 3'
	run --separate-stderr -1 t mmsock-cat p <<<x
	like "$stderr" 'status 3'
	kill "$PID"
	ends 143 "$PID"
	wrong p p
	wrong -i q p
	wrong -o q p
	wrong -T p
	wrong -e p
	wrong -k p
	wrong --progress p
	like "$stderr" '--progress is for -i or -o only'
	silent mmsock-cat --no-progress -c 0 p
	wrong q
	fails 65 mmsock-cat -i p
}

@test "a service that is not there is missed as by mmsock-call" {
	fails 66 mmsock-cat p
	like "$stderr" "create it with: mmsock-create -t rpc p\\)"
	fails 66 mmsock-cat --dir="$SHM/other" p
	like "$stderr" "mmsock-create -t rpc --dir=$SHM/other p\\)"
	fails 124 mmsock-cat --wait-port -w 50ms p
	silent mmsock-cat --create -c 0 p
	shows p TYPE rpc
	fails 64 mmsock-cat .p
	touch file
	fails 65 mmsock-cat ./file
	mmsock-sem create s
	fails 65 mmsock-cat s
	like "$stderr" 'is a semaphore'
}

@test "a service that is to come is waited for" {
	start mmsock-cat --wait-port --wait-peer p <<<hello >out
	mmsock-create -t rpc p
	ready mmsock-serve p -- tr a-z A-Z
	wait_until grep -qx HELLO out
}
