/*
 * Opens the rooms in the order of the arrows (store, ingest, analyzer, remediator, access, server)
 * and closes them in the reverse order, so that nothing is called after its end.
 *
 * Adapters: the analyzer answers the remediator's signal source; the analyzer's findings are
 * submitted to the remediator; collectors set the gauges that no room owns.
 */
#include "daemon/service.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/metrics_process.h"
#include "base/thread_name.h"
#include "daemon/finding_groups.h"
#include "daemon/intake.h"
#include "daemon/mlflow_queue.h"
#include "daemon/models_mlflow.h"
#include "daemon/recorder.h"
#include "daemon/review.h"
#include "daemon/routes.h"
#include "daemon/scaling.h"
#include "daemon/snapshots.h"
#include "daemon/version.h"
#include "daemon/write_out.h"

#define DRAIN_MS 10000

struct service {
	const struct service_layers *layers;
	const struct clock *clock;
	struct config
		*config; /* as opened: what needs a restart is read here, so it never changes */
	struct config
		*reloaded; /* the newest one, NULL before the first reload; under reload_lock */
	atomic_int mode;   /* enum mode in force */
	struct bundle bundle;
	char journal_path[4352];
	struct store *store;
	struct rollup *rollup;
	struct intake *intake;
	struct snapshots *snapshots; /* NULL when they are off */
	struct backfill *backfill;   /* NULL: off */
	struct recorder *recorder;   /* NULL: off */
	struct mlflow_queue *mlflow; /* NULL: none is told */
	struct scaler *scaler;
	struct write_out *write_out; /* NULL: nothing is written out */
	struct analyzer *analyzer;
	struct remediator *remediator;
	struct access *access;
	struct server *server;
	struct route *routes;
	pthread_mutex_t reload_lock; /* one reload at a time */
	pthread_t sweeper;
	bool sweeper_runs;
	_Atomic(service_finding_fn *) finding_watch;
	void *finding_argument;
	struct finding_groups groups;      /* the analyzer's thread */
	_Atomic double samples_per_second; /* written by the sweeper's thread */
	atomic_bool stopping;
	int64_t started_ms;
};

bool service_feature(const struct service *service, const char *feature)
{
	return review_feature(service->config, feature);
}

/* A finding becomes an event of the engine; a full queue loses nothing: the finding holds, and the
 * analyzer tells it again at its next scan. */
static void submit_finding(void *argument, const struct event *finding)
{
	struct service *service = argument;
	service_finding_fn *watch = atomic_load(&service->finding_watch);
	struct event grouped = *finding;
	enum status status;

	if (watch != NULL)
		watch(service->finding_argument, finding);
	if (service->remediator == NULL)
		return;
	grouped.group = finding_groups_of(&service->groups, finding);
	status = remediator_submit(service->remediator, &grouped, 1, NULL, NULL);
	if (status != STATUS_OK)
		LOG_WARN("finding not taken by the engine",
			LOG_TEXT("reason", status_label(status)));
}

/* Likewise: what still holds is told again. */
static void submit_proposal(void *argument, const struct event *proposal)
{
	struct service *service = argument;
	enum status status = STATUS_OK;

	if (service->remediator != NULL)
		status = remediator_submit(service->remediator, proposal, 1, NULL, NULL);
	if (status != STATUS_OK)
		LOG_WARN("proposal not taken by the engine",
			LOG_TEXT("reason", status_label(status)));
}

/* Into the journal, for `audit export`. */
static void note_window(void *argument, const char *until, const char *json)
{
	struct service *service = argument;
	char key[64];

	snprintf(key, sizeof(key), "scaler/%s", until);
	if (service->remediator != NULL)
		remediator_note(service->remediator, key, json);
}

static void collect(void *argument)
{
	struct service *service = argument;
	struct store_stats stats;
	const char *component = NULL;
	bool remediator_ok =
		service->remediator == NULL || remediator_healthy(service->remediator, &component);

	if (service->store != NULL) {
		store_stats(service->store, &stats);
		metrics_set(METRIC_STORE_SERIES, (double)stats.series);
		metrics_set(METRIC_STORE_SAMPLES, (double)stats.samples);
		metrics_set(METRIC_STORE_BYTES, (double)stats.bytes);
	}
	backfill_collect(service->backfill);
	metrics_set(METRIC_OPERATOR_HEALTH, 1, "store");
	/* Whoever reads this was served. */
	metrics_set(METRIC_OPERATOR_HEALTH, 1, "http");
	/* A part that is not enabled has no health, so that no alert can wait for it. */
	if (service->analyzer != NULL)
		metrics_set(METRIC_OPERATOR_HEALTH, 1, "analyzer");
	if (service->remediator == NULL)
		return;
	metrics_set(METRIC_OPERATOR_HEALTH,
		remediator_ok || component == NULL || strcmp(component, "engine") != 0, "engine");
	metrics_set(METRIC_OPERATOR_HEALTH,
		remediator_ok || component == NULL || strcmp(component, "journal") != 0, "journal");
}

/* What changes with a reload. */
static void take_mode(struct service *service, const struct config *config)
{
	enum mode mode = MODE_OBSERVE;
	enum log_level level = LOG_LEVEL_INFO;
	enum log_format format = LOG_FORMAT_LOGFMT;

	/* The table of settings allows no other words. */
	CHECK(mode_parse(config_text(config, SETTING_MODE), &mode));
	CHECK(log_level_parse(config_text(config, SETTING_LOG_LEVEL), &level) == STATUS_OK);
	CHECK(log_format_parse(config_text(config, SETTING_LOG_FORMAT), &format) == STATUS_OK);
	atomic_store(&service->mode, (int)mode);
	log_configure(level, format);
	metrics_clear(METRIC_MODE_INFO);
	metrics_set(METRIC_MODE_INFO, 1, mode_name(mode),
		config_bool(service->config, SETTING_DRY_RUN) ? "true" : "false");
	metrics_set(METRIC_CONFIG_RELOAD_SUCCESS, 1);
	metrics_set(METRIC_CONFIG_RELOAD_TIME, (double)clock_now_ms(clock_system()) / 1000);
}

static void set_fixed_metrics(struct service *service)
{
	metrics_set(METRIC_BUILD_INFO, 1, NIMBUSGUARD_VERSION, NIMBUSGUARD_REVISION);
	metrics_set(METRIC_STORE_SERIES_LIMIT,
		(double)config_int(service->config, SETTING_STORAGE_SERIES_MAX));
	metrics_set(METRIC_STORE_BYTES_LIMIT,
		(double)config_int(service->config, SETTING_STORAGE_MEMORY_MAX));
	metrics_set(METRIC_HTTP_SLOTS, (double)config_int(service->config, SETTING_WEB_SLOTS));
}

static enum status open_empty_store(struct service *service, struct error *error)
{
	const struct config *config = service->config;
	struct store_limits limits = {
		.memory_max = (uint64_t)config_int(config, SETTING_STORAGE_MEMORY_MAX),
		.series_max = (uint32_t)config_int(config, SETTING_STORAGE_SERIES_MAX),
		.retention_ms = config_int(config, SETTING_STORAGE_RETENTION),
		.interval_ms = config_int(config, SETTING_STORAGE_INTERVAL),
		.ended_keep_ms = config_int(config, SETTING_STORAGE_ENDED_KEEP),
		.future_max_ms = config_int(config, SETTING_INGEST_FUTURE_MAX),
	};

	service->store = store_open(&limits, service->clock, error);
	if (service->store == NULL)
		return error->code;
	service->intake = intake_open(config, service->store, service->clock, error);
	return service->intake != NULL ? STATUS_OK : error->code;
}

static void close_store(struct service *service)
{
	intake_close(service->intake);
	if (service->store != NULL)
		store_close(service->store);
	service->intake = NULL;
	service->store = NULL;
}

static enum status open_store(struct service *service, struct error *error)
{
	enum status status = open_empty_store(service, error);
	bool spoiled;

	if (status != STATUS_OK || !snapshots_wanted(service->config))
		return status;
	snapshots_load(service->config, service->store, service->intake, &spoiled);
	if (!spoiled)
		return STATUS_OK;
	close_store(service);
	return open_empty_store(service, error);
}

static enum status open_backfill(struct service *service, struct error *error)
{
	struct backfill_config config;

	if (config_text(service->config, SETTING_BACKFILL_URL)[0] == '\0')
		return STATUS_OK;
	service_backfill_config(service->config, &service->bundle, service->clock, &config);
	service->backfill = backfill_open(&config, service->store, error);
	return service->backfill != NULL ? STATUS_OK : error->code;
}

/* The tier is a help, not a need: without it (no disk space, a file in use) the service runs on and
 * says so. */
static enum status open_rollup(struct service *service, struct error *error)
{
	const struct config *config = service->config;
	const struct rollup_limits limits = {.retention_ms = config_int(config,
						     SETTING_STORAGE_ROLLUP_RETENTION),
		.signals_max = (uint32_t)config_int(config, SETTING_STORAGE_ROLLUP_SIGNALS_MAX)};
	const char *folder = config_text(config, SETTING_STORAGE_PATH);
	char path[4352];

	if (limits.retention_ms == 0)
		return STATUS_OK;
	if (file_make_folder(folder, error) != STATUS_OK)
		return error->code;
	if ((size_t)snprintf(path, sizeof(path), "%s/rollup.1m", folder) >= sizeof(path))
		return error_set(error, STATUS_BAD_INPUT, "storage.path is too long");
	service->rollup = rollup_open(path, &limits, service->clock, error);
	metrics_set(METRIC_OPERATOR_HEALTH, service->rollup != NULL, "rollup");
	if (service->rollup == NULL)
		LOG_ERROR("the 1-minute tier is not kept", LOG_ERROR_FIELD(error));
	error_reset(error);
	return STATUS_OK;
}

/* Minutes are written in order, so they wait for the samples from before the start. */
static bool history_comes(void *argument)
{
	const struct service *service = argument;
	enum backfill_state state = backfill_state(service->backfill);

	return state == BACKFILL_WAITING || state == BACKFILL_RUNNING;
}

static enum status open_mlflow(struct service *service, struct error *error)
{
	struct mlflow_config config;

	if (!mlflow_configured(service->config, &config))
		return STATUS_OK;
	service->mlflow = mlflow_queue_open(&config, 0, error);
	return service->mlflow != NULL ? STATUS_OK : error->code;
}

static enum status open_scaler(struct service *service, struct error *error)
{
	struct scaler_config config;
	char learnt[4352];

	service_scaler_config(service->config, &config);
	config.proposed = submit_proposal;
	config.window_ended = note_window;
	config.proposed_argument = service;
	config.rollup = service->rollup;
	if ((size_t)snprintf(learnt, sizeof(learnt), "%s/models/learnt",
		    config_text(service->config, SETTING_STORAGE_PATH)) < sizeof(learnt))
		config.kept_folder = learnt;
	service->scaler = scaler_open(&config, error);
	if (service->scaler == NULL)
		return error->code;
	metrics_add_collector(scaler_collect, service->scaler);
	return STATUS_OK;
}

static enum status open_analyzer(struct service *service, struct error *error)
{
	struct analyzer_config config;
	char learnt[4352];

	service_analyzer_config(service->config, &service->bundle, service->clock, &config);
	if ((size_t)snprintf(learnt, sizeof(learnt), "%s/models/learnt",
		    config_text(service->config, SETTING_STORAGE_PATH)) < sizeof(learnt))
		config.learnt_folder = learnt;
	config.found = submit_finding;
	config.found_argument = service;
	if (open_rollup(service, error) != STATUS_OK)
		return error->code;
	config.rollup = service->rollup;
	config.histograms = intake_histograms(service->intake);
	config.history_comes = history_comes;
	config.history_argument = service;
	if (open_mlflow(service, error) != STATUS_OK || open_scaler(service, error) != STATUS_OK)
		return error->code;
	config.scanned = scaler_scan;
	config.scanned_argument = service->scaler;
	if (service->mlflow != NULL) {
		config.trained = mlflow_tell_training;
		config.trained_argument = service->mlflow;
	}
	service->analyzer = analyzer_open(&config, service->store, error);
	return service->analyzer != NULL ? STATUS_OK : error->code;
}

static enum status open_write_out(struct service *service, struct error *error)
{
	struct write_out_config config;
	enum status status;

	if (!write_out_wanted(service->config))
		return STATUS_OK;
	status = write_out_config_read(service->config, service->clock, &config, error);
	if (status == STATUS_OK) {
		service->write_out = write_out_open(&config, error);
		status = service->write_out != NULL ? write_out_start(service->write_out, error)
						    : error->code;
	}
	write_out_config_fini(&config);
	return status;
}

static void remember_finding(void *argument, const struct event *finding)
{
	finding_groups_remember(argument, finding);
}

static enum status open_remediator(struct service *service, struct error *error)
{
	struct remediator_config config;

	service_remediator_config(service->config, &service->bundle, service->clock,
		service->journal_path, sizeof(service->journal_path), &config);
	if (service->analyzer != NULL)
		config.signals = signals_of_analyzer(service->analyzer);
	if (file_make_folder(config_text(service->config, SETTING_STORAGE_PATH), error) !=
		STATUS_OK)
		return error->code;
	/* Before the analyzer tells anything: what is known already keeps its groups. */
	config.known_finding = remember_finding;
	config.known_argument = &service->groups;
	service->remediator = remediator_open(&config, error);
	return service->remediator != NULL ? STATUS_OK : error->code;
}

static enum status open_server(struct service *service, struct error *error)
{
	const struct config *config = service->config;
	struct server_config server = {
		.listen_address = config_text(config, SETTING_WEB_LISTEN_ADDRESS),
		.route_prefix = config_text(config, SETTING_WEB_ROUTE_PREFIX),
		.external_url = config_text(config, SETTING_WEB_EXTERNAL_URL),
		.thread_count = (unsigned)config_int(config, SETTING_WEB_THREADS),
		.connection_max = (unsigned)config_int(config, SETTING_WEB_CONNECTIONS_MAX),
		.slot_count = (unsigned)config_int(config, SETTING_WEB_SLOTS),
		.idle_timeout_s = (unsigned)(config_int(config, SETTING_WEB_IDLE_TIMEOUT) / 1000),
		.header_max = 32768,
		.access = service->access,
	};
	size_t route_count;

	service->routes = routes_build(service, &route_count, error);
	if (service->routes == NULL)
		return error->code;
	service->server = server_start(&server, service->routes, route_count, error);
	return service->server != NULL ? STATUS_OK : error->code;
}

#define RATE_NS INT64_C(5000000000)

/* Smoothed rate of stored samples, by the clock of the service. */
static void measure_rate(struct service *service, double *last_count, int64_t *last_ns)
{
	int64_t now_ns = clock_mono_ns(service->clock);
	double count = metrics_get(METRIC_RW_SAMPLES, append_result_name(APPEND_STORED));
	double before = atomic_load(&service->samples_per_second);
	double rate;

	if (now_ns - *last_ns < RATE_NS)
		return;
	rate = (count - *last_count) * 1e9 / (double)(now_ns - *last_ns);
	atomic_store(&service->samples_per_second, isnan(before) ? rate : (before + rate) / 2);
	*last_count = count;
	*last_ns = now_ns;
}

/* Housekeeping at its own pace: removes ended series, measures the stream. */
static void *sweep(void *argument)
{
	struct service *service = argument;
	int64_t next_ms = clock_now_ms(service->clock) + 30000;
	int64_t rate_ns = clock_mono_ns(service->clock);
	double rate_count = metrics_get(METRIC_RW_SAMPLES, append_result_name(APPEND_STORED));

	thread_name("sweeper");
	while (!atomic_load(&service->stopping)) {
		clock_sleep_ms(200);
		measure_rate(service, &rate_count, &rate_ns);
		if (clock_now_ms(service->clock) < next_ms)
			continue;
		next_ms = clock_now_ms(service->clock) + 30000;
		size_t removed = store_sweep(service->store);

		intake_sweep(service->intake);

		if (removed > 0)
			LOG_DEBUG("series removed", LOG_UINT("count", removed));
	}
	return NULL;
}

static enum status start(struct service *service, struct diagnostics *diagnostics,
	struct error *error)
{
	enum status status =
		review_rules(service->config, &service->bundle, service->clock, diagnostics);

	service->access = review_access(service->config, diagnostics);
	if (status != STATUS_OK || service->access == NULL)
		return error_set(error, STATUS_BAD_INPUT, "the configuration has errors");
	status = open_store(service, error);
	if (status == STATUS_OK)
		status = open_backfill(service, error);
	if (status == STATUS_OK && service_feature(service, "analyze"))
		status = open_analyzer(service, error);
	/* With an election the leader's thread tells it from then on. */
	metrics_set(METRIC_LEADER, !config_bool(service->config, SETTING_LEADER_ENABLED));
	if (status == STATUS_OK && service_feature(service, "remediate"))
		status = open_remediator(service, error);
	if (status == STATUS_OK && recorder_wanted(service->config)) {
		service->recorder = recorder_open(service->config, error);
		if (service->recorder == NULL)
			status = error->code;
		recorder_add(service->recorder,
			&(struct recording_frame){RECORDING_START, service->started_ms,
				NIMBUSGUARD_VERSION, sizeof(NIMBUSGUARD_VERSION) - 1});
	}
	if (status == STATUS_OK)
		status = open_server(service, error);
	/* The stream comes first: nothing of it is waited for with the door shut. */
	if (status == STATUS_OK && service->backfill != NULL)
		status = backfill_start(service->backfill, error);
	if (status == STATUS_OK && service->scaler != NULL)
		status = scaler_start(service->scaler, error);
	if (status == STATUS_OK && service->analyzer != NULL)
		status = analyzer_start(service->analyzer, error);
	if (status == STATUS_OK)
		status = open_write_out(service, error);
	if (status == STATUS_OK) {
		service->sweeper_runs =
			pthread_create(&service->sweeper, NULL, sweep, service) == 0;
		if (!service->sweeper_runs)
			status = error_set(error, STATUS_NO_MEMORY, "no thread for housekeeping");
	}
	/* Last: a service that did not start writes nothing over the file of one that runs. */
	if (status == STATUS_OK && snapshots_wanted(service->config)) {
		service->snapshots = snapshots_open(service->config, service->store,
			service->intake, service->clock, error);
		if (service->snapshots == NULL)
			status = error->code;
	}
	return status;
}

struct service *service_open(const struct service_layers *layers, const struct clock *clock,
	struct diagnostics *diagnostics, struct error *error)
{
	struct service *service = mem_zalloc(1, sizeof(*service));

	error_reset(error);
	if (service == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	service->layers = layers;
	service->clock = clock;
	service->started_ms = clock_now_ms(clock);
	atomic_init(&service->stopping, false);
	atomic_init(&service->samples_per_second, NAN);
	pthread_mutex_init(&service->reload_lock, NULL);
	bundle_find(&service->bundle);
	service->config = config_load(layers->config_path, layers->environment, layers->flags,
		layers->flag_count, diagnostics);
	if (service->config == NULL) {
		error_set(error, STATUS_BAD_INPUT, "the configuration has errors");
	} else {
		take_mode(service, service->config);
		metrics_process_install();
		set_fixed_metrics(service);
		metrics_add_collector(collect, service);
		if (start(service, diagnostics, error) == STATUS_OK)
			return service;
	}
	service_close(service);
	return NULL;
}

/* What runs takes over what changed. Both were reviewed before, so that the second is not refused
 * once the first was taken; what they say was said then. */
static enum status reload_parts(struct service *service, const struct config *config)
{
	struct diagnostics said_before;
	struct analyzer_config analyzer;
	struct remediator_config remediator;
	struct scaler_config scaler;
	enum status status = STATUS_OK;
	char path[4352];

	service_analyzer_config(config, &service->bundle, service->clock, &analyzer);
	analyzer.found = submit_finding;
	analyzer.found_argument = service;
	service_remediator_config(config, &service->bundle, service->clock, path, sizeof(path),
		&remediator);
	diagnostics_init(&said_before);
	service_scaler_config(config, &scaler);
	if (service->scaler != NULL)
		scaler_reload(service->scaler, &scaler);
	if (service->analyzer != NULL)
		status = analyzer_reload(service->analyzer, &analyzer, &said_before);
	if (status == STATUS_OK && service->remediator != NULL)
		status = remediator_reload(service->remediator, &remediator, &said_before);
	diagnostics_fini(&said_before);
	return status;
}

/* All of the new configuration is checked before any of it is taken. */
static enum status reload_locked(struct service *service, struct diagnostics *diagnostics)
{
	struct buf fixed;
	struct config *config =
		config_load(service->layers->config_path, service->layers->environment,
			service->layers->flags, service->layers->flag_count, diagnostics);

	if (config == NULL)
		return STATUS_BAD_INPUT;
	if (review_rules(config, &service->bundle, service->clock, diagnostics) != STATUS_OK) {
		config_close(config);
		return STATUS_BAD_INPUT;
	}
	if (reload_parts(service, config) != STATUS_OK) {
		diagnostics_add(diagnostics, false, "", 0, 0,
			"a file changed while it was read, or memory is out");
		config_close(config);
		return STATUS_BAD_INPUT;
	}
	buf_init(&fixed, 16384);
	config_fixed_changes(service->config, config, &fixed);
	if (fixed.size > 0)
		LOG_WARN("settings that need a restart were left as they are",
			LOG_TEXT("settings", fixed.data));
	buf_fini(&fixed);
	config_close(service->reloaded);
	service->reloaded = config;
	take_mode(service, config);
	return STATUS_OK;
}

/* A line each, with its place, in the form of the log. */
static void log_diagnostics(const struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < diagnostics->count; i++) {
		const struct diagnostic *diagnostic = &diagnostics->list[i];

		LOG_AT(diagnostic->warning ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
			diagnostic->warning ? "warning in the configuration"
					    : "error in the configuration",
			LOG_TEXT("file", diagnostic->file), LOG_INT("line", diagnostic->line),
			LOG_INT("column", diagnostic->column), LOG_TEXT("err", diagnostic->text));
	}
}

enum status service_reload(struct service *service, struct diagnostics *diagnostics)
{
	enum status status;

	pthread_mutex_lock(&service->reload_lock);
	status = reload_locked(service, diagnostics);
	pthread_mutex_unlock(&service->reload_lock);
	if (status == STATUS_OK) {
		LOG_INFO("configuration reloaded");
	} else {
		LOG_ERROR("reload refused, the old configuration stays in force",
			LOG_UINT("errors", diagnostics->errors));
		metrics_set(METRIC_CONFIG_RELOAD_SUCCESS, 0);
	}
	log_diagnostics(diagnostics);
	return status;
}

void service_close(struct service *service)
{
	if (service == NULL)
		return;
	atomic_store(&service->stopping, true);
	if (service->server != NULL) {
		server_quiesce(service->server);
		server_stop(service->server, DRAIN_MS);
		service->server = NULL;
	}
	/* It runs the collectors of all others. */
	write_out_close(service->write_out);
	metrics_remove_collector(collect, service);
	if (service->sweeper_runs)
		pthread_join(service->sweeper, NULL);
	/* The analyzer's thread may still submit findings and ask how the history comes; it ends first.
	 * The remediator's engine may still read signals; so the analyzer is closed after it: stop,
	 * close, close. */
	if (service->analyzer != NULL)
		analyzer_stop(service->analyzer);
	backfill_close(service->backfill);
	if (service->remediator != NULL)
		remediator_close(service->remediator);
	if (service->analyzer != NULL)
		analyzer_close(service->analyzer);
	if (service->scaler != NULL)
		metrics_remove_collector(scaler_collect, service->scaler);
	scaler_close(service->scaler);
	mlflow_queue_close(service->mlflow);
	rollup_close(service->rollup);
	recorder_close(service->recorder);
	if (service->access != NULL)
		access_close(service->access);
	/* Nobody appends any more, and the journal is closed should this one be cut short. */
	snapshots_close(service->snapshots);
	close_store(service);
	mem_free(service->routes);
	config_close(service->reloaded);
	config_close(service->config);
	pthread_mutex_destroy(&service->reload_lock);
	mem_free(service);
}

unsigned service_port(const struct service *service)
{
	return server_port(service->server);
}

const struct config *service_config(const struct service *service)
{
	return service->config;
}

struct remediator *service_remediator(struct service *service)
{
	return service->remediator;
}

struct analyzer *service_analyzer(struct service *service)
{
	return service->analyzer;
}

struct scaler *service_scaler(struct service *service)
{
	return service->scaler;
}

struct store *service_store(struct service *service)
{
	return service->store;
}

struct rollup *service_rollup(struct service *service)
{
	return service->rollup;
}

const struct clock *service_clock(const struct service *service)
{
	return service->clock;
}

void service_watch_findings(struct service *service, service_finding_fn *watch, void *argument)
{
	service->finding_argument = argument;
	atomic_store(&service->finding_watch, watch);
}

double service_samples_per_second(struct service *service)
{
	return atomic_load(&service->samples_per_second);
}

int64_t service_started_ms(const struct service *service)
{
	return service->started_ms;
}

struct ingest *service_ingest(struct service *service, unsigned thread)
{
	return intake_receiver(service->intake, thread);
}

struct intake *service_intake(struct service *service)
{
	return service->intake;
}

const char *service_signal_files(const struct service *service)
{
	const char *files = config_text(service->config, SETTING_ANALYZE_SIGNALS);

	if (service->analyzer == NULL)
		return "";
	return files[0] != '\0' ? files : service->bundle.signals;
}

const char *service_playbook_files(const struct service *service)
{
	const char *files = config_text(service->config, SETTING_REMEDIATE_PLAYBOOKS);

	if (service->remediator == NULL)
		return "";
	return files[0] != '\0' ? files : service->bundle.playbooks;
}

struct recorder *service_recorder(struct service *service)
{
	return service->recorder;
}

struct backfill *service_backfill(struct service *service)
{
	return service->backfill;
}

struct access *service_access(struct service *service)
{
	return service->access;
}

enum mode service_mode(struct service *service)
{
	return (enum mode)atomic_load(&service->mode);
}

bool service_ready(struct service *service, const char **reason)
{
	*reason = NULL;
	if (atomic_load(&service->stopping))
		*reason = "stopping";
	else if (service->remediator != NULL && !remediator_healthy(service->remediator, reason))
		return false;
	return *reason == NULL;
}
