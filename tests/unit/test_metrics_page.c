/* run-under: tsan */
/*
 * The metrics page while it is read: of one collection, however slow its reader is and however many
 * there are, or cut off.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/metrics.h"

static int reset(void **state)
{
	metrics_reset();
	return 0;
}

/* NULL: there is none. */
static const char *next_line(const char *at, const char *end)
{
	at = memchr(at, '\n', (size_t)(end - at));
	return at != NULL ? at + 1 : NULL;
}

/* Each collection is a number, in many children. */
static void collect_number(void *argument)
{
	int *number = argument;
	char name[32];

	++*number;
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "role-%d", i);
		metrics_set(METRIC_SIGNALS, *number, name);
	}
}

/* Reads on to the end: 0, or -1: it was cut off. The children's number must be this one, in each line. */
static ssize_t read_on(struct metrics_page *page, int number, size_t max)
{
	char bytes[1000], wanted[16];
	struct buf text;
	ssize_t got = 0;

	buf_init(&text, 1 << 24);
	snprintf(wanted, sizeof(wanted), "\"} %d\n", number);
	while (text.size < max && (got = metrics_page_read(page, bytes, sizeof(bytes))) > 0)
		buf_add(&text, bytes, (size_t)got);
	assert_true(buf_ok(&text));
	for (const char *at = text.data, *end = at + text.size; at != NULL && at < end;
		at = next_line(at, end)) {
		const char *brace =
			strncmp(at, "nimbusguard_signals{", 20) == 0 ? strstr(at, "\"}") : NULL;

		if (brace != NULL && brace + strlen(wanted) <= end)
			assert_memory_equal(brace, wanted, strlen(wanted));
	}
	buf_fini(&text);
	return got;
}

static void a_page_is_of_one_collection(void **state)
{
	struct metrics_page *first, *second;
	struct metric_samples samples;
	struct clock_manual manual;
	int number = 0;

	(void)state;
	clock_manual_init(&manual, 1000000);
	metrics_page_clock(&manual.clock);
	metrics_add_collector(collect_number, &number);
	first = metrics_page_open();
	assert_non_null(first);
	assert_true(read_on(first, 1, 40000) > 0);
	/* Who comes while it is being read sees the same. */
	clock_manual_advance(&manual, METRICS_PAGE_MS - 1);
	second = metrics_page_open();
	assert_int_equal(metrics_take(&(enum metric_id){METRIC_SIGNALS}, 1, &samples), STATUS_OK);
	assert_true(samples.count == 2000 && samples.list[7].value == 1);
	metric_samples_fini(&samples);
	assert_int_equal(read_on(second, 1, SIZE_MAX), 0);
	assert_int_equal(read_on(first, 1, SIZE_MAX), 0);
	assert_int_equal(number, 1);
	metrics_page_close(second);
	metrics_page_close(first);
	/* Once nobody reads, the next is new. */
	first = metrics_page_open();
	assert_int_equal(number, 2);
	assert_true(read_on(first, 2, 40000) > 0);
	/* And one that takes long has the rest of its own, though others were made since. */
	for (int next = 3; next < 6; next++) {
		clock_manual_advance(&manual, METRICS_PAGE_MS);
		second = metrics_page_open();
		assert_int_equal(number, next);
		assert_int_equal(read_on(second, next, SIZE_MAX), 0);
		metrics_page_close(second);
	}
	assert_int_equal(read_on(first, 2, SIZE_MAX), 0);
	assert_int_equal(metrics_page_read(first, (char[8]){0}, 8), 0);
	metrics_page_close(first);
	metrics_remove_collector(collect_number, &number);
}

/* Pages that are read slowly, of which so many are kept as there is room for; then the rest is cut off. */
static void what_is_kept_for_slow_readers_has_an_end(void **state)
{
	enum { READERS = 1200 };
	static struct metrics_page *pages[READERS];
	static char bytes[1 << 20];
	struct clock_manual manual;
	int number = 0, whole = 0, cut = 0;
	struct metrics_page *last;

	(void)state;
	clock_manual_init(&manual, 1000000);
	metrics_page_clock(&manual.clock);
	metrics_add_collector(collect_number, &number);
	for (int i = 0; i < READERS; i++) {
		pages[i] = metrics_page_open();
		assert_non_null(pages[i]);
	}
	clock_manual_advance(&manual, METRICS_PAGE_MS);
	metrics_page_close(metrics_page_open());
	assert_int_equal(number, 2);
	for (int i = 0; i < READERS; i++) {
		ssize_t end;

		while ((end = metrics_page_read(pages[i], bytes, sizeof(bytes))) > 0)
			;
		whole += end == 0;
		cut += end == -1;
		metrics_page_close(pages[i]);
	}
	assert_true(whole > 100 && cut > 0 && whole + cut == READERS);
	/* What was closed has given its room back. */
	last = metrics_page_open();
	assert_int_equal(number, 3);
	clock_manual_advance(&manual, METRICS_PAGE_MS);
	metrics_page_close(metrics_page_open());
	assert_int_equal(number, 4);
	assert_int_equal(read_on(last, 3, SIZE_MAX), 0);
	metrics_page_close(last);
	metrics_remove_collector(collect_number, &number);
}

/* Readers at pieces of theirs, while others open new pages, whose turn it then is to write the rests. */
static void *read_slowly(void *failures)
{
	for (int i = 0; i < 20; i++) {
		struct metrics_page *page = metrics_page_open();
		int number = -1, seen;
		char bytes[4096 + 1];
		ssize_t size;

		while ((size = metrics_page_read(page, bytes, sizeof(bytes) - 1)) > 0) {
			bytes[size] = '\0';
			for (const char *at = bytes;
				(at = strstr(at, "nimbusguard_signals{role=\"role-")) != NULL; at++)
				if (sscanf(at, "nimbusguard_signals{role=\"role-%*d\"} %d%*1[\n]",
					    &seen) == 1 &&
					strchr(at, '\n') != NULL) {
					number = number == -1 ? seen : number;
					atomic_fetch_add((atomic_int *)failures, number != seen);
				}
		}
		atomic_fetch_add((atomic_int *)failures, size != 0);
		metrics_page_close(page);
	}
	return NULL;
}

static void many_slow_readers_have_a_page_of_one_collection_each(void **state)
{
	static atomic_int failures;
	struct clock_manual manual;
	pthread_t threads[4];
	int number = 0;

	(void)state;
	clock_manual_init(&manual, 1000000);
	metrics_page_clock(&manual.clock);
	metrics_add_collector(collect_number, &number);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_slowly, &failures), 0);
	for (int i = 0; i < 50; i++) {
		struct metrics_page *page;

		clock_manual_advance(&manual, METRICS_PAGE_MS);
		page = metrics_page_open();
		assert_non_null(page);
		assert_true(read_on(page, number, 1000) >= 0);
		metrics_page_close(page);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&failures), 0);
	metrics_remove_collector(collect_number, &number);
}

static void a_metric_cleared_half_way_cuts_the_page_off(void **state)
{
	struct metrics_page *read;
	struct buf text;
	int number = 0;

	(void)state;
	collect_number(&number);
	read = metrics_page_open();
	assert_true(read_on(read, 1, 40000) > 0);
	metrics_clear(METRIC_SIGNALS);
	assert_int_equal(read_on(read, 1, SIZE_MAX), -1);
	metrics_page_close(read);
	buf_init(&text, 1 << 24);
	metrics_write_page(&text);
	assert_true(buf_ok(&text) && strstr(text.data, "nimbusguard_signals{") == NULL);
	buf_fini(&text);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, reset, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_is_of_one_collection),
		TEST(what_is_kept_for_slow_readers_has_an_end),
		TEST(many_slow_readers_have_a_page_of_one_collection_each),
		TEST(a_metric_cleared_half_way_cuts_the_page_off),
	};

	return cmocka_run_group_tests_name("metrics_page", tests, NULL, NULL);
}
