#include "daemon/intake.h"

#include "base/mem.h"
#include "remote_write/ingest_rules.h"

struct intake {
	struct records *histograms, *exemplars;
	struct starts *starts;
	struct ingest_rules *rules;
	struct ingest **receivers;
	size_t count;
};

static struct ingest_selector_list list_of(const struct config *config, enum setting_id id)
{
	struct ingest_selector_list list;

	list.texts = config_list(config, id, &list.count);
	return list;
}

static enum status open_records(struct intake *intake, const struct config *config,
	struct store *store, struct error *error)
{
	const struct records_limits histograms = {
		.keep_max = (uint32_t)config_int(config, SETTING_INGEST_HISTOGRAMS_KEEP),
		.bytes_max = (uint64_t)config_int(config, SETTING_INGEST_HISTOGRAMS_MEMORY_MAX),
	};
	const struct records_limits exemplars = {
		.keep_max = (uint32_t)config_int(config, SETTING_INGEST_EXEMPLARS_KEEP),
		.bytes_max = (uint64_t)config_int(config, SETTING_INGEST_EXEMPLARS_MEMORY_MAX),
		.same_time = true,
	};

	intake->histograms = records_open(store, "histogram", &histograms, error);
	if (intake->histograms == NULL)
		return error->code;
	intake->exemplars = records_open(store, "exemplar", &exemplars, error);
	if (intake->exemplars == NULL)
		return error->code;
	intake->starts = starts_open(store, error);
	return intake->starts != NULL ? STATUS_OK : error->code;
}

static enum status open_rules(struct intake *intake, const struct config *config,
	const struct clock *clock, struct error *error)
{
	const struct ingest_rules_config rules = {
		.keep = list_of(config, SETTING_INGEST_KEEP),
		.drop = list_of(config, SETTING_INGEST_DROP),
		.dropped_max = (uint32_t)config_int(config, SETTING_INGEST_DROPPED_MAX),
		.ha = config_bool(config, SETTING_INGEST_HA_ENABLED),
		.cluster_label = config_text(config, SETTING_INGEST_HA_CLUSTER_LABEL),
		.replica_label = config_text(config, SETTING_INGEST_HA_REPLICA_LABEL),
		.failover_ms = config_int(config, SETTING_INGEST_HA_FAILOVER),
		.cluster_max = (uint32_t)config_int(config, SETTING_INGEST_HA_CLUSTERS_MAX),
		.clock = clock,
		.histograms = list_of(config, SETTING_INGEST_HISTOGRAMS),
		.exemplars = list_of(config, SETTING_INGEST_EXEMPLARS),
		.histogram_records = intake->histograms,
		.exemplar_records = intake->exemplars,
		.starts = intake->starts,
	};

	intake->rules = ingest_rules_open(&rules, error);
	return intake->rules != NULL ? STATUS_OK : error->code;
}

static enum status open_receivers(struct intake *intake, const struct config *config,
	struct store *store, struct error *error)
{
	const struct ingest_limits limits = {
		.body_max = (uint64_t)config_int(config, SETTING_INGEST_BODY_MAX),
		.decoded_max = (uint64_t)config_int(config, SETTING_INGEST_DECODED_MAX),
		.labels_max = (uint32_t)config_int(config, SETTING_INGEST_LABELS_MAX),
		.label_name_max = (uint32_t)config_int(config, SETTING_INGEST_LABEL_NAME_MAX),
		.label_value_max = (uint32_t)config_int(config, SETTING_INGEST_LABEL_VALUE_MAX),
		.series_max = (uint32_t)config_int(config, SETTING_INGEST_REQUEST_SERIES_MAX),
		.symbols_max = (uint32_t)config_int(config, SETTING_INGEST_REQUEST_SYMBOLS_MAX),
	};
	size_t threads = (size_t)config_int(config, SETTING_WEB_THREADS);

	intake->receivers = mem_zalloc(threads, sizeof(*intake->receivers));
	if (intake->receivers == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (; intake->count < threads; intake->count++) {
		struct ingest *ingest = ingest_open(store, &limits, error);

		if (ingest == NULL)
			return error->code;
		intake->receivers[intake->count] = ingest;
		if (ingest_use_rules(ingest, intake->rules, error) != STATUS_OK) {
			intake->count++;
			return error->code;
		}
	}
	return STATUS_OK;
}

struct intake *intake_open(const struct config *config, struct store *store,
	const struct clock *clock, struct error *error)
{
	struct intake *intake = mem_zalloc(1, sizeof(*intake));

	if (intake == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	if (open_records(intake, config, store, error) == STATUS_OK &&
		open_rules(intake, config, clock, error) == STATUS_OK &&
		open_receivers(intake, config, store, error) == STATUS_OK)
		return intake;
	intake_close(intake);
	return NULL;
}

void intake_close(struct intake *intake)
{
	if (intake == NULL)
		return;
	for (size_t i = 0; i < intake->count; i++)
		ingest_close(intake->receivers[i]);
	mem_free(intake->receivers);
	ingest_rules_close(intake->rules);
	records_close(intake->histograms);
	records_close(intake->exemplars);
	starts_close(intake->starts);
	mem_free(intake);
}

struct ingest *intake_receiver(struct intake *intake, unsigned thread)
{
	return thread < intake->count ? intake->receivers[thread] : NULL;
}

void intake_sweep(struct intake *intake)
{
	records_sweep(intake->histograms);
	records_sweep(intake->exemplars);
}

struct records *intake_histograms(struct intake *intake)
{
	return intake->histograms;
}

struct records *intake_exemplars(struct intake *intake)
{
	return intake->exemplars;
}

struct starts *intake_starts(struct intake *intake)
{
	return intake->starts;
}
