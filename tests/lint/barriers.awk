# SPDX-License-Identifier: MIT
# barriers.awk - every call that orders memory stands below a comment, in or
# above its function, that begins "[R1] pairs with [A1]", and may go on to name
# more labels before its colon.  Every partner that is named exists, and names
# the label too.

function fail(where, text) {
	print where ": " text
	bad = 1
}

# A comment is complete: take its label, and the labels up to the colon.
function take(text,    own, i, n, part) {
	if (text !~ /\/\*[ \t*]*\[[A-Z]+[0-9]+\] pairs with [^:]*:/)
		return
	sub(/:.*/, "", text)
	n = split(text, part, /[][]/)
	own = part[2]
	if (own in defined)
		fail(FILENAME ":" FNR, "label " own " is also in " defined[own])
	defined[own] = FILENAME ":" FNR
	for (i = 4; i <= n; i += 2)
		pairs[own, part[i]] = 1
	labelled = 1
}

/\/\*/ { comment = ""; inside = 1 }
inside { comment = comment " " $0 }
/\*\// { inside = 0; take(comment); comment = ""; next }
inside { next }
/mms_((load|glance)_acquire|store_release|cas|add32|add_release|fence)[_a-z]*(32)?\(/ && !labelled {
	fail(FILENAME ":" FNR, "no label above: " $0)
}
/^}/ { labelled = 0 }

END {
	for (pair in pairs) {
		split(pair, part, SUBSEP)
		if (!(part[2] in defined))
			fail(defined[part[1]], "no label " part[2])
		else if (!((part[2], part[1]) in pairs))
			fail(defined[part[2]], part[2] " does not name " part[1])
	}
	exit bad
}
