#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What happens when participants die, ports go, and files are not what they seem

# shellcheck disable=SC2154
load helpers

# A port of 64 slots: where its ring starts, see mmsock-port(5).
RING=16384

# gate - a barrier: each at_gate() returns after opened()
gate() {
	mkfifo gate.fifo
	exec {GATE}<>gate.fifo
}

at_gate() {
	read -r -n 1 _ <gate.fifo || true
}

opened() {
	local n=$1

	printf "%${n}s" '' | tr ' ' x >&"$GATE"
}

# whole PORT - it is a port that works
whole() {
	one_of "$(field "$1" STATE)" ok stale
	t mmsock-send -n "$1" whole
	is "$(t mmsock-recv -e "$1")" whole
}

# lines_past FILE COUNT
lines_past() {
	[ "$(wc -l <"$1")" -ge "$2" ]
}

# kill_senders PORT PID - all but that one
kill_senders() {
	mmsock-ls -v -r --noheadings -o PID,ROLE,ACTIVITY "$1" |
		awk -v keep="$2" '$2 == "send" && $3 !~ /dead/ && $1 != keep {
			print $1 }' |
		xargs kill -KILL
}

inode() {
	stat -c %i "$MMSOCK_DIR/$1"
}

names() {
	find "$MMSOCK_DIR" -mindepth 1 -printf '%f\n' | sort | tr '\n' ' '
}

# killed_at_random CMD ARG... - run it, but kill it within a few milliseconds
killed_at_random() {
	local after status=0

	printf -v after '0.%06d' $((RANDOM % 6000 + 300))
	timeout -s KILL "$after" "$@" >/dev/null 2>&1 3>&- || status=$?
	one_of "$status" 0 137
}

@test "senders killed under load: receivers and other senders go on" {
	local round i reader survivor
	mmsock-create -b 4K p
	ready mmsock-recv -k -u p >out
	reader=$PID
	seq -f "9:%.0f" 200000 >in9
	start mmsock-send p <in9
	survivor=$PID
	for ((round = 0; round < 10; round++)); do
		for i in 1 2 3; do
			yes "$i:victim" 3>&- | mmsock-send p 2>/dev/null 3>&- &
		done
		wait_until senders_at_least 3
		kill_senders p "$survivor"
		wait_until senders_at_most 1
	done 2>/dev/null
	WAIT=30 ends 0 "$survivor"
	comes p MSGS 0
	kill -TERM "$reader"
	ends 143 "$reader"
	grep -v victim out | cmp - in9
	run ! grep -Evx '[123]:victim|9:[0-9]+' out
}

senders_at_least() {
	[ "$(field p WR)" -ge "$1" ]
}

senders_at_most() {
	[ "$(field p WR)" -le "$1" ]
}

@test "a sender killed in the middle: what it sent is whole, the port goes on" {
	mmsock-create -b 64K p
	idle_sender p
	local keeper=$PID
	ready mmsock-recv p >out
	local reader=$PID
	seq 100000000 3>&- | mmsock-send p 3>&- &
	wait_until lines_past out 10000
	kill_senders p "$keeper"
	comes p WR 1
	feed after 'the end'
	fed
	ends 0 "$reader"
	ends 0 "$keeper"
	head -n -2 out >before
	cmp before <(seq "$(wc -l <before)")
	is "$(tail -n 2 out)" $'after\nthe end'
}

@test "a receiver killed in the middle: the next one goes on behind it" {
	local sender first taken
	mmsock-create -b 64K p
	idle_sender p
	sender=$PID
	seq 500000 >&"$FEED" 3>&- &
	local writer=$!
	ready mmsock-recv p >out1
	wait_until lines_past out1 10000
	kill -KILL "$PID"
	wait_until gone "$PID"
	ready mmsock-recv p >out2
	ends 0 "$writer"
	seq 500001 1000000 >&"$FEED"
	fed
	ends 0 "$sender"
	ends 0 "$PID"
	taken=$(wc -l <out1)
	cmp <(head -n "$taken" out1) <(seq "$taken")
	first=$(head -n 1 out2)
	[ "$first" -gt "$taken" ]
	cmp out2 <(seq "$first" 1000000)
}

@test "receivers killed again and again: no slot, no space is lost" {
	local round
	mmsock-create -b 16K p
	yes line 3>&- | mmsock-send p 2>/dev/null 3>&- &
	for ((round = 0; round < 100; round++)); do
		timeout -s KILL "0.0$((RANDOM % 40 + 10))" \
			mmsock-recv p 3>&- || true
	done >/dev/null
	comes p WR 1
	mmsock-rm -f p
	mmsock-create p
	whole p
}

@test "slots that are full of the dead are used again" {
	local round i pids
	mmsock-create p
	for ((round = 0; round < 5; round++)); do
		pids=()
		for ((i = 0; i < 40; i++)); do
			mmsock-recv -k p 3>&- &
			pids+=($!)
		done
		comes p RD 40
		kill -KILL "${pids[@]}"
		wait "${pids[@]}" || true
		comes p RD 0
	done 2>/dev/null
	[ "$(field p DIED)" -ge 100 ]
	mmsock-send p works
	is "$(drained p)" works
}

@test "with every slot held by the living the next one gets 71" {
	local i pids=()
	mmsock-create p
	for ((i = 0; i < 64; i++)); do
		mmsock-recv -k p 2>/dev/null 3>&- &
		pids+=($!)
	done
	comes p RD 64
	fails 71 mmsock-send p x
	like "$stderr" "^mmsock-send: port 'p': .*slot"
	kill -KILL "${pids[7]}"
	wait_until gone "${pids[7]}"
	silent mmsock-send p x
	mmsock-rm -f p
}

@test "the end of stream comes also when the last of many senders is killed" {
	local i pids=()
	mmsock-create p
	ready mmsock-recv p >out
	local reader=$PID
	open_feed
	for i in 1 2 3 4; do
		ready mmsock-send p <feed
		pids+=("$PID")
	done
	feed x
	wait_until grep -q x out
	kill -KILL "${pids[@]}"
	WAIT=3 ends 0 "$reader"
}

@test "a stopped participant loses nothing and nobody steals from it" {
	mmsock-create -b 64K p
	seq 300000 >in
	start mmsock-send p <in
	local sender=$PID round
	ready mmsock-recv p >out
	for ((round = 0; round < 200; round++)); do
		kill -STOP "$PID" "$sender" 2>/dev/null || break
		kill -CONT "$PID" "$sender" 2>/dev/null || break
	done
	kill -CONT "$PID" "$sender" 2>/dev/null || true
	ends 0 "$sender"
	ends 0 "$PID"
	cmp out in
}

@test "a storm of stops and continues does not move a deadline" {
	local begin
	mmsock-create p
	begin=$(date +%s%N)
	ready mmsock-recv -w 1 p 2>/dev/null
	while ! gone "$PID"; do
		kill -STOP "$PID" 2>/dev/null || break
		kill -CONT "$PID" 2>/dev/null || break
	done
	ends 124 "$PID"
	[ $((($(date +%s%N) - begin) / 1000000)) -ge 1000 ]
	[ $((($(date +%s%N) - begin) / 1000000)) -lt 5000 ]
}

@test "a creator killed at random leaves no port or a whole one" {
	local i
	mkdir -m 700 "$MMSOCK_DIR"
	for ((i = 0; i < 150; i++)); do
		killed_at_random mmsock-create -b 4M p
		if [ -e "$MMSOCK_DIR/p" ]; then
			whole p
			mmsock-rm p
		fi
	done
	mmsock-create p
	is "$(names)" "p "
	whole p
}

@test "an overwriter killed at random leaves the old port or the new one" {
	mmsock-create p
	local i
	for ((i = 0; i < 100; i++)); do
		killed_at_random mmsock-create --overwrite -b 4M p
		whole p
	done
	mmsock-create --overwrite p
	is "$(names)" "p "
	whole p
}

@test "a remover killed at random leaves the port or none" {
	local i
	for ((i = 0; i < 50; i++)); do
		mmsock-create -E p
		killed_at_random mmsock-rm -f p
		[ ! -e "$MMSOCK_DIR/p" ] || whole p
	done
	mmsock-create -E p
	is "$(names)" "p "
}

@test "of 50 creators exactly one creates" {
	local round i
	mkdir -m 700 "$MMSOCK_DIR"
	for ((round = 0; round < 5; round++)); do
		rm -f result.* gate.fifo
		gate
		for ((i = 0; i < 50; i++)); do
			{
				at_gate
				code=0
				mmsock-create "r$round" 2>/dev/null || code=$?
				echo "$code" >"result.$i"
			} 3>&- &
		done
		opened 50
		all_done
		is "$(sort result.* | uniq -c | tr -s ' \n' ' ')" " 1 0 49 73 "
		whole "r$round"
	done
	is "$(names)" "r0 r1 r2 r3 r4 "
}

@test "of 50 creators with -E all succeed and find the same port" {
	local round i
	for ((round = 0; round < 3; round++)); do
		rm -f made.* gate.fifo
		gate
		for ((i = 0; i < 50; i++)); do
			{
				at_gate
				mmsock-create -v -E "r$round" 2>"made.$i" &&
					mmsock-send "r$round" "$i"
			} 3>&- &
		done
		opened 50
		all_done
		is "$(cat made.* | grep -c created)" 1
		cmp <(drained "r$round" | sort -n) <(seq 0 49)
	done
	is "$(names)" "r0 r1 r2 "
}

@test "50 senders with --create make one port and lose nothing" {
	local i
	gate
	for ((i = 0; i < 50; i++)); do
		{
			at_gate
			mmsock-send --create p "$i"
		} 3>&- &
	done
	opened 50
	all_done
	cmp <(drained p | sort -n) <(seq 0 49)
	is "$(names)" "p "
}

@test "20 overwriters at once leave one whole port" {
	local i
	gate
	for ((i = 0; i < 20; i++)); do
		{
			at_gate
			code=0
			mmsock-create --overwrite p || code=$?
			echo "$code" >"result.$i"
		} 3>&- &
	done
	opened 20
	all_done
	is "$(sort -u result.*)" 0
	is "$(names)" "p "
	whole p
}

@test "an exclusive create in a race with others never touches a port in use" {
	mmsock-create p
	local before i
	before=$(inode p)
	seq 100 | mmsock-send p
	for ((i = 0; i < 30; i++)); do
		mmsock-create p 2>/dev/null 3>&- &
		mmsock-create -E p 3>&- &
	done
	all_done
	is "$(inode p)" "$before"
	t mmsock-recv -e p | cmp - <(seq 100)
	is "$(names)" "p "
}

@test "overwriting wakes blocked receivers: 69 within seconds" {
	local i pids=()
	mmsock-create p
	for i in 1 2 3; do
		ready mmsock-recv -k p 2>"err$i"
		pids+=("$PID")
	done
	wait_until asleep data p
	mmsock-create --overwrite p
	for i in "${pids[@]}"; do
		WAIT=3 ends 69 "$i"
	done
	like "$(cat err1)" "^mmsock-recv: port 'p': .*replaced"
	whole p
}

@test "overwriting wakes blocked senders: 69 within seconds" {
	mmsock-create -b 4K p
	seq 100000 >in
	ready mmsock-send p <in 2>err
	wait_until full p
	mmsock-create --overwrite p
	WAIT=3 ends 69 "$PID"
	like "$(cat err)" "^mmsock-send: port 'p': .*replaced"
	whole p
}

@test "a receiver drains a replaced port before it says so" {
	mmsock-create p
	ready mmsock-recv -k p >out 2>/dev/null
	kill -STOP "$PID"
	seq 1000 | mmsock-send p
	mmsock-create --overwrite p
	kill -CONT "$PID"
	WAIT=3 ends 69 "$PID"
	cmp out <(seq 1000)
}

@test "an overwriter that dies right after the rename is noticed, too" {
	mmsock-create p other
	ready mmsock-recv -k p 2>err
	wait_until asleep data p
	mv "$MMSOCK_DIR/other" "$MMSOCK_DIR/p"
	WAIT=3 ends 69 "$PID"
	says_in err
}

says_in() {
	like "$(head -n 1 "$1")" "^mmsock-[a-z]+: port 'p': .*[^.]$"
}

@test "removing wakes blocked receivers and senders: 69" {
	mmsock-create -b 4K p q
	ready mmsock-recv -k p 2>err1
	local receiver=$PID
	seq 100000 >in
	ready mmsock-send q <in 2>err2
	wait_until asleep data p
	wait_until full q
	mmsock-rm -f p q
	WAIT=3 ends 69 "$receiver"
	WAIT=3 ends 69 "$PID"
	like "$(cat err1)" "^mmsock-recv: port 'p': .*removed"
	like "$(cat err2)" "^mmsock-send: port 'q': .*removed"
	like "$(cat err2)" "[0-9]+ messages"
}

@test "a plain rm is noticed, too" {
	mmsock-create -b 4K p q
	ready mmsock-recv -k p 2>err
	local receiver=$PID
	seq 100000 >in
	ready mmsock-send q <in 2>/dev/null
	wait_until asleep data p
	wait_until full q
	rm "$MMSOCK_DIR/p" "$MMSOCK_DIR/q"
	WAIT=4 ends 69 "$receiver"
	WAIT=4 ends 69 "$PID"
	says_in err
}

@test "after a plain rm a receiver drains first" {
	mmsock-create p
	ready mmsock-recv -k p >out 2>/dev/null
	kill -STOP "$PID"
	seq 1000 | mmsock-send p
	rm "$MMSOCK_DIR/p"
	kill -CONT "$PID"
	WAIT=4 ends 69 "$PID"
	cmp out <(seq 1000)
}

@test "those who wait for peers learn that the port is gone" {
	mmsock-create p
	ready mmsock-recv p
	kill -TERM "$PID"
	ends 143 "$PID"
	start mmsock-send --wait-peer p x
	comes p WR 1
	wait_until asleep peers p
	mmsock-rm -f p
	WAIT=3 ends 69 "$PID"
}

@test "a port can be replaced under load, again and again" {
	local round
	mmsock-create -b 64K p
	for ((round = 0; round < 10; round++)); do
		yes x 3>&- | mmsock-send p 2>/dev/null 3>&- &
		mmsock-recv p >/dev/null 2>&1 3>&- &
		comes p WR 1
		comes p RD 1
		mmsock-create --overwrite -b 64K p
		nobody_attached p
		all_done
	done
	is "$(names)" "p "
	whole p
}

@test "a full tmpfs: create fails with 73 and leaves nothing" {
	unshare -Urm true 2>/dev/null ||
		skip "user and mount namespaces are not allowed here"
	mkdir small
	# shellcheck disable=SC2016
	run --separate-stderr -0 t unshare -Urm bash -ec '
		mount -t tmpfs -o size=64k none small
		export MMSOCK_DIR=$PWD/small
		free() { stat -f -c %f small; }
		before=$(free)
		status=0
		mmsock-create p || status=$?
		echo "create: $status"
		status=0
		mmsock-send --create p x || status=$?
		echo "send: $status"
		status=0
		mmsock-create --temp || status=$?
		echo "temp: $status"
		ls -A small
		[ "$(free)" = "$before" ] && echo "nothing taken"
		mmsock-create -b 8K fits
		status=0
		mmsock-create --overwrite -b 64K fits || status=$?
		echo "overwrite: $status"
		dd if=/dev/zero of=small/filler bs=4k status=none || true
		seq 200 | mmsock-send fits
		mmsock-recv -e fits | cmp - <(seq 200) && echo "works when full"
		mmsock-ls -r --noheadings -o NAME,STATE
	'
	is "$output" "create: 73
send: 73
temp: 73
nothing taken
overwrite: 73
works when full
fits ok"
	like "${stderr_lines[0]}" "^mmsock-create: port 'p': .*(space|room)"
}

@test "a tmpfs that is full to any page: a whole port or none, never SIGBUS" {
	unshare -Urm true 2>/dev/null ||
		skip "user and mount namespaces are not allowed here"
	mkdir small
	# shellcheck disable=SC2016
	run --separate-stderr -0 t unshare -Urm bash -ec '
		mount -t tmpfs -o size=64k none small
		export MMSOCK_DIR=$PWD/small
		for verb in "create -b 4K p" "sem create p" "send --create=4K p x" \
			"sem post --create p"; do
			for ((pages = 0; pages <= 16; pages++)); do
				head -c $((pages * 4096)) /dev/zero >small/fill
				status=0
				mmsock-$verb || status=$?
				case $status in
				0) [ -e small/p ] && echo "$verb: made" ;;
				73) [ ! -e small/p ] && echo "$verb: refused" ;;
				*) echo "$verb: $status" ;;
				esac
				rm -f small/p
			done
		done | sort -u
		rm -f small/*
		ls -A small
		mmsock-create -b 4K p
		seq 3 | mmsock-send p
		cat /dev/zero >small/fill 2>/dev/null || true
		status=0
		mmsock-create --overwrite -b 4K p || status=$?
		echo "overwrite: $status"
		mmsock-recv -e p
	'
	is "$output" "create -b 4K p: made
create -b 4K p: refused
sem create p: made
sem create p: refused
sem post --create p: made
sem post --create p: refused
send --create=4K p x: made
send --create=4K p x: refused
overwrite: 73
1
2
3"
}

@test "a tmpfs without inodes: 73, and nothing changes" {
	unshare -Urm true 2>/dev/null ||
		skip "user and mount namespaces are not allowed here"
	mkdir small
	# shellcheck disable=SC2016
	run --separate-stderr -0 t unshare -Urm bash -ec '
		mount -t tmpfs -o size=1m,nr_inodes=2 none small
		export MMSOCK_DIR=$PWD/small
		mmsock-create -b 4K p
		for verb in "create q" "create --overwrite p" "sem create q" \
			"send --create q x"; do
			status=0
			mmsock-$verb || status=$?
			echo "$verb: $status"
		done
		ls -A small
	'
	is "$output" "create q: 73
create --overwrite p: 73
sem create q: 73
send --create q x: 73
p"
}

@test "a file size limit is an error, not a signal" {
	local command
	mmsock-create -b 4K old
	seq 3 | mmsock-send old
	for command in "create p" "create --temp" "create --overwrite old" \
		"send --create p x" "cat -o p --create" "sem create p" \
		"sem post --create p" "sem run --create p -- true"; do
		# Of 1024 bytes each; a semaphore has 20480 and more.
		run --separate-stderr bash -c "ulimit -f 16; mmsock-$command" </dev/null
		is "$status" 73
		is "$output" ""
		says "mmsock-${command%% *}"
		is "$(names)" "old "
	done
	is "$(drained old)" $'1\n2\n3'
}

@test "a port above the file size limit can be used, once it is there" {
	mmsock-create p
	# shellcheck disable=SC2016
	run --separate-stderr -0 bash -c 'ulimit -f 16
		seq 3 | mmsock-send p && mmsock-recv -e p && mmsock-ls -r p >/dev/null &&
		mmsock-rm p'
	is "$output" $'1\n2\n3'
}

@test "an output that reaches the file size limit gives 74, nobody stays attached" {
	local tool
	for tool in "recv -e" "cat -e -i"; do
		mmsock-create p
		seq 10000 | mmsock-send p
		run --separate-stderr -74 bash -c "ulimit -f 8; mmsock-$tool p >out"
		like "$stderr" "standard output: File too large"
		is "$(stat -c %s out)" 8192
		tr -d '\n' <out >digits
		seq 10000 | tr -d '\n' | head -c "$(stat -c %s digits)" | cmp - digits
		nobody_attached p
		shows p DIED 0
		mmsock-rm p
	done
}

@test "too few descriptors are an error, and nobody is harmed" {
	mmsock-create p
	run --separate-stderr -71 bash -c \
		'exec 3>&- 4>&- 5>&- 6>&-; ulimit -n 4; exec mmsock-send p x'
	says mmsock-send
	nobody_attached p
	whole p
}

@test "a prefix of a port of any length is refused and left alone" {
	local length
	mmsock-create ./valid
	mmsock-send ./valid data
	cp valid copy
	for length in 0 1 7 8 9 12 16 63 64 119 120 121 4095 4096 4097 4608 \
		8191 8192 $((RING - 1)) "$RING" $((RING + 8)) 65536 1064959; do
		head -c "$length" copy >prefix
		cp prefix before
		run --separate-stderr t mmsock-send ./prefix x
		one_of "$status" 65 70
		says mmsock-send
		run --separate-stderr t mmsock-recv -e ./prefix
		one_of "$status" 65 70
		is "$output" ""
		run --separate-stderr t mmsock-create ./prefix
		one_of "$status" 65 73
		run --separate-stderr t mmsock-create -E ./prefix
		one_of "$status" 65 70 73
		run --separate-stderr t mmsock-rm ./prefix
		one_of "$status" 65 70
		cmp prefix before
	done
	cp valid longer
	echo more >>longer
	run t mmsock-recv -e ./longer
	one_of "$status" 0 70
}

@test "garbage is refused and left alone" {
	local i
	for i in 1 2 3 4 5; do
		head -c $((RANDOM * 40)) /dev/urandom >garbage
		cp garbage before
		fails 65 mmsock-send ./garbage x
		fails 65 mmsock-recv -e ./garbage
		fails 65 mmsock-rm -f ./garbage
		cmp garbage before
	done
}

@test "any damaged byte of the header is noticed" {
	local offset byte
	mmsock-create -b 4K ./p
	mmsock-send ./p data
	cp p valid
	for ((offset = 0; offset < 120; offset++)); do
		cp valid p
		byte=$(od -An -tu1 -j "$offset" -N 1 p)
		poke p "$offset" "\\$(printf %o $(((byte + 85) % 256)))"
		run --separate-stderr t mmsock-recv -e ./p
		is "$output" ""
		case $offset in
		[0-7]) is "$status" 65 ;;
		8 | 9 | 10 | 11 | 12 | 13 | 14 | 15) is "$status" 76 ;;
		*) one_of "$status" 70 76 ;;
		esac
		says mmsock-recv
	done
}

@test "another layout version gives 76 and names both" {
	mmsock-create ./p
	poke p 8 '\143'
	fails 76 mmsock-recv -e ./p
	like "$stderr" "99.*1|1.*99"
	fails 76 mmsock-send ./p x
	fails 76 mmsock-create -E ./p
	fails 76 mmsock-rm ./p
	shows ./p STATE foreign-layout
}

@test "another byte order gives 76" {
	mmsock-create ./p
	poke p 12 '\1\2\3\4'
	fails 76 mmsock-recv -e ./p
	fails 76 mmsock-send ./p x
	shows ./p STATE foreign-layout
}

@test "a damaged record gives 70, and nothing of it comes out" {
	local bytes
	mmsock-create ./p
	mmsock-send ./p data more
	cp p valid
	for bytes in '\377\377\377\177' '\0\0\20\0' \
		'\4\0\0\0\0\0\0\1' '\4\0\0\0\0\0\377\377'; do
		cp valid p
		poke p "$RING" "$bytes"
		run --separate-stderr t mmsock-recv -e ./p
		is "$status" 70
		is "$output" ""
		says mmsock-recv
	done
}

@test "a damaged position of the sending end gives senders 70" {
	local position
	mmsock-create ./p
	mmsock-send ./p data
	cp p valid
	for position in '\377\377\377\377\377\377\377\377' '\1' \
		'\370\377\377\377\377\377\377\177'; do
		cp valid p
		poke p 4112 "$position"
		# Receivers need not look at it.
		run t mmsock-recv -e -q ./p
		one_of "$status" 0 70
		cp valid p
		poke p 4112 "$position"
		fails 70 mmsock-send -w 3 ./p x
	done
}

@test "a damaged position of the receiving end gives 70" {
	local position
	mmsock-create ./p
	mmsock-send ./p data
	cp p valid
	for position in '\377\377\377\377\377\377\377\377' '\1'; do
		cp valid p
		poke p 4240 "$position"
		fails 70 mmsock-recv -e ./p
		fails 70 mmsock-send -w 3 ./p x
	done
	# Beyond what was sent there is nothing, for all that a receiver sees.
	cp valid p
	poke p 4240 '\370\377\377\377\377\377\377\177'
	run --separate-stderr t mmsock-recv -e ./p
	one_of "$status" 0 70
	is "$output" ""
	fails 70 mmsock-send -w 3 ./p x
}

@test "random damage behind the header never hangs or crashes a tool" {
	local i offset
	mmsock-create -b 4K ./p
	seq 20 | mmsock-send ./p
	cp p valid
	for ((i = 0; i < 60; i++)); do
		cp valid p
		offset=$((4096 + RANDOM % 4608))
		((i % 3)) || offset=$((RING + RANDOM % 512))
		head -c 8 /dev/urandom |
			dd of=p bs=1 seek="$offset" conv=notrunc status=none
		run t mmsock-ls -a ./p
		[ "$status" -lt 124 ]
		run t mmsock-recv -e -w 3 ./p
		[ "$status" -le 124 ]
		run t mmsock-send -w 0.1 ./p x
		[ "$status" -le 124 ]
		run t mmsock-rm -f ./p
		[ "$status" -lt 124 ]
	done
}

@test "a symbolic link is not followed" {
	mmsock-create ./real
	ln -s real link
	run --separate-stderr t mmsock-send ./link x
	one_of "$status" 65 71 77
	says mmsock-send
	run --separate-stderr t mmsock-recv -e ./link
	one_of "$status" 65 71 77
	run --separate-stderr t mmsock-create ./link
	is "$status" 73
	run --separate-stderr t mmsock-rm -f ./link
	[ "$status" -ne 0 ]
	shows ./real SENT 0
	ln -s nowhere dangling
	run --separate-stderr t mmsock-send --create ./dangling x
	[ "$status" -ne 0 ]
	[ ! -e nowhere ]
}

@test "a file with two names is refused" {
	mmsock-create ./p
	ln p second
	run --separate-stderr t mmsock-send ./p x
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
	says mmsock-send
	run --separate-stderr t mmsock-recv -e ./second
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
	rm second
	whole ./p
}

@test "a FIFO is refused and blocks nobody" {
	mkfifo "$PWD/fifo"
	fails 65 mmsock-send ./fifo x
	fails 65 mmsock-recv -e ./fifo
	fails 65 mmsock-send --create ./fifo x
	run t mmsock-create ./fifo
	one_of "$status" 65 73
	run t mmsock-rm -f ./fifo
	is "$status" 65
	[ -p fifo ]
}

@test "a directory, a device and a socket are refused" {
	local file
	mkdir folder
	perl -MIO::Socket::UNIX -e \
		'IO::Socket::UNIX->new(Local => "socket", Listen => 1) or die'
	for file in ./folder /dev/null /dev/zero ./socket; do
		run --separate-stderr t mmsock-send "$file" x
		is "$status" 65
		says mmsock-send
		run --separate-stderr t mmsock-recv -e "$file"
		is "$status" 65
		run --separate-stderr t mmsock-ls "$file"
		is "$status" 65
		run --separate-stderr t mmsock-rm -f "$file"
		is "$status" 65
		[ -e "$file" ]
	done
	run t mmsock-send ./ x
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
	run t mmsock-send / x
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ]
}

@test "a file that belongs to somebody else at the name is refused with 77" {
	as_root
	mmsock-create p
	chown nobody "$MMSOCK_DIR/p"
	fails 77 mmsock-send p x
	fails 77 mmsock-recv -e p
	chown root "$MMSOCK_DIR/p"
	whole p
}

@test "16 processes on one processor: everything arrives exactly once" {
	local i pids=() outs=()
	command -v taskset >/dev/null || skip "needs taskset"
	mmsock-create -b 16K p
	for ((i = 1; i <= 8; i++)); do
		seq -f "$i:%.0f" 5000 >"in$i"
		start taskset -c 0 mmsock-send --wait-peer=8 p <"in$i"
		pids+=("$PID")
	done
	comes p WR 8
	for ((i = 1; i <= 8; i++)); do
		start taskset -c 0 mmsock-recv p >"out$i"
		pids+=("$PID")
		outs+=("out$i")
	done
	for i in "${pids[@]}"; do
		WAIT=30 ends 0 "$i"
	done
	once 8 5000 "${outs[@]}"
	in_order "${outs[@]}"
}

@test "a soak of kill -9 at random: no line torn or twice, order kept" {
	local round pid
	mmsock-create -b 16K p
	for ((round = 1; round <= 25; round++)); do
		seq -f "$round:%.0f" 1000000 3>&- |
			mmsock-send p 2>/dev/null 3>&- &
		mmsock-recv -k p >"out$round" 2>/dev/null 3>&- &
		pid=$!
		wait_until lines_past "out$round" $((RANDOM % 3000 + 1))
		mmsock-ls -v -r --noheadings -o PID,ACTIVITY p |
			awk '$2 != "dead" { print $1 }' | xargs kill -KILL
		wait_until gone "$pid"
		comes p WR 0
	done 2>/dev/null
	shows p STATE "$([ "$(field p MSGS)" = 0 ] && echo stale || echo ok)"
	t mmsock-recv -e p >rest
	# The last line of a killed receiver may be cut short by the kill.
	for ((round = 1; round <= 25; round++)); do
		head -n "$(wc -l <"out$round")" "out$round"
	done | cat - rest >all
	run ! grep -Evx '[0-9]+:[0-9]+' all
	in_order all
	is "$(sort all | uniq -d)" ""
	whole p
}
