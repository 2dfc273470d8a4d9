/*
 * Requests are counted where they belong, and the page is one that a scraper takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "demo/usage.h"

static void page_has(const struct buf *page, const char *line)
{
	if (strstr(page->data, line) == NULL)
		fail_msg("no %s in\n%s", line, page->data);
}

static void buckets_are_cumulated_and_bounds_belong_below(void **state)
{
	struct usage *usage = usage_open("http");
	struct buf page;

	(void)state;
	assert_non_null(usage);
	usage_observe(usage, "work", "GET", 200, 0.5);
	usage_observe(usage, "work", "GET", 200, 0.75);
	usage_observe(usage, "work", "GET", 200, 20);
	usage_observe(usage, "work", "GET", 0, 1);
	buf_init(&page, 1 << 20);
	usage_write(usage, &page);
	assert_true(buf_ok(&page));
	page_has(&page, "http_requests_total{handler=\"work\",method=\"GET\",code=\"200\"} 3\n");
	page_has(&page, "http_requests_total{handler=\"work\",method=\"GET\",code=\"none\"} 1\n");
	page_has(&page, "method=\"GET\",code=\"200\",le=\"0.25\"} 0\n");
	page_has(&page, "method=\"GET\",code=\"200\",le=\"0.5\"} 1\n");
	page_has(&page, "method=\"GET\",code=\"200\",le=\"1\"} 2\n");
	page_has(&page, "method=\"GET\",code=\"200\",le=\"10\"} 2\n");
	page_has(&page, "method=\"GET\",code=\"200\",le=\"+Inf\"} 3\n");
	page_has(&page, "_sum{handler=\"work\",method=\"GET\",code=\"200\"} 21.25\n");
	buf_fini(&page);
	usage_close(usage);
}

static void too_many_combinations_count_as_other(void **state)
{
	struct usage *usage = usage_open("load");
	struct buf page;
	char name[16];

	(void)state;
	assert_non_null(usage);
	for (int i = 0; i < USAGE_CHILDREN_MAX + 10; i++) {
		snprintf(name, sizeof(name), "h%d", i);
		usage_observe(usage, name, "GET", 200, 0);
	}
	usage_observe(usage, "h0", "GET", 200, 0);
	buf_init(&page, 1 << 20);
	usage_write(usage, &page);
	assert_true(buf_ok(&page));
	page_has(&page,
		"load_requests_total{handler=\"other\",method=\"other\",code=\"other\"} 10\n");
	page_has(&page, "load_requests_total{handler=\"h0\",method=\"GET\",code=\"200\"} 2\n");
	buf_fini(&page);
	usage_close(usage);
}

static void without_memory_there_is_none(void **state)
{
	(void)state;
	(void)mem_fail_after(1, false);
	assert_null(usage_open("http"));
	assert_true(mem_fail_after(0, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_are_cumulated_and_bounds_belong_below),
		cmocka_unit_test(too_many_combinations_count_as_other),
		cmocka_unit_test(without_memory_there_is_none),
	};

	return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
