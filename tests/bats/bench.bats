#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-bench: what it measures, how it ends, what it refuses.  How its reports
# look is in bench_output.bats.  No figure decides a test but those that cannot
# be otherwise: a delay that was put in must be in the latencies.

# shellcheck disable=SC2154
load helpers

# quick ARG... - one short run of each, as JSON
quick() {
	t mmsock-bench -q -J --runs=1 --warmup=0 "$@"
}

# all FILTER FILE - the jq filter is true of each result that was measured
all() {
	is "$(jq "[.results[] | select(.runs != []) | $1] | all" "$2")" true
}

# names FILTER FILE - the transports of the results for which it is true
names() {
	jq -r "[.results[] | select($1) | .transport] | unique | join(\" \")" \
		"$2"
}

# built TRANSPORT - it was not left out when mmsock-bench was built
built() {
	! mmsock-bench --help | grep -q "^  $1 .*not built in"
}

# two_cpus - the first two that we may use, as for --cpus
two_cpus() {
	(($(nproc) > 1)) || skip "there is one CPU"
}

# scratch PID - the directory that a running benchmark of a port has
scratch() {
	local child

	for child in $(pgrep -P "$1"); do
		grep -om1 '/[^ ]*/mmsock-bench\.[^/]*' "/proc/$child/maps" &&
			return
	done 2>/dev/null
	return 1
}

# posix_semaphore PID - a running benchmark has one
posix_semaphore() {
	local child

	for child in $(pgrep -P "$1"); do
		grep -q '/dev/shm/sem\.' "/proc/$child/maps" && return
	done 2>/dev/null
	return 1
}

# running_children PID - those that have not ended
running_children() {
	pgrep -r R,S,D -P "$1"
}

no_process() {
	local pid

	for pid; do
		gone "$pid" || return
	done
}

@test "help and version go to stdout with status 0" {
	help_and_version mmsock-bench
}

@test "each option in --help is tested here" {
	options_tested mmsock-bench
}

@test "round trips through each transport: as many as were asked for" {
	local name expected="fifo line mqueue pipe port seqpacket tcp unix"
	quick latency -c 50 >out
	for name in zmq nng; do
		! built "$name" || expected+=" $name"
	done
	all '.messages == 50 and .latency_ns.n == 50' out
	all '.runs[0].bytes == 50 * (if .transport == "line" then 8
		else 64 end)' out
	all '.latency_ns | .min <= .p50 and .p50 <= .p99 and .p99 <= .max' out
	for name in $expected; do
		[[ " $(names true out) " == *" $name "* ]]
	done
	is "$(names '.runs == [] and .missing == null' out)" ""
}

@test "a stream through each transport: all messages, all bytes, none twice" {
	quick throughput -c 3000 --sizes=8,100,5000 >out
	all '.messages == 3000 and .runs[0].bytes == 3000 * .size' out
	all '.runs[0].least_messages == 3000' out
	all '.seconds > 0 and .msgs_per_s > 0' out
	is "$(jq -c '[.results[].size] | unique' out)" "[8,100,5000]"
	like "$(names 'true' out)" "pipe-buffered"
	is "$(names '.transport == "line"' out)" ""
	is "$(names '.batch == 128 and .size == 8' out)" "fifo pipe port tcp unix"
}

@test "sizes that do not divide a buffer, and large ones" {
	quick throughput -c 100 -S 23,24,25,65535,65537,400K >out
	all '.messages == 100 and .runs[0].bytes == 100 * .size' out
	quick latency -c 3 -S 65537,400K >out
	all '.messages == 3' out
}

@test "--batch: so many messages a call, the last call with what is left" {
	quick throughput --batch=1,7,1000 -c 2003 --transport=port,pipe,tcp >out
	is "$(jq -c '[.results[].batch] | unique' out)" "[1,7,1000]"
	is "$(jq '.results | length' out)" 9
	all '.messages == 2003 and .runs[0].bytes == 2003 * 64' out
}

@test "several producers and consumers: nothing lost, shares add up" {
	quick throughput --producers=3 --consumers=2 -c 1000 \
		--transport=port,pipe,seqpacket >out
	all '.messages == 1000 and .producers == 3 and .consumers == 2' out
	all '.runs[0] | .least_messages + .most_messages == 1000' out
}

@test "fanout: one producer to N consumers, then N to N" {
	quick fanout -C 3 -c 900 >out
	is "$(jq -c '[.results[] | [.producers, .consumers]] | unique' out)" \
		"[[1,3],[3,3]]"
	all '.messages == 900' out
	all '.runs[0] | .least_messages <= 300 and .most_messages >= 300' out
	is "$(names '.missing == "one producer and one consumer only"' out)" \
		"pipe-buffered tcp unix"
	quick fanout -P 4 -C 2 -c 100 --transport=port >out
	is "$(jq -c '[.results[] | [.producers, .consumers]] | unique' out)" \
		"[[1,2],[4,2]]"
}

@test "eight and eight" {
	quick throughput -P 8 -C 8 -c 4000 --transport=port,pipe >out
	all '.messages == 4000' out
}

@test "fewer messages than producers" {
	quick throughput -P 5 -C 3 -c 2 --transport=port,mqueue >out
	all '.messages == 2' out
}

@test "a run ends by time, and the warm-up is not counted" {
	t mmsock-bench -q -J --runs=1 -D 30ms --warmup=30ms \
		--transport=port,pipe latency throughput >out
	all '.messages > 0 and .seconds > 0' out
	t mmsock-bench -q -J --runs=1 -c 10 --duration=1h --warmup=5ms \
		--transport=port,mqueue latency throughput >out
	all '.messages == 10' out
}

@test "--runs: every transport once in each round" {
	quick latency --runs=3 -c 5 --transport=port,pipe,unix >out
	all '[.runs[].round] == [0, 1, 2]' out
	is "$(jq '.config.rounds_done' out)" 3
}

@test "--delay: a delay that was put in is in every latency" {
	quick latency --delay=2ms -c 20 --transport=port,pipe,line,mqueue >out
	all '.latency_ns.min >= 2000000 and .latency_ns.p50 >= 2000000' out
	quick throughput --delay=1ms -c 20 --transport=port,pipe -B 1 >out
	all '.seconds >= 0.019' out
}

@test "--rate: who is held up pays for all that was due meanwhile" {
	# One message each 1 ms, and 5 ms each: number n is 4 n ms late at least.
	quick latency --rate=1000 --delay=5ms -c 50 --transport=port,pipe >out
	all '.rate == 1000 and .messages == 50' out
	all '.latency_ns.max >= 196000000 and .latency_ns.p50 >= 92000000' out
	# Round trips see the delay only, whoever would have waited.
	quick latency --delay=5ms -c 10 --transport=port >out
	all '.latency_ns.min >= 5000000' out
}

@test "--rate: a time that is too short for the rate ends all the same" {
	run --separate-stderr -0 t mmsock-bench -J --runs=1 --warmup=0 latency \
		-R 10000000 -D 20ms --transport=mqueue
	like "$stderr" "did not keep the rate"
	is "$(jq '.results[0].messages > 0' <<<"$output")" true
}

@test "--rate leaves out what holds one message at a time" {
	quick latency -R 1000 -c 3 >out
	is "$(names '.transport == "line"' out)" ""
	like "$(names true out)" "pipe port seqpacket"
	refused mmsock-bench latency -R 1000 --transport=line
}

@test "--intrinsic: the gaps of the CPU without a transport" {
	quick latency --intrinsic=5ms -c 5 --transport=port >out
	is "$(jq -c '[.results[].transport] | sort' out)" '["intrinsic","port"]'
	all '.latency_ns.n > 0' out
	all '.transport == "port" or .runs[0].seconds >= 0.005' out
}

@test "--cpus: both on one, swapped, or none" {
	local first second
	quick latency -c 20 --transport=port,line,pipe -a 0,0 >out
	all '.messages == 20' out
	is "$(jq -c '[.config.producer_cpu, .config.consumer_cpu]' out)" "[0,0]"
	run --separate-stderr -0 t mmsock-bench latency --cpus=none -c 5 \
		--runs=1 --transport=port
	like "$stderr" "not bound"
	two_cpus
	read -r first second < <(taskset -cp $$ | perl -ne 's/.*: //;
		print join " ", map { /(\d+)-(\d+)/ ? $1..$2 : $_ } split /,/')
	quick latency -c 5 --transport=port -a "$second,$first" >out
	is "$(jq '.config.producer_cpu' out)" "$second"
}

@test "--cpus: what does not exist or is not ours is refused" {
	refused mmsock-bench -a 0,9999
	like "$stderr" "no CPU 9999"
	refused mmsock-bench -a 0
	refused mmsock-bench -a 0,0,0
	refused mmsock-bench -a one,two
	two_cpus
	run --separate-stderr -64 t taskset -c 0 mmsock-bench -a 0,1
	like "$stderr" "may not use CPU 1"
}

@test "--spin and --ring are the port's" {
	quick latency --spin=0 -c 20 --transport=port >out
	is "$(jq '.config.spin_ns' out)" 0
	all '.messages == 20' out
	quick throughput --ring=4K -c 500 -S 64,2000 --transport=port >out
	all '.messages == 500' out
	refused mmsock-bench --ring=4K -S 4K --transport=port
	like "$stderr" "half as large as the ring"
}

@test "--transport: only these; what is not there is refused by name" {
	local name
	quick latency -c 5 --transport=pipe,line-shared >out
	is "$(names true out)" "line-shared pipe"
	refused mmsock-bench --transport=carrier-pigeon
	like "$stderr" "no transport 'carrier-pigeon'; there are: port line "
	refused mmsock-bench --transport=
	refused mmsock-bench latency --transport=pipe-buffered
	refused mmsock-bench fanout --transport=unix
	refused mmsock-bench latency --transport=nc
	refused mmsock-bench pipeline --transport=unix
	for name in zmq nng; do
		if built "$name"; then
			quick latency throughput -c 5 --transport="$name" >out
			all '.messages == 5' out
		else
			refused mmsock-bench --transport="$name"
			like "$stderr" "not built in"
		fi
	done
}

@test "semaphores: round trips with a word beside, on two CPUs and on one" {
	local cpus
	for cpus in none 0,0; do
		quick latency -c 50 -a "$cpus" \
			--transport=sem,posix-sem,spin-sem >out
		all '.messages == 50 and .latency_ns.n == 50' out
		all '.runs[0].bytes == 400' out
		is "$(names true out)" "posix-sem sem spin-sem"
	done
	quick latency -c 5 >out
	is "$(names '.transport | endswith("sem")' out)" ""
	refused mmsock-bench throughput --transport=sem
	refused mmsock-bench latency -R 10 --transport=posix-sem
	refused mmsock-bench latency --transport=sem-owned
}

@test "uncontended: so many pairs in one process, a thousand at a time" {
	quick uncontended -c 2500 --export-hgrm=r.hgrm --plot=r.svg >out
	is "$(names true out)" "posix-sem sem sem-owned"
	all '.mode == "uncontended" and .size == 0 and .consumers == 0' out
	all '.messages == 2500 and .runs[0].messages == 2500' out
	all '.latency_ns.n == 3 and .latency_ns.min > 0' out
	all '.msgs_per_s > 0 and .runs[0].placement == "unknown"' out
	is "$(grep -c '^# uncontended ' r.hgrm)" 3
	run -0 t mmsock-bench --compare out out
	like "$output" "uncontended .* sem-owned .* same"
	quick uncontended latency -D 2ms --transport=sem >out
	is "$(jq -c '[.results[].mode]' out)" '["latency","uncontended"]'
	run --separate-stderr -0 t mmsock-bench -q uncontended -c 1 --runs=1
	like "$output" "uncontended wait and post in one process, one run"
	unlike "$output" "BYTES"
	refused mmsock-bench uncontended --transport=port
	refused mmsock-bench uncontended --transport=spin-sem
}

@test "rpc: all calls of all clients, through each transport" {
	local name expected=""
	for name in nng port seqpacket tcp unix zmq; do
		[[ $name == @(nng|zmq) ]] && ! built "$name" ||
			expected+="${expected:+ }$name"
	done
	quick rpc -c 100 --clients=1,3 >out
	is "$(names '.runs != []' out)" "$expected"
	is "$(jq -c '[.results[].clients] | unique' out)" "[1,3]"
	all '.mode == "rpc" and .producers == .clients and .consumers == 1' out
	all '.messages == 100 and .latency_ns.n == 100' out
	all '.runs[0].bytes == 6400' out
	all '.runs[0] | [.least_messages, .most_messages] |
		. == [100, 100] or . == [33, 34]' out
	all '(.by_placement[0].fair == null) == (.clients == 1)' out
	quick rpc -c 21 --clients=2,5 -S 8,65537,400K -a 0,0 >out
	is "$(names '.runs != []' out)" "$expected"
	all '.messages == 21 and .runs[0].bytes == 21 * .size' out
	quick rpc -c 2 --clients=3 --transport=port,tcp >out
	all '.messages == 2 and .runs[0].least_messages == 0' out
}

@test "rpc: the time that counts is the same for all clients" {
	quick rpc -D 30ms --warmup=5ms --clients=1,4 --transport=port,unix >out
	all '.runs[0].seconds | . > 0.0299 and . < 0.0301' out
	all '.runs[0] | .least_messages <= .most_messages and
		.most_messages <= .messages' out
	quick rpc --delay=2ms -c 12 --clients=3 --transport=port,unix >out
	all '.latency_ns.n == 12 and .latency_ns.min >= 2000000' out
}

@test "rpc beside latency: what a call takes of a round trip, and 2 clients" {
	# On one CPU: no run is near or far, so all can be compared.
	run --separate-stderr -0 t mmsock-bench -q latency rpc --clients=1,2 \
		-c 20 --warmup=0 --runs=3 --transport=port,unix -a 0,0 \
		--export-hgrm=r.hgrm --plot=r.svg --export-json=r.json
	like "$output" $'\nlatency of a round trip, '
	like "$output" $'\nrpc, 1 client, medians of 3 runs'
	like "$output" $'\nrpc, 2 clients, medians of 3 runs'
	like "$output" "port, 64B: a call takes [0-9.]+x .* of a round trip"
	like "$output" "port, 64B: 2 clients make [0-9.]+x .* the calls of one"
	is "$(grep -c '^# rpc port 64B producers 2 ' r.hgrm)" 1
	like "$(<r.svg)" ">Throughput of calls<"
	run -0 t mmsock-bench --compare r.json r.json
	like "$output" "rpc 2:1 .* unix .* same"
}

@test "a size that a transport does not take is missing, or refused by name" {
	quick latency -c 2 -S 16M >out
	is "$(names '.transport == "port" and .missing != null' out)" port
	all '.messages == 2' out
	refused mmsock-bench -S 16M --transport=port
	refused mmsock-bench rpc -S 16M --transport=port
}

@test "the tools as pipelines: all that goes in comes out" {
	quick pipeline -c 20000 >out
	all '.messages > 0 and .msgs_per_s > 0' out
	all 'if .size == 64 then .runs[0].bytes == 1280000 else true end' out
	is "$(names '.size == 64 and .runs != []' out)" "fifo port"
	is "$(names '.size == 6 and .runs != []' out)" "fifo port"
	is "$(names '.size == 32 and .runs != []' out)" "port port-run"
	is "$(jq -c '[.results[] | select(.size == 32) |
		[.messages, .runs[0].bytes]]' out)" "[[200,6400],[10,320]]"
	like "$(names '.size == 131072 and .runs != []' out)" "pipe"
}

@test "a program that is not installed is named as missing" {
	local bin tool
	bin=$(dirname "$(command -v mmsock-bench)")
	mkdir path
	for tool in cat dd echo; do
		ln -s "$(type -P "$tool")" path
	done
	run --separate-stderr -0 t env PATH="$PWD/path" "$bin/mmsock-bench" -q \
		-J pipeline --runs=1 -c 10000
	echo "$output" >out
	is "$(jq -r '.results[] | select(.transport == "mbuffer") | .missing' \
		out)" "mbuffer is not installed"
	is "$(names '.missing == null and .size == 64' out)" "fifo port"
	run --separate-stderr -64 t env PATH="$PWD/path" "$bin/mmsock-bench" \
		pipeline --transport=mbuffer
}

@test "every kind of report at once" {
	local kind
	quick latency throughput -c 50 --transport=port,pipe \
		--export-csv=r.csv --export-hgrm=r.hgrm --export-json=r.json \
		--export-markdown=r.md --plot=r.svg >out
	for kind in csv hgrm json md svg; do
		[ -s "r.$kind" ]
	done
	run -0 t mmsock-bench --compare --threshold=100000 --force r.json out
}

@test "a report that cannot be written is told before anything runs" {
	run --separate-stderr -73 t mmsock-bench -D 1h --export-json=./no/such
	is "$output" ""
	like "$stderr" "/no/such"
}

@test "Ctrl-C: what was finished is reported, nothing stays behind" {
	local dir children
	start mmsock-bench -q latency throughput -D 1h --warmup=0 --runs=2 \
		--transport=port --json >out
	wait_until scratch "$PID"
	dir=$(scratch "$PID")
	[ -d "$dir" ]
	children=$(running_children "$PID")
	kill -INT "$PID"
	ends 130 "$PID"
	# shellcheck disable=SC2086
	no_process $children
	[ ! -e "$dir" ]
	is "$(jq -c '[.config.interrupted, .config.rounds_done]' out)" "[true,0]"
}

@test "Ctrl-C among semaphores: no name of any stays behind" {
	local dir children mode
	start mmsock-bench -q latency -D 1h --transport=sem >out
	wait_until scratch "$PID"
	dir=$(scratch "$PID")
	kill -INT "$PID"
	ends 130 "$PID"
	[ ! -e "$dir" ]
	for mode in latency uncontended; do
		start mmsock-bench -q "$mode" -D 1h --transport=posix-sem >out
		wait_until posix_semaphore "$PID"
		is "$(compgen -G "/dev/shm/sem.mmsock-bench.$PID.*")" ""
		children=$(running_children "$PID")
		kill -INT "$PID"
		ends 130 "$PID"
		# shellcheck disable=SC2086
		no_process $children
	done
}

@test "Ctrl-C after some: they are in the report" {
	local dir
	start mmsock-bench -q -J latency -c 50 --runs=100 --warmup=0 \
		--delay=1ms --transport=port,pipe >out
	wait_until scratch "$PID"
	dir=$(scratch "$PID")
	wait_until pgrep -P "$PID"
	kill -TERM "$PID"
	ends 143 "$PID"
	[ ! -e "$dir" ]
	is "$(jq '.config.interrupted' out)" true
	all '.runs | all(.messages == 50)' out
}

@test "Ctrl-C in a pipeline ends its programs" {
	local children pipeline
	for pipeline in port:mmsock-send fifo:cat; do
		start mmsock-bench --quiet -J pipeline --count=1000000000000 \
			--transport="${pipeline%:*}" >out
		wait_until pgrep -P "$PID" -x "${pipeline#*:}"
		children=$(running_children "$PID")
		kill -INT "$PID"
		ends 130 "$PID"
		# shellcheck disable=SC2086
		no_process $children
		is "$(jq '.config.interrupted' out)" true
	done
}

@test "kill -9: the processes die, and no port stays behind" {
	local dir children
	start mmsock-bench -q -J latency -D 1h --runs=1 --transport=port >out
	wait_until scratch "$PID"
	dir=$(scratch "$PID")
	children=$(running_children "$PID")
	kill -KILL "$PID"
	ends 137 "$PID"
	# shellcheck disable=SC2086
	wait_until no_process $children
	wait_until [ ! -e "$dir" ]
}

@test "a transport that breaks is reported, the others are measured" {
	local dir child
	start mmsock-bench -J latency -c 100 --delay=10ms --warmup=0 --runs=1 \
		--transport=port,pipe >out 2>err
	wait_until scratch "$PID"
	for child in $(pgrep -P "$PID"); do
		grep -q 'mmsock-bench\..*/there' "/proc/$child/maps" 2>/dev/null &&
			kill -KILL "$child" && break
	done
	ends 71 "$PID"
	like "$(cat err)" "latency, port: .*died"
	is "$(names '.runs != []' out)" pipe
}

@test "what is wrong is refused before anything runs" {
	local wrong
	while read -r wrong; do
		# shellcheck disable=SC2086
		refused mmsock-bench $wrong
	done <<-'END'
		-S 0
		-S 7
		-S 17M
		-S 64,x
		-S 64,,64
		--sizes=
		-S -1
		-c 0
		-c 1K
		-D 0
		-D inf
		-D -1
		-P 0
		-P 64
		-C 64
		-P 40 -C 25
		fanout -C 33
		-B 0
		-B 65537
		--batch=
		-B 65536 -S 64K
		latency -B 2
		latency -P 2
		throughput -B 2 --transport=seqpacket
		throughput -R 10
		pipeline -R 10
		-R 0
		-R 10 -S 8
		pipeline -S 64
		pipeline -D 1
		pipeline --delay=1ms
		throughput --intrinsic=1
		uncontended --intrinsic=1
		uncontended -S 64
		uncontended -R 10
		uncontended -B 2
		uncontended --delay=1ms
		rpc -P 2
		rpc -C 2
		rpc -B 2
		rpc -R 10
		rpc --clients=0
		rpc --clients=64
		rpc --clients=
		rpc --clients=1,,2
		rpc --clients=1,2,3,4,5,6,7,8,9
		rpc --transport=pipe
		latency --clients=2
		--intrinsic=0
		--intrinsic=inf
		--warmup=inf
		--delay=inf
		--ring=1K
		--ring=2G
		--runs=0
		--runs=101
		--threshold=5
		--force
		--compare one
		--compare one two three
		speed
		latency speed
	END
}

@test "in all notes the machine is doubted where it should be" {
	run --separate-stderr -0 t mmsock-bench fanout -C 2 -c 10 --runs=1 -a 0,0 \
		--transport=port
	like "$stderr" "share CPU 0"
	run --separate-stderr -0 t mmsock-bench -q fanout -c 10 --runs=1 \
		--transport=port
	is "$stderr" ""
}
