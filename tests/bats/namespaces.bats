#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# One port for processes that see other pids, another clock, or are other users

# shellcheck disable=SC2030,SC2031,SC2154
load helpers

# own CLONE_OPTION... - OWN becomes the command that runs another in namespaces of
# its own, as root or, where that is allowed, in a user namespace
own() {
	OWN=(unshare "$@")
	((EUID == 0)) || OWN=(unshare -Ur "$@")
	"${OWN[@]}" true 2>/dev/null ||
		skip "not allowed here: ${OWN[*]}"
}

# first_of PID - the process that it has forked
first_of() {
	local status

	status=$(grep -lx "PPid:	$1" /proc/[0-9]*/status 2>/dev/null)
	status=${status#/proc/}
	echo "${status%%/*}"
}

# slots PORT - pid and activity of each, in order of their slots
slots() {
	mmsock-ls -v -r --noheadings -o PID,ACTIVITY "$1" | paste -sd ,
}

has_slots() {
	is "$(slots "$1")" "$2"
}

@test "two who are both pid 1: the one takes over when the other is killed" {
	local holder waiter
	own -pf
	mmsock-create p
	said_ready "${OWN[@]}" "$PARTNER" lend p
	holder=$(first_of "$PID")
	start "${OWN[@]}" mmsock-send p message
	wait_until has_slots p "1 holding:send-end,1 asleep:send-end"
	waiter=$PID
	# Nothing is taken from the living.
	run --separate-stderr -124 t "${OWN[@]}" mmsock-send -w 0.3 p x
	like "$stderr" "held by pid 1 .*slot 0"
	shows p TAKEOVERS 0
	killed "$holder"
	ends 0 "$waiter"
	shows p TAKEOVERS 1
	is "$(drained p)" message
}

@test "two who are both pid 1: the death of the one who waits frees nothing" {
	local holder waiter third
	own -pf
	mmsock-create p
	mmsock-send p message
	said_ready "${OWN[@]}" "$PARTNER" look p
	holder=$(first_of "$PID")
	start "${OWN[@]}" mmsock-recv -c 1 p
	wait_until has_slots p "1 holding:recv-end,1 asleep:recv-end"
	waiter=$(first_of "$PID")
	start "${OWN[@]}" mmsock-recv -c 1 p >out
	third=$PID
	wait_until has_slots p \
		"1 holding:recv-end,1 asleep:recv-end,1 asleep:recv-end"
	killed "$waiter"
	wait_until has_slots p "1 holding:recv-end,1 dead,1 asleep:recv-end"
	fails 124 mmsock-recv -w 0.3 -c 1 p
	shows p TAKEOVERS 0
	shows p MSGS 1
	killed "$holder"
	ends 0 "$third"
	is "$(cat out)" message
	shows p TAKEOVERS 1
}

@test "two who are both pid 1: a stream ends with the death of its sender" {
	own -pf
	mmsock-create p
	start "${OWN[@]}" mmsock-recv p >out
	comes p RD 1
	open_feed
	local receiver=$PID
	start "${OWN[@]}" mmsock-send p <feed
	feed one two
	wait_until grep -q two out
	wait_until has_slots p "1 asleep:data,1 running"
	killed "$(first_of "$PID")"
	ends 0 "$receiver"
	is "$(cat out)" $'one\ntwo'
}

@test "two who are both pid 1 share a semaphore" {
	local holder
	own -pf
	mmsock-sem create s
	said_ready "${OWN[@]}" "$PARTNER" take s
	holder=$(first_of "$PID")
	start "${OWN[@]}" mmsock-sem run s -- true
	wait_until has_slots s "1 holding:units,1 asleep:units"
	fails 124 mmsock-sem wait -w 0.3 s
	killed "$holder"
	ends 0 "$PID"
	shows s VALUE 1
}

@test "who has a dead one's pid is not taken for him" {
	own -pf --mount-proc
	"${OWN[@]}" sh -c 'echo 300 >/proc/sys/kernel/ns_last_pid' 2>/dev/null ||
		skip "the next pid cannot be chosen here"
	mmsock-create p
	mmsock-send p first
	# shellcheck disable=SC2016
	t "${OWN[@]}" bash -euc '
		# again PID CMD... - run it with that pid
		again() {
			pid=$1
			shift
			echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
			"$@" &
			[ $! = "$pid" ]
		}
		mkfifo said
		for what in lend look; do
			"$PARTNER" "$what" p >said &
			holder=$!
			read -r _ <said
			kill -KILL "$holder"
			wait "$holder" || true
			again "$holder" tail -f /dev/null
			sleeper=$!
			if [ "$what" = lend ]; then
				mmsock-send -w 20 p second
			else
				mmsock-recv -w 20 -c 2 p
			fi
			kill "$sleeper"
		done
		# Nor is he taken for dead, whose pid is that of a dead one.
		"$PARTNER" lend p >said &
		holder=$!
		read -r _ <said
		kill -KILL "$holder"
		wait "$holder" || true
		again "$holder" sh -c "exec \"\$PARTNER\" lend p >said"
		read -r _ <said
		status=0
		mmsock-send -w 0.3 p x 2>err || status=$?
		[ "$status" = 124 ]
		grep -q "held by pid $holder " err
	' >out 3>&-
	is "$(cat out)" $'first\nsecond'
	shows p TAKEOVERS 3
}

# ahead [SECONDS] - OWN runs a command whose monotonic clock is so far ahead
ahead() {
	own -T --monotonic "${1:-1000000}" -f
}

uptime() {
	perl -MTime::HiRes=clock_gettime,CLOCK_MONOTONIC \
		-e 'printf "%d\n", clock_gettime(CLOCK_MONOTONIC)'
}

# lasts MS CMD ARG... - it times out, and not before
lasts() {
	local begin least=$1

	shift
	begin=$(date +%s%N)
	run -124 t "$@"
	[ $(($(date +%s%N) - begin)) -ge $((least * 1000000)) ]
}

@test "a clock that is ahead: messages and wakes come both ways" {
	ahead
	[ "$("${OWN[@]}" perl -MTime::HiRes=clock_gettime,CLOCK_MONOTONIC \
		-e 'printf "%d", clock_gettime(CLOCK_MONOTONIC)')" -gt 1000000 ]
	mmsock-create -b 4K p q
	start "${OWN[@]}" "$PARTNER" recv p 100000
	t "$PARTNER" send p 100000
	ends 0 "$PID"
	start "$PARTNER" recv p 100000
	t "${OWN[@]}" "$PARTNER" send p 100000
	ends 0 "$PID"
	start "${OWN[@]}" "$PARTNER" pong p q
	t "$PARTNER" ping p q 2000
	ends 0 "$PID"
	shows p LATEWAKES 0
	shows q LATEWAKES 0
}

@test "a clock that is ahead: time-outs are as long as they say" {
	local offset
	for offset in 1000000 -$(($(uptime) / 2)); do
		ahead "$offset"
		rm -rf "$MMSOCK_DIR"
		mmsock-create -b 4K p
		mmsock-sem create s 0
		# Somebody with another clock is there, and asleep.
		start mmsock-recv -k p
		comes p RD 1
		lasts 500 "${OWN[@]}" mmsock-recv -k -w 0.5 p
		lasts 500 "${OWN[@]}" mmsock-sem wait -w 0.5 s
		killed "$PID"
		start "${OWN[@]}" mmsock-recv -k p
		comes p RD 1
		lasts 500 mmsock-recv -k -w 0.5 p
		killed "$(first_of "$PID")"
		yes 3>&- | mmsock-send p 2>/dev/null 3>&- &
		wait_until full p
		lasts 500 "${OWN[@]}" mmsock-send -w 0.5 p x
	done
}

@test "a clock that is ahead: a death is noticed, a stop is not taken for one" {
	local holder
	ahead
	mmsock-create p
	said_ready "${OWN[@]}" "$PARTNER" lend p
	holder=$(first_of "$PID")
	kill -STOP "$holder"
	run --separate-stderr -124 t mmsock-send -w 0.3 p x
	like "$stderr" "held by pid $holder "
	killed "$holder"
	t mmsock-send -w 10 p one
	said_ready "$PARTNER" look p
	kill -STOP "$PID"
	run --separate-stderr -124 t "${OWN[@]}" mmsock-recv -w 0.3 p
	like "$stderr" "held by pid $PID "
	killed "$PID"
	is "$(t "${OWN[@]}" mmsock-recv -w 10 -c 1 p)" one
	shows p TAKEOVERS 2
}

@test "a clock that is ahead: times that are shown are true" {
	local now
	ahead
	mmsock-create p q
	start "${OWN[@]}" mmsock-recv -k p >out
	start mmsock-recv -k q >out2
	wait_until asleep data p
	wait_until asleep data q
	"${OWN[@]}" mmsock-send q x
	mmsock-send p x
	wait_until grep -q x out
	wait_until grep -q x out2
	now=$(date +%s)
	mmsock-ls -J -a p q | jq -e --argjson now "$now" 'def is_now:
		. / 1000000000 > $now - 100 and . / 1000000000 < $now + 100;
		all(.ports[]; (.lastsend | is_now) and (.lastrecv | is_now) and
			.age < 100000000000)'
	mmsock-ls -J -v p q | jq -e --argjson now "$now" 'def is_now:
		. / 1000000000 > $now - 100 and . / 1000000000 < $now + 100;
		all(.participants[]; (.since | is_now) and .blocked > 0 and
			.blocked < 100000000000)'
}

# open_dir - OPEN is a directory that others may look into, and the port directory
open_dir() {
	OPEN=$SHM/open
	chmod 755 "$SHM"
	mkdir -m 755 "$OPEN"
	export MMSOCK_DIR=$OPEN
	cd /
}

# another CMD ARG... - run it as somebody who is neither root nor nobody
another() {
	setpriv --reuid=12345 --regid=12345 --clear-groups "$@" 3>&-
}

@test "another user: a port is closed unless it was made to be shared" {
	local user verb
	needs_nobody
	open_dir
	mmsock-create p
	mmsock-create -m 660 -g 65534 ours
	mmsock-create -m 666 all
	for user in nobody another; do
		for verb in "send p x" "recv -e p" "cat -i p" "rm -f p" \
			"create -E p" "create --overwrite all" "rm -f all" \
			"send --create new x"; do
			# shellcheck disable=SC2086
			run --separate-stderr -77 "$user" mmsock-$verb
			like "$stderr" "^mmsock-[a-z]+: .*permission denied"
		done
		"$user" mmsock-send all from "$user"
	done
	nobody mmsock-send ours x
	run -77 another mmsock-send ours x
	is "$(drained all | tr '\n' ' ')" "from nobody from another "
	is "$(another mmsock-ls -r --noheadings -o NAME,STATE all)" "all ok"
	is "$(ls "$OPEN")" $'all\nours\np'
}

@test "another user: what is not root's nor one's own is not trusted" {
	needs_nobody
	open_dir
	chmod 1777 "$OPEN"
	nobody mmsock-create -m 666 p
	nobody mmsock-send p x
	run --separate-stderr -77 another mmsock-recv -e p
	like "$stderr" "belongs to uid 65534"
	fails 77 mmsock-recv -e p
	is "$(nobody mmsock-recv -e p)" x
}

@test "another user: messages, wakes and the end of a stream, both ways" {
	needs_nobody
	nobody "$PARTNER" width || skip "the user nobody cannot run the partner"
	open_dir
	mmsock-create -b 4K -m 666 p q
	nobody "$PARTNER" recv p 100000 &
	PID=$!
	another "$PARTNER" send p 100000
	ends 0 "$PID"
	another "$PARTNER" pong p q &
	PID=$!
	"$PARTNER" ping p q 2000
	ends 0 "$PID"
	shows p LATEWAKES 0
	nobody_attached p
}

@test "another user: the dead are seen, and taken over from" {
	local holder
	needs_nobody
	nobody "$PARTNER" width || skip "the user nobody cannot run the partner"
	open_dir
	mmsock-create -m 666 p
	mmsock-sem create -m 666 s
	said_ready nobody "$PARTNER" lend p
	holder=$(pids_of p)
	is "$(another mmsock-ls -v -r --noheadings -o PID,ACTIVITY p)" \
		"$holder holding:send-end"
	run --separate-stderr -124 another mmsock-send -w 0.3 p x
	like "$stderr" "held by pid $holder "
	killed "$holder"
	another mmsock-send -w 10 p one
	said_ready "$PARTNER" look p
	killed "$PID"
	is "$(nobody mmsock-recv -w 10 -c 1 p)" one
	shows p TAKEOVERS 2
	said_ready another "$PARTNER" take s
	run -124 nobody mmsock-sem wait -w 0.3 s
	killed "$(pids_of s)"
	nobody mmsock-sem wait -w 10 s
	shows s TAKEOVERS 1
}

pids_of() {
	mmsock-ls -v -r --noheadings -o PID,ACTIVITY "$1" |
		awk '$2 != "dead" { print $1 }'
}

@test "another user: removing tells those of other users" {
	needs_nobody
	open_dir
	mmsock-create -m 666 p q
	nobody mmsock-recv -k p 2>"$BATS_TEST_TMPDIR/err" &
	PID=$!
	comes p RD 1
	mmsock-rm -f p
	ends 69 "$PID"
	grep -q removed "$BATS_TEST_TMPDIR/err"
	another mmsock-recv -k q 2>"$BATS_TEST_TMPDIR/err" &
	PID=$!
	comes q RD 1
	rm "$OPEN/q"
	ends 69 "$PID"
	grep -q removed "$BATS_TEST_TMPDIR/err"
}
