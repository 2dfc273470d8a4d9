# Reads the output of strip.awk; reports includes that go against the arrows between rooms, and foreign libraries
# outside the room that owns them. Exceptions: lines "include FILE HEADER reason" of the file named by -v exceptions=.
BEGIN {
	FS = ":"
	allow("base", "base")
	allow("store", "store base")
	allow("receiver", "receiver store base")
	allow("remote_write", "remote_write store base")
	allow("analyzers", "analyzers store base")
	allow("remediations", "remediations store base")
	allow("demo", "demo receiver remote_write analyzers remediations store base")
	allow("daemon", "daemon demo receiver remote_write analyzers remediations store base")

	own("^microhttpd\\.h$", "receiver")
	own("^snappy(-c)?\\.h$", "remote_write")
	own("^protobuf-c/", "remote_write")
	own("\\.pb-c\\.h$", "remote_write")
	own("^curl/", "remediations")
	own("^sqlite3\\.h$", "remediations")
	own("^pcre2\\.h$", "base")
	own("^openssl/", "base receiver remediations")
	own("^crypt\\.h$", "receiver")

	while ((getline line < exceptions) > 0)
		if (split(line, word, " ") > 3 && word[1] == "include")
			excepted[word[2] " " word[3]] = 1
}

function allow(room, rooms) {
	allowed[room] = " " rooms " "
}

function own(pattern, rooms) {
	owners[pattern] = " " rooms " "
}

function report(text) {
	if (!(($1 " " name) in excepted))
		print $1 ":" $2 ": " text
}

$3 ~ /^[ \t]*#[ \t]*include/ {
	room = $1
	sub(/\/.*/, "", room)
	quoted = $3 ~ /"/
	name = $3
	sub(/^[^<"]*[<"]/, "", name)
	sub(/[>"].*/, "", name)

	for (pattern in owners)
		if (name ~ pattern && room != "tests" && index(owners[pattern], " " room " ") == 0)
			report(name " belongs to:" owners[pattern])
	if (!quoted || name ~ /\.pb-c\.h$/ || room == "tests")
		next
	target = name
	if (sub(/\/.*/, "", target) == 0)
		report("write \"" room "/" name "\": includes name their room")
	else if (index(allowed[room], " " target " ") == 0)
		report(room "/ must not include " name)
}
