/*
 * A request for work costs what it is to cost, and is then hit by the faults that are on: it fails by
 * chance, and it is answered late. A late answer does not keep a thread of the server: the request waits
 * in a list until it is due, and one thread answers all of them.
 *
 * What is triggered is a share, a time or a moment until which it holds; when that is over all is as
 * before. Health, readiness, metrics and the controls themselves are never hit.
 */
#include "demo/sample.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics_process.h"
#include "base/random.h"
#include "base/thread_name.h"
#include "demo/front.h"
#include "demo/timed_wait.h"
#include "demo/usage.h"

#define PAGE_MAX ((size_t)1 << 20)
#define WORK "work"

struct faults {
	double error_share;
	int64_t errors_until_ns, latency_ms, latency_until_ns, unready_until_ns;
};

/* A request that is answered when it is due. */
struct delayed {
	struct request *request;
	int64_t due_ns, begun_ns;
	bool fails;
};

struct sample {
	const struct sample_config *config;
	struct strain *strain;
	struct usage *usage;
	struct front *front;
	pthread_mutex_t lock; /* for all below */
	pthread_cond_t changed;
	struct faults faults;
	struct random random;
	struct delayed *delayed; /* [SAMPLE_DELAYED_MAX] */
	size_t delayed_count;
	bool ending;
	pthread_t answerer;
	bool answerer_started;
};

static int64_t now_ns(void)
{
	return clock_mono_ns(clock_system());
}

/* ---- requests for work ---- */

static void answer_work(struct sample *sample, struct request *request, int code, int64_t begun_ns)
{
	/* Before the answer: whoever has it finds it counted. */
	usage_observe(sample->usage, WORK, "GET", code, (double)(now_ns() - begun_ns) / 1e9);
	request_reply_text(request, code,
		code == 200           ? "done\n"
			: code == 500 ? "an error that was asked for\n"
				      : "too many answers are delayed\n");
}

/* With the lock: takes out what is due, or everything at the end; 0 when there is nothing. */
static size_t take_due(struct sample *sample, struct delayed *due, size_t room, int64_t *next_ns)
{
	int64_t now = now_ns();
	size_t taken = 0;

	*next_ns = INT64_MAX;
	for (size_t i = 0; i < sample->delayed_count;) {
		if ((sample->ending || sample->delayed[i].due_ns <= now) && taken < room) {
			due[taken++] = sample->delayed[i];
			sample->delayed[i] = sample->delayed[--sample->delayed_count];
		} else {
			if (sample->delayed[i].due_ns < *next_ns)
				*next_ns = sample->delayed[i].due_ns;
			i++;
		}
	}
	return taken;
}

static void *answer_delayed(void *argument)
{
	struct sample *sample = argument;
	struct delayed due[64];
	int64_t next_ns;

	thread_name("answerer");
	pthread_mutex_lock(&sample->lock);
	for (;;) {
		size_t count = take_due(sample, due, sizeof(due) / sizeof(due[0]), &next_ns);

		if (count > 0) {
			pthread_mutex_unlock(&sample->lock);
			for (size_t i = 0; i < count; i++)
				answer_work(sample, due[i].request, due[i].fails ? 500 : 200,
					due[i].begun_ns);
			pthread_mutex_lock(&sample->lock);
		} else if (sample->ending) {
			break;
		} else if (next_ns < INT64_MAX) {
			timed_wait(&sample->changed, &sample->lock, next_ns);
		} else {
			pthread_cond_wait(&sample->changed, &sample->lock);
		}
	}
	pthread_mutex_unlock(&sample->lock);
	return NULL;
}

/* Draws what hits this request. */
static void draw_faults(struct sample *sample, bool *fails, int64_t *delay_ms)
{
	int64_t now = now_ns();

	pthread_mutex_lock(&sample->lock);
	*fails = now < sample->faults.errors_until_ns &&
		random_unit(&sample->random) < sample->faults.error_share;
	*delay_ms = now < sample->faults.latency_until_ns ? sample->faults.latency_ms : 0;
	pthread_mutex_unlock(&sample->lock);
}

static void route_work(struct request *request, void *argument)
{
	struct sample *sample = argument;
	struct delayed delayed = {.request = request, .begun_ns = now_ns()};
	uint64_t cost_ms = (uint64_t)sample->config->cost_ms;
	int64_t delay_ms;
	struct error error;
	bool taken = false;

	if (query_natural(request, "ms", false, 0, SAMPLE_COST_MAX_MS, &cost_ms, &error) !=
		STATUS_OK) {
		usage_observe(sample->usage, WORK, "GET", 400, 0);
		request_reply_error(request, STATUS_BAD_INPUT, error.text);
		return;
	}
	strain_spend((int64_t)cost_ms);
	draw_faults(sample, &delayed.fails, &delay_ms);
	if (delay_ms == 0) {
		answer_work(sample, request, delayed.fails ? 500 : 200, delayed.begun_ns);
		return;
	}
	delayed.due_ns = delayed.begun_ns + delay_ms * 1000000;
	request_suspend(request);
	pthread_mutex_lock(&sample->lock);
	if (sample->delayed_count < SAMPLE_DELAYED_MAX && !sample->ending) {
		sample->delayed[sample->delayed_count++] = delayed;
		taken = true;
	}
	pthread_cond_signal(&sample->changed);
	pthread_mutex_unlock(&sample->lock);
	if (!taken)
		answer_work(sample, request, 503, delayed.begun_ns);
}

/* ---- what it is told to do ---- */

static void reply_state(struct sample *sample, struct request *request)
{
	struct strain_state strain;
	struct faults faults;
	int64_t now = now_ns();
	struct buf out;

	strain_read(sample->strain, &strain);
	pthread_mutex_lock(&sample->lock);
	faults = sample->faults;
	pthread_mutex_unlock(&sample->lock);
	buf_init(&out, PAGE_MAX);
	buf_printf(&out,
		"{\"millicores\":%" PRIu32 ",\"held_bytes\":%" PRIu64 ",\"leaked_bytes\":%" PRIu64
		",\"leak_bytes_per_second\":%" PRIu64,
		strain.millicores, strain.held_bytes, strain.leaked_bytes,
		strain.leak_bytes_per_second);
	buf_printf(&out, ",\"error_share\":%g,\"latency_ms\":%" PRId64 ",\"ready\":%s}",
		now < faults.errors_until_ns ? faults.error_share : 0,
		now < faults.latency_until_ns ? faults.latency_ms : 0,
		now < faults.unready_until_ns ? "false" : "true");
	request_reply_data(request, &out);
	buf_fini(&out);
}

static void reply_told(struct sample *sample, struct request *request, enum status status,
	const struct error *error)
{
	if (status != STATUS_OK)
		request_reply_error(request, status, error->text);
	else
		reply_state(sample, request);
}

static void route_state(struct request *request, void *argument)
{
	reply_state(argument, request);
}

static void route_burn(struct request *request, void *argument)
{
	static const char *const known[] = {"millicores", "duration", NULL};
	struct sample *sample = argument;
	uint64_t millicores = 0;
	int64_t duration_ms = 0;
	struct error error;
	enum status status = query_known(request, known, &error);

	if (status == STATUS_OK)
		status = query_natural(request, "millicores", true, 1,
			sample->config->limits.millicores, &millicores, &error);
	if (status == STATUS_OK)
		status = query_duration(request, "duration", true, SAMPLE_DURATION_MAX_MS,
			&duration_ms, &error);
	if (status == STATUS_OK)
		status = strain_burn(sample->strain, (uint32_t)millicores, duration_ms, &error);
	reply_told(sample, request, status, &error);
}

static void route_memory(struct request *request, void *argument)
{
	static const char *const known[] = {"bytes", "leak", "duration", NULL};
	struct sample *sample = argument;
	uint64_t bytes = 0, leak = 0;
	int64_t duration_ms = 0;
	struct error error;
	enum status status = query_known(request, known, &error);

	if (status == STATUS_OK)
		status = query_size(request, "bytes", false, sample->config->limits.bytes, &bytes,
			&error);
	if (status == STATUS_OK)
		status = query_size(request, "leak", false, sample->config->limits.bytes, &leak,
			&error);
	if (status == STATUS_OK && (bytes > 0) == (leak > 0))
		status = error_set(&error, STATUS_BAD_INPUT,
			"either \"bytes\", to hold, or \"leak\", a second, is needed");
	if (status == STATUS_OK)
		status = query_duration(request, "duration", true, SAMPLE_DURATION_MAX_MS,
			&duration_ms, &error);
	if (status == STATUS_OK && leak > 0)
		strain_leak(sample->strain, leak, duration_ms);
	else if (status == STATUS_OK)
		status = strain_hold(sample->strain, bytes, duration_ms, &error);
	reply_told(sample, request, status, &error);
}

static void route_rest(struct request *request, void *argument)
{
	struct sample *sample = argument;

	pthread_mutex_lock(&sample->lock);
	sample->faults = (struct faults){0};
	pthread_mutex_unlock(&sample->lock);
	strain_rest(sample->strain);
	reply_state(sample, request);
}

/* Reads what the kind takes and puts it into *faults. */
static enum status read_fault(const struct request *request, const char *kind,
	struct faults *faults, struct error *error)
{
	const bool errors = strcmp(kind, "errors") == 0, latencies = strcmp(kind, "latency") == 0;
	const char *own = errors ? "share" : latencies ? "ms" : NULL;
	const char *const known[] = {"kind", "duration", own, NULL};
	int64_t duration_ms = 0, until_ns;
	uint64_t latency = 0;
	enum status status;

	/* "shar=0.2" would fail every request rather than a fifth. */
	status = query_known(request, known, error);
	if (status != STATUS_OK)
		return status;
	status = query_duration(request, "duration", true, SAMPLE_DURATION_MAX_MS, &duration_ms,
		error);
	until_ns = now_ns() + duration_ms * 1000000;
	if (status != STATUS_OK)
		return status;
	if (errors) {
		faults->error_share = 1;
		faults->errors_until_ns = until_ns;
		return query_share(request, "share", false, &faults->error_share, error);
	}
	if (latencies) {
		status = query_natural(request, "ms", true, 1, SAMPLE_LATENCY_MAX_MS, &latency,
			error);
		faults->latency_ms = (int64_t)latency;
		faults->latency_until_ns = until_ns;
		return status;
	}
	faults->unready_until_ns = until_ns;
	return STATUS_OK;
}

static void route_trigger(struct request *request, void *argument)
{
	struct sample *sample = argument;
	const char *kind = request_query(request, "kind");
	struct faults faults;
	struct error error;
	enum status status;

	if (kind == NULL ||
		(strcmp(kind, "errors") != 0 && strcmp(kind, "latency") != 0 &&
			strcmp(kind, "unready") != 0 && strcmp(kind, "crash") != 0)) {
		request_reply_error(request, STATUS_BAD_INPUT,
			"parameter \"kind\" is one of errors, latency, unready, crash");
		return;
	}
	if (strcmp(kind, "crash") == 0) {
		reply_state(sample, request);
		sample->config->crash(sample->config->argument);
		return;
	}
	pthread_mutex_lock(&sample->lock);
	faults = sample->faults;
	status = read_fault(request, kind, &faults, &error);
	if (status == STATUS_OK)
		sample->faults = faults;
	pthread_mutex_unlock(&sample->lock);
	reply_told(sample, request, status, &error);
}

/* ---- what watches it ---- */

static void route_health(struct request *request, void *argument)
{
	(void)argument;
	request_reply_text(request, 200, "alive\n");
}

static void route_ready(struct request *request, void *argument)
{
	struct sample *sample = argument;
	bool ready;

	pthread_mutex_lock(&sample->lock);
	ready = now_ns() >= sample->faults.unready_until_ns && !sample->ending;
	pthread_mutex_unlock(&sample->lock);
	request_reply_text(request, ready ? 200 : 503, ready ? "ready\n" : "not ready\n");
}

static void route_metrics(struct request *request, void *argument)
{
	struct sample *sample = argument;
	struct strain_state state;
	struct buf out;

	strain_read(sample->strain, &state);
	buf_init(&out, PAGE_MAX);
	usage_write(sample->usage, &out);
	buf_printf(&out,
		"# HELP sample_burnt_millicores Processor time that is burnt in the background.\n"
		"# TYPE sample_burnt_millicores gauge\nsample_burnt_millicores %" PRIu32
		"\n# HELP sample_held_bytes Memory that is held or was leaked.\n"
		"# TYPE sample_held_bytes gauge\nsample_held_bytes %" PRIu64 "\n",
		state.millicores, state.held_bytes + state.leaked_bytes);
	usage_write_process(&out);
	front_reply_metrics(request, &out);
	buf_fini(&out);
}

/* ---- life ---- */

static enum status open_front(struct sample *sample, struct error *error)
{
#define READ(name, path, serve)                                                                    \
	{                                                                                          \
		(name), "GET", (path), ROUTE_EXACT, ACCESS_NONE, 0, NULL, (serve), sample          \
	}
#define CHANGE(name, method, path, serve)                                                          \
	{                                                                                          \
		(name), (method), (path), ROUTE_CHANGES, ACCESS_NONE, 0, NULL, (serve), sample     \
	}
	const struct route routes[] = {
		READ("root", "/", route_work),
		READ("work", "/workload/cpu", route_work),
		CHANGE("burn", "POST", "/workload/cpu", route_burn),
		CHANGE("memory", "POST", "/workload/memory", route_memory),
		READ("state", "/workload", route_state),
		CHANGE("rest", "DELETE", "/workload", route_rest),
		CHANGE("trigger", "POST", "/events/trigger", route_trigger),
		READ("health", "/health", route_health),
		READ("ready", "/ready", route_ready),
		READ("metrics", "/metrics", route_metrics),
	};
#undef READ
#undef CHANGE

	sample->front = front_open(sample->config->listen_address, routes,
		sizeof(routes) / sizeof(routes[0]), error);
	return sample->front != NULL ? STATUS_OK : error->code;
}

static enum status start(struct sample *sample, struct error *error)
{
	const struct sample_config *config = sample->config;

	sample->usage = usage_open("http");
	sample->delayed = mem_zalloc(SAMPLE_DELAYED_MAX, sizeof(*sample->delayed));
	if (sample->usage == NULL || sample->delayed == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the sample workload");
	sample->strain = strain_open(&config->limits, error);
	if (sample->strain == NULL)
		return error->code;
	sample->answerer_started =
		pthread_create(&sample->answerer, NULL, answer_delayed, sample) == 0;
	if (!sample->answerer_started)
		return error_set(error, STATUS_NO_MEMORY, "no thread for delayed answers");
	return open_front(sample, error);
}

struct sample *sample_open(const struct sample_config *config, struct error *error)
{
	struct sample *sample = mem_zalloc(1, sizeof(*sample));

	if (sample == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for the sample workload");
		return NULL;
	}
	sample->config = config;
	random_init(&sample->random, config->seed);
	pthread_mutex_init(&sample->lock, NULL);
	timed_condition_init(&sample->changed);
	metrics_process_install();
	if (start(sample, error) != STATUS_OK) {
		sample_close(sample, 0);
		return NULL;
	}
	return sample;
}

unsigned sample_port(const struct sample *sample)
{
	return front_port(sample->front);
}

void sample_close(struct sample *sample, int64_t drain_ms)
{
	/* First what waits, so that the server finds nothing under way. */
	pthread_mutex_lock(&sample->lock);
	sample->ending = true;
	pthread_cond_broadcast(&sample->changed);
	pthread_mutex_unlock(&sample->lock);
	if (sample->answerer_started)
		pthread_join(sample->answerer, NULL);
	front_close(sample->front, drain_ms);
	strain_close(sample->strain);
	usage_close(sample->usage);
	mem_free(sample->delayed);
	pthread_cond_destroy(&sample->changed);
	pthread_mutex_destroy(&sample->lock);
	mem_free(sample);
}
