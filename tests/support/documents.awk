# The commands that documents show, one a line: FILE TAB LINE TAB HOW TAB TEXT. HOW is
#   run       of a block ```sh, or behind "$ " of ```console
#   shown     what such a command is said to print, line by line behind it
#   cluster   of ```sh cluster
#   checked   of ```sh checked: WHY; the reason comes before as a record of its own, HOW "why"
#   yaml      a line of a block ```yaml; "end of yaml" stands behind its last one
#   span      `between backticks`, in text and tables; one that goes on in the next line is one
# Lines that end in a backslash or within single quotes are joined, comments behind a command dropped.

function put(line, how, text) {
	printf "%s\t%d\t%s\t%s\n", FILENAME, line, how, text
}

# A command that is not whole yet goes on.
function unfinished(text,  quotes) {
	quotes = gsub(/'/, "'", text)
	return text ~ /\\$/ || quotes % 2
}

function command(text, how) {
	if (pending == "")
		first = FNR
	sub(/  +# .*$/, "", text)
	pending = pending (pending == "" ? "" : " ") text
	if (unfinished(pending)) {
		sub(/\\$/, "", pending)
		return
	}
	if (pending !~ /^ *(#|$)/)
		put(first, how, pending)
	pending = ""
}

function spans(  at, text) {
	while (match(paragraph, /`[^`]+`/)) {
		put(begun, "span", substr(paragraph, RSTART + 1, RLENGTH - 2))
		paragraph = substr(paragraph, RSTART + RLENGTH)
	}
	paragraph = ""
}

FNR == 1 { spans(); block = "" }
/^```/ {
	if (block != "") {
		if (pending != "")
			put(first, "unfinished", pending)
		if (block == "yaml")
			put(FNR, "end of yaml", "")
		block = pending = ""
		next
	}
	spans()
	block = substr($1, 4)
	how = "run"
	if (block == "")
		block = "text"
	if ($2 == "cluster")
		how = "cluster"
	else if ($2 == "checked:") {
		how = "checked"
		sub(/^```sh checked: */, "")
		put(FNR, "why", $0)
	} else if (NF > 1)
		put(FNR, "mark", $0)
	next
}
block == "sh" || block == "bash" { command($0, how); next }
block == "console" {
	if (pending != "" || sub(/^\$ /, ""))
		command($0, how)
	else
		put(FNR, "shown", $0)
	next
}
block == "yaml" { put(FNR, "yaml", $0) }
block != "" { next }
/^[ \t]*$/ || /^\|/ || /^#/ { spans() }
/^    / && paragraph == "" { next }
/[^ \t]/ {
	if (paragraph == "")
		begun = FNR
	paragraph = paragraph " " $0
	if (/^[|#]/)
		spans()
}
END { spans() }
