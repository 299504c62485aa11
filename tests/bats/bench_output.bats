#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mmsock-bench: its reports, and comparing two of them

# shellcheck disable=SC2154
load helpers

# bench ARG... - a few messages, and no word on the machine
bench() {
	t mmsock-bench -q -c 500 --warmup 0 --runs 2 --transport=port,pipe "$@"
}

# csv_fields FILE - how many fields each line has, quotes understood
csv_fields() {
	perl -ne 'chomp; s/"(?:[^"]|"")*"//g; print 1 + tr/,//, "\n"' "$1"
}

# well_formed FILE - as XML: tags are closed in order, no stray & or <
well_formed() {
	perl -0777 -ne '
		while (/\G([^<]*)(?:<(\/?)([\w:]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|\z)/gc) {
			die "a stray & in $1" if $1 =~ /&(?!lt;|amp;)/;
			last unless defined $3;
			if ($2) { pop @open eq $3 or die "</$3>" }
			elsif (!$5) { push @open, $3 }
		}
		die "not understood at ", pos() // 0 if (pos() // 0) < length;
		die "open: @open" if @open' "$1"
}

# report FILE P50... - a report of 64-byte round trips through a port, a run each
report() {
	local file=$1

	shift
	[[ -e template ]] ||
		mmsock-bench latency -q -J -c 10 --runs 1 --transport=port \
			>template
	jq --argjson p50s "[$(IFS=, && echo "$*")]" '
		.results[0].runs[0] as $run |
		.results[0].runs = [$p50s[] as $ns |
			$run | .placement = "near" | .latency_ns.p50 = $ns]
		' template >"$file"
}

# verdict OLD NEW [ARG...] - of the only cell
verdict() {
	t mmsock-bench --compare "${@:3}" "$1" "$2" |
		sed -n '2s/.*%  //p'
}

@test "the table has the machine, a line a transport, and the ratio to the port" {
	run --separate-stderr -0 bench
	is "$stderr" ""
	like "${lines[0]}" ", [0-9]+ CPUs?, .*Linux .*; (producers|all|not)"
	like "$output" $'\nlatency of a round trip, '
	like "$output" $'\nthroughput, '
	like "$output" $'\n *64B +port .* 1[.]00x '
	like "$output" $'\n *64B +pipe .* [0-9.]+x [(][0-9.]+x-[0-9.]+x[)]| - '
}

@test "what was not measured is named, with the reason" {
	run --separate-stderr -0 t bash -c 'ulimit -q 0
		exec mmsock-bench throughput -q -c 100 --warmup 0 --runs 1'
	like "$output" "not measured: mqueue: [a-z]"
}

@test "JSON has the shape that the manual says, and its sums are right" {
	run --separate-stderr -0 bench -J -S 64,1K
	is "$stderr" ""
	jq -e '.mmsock_version and .host.cpu and .host.cpus > 0 and
		.config.rounds == 2 and .config.rounds_done == 2 and
		(.config.interrupted | not) and
		(.config.command_line | test("^mmsock-bench .*-J")) and
		(.notes | type) == "array"' <<<"$output"
	# Two modes, two sizes, two transports; throughput with runs, too.
	jq -e '[.results[] | select(.batch == 1)] | length == 8' <<<"$output"
	jq -e '[.results[] | (.runs | length == 2) and
		.messages == ([.runs[].messages] | add) and .messages == 1000 and
		([.runs[].bytes] | add) == .messages * .size and
		.msgs_per_s > 0 and .cpu_ns_per_msg > 0] | all' <<<"$output"
	jq -e '[.results[] | select(.mode == "latency") | .latency_ns |
		.n > 0 and .min <= .p50 and .p50 <= .p90 and .p90 <= .p99 and
		.p99 <= .p99_9 and .p99_9 <= .p99_99 and .p99_99 <= .max and
		.mean >= .min and .mean <= .max and .stddev >= 0] |
		all and length == 4' <<<"$output"
	jq -e '[.results[] | select(.transport == "port") |
		.by_placement[].vs_port.median == 1] | all' <<<"$output"
}

@test "each kind of report parses, and all come out of one run" {
	bench --export-json r.json --export-csv r.csv --export-markdown r.md \
		--export-hgrm r.hgrm --plot r.svg >table
	jq -e '.results | length >= 4' r.json
	is "$(csv_fields r.csv | sort -u | wc -l)" 1
	is "$(head -n 1 r.csv | cut -d, -f1-4)" mode,transport,size,producers
	(($(wc -l <r.csv) >= 5))
	like "$(<r.md)" "$(grep -m1 -o "Linux [0-9.]*" table)"
	# In each table as many bars in each line.
	awk -F'|' '/^\|/ { if (n && NF != n) exit 1; n = NF } !/^\|/ { n = 0 }' r.md
	is "$(grep -c '^| 64B | port ' r.md)" "$(grep -c '^ *64B  port ' table)"
	well_formed r.svg
	like "$(<r.svg)" ">Latency of a round trip<.*>Throughput<.*>port<"
}

@test "the percentiles of --export-hgrm rise to the maximum and the count" {
	bench latency --export-hgrm r.hgrm --export-json r.json
	is "$(grep -c '^# latency port 64B' r.hgrm)" \
		"$(jq '.results[0].by_placement | length' r.json)"
	awk '/^#\[/ || /^ *Value/ || !NF { next }
		/^#/ { ns = part = count = -1; next }
		$1 < ns || $2 <= part || $3 < count { exit 1 }
		NF != ($2 == 1 ? 3 : 4) { exit 1 }
		{ ns = $1; part = $2; count = $3; blocks += $2 == 1 }
		END { if (blocks < 2) exit 1 }' r.hgrm
	# Mean and count of the first block, as in JSON.
	is "$(sed -n 's/^#\[Max.*count *= *\([0-9]*\)\]/\1/p' r.hgrm | head -n 1)" \
		"$(jq '.results[0].by_placement[0].latency_ns.n' r.json)"
}

@test "a plot shows what was measured, and one chart if that is all" {
	bench latency --plot r.svg
	well_formed r.svg
	like "$(<r.svg)" ">Latency of a round trip<"
	unlike "$(<r.svg)" ">Throughput<"
	bench throughput -B 1 -S 64,1K,64K --plot r.svg
	well_formed r.svg
	unlike "$(<r.svg)" ">Latency of"
	is "$(grep -o '>Throughput<' r.svg | wc -l)" 1
	like "$(<r.svg)" ">64B<.*>1KiB<.*>64KiB<.*>pipe<"
}

@test "a report can take the place of the table on standard output" {
	run --separate-stderr -0 bench latency --export-csv -
	like "${lines[0]}" "^mode,transport,size,"
	like "${lines[1]}" "^latency,port,64,1,1,1,,"
	refused mmsock-bench -J --export-csv -
	like "$stderr" "standard output"
}

@test "an output file that cannot be written is an error before anything runs" {
	local kind

	echo kept >old
	for kind in --export-json --export-csv --export-markdown \
		--export-hgrm --plot; do
		fails 73 mmsock-bench --plot new --export-json old \
			"$kind" nowhere/file --runs 100 -D 1h
		like "$stderr" "'nowhere/file': No such file or directory"
	done
	is "$(<old)" kept
	[ ! -e new ]
	mkdir folder
	fails 73 mmsock-bench --plot folder -D 1h
}

@test "a file without permission is 77" {
	needs_nobody
	echo kept >mine
	chmod 600 mine
	chmod 755 .
	run --separate-stderr -77 nobody mmsock-bench --plot "$PWD/mine" -D 1h
	is "$output" ""
	is "$(<mine)" kept
}

@test "two reports cannot go to one file" {
	ln -s one two
	run --separate-stderr -64 t mmsock-bench --plot one --export-csv two -D 1h
	is "$output" ""
	says mmsock-bench
	[ ! -e one ]
}

@test "a report replaces what was in the file, and keeps links and modes" {
	perl -e 'print "x" x 1000000' >old
	chmod 640 old
	ln -s old link
	bench latency --export-csv link
	is "$(csv_fields old | sort -u | wc -l)" 1
	unlike "$(<old)" xx
	is "$(stat -c %a old)" 640
	[ -L link ]
}

@test "a report goes into a pipe" {
	mkfifo fifo
	jq -c '.results | length' <fifo >count 3>&- &
	bench latency --export-json fifo
	all_done
	is "$(<count)" 2
}

@test "a report that does not fit is 74" {
	local kind

	for kind in --export-json --export-csv --export-markdown \
		--export-hgrm --plot; do
		run --separate-stderr -74 bench latency "$kind" /dev/full
		says mmsock-bench
		like "$stderr" "/dev/full: No space left on device"
	done
	run -74 bash -c "mmsock-bench latency -q -c 10 --runs 1 \
		--transport=pipe >/dev/full"
	run -74 bash -c "mmsock-bench latency -q -c 10 --runs 1 \
		--transport=pipe -J >/dev/full"
}

@test "what was finished when Ctrl-C came is in every report" {
	start mmsock-bench -q --transport=pipe -D 20ms --runs 100 \
		--export-json r.json --export-csv r.csv --export-hgrm r.hgrm \
		--export-markdown r.md --plot r.svg >table
	wait_until test -e r.svg
	kill -INT "$PID"
	ends 130 "$PID"
	jq -e '.config.interrupted and .config.rounds_done < 100' r.json
	is "$(csv_fields r.csv | sort -u | wc -l)" 1
	well_formed r.svg
	like "$(<table)" "cut short: [0-9]+ of 100 rounds were done"
	like "$(<r.md)" "cut short"
	[ -e r.hgrm ]
}

@test "a report compared with itself is the same" {
	bench -S 64,4K -J >r.json
	run --separate-stderr -0 t mmsock-bench --compare r.json r.json
	like "${lines[0]}" "^MODE +SIZE +TRANSPORT +PLACE +OLD +NEW +CHANGE +VERDICT"
	is "$(grep -c ' same$' <<<"$output")" "$((${#lines[@]} - 2))"
	like "$output" " compared: 0 better, 0 worse by more than 10%$"
}

@test "worse by more than the threshold is 1, better is 0" {
	report old 200 201 202 203 204
	report new 240 241 242 243 244
	run --separate-stderr -1 t mmsock-bench --compare old new
	is "$stderr" ""
	like "${lines[1]}" "202ns [(]200ns-204ns[)] +242ns .* [+]19[.]8% +worse$"
	like "$output" "0 better, 1 worse by more than 10%"
	run --separate-stderr -0 t mmsock-bench --compare new old
	like "${lines[1]}" " -16[.]5% +better$"
	run -0 t mmsock-bench --compare --threshold 25 old new
	run -1 t mmsock-bench --compare --threshold 0 old new
}

@test "the verdict takes the spread of the runs into account" {
	report old 200 201 202 203 204
	report near 205 206 207 208 209
	report wide 190 230 260 270 300
	report single 500
	is "$(verdict old near)" "slightly worse"
	is "$(verdict near old)" "slightly better"
	is "$(verdict old wide)" unclear
	is "$(verdict old wide --threshold 50)" same
	run --separate-stderr -1 t mmsock-bench --compare old single
	like "$stderr" "fewer than five runs"
}

@test "throughput is worse where it is less" {
	report latency 1
	jq '.results[0].mode = "throughput" | .results[0].runs[].messages = 1000 |
		.results[0].runs[].seconds = 1' latency >old
	jq '.results[0].runs[].seconds = 2' old >new
	is "$(verdict old new)" worse
	is "$(verdict new old)" better
}

@test "near compares with near, and what only one report has is named" {
	report old 200 200 200 200 200
	jq '.results[0].runs[3].placement = "far"' old >moved
	jq '.results += [.results[0] | .transport = "pipe"]' old >two
	run --separate-stderr -0 t mmsock-bench --compare old moved
	like "$output" " near .* same"
	like "$output" " far +- +200ns +- +only new"
	run --separate-stderr -0 t mmsock-bench --compare two old
	like "$output" " pipe .* +only old"
	jq '.results[0].size = 4096' old >other
	run --separate-stderr -65 t mmsock-bench --compare old other
	like "$stderr" "no cell in common"
}

@test "reports of different machines are compared only with --force" {
	report old 200 200 200 200 200
	jq '.host.cpu = "another"' old >new
	fails 65 mmsock-bench --compare old new
	like "$stderr" "another machine.*--force"
	run --separate-stderr -0 t mmsock-bench --compare --force old new
	like "$stderr" "different machines"
	jq '.host.kernel = "Linux 1.0"' old >new
	run --separate-stderr -0 t mmsock-bench --compare old new
	like "$stderr" "different kernels"
}

@test "a file that is no report is 65, and says what is wrong with it" {
	local change

	report good 200
	echo '{"results": [' >broken
	fails 65 mmsock-bench --compare broken good
	like "$stderr" "'broken': line [0-9]+: no JSON"
	for change in '.results = {}' 'del(.mmsock_version)' 'del(.host)' \
		'.results[0].mode = "speed"' '.results[0].size = -1' \
		'.results[0].runs = 5' '.results[0].runs[0].placement = 7' \
		'.results[0].runs[0].seconds = "1"' \
		'.results[0].runs[0].latency_ns = []' \
		'.results[0].transport = null' \
		'.results[0].runs = [range(101)]' '[.]'; do
		jq "$change" good >wrong
		fails 65 mmsock-bench --compare good wrong
		like "$stderr" "'wrong': no report of mmsock-bench: bad or no '"
	done
	fails 65 mmsock-bench --compare /dev/null good
}

@test "a report that is not there is 66" {
	report good 200
	fails 66 mmsock-bench --compare good nowhere
	like "$stderr" "'nowhere': No such file or directory"
	fails 66 mmsock-bench --compare . good
}
