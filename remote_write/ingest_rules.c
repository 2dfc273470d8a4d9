#include "remote_write/ingest_rules.h"

#include <string.h>

#include "base/mem.h"
#include "remote_write/ingest_state.h"

static enum status open_replicas(struct ingest_rules *rules,
	const struct ingest_rules_config *config, struct error *error)
{
	rules->cluster_label = mem_strdup(config->cluster_label);
	rules->replica_label = mem_strdup(config->replica_label);
	if (rules->cluster_label == NULL || rules->replica_label == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the labels of replicas");
	if (config->cluster_label[0] == '\0' || config->replica_label[0] == '\0' ||
		strcmp(config->cluster_label, config->replica_label) == 0)
		return error_set(error, STATUS_BAD_INPUT,
			"ingest.ha.cluster_label and ingest.ha.replica_label must be two labels");
	rules->names.cluster = (struct election_name){rules->cluster_label,
		(uint32_t)strlen(rules->cluster_label)};
	rules->names.replica = (struct election_name){rules->replica_label,
		(uint32_t)strlen(rules->replica_label)};
	rules->election = election_open(config->cluster_max, config->failover_ms, error);
	return rules->election != NULL ? STATUS_OK : error->code;
}

static enum status open_rules(struct ingest_rules *rules, const struct ingest_rules_config *config,
	struct error *error)
{
	enum status status = selectors_init(&rules->keep, "ingest.keep", config->keep.texts,
		config->keep.count, error);

	if (status == STATUS_OK)
		status = selectors_init(&rules->drop, "ingest.drop", config->drop.texts,
			config->drop.count, error);
	if (status == STATUS_OK && rules->keep.count + rules->drop.count > 0) {
		rules->dropped = dropped_open(config->dropped_max);
		if (rules->dropped == NULL)
			status = error_set(error, STATUS_NO_MEMORY,
				"no memory to remember %u dropped series", config->dropped_max);
	}
	if (status == STATUS_OK && config->ha)
		status = open_replicas(rules, config, error);
	if (status == STATUS_OK)
		status = selectors_init(&rules->histogram_selectors, "ingest.histograms",
			config->histograms.texts, config->histograms.count, error);
	if (status == STATUS_OK)
		status = selectors_init(&rules->exemplar_selectors, "ingest.exemplars",
			config->exemplars.texts, config->exemplars.count, error);
	if (rules->histogram_selectors.count > 0)
		rules->histograms =
			(struct keeper){&rules->histogram_selectors, config->histogram_records};
	if (rules->exemplar_selectors.count > 0)
		rules->exemplars =
			(struct keeper){&rules->exemplar_selectors, config->exemplar_records};
	return status;
}

struct ingest_rules *ingest_rules_open(const struct ingest_rules_config *config,
	struct error *error)
{
	struct ingest_rules *rules = mem_zalloc(1, sizeof(*rules));
	struct error why;

	error_reset(&why);
	if (rules == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for the rules of ingest");
		return NULL;
	}
	rules->clock = config->clock;
	rules->starts = config->starts;
	if (open_rules(rules, config, &why) != STATUS_OK) {
		error_set(error, why.code, "%s", why.text);
		ingest_rules_close(rules);
		return NULL;
	}
	return rules;
}

void ingest_rules_close(struct ingest_rules *rules)
{
	if (rules == NULL)
		return;
	selectors_fini(&rules->keep);
	selectors_fini(&rules->drop);
	selectors_fini(&rules->histogram_selectors);
	selectors_fini(&rules->exemplar_selectors);
	dropped_close(rules->dropped);
	election_close(rules->election);
	mem_free(rules->cluster_label);
	mem_free(rules->replica_label);
	mem_free(rules);
}

enum status ingest_use_rules(struct ingest *ingest, struct ingest_rules *rules, struct error *error)
{
	ingest->rules = rules;
	ingest->dropped = rules != NULL ? rules->dropped : NULL;
	ingest->election = rules != NULL ? rules->election : NULL;
	ingest->starts = rules != NULL ? rules->starts : NULL;
	if (rules == NULL)
		return STATUS_OK;
	if (ingest->election != NULL) {
		ingest->cluster_key = store_key_of(ingest->store, rules->names.cluster.text,
			rules->names.cluster.size);
		ingest->replica_key = store_key_of(ingest->store, rules->names.replica.text,
			rules->names.replica.size);
	}
	selector_scratch_fini(&ingest->scratch);
	if (selector_scratch_init(&ingest->scratch, ingest->limits.labels_max) != STATUS_OK)
		return error_set(error, STATUS_NO_MEMORY, "no memory for labels");
	if (rules->histograms.records != NULL || rules->exemplars.records != NULL)
		return ingest_open_records(ingest, error);
	return STATUS_OK;
}

/* Whether samples of this replica are taken now; *take is set. STATUS_LIMIT: there is no room for it.
 * A request mostly holds samples of one replica: the last answer is kept for it. */
enum status ingest_ask_election(struct ingest *ingest, struct election_name cluster,
	struct election_name replica, bool *take, struct error *error)
{
	struct replica_memo *memo = &ingest->memo;

	if (!memo->known || memo->cluster.size != cluster.size ||
		memo->replica.size != replica.size ||
		memcmp(memo->cluster.text, cluster.text, cluster.size) != 0 ||
		memcmp(memo->replica.text, replica.text, replica.size) != 0) {
		enum status status = election_find(ingest->election, cluster, replica,
			ingest->now_ms, &memo->number, error);
		memo->known = status == STATUS_OK;
		if (!memo->known)
			return status;
		memo->cluster = cluster;
		memo->replica = replica;
	}
	*take = election_take(ingest->election, memo->number, ingest->now_ms);
	return STATUS_OK;
}

static enum status ask_rules(struct ingest *ingest, bool *wanted)
{
	struct ingest_rules *rules = ingest->rules;
	bool keep = true, drop = false;
	struct labels labels;
	enum status status = selector_scratch_labels(&ingest->scratch, ingest->labels.pairs,
		ingest->labels.count, &labels);

	if (status == STATUS_OK && rules->keep.count > 0)
		status = selectors_match(&rules->keep, &labels, &keep);
	if (status == STATUS_OK && keep)
		status = selectors_match(&rules->drop, &labels, &drop);
	*wanted = keep && !drop;
	return status;
}

enum status ingest_wanted(struct ingest *ingest, bool *wanted)
{
	*wanted = true;
	if (ingest->dropped == NULL || ask_rules(ingest, wanted) == STATUS_OK)
		return STATUS_OK;
	return error_set(&ingest->first, STATUS_NO_MEMORY,
		"no memory to match the labels of a series");
}
