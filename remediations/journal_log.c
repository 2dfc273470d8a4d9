/*
 * Copying the log into the file costs several syncs of much that is scattered, which every commit beside
 * them waits for on most disks. So it is done seldom, and in two parts:
 *
 *   1. A thread copies what is there (a checkpoint of SQLite's) and syncs the file. Commits go on
 *      meanwhile, so that a little is left.
 *   2. When that little is all that keeps the log from being begun anew, the writer copies it by itself
 *      between two commits: a few pages, and a sync of a file that was synced just now.
 *
 * Without the second part a busy log would never be wholly copied at the moment at which a commit begins,
 * and so grow for as long as it is busy.
 *
 * In quiet seconds both are done early. In the first quiet moments the log is made as long as it will be: a
 * sync of a write into the file is faster than one that makes it longer.
 */
#include "remediations/journal_log.h"

#include <pthread.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread_name.h"

#define LEFT_PAGES_MAX 400 /* that the writer copies by itself */
#define QUIET_PAGES 100    /* so few are left where they are */
#define QUIET_PAGES_ANEW 1000
#define LENGTHEN_STEP (4 << 20)
#define QUIET_MS 1000
#define SHORT_QUIET_MS 200

struct journal_log {
	struct journal_file *file;
	sqlite3 *connection; /* the thread's */
	const char *path;    /* the configuration's */

	/* the writer's */
	unsigned pages, try_at; /* try_at: not before so many pages again */
	bool full_length;

	pthread_mutex_t lock;
	pthread_cond_t wanted;
	/* under lock */
	bool copy, copying, ended;
	unsigned round;  /* how often the log was begun anew */
	unsigned copied; /* pages of this round's log that are in the file */

	pthread_t thread;
	bool thread_started;
};

static void tell_failure(const struct journal_log *log, const struct error *error)
{
	LOG_WARN("the journal's log was not copied into its file", LOG_TEXT("journal", log->path),
		LOG_ERROR_FIELD(error));
}

/* ---- the thread ---- */

static void note_copied(struct journal_log *log, unsigned round, unsigned copied)
{
	pthread_mutex_lock(&log->lock);
	/* What was begun anew meanwhile has pages of its own. */
	if (round == log->round && copied > log->copied)
		log->copied = copied;
	pthread_mutex_unlock(&log->lock);
}

static void *run_copier(void *argument)
{
	struct journal_log *log = argument;
	struct error error;

	thread_name("journal log");
	pthread_mutex_lock(&log->lock);
	for (;;) {
		unsigned round, copied, left;

		while (!log->copy && !log->ended)
			pthread_cond_wait(&log->wanted, &log->lock);
		if (log->ended)
			break;
		log->copy = false;
		log->copying = true;
		round = log->round;
		pthread_mutex_unlock(&log->lock);
		if (journal_connection_checkpoint(log->connection, &copied, &left, &error) !=
				STATUS_OK ||
			journal_connection_sync(log->connection, &error) != STATUS_OK)
			tell_failure(log, &error);
		else
			note_copied(log, round, copied);
		pthread_mutex_lock(&log->lock);
		log->copying = false;
	}
	pthread_mutex_unlock(&log->lock);
	return NULL;
}

/* ---- the writer ---- */

/* How many pages are not copied; *copying: the thread is at it. */
static unsigned look(struct journal_log *log, bool *copying)
{
	unsigned pages = journal_file_log_pages(log->file), left;

	pthread_mutex_lock(&log->lock);
	if (pages < log->pages) {
		log->round++;
		log->copied = 0;
		log->try_at = 0;
	}
	*copying = log->copy || log->copying;
	left = pages > log->copied ? pages - log->copied : 0;
	pthread_mutex_unlock(&log->lock);
	log->pages = pages;
	return left;
}

static void ask_to_copy(struct journal_log *log)
{
	pthread_mutex_lock(&log->lock);
	log->copy = true;
	pthread_cond_signal(&log->wanted);
	pthread_mutex_unlock(&log->lock);
}

/* The writer's own part. */
static void finish(struct journal_log *log)
{
	struct error error;
	unsigned copied, left;

	if (journal_connection_checkpoint(journal_file_connection(log->file), &copied, &left,
		    &error) != STATUS_OK) {
		tell_failure(log, &error);
	} else {
		note_copied(log, log->round, copied);
	}
	/* A reading may keep it from its end, or from being begun anew. */
	log->try_at = log->pages + LEFT_PAGES_MAX;
}

void journal_log_grew(struct journal_log *log)
{
	bool copying;
	unsigned left = look(log, &copying);

	if (log->pages < log->try_at)
		return;
	if (log->pages >= LOG_PAGES_MAX ||
		(!copying && log->pages >= LOG_PAGES_ANEW && left <= LEFT_PAGES_MAX))
		finish(log);
	else if (!copying && (left >= LOG_PAGES_COPY || log->pages >= LOG_PAGES_ANEW))
		ask_to_copy(log);
}

void journal_log_quiet(struct journal_log *log)
{
	bool copying;
	unsigned left = look(log, &copying);

	if (copying)
		return;
	if (left > QUIET_PAGES)
		ask_to_copy(log);
	else if (log->pages >= QUIET_PAGES_ANEW && left > 0 && log->pages >= log->try_at)
		finish(log);
	else if (!log->full_length)
		log->full_length =
			journal_file_lengthen_log(log->file, LENGTHEN_STEP, LOG_BYTES_QUIET);
}

int64_t journal_log_patience_ns(const struct journal_log *log)
{
	return (log->full_length ? QUIET_MS : SHORT_QUIET_MS) * INT64_C(1000000);
}

/* ---- opening and closing ---- */

enum status journal_log_open(struct journal_log **opened, struct journal_file *file,
	const struct journal_config *config, struct error *error)
{
	struct journal_log *log = mem_zalloc(1, sizeof(*log));
	enum status status;
	int number;

	*opened = NULL;
	if (log == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the journal");
	CHECK(pthread_mutex_init(&log->lock, NULL) == 0);
	CHECK(pthread_cond_init(&log->wanted, NULL) == 0);
	log->file = file;
	log->path = config->path;
	status = journal_connection_open(&log->connection, config, error);
	if (status != STATUS_OK) {
		journal_log_close(log);
		return status;
	}
	number = pthread_create(&log->thread, NULL, run_copier, log);
	log->thread_started = number == 0;
	if (number != 0) {
		journal_log_close(log);
		return error_set_errno(error, STATUS_NO_MEMORY, number, "cannot start a thread");
	}
	*opened = log;
	return STATUS_OK;
}

void journal_log_close(struct journal_log *log)
{
	if (log == NULL)
		return;
	pthread_mutex_lock(&log->lock);
	log->ended = true;
	pthread_cond_signal(&log->wanted);
	pthread_mutex_unlock(&log->lock);
	if (log->thread_started)
		pthread_join(log->thread, NULL);
	if (log->connection != NULL)
		CHECK(sqlite3_close(log->connection) == SQLITE_OK);
	pthread_cond_destroy(&log->wanted);
	pthread_mutex_destroy(&log->lock);
	mem_free(log);
}
