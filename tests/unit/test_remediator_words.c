/* run-under: tsan */
/*
 * People's words are answered when they are in the journal: an answered one outlives the loss of power, one
 * that could not be noted down says so. And what a replica that stands by answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "remediations/journal.h"
#include "remediations/remediator.h"
#include "tests/support/folder.h"
#include "tests/support/http_stub.h"
#include "tests/support/vfs_lossy.h"

static const struct person ann = {.identity = "ann", .role = "approve"};

static const char playbook[] = "playbook: restart\n"
			       "trigger: {alert: ['alertname=\"CrashLoop\"'], range: 1s}\n"
			       "target: {kind: Pod}\n"
			       "steps: [{action: restart_pod}]\n"
			       "verify: {signal: restarts, is: below, value: 1, over: 1s}\n";

struct place {
	char folder[256], journal[300], copy[300], playbook[300], log[300];
	const char *paths[1];
	struct remediator_config config;
	struct remediator *remediator;
};

static void read_signal(void *self, const struct workload_key *workload, enum signal_role role,
	enum signal_fold fold, int64_t from_ms, int64_t to_ms, struct signal_reading *reading)
{
	(void)self, (void)workload, (void)role, (void)fold, (void)from_ms;
	*reading =
		(struct signal_reading){.quality = QUALITY_GOOD, .newest_ms = to_ms, .samples = 3};
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

	if (!place)
		return -1;
	snprintf(place->folder, sizeof(place->folder), "%.200s/words-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(place->folder)) {
		free(place);
		return -1;
	}
	snprintf(place->journal, sizeof(place->journal), "%s/journal.sqlite", place->folder);
	snprintf(place->copy, sizeof(place->copy), "%s/copy.sqlite", place->folder);
	snprintf(place->playbook, sizeof(place->playbook), "%s/restart.yaml", place->folder);
	snprintf(place->log, sizeof(place->log), "%s/log", place->folder);
	assert_int_equal(file_write_atomic(place->playbook, playbook, strlen(playbook), 0600, NULL),
		STATUS_OK);
	place->paths[0] = place->playbook;
	place->config = (struct remediator_config){.journal_path = place->journal,
		.journal_vfs = VFS_LOSSY,
		.playbook_paths = place->paths,
		.playbook_path_count = 1,
		.mode = MODE_APPROVE,
		.dry_run = true,
		.event_queue_max = 100,
		.incident_max = 50,
		.clock = clock_system(),
		.signals = {.read = read_signal}};
	guard_limits_default(&place->config.guard);
	place->config.guard.startup_grace_ms = 0;
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	vfs_lossy_fail(0, "", 0);
	remediator_close(place->remediator);
	folder_remove(place->folder);
	free(place);
	return 0;
}

static void send_alert(struct place *place)
{
	struct label pairs[] = {{"alertname", "CrashLoop", 9, 9}, {"namespace", "shop", 9, 4},
		{"pod", "web-1", 3, 5}, {"workload", "web", 8, 3},
		{"workload_kind", "Deployment", 13, 10}};
	struct event event;

	event_init(&event);
	assert_int_equal(labels_init(&event.labels, pairs, 5, NULL), STATUS_OK);
	event.firing = true;
	event.fingerprint = labels_fingerprint(&event.labels);
	event.starts_ms = event.received_ms = 1767225600000;
	assert_int_equal(remediator_submit(place->remediator, &event, 1, NULL, NULL), STATUS_OK);
	event_fini(&event);
}

/* The id of the action that waits for approval. */
static void await_action(struct place *place, char id[128])
{
	id[0] = '\0';
	send_alert(place);
	for (int i = 0; i < 6000 && !*id; i++) {
		struct buf json;
		const char *at;

		buf_init(&json, 1 << 22);
		assert_int_equal(remediator_write_actions(place->remediator, &json,
					 "awaiting_approval", 0),
			STATUS_OK);
		at = strstr(json.data, "\"id\":\"a-");
		if (at)
			snprintf(id, 128, "%.*s", (int)strcspn(at + 6, "\""), at + 6);
		buf_fini(&json);
		clock_sleep_ms(5);
	}
	assert_string_not_equal(id, "");
}

/* What the disk has: the lossy one keeps what is not synced to itself. */
static void copy_file(const struct place *place, const char *end)
{
	static char bytes[16 << 20];
	char from[320], to[320];
	int source, target;
	ssize_t size;

	snprintf(from, sizeof(from), "%s%s", place->journal, end);
	snprintf(to, sizeof(to), "%s%s", place->copy, end);
	source = open(from, O_RDONLY | O_CLOEXEC);
	target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(source >= 0 && target >= 0);
	size = read(source, bytes, sizeof(bytes));
	assert_true(size >= 0 && size < (ssize_t)sizeof(bytes));
	assert_int_equal(write(target, bytes, (size_t)size), size);
	close(source);
	close(target);
}

struct answered {
	struct place *place;
	atomic_bool done;
	enum status status;
	char text[512];
};

static void answered(void *argument, enum status status, const struct error *error)
{
	struct answered *answered = argument;

	answered->status = status;
	snprintf(answered->text, sizeof(answered->text), "%s", status ? error->text : "");
	if (!status) {
		copy_file(answered->place, "");
		copy_file(answered->place, "-wal");
	}
	atomic_store(&answered->done, true);
}

static enum status say(struct place *place, enum word_kind kind, const char *id, char *text,
	size_t size)
{
	struct answered answer = {.place = place};
	struct person_word word = {.kind = kind, .id = id, .person = ann};

	remediator_say(place->remediator, &word, answered, &answer);
	while (!atomic_load(&answer.done))
		clock_sleep_ms(1);
	if (text)
		snprintf(text, size, "%s", answer.text);
	return answer.status;
}

static bool count_ann(void *argument, const struct record *record)
{
	*(int *)argument += strstr(record->body, "ann") != NULL;
	return true;
}

/* In how many records of this kind the copy speaks of ann. */
static int copied(const struct place *place, enum record_kind kind)
{
	const struct journal_config config = {.path = place->copy,
		.queue_max = 4,
		.clock = clock_system()};
	const struct journal_query query = {.kind = (int)kind};
	struct error error = {0};
	struct journal *journal = journal_open(&config, &error);
	int count = 0;

	if (!journal)
		fail_msg("%s", error.text);
	assert_int_equal(journal_read(journal, &query, count_ann, &count, &error), STATUS_OK);
	journal_close(journal);
	return count;
}

static void an_answered_approval_outlives_the_loss_of_power(void **state)
{
	struct place *place = *state;
	char id[128];

	open_remediator(place);
	await_action(place, id);
	assert_int_equal(say(place, WORD_APPROVE, id, NULL, 0), STATUS_OK);
	assert_true(copied(place, RECORD_ACTION) > 0);
}

static void an_answered_no_outlives_the_loss_of_power(void **state)
{
	struct place *place = *state;
	char id[128];

	open_remediator(place);
	await_action(place, id);
	assert_int_equal(say(place, WORD_REJECT, id, NULL, 0), STATUS_OK);
	assert_true(copied(place, RECORD_ACTION) > 0);
}

/* The story of the action's incident, once it holds this. */
static void await_story(struct place *place, const char *id, const char *words)
{
	char last[8192] = "";

	for (int i = 0; i < 6000; i++) {
		struct buf json;
		bool found;

		buf_init(&json, 1 << 22);
		assert_int_equal(remediator_write_why(place->remediator, id, &json), STATUS_OK);
		snprintf(last, sizeof(last), "%s", strstr(json.data, "\"sentences\""));
		found = strstr(last, words) != NULL;
		buf_fini(&json);
		if (found)
			return;
		clock_sleep_ms(5);
	}
	fail_msg("no \"%s\" in %s", words, last);
}

static void the_story_names_who_approved_and_when(void **state)
{
	struct place *place = *state;
	char id[128], words[256];

	open_remediator(place);
	await_action(place, id);
	assert_int_equal(say(place, WORD_APPROVE, id, NULL, 0), STATUS_OK);
	snprintf(words, sizeof(words), "Action %s: approved by ann (approve) at 20", id);
	await_story(place, id, words);
}

static void the_story_names_who_said_no(void **state)
{
	struct place *place = *state;
	char id[128];

	open_remediator(place);
	await_action(place, id);
	assert_int_equal(say(place, WORD_REJECT, id, NULL, 0), STATUS_OK);
	await_story(place, id, "rejected. ann (approve) said no");
}

static void an_answered_pause_outlives_the_loss_of_power(void **state)
{
	struct place *place = *state;

	open_remediator(place);
	assert_int_equal(say(place, WORD_PAUSE, NULL, NULL, 0), STATUS_OK);
	assert_int_equal(copied(place, RECORD_NOTE), 1);
}

static void a_word_that_cannot_be_noted_down_says_so(void **state)
{
	struct place *place = *state;
	char id[128], text[512];

	open_remediator(place);
	await_action(place, id);
	vfs_lossy_fail(SQLITE_IOERR_FSYNC, "-wal", 1);
	assert_int_equal(say(place, WORD_APPROVE, id, text, sizeof(text)), STATUS_UNAVAILABLE);
	assert_non_null(strstr(text, "could not note it down"));
	assert_int_equal(say(place, WORD_PAUSE, NULL, text, sizeof(text)), STATUS_UNAVAILABLE);
	assert_non_null(strstr(text, "kill switch is on"));
}

static void a_word_that_is_refused_is_answered(void **state)
{
	struct place *place = *state;
	char text[512];

	open_remediator(place);
	assert_int_equal(say(place, WORD_APPROVE, "a-x-1", text, sizeof(text)), STATUS_NOT_FOUND);
	assert_non_null(strstr(text, "a-x-1"));
	assert_int_equal(say(place, WORD_UNDO, "a-x-1", NULL, 0), STATUS_NOT_FOUND);
	assert_int_equal(say(place, WORD_LIFT, "restart", NULL, 0), STATUS_NOT_FOUND);
}

/* ---- what the API server would say ---- */

#define OWNED(version, kind, name, uid)                                                            \
	"\"ownerReferences\":[{\"apiVersion\":\"" version "\",\"kind\":\"" kind                    \
	"\",\"name\":\"" name "\",\"uid\":\"" uid "\",\"controller\":true}]"
#define META(name, uid)                                                                            \
	"\"metadata\":{\"namespace\":\"shop\",\"name\":\"" name "\",\"uid\":\"" uid                \
	"\",\"resourceVersion\":\"7\","
#define SHOP_RULES                                                                                 \
	{.start = "GET /api/v1/namespaces/shop/pods/web-1",                                        \
		.body = "{" META("web-1", "u-pod")                                                 \
			OWNED("apps/v1", "ReplicaSet", "web-6f", "u-rs") "}}"},                    \
		{.start = "GET /apis/apps/v1/namespaces/shop/replicasets/web-6f",                  \
			.body = "{" META("web-6f", "u-rs")                                         \
				OWNED("apps/v1", "Deployment", "web", "u-web") "}}"},              \
		{.start = "GET /apis/apps/v1/namespaces/shop/deployments/web",                     \
			.body = "{" META("web", "u-web") "\"annotations\":{"                       \
							 "\"nimbusguard.io/managed\":\"true\"}},"  \
							 "\"spec\":{\"replicas\":2}}"},            \
		{.start = "GET /apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers",     \
			.body = "{\"kind\":\"List\",\"metadata\":{},\"items\":[]}"},               \
	{                                                                                          \
		.start = "GET /api/v1/namespaces/shop"                                             \
	}

static const struct stub_rule admits[] = {SHOP_RULES,
	{.start = "DELETE /api/v1/namespaces/shop/pods/web-1"}};
static const struct stub_rule refuses[] = {SHOP_RULES,
	{.start = "DELETE /api/v1/namespaces/shop/pods/web-1",
		.code = 403,
		.body = "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Forbidden\","
			"\"message\":\"admission webhook \\\"keep.example.org\\\" denied the request: "
			"not today\",\"code\":403}"}};
static const struct stub_rule silent[] = {SHOP_RULES,
	{.start = "DELETE /api/v1/namespaces/shop/pods/web-1", .drop = true}};

/* A service with this cluster, and an action of it that waits for approval. */
static struct http_stub *open_with_cluster(struct place *place, const struct stub_rule *rules,
	size_t count, char url[64], char id[128])
{
	struct http_stub *stub = http_stub_open(rules, count, NULL, NULL);

	assert_non_null(stub);
	snprintf(url, 64, "http://127.0.0.1:%u", http_stub_port(stub));
	place->config.kube_url = url;
	open_remediator(place);
	await_action(place, id);
	return stub;
}

static enum status ask_server(struct place *place, const char *id, uint64_t seen, struct buf *json,
	char text[512])
{
	struct answered answer = {.place = place};
	struct person_word word = {.kind = WORD_DRY_RUN, .id = id, .person = ann, .json = json};

	word.person.seen = seen;
	remediator_say(place->remediator, &word, answered, &answer);
	while (!atomic_load(&answer.done))
		clock_sleep_ms(1);
	snprintf(text, 512, "%s", answer.text);
	buf_add_text(json, "");
	return answer.status;
}

/* How many requests change something, and whether each of them is a dry run. */
static size_t count_changes(struct http_stub *stub)
{
	size_t count = 0;

	for (size_t i = 0; i < http_stub_request_count(stub); i++) {
		if (strncmp(http_stub_request(stub, i), "GET ", 4) == 0)
			continue;
		count++;
		assert_non_null(strstr(http_stub_request(stub, i), "\"dryRun\":[\"All\"]"));
	}
	return count;
}

static void close_with_cluster(struct place *place, struct http_stub *stub)
{
	remediator_close(place->remediator);
	place->remediator = NULL;
	http_stub_close(stub);
}

static void the_server_is_asked_and_the_action_goes_on_waiting(void **state)
{
	struct place *place = *state;
	char url[64], id[128], text[512], wanted[512];
	struct http_stub *stub =
		open_with_cluster(place, admits, sizeof(admits) / sizeof(*admits), url, id);
	struct buf json;

	buf_init(&json, 4096);
	assert_int_equal(ask_server(place, id, 0, &json, text), STATUS_OK);
	snprintf(wanted, sizeof(wanted),
		"{\"id\":\"%s\",\"change\":\"restart Pod shop/web-1\",\"admitted\":true,"
		"\"refused_by\":null,\"message\":null}",
		id);
	assert_string_equal(json.data, wanted);
	assert_int_equal(count_changes(stub), 1);
	/* That it was asked is on the disk; the answer's note may be on its way. */
	assert_true(copied(place, RECORD_NOTE) >= 1);
	buf_reset(&json);
	/* As it waits still, it can be asked again, and approved. */
	assert_int_equal(ask_server(place, id, 0, &json, text), STATUS_OK);
	assert_int_equal(say(place, WORD_APPROVE, id, NULL, 0), STATUS_OK);
	buf_fini(&json);
	close_with_cluster(place, stub);
}

static void a_refusal_tells_who_and_why(void **state)
{
	struct place *place = *state;
	char url[64], id[128], text[512];
	struct http_stub *stub =
		open_with_cluster(place, refuses, sizeof(refuses) / sizeof(*refuses), url, id);
	struct buf json;

	buf_init(&json, 4096);
	assert_int_equal(ask_server(place, id, 0, &json, text), STATUS_OK);
	assert_non_null(strstr(json.data, "\"admitted\":false,\"refused_by\":\"webhook\""));
	assert_non_null(strstr(json.data, "denied the request: not today"));
	buf_fini(&json);
	close_with_cluster(place, stub);
}

/* No answer is neither a yes nor a no. */
static void a_server_that_does_not_answer_refuses_nothing(void **state)
{
	struct place *place = *state;
	char url[64], id[128], text[512];
	struct http_stub *stub =
		open_with_cluster(place, silent, sizeof(silent) / sizeof(*silent), url, id);
	struct buf json;

	buf_init(&json, 4096);
	assert_int_equal(ask_server(place, id, 0, &json, text), STATUS_OK);
	assert_non_null(strstr(json.data, "\"admitted\":null,\"refused_by\":null"));
	buf_fini(&json);
	close_with_cluster(place, stub);
}

static void what_is_not_noted_down_is_not_asked(void **state)
{
	struct place *place = *state;
	char url[64], id[128], text[512];
	struct http_stub *stub =
		open_with_cluster(place, admits, sizeof(admits) / sizeof(*admits), url, id);
	struct buf json;

	buf_init(&json, 4096);
	vfs_lossy_fail(SQLITE_IOERR_FSYNC, "-wal", 1);
	assert_int_equal(ask_server(place, id, 0, &json, text), STATUS_UNAVAILABLE);
	assert_non_null(strstr(text, "could not note down that it is asked"));
	assert_int_equal(count_changes(stub), 0);
	buf_fini(&json);
	vfs_lossy_fail(0, "", 0);
	close_with_cluster(place, stub);
}

static void what_does_not_wait_or_is_another_one_is_not_asked_about(void **state)
{
	struct place *place = *state;
	char url[64], id[128], text[512];
	struct http_stub *stub =
		open_with_cluster(place, admits, sizeof(admits) / sizeof(*admits), url, id);
	struct buf json;

	buf_init(&json, 4096);
	assert_int_equal(ask_server(place, "a-x-1", 0, &json, text), STATUS_NOT_FOUND);
	assert_int_equal(ask_server(place, id, 1, &json, text), STATUS_CONFLICT);
	assert_non_null(strstr(text, "another one by now"));
	assert_int_equal(say(place, WORD_REJECT, id, NULL, 0), STATUS_OK);
	assert_int_equal(ask_server(place, id, 0, &json, text), STATUS_CONFLICT);
	assert_non_null(strstr(text, "does not wait"));
	assert_int_equal(count_changes(stub), 0);
	buf_fini(&json);
	close_with_cluster(place, stub);
}

static void without_a_cluster_nobody_is_asked(void **state)
{
	struct place *place = *state;
	char id[128], text[512];
	struct buf json;

	open_remediator(place);
	await_action(place, id);
	buf_init(&json, 4096);
	assert_int_equal(ask_server(place, id, 0, &json, text), STATUS_CONFLICT);
	assert_non_null(strstr(text, "no cluster is configured"));
	buf_fini(&json);
}

/* ---- standing by ---- */

static const struct stub_rule held[] = {
	{.start = "GET /apis/coordination.k8s.io/v1/namespaces/shop/leases/nimbusguard",
		.body = "{\"kind\":\"Lease\",\"metadata\":{\"name\":\"nimbusguard\",\"namespace\":\"shop\","
			"\"uid\":\"u\",\"resourceVersion\":\"1\"},\"spec\":{\"holderIdentity\":\"other_1\","
			"\"leaseDurationSeconds\":3600,\"leaseTransitions\":1,"
			"\"acquireTime\":\"2026-01-02T03:04:05.000000Z\","
			"\"renewTime\":\"2026-01-02T03:04:05.000000Z\"}}"}};

static struct http_stub *open_standby(struct place *place, char url[64], int log)
{
	struct http_stub *stub = http_stub_open(held, 1, NULL, NULL);

	assert_non_null(stub);
	snprintf(url, 64, "http://127.0.0.1:%u", http_stub_port(stub));
	place->config.kube_url = url;
	place->config.leader = (struct leader_options){.enabled = true,
		.namespace_name = "shop",
		.name = "nimbusguard",
		.identity = "one",
		.duration_ms = 15000,
		.renew_ms = 10000,
		.retry_ms = 2000};
	log_set_fd(log);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	open_remediator(place);
	return stub;
}

static void who_stands_by_leaves_the_end_of_a_pause_to_the_leader(void **state)
{
	struct place *place = *state;
	int log = open(place->log, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct leader_view view = {.holder = ""};
	char url[64], text[512], lines[65536] = "";
	struct http_stub *stub;
	struct kill_switch kill_switch;

	assert_true(log >= 0);
	stub = open_standby(place, url, log);
	for (int i = 0; i < 6000 && !*view.holder; i++) {
		assert_true(remediator_leader(place->remediator, &view));
		clock_sleep_ms(5);
	}
	assert_string_equal(view.holder, "other_1");
	assert_int_equal(say(place, WORD_RESUME, NULL, text, sizeof(text)), STATUS_CONFLICT);
	assert_non_null(strstr(text, "this replica stands by: other_1 leads"));
	/* In force here for the day on which this one leads; the answer says where it is not. */
	assert_int_equal(say(place, WORD_PAUSE, NULL, text, sizeof(text)), STATUS_CONFLICT);
	assert_non_null(strstr(text, "on here, but not at the leader"));
	remediator_kill_switch(place->remediator, &kill_switch);
	assert_true(kill_switch.on);
	log_flush();
	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	log_set_fd(STDERR_FILENO);
	assert_true(pread(log, lines, sizeof(lines) - 1, 0) > 0);
	assert_non_null(strstr(lines, "left to the leader"));
	assert_null(strstr(lines, "not noted down"));
	close(log);
	remediator_close(place->remediator);
	place->remediator = NULL;
	http_stub_close(stub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(an_answered_approval_outlives_the_loss_of_power),
		T(an_answered_no_outlives_the_loss_of_power),
		T(the_story_names_who_approved_and_when),
		T(the_story_names_who_said_no),
		T(an_answered_pause_outlives_the_loss_of_power),
		T(a_word_that_cannot_be_noted_down_says_so),
		T(a_word_that_is_refused_is_answered),
		T(the_server_is_asked_and_the_action_goes_on_waiting),
		T(a_refusal_tells_who_and_why),
		T(a_server_that_does_not_answer_refuses_nothing),
		T(what_is_not_noted_down_is_not_asked),
		T(what_does_not_wait_or_is_another_one_is_not_asked_about),
		T(without_a_cluster_nobody_is_asked),
		T(who_stands_by_leaves_the_end_of_a_pause_to_the_leader),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	if (vfs_lossy_register() != 0)
		return 1;
	return cmocka_run_group_tests_name("remediator_words", tests, NULL, NULL);
}
