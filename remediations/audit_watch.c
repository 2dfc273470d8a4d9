/*
 * A thread that mostly waits. A verification reads the whole journal in one transaction at the
 * lowest priority that a thread can have; a broken chain is told each time, and stays on the metric.
 *
 * The head is told once an hour, not at each commit: whoever keeps it wants a few, and each value is
 * a new series.
 */
#include "remediations/audit_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"
#include "remediations/audit.h"

#define HEAD_NS INT64_C(3600000000000)
#define STEP_NS INT64_C(1000000000)

struct audit_watch {
	struct journal *journal;
	const struct clock *clock;
	int64_t verify_ns, verify_due_ns, head_due_ns;
	pthread_mutex_t lock;
	pthread_cond_t ending;
	bool ended; /* under lock */
	pthread_t thread;
};

static void tell_head(struct audit_watch *watch)
{
	char head[JOURNAL_HEAD_SIZE];

	journal_head(watch->journal, head);
	if (*head == '\0')
		return;
	LOG_INFO("journal head", LOG_TEXT("head", head));
	metrics_clear(METRIC_JOURNAL_HEAD_INFO);
	metrics_set(METRIC_JOURNAL_HEAD_INFO, 1, head);
}

static void verify(struct audit_watch *watch)
{
	struct audit_report report;
	struct error error = {0};
	enum status status = journal_check_chain(watch->journal, &report, &error);

	if (status == STATUS_OK) {
		metrics_set(METRIC_JOURNAL_BROKEN, 0);
	} else if (status == STATUS_CONFLICT) {
		metrics_set(METRIC_JOURNAL_BROKEN, (double)report.broken);
		LOG_ERROR("the journal was changed from outside", LOG_ERROR_FIELD(&error));
	} else {
		LOG_WARN("the journal could not be verified", LOG_ERROR_FIELD(&error));
		return;
	}
	metrics_set(METRIC_JOURNAL_VERIFIED, (double)clock_now_ms(watch->clock) / 1000.0);
}

/* False at the end. */
static bool wait_step(struct audit_watch *watch)
{
	int64_t until = clock_mono_ns(clock_system()) + STEP_NS;
	struct timespec at = {.tv_sec = (time_t)(until / 1000000000),
		.tv_nsec = (long)(until % 1000000000)};
	bool ended;

	pthread_mutex_lock(&watch->lock);
	if (!watch->ended)
		pthread_cond_timedwait(&watch->ending, &watch->lock, &at);
	ended = watch->ended;
	pthread_mutex_unlock(&watch->lock);
	return !ended;
}

static void *run(void *argument)
{
	struct audit_watch *watch = argument;

	thread_name("audit");
	/* On Linux this is of the thread alone; that it fails is no matter. */
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
	do {
		int64_t now = clock_mono_ns(watch->clock);

		if (now >= watch->head_due_ns) {
			tell_head(watch);
			watch->head_due_ns = now + HEAD_NS;
		}
		if (watch->verify_ns > 0 && now >= watch->verify_due_ns) {
			verify(watch);
			watch->verify_due_ns = now + watch->verify_ns;
		}
	} while (wait_step(watch));
	tell_head(watch);
	return NULL;
}

enum status audit_watch_open(struct audit_watch **opened, struct journal *journal,
	const struct clock *clock, int64_t verify_ms, struct error *error)
{
	struct audit_watch *watch = mem_zalloc(1, sizeof(*watch));
	pthread_condattr_t attributes;
	int number;

	*opened = NULL;
	if (watch == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the audit");
	watch->journal = journal;
	watch->clock = clock;
	watch->verify_ns = verify_ms * 1000000;
	watch->verify_due_ns = watch->head_due_ns = clock_mono_ns(clock);
	CHECK(pthread_mutex_init(&watch->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&watch->ending, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	number = pthread_create(&watch->thread, NULL, run, watch);
	if (number == 0) {
		*opened = watch;
		return STATUS_OK;
	}
	pthread_cond_destroy(&watch->ending);
	pthread_mutex_destroy(&watch->lock);
	mem_free(watch);
	return error_set_errno(error, STATUS_NO_MEMORY, number, "cannot start a thread");
}

void audit_watch_close(struct audit_watch *watch)
{
	if (watch == NULL)
		return;
	pthread_mutex_lock(&watch->lock);
	watch->ended = true;
	pthread_cond_signal(&watch->ending);
	pthread_mutex_unlock(&watch->lock);
	pthread_join(watch->thread, NULL);
	pthread_cond_destroy(&watch->ending);
	pthread_mutex_destroy(&watch->lock);
	mem_free(watch);
}
