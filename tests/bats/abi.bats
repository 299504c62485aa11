#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# One port for programs of several builds: 32 bits, another C library, other
# versions and machines; and ports of earlier versions, kept in tests/golden

# shellcheck disable=SC2154
load helpers

BUILD=${BUILD:-$ROOT/build}

setup_file() {
	kernel_headers "$BATS_FILE_TMPDIR/kernel"
	built m32 "${CC:-cc} -m32 -Wno-psabi"
	built m32-time64 "${CC:-cc} -m32 -Wno-psabi -D_TIME_BITS=64"
	built musl "musl-gcc -isystem $BATS_FILE_TMPDIR/kernel"
}

# kernel_headers DIR - there and nothing else, for a compiler with another C library
kernel_headers() {
	local header path

	mkdir "$1"
	for header in linux/fs.h asm/unistd.h asm-generic/errno.h; do
		path=$(echo "#include <$header>" | ${CC:-cc} -E - |
			sed -n "s|.*\"\\(/.*\\)/${header#*/}\".*|\\1|p" |
			head -n 1)
		ln -s "$path" "$1/${header%/*}"
	done
}

# built NAME COMPILER - build a partner with it, or note that there is no such
built() {
	local probe=$BATS_FILE_TMPDIR/probe

	echo 'int main(void) { return 0; }' >"$probe.c"
	# shellcheck disable=SC2086
	if ! $2 -o "$probe" "$probe.c" 2>/dev/null || ! "$probe"; then
		echo "nothing runs that is made by ${2%% -i*}" \
			>"$BATS_FILE_TMPDIR/$1.missing"
		return
	fi
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$ROOT" \
		BUILD="$BUILD/$1" CC="$2" SANITIZE= LTO= \
		"$BUILD/$1/tests/abi/partner" "$BUILD/$1/tests/unit/futex" >&2
}

# needs BUILD
needs() {
	local missing=$BATS_FILE_TMPDIR/$1.missing

	[ ! -e "$missing" ] || skip "$(cat "$missing")"
}

# partner BUILD COMMAND OPERAND... - see tests/abi/partner.c
partner() {
	local build=${1#native}

	shift
	LIMIT=50 t "$BUILD${build:+/$build}/tests/abi/partner" "$@"
}

# ready_partner BUILD COMMAND OPERAND - and wait until it has what it holds
ready_partner() {
	local build=${1#native}

	shift
	mkfifo "said.$((++FIFOS))"
	"$BUILD${build:+/$build}/tests/abi/partner" "$@" \
		>"said.$FIFOS" 3>&- {FEED}>&- &
	PID=$!
	read -r -t 20 _ <"said.$FIFOS"
}

# sends_to BUILD BUILD - 100000 messages, then some that each wait for the last
sends_to() {
	local pid

	partner "$2" recv p 100000 3>&- &
	pid=$!
	partner "$1" send p 100000
	WAIT=50 ends 0 "$pid"
	partner "$2" pong p q 3>&- &
	pid=$!
	partner "$1" ping p q $((2000 * ${STRESS:-1}))
	WAIT=50 ends 0 "$pid"
}

exchange() {
	needs "$1"
	mmsock-create -b 4K p q
	sends_to "$1" native
	sends_to native "$1"
	shows p MSGS 0
	shows p SENT $((2 * (100000 + 2000 * ${STRESS:-1})))
	shows p DIED 0
}

# killed PID - and wait until nothing is left of it
killed() {
	kill -KILL "$1"
	wait_until gone "$1"
}

# dies_before BUILD BUILD - the one is killed with everything, the other takes over
dies_before() {
	rm -rf "$MMSOCK_DIR"
	mmsock-create -b 4K p
	mmsock-sem create s 2
	mmsock-send p one two
	ready_partner "$1" lend p
	is "$(mmsock-ls -v -r --noheadings -o PROGRAM,ACTIVITY p)" \
		"partner holding:send-end"
	killed "$PID"
	partner "$2" send p 1
	shows p TAKEOVERS 1
	ready_partner "$1" look p
	killed "$PID"
	is "$(partner "$2" lines p | head -n 2)" $'one\ntwo'
	shows p TAKEOVERS 2
	shows p MSGS 0
	ready_partner "$1" take s
	shows s HELD 1
	is "$(partner "$2" value s)" 1
	killed "$PID"
	is "$(partner "$2" value s)" 2
} 2>/dev/null

take_over() {
	needs "$1"
	dies_before "$1" native
	dies_before native "$1"
}

@test "programs of 32 bits: each message arrives, both ways" {
	needs m32
	is "$(partner m32 width)" "32 glibc"
	exchange m32
}

@test "programs of 32 bits with times of 64: each message arrives, both ways" {
	exchange m32-time64
	# A deadline that the kernel reads as another one shows here alone.
	"$BUILD/m32-time64/tests/unit/futex"
}

@test "programs with another C library: each message arrives, both ways" {
	needs musl
	is "$(partner musl width)" "64 other"
	exchange musl
}

@test "programs of 32 bits take over from the dead, and others from them" {
	take_over m32
}

@test "programs with another C library take over from the dead, and others from them" {
	take_over musl
}
