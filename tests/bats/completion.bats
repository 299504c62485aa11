#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The completion of bash: options, and the names of the ports that exist

# shellcheck disable=SC2154
load helpers

# complete_line WORD... - the candidates for the last word of that command line, in
# a shell that knows nothing but our completion
complete_line() {
	# shellcheck disable=SC2016
	t bash --norc --noprofile -c '
		source "$ROOT/completions/bash/$1" || exit
		spec=$(complete -p "$1") || exit
		function=${spec##*-F }
		function=${function%% *}
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		COMP_LINE=$*
		COMP_POINT=${#COMP_LINE}
		COMP_TYPE=9
		COMP_KEY=9
		COMPREPLY=()
		"$function" "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
		((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"
	' complete "$@" | sed 's/ *$//' | sort -u | tr '\n' ' '
}

@test "each tool has a completion that loads without a word" {
	local tool
	for tool in $TOOLS; do
		run -0 bash --norc -c \
			"source '$ROOT/completions/bash/mmsock-$tool' &&
			complete -p mmsock-$tool"
		is "${#lines[@]}" 1
	done
}

@test "live port names are offered where a port is meant" {
	local tool
	mmsock-create jobs job-log other
	for tool in send recv rm ls; do
		is "$(complete_line "mmsock-$tool" jo)" "job-log jobs "
		is "$(complete_line "mmsock-$tool" '')" "job-log jobs other "
		is "$(complete_line "mmsock-$tool" none)" ""
	done
	mmsock-rm jobs
	is "$(complete_line mmsock-send jo)" "job-log "
}

@test "the verbs of mmsock-sem are offered, then the names of semaphores" {
	mmsock-create jobs
	mmsock-sem create just
	is "$(complete_line mmsock-sem wa)" "wait "
	is "$(complete_line mmsock-sem wait j)" "just "
	is "$(complete_line mmsock-sem run -w 1 ju)" "just "
	is "$(complete_line mmsock-sem post just ju)" ""
	like "$(complete_line mmsock-sem run just -- tru)" "true "
}

@test "services are offered to those who call and serve, then a command" {
	mmsock-create jobs
	mmsock-create -t rpc just
	is "$(complete_line mmsock-call j)" "just "
	is "$(complete_line mmsock-serve -j 2 j)" "just "
	is "$(complete_line mmsock-cat j)" "just "
	is "$(complete_line mmsock-call -l --inflight = 4 j)" "just "
	is "$(complete_line mmsock-call just j)" ""
	like "$(complete_line mmsock-serve just -- tru)" "true "
	is "$(complete_line mmsock-create -t r)" "rpc "
}

@test "queues alone are offered to those who send and receive" {
	mmsock-create jobs
	mmsock-create -t rpc just
	mmsock-sem create joke
	is "$(complete_line mmsock-send j)" "jobs "
	is "$(complete_line mmsock-recv j)" "jobs "
	is "$(complete_line mmsock-cat -i j)" "jobs "
	is "$(complete_line mmsock-cat --output = j)" "jobs "
	is "$(complete_line mmsock-ls j)" "jobs joke just "
	is "$(complete_line mmsock-rm j)" "jobs joke just "
}

@test "port names are offered behind options too" {
	mmsock-create jobs
	is "$(complete_line mmsock-recv -e -c 3 jo)" "jobs "
	is "$(complete_line mmsock-recv --count = 3 jo)" "jobs "
	is "$(complete_line mmsock-send -w 2s jo)" "jobs "
}

@test "port names are offered behind -i and -o of mmsock-cat" {
	local option
	mmsock-create jobs
	for option in -i -o --input --output; do
		is "$(complete_line mmsock-cat "$option" jo)" "jobs "
	done
	is "$(complete_line mmsock-cat --input = jo)" "jobs "
	is "$(complete_line mmsock-cat -i other -o jo)" "jobs "
	is "$(complete_line mmsock-cat jo)" ""
	is "$(complete_line mmsock-cat -i jobs -F nu)" "null "
}

@test "the ports of another directory are offered after --dir" {
	mmsock-create here
	mmsock-create --dir="$SHM/other" there
	is "$(complete_line mmsock-send --dir = "$SHM/other" '')" "there "
}

@test "a message is not completed with port names" {
	mmsock-create jobs
	is "$(complete_line mmsock-send p jo)" ""
}

@test "several ports are offered where several are taken" {
	mmsock-create jobs other
	is "$(complete_line mmsock-rm jobs ot)" "other "
}

@test "without ports or a directory nothing is offered, and nothing fails" {
	is "$(complete_line mmsock-send '')" ""
	[ ! -e "$MMSOCK_DIR" ]
}

@test "the options offered are those of --help" {
	local tool
	for tool in $TOOLS; do
		is "$(complete_line "mmsock-$tool" --)" \
			"$(t "mmsock-$tool" --help |
				sed -n 's/^  \(-.,\|   \) \(--[a-z-]*\).*/\2/p' |
				sort -u | tr '\n' ' ')"
	done
}

@test "framings are offered after -F and --framing=" {
	is "$(complete_line mmsock-send -F lp)" "lp32be lp32le "
	is "$(complete_line mmsock-recv --framing = '')" \
		"line lp32be lp32le null raw slurp "
	is "$(complete_line mmsock-serve -F '')" "line lp32be lp32le null raw "
}

@test "a path is completed with file names" {
	mkdir folder
	mmsock-create ./folder/port
	is "$(complete_line mmsock-send ./folder/po)" "./folder/port "
}
