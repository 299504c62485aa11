#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Framings: what goes in comes out, byte by byte

# shellcheck disable=SC1003,SC2154
load helpers

# moved OPTION... - port a goes through a stream of that framing into port b
moved() {
	t mmsock-recv -e "$@" a | t mmsock-send "$@" b
	is "${PIPESTATUS[*]}" "0 0"
}

# same - port b holds what is in the file whole
same() {
	t mmsock-recv -e -F lp32be b | cmp - whole
}

# fill - the file whole goes to port a
fill() {
	t mmsock-send -F lp32be a <whole
}

# split_records SEPARATOR - standard input, cut there, as lp32be records
split_records() {
	perl -0777 -e 'my $s = eval "\"$ARGV[0]\""; print pack("N", length), $_
		for split /\Q$s\E/, <STDIN>' "$1"
}

@test "random binary records survive lp32be and lp32le byte by byte" {
	local framing
	mmsock-create -b 4M a b
	records 1000 3000 >whole
	for framing in lp32be lp32le; do
		fill
		shows a MSGS 1000
		moved -F "$framing"
		same
	done
}

@test "random bytes without NUL survive -0" {
	mmsock-create -b 4M a b
	head -c 1000000 /dev/urandom | perl -0pe 's/\0{3,}/\0/g' |
		split_records '\0' >whole
	fill
	moved -0
	same
}

@test "random bytes without newlines survive lines" {
	mmsock-create -b 4M a b
	head -c 1000000 /dev/urandom | split_records '\n' >whole
	fill
	moved -l
	same
}

@test "random bytes without the delimiter survive -d" {
	local delimiter
	mmsock-create -b 4M a b
	for delimiter in '\r\n' '\xff' '\0' 'ab' '\x00\x00'; do
		{
			head -c 300000 /dev/urandom
			printf 'ab\r\na\r\r\nb\377\377\0\0\0aab'
		} | split_records "$delimiter" >whole
		fill
		moved -d "$delimiter"
		same
	done
}

@test "random bytes of any size survive raw" {
	local size
	mmsock-create -b 4M a b
	for size in 1 7 8 4095 4096 4097 65535 65536 65537 1000000; do
		head -c "$size" /dev/urandom >in
		t mmsock-send -r a <in
		moved -r
		t mmsock-recv -e -r b | cmp - in
	done
}

@test "slurp makes one message of any bytes, also of none" {
	local size
	mmsock-create -b 4M a b
	for size in 0 1 8 65536 65537 2000000; do
		head -c "$size" /dev/urandom >in
		t mmsock-send -s a <in
		shows a MSGS 1
		t mmsock-recv -e -s a | t mmsock-send -s b
		shows b MSGS 1
		t mmsock-recv -e -r b | cmp - in
	done
}

@test "slurp reads a slow pipe to its end" {
	mmsock-create p
	open_feed
	start mmsock-send -s p <feed
	feed a
	taken
	feed b
	fed
	ends 0 "$PID"
	shows p MSGS 1
	is "$(drained p)" $'a\nb'
}

@test "a delimiter that is split across reads is found" {
	local piece
	mmsock-create p
	open_feed
	ready mmsock-send -d END p <feed
	for piece in a E N Db EN EN D END EEN D xE; do
		printf %s "$piece" >feed
		taken
	done
	fed
	ends 0 "$PID"
	is "$(t mmsock-recv -e -F lp32be p | perl -0777 -ne \
		'print join ",", unpack("(N/a)*", $_)')" a,bEN,,E,xE
}

@test "a record that is split across reads stays one record" {
	local framing
	mmsock-create p
	for framing in lp32be lp32le line null; do
		mmsock-send p 'first record' '' 'second'
		t mmsock-recv -e -F "$framing" p >in
		perl -e '$| = 1; print while read STDIN, $_, 1' <in |
			t mmsock-send -F "$framing" p
		is "$(drained p)" $'first record\n\nsecond'
	done
}

@test "a stream that ends inside a frame is told at every place" {
	local length status
	mmsock-create p
	printf '\0\0\0\2ab\0\0\0\0\0\0\0\3cde' >whole
	for ((length = 0; length <= 17; length++)); do
		status=0
		head -c "$length" whole | t mmsock-send -F lp32be p 2>err ||
			status=$?
		case $length in
		0 | 6 | 10 | 17) is "$status" 0 ;;
		*)
			is "$status" 65
			like "$(cat err)" "^mmsock-send: .*: .*(byte|offset)"
			;;
		esac
		t mmsock-recv -e -F lp32be p >got
		head -c "$(stat -c %s got)" whole | cmp - got
	done
}

@test "offset and record number of a bad frame count the whole stream" {
	mmsock-create --max-message=1000 -b 1M p
	{
		perl -e 'print pack("N/a", "x" x 996) x 1000'
		printf '\0\0\3\351'
	} >in
	run --separate-stderr -65 t mmsock-send -F lp32be p <in
	like "$stderr" "(byte|offset) 1000000"
	like "$stderr" "record 1001"
	shows p SENT 1000
}

@test "an error after many messages says how many went in" {
	mmsock-create --max-message=10 p
	run --separate-stderr -65 t mmsock-send p < <(
		seq 100
		echo 12345678901
	)
	like "$stderr" "(^|[^0-9])100 messages"
	like "$stderr" "(byte|offset) 292"
	like "$stderr" "record 101"
	cmp <(drained p) <(seq 100)
}

@test "empty messages and lines of every length come through" {
	local length
	mmsock-create -b 4M p
	for ((length = 0; length < 300; length++)); do
		printf '%*s\n' "$length" ''
	done >in
	t mmsock-send p <in
	shows p MSGS 300
	drained p | cmp - in
}

@test "framings may differ on both ends" {
	mmsock-create p
	printf 'a\0b\nc\0' | t mmsock-send -0 p
	t mmsock-recv -F lp32le p >out
	printf '\1\0\0\0a\3\0\0\0b\nc' | cmp - out
	printf 'a\nb' | t mmsock-send p
	t mmsock-recv -d '\r\n' p >out
	printf 'a\r\nb\r\n' | cmp - out
}

@test "the first of contradicting framings does not win silently" {
	mmsock-create p
	printf 'a\0b\0' | t mmsock-send -l -0 p
	shows p MSGS 2
}

@test "the help lists every framing" {
	local tool framing
	for tool in send recv; do
		run -0 t mmsock-$tool --help
		for framing in line null raw slurp lp32be lp32le; do
			like "$output" "$framing"
		done
	done
}

@test "an unknown framing is refused by name" {
	mmsock-create p
	misused mmsock-recv -F yaml p
	like "$stderr" "'yaml'"
}
