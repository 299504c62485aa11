#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-rm: what it removes, what it refuses, what it says

# shellcheck disable=SC2154
load helpers

ports() {
	find "$MMSOCK_DIR" -mindepth 1 -printf '%f\n' | sort | tr '\n' ' '
}

stale_port() {
	mmsock-create "$1"
	ready mmsock-recv -k "$1"
	kill -KILL "$PID"
	wait_until gone "$PID"
}

@test "help and version go to stdout with status 0" {
	help_and_version mmsock-rm
}

@test "each option in --help is tested here" {
	options_tested mmsock-rm
}

@test "a port is removed in silence, also with messages in it" {
	mmsock-create p q
	mmsock-send p x
	silent mmsock-rm p
	is "$(ports)" "q "
}

@test "a missing port gives 66, with -f and --force 0" {
	fails 66 mmsock-rm p
	like "$stderr" "port 'p': "
	silent mmsock-rm -f p
	silent mmsock-rm --force p
	silent mmsock-rm -f ./missing/p
	mmsock-create q
	fails 66 mmsock-rm p
	silent mmsock-rm -f p
	is "$(ports)" "q "
}

@test "a missing port does not keep the others from being removed" {
	mmsock-create a b
	fails 66 mmsock-rm a missing b
	is "$(ports)" ""
}

@test "a port in use is refused with 1 and its users named" {
	mmsock-create p
	ready mmsock-recv -k p >out
	fails 1 mmsock-rm p
	like "$stderr" "^mmsock-rm: port 'p': in use.*$PID"
	like "$stderr" mmsock-recv
	mmsock-send p still-works
	wait_until grep -q still-works out
}

@test "a process that is attached several times is named once" {
	mmsock-create -t rpc p
	ready mmsock-serve -j 3 --echo p
	comes p RD 3
	fails 1 mmsock-rm p
	like "$stderr" "in use by $PID \(mmsock-serve\) \(remove"
}

@test "-f removes a port in use and its users end with 69" {
	mmsock-create p
	ready mmsock-recv p >out 2>err
	silent mmsock-rm -f p
	WAIT=3 ends 69 "$PID"
	is "$(ports)" ""
	like "$(cat err)" "^mmsock-recv: port 'p': "
}

@test "a port whose users died is not in use" {
	stale_port p
	silent mmsock-rm p
	is "$(ports)" ""
}

@test "-v and --verbose say on stderr what is removed" {
	mmsock-create p q
	run --separate-stderr -0 t mmsock-rm -v p
	is "$output" ""
	like "$stderr" "^mmsock-rm: port 'p': removed"
	run --separate-stderr -0 t mmsock-rm --verbose q
	like "$stderr" "'q'"
}

@test "-q and --quiet leave the exit status alone" {
	mmsock-create p q
	silent mmsock-rm -q p
	silent mmsock-rm --quiet q
	run -66 t mmsock-rm -q p
}

@test "-a and --all remove every port and no other file" {
	mmsock-create a b
	mkdir "$MMSOCK_DIR/folder"
	echo data >"$MMSOCK_DIR/data"
	silent mmsock-rm -a
	is "$(ports)" "data folder "
	silent mmsock-rm --all
	mmsock-create a b
	silent mmsock-rm --all
	is "$(ports)" "data folder "
	misused mmsock-rm -a p
}

@test "-a refuses what is in use and removes the rest" {
	mmsock-create a b c
	ready mmsock-recv -k b
	fails 1 mmsock-rm -a
	is "$(ports)" "b "
	silent mmsock-rm -a -f
	is "$(ports)" ""
	WAIT=3 ends 69 "$PID"
}

@test "-a in a missing directory has nothing to do" {
	silent mmsock-rm -a
	[ ! -e "$MMSOCK_DIR" ]
}

@test "--stale removes stale ports only and names each on stderr" {
	stale_port gone
	mmsock-create unused left
	t mmsock-recv -e left
	stale_port holding
	mmsock-send holding x
	stale_port used
	ready mmsock-recv -k used
	run --separate-stderr -0 t mmsock-rm --stale
	is "$output" ""
	is "${#stderr_lines[@]}" 1
	like "$stderr" "^mmsock-rm: port 'gone': .*stale"
	is "$(ports)" "holding left unused used "
	is "$(drained holding)" x
}

@test "--stale with nothing stale is 0" {
	silent mmsock-rm --stale
	mmsock-create p
	silent mmsock-rm --stale
	silent mmsock-rm --stale p
	is "$(ports)" "p "
}

@test "--stale with a PORT looks at that only" {
	stale_port a
	stale_port b
	run --separate-stderr -0 t mmsock-rm --stale a
	is "$(ports)" "b "
}

@test "--glob takes patterns, as in the shell" {
	mmsock-create apple apricot banana
	silent mmsock-rm --glob 'ap*'
	is "$(ports)" "banana "
	fails 66 mmsock-rm --glob 'ap*'
	silent mmsock-rm -f --glob 'ap*'
	silent mmsock-rm --glob '*'
	is "$(ports)" ""
}

@test "without --glob a pattern is a bad name" {
	mmsock-create p
	fails 64 mmsock-rm '*'
	is "$(ports)" "p "
}

@test "-N and --dry-run tell and remove nothing" {
	local option
	mmsock-create a b
	stale_port c
	for option in -N --dry-run; do
		run --separate-stderr -0 t mmsock-rm "$option" a
		is "$output" ""
		like "$stderr" "port 'a': would be removed"
		run --separate-stderr -0 t mmsock-rm "$option" -a
		is "${#stderr_lines[@]}" 3
		run --separate-stderr -0 t mmsock-rm "$option" --stale
		is "${#stderr_lines[@]}" 1
		like "$stderr" "'c'"
		is "$(ports)" "a b c "
		fails 66 mmsock-rm "$option" missing
	done
	ready mmsock-recv -k a
	fails 1 mmsock-rm -N a
	run -0 t mmsock-rm -N -f a
	is "$(ports)" "a b c "
}

@test "--dir names the port directory" {
	mmsock-create --dir="$SHM/other" p
	mmsock-create p
	silent mmsock-rm --dir="$SHM/other" p
	is "$(ls -A "$SHM/other")" ""
	is "$(ports)" "p "
}

@test "a path with a slash is the port file itself" {
	mmsock-create ./here
	silent mmsock-rm ./here
	[ ! -e here ]
	fails 66 mmsock-rm ./here
}

@test "a file that is no port is refused with 65, whatever is asked" {
	echo data >file
	: >empty
	fails 65 mmsock-rm ./file
	fails 65 mmsock-rm -f ./file
	fails 65 mmsock-rm ./empty
	is "$(cat file)" data
	mkdir folder
	run --separate-stderr t mmsock-rm -f ./folder
	[ "$status" -ne 0 ]
	[ -d folder ]
}

@test "a damaged port and one of another version need -f" {
	mmsock-create p q
	poke "$MMSOCK_DIR/p" 48 '\1'
	poke "$MMSOCK_DIR/q" 8 '\143'
	fails 70 mmsock-rm p
	fails 76 mmsock-rm q
	is "$(ports)" "p q "
	silent mmsock-rm -f p q
	is "$(ports)" ""
}

@test "bad names and wrong usage give 64" {
	local name
	for name in '' . .. .hidden 'a b'; do
		fails 64 mmsock-rm "$name"
	done
	misused mmsock-rm
	misused mmsock-rm -f
	misused mmsock-rm --glob
	misused mmsock-rm --no-such-option p
	misused mmsock-rm -Z p
	misused mmsock-rm --stale=yes
}

@test "a port that may not be removed gives 77" {
	needs_nobody
	mkdir "$SHM/open"
	chmod 755 "$SHM" "$SHM/open"
	mmsock-create -m 666 "$SHM/open/p"
	cd /
	run --separate-stderr -77 nobody mmsock-rm -f "$SHM/open/p"
	says mmsock-rm
	shows "$SHM/open/p" STATE ok
	mmsock-create -m 600 "$SHM/open/q"
	run --separate-stderr -77 nobody mmsock-rm "$SHM/open/q"
	says mmsock-rm
}

@test "a port can be created again after it was removed" {
	local round
	for round in 1 2 3; do
		mmsock-create p
		mmsock-send p "$round"
		mmsock-rm p
	done
	mmsock-create p
	is "$(drained p)" ""
}

@test "nothing but the port disappears" {
	mmsock-create p
	mmsock-rm p
	[ -d "$MMSOCK_DIR" ]
	is "$(ports)" ""
}
