# Reads the output of strip.awk; reports calls that have no place here. Exceptions: lines "call FILE FUNCTION reason"
# of the file named by -v exceptions=. Tests are held to the first group only.
BEGIN {
	FS = ":"
	unsafe = "has no bound, is not safe in threads or hides its errors"
	ban("gets strcpy stpcpy strcat sprintf vsprintf strtok atoi atol atoll atof alloca", unsafe, "", 1)
	ban("gethostbyname asctime ctime localtime gmtime rand srand random srandom drand48 tmpnam mktemp", unsafe, "", 1)
	ban("system popen", "starts a shell", "", 1)
	ban("signal", "use sigaction()", "", 0)
	ban("exit _exit _Exit quick_exit abort", "ends the service: return an error, or CHECK() a promise of ours",
		"^(daemon/main|base/check)\\.[ch]$", 0)
	ban("assert", "use CHECK() of base/check.h", "", 0)
	ban("malloc calloc realloc reallocarray free strdup strndup aligned_alloc posix_memalign", "use base/mem.h",
		"^base/mem\\.c$", 0)
	ban("time gettimeofday clock_gettime clock timespec_get ftime", "use base/clock.h", "^base/clock\\.c$", 0)
	ban("getrandom getentropy RAND_bytes RAND_priv_bytes", "use base/random.h", "^base/random\\.c$", 0)

	while ((getline line < exceptions) > 0)
		if (split(line, word, " ") > 3 && word[1] == "call")
			excepted[word[2] " " word[3]] = 1
}

function ban(names, why, where, in_tests,    list, n) {
	n = split(names, list, " ")
	for (; n > 0; n--) {
		reason[list[n]] = why
		home[list[n]] = where
		everywhere[list[n]] = in_tests
	}
}

{
	text = $0
	sub(/^[^:]*:[^:]*:/, "", text)
	# Whole words before a parenthesis; a member of a struct is no call of the library.
	while (match(text, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
		before = RSTART > 1 ? substr(text, RSTART - 1, 1) : ""
		name = substr(text, RSTART, RLENGTH - 1)
		sub(/[ \t]+$/, "", name)
		text = substr(text, RSTART + RLENGTH)
		if (!(name in reason) || before == "." || before == ">" || before ~ /[0-9]/)
			continue
		if ($1 ~ /^tests\// && !everywhere[name])
			continue
		if ((home[name] != "" && $1 ~ home[name]) || (($1 " " name) in excepted))
			continue
		print $1 ":" $2 ": " name "() " reason[name]
	}
}
