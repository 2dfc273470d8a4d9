# Reads the output of strip.awk; reports files over 800 lines and functions over 120, and mentions functions over 70
# as "note:". A function's braces stand in the first column, as .clang-format has it.
function end_file() {
	if (file != "" && line > 800)
		print file ": " line " lines: split it by role"
}

{
	split($0, part, ":")
	if (part[1] != file) {
		end_file()
		file = part[1]
	}
	line = part[2]
	text = substr($0, length(part[1]) + length(part[2]) + 3)
	if (text ~ /^\{/)
		start = line
	if (text ~ /^\}/ && start) {
		size = line - start - 1
		if (size > 120)
			print file ":" start ": a function of " size " lines"
		else if (size > 70)
			print "note: " file ":" start ": a function of " size " lines"
		start = 0
	}
}

END { end_file() }
