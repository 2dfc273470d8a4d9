# Prints C sources as "file:line:text" without comments and without what stands inside strings and character constants,
# so that the other checks see code only. Include lines keep their name.
FNR == 1 { in_comment = 0 }
/^[ \t]*#[ \t]*include/ && !in_comment { print FILENAME ":" FNR ":" $0; next }
{
	out = ""
	rest = $0
	while (rest != "") {
		if (in_comment) {
			at = index(rest, "*/")
			if (at == 0)
				break
			rest = substr(rest, at + 2)
			in_comment = 0
			continue
		}
		if (match(rest, /\/\*|\/\/|"|'/) == 0) {
			out = out rest
			break
		}
		opening = substr(rest, RSTART, RLENGTH)
		out = out substr(rest, 1, RSTART - 1)
		rest = substr(rest, RSTART + RLENGTH)
		if (opening == "//")
			break
		if (opening == "/*") {
			out = out " "
			in_comment = 1
			continue
		}
		# A string or character constant ends at the next quote that no backslash stands before.
		pattern = opening == "\"" ? "^([^\"\\\\]|\\\\.)*\"" : "^([^'\\\\]|\\\\.)*'"
		out = out opening opening
		rest = match(rest, pattern) ? substr(rest, RLENGTH + 1) : ""
	}
	print FILENAME ":" FNR ":" out
}
