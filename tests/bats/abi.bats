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

# built_by BUILD - the partner's path, see tests/abi/partner.c
built_by() {
	if [ "$1" = native ]; then
		echo "$PARTNER"
	else
		echo "$BUILD/$1/tests/abi/partner"
	fi
}

# partner BUILD COMMAND OPERAND...
partner() {
	LIMIT=50 t "$(built_by "$1")" "${@:2}"
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

# dies_before BUILD BUILD - the one is killed with everything, the other takes over
dies_before() {
	rm -rf "$MMSOCK_DIR"
	mmsock-create -b 4K p
	mmsock-sem create s 2
	mmsock-send p one two
	said_ready "$(built_by "$1")" lend p
	is "$(mmsock-ls -v -r --noheadings -o PROGRAM,ACTIVITY p)" \
		"partner holding:send-end"
	killed "$PID"
	partner "$2" send p 1
	shows p TAKEOVERS 1
	said_ready "$(built_by "$1")" look p
	killed "$PID"
	is "$(partner "$2" lines p | head -n 2)" $'one\ntwo'
	shows p TAKEOVERS 2
	shows p MSGS 0
	said_ready "$(built_by "$1")" take s
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

# golden NAME... - copies of ports of an earlier day, see tests/golden/make.sh
golden() {
	local name

	[ "$(perl -e 'print unpack "C", pack "S", 1')" = 1 ] ||
		skip "the golden ports are of a little-endian machine"
	for name; do
		cp "$ROOT/tests/golden/layout-1/$name.port" "$name"
		chmod 600 "$name"
	done
}

# of_this_boot FILE - as if it had not been before the machine was started
of_this_boot() {
	tr -d '\n-' </proc/sys/kernel/random/boot_id |
		perl -0777 -ne 'print pack "Q<2", map hex, unpack "A16 A16", $_' |
		dd of="$1" bs=1 seek=4552 conv=notrunc status=none
}

@test "golden ports are shown as they are" {
	golden empty messages wrapped dead asleep sem owned
	is "$(mmsock-ls -b -r --noheadings -o \
		TYPE,CAP,USED,MSGS,SENT,RECVD,MAXMSG,STATE,LAYOUT,MAX,VALUE \
		./empty ./messages ./wrapped ./dead ./asleep ./sem ./owned)" \
		"queue 4096 0 0 0 0 2048 ok 1 - -
queue 4096 2296 4 5 1 2048 ok 1 - -
queue 4096 3840 240 540 300 2048 ok 1 - -
queue 4096 32 2 2 0 2048 ok 1 - -
queue 4096 0 0 0 0 2048 stale 1 - -
sem - - - - - - ok 1 5 3
sem - - - - - - stale 1 3 3"
	is "$(mmsock-ls -v -r --noheadings -o ROLE,PROGRAM,ACTIVITY ./dead)" \
		$'send partner dead\nrecv partner dead'
}

@test "golden messages are received as they were sent" {
	golden messages wrapped
	t mmsock-recv -e -F lp32be ./messages | cmp - <(
		perl -e 'binmode STDOUT; print pack "(N/a)*", "first", "",
			join("", map chr, 0 .. 255), "x" x 2000'
	)
	t mmsock-recv -e ./wrapped | cmp - <(seq 301 540)
	seq 600 >in
	mmsock-send ./wrapped <in 3>&- &
	t mmsock-recv ./wrapped | cmp - in
	shows ./wrapped SENT 1140
	golden messages wrapped
	seq 10 | mmsock-send ./wrapped
	t mmsock-recv -e ./wrapped | cmp - <(seq 301 540; seq 10)
	is "$(t mmsock-recv -e ./messages | wc -c)" 2265
}

@test "golden messages are received by other builds, too" {
	local build read=0
	for build in m32 m32-time64 musl; do
		[ ! -e "$BATS_FILE_TMPDIR/$build.missing" ] || continue
		golden wrapped dead sem owned
		is "$(partner "$build" lines ./wrapped)" "$(seq 301 540)"
		partner "$build" send ./dead 1
		is "$(t mmsock-recv -e ./dead | head -n 2)" $'one\ntwo'
		is "$(partner "$build" value ./sem)" 3
		is "$(partner "$build" value ./owned)" 3
		read=$((read + 1))
	done
	[ "$read" != 0 ] || skip "there is no other compiler"
}

@test "a golden port works as a new one does" {
	golden empty
	seq 100000 >in
	mmsock-send --wait-peer ./empty <in 3>&- &
	t mmsock-recv ./empty | cmp - in
	nobody_attached ./empty
	shows ./empty SENT 100000
}

@test "golden ports of the dead are taken over after a reboot" {
	golden dead asleep
	mmsock-send ./dead three
	drained ./dead | cmp - <(printf 'one\ntwo\nthree\n')
	shows ./dead STATE ok
	mmsock-send ./asleep x
	is "$(drained ./asleep)" x
}

@test "golden ports of the dead are taken over in the same boot" {
	golden dead asleep
	of_this_boot dead
	of_this_boot asleep
	mmsock-send ./dead three
	drained ./dead | cmp - <(printf 'one\ntwo\nthree\n')
	shows ./dead TAKEOVERS 2
	one_of "$(field ./dead DIED)" 1 2
	mmsock-send ./asleep x
	is "$(drained ./asleep)" x
	shows ./asleep DIED 1
}

@test "golden semaphores have the units they had, and those of the dead" {
	golden sem owned
	is "$(mmsock-sem value ./sem)" 3
	t mmsock-sem wait ./sem 3
	run -1 t mmsock-sem try ./sem
	t mmsock-sem post ./sem 5
	run -1 t mmsock-sem post ./sem
	is "$(mmsock-sem value ./owned)" 3
	golden owned
	of_this_boot owned
	t mmsock-sem try ./owned 3
	shows ./owned TAKEOVERS 1
}

@test "golden services are shown as they are, and work as new ones do" {
	golden service serving
	is "$(mmsock-ls -b -r --noheadings -o \
		TYPE,CAP,MSGS,SENT,RECVD,MAXMSG,STATE,LAYOUT ./service ./serving)" \
		"rpc 4096 0 1 1 2040 ok 1
rpc 4096 1 2 1 2040 stale 1"
	run -69 t mmsock-call ./service x
	mmsock-serve --echo ./service 3>&- &
	is "$(t mmsock-call --wait-peer ./service again)" again
	kill "$!"
}

# serves_on DROPS - a new server and a new client on the service of the dead
serves_on() {
	mmsock-serve --echo ./serving 3>&- &
	is "$(t mmsock-call --wait-peer ./serving new)" new
	shows ./serving MSGS 0
	shows ./serving DROPS "$1"
	kill "$!"
	wait "$!" || :
}

@test "a golden service of the dead goes on, and a reboot ends what they asked" {
	golden serving
	serves_on 1
	golden serving
	of_this_boot serving
	serves_on 0
}

# foreign FILE SAYS - every tool refuses it with 76, as SAYS, and leaves it alone
foreign() {
	local verb

	cp "$1" before
	for verb in "send ./$1 x" "recv -e ./$1" "create -E ./$1" "rm ./$1" \
		"cat -i ./$1" "sem value ./$1" "sem wait ./$1"; do
		# shellcheck disable=SC2086
		fails 76 mmsock-$verb
		like "$stderr" "$2"
	done
	fails 73 mmsock-create "./$1"
	shows "./$1" STATE foreign-layout
	cmp "$1" before
}

@test "a port of a later version is refused by name of both versions" {
	golden messages sem
	poke messages 8 '\2\0\0\0'
	foreign messages "layout version 2.* knows version 1( |$)"
	# Of all the rest it may have another idea.
	head -c 4080 /dev/urandom | dd of=messages bs=1 seek=16 conv=notrunc \
		status=none
	foreign messages "layout version 2.* knows version 1( |$)"
	poke sem 8 '\0\0\1\0'
	foreign sem "layout version 65536.* knows version 1( |$)"
	silent mmsock-rm -f ./messages ./sem
	[ ! -e messages ] && [ ! -e sem ]
}

@test "a port of another byte order is refused by name of both orders" {
	golden messages
	# As a machine of the other order would have written it.
	perl -0777 -pe 'my ($head, $rest) = unpack "a120 a*", $_;
		$_ = pack("Q>L>8Q>10", unpack "Q<L<8Q<10", $head) . $rest' \
		messages >other
	foreign other "byte order is 04030201.*machine's is 01020304( |$)"
	cp other messages
	silent mmsock-rm -f ./messages
}

@test "a type of a later version is refused by its number" {
	local number check
	golden messages
	for number in 6 7; do
		poke messages 16 "\\$number"
		check=$(perl -e 'use integer; read STDIN, $_, 112;
			my $h = 0xcbf29ce484222325;
			$h = ($h ^ $_) * 0x100000001b3 for unpack "C*";
			print join "", map sprintf("\\%o", $_),
				unpack "C8", pack "q<", $h' <messages)
		poke messages 112 "$check"
		fails 76 mmsock-recv -e ./messages
		like "$stderr" "type $number "
		fails 76 mmsock-rm ./messages
	done
}
