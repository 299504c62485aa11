#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The examples of the manual pages, run as they stand.  In a page, the comment
#   .\" example: NAME
# stands before a literal display that is a shell script, and
#   .\" output: NAME
# before one that shows what it prints.

# shellcheck disable=SC2154
load helpers

# literal KIND PAGE - write the marked displays of that kind to KIND.NAME, as a
# reader sees them
literal() {
	awk -v kind="$1" '
		BEGIN { mark = "^\\.\\\\\" " kind ": " }
		$0 ~ mark { name = $NF; next }
		name && /^\.Bd -literal/ { inside = 1; next }
		inside && /^\.Ed/ { close(kind "." name); name = inside = 0; next }
		inside { print > (kind "." name) }
	' "$ROOT/man/$2"
	for file in "$1".*; do
		[ -e "$file" ] || continue
		sed -i 's/^\\&//; s/\\&//g; s/\\-/-/g; s/\\(aq/'\''/g
			s/\\(dq/"/g; s/\\(ti/~/g; s/\\(ha/^/g; s/\\(bs/\\/g
			s/\\e/\\/g' "$file"
	done
}

# examples PAGE - run all of them; each prints what the page says, and exits 0
examples() {
	local file name status

	mkdir examples
	cd examples || return
	literal example "$1"
	literal output "$1"
	for file in example.*; do
		name=${file#example.}
		status=0
		mkdir "run.$name"
		(
			cd "run.$name" || exit
			MMSOCK_TIMEOUT=18 MMSOCK_DIR=$SHM/$name t sh "../$file" \
				>"../got.$name" 2>"../err.$name" </dev/null
		) || status=$?
		echo "example '$name' of $1:" >&2
		cat "err.$name" >&2
		is "$status" 0
		if [ -e "output.$name" ]; then
			diff "output.$name" "got.$name" >&2
		fi
	done
	for file in output.*; do
		[ ! -e "$file" ] || [ -e "example.${file#output.}" ]
	done
}

@test "the examples of mmsock-bench(1) work as printed" {
	examples mmsock-bench.1
}

@test "the examples of mmsock-call(1) work as printed" {
	examples mmsock-call.1
}

@test "the examples of mmsock-cat(1) work as printed" {
	examples mmsock-cat.1
}

@test "the examples of mmsock-create(1) work as printed" {
	examples mmsock-create.1
}

@test "the examples of mmsock-ls(1) work as printed" {
	examples mmsock-ls.1
}

@test "the examples of mmsock-recv(1) work as printed" {
	examples mmsock-recv.1
}

@test "the examples of mmsock-rm(1) work as printed" {
	examples mmsock-rm.1
}

@test "the examples of mmsock-sem(1) work as printed" {
	examples mmsock-sem.1
}

@test "the examples of mmsock-send(1) work as printed" {
	examples mmsock-send.1
}

@test "the examples of mmsock-serve(1) work as printed" {
	examples mmsock-serve.1
}

@test "the examples of mmsock-framing(5) work as printed" {
	examples mmsock-framing.5
}

@test "the examples of mmsock(7) work as printed" {
	examples mmsock.7
}

@test "every page of a tool has an example and all sections it should have" {
	local tool section page
	for tool in $TOOLS; do
		page=$ROOT/man/mmsock-$tool.1
		grep -q '^\.\\" example: ' "$page"
		for section in NAME SYNOPSIS DESCRIPTION "EXIT STATUS" \
			EXAMPLES "SEE ALSO"; do
			grep -qx "\.Sh $section" "$page"
		done
	done
}
