/* run-under: tsan */
/*
 * The remediator with its real journal and the dry-run actuator: from a submitted alert to a dry-run
 * line, over restarts, with words of people from other threads.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/metrics.h"
#include "remediations/journal.h"
#include "remediations/incident.h"
#include "remediations/remediator.h"

static const struct person ann = {.identity = "ann", .role = "approve"};

static const char restart_text[] = "playbook: restart\n"
				   "trigger: {alert: ['alertname=\"CrashLoop\"'], range: 1s}\n"
				   "target: {kind: Pod}\n"
				   "steps: [{action: restart_pod}]\n"
				   "verify: {signal: restarts, is: below, value: 1, over: 1s}\n";

struct place {
	char folder[256], journal[300], playbook[300];
	const char *paths[1];
	struct remediator_config config;
	struct remediator *remediator;
};

static void read_signal(void *self, const struct workload_key *workload, enum signal_role role,
	enum signal_fold fold, int64_t from_ms, int64_t to_ms, struct signal_reading *reading)
{
	(void)self, (void)workload, (void)role, (void)fold, (void)from_ms;
	*reading = (struct signal_reading){.quality = QUALITY_GOOD,
		.value = 0,
		.newest_ms = to_ms,
		.samples = 3};
}

static void write_text(const char *path, const char *text)
{
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, NULL), STATUS_OK);
}

static void open_remediator(struct place *place)
{
	struct error error = {0};

	place->remediator = remediator_open(&place->config, &error);
	if (!place->remediator)
		fail_msg("%s", error.text);
}

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	const char *base = getenv("TMPDIR");

	snprintf(place->folder, sizeof(place->folder), "%s/remediator-XXXXXX",
		base ? base : "/tmp");
	if (!mkdtemp(place->folder)) {
		free(place);
		return -1;
	}
	snprintf(place->journal, sizeof(place->journal), "%s/journal.sqlite", place->folder);
	snprintf(place->playbook, sizeof(place->playbook), "%s/restart.yaml", place->folder);
	write_text(place->playbook, restart_text);
	place->paths[0] = place->playbook;
	place->config = (struct remediator_config){.journal_path = place->journal,
		.playbook_paths = place->paths,
		.playbook_path_count = 1,
		.mode = MODE_OBSERVE,
		.dry_run = true,
		.event_queue_max = 100,
		.incident_max = 50,
		.clock = clock_system(),
		.signals = {.read = read_signal}};
	guard_limits_default(&place->config.guard);
	place->config.guard.startup_grace_ms = 0;
	*state = place;
	open_remediator(place);
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;
	static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
	char path[320];

	remediator_close(place->remediator);
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", place->journal, ends[i]);
		unlink(path);
	}
	unlink(place->playbook);
	rmdir(place->folder);
	free(place);
	return 0;
}

static void make_alert(struct event *event, const char *name, const char *pod, bool firing,
	int64_t starts_ms)
{
	struct label pairs[] = {{"alertname", name, 9, (uint32_t)strlen(name)},
		{"namespace", "shop", 9, 4}, {"pod", pod, 3, (uint32_t)strlen(pod)},
		{"workload", "web", 8, 3}, {"workload_kind", "Deployment", 13, 10}};

	event_init(event);
	assert_int_equal(labels_init(&event->labels, pairs, 5, NULL), STATUS_OK);
	event->firing = firing;
	event->fingerprint = labels_fingerprint(&event->labels);
	event->starts_ms = starts_ms;
	event->received_ms = starts_ms;
}

struct waiting {
	atomic_bool done;
	enum status status;
	size_t new_count;
};

static void submitted(void *argument, enum status status, size_t new_count)
{
	struct waiting *waiting = argument;

	waiting->status = status;
	waiting->new_count = new_count;
	atomic_store(&waiting->done, true);
}

static size_t submit(struct place *place, const char *name, const char *pod, bool firing)
{
	struct waiting waiting = {.done = false};
	struct event event;

	make_alert(&event, name, pod, firing, 1767225600000);
	assert_int_equal(remediator_submit(place->remediator, &event, 1, submitted, &waiting),
		STATUS_OK);
	event_fini(&event);
	while (!atomic_load(&waiting.done))
		clock_sleep_ms(1);
	assert_int_equal(waiting.status, STATUS_OK);
	return waiting.new_count;
}

static size_t count_text(const char *text, const char *part)
{
	size_t count = 0;

	for (; (text = strstr(text, part)) != NULL; text++)
		count++;
	return count;
}

static char *list(struct place *place, bool actions, const char *state)
{
	struct buf json;

	buf_init(&json, 1 << 24);
	assert_int_equal(actions ? remediator_write_actions(place->remediator, &json, state, 0)
				 : remediator_write_incidents(place->remediator, &json, state, 0),
		STATUS_OK);
	return buf_take(&json, NULL);
}

/* Waits until so many actions or incidents are in the state; false after two minutes. */
static bool wait_for(struct place *place, bool actions, const char *state, size_t wanted)
{
	for (int i = 0; i < 24000; i++) {
		char *json = list(place, actions, state);
		size_t count = count_text(json, "\"approved_by\":");

		if (!actions)
			count = count_text(json, "\"handing_over\":");
		mem_free(json);
		if (count >= wanted)
			return true;
		clock_sleep_ms(5);
	}
	return false;
}

static bool find_dry_run(void *argument, const struct record *record)
{
	if (strstr(record->body, "\"dry_run\":true") && strstr(record->body, "\"state\":\"done\""))
		++*(int *)argument;
	return true;
}

static int dry_run_lines(const struct place *place)
{
	struct journal_config config = {.path = place->journal,
		.queue_max = 10,
		.clock = clock_system()};
	struct journal_query query = {.kind = RECORD_ACTION};
	struct error error = {0};
	struct journal *journal = journal_open(&config, &error);
	int lines = 0;

	if (!journal)
		fail_msg("%s", error.text);
	assert_int_equal(journal_read(journal, &query, find_dry_run, &lines, &error), STATUS_OK);
	journal_close(journal);
	return lines;
}

/* ---- tests ---- */

static void an_alert_becomes_a_dry_run_line_in_the_journal(void **state)
{
	struct place *place = *state;

	assert_int_equal(submit(place, "CrashLoop", "web-1", true), 1);
	assert_true(wait_for(place, true, "watched", 1));
	remediator_close(place->remediator);
	place->remediator = NULL;
	assert_int_equal(dry_run_lines(place), 1);
	open_remediator(place);
}

static void a_repeated_alert_is_one_incident(void **state)
{
	struct place *place = *state;
	char *json;

	assert_int_equal(submit(place, "CrashLoop", "web-1", true), 1);
	assert_int_equal(submit(place, "CrashLoop", "web-1", true), 0);
	assert_true(wait_for(place, true, "watched", 1));
	json = list(place, false, NULL);
	assert_int_equal(count_text(json, "\"handing_over\":"), 1);
	mem_free(json);
}

static void a_restart_acts_no_second_time_and_forgets_nothing(void **state)
{
	struct place *place = *state;

	for (int i = 0; i < 5; i++) {
		char pod[16];

		snprintf(pod, sizeof(pod), "web-%d", i);
		submit(place, "CrashLoop", pod, true);
		remediator_close(place->remediator);
		open_remediator(place);
	}
	/* The pods share an owner: one is acted on, the others wait for it. */
	assert_true(wait_for(place, false, "open", 5));
	assert_true(wait_for(place, true, "watched", 1));
	remediator_close(place->remediator);
	place->remediator = NULL;
	assert_int_equal(dry_run_lines(place), 1);
	open_remediator(place);
	assert_true(wait_for(place, false, "open", 5));
}

static void why_tells_each_gate_in_sentences(void **state)
{
	struct place *place = *state;
	struct buf json;
	char id[64] = "";
	char *actions;

	submit(place, "CrashLoop", "web-1", true);
	assert_true(wait_for(place, true, "watched", 1));
	actions = list(place, true, NULL);
	assert_int_equal(sscanf(actions, "[{\"id\":\"%63[^\"]", id), 1);
	mem_free(actions);
	buf_init(&json, 1 << 24);
	/* The last records may still be on their way to the disk. */
	for (int i = 0; i < 60000 && !(json.data && strstr(json.data, "watched")); i++) {
		buf_reset(&json);
		assert_int_equal(remediator_write_why(place->remediator, id, &json), STATUS_OK);
		clock_sleep_ms(2);
	}
	assert_non_null(strstr(json.data, "\"gate\":\"cooldown\""));
	assert_non_null(strstr(json.data,
		"The last action on the target is long enough ago (never; wanted:"));
	assert_non_null(strstr(json.data, "playbook restart answers it"));
	assert_non_null(strstr(json.data, "The guard decided: cleared"));
	buf_reset(&json);
	assert_int_equal(remediator_write_why(place->remediator, "i-none-000", &json),
		STATUS_NOT_FOUND);
	buf_fini(&json);
}

static void a_bad_reload_keeps_the_old_playbooks(void **state)
{
	struct place *place = *state;
	struct diagnostics diagnostics;

	diagnostics_init(&diagnostics);
	write_text(place->playbook, "playbook: restart\ntriger: {}\n");
	assert_int_equal(remediator_check(&place->config, &diagnostics), STATUS_BAD_INPUT);
	assert_int_equal(remediator_reload(place->remediator, &place->config, &diagnostics),
		STATUS_BAD_INPUT);
	assert_int_not_equal(diagnostics.errors, 0);
	diagnostics_fini(&diagnostics);
	submit(place, "CrashLoop", "web-1", true);
	assert_true(wait_for(place, true, "watched", 1));
	write_text(place->playbook, restart_text);
	diagnostics_init(&diagnostics);
	assert_int_equal(remediator_reload(place->remediator, &place->config, &diagnostics),
		STATUS_OK);
	diagnostics_fini(&diagnostics);
}

static bool page_has(const char *line)
{
	struct buf page;
	bool has;

	buf_init(&page, 1 << 20);
	metrics_write_page(&page);
	has = strstr(page.data, line) != NULL;
	buf_fini(&page);
	return has;
}

static const char findings_text[] = "playbook: findings\n"
				    "trigger: {finding: ['finding=~\".+\"']}\n"
				    "steps: [{action: ticket, title: '{{ event }}', text: 'x'}]\n";

static void submit_finding(struct place *place, unsigned number, uint64_t group)
{
	char name[32];
	struct label pairs[] = {{"finding", name, 7, 0}, {"namespace", "shop", 9, 4},
		{"workload", "web", 8, 3}, {"workload_kind", "Deployment", 13, 10}};
	struct waiting waiting = {.done = false};
	struct event event;

	snprintf(name, sizeof(name), "f%u_high", number);
	pairs[0].value_size = (uint32_t)strlen(name);
	event_init(&event);
	assert_int_equal(labels_init(&event.labels, pairs, 4, NULL), STATUS_OK);
	event.source = EVENT_FINDING;
	event.firing = true;
	event.group = group;
	event.score = 1;
	event.confidence = 0.875;
	event.fingerprint = labels_fingerprint(&event.labels);
	event.starts_ms = event.received_ms = 1767225600000 + number;
	assert_int_equal(remediator_submit(place->remediator, &event, 1, submitted, &waiting),
		STATUS_OK);
	event_fini(&event);
	while (!atomic_load(&waiting.done))
		clock_sleep_ms(1);
}

struct known {
	size_t count;
	uint64_t first, last; /* fingerprints */
	bool strange;         /* one had another group, or another workload */
};

static void note_known(void *argument, const struct event *finding)
{
	struct known *known = argument;
	const char *workload = labels_get(&finding->labels, "workload");

	if (known->count++ == 0)
		known->first = finding->fingerprint;
	known->last = finding->fingerprint;
	known->strange = known->strange || finding->group != 7 || workload == NULL ||
		strcmp(workload, "web") != 0 || finding->source != EVENT_FINDING;
}

/* Whether the only incident says so; its name in id. */
static bool incident_says(struct place *place, const char *part, char id[64])
{
	char *incidents = list(place, false, NULL);
	bool says = strstr(incidents, part) != NULL;

	(void)!sscanf(incidents, "[{\"id\":\"%63[^\"]", id);
	mem_free(incidents);
	return says;
}

static int times_told(const char *text, const char *part)
{
	int count = 0;

	for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
		count++;
	return count;
}

static void findings_are_known_after_a_restart_and_too_many_are_told(void **state)
{
	struct place *place = *state;
	struct diagnostics diagnostics;
	static const char sure[] = "nimbusguard_decision_confidence{playbook=\"findings\"} 0.875\n";
	struct known known = {.count = 0};
	struct buf json;
	char id[64] = "";

	write_text(place->playbook, findings_text);
	diagnostics_init(&diagnostics);
	assert_int_equal(remediator_reload(place->remediator, &place->config, &diagnostics),
		STATUS_OK);
	diagnostics_fini(&diagnostics);
	for (unsigned i = 0; i < 1 + COMPANIONS_MAX + 2; i++)
		submit_finding(place, i, 7);
	for (int i = 0; i < 60000 && !incident_says(place, "\"unlisted\":2", id); i++)
		clock_sleep_ms(2);
	assert_true(incident_says(place, "\"unlisted\":2", id));
	assert_true(page_has("nimbusguard_events_unlisted_total{playbook=\"findings\"} 2\n"));
	for (int i = 0; i < 10000 && !page_has(sure); i++)
		clock_sleep_ms(2);
	assert_true(page_has(sure));
	remediator_close(place->remediator);
	place->config.known_finding = note_known;
	place->config.known_argument = &known;
	open_remediator(place);
	assert_int_equal(known.count, 1 + COMPANIONS_MAX);
	assert_int_not_equal(known.first, known.last);
	assert_false(known.strange);
	buf_init(&json, 1 << 24);
	assert_int_equal(remediator_write_why(place->remediator, id, &json), STATUS_OK);
	assert_non_null(strstr(json.data, "Joined by more events than are listed one by one"));
	assert_int_equal(times_told(json.data, "The incident ended"), 1);
	assert_int_equal(times_told(json.data, ": handed_over."), 1);
	buf_fini(&json);
}

static void a_pause_holds_over_a_restart(void **state)
{
	struct place *place = *state;

	struct kill_switch before, after;
	struct error error;

	remediator_kill_switch(place->remediator, &before);
	assert_false(before.on);
	assert_int_equal(before.since_ms, 0);
	assert_int_equal(remediator_pause(place->remediator, true, "ann", &error), STATUS_OK);
	remediator_kill_switch(place->remediator, &before);
	assert_true(before.on);
	assert_string_equal(before.by, "ann");
	remediator_close(place->remediator);
	open_remediator(place);
	remediator_kill_switch(place->remediator, &after);
	assert_true(after.on);
	assert_string_equal(after.by, "ann");
	assert_int_equal(after.since_ms, before.since_ms);
	assert_true(page_has("\nnimbusguard_kill_switch 1\n"));
	submit(place, "CrashLoop", "web-1", true);
	assert_true(wait_for(place, true, "blocked", 1));
	assert_int_equal(remediator_pause(place->remediator, false, "ann", &error), STATUS_OK);
	assert_true(page_has("\nnimbusguard_kill_switch 0\n"));
}

static void an_unknown_state_is_refused_with_the_known_ones(void **state)
{
	static const char *const both[] = {"open", "ended", "proposed", "watched", "handed_over"};
	struct error error;

	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		assert_int_equal(remediator_check_state(both[i], true, &error), STATUS_OK);
		assert_int_equal(remediator_check_state(both[i], false, &error), STATUS_OK);
	}
	/* Only incidents have outcomes. */
	assert_int_equal(remediator_check_state("dry_run", true, &error), STATUS_OK);
	assert_int_equal(remediator_check_state("dry_run", false, &error), STATUS_BAD_INPUT);
	assert_int_equal(remediator_check_state("blokced", false, &error), STATUS_BAD_INPUT);
	assert_non_null(
		strstr(error.text, "\"blokced\" is none of open, ended, proposed, blocked,"));
	assert_non_null(strstr(error.text, "handed_over; did you mean \"blocked\"?"));
	assert_int_equal(remediator_check_state("xyzzy", true, &error), STATUS_BAD_INPUT);
	assert_null(strstr(error.text, "did you mean"));
}

static void a_full_queue_answers_busy(void **state)
{
	struct place *place = *state;
	struct event events[101];

	for (size_t i = 0; i < 101; i++) {
		char pod[16];

		snprintf(pod, sizeof(pod), "web-%zu", i);
		make_alert(&events[i], "CrashLoop", pod, true, 1);
	}
	assert_int_equal(remediator_submit(place->remediator, events, 101, NULL, NULL),
		STATUS_TOO_LARGE);
	for (size_t i = 0; i < 101; i++)
		event_fini(&events[i]);
}

static void people_get_an_answer(void **state)
{
	struct place *place = *state;
	struct error error;

	assert_int_equal(remediator_approve(place->remediator, "a-x-1", &ann, true, &error),
		STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, "a-x-1"));
	assert_int_equal(remediator_undo(place->remediator, "a-x-1", &ann, &error),
		STATUS_NOT_FOUND);
}

static atomic_int watched;

static void count_watch(void *argument, int64_t time_ms, const char *incident, const char *step,
	const char *text)
{
	(void)argument, (void)time_ms, (void)incident, (void)text;
	if (!strcmp(step, "watched"))
		atomic_fetch_add(&watched, 1);
}

static void the_live_view_sees_each_step(void **state)
{
	struct place *place = *state;

	remediator_watch(place->remediator, count_watch, NULL);
	submit(place, "CrashLoop", "web-1", true);
	assert_true(wait_for(place, true, "watched", 1));
	for (int i = 0; i < 60000 && atomic_load(&watched) == 0; i++)
		clock_sleep_ms(2);
	assert_int_not_equal(atomic_load(&watched), 0);
	remediator_watch(place->remediator, NULL, NULL);
}

static void *submit_many(void *argument)
{
	struct place *place = argument;
	struct event event;

	for (int i = 0; i < 20; i++) {
		char pod[32];

		snprintf(pod, sizeof(pod), "web-%d", i);
		make_alert(&event, "CrashLoop", pod, true, 7);
		while (remediator_submit(place->remediator, &event, 1, NULL, NULL) == STATUS_BUSY)
			clock_sleep_ms(1);
		event_fini(&event);
	}
	return NULL;
}

static void many_threads_make_one_incident_for_each_alert(void **state)
{
	struct place *place = *state;
	pthread_t threads[3];
	char *json;

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, submit_many, place), 0);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_true(wait_for(place, false, NULL, 20));
	json = list(place, false, NULL);
	assert_int_equal(count_text(json, "\"handing_over\":"), 20);
	mem_free(json);
	json = list(place, true, "watched");
	assert_true(count_text(json, "\"approved_by\":") <= 1);
	mem_free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_alert_becomes_a_dry_run_line_in_the_journal,
			setup, teardown),
		cmocka_unit_test_setup_teardown(a_repeated_alert_is_one_incident, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_acts_no_second_time_and_forgets_nothing,
			setup, teardown),
		cmocka_unit_test_setup_teardown(why_tells_each_gate_in_sentences, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bad_reload_keeps_the_old_playbooks, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			findings_are_known_after_a_restart_and_too_many_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pause_holds_over_a_restart, setup, teardown),
		cmocka_unit_test(an_unknown_state_is_refused_with_the_known_ones),
		cmocka_unit_test_setup_teardown(a_full_queue_answers_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(people_get_an_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(the_live_view_sees_each_step, setup, teardown),
		cmocka_unit_test_setup_teardown(many_threads_make_one_incident_for_each_alert,
			setup, teardown),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests_name("remediator", tests, NULL, NULL);
}
