/*
 * The metrics page in Prometheus' text format 0.0.4, the collectors that run before it, and the table
 * of metrics as Markdown.
 *
 * Collecting takes turns: one runs the collectors while others wait. The turn is a flag with a condition, not
 * a lock held over callbacks. A page holds no turn while it is read, since its reader may be slow. Whoever
 * collects anew writes first what is left of each page that is still being read, to be kept until its reader
 * comes for it: the page is claimed for that, as its reader claims it for each piece. One that finds no room
 * knows the number of its collection, which goes up before the collectors run, and looks after each piece whether
 * it is still the same; a piece that might hold gauges of half a collection is thrown away with the page.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/metrics_cells.h"

#define COLLECTORS_MAX 32
/* A piece is full from here on; a child more takes 60 kB at most, a histogram of the longest labels. */
#define PIECE_FULL 16384

struct collector {
	metrics_collect_fn *collect;
	void *argument;
};

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_over = PTHREAD_COND_INITIALIZER;
static bool turn_taken;
/* Written and read by whoever has the turn. */
static struct collector collectors[COLLECTORS_MAX];
static size_t collector_count;
static int64_t collected_ns;
static const struct clock *page_clock; /* NULL: the system's */
/* How often was collected, and pages that are not read to their end yet. */
static _Atomic uint64_t collection;
static _Atomic size_t pages_read;
/* Under turn_lock: all pages that are open, and the one whose claim ended was claimed no more. */
static struct metrics_page *pages_open;
static pthread_cond_t claim_over = PTHREAD_COND_INITIALIZER;
/* What is kept for slow readers; written by whoever has the turn, less by who closes a page. */
static _Atomic size_t kept_bytes;

struct metrics_page {
	struct metrics_page *next; /* of pages_open */
	bool claimed;              /* under turn_lock; what follows is for who claimed it */
	uint64_t collection;
	bool leaves;      /* it is counted in pages_read */
	int family;       /* METRIC_COUNT: all are written */
	bool begun;       /* its head is written */
	size_t cell;      /* of the family: the next */
	uint64_t cleared; /* of the family, when its first was written */
	size_t full;      /* a piece of so many bytes is not added to */
	struct buf piece;
	size_t given;    /* of the piece */
	struct buf kept; /* behind the piece: the rest of the page; empty: not written yet */
	size_t kept_size;
};

static const char *const bound_texts[METRIC_BOUND_COUNT + 1] = {
#define X(bound) #bound,
	METRIC_BOUND_TABLE(X)
#undef X
		"+Inf",
};

static void turn_begin(void)
{
	pthread_mutex_lock(&turn_lock);
	while (turn_taken)
		pthread_cond_wait(&turn_over, &turn_lock);
	turn_taken = true;
	pthread_mutex_unlock(&turn_lock);
}

static void turn_end(void)
{
	pthread_mutex_lock(&turn_lock);
	turn_taken = false;
	pthread_cond_signal(&turn_over);
	pthread_mutex_unlock(&turn_lock);
}

void metrics_add_collector(metrics_collect_fn *collect, void *argument)
{
	turn_begin();
	CHECK(collector_count < COLLECTORS_MAX);
	collectors[collector_count++] = (struct collector){collect, argument};
	turn_end();
}

void metrics_remove_collector(metrics_collect_fn *collect, void *argument)
{
	size_t kept = 0;

	turn_begin();
	for (size_t i = 0; i < collector_count; i++)
		if (collectors[i].collect != collect || collectors[i].argument != argument)
			collectors[kept++] = collectors[i];
	collector_count = kept;
	turn_end();
}

void metrics_page_clock(const struct clock *clock)
{
	turn_begin();
	page_clock = clock;
	collected_ns = 0;
	turn_end();
}

static void write_number(struct buf *buf, double value)
{
	char text[32];

	if (isnan(value)) {
		buf_add_text(buf, "NaN");
	} else if (isinf(value)) {
		buf_add_text(buf, value > 0 ? "+Inf" : "-Inf");
	} else if (fabs(value) < 1e15 && trunc(value) == value) {
		/* Counts and bytes are read by people too: no exponent. */
		snprintf(text, sizeof(text), "%.0f", value);
		buf_add_text(buf, text);
	} else {
		buf_add_json_number(buf, value);
	}
}

/* HELP escapes backslash and line feed, label values the double quote as well. */
static void write_escaped(struct buf *buf, const char *text, bool in_quotes)
{
	for (; *text; text++) {
		if (*text == '\n')
			buf_add(buf, "\\n", 2);
		else if (*text == '\\' || (*text == '"' && in_quotes))
			buf_add(buf, (char[]){'\\', *text}, 2);
		else
			buf_add_char(buf, *text);
	}
}

/* {a="x",le="5"}; le may be NULL. */
static void write_labels(struct buf *buf, const char *names, const struct metric_cell *cell,
	const char *le)
{
	size_t i = 0;

	if (!*names && !le)
		return;
	buf_add_char(buf, '{');
	while (*names) {
		size_t size = strcspn(names, ",");

		buf_add(buf, names, size);
		buf_add(buf, "=\"", 2);
		write_escaped(buf, cell->values[i++], true);
		buf_add_char(buf, '"');
		names += size;
		names += *names == ',';
		if (*names || le)
			buf_add_char(buf, ',');
	}
	if (le)
		buf_printf(buf, "le=\"%s\"", le);
	buf_add_char(buf, '}');
}

static void write_sample(struct buf *buf, const struct metric_description *metric,
	const char *suffix, const struct metric_cell *cell, const char *le, double value)
{
	buf_add_text(buf, metric->name);
	buf_add_text(buf, suffix);
	write_labels(buf, metric->labels, cell, le);
	buf_add_char(buf, ' ');
	write_number(buf, value);
	buf_add_char(buf, '\n');
}

static void write_cell(struct buf *buf, const struct metric_description *metric,
	const struct metric_cell *cell)
{
	uint64_t count = 0;

	if (metric->type != METRIC_HISTOGRAM) {
		write_sample(buf, metric, "", cell, NULL, metric_cell_sum(cell));
		return;
	}
	for (size_t i = 0; i <= METRIC_BOUND_COUNT; i++) {
		count += atomic_load_explicit(&cell->buckets->counts[i], memory_order_relaxed);
		write_sample(buf, metric, "_bucket", cell, bound_texts[i], (double)count);
	}
	write_sample(buf, metric, "_sum", cell, NULL, metric_cell_sum(cell));
	write_sample(buf, metric, "_count", cell, NULL, (double)count);
}

static const char *type_name(enum metric_type type)
{
	static const char *const names[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};

	return names[type];
}

static void write_head(struct buf *buf, const struct metric_description *metric)
{
	buf_printf(buf, "# HELP %s ", metric->name);
	write_escaped(buf, metric->help, false);
	buf_printf(buf, "\n# TYPE %s %s\n", metric->name, type_name(metric->type));
}

/* Of the family that the page is at, as far as the piece has room; then it is at the next one. False: the
 * family was cleared since its first cell was written. */
static bool write_family(struct metrics_page *page)
{
	enum metric_id id = (enum metric_id)page->family;
	const struct metric_description *metric = metric_describe(id);
	struct metric_family *family = metric_family(id);
	bool whole, same;

	if (!*metric->labels) {
		write_head(&page->piece, metric);
		write_cell(&page->piece, metric, metric_single(id));
		page->family++;
		return true;
	}
	pthread_mutex_lock(&family->lock);
	if (!page->begun) {
		page->begun = true;
		page->cleared = family->cleared;
		if (family->cell_count)
			write_head(&page->piece, metric);
	}
	same = page->cleared == family->cleared;
	while (same && page->cell < family->cell_count && page->piece.size < page->full)
		write_cell(&page->piece, metric, family->cells[page->cell++]);
	whole = page->cell >= family->cell_count;
	pthread_mutex_unlock(&family->lock);
	if (whole) {
		page->cell = 0;
		page->begun = false;
		page->family++;
	}
	return same;
}

/* Which metrics had more children than there may be. */
static void collect_left_out(void)
{
	for (int id = 0; id < METRIC_COUNT; id++) {
		uint64_t count = atomic_load(&metric_family((enum metric_id)id)->left_out);

		if (count > 0)
			metrics_set(METRIC_LEFT_OUT, (double)count,
				metric_describe((enum metric_id)id)->name);
	}
}

static void page_claim(struct metrics_page *page)
{
	pthread_mutex_lock(&turn_lock);
	while (page->claimed)
		pthread_cond_wait(&claim_over, &turn_lock);
	page->claimed = true;
	pthread_mutex_unlock(&turn_lock);
}

static void page_unclaim(struct metrics_page *page)
{
	pthread_mutex_lock(&turn_lock);
	page->claimed = false;
	pthread_cond_broadcast(&claim_over);
	pthread_mutex_unlock(&turn_lock);
}

static void page_leave(struct metrics_page *page)
{
	if (page->leaves)
		atomic_fetch_sub(&pages_read, 1);
	page->leaves = false;
}

/* Writes what is left of a page that was claimed. Where there is no room it is of no collection any more, and
 * cut off where its reader goes on. */
static void keep_rest(struct metrics_page *page)
{
	struct buf piece = page->piece;
	bool same = true;

	if (!page->leaves || page->family == METRIC_COUNT) {
		page_leave(page);
		return;
	}
	buf_init(&page->piece, METRICS_KEPT_MAX - atomic_load(&kept_bytes));
	/* A family is left now and then, for those who wait for it. */
	while (same && page->family < METRIC_COUNT && buf_ok(&page->piece)) {
		page->full = page->piece.size + PIECE_FULL;
		same = write_family(page);
	}
	if (!same || !buf_ok(&page->piece)) {
		buf_fini(&page->piece);
		page->family = 0;
		page->collection = 0;
	} else {
		page->kept = page->piece;
		page->kept_size = page->kept.size;
		atomic_fetch_add(&kept_bytes, page->kept_size);
		page_leave(page);
	}
	page->piece = piece;
	page->full = PIECE_FULL;
}

/* With the turn: no page is opened meanwhile, but they are closed. */
static void keep_rests(void)
{
	pthread_mutex_lock(&turn_lock);
	for (struct metrics_page *page = pages_open; page != NULL;) {
		if (page->claimed) {
			/* Its reader is at a piece, and may close it after that. */
			pthread_cond_wait(&claim_over, &turn_lock);
			page = pages_open;
			continue;
		}
		if (!page->leaves || page->collection != atomic_load(&collection)) {
			page = page->next;
			continue;
		}
		page->claimed = true;
		pthread_mutex_unlock(&turn_lock);
		keep_rest(page);
		pthread_mutex_lock(&turn_lock);
		page->claimed = false;
		pthread_cond_broadcast(&claim_over);
		page = page->next;
	}
	pthread_mutex_unlock(&turn_lock);
}

/* With the turn. */
static void collect(void)
{
	int64_t now_ns = clock_mono_ns(page_clock != NULL ? page_clock : clock_system());

	if (atomic_load(&pages_read) > 0 &&
		now_ns - collected_ns < INT64_C(1000000) * METRICS_PAGE_MS)
		return;
	keep_rests();
	collected_ns = now_ns;
	/* Before anything is cleared: whoever sees it cleared sees this. */
	atomic_fetch_add(&collection, 1);
	for (size_t i = 0; i < collector_count; i++)
		collectors[i].collect(collectors[i].argument);
	collect_left_out();
}

void metrics_collect_begin(void)
{
	turn_begin();
	collect();
}

void metrics_collect_end(void)
{
	turn_end();
}

struct metrics_page *metrics_page_open(void)
{
	struct metrics_page *page = mem_zalloc(1, sizeof(*page));

	if (page == NULL)
		return NULL;
	buf_init(&page->piece, METRICS_PIECE_MAX);
	page->full = PIECE_FULL;
	metrics_collect_begin();
	page->collection = atomic_load(&collection);
	page->leaves = true;
	atomic_fetch_add(&pages_read, 1);
	pthread_mutex_lock(&turn_lock);
	page->next = pages_open;
	pages_open = page;
	pthread_mutex_unlock(&turn_lock);
	metrics_collect_end();
	return page;
}

void metrics_page_close(struct metrics_page *page)
{
	struct metrics_page **at = &pages_open;

	if (page == NULL)
		return;
	pthread_mutex_lock(&turn_lock);
	while (page->claimed)
		pthread_cond_wait(&claim_over, &turn_lock);
	while (*at != page)
		at = &(*at)->next;
	*at = page->next;
	pthread_mutex_unlock(&turn_lock);
	page_leave(page);
	atomic_fetch_sub(&kept_bytes, page->kept_size);
	buf_fini(&page->piece);
	buf_fini(&page->kept);
	mem_free(page);
}

/* False: the page is cut off. */
static bool next_piece(struct metrics_page *page)
{
	bool same = true;

	buf_reset(&page->piece);
	page->given = 0;
	while (same && page->family < METRIC_COUNT && page->piece.size < PIECE_FULL)
		same = write_family(page);
	return same && buf_ok(&page->piece) && page->collection == atomic_load(&collection);
}

/* Of a page that was claimed. */
static ssize_t read_claimed(struct metrics_page *page, char *bytes, size_t room)
{
	size_t left = page->piece.size - page->given;

	if (left == 0 && page->kept.size > 0) {
		buf_fini(&page->piece);
		page->piece = page->kept;
		buf_init(&page->kept, 0);
		page->given = 0;
		left = page->piece.size;
	}
	if (left == 0 && !page->leaves)
		return page->family < METRIC_COUNT ? -1 : 0;
	if (left == 0 && page->family < METRIC_COUNT) {
		if (!next_piece(page)) {
			page->family = 0;
			page->given = page->piece.size;
			page_leave(page);
			return -1;
		}
		left = page->piece.size;
	}
	if (left == 0)
		page_leave(page);
	left = left < room ? left : room;
	if (left > 0)
		memcpy(bytes, page->piece.data + page->given, left);
	page->given += left;
	return (ssize_t)left;
}

ssize_t metrics_page_read(struct metrics_page *page, char *bytes, size_t room)
{
	ssize_t size;

	page_claim(page);
	size = read_claimed(page, bytes, room);
	page_unclaim(page);
	return size;
}

void metrics_write_page(struct buf *buf)
{
	struct metrics_page *page = metrics_page_open();
	char bytes[4096];
	ssize_t size;

	while (page != NULL && (size = metrics_page_read(page, bytes, sizeof(bytes))) > 0)
		buf_add(buf, bytes, (size_t)size);
	metrics_page_close(page);
}

static void write_markdown(struct buf *buf, const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '\\')
			buf_add_char(buf, '\\');
		buf_add_char(buf, *text == '\n' ? ' ' : *text);
	}
}

void metrics_write_docs(struct buf *buf)
{
	buf_add_text(buf, "| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n");
	for (int id = 0; id < METRIC_COUNT; id++) {
		const struct metric_description *metric = metric_describe((enum metric_id)id);

		buf_printf(buf, "| `%s` | %s | ", metric->name, type_name(metric->type));
		for (const char *name = metric->labels; *name;) {
			size_t size = strcspn(name, ",");

			buf_printf(buf, "`%.*s`", (int)size, name);
			name += size;
			if (*name) {
				buf_add(buf, ", ", 2);
				name++;
			}
		}
		buf_add_text(buf, " | ");
		write_markdown(buf, metric->help);
		buf_add_text(buf, " |\n");
	}
}
