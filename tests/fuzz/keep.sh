#!/bin/sh
# SPDX-License-Identifier: MIT
# keep.sh - bring what searches have left in $BUILD/corpus into the corpus that is
# kept, for each target of $FUZZ.  Of all inputs, old and new, as few are kept as
# reach the same code; those that have a name of their own stay.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:=$PWD/build/fuzz}" "${FUZZ:?names no target}"
for target in $FUZZ; do
	kept=$here/corpus/$target
	new=$BUILD/kept
	rm -rf "$new"
	mkdir -p "$new" "$kept" "$BUILD/corpus/$target"
	nice "$BUILD/tests/fuzz/$target" -set_cover_merge=1 -use_counters=0 \
		-detect_leaks=0 "$new" "$kept" "$BUILD/corpus/$target" >"$BUILD/keep.log" 2>&1
	find "$kept" -name '????????????????????????????????????????' -delete
	mv "$new"/* "$kept"
	echo "$target: $(find "$kept" -type f | wc -l) inputs"
done
