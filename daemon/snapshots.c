/*
 * The thread looks at the monotonic clock a few times a second, as the service's housekeeping does,
 * so that a stop is noticed soon. A snapshot under way is ended first: it is the same work that the
 * stop would begin anew.
 */
#include "daemon/snapshots.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"
#include "store/snapshot.h"

#define PATH_SIZE 4352

struct snapshots {
	struct snapshot_parts parts;
	const struct clock *clock;
	const char *folder; /* of the configuration */
	char path[PATH_SIZE];
	int64_t interval_ns;
	pthread_t writer;
	atomic_bool stopping;
};

bool snapshots_wanted(const struct config *config)
{
	return config_int(config, SETTING_STORAGE_SNAPSHOT_INTERVAL) > 0;
}

static void path_of(const struct config *config, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%.4096s/snapshot", config_text(config, SETTING_STORAGE_PATH));
}

static struct snapshot_parts parts_of(struct store *store, struct intake *intake)
{
	return (struct snapshot_parts){
		.store = store,
		.histograms = intake_histograms(intake),
		.exemplars = intake_exemplars(intake),
		.starts = intake_starts(intake),
	};
}

static double seconds_since(int64_t began_ns)
{
	return (double)(clock_mono_ns(clock_system()) - began_ns) / 1e9;
}

/* The file is kept for whoever wants to know what happened; only the newest of them. */
static void put_aside(const char *path, const struct error *reason)
{
	char aside[PATH_SIZE + 16];

	snprintf(aside, sizeof(aside), "%s.refused", path);
	metrics_inc(METRIC_SNAPSHOT_FAILURES, "load");
	LOG_ERROR("snapshot refused", LOG_TEXT("path", path), LOG_ERROR_FIELD(reason));
	if (rename(path, aside) == 0)
		LOG_INFO("the refused snapshot was put aside", LOG_TEXT("path", aside));
	else
		LOG_WARN("the refused snapshot could not be put aside", LOG_TEXT("path", aside),
			LOG_TEXT("err", strerror(errno)));
}

static void log_loaded(const char *path, const struct snapshot_stats *stats, int64_t began_ns)
{
	int64_t age_ms = clock_now_ms(clock_system()) - stats->taken_ms;

	LOG_INFO("snapshot loaded", LOG_TEXT("path", path), LOG_UINT("series", stats->series),
		LOG_UINT("samples", stats->samples), LOG_UINT("records", stats->records),
		LOG_UINT("bytes", stats->bytes), LOG_DOUBLE("age_s", (double)age_ms / 1000),
		LOG_DOUBLE("ms", seconds_since(began_ns) * 1000));
	if (age_ms < 0)
		LOG_WARN("the snapshot was taken later than it is now: the clock went back",
			LOG_DOUBLE("ahead_s", (double)-age_ms / 1000));
	if (stats->series_dropped > 0 || stats->samples_dropped > 0)
		LOG_WARN("not all of the snapshot fits the limits and the clock of today",
			LOG_UINT("series_dropped", stats->series_dropped),
			LOG_UINT("samples_dropped_of_kept_series", stats->samples_dropped));
	if (stats->recoded)
		LOG_INFO("the samples were encoded anew, for blocks of another size");
}

void snapshots_load(const struct config *config, struct store *store, struct intake *intake,
	bool *spoiled)
{
	struct snapshot_parts parts = parts_of(store, intake);
	struct snapshot_stats stats;
	int64_t began_ns = clock_mono_ns(clock_system());
	struct error error;
	char path[PATH_SIZE];
	enum status status;

	*spoiled = false;
	path_of(config, path);
	metrics_set(METRIC_SNAPSHOT_LOADED, 0);
	metrics_set(METRIC_SNAPSHOT_TIME, 0);
	metrics_add(METRIC_SNAPSHOT_FAILURES, 0, "load");
	metrics_add(METRIC_SNAPSHOT_FAILURES, 0, "write");
	metrics_add(METRIC_SNAPSHOT_FAILURES, 0, "series");
	status = snapshot_load(&parts, path, &stats, &error);
	if (status == STATUS_NOT_FOUND)
		return;
	if (status != STATUS_OK) {
		put_aside(path, &error);
		*spoiled = true;
		return;
	}
	metrics_set(METRIC_SNAPSHOT_LOADED, (double)stats.series);
	metrics_set(METRIC_SNAPSHOT_TIME, (double)stats.taken_ms / 1000);
	metrics_set(METRIC_SNAPSHOT_BYTES, (double)stats.bytes);
	log_loaded(path, &stats, began_ns);
}

static void write_one(struct snapshots *snapshots)
{
	int64_t began_ns = clock_mono_ns(clock_system());
	struct snapshot_stats stats;
	struct error error;

	if (file_make_folder(snapshots->folder, &error) != STATUS_OK ||
		snapshot_write(&snapshots->parts, snapshots->path, &stats, &error) != STATUS_OK) {
		metrics_inc(METRIC_SNAPSHOT_FAILURES, "write");
		LOG_ERROR("no snapshot was written, the one before stays",
			LOG_TEXT("path", snapshots->path), LOG_ERROR_FIELD(&error));
		return;
	}
	metrics_set(METRIC_SNAPSHOT_TIME, (double)stats.taken_ms / 1000);
	metrics_set(METRIC_SNAPSHOT_DURATION, seconds_since(began_ns));
	metrics_set(METRIC_SNAPSHOT_BYTES, (double)stats.bytes);
	if (stats.series_cut > 0) {
		metrics_add(METRIC_SNAPSHOT_FAILURES, (double)stats.series_cut, "series");
		LOG_WARN("series with more samples than fit a snapshot were written without them",
			LOG_UINT("series", stats.series_cut),
			LOG_UINT("bytes_max", SNAPSHOT_PAGE_MAX));
	}
	LOG_DEBUG("snapshot written", LOG_TEXT("path", snapshots->path),
		LOG_UINT("series", stats.series), LOG_UINT("samples", stats.samples),
		LOG_UINT("bytes", stats.bytes), LOG_DOUBLE("ms", seconds_since(began_ns) * 1000));
}

static void *write_at_intervals(void *argument)
{
	struct snapshots *snapshots = argument;
	int64_t next_ns = clock_mono_ns(snapshots->clock) + snapshots->interval_ns;

	thread_name("snapshots");
	while (!atomic_load(&snapshots->stopping)) {
		clock_sleep_ms(200);
		if (clock_mono_ns(snapshots->clock) < next_ns)
			continue;
		write_one(snapshots);
		next_ns = clock_mono_ns(snapshots->clock) + snapshots->interval_ns;
	}
	return NULL;
}

struct snapshots *snapshots_open(const struct config *config, struct store *store,
	struct intake *intake, const struct clock *clock, struct error *error)
{
	struct snapshots *snapshots = mem_zalloc(1, sizeof(*snapshots));

	if (snapshots == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	snapshots->parts = parts_of(store, intake);
	snapshots->clock = clock;
	snapshots->interval_ns = config_int(config, SETTING_STORAGE_SNAPSHOT_INTERVAL) * 1000000;
	snapshots->folder = config_text(config, SETTING_STORAGE_PATH);
	path_of(config, snapshots->path);
	atomic_init(&snapshots->stopping, false);
	if (pthread_create(&snapshots->writer, NULL, write_at_intervals, snapshots) == 0)
		return snapshots;
	mem_free(snapshots);
	error_set(error, STATUS_NO_MEMORY, "no thread for snapshots");
	return NULL;
}

void snapshots_close(struct snapshots *snapshots)
{
	if (snapshots == NULL)
		return;
	atomic_store(&snapshots->stopping, true);
	pthread_join(snapshots->writer, NULL);
	write_one(snapshots);
	mem_free(snapshots);
}

void snapshots_write_json(bool wanted, struct buf *json)
{
	double taken = metrics_get(METRIC_SNAPSHOT_TIME);
	char time[32];

	if (!wanted) {
		buf_add_text(json, "{\"state\":\"off\"}");
		return;
	}
	if (taken > 0) {
		format_rfc3339((int64_t)(taken * 1000 + 0.5), time, sizeof(time));
		buf_printf(json, "{\"state\":\"on\",\"taken\":\"%s\"", time);
	} else {
		buf_add_text(json, "{\"state\":\"none\",\"taken\":null");
	}
	buf_printf(json,
		",\"bytes\":%.0f,\"loaded_series\":%.0f,\"write_failures\":%.0f,"
		"\"load_failures\":%.0f}",
		metrics_get(METRIC_SNAPSHOT_BYTES), metrics_get(METRIC_SNAPSHOT_LOADED),
		metrics_get(METRIC_SNAPSHOT_FAILURES, "write"),
		metrics_get(METRIC_SNAPSHOT_FAILURES, "load"));
}
