#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-sem: what its verbs do, what it says, and who gets a unit back

# shellcheck disable=SC2154
load helpers

value() {
	is "$(t mmsock-sem value "$1")" "$2"
}

waiter() {
	start mmsock-sem wait "$@"
	wait_until asleep units "$1"
}

# holder NAME [OPTION...] - hold a unit until open_gate
holder() {
	local name=$1

	shift
	[ -p gate ] || mkfifo gate
	# shellcheck disable=SC2016
	start mmsock-sem run "$@" "$name" -- sh -c 'echo $$ >cmd.$PPID; read -r _ <gate'
	wait_until test -s "cmd.$PID"
	CMD=$(cat "cmd.$PID")
}

@test "help and version go to stdout with status 0" {
	run --separate-stderr -0 t mmsock-sem --help
	like "$output" "Usage: mmsock-sem VERB"
	is "$stderr" ""
	run --separate-stderr -0 t mmsock-sem -h
	run --separate-stderr -0 t mmsock-sem --version
	run --separate-stderr -0 t mmsock-sem -V
	is "${#lines[@]}" 1
	run -74 bash -c "mmsock-sem --help >/dev/full"
}

@test "each option in --help is tested here" {
	options_tested mmsock-sem
}

@test "create makes a semaphore, with 1 unit unless told" {
	silent mmsock-sem create a
	silent mmsock-sem create b 0
	silent mmsock-sem create c 16777215
	value a 1
	value b 0
	value c 16777215
	shows a TYPE sem
	shows a MODE 0600
	is "$(stat -c %s "$MMSOCK_DIR/a")" 40960
}

@test "create takes a mode, a group, a maximum and slots" {
	silent mmsock-sem create -m 640 -g "$(id -g)" --max 3 --slots=2 s 3
	shows s MODE 0640
	shows s MAX 3
	silent mmsock-sem create --mode=0600 --group="$(id -g)" --max=1 binary
	shows binary MAX 1
	is "$(stat -c %s "$MMSOCK_DIR/s")" 12288
}

@test "a semaphore that exists gives 73; -E keeps it, --overwrite replaces it" {
	silent mmsock-sem create s 3
	fails 73 mmsock-sem create s 4
	like "$stderr" "semaphore 's': .*--overwrite"
	value s 3
	silent mmsock-sem create -E s 9
	silent mmsock-sem create --exist-ok s
	value s 3
	fails 73 mmsock-sem create -E --max=5 s
	like "$stderr" "max is 16777215, not 5"
	fails 73 mmsock-sem create -E -m 644 s
	like "$stderr" "mode is 0600, not 0644"
	silent mmsock-sem create --overwrite s 4
	value s 4
	misused mmsock-sem create -E --overwrite s
}

@test "wait takes, post gives, value tells" {
	mmsock-sem create s 5
	silent mmsock-sem wait s
	value s 4
	silent mmsock-sem wait s 3
	value s 1
	silent mmsock-sem post s
	silent mmsock-sem post s 10
	value s 12
	silent mmsock-sem wait -w 1 s 12
	value s 0
}

@test "try takes or exits 1, in silence" {
	mmsock-sem create s 2
	silent mmsock-sem try s
	run --separate-stderr -1 t mmsock-sem try s 2
	is "$stderr" ""
	value s 1
	silent mmsock-sem try s
	run -1 t mmsock-sem try s
}

@test "wait gives up with 124 after -w and --timeout, and says so but for -q" {
	mmsock-sem create s 0
	fails 124 mmsock-sem wait -w 10ms s
	like "$stderr" "semaphore 's': timed out"
	run --separate-stderr -124 t mmsock-sem wait -q --timeout=10ms s
	is "$stderr" ""
	run --separate-stderr -124 t mmsock-sem wait --quiet -w 0 s
	is "$stderr" ""
	MMSOCK_TIMEOUT=10ms fails 124 mmsock-sem wait s
	fails 124 mmsock-sem run -w 10ms s -- touch ran
	[ ! -e ran ]
}

@test "--spin and MMSOCK_SPIN are taken" {
	mmsock-sem create s 2
	silent mmsock-sem wait --spin=0 s
	MMSOCK_SPIN=10us silent mmsock-sem wait s
	fails 124 mmsock-sem wait --spin=inf -w 10ms s
}

@test "who waits is woken by a post, each by one of its units" {
	local first
	mmsock-sem create s 0
	waiter s
	first=$PID
	start mmsock-sem wait s
	wait_until sh -c '[ "$(mmsock-ls -v -r --noheadings -o ACTIVITY s |
		grep -cx asleep:units)" = 2 ]'
	silent mmsock-sem post s 2
	ends 0 "$first"
	ends 0 "$PID"
	value s 0
}

@test "who waits for several is woken when there are enough" {
	mmsock-sem create s 0
	waiter s 3
	silent mmsock-sem post s
	silent mmsock-sem post s
	wait_until asleep units s
	silent mmsock-sem post s
	ends 0 "$PID"
	value s 0
}

@test "--create makes what is missing, and only that" {
	silent mmsock-sem post --create=0 a
	value a 1
	silent mmsock-sem wait --create b
	value b 0
	silent mmsock-sem try --create=3 c 2
	value c 1
	silent mmsock-sem run --create=2 d -- true
	value d 2
	silent mmsock-sem post --create=9 d
	value d 3
}

@test "run exits as its command did" {
	mmsock-sem create s
	run --separate-stderr -0 t mmsock-sem run s -- echo hello
	is "$output" hello
	run -7 t mmsock-sem run s -- sh -c 'exit 7'
	run -143 t mmsock-sem run s -- sh -c 'kill $$'
	run -127 t mmsock-sem run s -- ./no-such-command
	touch plain
	run -126 t mmsock-sem run s -- ./plain
	value s 1
}

@test "run holds as many units as -N and --units say" {
	mmsock-sem create s 5
	run -0 t mmsock-sem run -N 2 s -- mmsock-sem value s
	is "$output" 3
	run -0 t mmsock-sem run s --units=5 -- mmsock-sem value s
	is "$output" 0
	value s 5
}

@test "run leaves the options of its command alone" {
	mmsock-sem create s
	run -0 t mmsock-sem run s -- echo -N 3 -- --help
	is "$output" "-N 3 -- --help"
	refused mmsock-sem run -- s -- echo x
	refused mmsock-sem run s echo x
	refused mmsock-sem run s --
	refused mmsock-sem run -- echo
	refused mmsock-sem run a b -- echo
}

@test "run has its input and environment" {
	mmsock-sem create s
	run -0 bash -c 'echo fed | X=y mmsock-sem run s -- sh -c "cat; echo \$X"'
	is "$output" $'fed\ny'
}

@test "never more than two at a time" {
	mmsock-sem create s 2
	# shellcheck disable=SC2016
	seq 12 | t xargs -P 12 -I{} mmsock-sem run s -- sh -c '
		mkdir in.$$ && set -- in.*; echo $# >>seen; rmdir in.$$'
	is "$(wc -l <seen)" 12
	is "$(awk '$1 > 2' seen)" ""
	value s 2
}

@test "a unit comes back when its holder is killed, and its command dies too" {
	local owner
	mmsock-sem create s
	holder s
	owner=$PID
	wait_until has s HELD 1
	waiter s
	kill -KILL "$owner"
	wait_until gone "$CMD"
	WAIT=2 ends 0 "$PID"
	shows s TAKEOVERS 1
}

@test "a unit comes back at once to who does not wait" {
	mmsock-sem create s
	holder s
	kill -KILL "$PID"
	wait_until gone "$PID"
	value s 1
	silent mmsock-sem try s
	value s 0
	run -1 t mmsock-sem try s
}

@test "a unit that wait took stays taken when the process is gone" {
	mmsock-sem create s 1
	silent mmsock-sem wait s
	run -1 t mmsock-sem try s
	silent mmsock-sem post s
	silent mmsock-sem try s
}

@test "signals are passed on to the command, whose end decides" {
	mmsock-sem create s
	# shellcheck disable=SC2016
	start mmsock-sem run s -- bash -c '
		trap "exit 5" TERM; echo $$ >up; while :; do read -t 0.01 <> <(:); done'
	wait_until test -s up
	kill -TERM "$PID"
	ends 5 "$PID"
	value s 1
}

@test "a wait that is interrupted dies of the signal and leaves nothing behind" {
	mmsock-sem create s 0
	waiter s
	kill -INT "$PID"
	ends 130 "$PID"
	start mmsock-sem run s -- touch ran
	wait_until asleep units s
	kill -TERM "$PID"
	ends 143 "$PID"
	[ ! -e ran ]
	shows s DIED 0
	is "$(mmsock-ls -v --noheadings s)" ""
}

@test "a stopped holder keeps its unit" {
	mmsock-sem create s
	holder s
	kill -STOP "$PID"
	fails 124 mmsock-sem wait -w 300ms s
	kill -CONT "$PID"
	echo >gate
	ends 0 "$PID"
	value s 1
}

@test "removing wakes who waits, with 69; so does replacing" {
	mmsock-sem create s 0
	start mmsock-sem wait s 2>err
	wait_until asleep units s
	silent mmsock-rm -f s
	WAIT=2 ends 69 "$PID"
	like "$(cat err)" "semaphore 's': the semaphore was removed"
	mmsock-sem create s 0
	start mmsock-sem wait s 2>err
	wait_until asleep units s
	silent mmsock-sem create --overwrite s
	WAIT=2 ends 69 "$PID"
	like "$(cat err)" "semaphore 's': the semaphore was replaced"
	value s 1
}

@test "a plain rm is noticed within two seconds" {
	mmsock-sem create s 0
	waiter s
	rm "$MMSOCK_DIR/s"
	WAIT=3 ends 69 "$PID"
}

@test "rm refuses what is in use, names the user, and -f and --force do not" {
	mmsock-sem create s 0
	waiter s
	fails 1 mmsock-sem rm s
	like "$stderr" "semaphore 's': in use by $PID .mmsock-sem"
	fails 1 mmsock-rm s
	silent mmsock-sem rm -f s
	WAIT=2 ends 69 "$PID"
	fails 66 mmsock-sem rm s
	silent mmsock-sem rm --force s
	mmsock-sem create s
	silent mmsock-sem rm s
	is "$(find "$MMSOCK_DIR" -type f)" ""
}

@test "mmsock-rm --stale removes what only the dead had open" {
	mmsock-sem create left
	mmsock-sem create kept
	holder left
	kill -KILL "$PID"
	wait_until gone "$PID"
	shows left STATE stale
	shows kept STATE ok
	run --separate-stderr -0 t mmsock-rm --stale
	is "$stderr" "mmsock-rm: semaphore 'left': removed: stale, 1 died attached"
	is "$(find "$MMSOCK_DIR" -type f -printf '%f\n')" kept
}

@test "ls shows the value, the holders and the waiters" {
	mmsock-sem create s 3
	holder s -N 3
	waiter s
	run -0 mmsock-ls -r -o NAME,TYPE,VALUE,MAX,HELD,MSGS,WR s
	is "${lines[1]}" "s sem 0 16777215 3 - -"
	run -0 bash -c "mmsock-ls -v -r --noheadings -o ROLE,ACTIVITY,HELD s | sort"
	is "$output" $'owner holding:units 3\nplain asleep:units -'
	run -0 bash -c "mmsock-ls -J s | jq -c '.ports[0] | [.type, .value, .cap]'"
	is "$output" '["sem",0,null]'
}

@test "a port is no semaphore, and a semaphore is no port: 65" {
	local verb
	mmsock-create p
	mmsock-sem create s 2
	for verb in wait try post value rm; do
		fails 65 mmsock-sem "$verb" p
		like "$stderr" "semaphore 'p': the file is a port, not a semaphore"
	done
	fails 65 mmsock-sem run p -- true
	fails 65 mmsock-sem create -E p
	fails 65 mmsock-sem create --overwrite p
	fails 65 mmsock-send s x
	like "$stderr" "port 's': the file is a semaphore, not a port"
	fails 65 mmsock-recv -e s
	fails 65 mmsock-create -E s
	fails 65 mmsock-create --overwrite s
	value s 2
	shows p STATE ok
}

@test "what is no file of ours gives 65 or 66" {
	echo hello >text
	fails 65 mmsock-sem wait ./text
	like "$stderr" "the file is no semaphore"
	fails 65 mmsock-sem value ./text
	fails 66 mmsock-sem wait missing
	like "$stderr" "no such semaphore .create it with: mmsock-sem create missing"
	fails 66 mmsock-sem value missing
	like "$stderr" "no such semaphore .create it with: mmsock-sem create missing"
	fails 66 mmsock-sem run missing -- true
	fails 73 mmsock-sem create ./no/such/folder/s
	ln -s text link
	fails 65 mmsock-sem wait ./link
}

@test "--dir is where it is looked for" {
	silent mmsock-sem create --dir="$SHM/other" s 4
	is "$(mmsock-sem value --dir="$SHM/other" s)" 4
	fails 66 mmsock-sem value s
	fails 66 mmsock-sem wait --dir="$SHM/other" t
	like "$stderr" "mmsock-sem create --dir=$SHM/other t"
}

@test "numbers that cannot be are usage errors" {
	local number
	mmsock-sem create s 5
	for number in -1 "" x 1x 010 +1 1.5 16777216 99999999999999999999; do
		refused mmsock-sem post s "$number"
		refused mmsock-sem create new "$number"
		refused mmsock-sem wait s "$number"
	done
	refused mmsock-sem post s 0
	refused mmsock-sem wait s 0
	refused mmsock-sem run -N 0 s -- true
	refused mmsock-sem create --max=0 new
	refused mmsock-sem create --max=16777216 new
	refused mmsock-sem create --max=2 new 3
	refused mmsock-sem create --slots=0 new
	refused mmsock-sem create --slots=1025 new
	refused mmsock-sem create -m 0 new
	refused mmsock-sem wait -w -1 s
	value s 5
	fails 66 mmsock-sem value new
}

@test "wrong usage gives 64 and says why" {
	misused mmsock-sem
	misused mmsock-sem wait
	misused mmsock-sem frobnicate s
	misused mmsock-sem wait s 1 2
	misused mmsock-sem value s 1
	misused mmsock-sem value -w 1 s
	misused mmsock-sem post --max=3 s
	misused mmsock-sem wait -N 2 s
	misused mmsock-sem create --create s
	misused mmsock-sem wait --frobnicate s
	refused mmsock-sem create ""
	refused mmsock-sem create .hidden
}

@test "a post above the maximum is refused whole, with 1" {
	mmsock-sem create --max=3 s 2
	fails 1 mmsock-sem post s 2
	like "$stderr" "semaphore 's': the value would be above its maximum"
	value s 2
	silent mmsock-sem post s
	fails 1 mmsock-sem post s
	mmsock-sem create --max=1 binary 0
	silent mmsock-sem post binary
	fails 1 mmsock-sem post binary
	refused mmsock-sem wait binary 2
	like "$stderr" "never"
}

@test "with all slots taken the next one gets 71, and dead ones are used again" {
	mmsock-sem create --slots=1 s
	holder s
	fails 71 mmsock-sem wait -w 1 s
	like "$stderr" "all 1 slots are held.*mmsock-ls -v s"
	fails 71 mmsock-sem post s
	value s 0
	kill -KILL "$PID"
	wait_until gone "$PID"
	silent mmsock-sem wait -w 1 s
}

@test "another user's semaphore gives 77, unless it is shared" {
	needs_nobody
	chmod 755 "$SHM"
	mkdir -m 755 "$MMSOCK_DIR"
	mmsock-sem create private
	mmsock-sem create -m 666 shared
	run --separate-stderr -77 nobody mmsock-sem wait private
	says mmsock-sem
	run -77 nobody mmsock-sem value private
	run -0 nobody mmsock-sem wait -w 1 shared
	value shared 0
	run -77 nobody mmsock-sem rm -f shared
}

@test "what is damaged gives 70 and goes with rm -f" {
	mmsock-sem create s
	poke "$MMSOCK_DIR/s" 100 x
	fails 70 mmsock-sem wait s
	fails 70 mmsock-sem value s
	shows s STATE corrupt
	fails 70 mmsock-sem rm s
	silent mmsock-sem rm -f s
	mmsock-sem create --max=1 s
	poke "$MMSOCK_DIR/s" 4608 '\x02'
	fails 70 mmsock-sem try s
	mmsock-sem create -E s
	fails 70 mmsock-sem wait s
	mmsock-sem create --overwrite s
	silent mmsock-sem wait s
}

@test "a full stdout is noticed" {
	mmsock-sem create s
	run -74 bash -c 'mmsock-sem value s >/dev/full'
}
