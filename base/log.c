/*
 * Log lines. A line is put together on the stack and leaves by one write(2):
 *
 *   ts=2026-01-02T03:04:05.678Z level=info caller=receiver/server.c:123 msg="listening" port=9464
 *   {"ts":"2026-01-02T03:04:05.678Z","level":"info","caller":"receiver/server.c:123","msg":...}
 *
 * Cutting: LINE_TAIL bytes at the end are kept free while values are written, so that the closing
 * quote, the word that the line was cut, and the newline always fit; a cut JSON line is still JSON.
 *
 * Bursts: a fixed table of call sites, by hash, with a few steps of probing. A site has a span that
 * begins with its first line and lasts LOG_BURST_MS; past LOG_BURST lines in it, lines are counted
 * only. A site may be told apart further by what its lines are about: such places have a table of
 * their own, so that many of them leave the others theirs. Whoever writes a line after a span has ended tells what was counted in it. When all places
 * that a site could take hold live spans, its lines are written without counting: the table bounds
 * what a burst costs, it must not hide a line that it knows nothing about.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/metrics.h"
#include "base/parse.h"
#include "base/utf8.h"

#define LINE_TAIL 64
#define LINE_FULL (LOG_LINE_MAX - LINE_TAIL)
#define SITES 256     /* a power of two */
#define SITES_OF 1024 /* a power of two */
#define SITE_PROBES 8

struct line {
	char bytes[LOG_LINE_MAX];
	size_t size;
	bool json, cut;
};

struct site {
	const char *file; /* NULL: a free place */
	int line;
	char of[LOG_OF_MAX]; /* what its lines are about; "" for the call site as a whole */
	enum log_level level;
	int64_t since_ms; /* monotonic */
	uint32_t written, counted;
};

static _Atomic int threshold = LOG_LEVEL_INFO;
static _Atomic int format_in_use = LOG_FORMAT_LOGFMT;
static _Atomic int descriptor = STDERR_FILENO;
static _Atomic(const struct clock *) clock_in_use;

static pthread_mutex_t sites_lock = PTHREAD_MUTEX_INITIALIZER;
/* Under sites_lock: call sites as wholes, and behind them those with something to be about. */
static struct site sites[SITES + SITES_OF];
static _Atomic int64_t next_telling; /* no counted span ends before this monotonic ms */

static const char *const level_names[] = {"debug", "info", "warn", "error", "none"};
static const char *const format_names[] = {"logfmt", "json"};

void log_configure(enum log_level level, enum log_format format)
{
	atomic_store(&threshold, (int)level);
	atomic_store(&format_in_use, (int)format);
}

void log_set_fd(int fd)
{
	atomic_store(&descriptor, fd);
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed) &&
		level < LOG_LEVEL_NONE;
}

enum status log_level_parse(const char *text, enum log_level *level)
{
	for (size_t i = 0; i < ARRAY_COUNT(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return STATUS_OK;
		}
	}
	return STATUS_BAD_INPUT;
}

enum status log_format_parse(const char *text, enum log_format *format)
{
	for (size_t i = 0; i < ARRAY_COUNT(format_names); i++) {
		if (strcmp(text, format_names[i]) == 0) {
			*format = (enum log_format)i;
			return STATUS_OK;
		}
	}
	return STATUS_BAD_INPUT;
}

static const struct clock *clock_now_in_use(void)
{
	const struct clock *clock = atomic_load_explicit(&clock_in_use, memory_order_acquire);

	return clock != NULL ? clock : clock_system();
}

/* ---- putting a line together ---- */

/* Adds all bytes or none; with none the line is cut and takes nothing more but its end. */
static void add_bytes(struct line *line, const char *bytes, size_t size)
{
	if (line->cut)
		return;
	/* A closing quote may have gone into the tail already, so that size is past LINE_FULL. */
	if (line->size > LINE_FULL || size > LINE_FULL - line->size) {
		line->cut = true;
		return;
	}
	memcpy(line->bytes + line->size, bytes, size);
	line->size += size;
}

static void add_text(struct line *line, const char *text)
{
	add_bytes(line, text, strlen(text));
}

/* Into the tail that add_bytes() keeps free. */
static void add_end(struct line *line, const char *text)
{
	size_t size = strlen(text);

	CHECK(size <= sizeof(line->bytes) - line->size);
	memcpy(line->bytes + line->size, text, size);
	line->size += size;
}

/* Whether the sequence of `length` bytes at text is written as it is. The C1 control characters
 * (U+0080 to U+009F) drive some terminals like ESC does. */
static bool is_plain(const char *text, size_t length)
{
	unsigned char c = (unsigned char)text[0];

	if (length == 1)
		return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
	if (length == 2 && c == 0xc2)
		return (unsigned char)text[1] >= 0xa0;
	return length != 0;
}

static void add_escaped(struct line *line, const char *text, size_t length)
{
	unsigned code = (unsigned char)text[length == 2 ? 1 : 0];
	char escape[8];

	if (length == 0) {
		add_bytes(line, "\xef\xbf\xbd", 3);
		return;
	}
	switch (code) {
	case '"':
		add_bytes(line, "\\\"", 2);
		return;
	case '\\':
		add_bytes(line, "\\\\", 2);
		return;
	case '\n':
		add_bytes(line, "\\n", 2);
		return;
	case '\r':
		add_bytes(line, "\\r", 2);
		return;
	case '\t':
		add_bytes(line, "\\t", 2);
		return;
	default:
		/* For U+0080 to U+009F the second byte is the code itself. */
		snprintf(escape, sizeof(escape), "\\u%04x", code);
		add_text(line, escape);
	}
}

static void add_quoted(struct line *line, const char *text)
{
	size_t left = strlen(text);

	add_bytes(line, "\"", 1);
	if (line->cut)
		return;
	while (left > 0 && !line->cut) {
		size_t length = utf8_length(text, left);
		size_t step = length == 0 ? 1 : length;

		if (is_plain(text, length))
			add_bytes(line, text, step);
		else
			add_escaped(line, text, length);
		text += step;
		left -= step;
	}
	add_end(line, "\"");
}

/* logfmt: quoted when empty or when a reader could take it for something else. */
static bool needs_quotes(const char *text)
{
	size_t left = strlen(text);

	if (left == 0)
		return true;
	while (left > 0) {
		size_t length = utf8_length(text, left);

		if (!is_plain(text, length) || *text == ' ' || *text == '=')
			return true;
		text += length;
		left -= length;
	}
	return false;
}

static void add_value_text(struct line *line, const char *text)
{
	if (text == NULL)
		add_text(line, "null");
	else if (line->json || needs_quotes(text) || strlen(text) > LINE_FULL - line->size)
		add_quoted(line, text);
	else
		add_text(line, text);
}

static void add_key(struct line *line, const char *key)
{
	if (line->json) {
		add_text(line, line->size == 0 ? "{" : ",");
		add_quoted(line, key);
		add_text(line, ":");
		return;
	}
	if (line->size > 0)
		add_text(line, " ");
	add_text(line, key);
	add_text(line, "=");
}

static void add_number(struct line *line, double number)
{
	char text[40];

	/* JSON has no word for these; as a text they stay readable. */
	if (line->json && !isfinite(number)) {
		add_quoted(line, isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
		return;
	}
	if (isnan(number))
		snprintf(text, sizeof(text), "NaN");
	else if (isinf(number))
		snprintf(text, sizeof(text), number > 0 ? "+Inf" : "-Inf");
	else
		snprintf(text, sizeof(text), "%.12g", number);
	add_text(line, text);
}

static void add_field(struct line *line, const struct log_field *field)
{
	size_t began = line->size;
	char text[24];

	add_key(line, field->key);
	if (line->cut || line->size + 40 > LINE_FULL) {
		/* A key without any of its value would not be JSON. */
		line->size = began;
		line->cut = true;
		return;
	}
	switch (field->type) {
	case LOG_FIELD_TEXT:
		add_value_text(line, field->value.text);
		break;
	case LOG_FIELD_INT:
		snprintf(text, sizeof(text), "%" PRId64, field->value.integer);
		add_text(line, text);
		break;
	case LOG_FIELD_UINT:
		snprintf(text, sizeof(text), "%" PRIu64, field->value.natural);
		add_text(line, text);
		break;
	case LOG_FIELD_DOUBLE:
		add_number(line, field->value.number);
		break;
	case LOG_FIELD_BOOL:
		add_text(line, field->value.boolean ? "true" : "false");
		break;
	case LOG_FIELD_END:
		break;
	}
}

/* ---- writing ---- */

static void write_out(const struct line *line)
{
	int fd = atomic_load_explicit(&descriptor, memory_order_relaxed);
	size_t done = 0;

	/* One call nearly always; a pipe that was full takes the rest with the next. A log that
	 * nobody can read is no reason to stop working, so errors end the line only. */
	while (done < line->size) {
		ssize_t put = write(fd, line->bytes + done, line->size - done);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return;
		done += (size_t)put;
	}
}

static void write_line(enum log_level level, const char *file, int number, const char *message,
	const struct log_field *fields)
{
	struct line line;
	char text[256];
	int saved_errno = errno; /* logging must not change what the caller is about to report */

	line.size = 0;
	line.cut = false;
	line.json = atomic_load_explicit(&format_in_use, memory_order_relaxed) == LOG_FORMAT_JSON;
	format_rfc3339(clock_now_ms(clock_now_in_use()), text, sizeof(text));
	add_field(&line, &LOG_TEXT("ts", text));
	add_field(&line, &LOG_TEXT("level", level_names[level]));
	snprintf(text, sizeof(text), "%s:%d", file, number);
	add_field(&line, &LOG_TEXT("caller", text));
	add_key(&line, "msg");
	add_quoted(&line, message);
	for (; fields->type != LOG_FIELD_END && !line.cut; fields++)
		add_field(&line, fields);
	if (line.cut)
		add_end(&line, line.json ? ",\"cut\":true" : " cut=true");
	add_end(&line, line.json ? "}\n" : "\n");
	write_out(&line);
	errno = saved_errno;
}

/* ---- bursts ---- */

static void tell_repeated(const struct site *site)
{
	write_line(site->level, site->file, site->line, "repeated",
		(const struct log_field[]){LOG_UINT("lines", site->counted),
			LOG_UINT("span_seconds", LOG_BURST_MS / 1000),
			*site->of ? LOG_TEXT("of", site->of) : (struct log_field){0}, {0}});
}

static bool span_over(const struct site *site, int64_t now_ms)
{
	return now_ms - site->since_ms >= LOG_BURST_MS;
}

/* Under the lock: takes one span with counted lines out of the table, one that is over unless all
 * are asked for. False when there is none, and next_telling is then right. */
static bool take_counted(struct site *taken, int64_t now_ms, bool all)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < ARRAY_COUNT(sites); i++) {
		if (sites[i].counted == 0)
			continue;
		if (all || span_over(&sites[i], now_ms)) {
			*taken = sites[i];
			sites[i].counted = 0;
			return true;
		}
		if (sites[i].since_ms + LOG_BURST_MS < next)
			next = sites[i].since_ms + LOG_BURST_MS;
	}
	atomic_store(&next_telling, next);
	return false;
}

static void tell_counted(int64_t now_ms, bool all)
{
	struct site site;
	bool more = true;

	/* Each is taken under the lock and told outside of it: no I/O under a lock. */
	while (more) {
		pthread_mutex_lock(&sites_lock);
		more = take_counted(&site, now_ms, all);
		pthread_mutex_unlock(&sites_lock);
		if (more)
			tell_repeated(&site);
	}
}

static size_t hash_site(const char *file, int line, const char *of)
{
	uint32_t hash = 2166136261u ^ (uint32_t)line; /* FNV-1a */

	for (; *file != '\0'; file++)
		hash = (hash ^ (unsigned char)*file) * 16777619u;
	for (; *of != '\0'; of++)
		hash = (hash ^ (unsigned char)*of) * 16777619u;
	return hash ^ (hash >> 15);
}

/* Under the lock: the call site's place, taken over from one whose span is over and told if need
 * be; NULL when there is none. */
static struct site *find_site(const char *file, int line, const char *of, int64_t now_ms)
{
	size_t hash = hash_site(file, line, of);
	struct site *table = *of != '\0' ? sites + SITES : sites;
	size_t size = *of != '\0' ? SITES_OF : SITES;
	struct site *free_place = NULL;

	for (size_t i = 0; i < SITE_PROBES; i++) {
		struct site *site = &table[(hash + i) & (size - 1)];

		if (site->file != NULL && site->line == line && strcmp(site->file, file) == 0 &&
			strcmp(site->of, of) == 0)
			return site;
		if (free_place == NULL &&
			(site->file == NULL || (span_over(site, now_ms) && site->counted == 0)))
			free_place = site;
	}
	if (free_place != NULL) {
		*free_place = (struct site){.file = file, .line = line, .since_ms = now_ms};
		snprintf(free_place->of, sizeof(free_place->of), "%s", of);
	}
	return free_place;
}

/* Under the lock: whether one more line fits the place's span; if not it has been counted. */
static bool admit_at(struct site *site, enum log_level level, uint32_t most, int64_t now_ms)
{
	if (span_over(site, now_ms) && site->counted == 0) {
		site->since_ms = now_ms;
		site->written = 0;
	}
	site->level = level;
	if (site->written < most) {
		site->written++;
		return true;
	}
	site->counted++;
	if (site->since_ms + LOG_BURST_MS < atomic_load(&next_telling))
		atomic_store(&next_telling, site->since_ms + LOG_BURST_MS);
	return false;
}

/* Whether this line is to be written; if not it has been counted. */
static bool admit_line(enum log_level level, const char *file, int line, const char *of,
	int64_t now_ms)
{
	struct site *site;
	bool admitted = true;

	pthread_mutex_lock(&sites_lock);
	if (*of != '\0') {
		site = find_site(file, line, of, now_ms);
		admitted = site == NULL || admit_at(site, level, LOG_BURST, now_ms);
	}
	site = admitted ? find_site(file, line, "", now_ms) : NULL;
	if (site != NULL)
		admitted = admit_at(site, level, *of != '\0' ? LOG_BURST_ALL : LOG_BURST, now_ms);
	pthread_mutex_unlock(&sites_lock);
	return admitted;
}

void log_write_of(enum log_level level, const char *file, int line, const char *of,
	const char *message, const struct log_field *fields)
{
	int64_t now_ms = clock_mono_ns(clock_now_in_use()) / 1000000;
	char cut[LOG_OF_MAX];

	if (!log_enabled(level))
		return;
	if (now_ms >= atomic_load(&next_telling))
		tell_counted(now_ms, false);
	snprintf(cut, sizeof(cut), "%s", of);
	if (admit_line(level, file, line, cut, now_ms))
		write_line(level, file, line, message, fields);
	else
		metrics_inc(METRIC_LOG_SUPPRESSED);
}

void log_write(enum log_level level, const char *file, int line, const char *message,
	const struct log_field *fields)
{
	log_write_of(level, file, line, "", message, fields);
}

void log_flush(void)
{
	tell_counted(0, true);
}

void log_set_clock(const struct clock *clock)
{
	pthread_mutex_lock(&sites_lock);
	memset(sites, 0, sizeof(sites));
	atomic_store(&next_telling, 0);
	atomic_store_explicit(&clock_in_use, clock, memory_order_release);
	pthread_mutex_unlock(&sites_lock);
}
