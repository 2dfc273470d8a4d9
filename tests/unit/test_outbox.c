/*
 * The outbox's rules without threads, network and disk: order, repeats, ends, limits, and that its records
 * lead back to the same state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "remediations/outbox.h"

#define NOW INT64_C(1700000000000)
#define RECORDS_MAX 256

static const struct ticket_service services[] = {{.kind = TICKET_PAGERDUTY, .name = "pd"},
	{.kind = TICKET_WEBHOOK, .name = "hook"}};

struct desk {
	const char *joined; /* what is put speaks of; NULL: nothing */
	struct outbox *outbox;
	struct outbox_config config;
	struct record records[RECORDS_MAX]; /* as the journal would hold them */
	size_t count;
	struct ticket_event event;
	int64_t mono;
};

static int setup(void **state)
{
	struct desk *desk = calloc(1, sizeof(*desk));

	desk->config = (struct outbox_config){.services = services,
		.service_count = 2,
		.ticket_max = 8,
		.gap_first_ms = 100,
		.gap_max_ms = 1000};
	desk->outbox = outbox_open(&desk->config, 1);
	*state = desk;
	return desk->outbox ? 0 : -1;
}

static int teardown(void **state)
{
	struct desk *desk = *state;

	for (size_t i = 0; i < desk->count; i++)
		record_fini(&desk->records[i]);
	outbox_close(desk->outbox);
	free(desk);
	return 0;
}

static enum status put(struct desk *desk, const char *incident, enum ticket_operation operation,
	size_t service)
{
	struct record record;
	enum status status;
	size_t slot;

	desk->event = (struct ticket_event){.operation = operation,
		.fingerprint = 7,
		.starts_ms = NOW,
		.time_ms = NOW};
	if (desk->joined)
		snprintf(desk->event.joined, sizeof(desk->event.joined), "%s", desk->joined);
	snprintf(desk->event.incident, sizeof(desk->event.incident), "%s", incident);
	snprintf(desk->event.key, sizeof(desk->event.key), "nimbusguard/-/-/-/%s", incident);
	status = outbox_put(desk->outbox, &desk->event, service, NOW, desk->mono, &slot, &record);
	if (status != STATUS_OK)
		return status;
	outbox_written(desk->outbox, slot);
	assert_true(desk->count < RECORDS_MAX);
	desk->records[desk->count++] = record;
	return STATUS_OK;
}

/* The next entry of the service, as "open i-1", or "" when none is due. */
static const char *take(struct desk *desk, size_t service, size_t *slot, bool *skip)
{
	static char text[128];
	struct outbox_item item;
	int64_t wait;

	*slot = outbox_take(desk->outbox, service, desk->mono, &wait, skip);
	text[0] = '\0';
	if (*slot == OUTBOX_NONE)
		return text;
	outbox_item(desk->outbox, *slot, &item);
	snprintf(text, sizeof(text), "%s %s%s", ticket_operation_name((int)item.operation),
		item.incident, item.again ? " again" : "");
	return text;
}

static const char *finish(struct desk *desk, size_t slot, struct ticket_result result)
{
	const char *word = "later";
	struct record record = {0};

	if (outbox_done(desk->outbox, slot, &result, NOW, desk->mono, &word, &record)) {
		assert_non_null(record.body);
		desk->records[desk->count++] = record;
	}
	return word;
}

static const struct ticket_result told = {.verdict = TICKET_TOLD, .external = "X-1", .url = "u"};
static const struct ticket_result later = {.verdict = TICKET_LATER};
static const struct ticket_result refused = {.verdict = TICKET_REFUSED};

static void expect(struct desk *desk, size_t service, const char *wanted,
	struct ticket_result result, const char *word)
{
	size_t slot;
	bool skip;

	assert_string_equal(take(desk, service, &slot, &skip), wanted);
	assert_false(skip);
	assert_string_equal(finish(desk, slot, result), word);
}

static void expect_skipped(struct desk *desk, size_t service, const char *wanted, const char *word)
{
	size_t slot;
	bool skip;

	assert_string_equal(take(desk, service, &slot, &skip), wanted);
	assert_true(skip);
	assert_string_equal(finish(desk, slot, refused), word);
}

static void expect_nothing(struct desk *desk, size_t service)
{
	size_t slot;
	bool skip;

	assert_string_equal(take(desk, service, &slot, &skip), "");
}

/* As after kill -9: the records lead to a new outbox. */
static void restart(struct desk *desk)
{
	struct error error;
	bool known;

	outbox_close(desk->outbox);
	desk->outbox = outbox_open(&desk->config, 2);
	for (size_t i = 0; i < desk->count; i++) {
		desk->records[i].number = i + 1;
		if (outbox_replay(desk->outbox, &desk->records[i], &known, &error) != STATUS_OK)
			fail_msg("%s", error.text);
		assert_true(known);
	}
}

static void assert_ticket(struct desk *desk, const char *incident, const char *part)
{
	struct buf json;

	buf_init(&json, 65536);
	outbox_write_incident(desk->outbox, incident, &json);
	if (!strstr(json.data, part))
		fail_msg("%s lacks %s", json.data, part);
	buf_fini(&json);
}

/* ---- tests ---- */

static void one_ticket_an_incident_and_service(void **state)
{
	struct desk *desk = *state;

	assert_int_equal(put(desk, "i-1", TICKET_OPEN, 0), STATUS_OK);
	assert_int_equal(put(desk, "i-1", TICKET_OPEN, 0), STATUS_CONFLICT);
	assert_int_equal(put(desk, "i-1", TICKET_OPEN, 1), STATUS_OK);
	expect(desk, 0, "open i-1", told, "told");
	assert_int_equal(put(desk, "i-1", TICKET_OPEN, 0), STATUS_CONFLICT);
	expect_nothing(desk, 0);
	restart(desk);
	assert_int_equal(put(desk, "i-1", TICKET_OPEN, 0), STATUS_CONFLICT);
	assert_ticket(desk, "i-1", "\"state\":\"open\",\"queued\":0,\"key\":\"X-1\",\"url\":\"u\"");
}

static void what_is_told_of_one_ticket_keeps_its_order(void **state)
{
	struct desk *desk = *state;

	put(desk, "i-1", TICKET_OPEN, 1);
	put(desk, "i-1", TICKET_COMMENT, 1);
	put(desk, "i-2", TICKET_OPEN, 1);
	expect(desk, 1, "open i-1", later, "later");
	/* The comment waits for the opening; another incident does not. */
	expect(desk, 1, "open i-2", told, "told");
	expect_nothing(desk, 1);
	desk->mono += 1000;
	expect(desk, 1, "open i-1 again", told, "told");
	expect(desk, 1, "comment i-1", told, "told");
	put(desk, "i-1", TICKET_CLOSE, 1);
	assert_int_equal(put(desk, "i-1", TICKET_CLOSE, 1), STATUS_CONFLICT);
	assert_int_equal(put(desk, "i-1", TICKET_COMMENT, 1), STATUS_CONFLICT);
	expect(desk, 1, "close i-1", told, "told");
	assert_ticket(desk, "i-1", "\"state\":\"closed\"");
	assert_int_equal(put(desk, "i-1", TICKET_COMMENT, 1), STATUS_NOT_FOUND);
	assert_int_equal(put(desk, "i-9", TICKET_CLOSE, 1), STATUS_NOT_FOUND);
}

static void what_was_over_before_it_was_told_is_never_told(void **state)
{
	struct desk *desk = *state;

	put(desk, "i-1", TICKET_OPEN, 0);
	put(desk, "i-1", TICKET_CLOSE, 0);
	expect_skipped(desk, 0, "open i-1", "skipped");
	expect_skipped(desk, 0, "close i-1", "skipped");
	assert_ticket(desk, "i-1", "\"state\":\"skipped\"");
	restart(desk);
	expect_nothing(desk, 0);
	assert_ticket(desk, "i-1", "\"state\":\"skipped\"");
}

static void what_may_have_been_told_gets_its_end_even_over_a_crash(void **state)
{
	struct desk *desk = *state;

	put(desk, "i-1", TICKET_OPEN, 0);
	put(desk, "i-1", TICKET_OPEN, 1);
	restart(desk);
	put(desk, "i-1", TICKET_CLOSE, 0);
	put(desk, "i-1", TICKET_CLOSE, 1);
	/* By key the end alone is enough; a webhook hears both. */
	expect_skipped(desk, 0, "open i-1 again", "unsure");
	restart(desk);
	expect(desk, 0, "close i-1 again", told, "told");
	expect(desk, 1, "open i-1 again", told, "told");
	expect(desk, 1, "close i-1 again", told, "told");
	restart(desk);
	expect_nothing(desk, 0);
	expect_nothing(desk, 1);
}

static void gaps_grow_and_what_the_service_asks_for_is_kept(void **state)
{
	struct desk *desk = *state;
	struct ticket_result busy = {.verdict = TICKET_LATER, .wait_ms = 5000, .pause = true};
	int64_t wait, last = 0;
	size_t slot;
	bool skip;

	put(desk, "i-1", TICKET_OPEN, 1);
	for (int i = 0; i < 4; i++) {
		take(desk, 1, &slot, &skip);
		finish(desk, slot, later);
		assert_int_equal(outbox_take(desk->outbox, 1, desk->mono, &wait, &skip),
			OUTBOX_NONE);
		/* 75 % to 125 % of 100 ms, doubled each time. */
		assert_in_range(wait, 75 << i, 126 << i);
		assert_true(wait > last);
		last = wait;
		desk->mono += wait;
	}
	take(desk, 1, &slot, &skip);
	finish(desk, slot, busy);
	/* The service rests as a whole. */
	put(desk, "i-2", TICKET_OPEN, 1);
	assert_int_equal(outbox_take(desk->outbox, 1, desk->mono, &wait, &skip), OUTBOX_NONE);
	assert_true(wait >= 5000);
	desk->mono += 5000;
	expect(desk, 1, "open i-1 again", told, "told");
	expect(desk, 1, "open i-2", told, "told");
}

static void what_is_refused_or_too_old_is_dead(void **state)
{
	struct desk *desk = *state;
	struct ticket_result result = {.verdict = TICKET_REFUSED};
	struct outbox_state states;

	error_set(&result.error, STATUS_BAD_INPUT, "answered 400");
	put(desk, "i-1", TICKET_OPEN, 0);
	put(desk, "i-1", TICKET_COMMENT, 0);
	expect(desk, 0, "open i-1", result, "dead");
	expect_skipped(desk, 0, "comment i-1", "skipped");
	assert_ticket(desk, "i-1", "\"state\":\"dead\"");
	outbox_state(desk->outbox, 0, NOW, desk->mono, &states);
	assert_int_equal(states.dead, 1);
	restart(desk);
	assert_ticket(desk, "i-1", "\"error\":\"answered 400\"");
	outbox_state(desk->outbox, 0, NOW, desk->mono, &states);
	assert_int_equal(states.dead, 1);
	/* The engine asks for it once more: it may. */
	assert_int_equal(put(desk, "i-1", TICKET_OPEN, 0), STATUS_OK);
	expect(desk, 0, "open i-1", told, "told");
	/* An age of nothing is too old for this one. */
	desk->config.give_up_ms = -1;
	restart(desk);
	put(desk, "i-2", TICKET_OPEN, 0);
	expect(desk, 0, "open i-2", later, "dead");
}

static void a_service_that_is_gone_is_told_nothing_more(void **state)
{
	struct desk *desk = *state;
	struct ticket_result gone = {.verdict = TICKET_REFUSED, .gone = true};

	put(desk, "i-1", TICKET_OPEN, 1);
	put(desk, "i-2", TICKET_OPEN, 1);
	expect(desk, 1, "open i-1", gone, "dead");
	expect_skipped(desk, 1, "open i-2", "dead");
}

static void a_full_outbox_refuses_openings_but_never_an_end(void **state)
{
	struct desk *desk = *state;
	char incident[32];
	size_t opened = 0;

	for (int i = 0; i < 12; i++) {
		snprintf(incident, sizeof(incident), "i-%d", i);
		if (put(desk, incident, TICKET_OPEN, 0) == STATUS_OK)
			opened++;
	}
	assert_int_equal(opened, 8);
	assert_int_equal(put(desk, "i-1", TICKET_COMMENT, 0), STATUS_LIMIT);
	for (size_t i = 0; i < opened; i++) {
		snprintf(incident, sizeof(incident), "i-%zu", i);
		assert_int_equal(put(desk, incident, TICKET_CLOSE, 0), STATUS_OK);
	}
}

static void an_ended_ticket_makes_room_for_a_new_one(void **state)
{
	struct desk *desk = *state;
	char incident[16];

	for (int i = 0; i < 30; i++) {
		snprintf(incident, sizeof(incident), "i-%d", i);
		assert_int_equal(put(desk, incident, TICKET_OPEN, 1), STATUS_OK);
		assert_int_equal(put(desk, incident, TICKET_COMMENT, 1), STATUS_OK);
		for (int told_count = 0; told_count < 2; told_count++) {
			size_t slot;
			bool skip;

			take(desk, 1, &slot, &skip);
			finish(desk, slot, told);
		}
	}
	assert_false(outbox_has(desk->outbox, "i-0"));
	assert_true(outbox_has(desk->outbox, "i-29"));
}

static void comments_are_bounded(void **state)
{
	struct desk *desk = *state;

	put(desk, "i-1", TICKET_OPEN, 1);
	for (int i = 0; i < OUTBOX_COMMENTS_MAX; i++) {
		size_t slot;
		bool skip;

		take(desk, 1, &slot, &skip);
		finish(desk, slot, told);
		assert_int_equal(put(desk, "i-1", TICKET_COMMENT, 1), STATUS_OK);
	}
	assert_int_equal(put(desk, "i-1", TICKET_COMMENT, 1), STATUS_LIMIT);
}

static void the_end_of_an_alert_finds_its_open_tickets(void **state)
{
	struct desk *desk = *state;
	size_t at = 0, service = 9;

	put(desk, "i-1", TICKET_OPEN, 0);
	assert_false(outbox_next_open(desk->outbox, 7, NOW - 1, UINT64_MAX, &at, &service,
		&desk->event));
	at = 0;
	assert_false(
		outbox_next_open(desk->outbox, 8, NOW, UINT64_MAX, &at, &service, &desk->event));
	at = 0;
	assert_true(
		outbox_next_open(desk->outbox, 7, NOW, UINT64_MAX, &at, &service, &desk->event));
	assert_int_equal(service, 0);
	assert_string_equal(desk->event.key, "nimbusguard/-/-/-/i-1");
	assert_false(
		outbox_next_open(desk->outbox, 7, NOW, UINT64_MAX, &at, &service, &desk->event));
	/* An end that came before the ticket was opened is not its end. */
	restart(desk);
	at = 0;
	assert_false(outbox_next_open(desk->outbox, 7, NOW, 1, &at, &service, &desk->event));
	at = 0;
	assert_true(outbox_next_open(desk->outbox, 7, NOW, 2, &at, &service, &desk->event));
}

static void of_several_alerts_the_end_of_the_first_closes_nothing(void **state)
{
	struct desk *desk = *state;
	size_t at = 0, service;

	put(desk, "i-1", TICKET_OPEN, 0);
	desk->joined = "LatencyHigh";
	put(desk, "i-1", TICKET_COMMENT, 0);
	assert_false(
		outbox_next_open(desk->outbox, 7, NOW, UINT64_MAX, &at, &service, &desk->event));
	restart(desk);
	at = 0;
	assert_false(
		outbox_next_open(desk->outbox, 7, NOW, UINT64_MAX, &at, &service, &desk->event));
	/* The engine's word does. */
	put(desk, "i-1", TICKET_CLOSE, 0);
	assert_ticket(desk, "i-1", "\"queued\":3");
}

static void records_of_a_service_that_is_no_longer_there_are_left_alone(void **state)
{
	struct desk *desk = *state;
	struct error error;
	bool known = true;

	put(desk, "i-1", TICKET_OPEN, 1);
	outbox_close(desk->outbox);
	desk->config.service_count = 1;
	desk->outbox = outbox_open(&desk->config, 1);
	assert_int_equal(outbox_replay(desk->outbox, &desk->records[0], &known, &error), STATUS_OK);
	assert_false(known);
	assert_false(outbox_has(desk->outbox, "i-1"));
}

static void no_memory_leaves_the_outbox_as_it_was(void **state)
{
	struct desk *desk = *state;
	enum status status = STATUS_NO_MEMORY;
	bool reached = true;
	struct outbox_state states;

	for (long nth = 1; reached; nth++) {
		mem_fail_after(nth, false);
		status = put(desk, "i-1", TICKET_OPEN, 0);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		outbox_state(desk->outbox, 0, NOW, desk->mono, &states);
		assert_int_equal(states.queued, reached ? 0 : 1);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_ticket_an_incident_and_service),
		T(what_is_told_of_one_ticket_keeps_its_order),
		T(what_was_over_before_it_was_told_is_never_told),
		T(what_may_have_been_told_gets_its_end_even_over_a_crash),
		T(gaps_grow_and_what_the_service_asks_for_is_kept),
		T(what_is_refused_or_too_old_is_dead),
		T(a_service_that_is_gone_is_told_nothing_more),
		T(a_full_outbox_refuses_openings_but_never_an_end),
		T(an_ended_ticket_makes_room_for_a_new_one),
		T(comments_are_bounded),
		T(the_end_of_an_alert_finds_its_open_tickets),
		T(of_several_alerts_the_end_of_the_first_closes_nothing),
		T(records_of_a_service_that_is_no_longer_there_are_left_alone),
		T(no_memory_leaves_the_outbox_as_it_was),
	};

	return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
