# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154
#
# (PID and FEED are for the tests; output, stderr and lines come from bats.)
#
# helpers.bash - what every bats file here loads
#
# Each test gets a port directory of its own, on tmpfs where there is one, and
# loses every process that it left behind.  No test sleeps for a guessed time:
# what it waits for is an event (--ready-fd, --wait-peer, the end of a process)
# or a condition that wait_until() asks for until it holds, for a bounded time.

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
PATH=${MMSOCK_BIN:-$ROOT/build/bin}:$PATH
PARTNER=${MMSOCK_BIN:-$ROOT/build/bin}/../tests/abi/partner
export ROOT PATH PARTNER LC_ALL=C
export BATS_TEST_TIMEOUT=60
TOOLS="bench call cat create ls recv rm sem send serve"

setup() {
	SHM=$(mktemp -d /dev/shm/mmsock-bats.XXXXXX 2>/dev/null || mktemp -d)
	export SHM MMSOCK_DIR=$SHM/ports
	unset MMSOCK_TIMEOUT MMSOCK_SPIN MMSOCK_PORT NO_COLOR
	cd "$BATS_TEST_TMPDIR" || return
	mkfifo never
	exec {NEVER}<>never {FEED}</dev/null
	FIFOS=0
	BATS_JOBS=$(job_numbers)
}

teardown() {
	kill_leftovers
	# Again if one of them made a file while it was dying.
	wait_until rm -rf "$SHM"
}

# Every program that the test started has SHM in its environment; a subshell
# is a job.  Bats has a job of its own, which must be left alone.
kill_leftovers() {
	local job pid

	for job in $(job_numbers); do
		[[ " $BATS_JOBS " != *" $job "* ]] || continue
		pid=$(jobs -p "%$job")
		# What is no job any more dies without a word from the shell.
		disown "%$job"
		kill -KILL "$pid"
	done 2>/dev/null
	grep -lzFx "SHM=$SHM" /proc/[0-9]*/environ 2>/dev/null |
		while IFS=/ read -r _ _ pid _; do
			kill -KILL "$pid" 2>/dev/null || true
		done
}

# t CMD ARG... - run it, but kill it (137) when it hangs
t() {
	timeout -s KILL "${LIMIT:-20}" "$@" 3>&-
}

# is ACTUAL EXPECTED
is() {
	[[ $1 == "$2" ]] && return
	printf 'got:      %q\nexpected: %q\n' "$1" "$2" >&2
	return 1
}

# like ACTUAL REGEX
like() {
	[[ $1 =~ $2 ]] && return
	printf 'got:      %q\nno match: %s\n' "$1" "$2" >&2
	return 1
}

# unlike ACTUAL REGEX
unlike() {
	[[ $1 =~ $2 ]] || return 0
	printf 'got:      %q\nmatches:  %s\n' "$1" "$2" >&2
	return 1
}

# one_of ACTUAL VALUE...
one_of() {
	local actual=$1 value

	shift
	for value; do
		[[ $actual != "$value" ]] || return 0
	done
	printf 'got:      %q\nnone of:  %s\n' "$actual" "$*" >&2
	return 1
}

# says TOOL - the last run's stderr has the form of an error
says() {
	like "${stderr_lines[0]-}" "^$1: [^ ].*: .*[^. ]$"
}

# fails STATUS TOOL ARG... - it does, prints no data and says why
fails() {
	local status_wanted=$1

	shift
	run --separate-stderr "-$status_wanted" t "$@" </dev/null
	is "$output" ""
	says "$1"
}

# misused TOOL ARG... - a wrong option: one line and a pointer to the help
misused() {
	run --separate-stderr -64 t "$@" </dev/null
	is "$output" ""
	is "${#stderr_lines[@]}" 2
	like "${stderr_lines[0]}" "^$1: .*[^.]$"
	like "${stderr_lines[1]}" "^Try '$1 --help'"
}

# refused TOOL ARG... - wrong usage of any kind: 64, no data, a reason
refused() {
	run --separate-stderr -64 t "$@" </dev/null
	is "$output" ""
	like "${stderr_lines[0]-}" "^$1: .*[^.]$"
}

# silent CMD ARG... - succeeds and prints nothing at all
silent() {
	run --separate-stderr -0 t "$@"
	is "$output" ""
	is "$stderr" ""
}

pause() {
	read -r -t 0.01 -u "$NEVER" _ || true
}

# wait_until CMD ARG... - until it succeeds, at most WAIT (10) seconds
wait_until() {
	local end=$((SECONDS + ${WAIT:-10}))

	until "$@" >/dev/null 2>&1; do
		if ((SECONDS > end)); then
			echo "never became true: $*" >&2
			return 1
		fi
		pause
	done
}

# field PORT COLUMN - one value of mmsock-ls, as a plain number where it is one
field() {
	local value

	value=$(mmsock-ls -b -r --noheadings -o "$2" "$1" 3>&-) || return
	echo "${value//[[:space:]]/}"
}

# has PORT COLUMN VALUE
has() {
	[[ $(field "$1" "$2") == "$3" ]]
}

# shows PORT COLUMN VALUE - as has, but says what is wrong
shows() {
	is "$(field "$1" "$2")" "$3"
}

# comes PORT COLUMN VALUE - wait until it is so
comes() {
	wait_until has "$@"
}

# nobody_attached PORT
nobody_attached() {
	shows "$1" WR 0
	shows "$1" RD 0
}

# asleep OBJECT PORT - somebody sleeps, waiting for that
asleep() {
	mmsock-ls -v -r --noheadings -o ACTIVITY "$2" 3>&- |
		grep -qx "asleep:$1"
}

# full PORT - a sender sleeps because nothing more fits
full() {
	asleep space "$1"
}

# ready TOOL ARG... - start it in the background, return once it is attached;
# its pid is in PID; redirect the call to redirect the tool
ready() {
	local tool=$1 fifo

	shift
	fifo=$BATS_TEST_TMPDIR/ready.$((++FIFOS))
	mkfifo "$fifo"
	env --default-signal=INT,QUIT "$tool" --ready-fd=9 "$@" \
		<&0 9>"$fifo" 3>&- {FEED}>&- &
	PID=$!
	read -r -t 20 _ <"$fifo"
}

# said_ready CMD ARG... - start it in the background, return once it has printed a
# line; its pid is in PID
said_ready() {
	local fifo

	fifo=$BATS_TEST_TMPDIR/said.$((++FIFOS))
	mkfifo "$fifo"
	"$@" <&0 >"$fifo" 3>&- {FEED}>&- &
	PID=$!
	read -r -t 20 _ <"$fifo"
}

# start CMD ARG... - in the background; its pid is in PID
start() {
	env --default-signal=INT,QUIT "$@" <&0 3>&- {FEED}>&- &
	PID=$!
}

# open_feed - make a pipe named feed that feed() writes to
open_feed() {
	mkfifo feed
	exec {FEED}<>feed
}

# idle_sender PORT - a sender that is attached and sends what feed() gives it
idle_sender() {
	open_feed
	ready mmsock-send "$1" <feed
}

feed() {
	printf '%s\n' "$@" >&"$FEED"
}

# taken - wait until all that was fed has been read
taken() {
	wait_until nothing_pending
}

nothing_pending() {
	perl -e 'my $n = "\0" x 4; ioctl STDIN, 0x541b, $n or die;
		exit unpack("i", $n) != 0' <&"$FEED"
}

# fed - the idle sender's input ends
fed() {
	exec {FEED}>&-
}

gone() {
	[[ ! -e /proc/$1 ]] || grep -q '^State:.*Z' "/proc/$1/status"
}

# killed PID... - and nothing is left of them
killed() {
	local pid

	kill -KILL "$@"
	for pid; do
		wait_until gone "$pid"
	done
}

# ends STATUS PID - the process does, soon, and with that status
ends() {
	local got=0

	wait_until gone "$2"
	wait "$2" || got=$?
	is "$got" "$1"
}

# all_done - every job of the test has ended (bats has one of its own, so a
# plain wait would wait for the time-out of the test)
all_done() {
	local job

	for job in $(job_numbers); do
		[[ " $BATS_JOBS " == *" $job "* ]] || wait "%$job" || true
	done 2>/dev/null
}

job_numbers() {
	jobs | sed -n 's/^\[\([0-9]*\)\].*/\1/p'
}

# drained PORT - what the port holds, as lines
drained() {
	t mmsock-recv -e "$1"
}

# records COUNT MOST - that many lp32be records of random bytes and lengths
records() {
	perl -e 'open my $r, "<", "/dev/urandom" or die; binmode STDOUT;
		for (1 .. $ARGV[0]) {
			my $n = int rand($ARGV[1] + 1);
			$n = 0 if rand() < 0.05;
			read $r, my $b, $n;
			print pack("N", $n), $n ? $b : "";
		}' "$1" "$2"
}

# poke FILE OFFSET BYTES - overwrite a part of a file; BYTES as for printf
poke() {
	# shellcheck disable=SC2059
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# once FILE... - all their lines are there, none twice, none torn; the lines
# are "sender:number" with numbers from 1 to COUNT, of SENDERS senders
once() {
	local senders=$1 count=$2

	shift 2
	cat "$@" | sort | diff -q - <(
		for ((i = 1; i <= senders; i++)); do
			seq -f "$i:%.0f" "$count"
		done | sort
	)
}

# in_order FILE... - in each, the numbers of each sender rise
in_order() {
	awk -F: 'FNR == 1 { delete last }
		$2 <= last[$1] { print FILENAME ": " $0; bad = 1 }
		{ last[$1] = $2 + 0 }
		END { exit bad }' "$@"
}

as_root() {
	((EUID == 0)) || skip "only root can do this"
}

# nobody CMD ARG... - run it as the user nobody
nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@" 3>&-
}

needs_nobody() {
	as_root
	nobody mmsock-ls --version >/dev/null 2>&1 ||
		skip "the tools cannot be run by the user nobody"
}

# options_tested TOOL - each long option in its help is used in this file
# (but for those of help_and_version)
options_tested() {
	local option missing=

	for option in $(t "$1" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u); do
		[[ $option != --help && $option != --version ]] || continue
		grep -Eq -- "$option([^a-z-]|$)" "$BATS_TEST_FILENAME" ||
			missing+=" $option"
	done
	is "$missing" ""
}

# help_and_version TOOL
help_and_version() {
	local option version

	version=$(sed -n 's/^#define MMSOCK_VERSION "\(.*\)"/\1/p' \
		"$ROOT/include/mmsock.h")
	for option in -h --help; do
		run --separate-stderr -0 t "$1" "$option"
		like "$output" "$1 .*PORT|$1 .*PATTERN|$1 .*MODE"
		is "$stderr" ""
	done
	for option in -V --version; do
		run --separate-stderr -0 t "$1" "$option"
		like "$output" "$version"
		is "${#lines[@]}" 1
		is "$stderr" ""
	done
	run -74 bash -c "$1 --help >/dev/full"
	run -74 bash -c "$1 --version >/dev/full"
}
