/*
 * Acknowledged events a second and their latency, beside a bare fdatasync() of an appended 4 KiB block
 * on the same file system in the same run, before and after.
 *
 * paced: 1,000 events a second, one submission each, from one thread that does not wait for answers.
 * closed: so many callers, each of which submits its next event when the last one was acknowledged.
 * The folder is $TMPDIR or /tmp; a real disk is wanted.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "remediations/journal.h"

#define SAMPLES_MAX 200000
#define RUN_NS INT64_C(5000000000)

struct samples {
	int64_t ns[SAMPLES_MAX];
	atomic_size_t count;
};

static struct samples samples;
static char folder[256];

static int64_t now_ns(void)
{
	return clock_mono_ns(clock_system());
}

static int compare(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void print(const char *name, int64_t took_ns)
{
	size_t count = atomic_load(&samples.count);

	CHECK(count > 0);
	qsort(samples.ns, count, sizeof(samples.ns[0]), compare);
	printf("%-24s %8.0f/s   p50 %7.3f ms   p99 %7.3f ms   max %7.3f ms\n", name,
		(double)count / ((double)took_ns / 1e9), (double)samples.ns[count / 2] / 1e6,
		(double)samples.ns[count * 99 / 100] / 1e6, (double)samples.ns[count - 1] / 1e6);
	atomic_store(&samples.count, 0);
}

static void add_sample(int64_t ns)
{
	size_t i = atomic_fetch_add(&samples.count, 1);

	if (i < SAMPLES_MAX)
		samples.ns[i] = ns;
	else
		atomic_store(&samples.count, SAMPLES_MAX);
}

static void bench_sync(void)
{
	static char block[4096];
	char path[300];
	int64_t began = now_ns();
	int descriptor;

	snprintf(path, sizeof(path), "%s/sync", folder);
	descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(descriptor >= 0);
	while (now_ns() - began < RUN_NS / 2) {
		int64_t at = now_ns();

		CHECK(write(descriptor, block, sizeof(block)) == sizeof(block));
		CHECK(fdatasync(descriptor) == 0);
		add_sample(now_ns() - at);
	}
	close(descriptor);
	unlink(path);
	print("bare fdatasync", now_ns() - began);
}

/* --- events --- */

struct caller {
	struct journal *journal;
	int64_t sent_ns, until_ns, id;
	pthread_mutex_t lock;
	pthread_cond_t came;
	bool answered;
};

static void make_event(struct event *event, int64_t id)
{
	char pod[32];
	struct label labels[] = {{"alertname", "PodCrashLooping", 9, 15},
		{"namespace", "shop", 9, 4}, {"pod", pod, 3, 0}, {"severity", "warning", 8, 7}};
	struct label notes[] = {{"summary", "A pod restarts again and again.", 7, 31}};

	snprintf(pod, sizeof(pod), "web-%" PRId64, id);
	labels[2].value_size = (uint32_t)strlen(pod);
	event_init(event);
	CHECK(labels_init(&event->labels, labels, ARRAY_COUNT(labels), NULL) == STATUS_OK);
	CHECK(labels_init(&event->annotations, notes, ARRAY_COUNT(notes), NULL) == STATUS_OK);
	event->fingerprint = labels_fingerprint(&event->labels);
	event->firing = true;
	event->starts_ms = INT64_C(1700000000000) + id;
}

static atomic_int_least64_t next_id;

static void submit(struct journal *journal, journal_done_fn *done, void *argument)
{
	struct event event;
	enum status status;

	make_event(&event, atomic_fetch_add(&next_id, 1));
	while ((status = journal_submit_events(journal, &event, 1, done, argument)) == STATUS_BUSY)
		clock_sleep_ms(1);
	CHECK(status == STATUS_OK);
	event_fini(&event);
}

struct paced_item {
	int64_t sent_ns;
};

static void note_paced(void *argument, enum status status, const uint64_t *numbers, size_t count)
{
	struct paced_item *item = argument;

	CHECK(status == STATUS_OK && count == 1 && numbers[0] != 0);
	add_sample(now_ns() - item->sent_ns);
}

static void bench_paced(struct journal *journal)
{
	static struct paced_item items[5000];
	int64_t began = now_ns();

	for (size_t i = 0; i < ARRAY_COUNT(items); i++) {
		while (now_ns() < began + (int64_t)i * 1000000)
			usleep(50);
		items[i].sent_ns = now_ns();
		submit(journal, note_paced, &items[i]);
	}
	while (atomic_load(&samples.count) < ARRAY_COUNT(items))
		clock_sleep_ms(1);
	print("paced, 1,000/s", now_ns() - began);
}

static void note_closed(void *argument, enum status status, const uint64_t *numbers, size_t count)
{
	struct caller *caller = argument;

	CHECK(status == STATUS_OK && count == 1 && numbers[0] != 0);
	add_sample(now_ns() - caller->sent_ns);
	pthread_mutex_lock(&caller->lock);
	caller->answered = true;
	pthread_cond_signal(&caller->came);
	pthread_mutex_unlock(&caller->lock);
}

static void *run_caller(void *argument)
{
	struct caller *caller = argument;

	while (now_ns() < caller->until_ns) {
		caller->answered = false;
		caller->sent_ns = now_ns();
		submit(caller->journal, note_closed, caller);
		pthread_mutex_lock(&caller->lock);
		while (!caller->answered)
			pthread_cond_wait(&caller->came, &caller->lock);
		pthread_mutex_unlock(&caller->lock);
	}
	return NULL;
}

static void bench_closed(struct journal *journal, unsigned count)
{
	static struct caller callers[256];
	static pthread_t threads[256];
	int64_t began = now_ns();
	char name[64];

	for (unsigned i = 0; i < count; i++) {
		callers[i] = (struct caller){.journal = journal,
			.until_ns = began + RUN_NS,
			.lock = PTHREAD_MUTEX_INITIALIZER,
			.came = PTHREAD_COND_INITIALIZER};
		CHECK(pthread_create(&threads[i], NULL, run_caller, &callers[i]) == 0);
	}
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	snprintf(name, sizeof(name), "closed, %u callers", count);
	print(name, now_ns() - began);
}

int main(void)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
	const char *base = getenv("TMPDIR");
	struct journal_config config = {.queue_max = 4096,
		.keep_ms = INT64_C(86400000),
		.clock = clock_system()};
	struct error error = {0};
	struct journal *journal;
	char path[300], name[310];
	int64_t began;

	snprintf(folder, sizeof(folder), "%s/bench-journal-XXXXXX", base ? base : "/tmp");
	CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/journal.db", folder);
	config.path = path;
	journal = journal_open(&config, &error);
	if (journal == NULL) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	bench_sync();
	bench_paced(journal);
	fflush(stdout);
	bench_closed(journal, 1);
	bench_closed(journal, 16);
	bench_closed(journal, 128);
	bench_sync();
	journal_close(journal);
	began = now_ns();
	journal = journal_open(&config, &error);
	printf("opened again with %" PRId64 " events in %.0f ms\n", (int64_t)atomic_load(&next_id),
		(double)(now_ns() - began) / 1e6);
	journal_close(journal);
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
	rmdir(folder);
	return 0;
}
