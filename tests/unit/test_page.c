/*
 * The status page: nothing from outside is taken as markup, what is not known is not a zero, and the
 * document is well-formed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "receiver/page.h"

#define EVIL "<script>alert('x')</script>\"&"

static const struct page_component components[] = {{"ingest", "", true}, {EVIL, EVIL, false},
	{"engine", NULL, true}};
static const struct page_signal signals[] = {
	{"cpu", "cores", 1.5, 1.25, 0.4, "good"},
	{"memory", "bytes", 1610612736, 1073741824, 3.5, "good"},
	{"error_rate", "ratio", 0.125, 0.001, 12, "good"},
	{"latency", "seconds", NAN, NAN, NAN, "missing"},
	{EVIL, EVIL, -1e300, INFINITY, NAN, EVIL},
};
static const struct page_workload workloads[] = {{"shop/Deployment/web", signals, 5},
	{EVIL, NULL, 0}};
static const struct page_finding findings[] = {{"shop/Deployment/web", "cpu", "cpu is high", 7.5,
						       0.9, 1767322800000},
	{EVIL, EVIL, EVIL, NAN, NAN, 0}};
static const struct page_gate gates[] = {{"mode", NULL, true},
	{"cooldown", "cooldown_active", false}, {EVIL, EVIL, false}};
static const struct page_step steps[] = {{1767322800000, "PROPOSED", ""},
	{1767322801000, EVIL, EVIL}, {1767322802000, "DONE", NULL}};
static const struct page_incident incidents[] =
	{{"i-1", "PodCrashLooping", "shop/Pod/web-1", "restart", "blocked", "delete pod", NULL,
		 "OPS-1", "https://jira.example.org/browse/OPS-1", true, 1767322800000, gates, 3,
		 steps, 3, "ann (approve), good until 12:00", "PodCrashLooping (pod web-2)"},
		{EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, "https://" EVIL, false, 0, NULL, 0,
			NULL, 0, EVIL, EVIL}};

static const struct page_training training = {EVIL, false, 3, 10, 0.25, 0.125, 1767322000000,
	1767322800000, EVIL};

static const struct page_scaling scalings[] = {{"shop/Deployment/web", "shadow",
						       "the built-in rule", "the forecast needs it",
						       4, 7, 6, 5},
	{EVIL, EVIL, EVIL, EVIL, NAN, NAN, NAN, NAN}};

static struct page_status full(void)
{
	return (struct page_status){.version = "0.1 " EVIL,
		.mode = EVIL,
		.prefix = "/" EVIL,
		.dry_run = true,
		.paused = true,
		.paused_by = EVIL,
		.paused_since_ms = 1767322000000,
		.now_ms = 1767322805000,
		.uptime_ms = 5400000,
		.refresh_s = 5,
		.components = components,
		.component_count = 3,
		.series = 120,
		.series_max = 100000,
		.bytes = 1048576,
		.bytes_max = 1073741824,
		.samples_per_second = NAN,
		.training = &training,
		.workloads = workloads,
		.workload_count = 2,
		.workload_total = 17,
		.findings = findings,
		.finding_count = 2,
		.finding_total = 2,
		.scalings = scalings,
		.scaling_count = 2,
		.scaling_total = 30,
		.incidents = incidents,
		.incident_count = 2,
		.incident_total = 2};
}

static char *write_page(const struct page_status *status)
{
	struct buf buf;
	char *text;

	buf_init(&buf, 1024 * 1024);
	page_write_status(&buf, status);
	assert_true(buf_ok(&buf));
	text = buf_take(&buf, NULL);
	assert_non_null(text);
	return text;
}

static void nothing_from_outside_is_markup(void **state)
{
	struct page_status status = full();
	char *text = write_page(&status);
	size_t count = 0;

	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "alert('x')"));
	assert_null(strstr(text, "\"&\""));
	for (const char *at = text; (at = strstr(at, "&lt;script&gt;")) != NULL; at++)
		count++;
	/* Every text field holds it once: a field that is not shown shows here. */
	assert_int_equal(count, 1 + 1 + 6 + 2 + 2 + 1 + 3 + 2 + 2 + 11 + 1 + 2 + 2 + 4);
	mem_free(text);
}

static void what_is_not_known_is_a_dash(void **state)
{
	struct page_status status = {.samples_per_second = NAN};
	char *text = write_page(&status);

	assert_non_null(strstr(text, "\xE2\x80\x93</b><span class=\"soft\">samples a second"));
	assert_non_null(strstr(text, "None seen yet"));
	assert_non_null(strstr(text, "Nothing stands out"));
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "(null)"));
	assert_null(strstr(text, "http-equiv"));
	mem_free(text);
	status = full();
	text = write_page(&status);
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "(null)"));
	mem_free(text);
}

static void values_are_shown_in_their_units(void **state)
{
	struct page_status status = full();
	char *text = write_page(&status);

	assert_non_null(strstr(text, ">1.5 GiB<"));
	assert_non_null(strstr(text, ">12.5 %<"));
	assert_non_null(strstr(text, "2026-01-02 03:00:00"));
	assert_non_null(strstr(text, "up 1h30m"));
	assert_non_null(strstr(text, "2 of 17"));
	assert_non_null(strstr(text, "class=\"num warn\">3.5<"));
	assert_non_null(strstr(text, "class=\"num bad\">12<"));
	assert_non_null(strstr(text, "cooldown_active"));
	assert_non_null(strstr(text, "content=\"5\""));
	mem_free(text);
}

static void a_kill_switch_that_is_on_stands_above_all(void **state)
{
	struct page_status status = full();
	char *text;
	const char *alarm;

	status.paused_by = "ann";
	text = write_page(&status);
	alarm = strstr(text, "Kill switch on: nothing is changed");
	assert_non_null(alarm);
	assert_true(alarm < strstr(text, ">Service<"));
	assert_non_null(strstr(alarm, "Set by <b>ann</b> at <time datetime=\"2026-01-02T02:46:40"));
	mem_free(text);
	status.paused = false;
	text = write_page(&status);
	assert_null(strstr(text, "Kill switch"));
	mem_free(text);
}

/* Tags open and close in order; void elements have no end. */
static void tags_are_balanced(void **state)
{
	static const char *const alone[] = {"!DOCTYPE", "meta"};
	struct page_status status = full();
	char *text = write_page(&status), name[32];
	const char *open[64];
	size_t depth = 0, sizes[64];

	for (const char *at = text; (at = strchr(at, '<')) != NULL;) {
		bool end = *++at == '/', single = false;
		size_t size;

		at += end;
		size = strcspn(at, " >");
		snprintf(name, sizeof(name), "%.*s", (int)size, at);
		for (size_t i = 0; i < 2; i++)
			single |= !strcmp(name, alone[i]);
		if (single)
			continue;
		if (!end) {
			assert_true(depth < 64);
			open[depth] = at;
			sizes[depth++] = size;
			continue;
		}
		assert_true(depth > 0);
		depth--;
		if (sizes[depth] != size || strncmp(open[depth], at, size) != 0)
			fail_msg("<%.*s> ends as %s", (int)sizes[depth], open[depth], name);
	}
	assert_int_equal(depth, 0);
	mem_free(text);
}

static void page_that_does_not_fit_says_so(void **state)
{
	struct page_status status = full();
	struct buf buf;
	bool reached = true;

	buf_init(&buf, 1000);
	page_write_status(&buf, &status);
	assert_false(buf_ok(&buf));
	buf_fini(&buf);
	for (long nth = 1; reached; nth++) {
		buf_init(&buf, 1024 * 1024);
		mem_fail_after(nth, false);
		page_write_status(&buf, &status);
		reached = mem_fail_after(0, false);
		assert_int_equal(buf_ok(&buf), !reached);
		buf_fini(&buf);
	}
}

static void a_ticket_is_a_link_to_its_service(void **state)
{
	struct page_incident incident = incidents[0];
	struct page_status status = full();
	struct buf page;

	buf_init(&page, 1 << 20);
	page_write_status(&page, &status);
	assert_non_null(
		strstr(page.data, "href=\"https://jira.example.org/browse/OPS-1\">OPS-1</a>"));
	assert_non_null(strstr(page.data, "ann (approve), good until 12:00"));
	assert_non_null(strstr(page.data, "PodCrashLooping (pod web-2)"));
	assert_non_null(strstr(page.data, "<details id=\"i-1\""));
	/* What a service could say of itself is no script. */
	incident.ticket_url = "javascript:alert(1)";
	status.incidents = &incident;
	status.incident_count = 1;
	buf_reset(&page);
	page_write_status(&page, &status);
	assert_null(strstr(page.data, "javascript:"));
	assert_non_null(strstr(page.data, "OPS-1"));
	buf_fini(&page);
}

static void a_training_is_told_while_it_runs_and_after_it_ended(void **state)
{
	struct page_training one = {"net for all workloads", true, 0, 10, NAN, NAN, 1767322800000,
		0, NULL};
	struct page_status status = {.samples_per_second = NAN};
	char *text = write_page(&status);

	assert_null(strstr(text, "Training"));
	mem_free(text);
	status.training = &one;
	text = write_page(&status);
	assert_non_null(strstr(text,
		"net for all workloads: under way, 0 of at most 10 epochs done, "
		"loss \xE2\x80\x93, on what is held out \xE2\x80\x93, since <time "
		"datetime=\"2026-01-02T03:00:00"));
	assert_null(strstr(text, "ended"));
	mem_free(text);
	one = (struct page_training){"net for all workloads", false, 4, 10, 0.25, 0.125, 0,
		1767322800000, "kept"};
	text = write_page(&status);
	assert_non_null(strstr(text,
		"net for all workloads: ended as kept after 4 epochs, loss 0.25, on what is held "
		"out 0.125, at <time datetime=\"2026-01-02T03:00:00"));
	assert_null(strstr(text, "under way"));
	mem_free(text);
}

static void what_the_scaler_would_have_stands_beside_what_there_is_and_an_hpa(void **state)
{
	struct page_status status = {.samples_per_second = NAN};
	char *text = write_page(&status);

	(void)state;
	assert_null(strstr(text, "Scaler"));
	mem_free(text);
	status.scalings = scalings;
	status.scaling_count = 1;
	status.scaling_total = 30;
	text = write_page(&status);
	assert_non_null(strstr(text, "Scaler <span class=\"soft\">1 of 30</span>"));
	assert_non_null(strstr(text,
		"<td class=\"\">shop/Deployment/web</td><td class=\"num \">4</td>"
		"<td class=\"num warn\">7</td><td class=\"num \">6</td><td class=\"num \">5</td>"
		"<td class=\"\">the forecast needs it</td><td class=\"soft\">the built-in rule</td>"
		"<td class=\"soft\">shadow</td>"));
	mem_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_is_a_link_to_its_service),
		cmocka_unit_test(nothing_from_outside_is_markup),
		cmocka_unit_test(what_is_not_known_is_a_dash),
		cmocka_unit_test(values_are_shown_in_their_units),
		cmocka_unit_test(tags_are_balanced),
		cmocka_unit_test(a_kill_switch_that_is_on_stands_above_all),
		cmocka_unit_test(a_training_is_told_while_it_runs_and_after_it_ended),
		cmocka_unit_test(what_the_scaler_would_have_stands_beside_what_there_is_and_an_hpa),
		cmocka_unit_test(page_that_does_not_fit_says_so),
	};

	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
