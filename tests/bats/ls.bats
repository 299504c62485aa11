#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-ls: columns, formats, patterns, states, participants

# shellcheck disable=SC2154
load helpers

COLUMNS_ALL="NAME TYPE CAP USED MSGS WR RD OWNER MODE AGE STATE MAXMSG SENT \
RECVD DROPS SLEEPS LASTSEND LASTRECV PIDS PATH LAYOUT"

json() {
	jq -r "$1" <<<"$output"
}

# stale_port PORT - one whose only participant was killed
stale_port() {
	mmsock-create -E "$1"
	ready mmsock-recv -k "$1"
	kill -KILL "$PID"
	wait_until gone "$PID"
}

# sleeps_for OBJECT - wait until a participant of p does
sleeps_for() {
	wait_until asleep "$1" p
}

@test "help and version go to stdout with status 0" {
	help_and_version mmsock-ls
}

@test "each option in --help is tested here" {
	options_tested mmsock-ls
}

@test "without a directory or ports there is nothing to list" {
	run --separate-stderr -0 t mmsock-ls
	is "$stderr" ""
	[ ! -e "$MMSOCK_DIR" ]
	mkdir -m 700 "$MMSOCK_DIR"
	run --separate-stderr -0 t mmsock-ls --noheadings
	is "$output" ""
	is "$stderr" ""
}

@test "the default columns come in the order of the manual" {
	mmsock-create p
	run --separate-stderr -0 t mmsock-ls
	is "$stderr" ""
	is "${#lines[@]}" 2
	is "$(tr -s ' ' <<<"${lines[0]}" | sed 's/ $//')" \
		"NAME TYPE CAP USED MSGS WR RD OWNER MODE AGE STATE VALUE"
	like "${lines[1]}" "^p +queue +1([.]0)?M +0B? +0 +0 +0 +$(id -un) +[-rw0-9]+ +[^ ]+ +ok +- *$"
}

@test "ports are sorted by name" {
	mmsock-create b a c B
	run -0 t mmsock-ls --noheadings -r -o NAME
	is "$output" $'B\na\nb\nc'
}

@test "-o and --output choose columns, in any case" {
	local column
	mmsock-create p
	run -0 t mmsock-ls -r -o CAP,NAME -b
	is "$output" $'CAP NAME\n1048576 p'
	run -0 t mmsock-ls -r --output=cap,name -b
	is "${lines[1]}" "1048576 p"
	for column in $COLUMNS_ALL; do
		run -0 t mmsock-ls -r -o "$column" p
		is "${lines[0]}" "$column"
	done
	misused mmsock-ls -o NOSUCH
	misused mmsock-ls -o ''
	misused mmsock-ls -o NAME,,CAP
	run -0 t mmsock-ls -r -o +PATH
	is "${lines[0]}" "NAME TYPE CAP USED MSGS WR RD OWNER MODE AGE STATE VALUE PATH"
}

@test "-a and --all show every column" {
	local column
	mmsock-create p
	for option in -a --all; do
		run -0 t mmsock-ls "$option"
		for column in $COLUMNS_ALL; do
			like " ${lines[0]} " " $column "
		done
	done
}

@test "-b and --bytes show sizes in bytes, without it with units" {
	mmsock-create -b 64K p
	run -0 t mmsock-ls --noheadings -o CAP p
	is "${output// /}" 64K
	run -0 t mmsock-ls --noheadings -b -o CAP p
	is "${output// /}" 65536
	run -0 t mmsock-ls --noheadings --bytes -o MAXMSG p
	is "${output// /}" 32768
}

@test "-r and --raw give one line a port and one blank between fields" {
	mmsock-create p longer-name
	run -0 t mmsock-ls --raw -o NAME,TYPE,STATE
	is "$output" $'NAME TYPE STATE\nlonger-name queue ok\np queue ok'
}

@test "--noheadings leaves the headings out" {
	mmsock-create p
	run -0 t mmsock-ls --noheadings -r -o NAME
	is "$output" p
}

@test "-J and --json print one object with numbers as numbers" {
	mmsock-create -b 64K --max-message=100 -m 640 p
	mmsock-send p abc
	run --separate-stderr -0 t mmsock-ls -J
	is "$(json '.ports | length')" 1
	is "$(json '.ports[0].name')" p
	is "$(json '.ports[0].cap')" 65536
	is "$(json '.ports[0].msgs')" 1
	is "$(json '.ports[0] | [.cap, .used, .msgs, .wr, .rd, .age | type] | unique | join(",")')" \
		number
	is "$(json '.ports[0].type, .ports[0].state' | tr '\n' ' ')" "queue ok "
	run -0 t mmsock-ls --json -o "${COLUMNS_ALL// /,}" p
	is "$(json '.ports[0] | keys_unsorted | join(" ") | ascii_upcase')" \
		"$COLUMNS_ALL"
	is "$(json '.ports[0].maxmsg')" 100
	is "$(json '.ports[0].path')" "$MMSOCK_DIR/p"
}

@test "-J of no ports is an empty list" {
	run -0 t mmsock-ls -J
	is "$(json '.ports | length')" 0
}

@test "-J -v shows the participants too, as valid JSON" {
	mmsock-create p
	ready mmsock-recv p
	run -0 t mmsock-ls -J -v p
	is "$(json '.participants[].pid')" "$PID"
	is "$(json '.participants[].role')" recv
}

@test "patterns choose ports, as in the shell" {
	mmsock-create apple apricot banana
	run -0 t mmsock-ls --noheadings -r -o NAME 'ap*'
	is "$output" $'apple\napricot'
	run -0 t mmsock-ls --noheadings -r -o NAME banana '?pple'
	like "$output" "apple"
	like "$output" "banana"
	is "${#lines[@]}" 2
}

@test "a pattern that matches nothing gives 1" {
	mmsock-create p
	run --separate-stderr -1 t mmsock-ls --noheadings 'x*'
	is "$output" ""
	says mmsock-ls
	run -1 t mmsock-ls x
	run t mmsock-ls --noheadings -r -o NAME x p
	like "$output" "(^|[^a-z])p$"
	is "$status" 1
}

@test "a pattern with a slash is a path" {
	mmsock-create ./here
	run -0 t mmsock-ls --noheadings -r -o NAME,STATE ./here
	like "$output" "here ok$"
	run -0 t mmsock-ls --noheadings -r -o PATH "$PWD/here"
	is "$output" "$PWD/here"
	run --separate-stderr t mmsock-ls ./missing
	one_of "$status" 1 66
	is "$output" ""
	echo data >file
	run --separate-stderr -65 t mmsock-ls ./file
	says mmsock-ls
}

@test "--dir names the port directory" {
	mmsock-create --dir="$SHM/other" p
	run -0 t mmsock-ls --noheadings -r -o NAME --dir="$SHM/other"
	is "$output" p
	run -0 t mmsock-ls --noheadings
	is "$output" ""
}

@test "counts follow what is sent and received" {
	mmsock-create p
	shows p USED 0
	mmsock-send p one two three
	shows p MSGS 3
	shows p SENT 3
	shows p RECVD 0
	[ "$(field p USED)" -ge $((3 * 8 + 11)) ]
	t mmsock-recv -c 2 p
	shows p MSGS 1
	shows p SENT 3
	shows p RECVD 2
	t mmsock-recv -e p
	shows p USED 0
	shows p DROPS 0
	shows p LAYOUT 1
	shows p MAXMSG 524288
	shows p PATH "$MMSOCK_DIR/p"
	shows p OWNER "$(id -un)"
}

@test "times of the last send and receive appear when there were some" {
	mmsock-create p
	run -0 t mmsock-ls -J -o LASTSEND,LASTRECV,AGE p
	local before=$output
	mmsock-send p x
	t mmsock-recv -e p
	run -0 t mmsock-ls -J -o LASTSEND,LASTRECV,AGE p
	[ "$(json '.ports[0].lastsend')" != "$(jq -r '.ports[0].lastsend' <<<"$before")" ]
	[ "$(json '.ports[0].lastrecv')" != "$(jq -r '.ports[0].lastrecv' <<<"$before")" ]
	[ "$(json '.ports[0].age')" -gt 0 ]
}

@test "MODE is that of the file" {
	mmsock-create -m 640 p
	like "$(field p MODE)" "^(0?640|-?rw-r-----)$"
}

@test "participants are counted by role and named in PIDS" {
	mmsock-create p
	idle_sender p
	local sender=$PID
	ready mmsock-recv p
	shows p WR 1
	shows p RD 1
	like "$(field p PIDS)" "$sender"
	like "$(field p PIDS)" "$PID"
	fed
	ends 0 "$sender"
	ends 0 "$PID"
	nobody_attached p
}

@test "-v and --verbose show each participant" {
	local option
	mmsock-create p
	idle_sender p
	local sender=$PID
	ready mmsock-recv p >out
	feed a b c
	wait_until grep -q c out
	for option in -v --verbose; do
		run -0 t mmsock-ls "$option" p
		like "$output" " $sender +mmsock-send +send "
		like "$output" " $PID +mmsock-recv +recv "
		is "${#lines[@]}" 5
	done
	run -0 t mmsock-ls -v -r --noheadings -o PID,SENT,SENTBYTES,RECVD p
	like "$output" "(^|"$'\n'")$sender 3 3 0($|"$'\n'")"
	like "$output" "(^|"$'\n'")$PID 0 0 3($|"$'\n'")"
}

@test "-v shows who sleeps, and for what" {
	mmsock-create -b 4K p
	ready mmsock-recv -k p
	sleeps_for data
	kill -TERM "$PID"
	ends 143 "$PID"
	seq 10000 >in
	ready mmsock-send p <in
	sleeps_for space
	kill -TERM "$PID"
	ends 143 "$PID"
	ready mmsock-send --wait-peer p x
	sleeps_for peers
}

@test "-v shows who serves, who calls, what is in flight and for how long" {
	local server client
	mmsock-create -t rpc p
	mkfifo begun
	ready mmsock-serve p -- sh -c 'echo >begun; exec tail -f /dev/null'
	server=$PID
	shows p CALLS 0
	start mmsock-call -w inf p x
	client=$PID
	read -r _ <begun
	comes p CALLS 1
	shows p TAKEN 1
	shows p WR 1
	shows p RD 1
	wait_until asleep reply p
	run -0 t mmsock-ls -v -r --noheadings -o PID,PROGRAM,ROLE,CALLS p
	is "$output" "$client mmsock-call client 1
$server mmsock-serve server 1"
	run -0 t mmsock-ls -v -J p
	is "$(json '.participants | map(.oldest > 0) | all')" true
	kill -KILL "$client"
	wait_until gone "$client"
	shows p CALLS 0
	shows p TAKEN 1
}

@test "what a service has and others have not is not known of them" {
	local column
	mmsock-create -t rpc p
	mmsock-create q
	for column in CALLS TAKEN CLIENTS MAXREPLY LANE; do
		shows q "$column" -
		like "$(field p "$column")" '^[0-9]+$'
	done
	ready mmsock-recv q
	run -0 t mmsock-ls -v -r --noheadings -o CALLS,OLDEST q
	is "$output" '- -'
	ready mmsock-serve --echo p
	run -0 t mmsock-ls -v -r --noheadings -o CALLS,OLDEST p
	is "$output" '0 -'
}

@test "-v shows who died attached" {
	stale_port p
	run -0 t mmsock-ls -v -r --noheadings -o PID,ACTIVITY p
	is "$output" "$PID dead"
	shows p DIED 1
}

@test "-v lists nobody for a port that nobody uses" {
	mmsock-create p
	run -0 t mmsock-ls -v --noheadings p
	is "$output" ""
}

@test "-v shows first how the ports fared, but to scripts" {
	mmsock-create p
	ready mmsock-recv p
	mmsock-create --overwrite p
	mmsock-create -E q
	run -0 t mmsock-ls -v p
	is "${lines[0]}" \
		"NAME STATE DIED TAKEOVERS LATEWAKES REPLACED CORRUPT"
	is "$(tr -s ' ' <<<"${lines[1]}")" "p ok 0 0 0 1 0"
	run -0 t mmsock-ls -J -v p
	is "$(json '.ports[].replaced')" 1
	is "$(json '.participants | length')" 0
	ready mmsock-recv p
	run -0 t mmsock-ls -r -v p
	is "${lines[0]%% *}" PORT
	run -0 t mmsock-ls --noheadings -v p
	is "${#lines[@]}" 1
	shows p REPLACED 1
	shows q REPLACED 0
}

@test "CORRUPT counts calls that met what cannot be" {
	mmsock-create -b 4K p
	mmsock-send p x
	# The mark of the first record.
	printf '\1' | dd of="$MMSOCK_DIR/p" bs=1 seek=16391 conv=notrunc \
		status=none
	run -70 mmsock-recv -c 1 p
	shows p CORRUPT 1
}

@test "-v of a damaged port gives 70, of another version 76" {
	mmsock-create p q
	poke "$MMSOCK_DIR/p" 48 '\1'
	poke "$MMSOCK_DIR/q" 8 '\143'
	run --separate-stderr -70 t mmsock-ls -v p
	says mmsock-ls
	run --separate-stderr -76 t mmsock-ls -v q
	says mmsock-ls
}

@test "STATE is stale when participants died and nothing waits" {
	stale_port p
	shows p STATE stale
	nobody_attached p
	mmsock-send p x
	shows p STATE ok
}

@test "STATE stays ok when a participant died but messages wait" {
	mmsock-create p
	idle_sender p
	feed a
	comes p MSGS 1
	kill -KILL "$PID"
	wait_until gone "$PID"
	shows p STATE ok
	is "$(drained p)" a
}

@test "STATE is corrupt for a damaged port and foreign-layout for another version" {
	mmsock-create p q
	poke "$MMSOCK_DIR/p" 48 '\1'
	poke "$MMSOCK_DIR/q" 8 '\143'
	shows p STATE corrupt
	shows q STATE foreign-layout
	run -0 t mmsock-ls
	is "${#lines[@]}" 3
}

@test "files that are no ports are not listed" {
	mmsock-create p
	echo data >"$MMSOCK_DIR/data"
	: >"$MMSOCK_DIR/empty"
	mkdir "$MMSOCK_DIR/folder"
	mkfifo "$MMSOCK_DIR/fifo"
	ln -s p "$MMSOCK_DIR/link"
	run -0 t mmsock-ls --noheadings -r -o NAME
	is "$output" p
}

@test "looking changes nothing and takes no slot" {
	mmsock-create p
	mmsock-send p a
	local before
	before=$(md5sum <"$MMSOCK_DIR/p")
	t mmsock-ls
	t mmsock-ls -a
	t mmsock-ls -v p
	t mmsock-ls -J
	is "$(md5sum <"$MMSOCK_DIR/p")" "$before"
}

@test "a full or closed stdout gives 74" {
	mmsock-create p
	run --separate-stderr -74 bash -c 'mmsock-ls >/dev/full'
	says mmsock-ls
	run -74 bash -c 'mmsock-ls >&-'
	run -74 bash -c 'mmsock-ls -J >/dev/full'
}

@test "bad names and wrong usage give 64" {
	misused mmsock-ls --no-such-option
	misused mmsock-ls -Z
	misused mmsock-ls -o
	misused mmsock-ls --json=yes
	misused mmsock-ls -J -r
}

@test "a directory that may not be read gives 77" {
	needs_nobody
	mmsock-create p
	chmod 755 "$SHM"
	cd /
	run --separate-stderr -77 nobody mmsock-ls
	says mmsock-ls
	run --separate-stderr -77 nobody mmsock-ls "$MMSOCK_DIR/p"
	says mmsock-ls
}
