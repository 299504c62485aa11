#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-create: names, sizes, modes, existing ports, commands

# shellcheck disable=SC1003,SC2154
load helpers

inode() {
	stat -c %d:%i "$MMSOCK_DIR/$1"
}

@test "help and version go to stdout with status 0" {
	help_and_version mmsock-create
}

@test "each option in --help is tested here" {
	options_tested mmsock-create
}

@test "a port is created in silence, private, in a private directory" {
	silent mmsock-create p
	is "$(stat -c %F:%a:%h "$MMSOCK_DIR/p")" "regular file:600:1"
	is "$(stat -c %F:%a "$MMSOCK_DIR")" directory:700
	is "$(ls -A "$MMSOCK_DIR")" p
	shows p TYPE queue
	shows p CAP 1048576
	shows p MAXMSG 524288
	shows p STATE ok
}

@test "several ports are created by one call" {
	silent mmsock-create a b c
	is "$(echo "$MMSOCK_DIR"/*)" "$MMSOCK_DIR/a $MMSOCK_DIR/b $MMSOCK_DIR/c"
}

@test "an existing port is refused with 73 and left as it is" {
	mmsock-create p
	mmsock-send p kept
	local before
	before=$(inode p)
	fails 73 mmsock-create p
	like "$stderr" "port 'p': .*exist"
	is "$(inode p)" "$before"
	is "$(drained p)" kept
}

@test "one port that exists does not keep the others from being created" {
	mmsock-create b
	fails 73 mmsock-create a b c
	shows a STATE ok
	shows c STATE ok
}

@test "-E and --exist-ok accept an existing port and keep its messages" {
	local before
	silent mmsock-create -E p
	mmsock-send p kept
	before=$(inode p)
	silent mmsock-create -E p
	silent mmsock-create --exist-ok p
	is "$(inode p)" "$before"
	is "$(drained p)" kept
}

@test "-E refuses a port that differs and names the field" {
	mmsock-create -b 64K --max-message=1000 -m 600 p
	silent mmsock-create -E -b 64K --max-message=1000 -m 600 p
	silent mmsock-create -E -b 40000 p
	fails 73 mmsock-create -E -b 128K p
	like "$stderr" "port 'p': .*(size|bytes|ring).*65536"
	fails 73 mmsock-create -E --max-message=1001 p
	like "$stderr" "port 'p': .*max-message.*1000"
	fails 73 mmsock-create -E -m 640 p
	like "$stderr" "port 'p': .*mode.*600"
	shows p CAP 65536
}

@test "-b and --bytes set the ring size, rounded up to a power of two" {
	local size
	mmsock-create -b 5000 a
	shows a CAP 8192
	mmsock-create -b 4K b
	shows b CAP 4096
	mmsock-create --bytes=2MiB c
	shows c CAP 2097152
	mmsock-create -b1 d
	shows d CAP 4096
	for size in '' 0 -1 +1 ' 4K' '4 K' 4kfoo 4X 010 0x10 1.5K 1e3 K \
		99999999999999999999 18446744073709551616 16777216T 1T; do
		refused mmsock-create -b "$size" e
	done
	[ ! -e "$MMSOCK_DIR/e" ]
}

@test "-m and --mode set permissions, whatever the umask" {
	local mode
	umask 077
	mmsock-create -m 640 a
	is "$(stat -c %a "$MMSOCK_DIR/a")" 640
	mmsock-create --mode=0666 b
	is "$(stat -c %a "$MMSOCK_DIR/b")" 666
	umask 0
	mmsock-create c
	is "$(stat -c %a "$MMSOCK_DIR/c")" 600
	for mode in '' 8 999 rw -1 +600 06000 4755 '6 00' 600x; do
		misused mmsock-create -m "$mode" e
	done
}

@test "-g and --group set the group by name and by number" {
	mmsock-create -g "$(id -gn)" a
	is "$(stat -c %g "$MMSOCK_DIR/a")" "$(id -g)"
	mmsock-create --group="$(id -g)" b
	is "$(stat -c %g "$MMSOCK_DIR/b")" "$(id -g)"
	misused mmsock-create -g no-such-group e
	misused mmsock-create -g -1 e
	misused mmsock-create -g '' e
}

@test "root can give a port to another group" {
	as_root
	mmsock-create -g nogroup -m 660 a
	is "$(stat -c %G:%a "$MMSOCK_DIR/a")" nogroup:660
}

@test "-t and --type take queue and rpc and nothing else" {
	silent mmsock-create -t queue a
	silent mmsock-create --type=queue b
	silent mmsock-create --type=rpc c
	shows a TYPE queue
	shows c TYPE rpc
	for type in '' Queue broadcast RPC 1; do
		misused mmsock-create -t "$type" e
	done
}

@test "--clients and --reply-size are for services" {
	silent mmsock-create -t rpc a
	shows a CLIENTS 32
	shows a MAXREPLY 65536
	silent mmsock-create -t rpc --clients=3 --reply-size=5000 b
	shows b CLIENTS 3
	shows b MAXREPLY 5000
	silent mmsock-create -t rpc --clients=1 --reply-size=1 c
	shows c CLIENTS 1
	(($(field c MAXREPLY) >= 1))
	misused mmsock-create --clients=3 d
	misused mmsock-create -t queue --reply-size=3K d
	refused mmsock-create -t rpc --clients=0 d
	refused mmsock-create -t rpc --clients=-1 d
	refused mmsock-create -t rpc --clients=5000 d
	refused mmsock-create -t rpc --reply-size=0 d
	refused mmsock-create -t rpc --reply-size=1x d
	refused mmsock-create -t rpc --reply-size=5T d
	is "$(ls "$MMSOCK_DIR")" $'a\nb\nc'
}

@test "-E names what differs of a service" {
	mmsock-create -t rpc --clients=3 --reply-size=5000 p
	silent mmsock-create -E -t rpc p
	silent mmsock-create -E -t rpc --clients=3 --reply-size=5000 p
	fails 73 mmsock-create -E -t rpc --clients=4 p
	like "$stderr" "clients is 3, not 4"
	fails 73 mmsock-create -E -t rpc --reply-size=5001 p
	like "$stderr" "reply-size is 5000, not 5001"
	fails 73 mmsock-create -E p
	like "$stderr" "type is rpc, not queue"
	mmsock-create q
	fails 73 mmsock-create -E -t rpc q
	like "$stderr" "type is queue, not rpc"
	silent mmsock-create -E -t rpc --reply-size=1 tiny
	silent mmsock-create -E -t rpc --reply-size=1 tiny
}

@test "-E says what to do where the type differs, and that works" {
	local step remove
	mmsock-create -t rpc p
	mmsock-create --dir="$SHM/other" p
	fails 65 mmsock-create --overwrite p
	for step in "-E p" "-E -t rpc --dir=$SHM/other p"; do
		# shellcheck disable=SC2086
		fails 73 mmsock-create $step
		unlike "$stderr" --overwrite
		like "$stderr" "remove it with: (mmsock-rm [^)]*)\\)"
		read -ra remove <<<"${BASH_REMATCH[1]}"
		silent "${remove[@]}"
		# shellcheck disable=SC2086
		silent mmsock-create $step
	done
}

@test "--max-message limits messages" {
	mmsock-create --max-message=100 p
	shows p MAXMSG 100
	head -c 100 /dev/zero | t mmsock-send -s p
	run --separate-stderr -65 t mmsock-send -s p < <(head -c 101 /dev/zero)
	says mmsock-send
	shows p MSGS 1
	refused mmsock-create --max-message=0 e
	refused mmsock-create --max-message=-1 e
	refused mmsock-create --max-message=1x e
	refused mmsock-create -b 4K --max-message=8K e
}

@test "--overwrite replaces a port and creates a missing one" {
	local before
	silent mmsock-create --overwrite p
	mmsock-send p old
	before=$(inode p)
	silent mmsock-create --overwrite -b 4K p
	[ "$(inode p)" != "$before" ]
	shows p CAP 4096
	is "$(drained p)" ""
	is "$(ls -A "$MMSOCK_DIR")" p
}

@test "--overwrite, --exist-ok and --temp exclude each other" {
	misused mmsock-create --overwrite -E p
	misused mmsock-create --temp --overwrite
	misused mmsock-create --temp -E
}

@test "--temp makes up a name and prints it" {
	local a b
	run --separate-stderr -0 t mmsock-create --temp
	is "$stderr" ""
	is "${#lines[@]}" 1
	a=$output
	shows "$a" STATE ok
	b=$(mmsock-create --temp)
	[ "$a" != "$b" ]
	is "$(find "$MMSOCK_DIR" -type f | wc -l)" 2
}

@test "--temp=PREFIX begins the name with PREFIX" {
	run -0 t mmsock-create --temp=job-
	like "$output" "^job-."
	shows "$output" STATE ok
	fails 64 mmsock-create --temp=.hidden
	fails 64 mmsock-create --temp="a b"
	misused mmsock-create --temp p
}

@test "--temp with a full stdout fails with 74" {
	run -74 bash -c 'mmsock-create --temp >/dev/full'
	run -74 bash -c 'mmsock-create --temp >&-'
}

@test "--dir names the port directory, before MMSOCK_DIR" {
	silent mmsock-create --dir="$SHM/other" p
	[ -f "$SHM/other/p" ]
	[ ! -e "$MMSOCK_DIR" ]
	is "$(stat -c %a "$SHM/other")" 700
}

@test "a path with a slash is the port file itself" {
	silent mmsock-create ./here.port "$BATS_TEST_TMPDIR/there.port"
	[ -f here.port ]
	[ -f there.port ]
	[ ! -e "$MMSOCK_DIR" ]
	mmsock-send ./here.port x
	is "$(drained "$BATS_TEST_TMPDIR/here.port")" x
}

@test "-v and --verbose say on stderr what is created" {
	run --separate-stderr -0 t mmsock-create -v p
	is "$output" ""
	like "$stderr" "^mmsock-create: port 'p': "
	run --separate-stderr -0 t mmsock-create --verbose q
	like "$stderr" "'q'"
}

@test "-q and --quiet leave the exit status alone" {
	silent mmsock-create -q p
	silent mmsock-create --quiet q
	run -73 t mmsock-create -q p
}

@test "bad names are refused with 64" {
	local name long
	long=$(printf 'n%.0s' {1..128})
	silent mmsock-create "$long"
	for name in '' . .. .hidden 'a b' a:b ä 'a*' "${long}n"; do
		fails 64 mmsock-create "$name"
	done
	refused mmsock-create $'a\nb'
	fails 64 mmsock-create -- -x
	is "$(ls -A "$MMSOCK_DIR")" "$long"
}

@test "wrong usage is told in one line, with a pointer to the help" {
	misused mmsock-create
	misused mmsock-create --no-such-option p
	misused mmsock-create -Z p
	misused mmsock-create -b
	misused mmsock-create --mode
	misused mmsock-create --exist-ok=yes p
	misused mmsock-create --
	misused mmsock-create p --
	[ ! -e "$MMSOCK_DIR/p" ]
}

@test "creating in a missing folder fails with 73" {
	fails 73 mmsock-create ./missing/p
	like "$stderr" "'./missing/p'"
	MMSOCK_DIR=$SHM/missing/ports fails 73 mmsock-create p
	fails 73 mmsock-create --dir="$SHM/missing/ports" p
}

@test "a file where a folder should be is an error" {
	: >file
	fails 73 mmsock-create ./file/p
	run --separate-stderr t mmsock-create --dir="$PWD/file" p
	[ "$status" -ne 0 ] && [ "$status" -lt 126 ]
	says mmsock-create
}

@test "a folder that may not be written to gives 77" {
	needs_nobody
	mkdir "$SHM/closed"
	chmod 755 "$SHM" "$SHM/closed"
	cd /
	run --separate-stderr -77 nobody mmsock-create "$SHM/closed/p"
	says mmsock-create
	is "$(ls -A "$SHM/closed")" ""
	chmod 700 "$SHM"
	run --separate-stderr -77 nobody mmsock-create "$SHM/closed/p"
	says mmsock-create
}

@test "a command runs with MMSOCK_PORT, then the port is removed" {
	run -0 t mmsock-create p -- sh -c \
		'mmsock-send "$MMSOCK_PORT" hi; mmsock-recv -e p; echo "$MMSOCK_PORT"'
	is "$output" $'hi\np'
	is "$(ls -A "$MMSOCK_DIR")" ""
}

@test "a command finds the port also with --dir, --temp and a path" {
	run -0 t mmsock-create --dir="$SHM/other" p -- \
		sh -c 'mmsock-send "$MMSOCK_PORT" a; mmsock-recv -e "$MMSOCK_PORT"'
	is "$output" a
	is "$(ls -A "$SHM/other")" ""
	run -0 t mmsock-create --temp=job- -- \
		sh -c 'mmsock-send "$MMSOCK_PORT" b; mmsock-recv -e "$MMSOCK_PORT"'
	is "$output" b
	run -0 t mmsock-create ./p -- \
		sh -c 'mmsock-send "$MMSOCK_PORT" c; mmsock-recv -e "$MMSOCK_PORT"'
	is "$output" c
	[ ! -e p ]
	is "$(ls -A "$MMSOCK_DIR")" ""
}

@test "the exit status of a command is passed on" {
	run -7 t mmsock-create p -- sh -c 'exit 7'
	run -0 t mmsock-create p -- true
	run -143 t mmsock-create p -- sh -c 'kill -TERM $$'
	run --separate-stderr -127 t mmsock-create p -- ./no-such-command
	says mmsock-create
	: >plain
	run --separate-stderr -126 t mmsock-create p -- ./plain
	says mmsock-create
	is "$(ls -A "$MMSOCK_DIR")" ""
}

@test "a command gets stdin, its arguments untouched, and may use options" {
	run -0 t mmsock-create p -- printf '<%s>' 'a b' '' -v -- <<<""
	is "$output" "<a b><><-v><-->"
	run -0 t mmsock-create p -- cat <<<"through"
	is "$output" through
}

@test "a command that removes the port itself is no error" {
	run -0 t mmsock-create p -- mmsock-rm p
	is "$output" ""
}

@test "a port that is in the way keeps the command from running" {
	mmsock-create p
	fails 73 mmsock-create p -- echo ran
	shows p STATE ok
}

@test "a port that was there before outlives a command with -E" {
	mmsock-create p
	run -0 t mmsock-create -E p -- true
	shows p STATE ok
}

@test "SIGTERM during a command ends both and removes the port" {
	mkfifo never-written
	start mmsock-create p -- sh -c 'echo up >up; exec cat never-written'
	wait_until test -s up
	kill -TERM "$PID"
	ends 143 "$PID"
	is "$(ls -A "$MMSOCK_DIR")" ""
}

@test "SIGINT during a command removes the port" {
	mkfifo never-written
	start mmsock-create p -- sh -c 'echo up >up; exec cat never-written'
	wait_until test -s up
	kill -INT "$PID"
	ends 130 "$PID"
	is "$(ls -A "$MMSOCK_DIR")" ""
}
