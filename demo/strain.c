/*
 * Each burner works in slices of 50 ms: it computes until it has used its part of the slice by the
 * clock of its own processor time, and sleeps for the rest. The burners share the millicores so that one
 * works all the time before the next begins. Where a limit of the pod holds a burner back, a slice lasts
 * longer: what it could not have is not made up for.
 *
 * The keeper wakes ten times a second while memory is held or leaks, gives back what has had its time
 * and takes what a leak owes. Leaked blocks are a list, whose links are in the blocks.
 */
#include "demo/strain.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread_name.h"
#include "demo/timed_wait.h"

#define SLICE_NS INT64_C(50000000)
#define TICK_NS INT64_C(100000000)
#define BURNERS_MAX (STRAIN_MILLICORES_MAX / 1000)
/* A leak takes its memory in blocks of about this much: not page by page, and not in jumps. */
#define LEAK_BLOCK ((uint64_t)64 * 1024)

struct burn {
	uint32_t millicores; /* 0: the place is free */
	int64_t until_ns;
};

struct hold {
	void *bytes; /* NULL: the place is free */
	uint64_t size;
	int64_t until_ns;
};

struct leaked {
	struct leaked *next;
};

struct burner {
	struct strain *strain;
	uint32_t index;
	pthread_t thread;
};

struct strain {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct strain_limits limits;
	bool ending;
	struct burn burns[STRAIN_MAX];
	struct hold holds[STRAIN_MAX];
	uint64_t held, leaked_bytes, leak_rate;
	int64_t leak_until_ns, leaked_ns; /* leaked_ns: up to when the leak was served */
	struct leaked *leaked;
	struct burner burners[BURNERS_MAX];
	uint32_t burner_count; /* started */
	pthread_t keeper;
	bool keeper_started;
};

static int64_t now_ns(void)
{
	return clock_mono_ns(clock_system());
}

/* Something to compute that no compiler leaves out. */
static void compute(void)
{
	volatile uint64_t x = 1;

	for (int i = 0; i < 2000; i++)
		x = x * UINT64_C(6364136223846793005) + 1;
}

static void wait_changed(struct strain *strain, int64_t ns)
{
	timed_wait(&strain->changed, &strain->lock, now_ns() + ns);
}

/* ---- processor time ---- */

/* With the lock: what is burnt now. */
static uint32_t burnt_millicores(struct strain *strain)
{
	int64_t now = now_ns();
	uint32_t sum = 0;

	for (size_t i = 0; i < STRAIN_MAX; i++) {
		if (strain->burns[i].until_ns <= now)
			strain->burns[i].millicores = 0;
		sum += strain->burns[i].millicores;
	}
	return sum;
}

static void *burn(void *argument)
{
	const struct burner *burner = argument;
	struct strain *strain = burner->strain;

	thread_name("burner");
	pthread_mutex_lock(&strain->lock);
	while (!strain->ending) {
		uint32_t all = burnt_millicores(strain), before = burner->index * 1000;
		int64_t begun = now_ns(), cpu = clock_thread_cpu_ns(), part;

		if (all <= before) {
			/* A burn may end, but only a new one gives work. */
			pthread_cond_wait(&strain->changed, &strain->lock);
			continue;
		}
		part = all - before < 1000 ? (int64_t)(all - before) * (SLICE_NS / 1000) : SLICE_NS;
		pthread_mutex_unlock(&strain->lock);
		while (clock_thread_cpu_ns() - cpu < part && now_ns() - begun < SLICE_NS)
			compute();
		pthread_mutex_lock(&strain->lock);
		begun += SLICE_NS - now_ns();
		if (begun > 0 && !strain->ending)
			wait_changed(strain, begun);
	}
	pthread_mutex_unlock(&strain->lock);
	return NULL;
}

enum status strain_burn(struct strain *strain, uint32_t millicores, int64_t duration_ms,
	struct error *error)
{
	enum status status = STATUS_OK;
	struct burn *place = NULL;
	uint32_t all;

	pthread_mutex_lock(&strain->lock);
	all = burnt_millicores(strain);
	for (size_t i = 0; i < STRAIN_MAX && place == NULL; i++)
		if (strain->burns[i].millicores == 0)
			place = &strain->burns[i];
	if (millicores > strain->limits.millicores - all)
		status = error_set(error, STATUS_LIMIT,
			"%u millicores with the %u that are burnt are more than the limit, %u",
			millicores, all, strain->limits.millicores);
	else if (place == NULL)
		status = error_set(error, STATUS_LIMIT, "%d burns are under way", STRAIN_MAX);
	else
		*place = (struct burn){millicores, now_ns() + duration_ms * 1000000};
	pthread_cond_broadcast(&strain->changed);
	pthread_mutex_unlock(&strain->lock);
	return status;
}

void strain_spend(int64_t cpu_ms)
{
	int64_t begun = now_ns(), cpu = clock_thread_cpu_ns();
	int64_t patience = cpu_ms * 10000000 + 1000000000;

	while (clock_thread_cpu_ns() - cpu < cpu_ms * 1000000 && now_ns() - begun < patience)
		compute();
}

/* ---- memory ---- */

/* With the lock: gives back what has had its time, or everything. */
static bool drop_holds(struct strain *strain, bool all)
{
	int64_t now = now_ns();
	bool left = false;

	for (size_t i = 0; i < STRAIN_MAX; i++) {
		struct hold *hold = &strain->holds[i];

		if (hold->bytes == NULL)
			continue;
		if (all || hold->until_ns <= now) {
			mem_free(hold->bytes);
			strain->held -= hold->size;
			hold->bytes = NULL;
		} else {
			left = true;
		}
	}
	return left;
}

static void drop_leaked(struct strain *strain)
{
	while (strain->leaked != NULL) {
		struct leaked *next = strain->leaked->next;

		mem_free(strain->leaked);
		strain->leaked = next;
	}
	strain->leaked_bytes = 0;
}

/* With the lock: takes what the leak owes since it was last served. */
static void serve_leak(struct strain *strain)
{
	int64_t now = now_ns(), until;
	const uint64_t rate = strain->leak_rate;
	/* A slow leak waits until a block is due. */
	const int64_t block_ns = (int64_t)((double)LEAK_BLOCK / (double)rate * 1e9) + 1;

	until = now < strain->leak_until_ns ? now : strain->leak_until_ns;
	while (strain->leaked_ns + block_ns <= until) {
		struct leaked *block = NULL;

		if (strain->limits.bytes - strain->held - strain->leaked_bytes >= LEAK_BLOCK)
			block = mem_alloc(LEAK_BLOCK);
		if (block == NULL) {
			strain->leak_until_ns = 0;
			break;
		}
		memset(block, 0x5a, LEAK_BLOCK);
		block->next = strain->leaked;
		strain->leaked = block;
		strain->leaked_bytes += LEAK_BLOCK;
		strain->leaked_ns += block_ns;
	}
	if (strain->leak_until_ns <= now)
		strain->leak_rate = 0;
}

static void *keep(void *argument)
{
	struct strain *strain = argument;

	thread_name("keeper");
	pthread_mutex_lock(&strain->lock);
	while (!strain->ending) {
		bool work = drop_holds(strain, false);

		if (strain->leak_rate > 0) {
			serve_leak(strain);
			work = true;
		}
		if (work)
			wait_changed(strain, TICK_NS);
		else
			pthread_cond_wait(&strain->changed, &strain->lock);
	}
	pthread_mutex_unlock(&strain->lock);
	return NULL;
}

enum status strain_hold(struct strain *strain, uint64_t bytes, int64_t duration_ms,
	struct error *error)
{
	enum status status = STATUS_OK;
	struct hold *place = NULL;
	uint64_t used;

	pthread_mutex_lock(&strain->lock);
	(void)drop_holds(strain, false);
	used = strain->held + strain->leaked_bytes;
	for (size_t i = 0; i < STRAIN_MAX && place == NULL; i++)
		if (strain->holds[i].bytes == NULL)
			place = &strain->holds[i];
	if (bytes > strain->limits.bytes - used) {
		status = error_set(error, STATUS_LIMIT,
			"%llu bytes with the %llu that are held are more than the limit, %llu",
			(unsigned long long)bytes, (unsigned long long)used,
			(unsigned long long)strain->limits.bytes);
	} else if (place == NULL) {
		status = error_set(error, STATUS_LIMIT, "%d pieces of memory are held", STRAIN_MAX);
	} else if ((place->bytes = mem_alloc((size_t)bytes)) == NULL) {
		status = error_set(error, STATUS_NO_MEMORY, "there are no %llu bytes to be had",
			(unsigned long long)bytes);
	} else {
		memset(place->bytes, 0x5a, (size_t)bytes);
		place->size = bytes;
		place->until_ns = now_ns() + duration_ms * 1000000;
		strain->held += bytes;
	}
	pthread_cond_broadcast(&strain->changed);
	pthread_mutex_unlock(&strain->lock);
	return status;
}

void strain_leak(struct strain *strain, uint64_t bytes_per_second, int64_t duration_ms)
{
	pthread_mutex_lock(&strain->lock);
	strain->leak_rate = bytes_per_second;
	strain->leaked_ns = now_ns();
	strain->leak_until_ns = strain->leaked_ns + duration_ms * 1000000;
	pthread_cond_broadcast(&strain->changed);
	pthread_mutex_unlock(&strain->lock);
}

void strain_rest(struct strain *strain)
{
	pthread_mutex_lock(&strain->lock);
	memset(strain->burns, 0, sizeof(strain->burns));
	strain->leak_rate = 0;
	(void)drop_holds(strain, true);
	drop_leaked(strain);
	pthread_cond_broadcast(&strain->changed);
	pthread_mutex_unlock(&strain->lock);
}

void strain_read(struct strain *strain, struct strain_state *state)
{
	pthread_mutex_lock(&strain->lock);
	(void)drop_holds(strain, false);
	*state = (struct strain_state){.millicores = burnt_millicores(strain),
		.held_bytes = strain->held,
		.leaked_bytes = strain->leaked_bytes,
		.leak_bytes_per_second = strain->leak_rate};
	pthread_mutex_unlock(&strain->lock);
}

/* ---- life ---- */

static enum status start_threads(struct strain *strain, struct error *error)
{
	uint32_t wanted = (strain->limits.millicores + 999) / 1000;

	while (strain->burner_count < wanted) {
		struct burner *burner = &strain->burners[strain->burner_count];

		*burner = (struct burner){.strain = strain, .index = strain->burner_count};
		if (pthread_create(&burner->thread, NULL, burn, burner) != 0)
			return error_set(error, STATUS_NO_MEMORY, "no thread for a burner");
		strain->burner_count++;
	}
	strain->keeper_started = pthread_create(&strain->keeper, NULL, keep, strain) == 0;
	if (!strain->keeper_started)
		return error_set(error, STATUS_NO_MEMORY, "no thread for the memory's times");
	return STATUS_OK;
}

struct strain *strain_open(const struct strain_limits *limits, struct error *error)
{
	struct strain *strain;

	if (limits->millicores < 1 || limits->millicores > STRAIN_MILLICORES_MAX) {
		error_set(error, STATUS_BAD_INPUT, "%u millicores are not from 1 to %d",
			limits->millicores, STRAIN_MILLICORES_MAX);
		return NULL;
	}
	strain = mem_zalloc(1, sizeof(*strain));
	if (strain == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for the strain");
		return NULL;
	}
	strain->limits = *limits;
	pthread_mutex_init(&strain->lock, NULL);
	timed_condition_init(&strain->changed);
	if (start_threads(strain, error) != STATUS_OK) {
		strain_close(strain);
		return NULL;
	}
	return strain;
}

void strain_close(struct strain *strain)
{
	if (strain == NULL)
		return;
	pthread_mutex_lock(&strain->lock);
	strain->ending = true;
	pthread_cond_broadcast(&strain->changed);
	pthread_mutex_unlock(&strain->lock);
	for (uint32_t i = 0; i < strain->burner_count; i++)
		pthread_join(strain->burners[i].thread, NULL);
	if (strain->keeper_started)
		pthread_join(strain->keeper, NULL);
	(void)drop_holds(strain, true);
	drop_leaked(strain);
	pthread_cond_destroy(&strain->changed);
	pthread_mutex_destroy(&strain->lock);
	mem_free(strain);
}
