/*
 * Nothing that the journal acknowledged is lost when the process is killed or the power goes. The
 * program starts itself as a child ("burst") that submits from several threads and reports each
 * acknowledgement on a pipe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "tests/support/journal_fixture.h"
#include "tests/support/vfs_lossy.h"

extern char **environ;

#define BURST_THREADS 4
#define BURST_IDS 20000 /* a thread's share of ids in a round */

struct burst {
	struct journal *journal;
	int64_t first_id; /* of this thread */
};

static atomic_size_t burst_acknowledged;

struct burst_item {
	int64_t id;
};

/* The acknowledgement: what a sender would have been told. One write, so that they never mix. */
static void report(void *argument, enum status status, const uint64_t *numbers, size_t count)
{
	struct burst_item *item = argument;

	(void)numbers;
	(void)count;
	if (status == STATUS_OK && write(STDOUT_FILENO, &item->id, sizeof(item->id)) > 0)
		atomic_fetch_add(&burst_acknowledged, 1);
	free(item);
}

static void *burst_thread(void *argument)
{
	struct burst *burst = argument;

	for (int64_t i = 0; i < BURST_IDS; i++) {
		struct burst_item *item = malloc(sizeof(*item));
		struct event event;

		item->id = burst->first_id + i;
		make_event(&event, item->id, true);
		while (journal_submit_events(burst->journal, &event, 1, report, item) ==
			STATUS_BUSY)
			clock_sleep_ms(1);
		event_fini(&event);
	}
	return NULL;
}

/* argv: burst PATH FIRST_ID POWER_OFF_AFTER SEED NO_SYNC. POWER_OFF_AFTER 0: runs until killed. */
static int run_burst(char **argv)
{
	struct journal_config config = {.path = argv[2],
		.queue_max = 64,
		.clock = clock_system(),
		.unsafe_no_sync = argv[6][0] == '1'};
	size_t after = strtoul(argv[4], NULL, 10);
	struct burst bursts[BURST_THREADS];
	struct error error = {0};
	struct journal *journal;
	pthread_t thread;

	if (after > 0) {
		vfs_lossy_register();
		config.vfs = VFS_LOSSY;
	}
	journal = journal_open(&config, &error);
	if (journal == NULL) {
		fprintf(stderr, "burst: %s\n", error.text);
		return 1;
	}
	for (int i = 0; i < BURST_THREADS; i++) {
		bursts[i] = (struct burst){journal, strtoll(argv[3], NULL, 10) + i * BURST_IDS};
		if (pthread_create(&thread, NULL, burst_thread, &bursts[i]) != 0)
			return 1;
	}
	while (after == 0 || atomic_load(&burst_acknowledged) < after)
		clock_sleep_ms(1);
	vfs_lossy_power_off(strtoull(argv[5], NULL, 10));
	_exit(0);
}

struct crash {
	bool power; /* the child loses its power, instead of being killed */
	uint64_t seed;
	bool no_sync;
	size_t after; /* acknowledgements */
	int64_t first_id;
};

/* Runs one burst to its crash; *acknowledged[] gets the ids. */
static size_t run_crash(struct journal_fixture *fixture, const struct crash *crash,
	int64_t *acknowledged, size_t max)
{
	char first_id[32], after[32], seed[32], no_sync[2] = {crash->no_sync ? '1' : '0', 0};
	char program[] = "test_journal", burst[] = "burst";
	char *argv[] = {program, burst, fixture->path, first_id, after, seed, no_sync, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], result;
	size_t count = 0;
	pid_t child;

	snprintf(first_id, sizeof(first_id), "%" PRId64, crash->first_id);
	snprintf(after, sizeof(after), "%zu", crash->power ? crash->after : 0);
	snprintf(seed, sizeof(seed), "%" PRIu64, crash->seed);
	assert_int_equal(pipe(ends), 0);
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	assert_int_equal(posix_spawn(&child, "/proc/self/exe", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	while (count < max && read(ends[0], &acknowledged[count], sizeof(int64_t)) > 0)
		if (++count == crash->after && !crash->power)
			kill(child, SIGKILL);
	close(ends[0]);
	if (!crash->power)
		kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(
		crash->power ? WIFEXITED(result) && WEXITSTATUS(result) == 0 : WIFSIGNALED(result));
	return count;
}

struct ids {
	unsigned char *times; /* [max], how often an id stands in the journal */
	int64_t max;
};

static bool count_id(void *argument, const struct record *record)
{
	struct ids *ids = argument;
	long long id = -1;

	assert_int_equal(sscanf(record->key + 16, "/%lld/", &id), 1);
	assert_true(id >= 0 && id < ids->max);
	ids->times[id]++;
	return true;
}

/* How many of the acknowledged ids are not in the journal; no id may be there twice. */
static size_t count_lost(struct journal_fixture *fixture, const int64_t *acknowledged, size_t count)
{
	struct journal_query query = {.kind = RECORD_EVENT};
	struct ids ids = {.max = 40 * BURST_THREADS * BURST_IDS};
	struct journal *journal = open_journal(fixture);
	size_t lost = 0;

	ids.times = calloc((size_t)ids.max, 1);
	assert_int_equal(journal_read(journal, &query, count_id, &ids, NULL), STATUS_OK);
	for (int64_t id = 0; id < ids.max; id++)
		assert_true(ids.times[id] <= 1);
	for (size_t i = 0; i < count; i++)
		lost += ids.times[acknowledged[i]] == 0;
	assert_chain(journal);
	/* What is there is also known when it is sent again. */
	if (lost == 0 && count > 0)
		assert_int_equal(add_event(journal, acknowledged[count - 1], true), 0);
	journal_close(journal);
	free(ids.times);
	return lost;
}

#define ACKNOWLEDGED_MAX 40000

/* Crashes again and again on one journal; returns how many acknowledged events were lost. */
static size_t crash_rounds(struct journal_fixture *fixture, struct crash crash, int rounds)
{
	int64_t *acknowledged = calloc(ACKNOWLEDGED_MAX, sizeof(*acknowledged));
	size_t count = 0, lost = 0;
	struct random random;

	random_init(&random, 1);
	fixture->config.clock = clock_system();
	for (int round = 0; round < rounds; round++) {
		crash.first_id = round * BURST_THREADS * BURST_IDS;
		crash.after = 50 + random_below(&random, 1000);
		if (crash.seed != 0)
			crash.seed = random_u64(&random) | 1;
		count += run_crash(fixture, &crash, acknowledged + count, ACKNOWLEDGED_MAX - count);
		lost += count_lost(fixture, acknowledged, count);
	}
	assert_true(count >= (size_t)rounds * 50);
	free(acknowledged);
	return lost;
}

static void killed_process_loses_nothing_acknowledged(void **state)
{
	assert_int_equal(crash_rounds(*state, (struct crash){0}, 6), 0);
}

static void power_loss_loses_nothing_acknowledged(void **state)
{
	assert_int_equal(crash_rounds(*state, (struct crash){.power = true}, 8), 0);
}

static void power_loss_that_keeps_some_sectors_loses_nothing_acknowledged(void **state)
{
	assert_int_equal(crash_rounds(*state, (struct crash){.power = true, .seed = 1}, 12), 0);
}

/* The control of the two above: a journal that does not sync must be caught by them. */
static void without_syncs_the_power_loss_would_be_noticed(void **state)
{
	struct crash crash = {.power = true, .no_sync = true};

	assert_true(crash_rounds(*state, crash, 1) > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, journal_fixture_make, journal_fixture_remove)
		T(killed_process_loses_nothing_acknowledged),
		T(power_loss_loses_nothing_acknowledged),
		T(power_loss_that_keeps_some_sectors_loses_nothing_acknowledged),
		T(without_syncs_the_power_loss_would_be_noticed),
	};

	if (argc == 7 && strcmp(argv[1], "burst") == 0)
		return run_burst(argv);
	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests_name("journal_crash", tests, NULL, NULL);
}
