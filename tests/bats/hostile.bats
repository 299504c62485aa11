#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What lies at a port's name, and what each tool then does: it says so, at once,
# with the right exit status, and leaves it alone

# shellcheck disable=SC2154
load helpers

# Each command with its exit status where the entry is no port; %s is the entry.
COMMANDS='65 send %s x
65 send --create %s x
65 recv -e %s
65 recv --create -w 1 %s
65 cat -o %s
65 cat -i %s
65 cat --create -o %s
73 create %s
65 create -E %s
65 create --overwrite %s
65 ls %s
65 ls -v %s
65 rm %s
65 rm -f %s
73 sem create %s
65 sem create -E %s
65 sem create --overwrite %s
65 sem wait -w 1 %s
65 sem post --create %s
65 sem value %s
65 sem rm %s
65 sem rm -f %s
65 sem run %s -- touch ran'

# picture FILE - all of an entry that a tool could change; of a FIFO or device
# not what reading it would give
picture() {
	stat -c '%n %F %i %h %u %g %a %s %Y' "$1"
	[[ -L $1 || ! -f $1 ]] || md5sum "$1"
}

# refused_everywhere ENTRY [STATUS] - by each command, with its status or with that
refused_everywhere() {
	local entry=$1 before wanted command

	before=$(picture "$entry")
	while read -r wanted command; do
		[[ $wanted == 73 || -z ${2-} ]] || wanted=$2
		# Before a new port meets the entry, it is made in the folder.
		[[ $wanted != 73 || -w ${entry%/*} ]] || wanted=77
		# shellcheck disable=SC2046,SC2059
		LIMIT=5 run --separate-stderr t \
			mmsock-$(printf "$command" "$entry") </dev/null
		is "$command: $status" "$command: $wanted"
		is "$output" ""
		says "mmsock-${command%% *}"
		is "${#stderr_lines[@]}" 1
		is "$(picture "$entry")" "$before"
	done <<<"$COMMANDS"
	[[ ! -e ran ]]
	is "$(find . -name '.mmsock*')" ""
}

@test "a symbolic link to a port, and the port" {
	local before
	mmsock-create ./real
	mmsock-send ./real kept
	before=$(picture real)
	ln -s real link
	refused_everywhere ./link
	is "$(picture real)" "$before"
}

@test "a symbolic link to nothing, to itself, to a folder, to /dev/null" {
	local target
	for target in nowhere entry . /dev/null; do
		ln -s "$target" entry
		refused_everywhere ./entry
		[[ ! -e nowhere ]]
		rm entry
	done
}

@test "a port with two names, by each of them" {
	mmsock-create ./p
	ln p second
	refused_everywhere ./p
	refused_everywhere ./second
	rm second
	silent mmsock-send ./p x
}

@test "a folder" {
	mkdir -p folder/p
	refused_everywhere ./folder
	is "$(ls folder)" p
}

@test "a FIFO, with and without somebody at its other end" {
	mkfifo fifo
	refused_everywhere ./fifo
	# Closed by whoever is started, as every feed is.
	# shellcheck disable=SC2034
	exec {FEED}<>fifo
	refused_everywhere ./fifo
}

@test "a socket" {
	perl -MIO::Socket::UNIX -e \
		'IO::Socket::UNIX->new(Local => "socket", Listen => 1) or die'
	refused_everywhere ./socket
}

@test "a device" {
	refused_everywhere /dev/null
	refused_everywhere /dev/zero
}

@test "a file that is empty, one of text, one of zeroes" {
	: >empty
	refused_everywhere ./empty
	seq 10000 >text
	refused_everywhere ./text
	truncate -s 1M zeroes
	refused_everywhere ./zeroes
}

@test "a file of somebody else, in a folder where all may create" {
	local name
	as_root
	mkdir -m 1777 shared
	mmsock-create shared/port
	seq 10000 >shared/text
	chmod 666 shared/*
	chown 65534:65534 shared/*
	for name in port text; do
		refused_everywhere "./shared/$name" 77
	done
}

@test "a port that is closed to us" {
	local before
	needs_nobody
	chmod 755 "$SHM"
	mkdir -m 755 "$SHM/open"
	mmsock-create "$SHM/open/p"
	before=$(picture "$SHM/open/p")
	cd /
	for command in send recv 'cat -i' 'cat -o' ls rm 'rm -f'; do
		# shellcheck disable=SC2086
		run --separate-stderr -77 nobody mmsock-$command "$SHM/open/p" \
			</dev/null
		says "mmsock-${command%% *}"
		is "$(picture "$SHM/open/p")" "$before"
	done
}

@test "a path through a file, and through a folder that is closed to us" {
	local command
	: >file
	for command in send recv 'cat -i' ls rm; do
		# shellcheck disable=SC2086
		fails 66 mmsock-$command ./file/p
	done
	fails 73 mmsock-create ./file/p
	needs_nobody
	chmod 755 "$SHM"
	mkdir -m 700 "$SHM/closed"
	mmsock-create "$SHM/closed/p"
	cd /
	for command in send recv 'cat -i' create ls rm; do
		# shellcheck disable=SC2086
		run --separate-stderr -77 nobody mmsock-$command \
			"$SHM/closed/p" </dev/null
		says "mmsock-${command%% *}"
	done
}

@test "in the port directory, entries of other kinds are neither listed nor removed" {
	mmsock-create p
	mkdir "$MMSOCK_DIR/folder"
	mkfifo "$MMSOCK_DIR/fifo"
	ln -s p "$MMSOCK_DIR/link"
	ln -s nowhere "$MMSOCK_DIR/dangling"
	is "$(LIMIT=5 t mmsock-ls -r --noheadings -o NAME)" p
	LIMIT=5 silent mmsock-rm -a
	is "$(cd "$MMSOCK_DIR" && echo *)" "dangling fifo folder link"
}
