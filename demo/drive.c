/*
 * The connections take turns in waiting: one of them draws the next moment and sleeps until it has come,
 * the others sleep until that one goes off to send its request. So a moment is met as long as a
 * connection is free, and nobody wakes for nothing; when none is, the moments wait, and their latencies
 * are counted from when they were due.
 */
#include "demo/drive.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread_name.h"
#include "demo/timed_wait.h"

#define LATE_NS INT64_C(10000000)

struct lane {
	struct drive *drive;
	CURL *curl;
	struct curl_slist *headers;
	pthread_t thread;
};

struct drive {
	const struct drive_config *config;
	pthread_mutex_t lock; /* for all below */
	pthread_cond_t turn, ended;
	bool taken; /* a connection waits for the next moment */
	bool drawn; /* the moments are over */
	struct arrivals arrivals;
	int64_t begun_ns, ended_ns;
	struct drive_result result;
	uint32_t working;
	atomic_bool stop;
	struct lane *lanes;
	uint32_t lane_count; /* threads started */
};

static int64_t now_ns(void)
{
	return clock_mono_ns(clock_system());
}

/* ---- one request ---- */

static size_t drop(char *bytes, size_t size, size_t count, void *argument)
{
	(void)bytes;
	(void)argument;
	return size * count;
}

static int watch_stop(void *argument, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
	curl_off_t up)
{
	const struct drive *drive = argument;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	return atomic_load(&drive->stop);
}

static void count_code(struct drive_result *result, int code)
{
	uint32_t i = 0;

	while (i < result->code_count && result->codes[i].code != code)
		i++;
	if (i == DRIVE_CODES_MAX) /* the last place takes all that found none */
		i--;
	else if (i == result->code_count)
		result->codes[result->code_count++].code = code;
	result->codes[i].requests++;
}

static void visit(struct lane *lane, int64_t due_ns)
{
	struct drive *drive = lane->drive;
	struct drive_result *result = &drive->result;
	int64_t sent_ns = now_ns(), ended_ns;
	CURLcode done = curl_easy_perform(lane->curl);
	long code = 0;

	ended_ns = now_ns();
	/* What was given up by hand tells nothing of the service. */
	if (done == CURLE_ABORTED_BY_CALLBACK)
		return;
	if (done == CURLE_OK)
		curl_easy_getinfo(lane->curl, CURLINFO_RESPONSE_CODE, &code);
	if (drive->config->tell != NULL)
		drive->config->tell(drive->config->argument, (int)code, ended_ns - due_ns);
	pthread_mutex_lock(&drive->lock);
	result->sent++;
	result->late += sent_ns - due_ns > LATE_NS;
	if (done == CURLE_OK) {
		result->answered++;
		result->good += code >= 200 && code < 400;
		count_code(result, (int)code);
	} else {
		if (result->failed++ == 0)
			snprintf(result->failure, sizeof(result->failure), "%s",
				curl_easy_strerror(done));
	}
	/* One that was never answered took at least so long. */
	latency_add(&result->due, ended_ns - due_ns);
	latency_add(&result->sent_on, ended_ns - sent_ns);
	pthread_mutex_unlock(&drive->lock);
}

/* ---- the moments ---- */

/* With the lock and the turn: when the next request is due; -1 when there is none. What comes after the
 * time that the last ones may take is not sent any more. */
static int64_t draw(struct drive *drive)
{
	int64_t at_ns = drive->drawn ? -1 : arrivals_next(&drive->arrivals);
	int64_t last_ns = drive->begun_ns +
		(drive->config->visits.duration_ms + drive->config->timeout_ms) * 1000000;

	while (at_ns >= 0 && now_ns() > last_ns) {
		drive->result.unsent++;
		at_ns = arrivals_next(&drive->arrivals);
	}
	if (at_ns < 0) {
		drive->drawn = true;
		return -1;
	}
	return drive->begun_ns + at_ns;
}

/* With the lock: waits for the turn and then for the moment. -1: it is over. */
static int64_t next_due(struct drive *drive)
{
	int64_t due_ns;

	while (drive->taken && !atomic_load(&drive->stop))
		pthread_cond_wait(&drive->turn, &drive->lock);
	if (atomic_load(&drive->stop))
		return -1;
	drive->taken = true;
	due_ns = draw(drive);
	while (due_ns >= 0 && now_ns() < due_ns && !atomic_load(&drive->stop))
		timed_wait(&drive->ended, &drive->lock, due_ns);
	drive->taken = false;
	pthread_cond_signal(&drive->turn);
	return atomic_load(&drive->stop) ? -1 : due_ns;
}

static void *run_lane(void *argument)
{
	struct lane *lane = argument;
	struct drive *drive = lane->drive;
	int64_t due_ns;

	thread_name("lane");
	pthread_mutex_lock(&drive->lock);
	while ((due_ns = next_due(drive)) >= 0) {
		pthread_mutex_unlock(&drive->lock);
		visit(lane, due_ns);
		pthread_mutex_lock(&drive->lock);
	}
	if (--drive->working == 0) {
		drive->ended_ns = now_ns();
		drive->result.over = true;
	}
	pthread_cond_broadcast(&drive->turn);
	pthread_cond_broadcast(&drive->ended);
	pthread_mutex_unlock(&drive->lock);
	return NULL;
}

/* ---- life ---- */

enum status drive_check(const struct drive_config *config, struct error *error)
{
	enum status status = STATUS_OK;
	char *scheme = NULL;
	CURLU *url = curl_url();

	if (url == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a URL");
	if (curl_url_set(url, CURLUPART_URL, config->url, 0) != CURLUE_OK ||
		curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		(strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		status = error_set(error, STATUS_BAD_INPUT,
			"target \"%.200s\" is no URL that begins with http:// or https://",
			config->url);
	else if (config->connections < 1 || config->connections > DRIVE_CONNECTIONS_MAX)
		status = error_set(error, STATUS_BAD_INPUT, "connections %u are not from 1 to %d",
			config->connections, DRIVE_CONNECTIONS_MAX);
	else if (config->timeout_ms < 1 || config->timeout_ms > DRIVE_TIMEOUT_MAX_MS)
		status = error_set(error, STATUS_BAD_INPUT, "timeout is not from 1ms to 1m");
	curl_free(scheme);
	curl_url_cleanup(url);
	return status;
}

static enum status open_lane(struct drive *drive, struct lane *lane, struct error *error)
{
	const struct drive_config *config = drive->config;
	char line[4096];

	lane->drive = drive;
	lane->curl = curl_easy_init();
	if (lane->curl == NULL)
		goto no_memory;
	if (config->token != NULL) {
		snprintf(line, sizeof(line), "Authorization: Bearer %s", config->token);
		lane->headers = curl_slist_append(NULL, line);
		if (lane->headers == NULL)
			goto no_memory;
		curl_easy_setopt(lane->curl, CURLOPT_HTTPHEADER, lane->headers);
	}
	curl_easy_setopt(lane->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(lane->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(lane->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(lane->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(lane->curl, CURLOPT_USERAGENT, "nimbusguard-load");
	curl_easy_setopt(lane->curl, CURLOPT_URL, config->url);
	curl_easy_setopt(lane->curl, CURLOPT_TIMEOUT_MS, (long)config->timeout_ms);
	curl_easy_setopt(lane->curl, CURLOPT_WRITEFUNCTION, drop);
	curl_easy_setopt(lane->curl, CURLOPT_XFERINFOFUNCTION, watch_stop);
	curl_easy_setopt(lane->curl, CURLOPT_XFERINFODATA, drive);
	curl_easy_setopt(lane->curl, CURLOPT_NOPROGRESS, 0L);
	if (config->ca_file != NULL)
		curl_easy_setopt(lane->curl, CURLOPT_CAINFO, config->ca_file);
	return STATUS_OK;
no_memory:
	return error_set(error, STATUS_NO_MEMORY, "no memory for a connection");
}

static enum status start_lanes(struct drive *drive, struct error *error)
{
	enum status status = STATUS_OK;

	for (uint32_t i = 0; i < drive->config->connections && status == STATUS_OK; i++)
		status = open_lane(drive, &drive->lanes[i], error);
	if (status != STATUS_OK)
		return status;
	/* The lock is held until all are there: the last that ends must know that it is. */
	pthread_mutex_lock(&drive->lock);
	drive->begun_ns = now_ns();
	while (drive->lane_count < drive->config->connections) {
		struct lane *lane = &drive->lanes[drive->lane_count];

		if (pthread_create(&lane->thread, NULL, run_lane, lane) != 0) {
			status = error_set(error, STATUS_NO_MEMORY, "no thread for connection %u",
				drive->lane_count + 1);
			break;
		}
		drive->lane_count++;
		drive->working++;
	}
	pthread_mutex_unlock(&drive->lock);
	return status;
}

struct drive *drive_open(const struct drive_config *config, struct error *error)
{
	struct drive *drive = mem_zalloc(1, sizeof(*drive));

	if (drive != NULL)
		drive->lanes = mem_zalloc(config->connections, sizeof(*drive->lanes));
	if (drive == NULL || drive->lanes == NULL) {
		mem_free(drive);
		error_set(error, STATUS_NO_MEMORY, "no memory for the load");
		return NULL;
	}
	drive->config = config;
	arrivals_init(&drive->arrivals, &config->visits);
	pthread_mutex_init(&drive->lock, NULL);
	timed_condition_init(&drive->turn);
	timed_condition_init(&drive->ended);
	if (start_lanes(drive, error) != STATUS_OK) {
		drive_close(drive);
		return NULL;
	}
	return drive;
}

void drive_read(struct drive *drive, struct drive_result *result)
{
	pthread_mutex_lock(&drive->lock);
	*result = drive->result;
	result->stopped = atomic_load(&drive->stop);
	result->spent_ns = (result->over ? drive->ended_ns : now_ns()) - drive->begun_ns;
	if (!result->over && result->spent_ns < drive->config->visits.duration_ms * 1000000)
		result->rate_now =
			visits_rate(&drive->config->visits, (double)result->spent_ns / 1e9);
	pthread_mutex_unlock(&drive->lock);
}

void drive_stop(struct drive *drive)
{
	pthread_mutex_lock(&drive->lock);
	/* One that is over was not stopped. */
	if (!drive->result.over)
		atomic_store(&drive->stop, true);
	pthread_cond_broadcast(&drive->turn);
	pthread_cond_broadcast(&drive->ended);
	pthread_mutex_unlock(&drive->lock);
}

bool drive_wait(struct drive *drive, int64_t ms)
{
	int64_t until_ns = now_ns() + ms * 1000000;
	bool over;

	pthread_mutex_lock(&drive->lock);
	while (!drive->result.over && now_ns() < until_ns)
		timed_wait(&drive->ended, &drive->lock, until_ns);
	over = drive->result.over;
	pthread_mutex_unlock(&drive->lock);
	return over;
}

void drive_close(struct drive *drive)
{
	if (drive == NULL)
		return;
	drive_stop(drive);
	for (uint32_t i = 0; i < drive->lane_count; i++)
		pthread_join(drive->lanes[i].thread, NULL);
	for (uint32_t i = 0; i < drive->config->connections; i++) {
		curl_easy_cleanup(drive->lanes[i].curl);
		curl_slist_free_all(drive->lanes[i].headers);
	}
	pthread_cond_destroy(&drive->turn);
	pthread_cond_destroy(&drive->ended);
	pthread_mutex_destroy(&drive->lock);
	mem_free(drive->lanes);
	mem_free(drive);
}
