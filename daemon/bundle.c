/*
 * From settings to the configurations of the analyzer and the remediator, and where the rules are
 * that come with the program.
 *
 * A program in .../bin finds its rules in ../share/nimbusguard/rules; one in a checkout's
 * build/<mode> finds them in ../../rules.
 */
#include "daemon/bundle.h"

#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/forecast/forecaster.h"
#include "base/check.h"

#ifndef NIMBUSGUARD_SHARE
#define NIMBUSGUARD_SHARE "/usr/local/share/nimbusguard"
#endif

/* Fills in the paths and says whether something is there. */
static bool rules_in(const char *folder, struct bundle *bundle)
{
	snprintf(bundle->signals, sizeof(bundle->signals), "%.4000s/rules/signals.yaml", folder);
	snprintf(bundle->playbooks, sizeof(bundle->playbooks), "%.4000s/rules/playbooks", folder);
	snprintf(bundle->general, sizeof(bundle->general), "%.4000s/rules/models/general.model",
		folder);
	return access(bundle->signals, R_OK) == 0 && access(bundle->playbooks, R_OK) == 0;
}

void bundle_find(struct bundle *bundle)
{
	static const char *const beside[] = {"../share/nimbusguard", "../.."};
	char program[2048], folder[2304];
	ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);

	*bundle = (struct bundle){.signals = ""};
	if (size > 0) {
		program[size] = '\0';
		const char *home = dirname(program);

		for (size_t i = 0; i < ARRAY_COUNT(beside) && !bundle->found; i++) {
			snprintf(folder, sizeof(folder), "%s/%s", home, beside[i]);
			bundle->found = rules_in(folder, bundle);
			snprintf(bundle->looked_in + strlen(bundle->looked_in),
				sizeof(bundle->looked_in) - strlen(bundle->looked_in), "%s/rules, ",
				folder);
		}
	}
	if (!bundle->found)
		bundle->found = rules_in(NIMBUSGUARD_SHARE, bundle);
	snprintf(bundle->looked_in + strlen(bundle->looked_in),
		sizeof(bundle->looked_in) - strlen(bundle->looked_in), "%s/rules",
		NIMBUSGUARD_SHARE);
	bundle->signal_paths[0] = bundle->signals;
	bundle->playbook_paths[0] = bundle->playbooks;
}

/* The file that is configured, or what was learnt here and then what came with the program. */
static void general_config(const struct config *config, struct bundle *bundle,
	struct analyzer_config *analyzer)
{
	const char *path = config_text(config, SETTING_ANALYZE_GENERAL_MODEL);
	const char *weights = config_text(config, SETTING_ANALYZE_GENERAL_WEIGHTS);

	if (strcmp(path, "none") == 0)
		return;
	snprintf(bundle->general_own, sizeof(bundle->general_own), "%.4000s/models/general.model",
		config_text(config, SETTING_STORAGE_PATH));
	analyzer->general_models[0] = path[0] != '\0' ? path : bundle->general_own;
	analyzer->general_models[1] = path[0] != '\0' ? NULL : bundle->general;
	if (strcmp(weights, "auto") != 0)
		analyzer->general_weights = strcmp(weights, "bf16") == 0 ? LSTM_BF16 : LSTM_FP32;
	/* A file that somebody chose is not replaced. */
	analyzer->general_learnt = path[0] != '\0' ? NULL : bundle->general_own;
	analyzer->general_again_ms = config_int(config, SETTING_ANALYZE_GENERAL_AGAIN);
}

void service_analyzer_config(const struct config *config, struct bundle *bundle,
	const struct clock *clock, struct analyzer_config *analyzer)
{
	analyzer_config_default(analyzer);
	analyzer->signal_paths =
		config_list(config, SETTING_ANALYZE_SIGNALS, &analyzer->signal_path_count);
	if (analyzer->signal_path_count == 0) {
		analyzer->signal_paths = bundle->signal_paths;
		analyzer->signal_path_count = 1;
	}
	analyzer->workload_max = (unsigned)config_int(config, SETTING_ANALYZE_WORKLOADS_MAX);
	analyzer->scan_interval_ms = config_int(config, SETTING_ANALYZE_SCAN_INTERVAL);
	analyzer->threshold = config_double(config, SETTING_ANALYZE_THRESHOLD);
	analyzer->threshold_close = config_double(config, SETTING_ANALYZE_THRESHOLD_CLOSE);
	analyzer->duration_min_ms = config_int(config, SETTING_ANALYZE_DURATION_MIN);
	analyzer->history_ms = config_int(config, SETTING_ANALYZE_HISTORY);
	analyzer->history_min_ms = config_int(config, SETTING_ANALYZE_HISTORY_MIN);
	analyzer->detector = config_text(config, SETTING_ANALYZE_DETECTOR);
	analyzer->forecaster = config_text(config, SETTING_ANALYZE_FORECASTER);
	general_config(config, bundle, analyzer);
	analyzer->detector_probability =
		pow(10, -config_double(config, SETTING_ANALYZE_DETECTOR_SURPRISE));
	analyzer->containers_max = (size_t)config_int(config, SETTING_RIGHTSIZE_CONTAINERS_MAX);
	analyzer->prices.core_hour = config_double(config, SETTING_RIGHTSIZE_PRICE_CORE_HOUR);
	analyzer->prices.gib_hour = config_double(config, SETTING_RIGHTSIZE_PRICE_GIB_HOUR);
	analyzer->learn_ms = config_int(config, SETTING_ANALYZE_LEARN);
	analyzer->learn_min_ms = config_int(config, SETTING_ANALYZE_LEARN_MIN);
	analyzer->learn_again_ms = config_int(config, SETTING_ANALYZE_LEARN_AGAIN);
	analyzer->models_bytes_max =
		(uint64_t)config_int(config, SETTING_ANALYZE_MODELS_MEMORY_MAX);
	analyzer->clock = clock;
}

static void guard_config(const struct config *config, struct guard_limits *guard)
{
	const char *const *words;
	size_t word_count;

	guard_limits_default(guard);
	guard->cooldown_ms = config_int(config, SETTING_GUARD_COOLDOWN);
	guard->startup_grace_ms = config_int(config, SETTING_GUARD_STARTUP_GRACE);
	guard->window_ms = config_int(config, SETTING_GUARD_WINDOW);
	guard->per_target = (unsigned)config_int(config, SETTING_GUARD_PER_TARGET);
	guard->per_namespace = (unsigned)config_int(config, SETTING_GUARD_PER_NAMESPACE);
	guard->per_kind = (unsigned)config_int(config, SETTING_GUARD_PER_KIND);
	guard->per_cluster = (unsigned)config_int(config, SETTING_GUARD_PER_CLUSTER);
	guard->pods_percent = (unsigned)config_int(config, SETTING_GUARD_PODS_PERCENT);
	guard->workloads_percent = (unsigned)config_int(config, SETTING_GUARD_WORKLOADS_PERCENT);
	guard->nodes_percent = (unsigned)config_int(config, SETTING_GUARD_NODES_PERCENT);
	guard->concurrent = (unsigned)config_int(config, SETTING_GUARD_CONCURRENT);
	guard->ineffective_max = (unsigned)config_int(config, SETTING_GUARD_INEFFECTIVE_MAX);
	guard->storm_alerts = (unsigned)config_int(config, SETTING_GUARD_STORM_ALERTS);
	guard->storm_window_ms = config_int(config, SETTING_GUARD_STORM_WINDOW);
	guard->cumulative_change_max = config_double(config, SETTING_GUARD_CHANGE_MAX);
	guard->replicas_max = (int32_t)config_int(config, SETTING_GUARD_REPLICAS_MAX);
	guard->confidence_min = config_double(config, SETTING_GUARD_CONFIDENCE_MIN);
	guard->hands_off_ms = config_int(config, SETTING_GUARD_HANDS_OFF);
	guard->demote_after = (unsigned)config_int(config, SETTING_GUARD_DEMOTE_AFTER);
	guard->promote_outcomes = (unsigned)config_int(config, SETTING_GUARD_PROMOTE_OUTCOMES);
	guard->promote_precision = config_double(config, SETTING_GUARD_PROMOTE_PRECISION);
	guard->worse_by = config_double(config, SETTING_GUARD_WORSE_BY);
	words = config_list(config, SETTING_GUARD_TWO_PERSONS, &word_count);
	/* Checked when it was set. */
	(void)!two_persons_parse(words, word_count, &guard->two_persons, NULL);
}

static const char *text_or_null(const struct config *config, enum setting_id id)
{
	const char *text = config_text(config, id);

	return text[0] != '\0' ? text : NULL;
}

static void leader_config(const struct config *config, struct leader_options *leader)
{
	*leader = (struct leader_options){.enabled = config_bool(config, SETTING_LEADER_ENABLED),
		.namespace_name = text_or_null(config, SETTING_LEADER_NAMESPACE),
		.name = config_text(config, SETTING_LEADER_NAME),
		.identity = text_or_null(config, SETTING_LEADER_IDENTITY),
		.url = text_or_null(config, SETTING_LEADER_URL),
		.peer_token_file = text_or_null(config, SETTING_LEADER_PEER_TOKEN),
		.peer_ca_file = text_or_null(config, SETTING_LEADER_PEER_CA),
		.duration_ms = config_int(config, SETTING_LEADER_DURATION),
		.renew_ms = config_int(config, SETTING_LEADER_RENEW),
		.retry_ms = config_int(config, SETTING_LEADER_RETRY)};
}

void service_remediator_config(const struct config *config, struct bundle *bundle,
	const struct clock *clock, char *journal_path, size_t journal_path_size,
	struct remediator_config *remediator)
{
	*remediator = (struct remediator_config){0};
	snprintf(journal_path, journal_path_size, "%s/journal.sqlite",
		config_text(config, SETTING_STORAGE_PATH));
	remediator->journal_path = journal_path;
	remediator->journal_keep_ms = config_int(config, SETTING_JOURNAL_KEEP);
	remediator->journal_verify_ms = config_int(config, SETTING_JOURNAL_VERIFY_INTERVAL);
	remediator->playbook_paths =
		config_list(config, SETTING_REMEDIATE_PLAYBOOKS, &remediator->playbook_path_count);
	if (remediator->playbook_path_count == 0) {
		remediator->playbook_paths = bundle->playbook_paths;
		remediator->playbook_path_count = 1;
	}
	(void)mode_parse(config_text(config, SETTING_MODE), &remediator->mode);
	remediator->modes = config_modes(config, &remediator->mode_count);
	remediator->dry_run = config_bool(config, SETTING_DRY_RUN);
	remediator->paused = config_bool(config, SETTING_PAUSED);
	guard_config(config, &remediator->guard);
	remediator->freeze = config_list(config, SETTING_GUARD_FREEZE, &remediator->freeze_count);
	remediator->approval_wait_ms = config_int(config, SETTING_GUARD_APPROVAL_WAIT);
	remediator->approval_valid_ms = config_int(config, SETTING_GUARD_APPROVAL_VALID);
	remediator->event_queue_max = (unsigned)config_int(config, SETTING_EVENT_QUEUE_MAX);
	remediator->incident_max = (unsigned)config_int(config, SETTING_INCIDENTS_MAX);
	remediator->kube_url = text_or_null(config, SETTING_KUBE_URL);
	remediator->kube_token_file = text_or_null(config, SETTING_KUBE_TOKEN_FILE);
	remediator->kube_ca_file = text_or_null(config, SETTING_KUBE_CA_FILE);
	remediator->kube_config = text_or_null(config, SETTING_KUBE_CONFIG);
	remediator->kube_events = config_bool(config, SETTING_KUBE_EVENTS);
	remediator->kube_namespaces =
		config_list(config, SETTING_KUBE_NAMESPACES, &remediator->kube_namespace_count);
	/* A watch is for all namespaces. */
	remediator->kube_watch =
		config_bool(config, SETTING_KUBE_WATCH) && remediator->kube_namespace_count == 0;
	remediator->kube_watch_objects = (unsigned)config_int(config, SETTING_KUBE_WATCH_OBJECTS);
	remediator->kube_context = text_or_null(config, SETTING_KUBE_CONTEXT);
	leader_config(config, &remediator->leader);
	remediator->tickets = config_tickets(config, &remediator->ticket_count);
	remediator->alertmanager_url = text_or_null(config, SETTING_ALERTMANAGER_URL);
	remediator->alertmanager_token_file = text_or_null(config, SETTING_ALERTMANAGER_TOKEN_FILE);
	remediator->alertmanager_user = text_or_null(config, SETTING_ALERTMANAGER_USER);
	remediator->alertmanager_ca_file = text_or_null(config, SETTING_ALERTMANAGER_CA_FILE);
	remediator->external_url = text_or_null(config, SETTING_WEB_EXTERNAL_URL);
	remediator->opt_in_selector = text_or_null(config, SETTING_OPT_IN);
	remediator->clock = clock;
}

static struct backfill_list list_of(const struct config *config, enum setting_id id)
{
	struct backfill_list list;

	list.texts = config_list(config, id, &list.count);
	return list;
}

/* A day is more than any detector looks at; who wants more says so. */
#define BACKFILL_RANGE_MAX_MS INT64_C(86400000)

static int64_t backfill_range(const struct config *config)
{
	int64_t range_ms = config_int(config, SETTING_BACKFILL_RANGE);
	int64_t retention_ms = config_int(config, SETTING_STORAGE_RETENTION);

	if (range_ms == 0)
		range_ms = BACKFILL_RANGE_MAX_MS;
	return range_ms < retention_ms ? range_ms : retention_ms;
}

void service_backfill_config(const struct config *config, struct bundle *bundle,
	const struct clock *clock, struct backfill_config *backfill)
{
	struct analyzer_config analyzer;
	bool ha = config_bool(config, SETTING_INGEST_HA_ENABLED);

	service_analyzer_config(config, bundle, clock, &analyzer);
	*backfill = (struct backfill_config){
		.target =
			{
				.url = config_text(config, SETTING_BACKFILL_URL),
				.bearer_token_file =
					text_or_null(config, SETTING_BACKFILL_TOKEN_FILE),
				.username = text_or_null(config, SETTING_BACKFILL_USERNAME),
				.password_file =
					text_or_null(config, SETTING_BACKFILL_PASSWORD_FILE),
				.ca_file = text_or_null(config, SETTING_BACKFILL_CA_FILE),
				.timeout_ms = config_int(config, SETTING_BACKFILL_TIMEOUT),
				.answer_max =
					(size_t)config_int(config, SETTING_BACKFILL_ANSWER_MAX),
			},
		.range_ms = backfill_range(config),
		.give_up_ms = config_int(config, SETTING_BACKFILL_GIVE_UP),
		.concurrency = (unsigned)config_int(config, SETTING_BACKFILL_CONCURRENCY),
		.signal_files = {analyzer.signal_paths, analyzer.signal_path_count},
		.match = list_of(config, SETTING_BACKFILL_MATCH),
		.external_given =
			config_source(config, SETTING_BACKFILL_EXTERNAL_LABELS) != SOURCE_DEFAULT,
		.external = list_of(config, SETTING_BACKFILL_EXTERNAL_LABELS),
		.keep = list_of(config, SETTING_INGEST_KEEP),
		.drop = list_of(config, SETTING_INGEST_DROP),
		.cluster_label = ha ? config_text(config, SETTING_INGEST_HA_CLUSTER_LABEL) : NULL,
		.replica_label = ha ? config_text(config, SETTING_INGEST_HA_REPLICA_LABEL) : NULL,
		.labels_max = (uint32_t)config_int(config, SETTING_INGEST_LABELS_MAX),
		.label_name_max = (uint32_t)config_int(config, SETTING_INGEST_LABEL_NAME_MAX),
		.label_value_max = (uint32_t)config_int(config, SETTING_INGEST_LABEL_VALUE_MAX),
		.clock = clock,
	};
}

/* The analyzer as the remediator's signal source. */
static void read_signal(void *self, const struct workload_key *workload, enum signal_role role,
	enum signal_fold fold, int64_t from_ms, int64_t to_ms, struct signal_reading *reading)
{
	if (fold == SIGNAL_PEAK) {
		*reading = (struct signal_reading){.samples = 0};
		reading->quality = analyzer_peak(self, workload, role, to_ms, &reading->value,
			&reading->newest_ms);
		return;
	}
	analyzer_read(self, workload, role, (int)fold, from_ms, to_ms, &reading->quality,
		&reading->value, &reading->newest_ms, &reading->samples);
}

static bool owner_of_pod(void *self, const char *cluster, const char *namespace_name,
	const char *pod, struct workload_key *workload)
{
	return analyzer_owner_of_pod(self, cluster, namespace_name, pod, workload);
}

static bool knows_workload(void *self, const struct workload_key *workload)
{
	return analyzer_knows(self, workload);
}

static unsigned count_workloads(void *self, const char *cluster, const char *namespace_name)
{
	return analyzer_count_workloads(self, cluster, namespace_name);
}

static bool foresee(void *self, const struct workload_key *workload, enum signal_role role,
	int64_t known_ms, int64_t at_ms, double *value, double *low, double *high)
{
	struct prediction prediction;

	if (!analyzer_foresee(self, workload, role, known_ms, at_ms, &prediction))
		return false;
	*value = prediction.middle;
	*low = prediction.low;
	*high = prediction.high;
	return true;
}

struct signal_source signals_of_analyzer(struct analyzer *analyzer)
{
	return (struct signal_source){.self = analyzer,
		.read = read_signal,
		.owner_of_pod = owner_of_pod,
		.knows = knows_workload,
		.foresee = foresee,
		.count_workloads = count_workloads};
}
