#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The tools together, and with the tools that every system has

# shellcheck disable=SC2154
load helpers

@test "create, seq, send, recv" {
	mmsock-create demo
	seq 3 | mmsock-send demo
	run -0 t mmsock-recv -e demo
	is "$output" $'1\n2\n3'
}

@test "a million lines through a port are the same million lines" {
	mmsock-create p
	seq 1000000 >in
	start mmsock-send p <in
	mmsock-recv p | cmp - in
	ends 0 "$PID"
	nobody_attached p
	shows p SENT 1000000
	shows p RECVD 1000000
	shows p USED 0
}

@test "a million lines through the smallest port are the same, too" {
	mmsock-create -b 4K p
	seq 1000000 >in
	start mmsock-send p <in
	mmsock-recv p | cmp - in
	ends 0 "$PID"
}

@test "two senders and three receivers: every line exactly once" {
	local i pids=()
	mmsock-create p
	for i in 1 2; do
		seq -f "$i:%.0f" 500000 >"in$i"
		ready mmsock-send --wait-peer=3 p <"in$i"
		pids+=("$PID")
	done
	for i in 1 2 3; do
		ready mmsock-recv p >"out$i"
		pids+=("$PID")
	done
	for i in "${pids[@]}"; do
		WAIT=30 ends 0 "$i"
	done
	once 2 500000 out1 out2 out3
	in_order out1 out2 out3
	shows p RECVD 1000000
}

@test "tail a log into a port and count errors at the other end" {
	mmsock-create log
	seq 1000 | sed '/7$/s/^/ERROR /' >app.log
	tail -n 100 app.log | mmsock-send log 3>&- &
	is "$(t mmsock-recv log | grep -c ERROR)" 10
}

@test "a relay keeps messages apart, also through a file" {
	mmsock-create a b c
	records 300 2000 >saved
	t mmsock-send -F lp32be a <saved
	t mmsock-recv -F lp32be a | t mmsock-send -F lp32be b
	shows b MSGS 300
	t mmsock-recv -F lp32be b >copy
	cmp copy saved
	t mmsock-send -F lp32le c < <(t mmsock-send -F lp32be a <copy
		t mmsock-recv -F lp32le a)
	t mmsock-recv -F lp32be c | cmp - saved
}

@test "a work queue with xargs and gzip: each job once" {
	local i
	mmsock-create jobs
	mkdir -p logs/deep
	for i in {1..30}; do
		echo "log $i" >"logs/file $i.log"
		echo "deep $i" >"logs/deep/$i"$'\n'"odd.log"
	done
	for i in 1 2 3; do
		mmsock-recv -0 jobs 3>&- | xargs -0 -r -n1 gzip -k 3>&- &
	done
	find logs -name '*.log' -print0 |
		t mmsock-send -0 --wait-peer=3 jobs
	all_done
	is "$(find logs -name '*.gz' | grep -c 'gz$')" 60
	is "$(find logs -name '*.gz' -print0 | xargs -0 gzip -dc | sort | md5sum)" \
		"$(find logs -name '*.log' -print0 | xargs -0 cat | sort | md5sum)"
}

@test "a work queue where each worker takes one job at a time" {
	local i
	mmsock-create jobs
	seq 100 | mmsock-send jobs
	for i in 1 2 3; do
		while job=$(mmsock-recv -n -c 1 jobs 2>/dev/null 3>&-); do
			echo "$job"
		done >"done$i" 3>&- &
	done
	all_done
	sort -n done1 done2 done3 | cmp - <(seq 100)
}

@test "a file goes through as one message" {
	mmsock-create blob
	head -c 400000 /dev/urandom >image.png
	mmsock-send -s blob <image.png
	shows blob MSGS 1
	mmsock-recv -r -c1 blob | cmp - image.png
}

@test "waiting for an answer with a limit" {
	mmsock-create ready
	answer=$(mmsock-recv -q -c1 -w 0.2 ready ||
		{ [ $? -eq 124 ] && echo "no answer in 0.2 s"; })
	is "$answer" "no answer in 0.2 s"
	mmsock-send ready go
	is "$(mmsock-recv -c1 -w 20 ready)" go
}

@test "large records and back with the same checksum" {
	mmsock-create -b 8M p
	records 400 1000000 >in
	start mmsock-send -F lp32be p <in
	is "$(t mmsock-recv -F lp32be p | md5sum)" "$(md5sum <in)"
	ends 0 "$PID"
}

@test "a port in a file keeps its messages from process to process" {
	mmsock-create ./outbox
	seq 1000 | mmsock-send ./outbox
	sync ./outbox
	shows ./outbox MSGS 1000
	run -0 t mmsock-recv -c 10 ./outbox
	is "$output" "$(seq 10)"
	mmsock-send ./outbox more
	t mmsock-recv ./outbox >out
	cmp out <(seq 11 1000; echo more)
	shows ./outbox STATE ok
}

@test "a port in a file can be moved and copied while nobody uses it" {
	mmsock-create ./outbox
	seq 1000 | mmsock-send ./outbox
	cp outbox copy
	mv outbox moved
	t mmsock-recv -e ./moved | cmp - <(seq 1000)
	t mmsock-recv -e ./copy | cmp - <(seq 1000)
}

@test "a port in a file on disk works across a sender and a receiver at once" {
	local dir
	dir=$(mktemp -d "${BATS_RUN_TMPDIR:-/var/tmp}/disk.XXXXXX")
	mmsock-create -b 64K "$dir/p"
	seq 100000 >in
	start mmsock-send "$dir/p" <in
	t mmsock-recv "$dir/p" | cmp - in
	ends 0 "$PID"
	rm -r "$dir"
}

@test "ping and pong between two shells" {
	local i
	mmsock-create ping pong
	mmsock-recv -u -k ping 3>&- |
		while read -r line; do
			echo "re $line"
		done 3>&- | mmsock-send pong 3>&- &
	for i in 1 2 3; do
		mmsock-send ping "$i"
		is "$(t mmsock-recv -c 1 pong)" "re $i"
	done
}

@test "tee fans a stream out to two ports" {
	mmsock-create a b
	seq 1000 | tee >(mmsock-send a 3>&-) | mmsock-send b
	t mmsock-recv -c 1000 a | cmp - <(seq 1000)
	t mmsock-recv -c 1000 b | cmp - <(seq 1000)
}

@test "while read sends each line by a process of its own" {
	mmsock-create p
	seq 20 | while read -r x; do
		mmsock-send p "line $x"
	done
	is "$(drained p | wc -l)" 20
	mmsock-send p end
	is "$(drained p)" end
}

@test "ls as input for a script" {
	mmsock-create -b 64K a b
	seq 5 | mmsock-send a
	total=$(mmsock-ls --noheadings -r -o MSGS |
		awk '{ n += $1 } END { print n }')
	is "$total" 5
	mmsock-ls --noheadings -r -o NAME | xargs mmsock-rm
	is "$(mmsock-ls --noheadings)" ""
}

@test "a calculator: bc serves, two at a time" {
	command -v bc >/dev/null || skip "no bc"
	mmsock-create -t rpc calc
	ready mmsock-serve -j2 calc -- bc -l
	is "$(echo '6*7' | mmsock-call -w 18 calc)" 42
	is "$(seq 10 | xargs -I{} -P 4 sh -c 'echo "{}*2" |
		mmsock-call -w 18 calc' | sort -n | tr '\n' ' ')" \
		"2 4 6 8 10 12 14 16 18 20 "
}

@test "letters made large by a sed that lasts" {
	mmsock-create -t rpc upper
	mmsock-serve --persistent upper -- sed -u 's/.*/\U&/' 3>&- &
	is "$(t mmsock-call -w 18 --wait-peer upper hello)" HELLO
	seq -f 'line %.0f' 500 >in
	t mmsock-call -w 18 -l --inflight=8 upper <in >out
	tr '[:lower:]' '[:upper:]' <in | cmp - out
}

@test "a service behind a socket" {
	mmsock-create -t rpc upper
	ready mmsock-serve upper -- tr a-z A-Z
	start socat UNIX-LISTEN:upper.sock,fork EXEC:'mmsock-call -w 18 upper'
	wait_until test -S upper.sock
	is "$(echo hello | t socat -t 20 - UNIX-CONNECT:upper.sock)" HELLO
	is "$(echo again | t socat -t 20 - UNIX-CONNECT:upper.sock)" AGAIN
}

@test "requests as jobs: what is called is run at most once" {
	local i
	mmsock-create -t rpc job
	for i in 1 2; do
		ready mmsock-serve -j 2 job -- sh -c 'cat >>"ran.$$"; echo ok'
	done
	seq 200 | xargs -n 1 -P 8 sh -c 'echo "$1" | mmsock-call -w 18 job' - \
		>out
	is "$(sort -u out)" ok
	cat ran.* | sort -n | cmp - <(seq 200)
}
