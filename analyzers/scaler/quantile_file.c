/*
 * A policy in a model file: one walk over its numbers writes and reads them, so that both agree. The
 * traffic is not in it: after a restart it comes from the store (quantile_policy_recall).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/models/model_file.h"
#include "analyzers/scaler/quantile_parts.h"
#include "base/mem.h"

#define KIND "quantile_policy"
/* For what is not known: all that is kept is at least 0. */
#define UNKNOWN (-1)

struct walk {
	float *numbers; /* NULL: they are counted */
	size_t count;
	bool reading;
};

static void walk_floats(struct walk *walk, float *values, size_t count)
{
	if (walk->numbers != NULL && walk->reading)
		memcpy(values, walk->numbers + walk->count, count * sizeof(float));
	else if (walk->numbers != NULL)
		memcpy(walk->numbers + walk->count, values, count * sizeof(float));
	walk->count += count;
}

static void walk_doubles(struct walk *walk, double *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		float value = (float)values[i];

		walk_floats(walk, &value, 1);
		if (walk->numbers != NULL && walk->reading)
			values[i] = (double)value;
	}
}

static void walk_known(struct walk *walk, double *value)
{
	double kept = isnan(*value) ? UNKNOWN : *value;

	walk_doubles(walk, &kept, 1);
	if (walk->numbers != NULL && walk->reading)
		*value = kept < 0 ? (double)NAN : kept;
}

/* Whole numbers of up to 2^24. */
static void walk_whole(struct walk *walk, int64_t *value)
{
	double kept = (double)*value;

	walk_doubles(walk, &kept, 1);
	if (walk->numbers != NULL && walk->reading)
		*value = (int64_t)kept;
}

static void walk_model(struct walk *walk, struct foresight_model *model)
{
	int64_t fitted = model->fitted;

	walk_whole(walk, &fitted);
	model->fitted = fitted != 0;
	for (size_t h = 0; h < FORESIGHT_HORIZONS; h++) {
		struct quantile_net *net = &model->nets[h];
		struct foresight_ridge *ridge = &model->ridges[h];

		walk_floats(walk, net->block, 2 * net->inputs + net->parameter_count);
		walk_doubles(walk, ridge->mean, TRAFFIC_FEATURES);
		walk_doubles(walk, ridge->inverse, TRAFFIC_FEATURES);
		walk_doubles(walk, ridge->weights, TRAFFIC_FEATURES + 1);
	}
	walk_doubles(walk, model->unrest, FORESIGHT_CONTEXTS - 1);
}

static void walk_state(struct walk *walk, struct foresight_state *state)
{
	struct traffic_memory *memory = &state->memory;

	walk_known(walk, &memory->slow);
	walk_doubles(walk, &memory->since, 1);
	walk_doubles(walk, memory->burst_mean, 60);
	walk_doubles(walk, memory->burst_max, 60);
	walk_floats(walk, &state->residuals[0][0][0],
		sizeof(state->residuals) / sizeof(state->residuals[0][0][0]));
	walk_doubles(walk, &state->weight, 1);
	walk_doubles(walk, &state->shift[0][0][0],
		sizeof(state->shift) / sizeof(state->shift[0][0][0]));
}

static void walk_days(struct walk *walk, struct quantile_policy *policy)
{
	int64_t count = (int64_t)policy->day_count;

	walk_whole(walk, &count);
	for (size_t d = 0; d < NIGHTLY_DAYS; d++) {
		struct nightly_day *day = &policy->days[d];

		walk_whole(walk, &day->day);
		walk_floats(walk, &day->minutes, 1);
		walk_floats(walk, &day->requests, 1);
		walk_floats(walk, &day->slots, 1);
		for (size_t p = 0; p < NIGHTLY_POLICIES; p++) {
			walk_floats(walk, &day->outcomes[p].violated, 1);
			walk_floats(walk, &day->outcomes[p].bad, 1);
			walk_floats(walk, &day->outcomes[p].pod_slots, 1);
			walk_floats(walk, &day->outcomes[p].events, 1);
		}
	}
	if (walk->numbers != NULL && walk->reading)
		policy->day_count = count >= 0 && count <= NIGHTLY_DAYS ? (size_t)count : 0;
}

static void walk_policy(struct walk *walk, struct quantile_policy *policy)
{
	int64_t promoted = policy->standing.promoted;

	walk_model(walk, &policy->model);
	walk_state(walk, &policy->state);
	walk_known(walk, &policy->control.capacity);
	walk_whole(walk, &policy->control.capacity_readings);
	walk_whole(walk, &promoted);
	policy->standing.promoted = promoted != 0;
	walk_days(walk, policy);
	walk_floats(walk, &policy->chooser.values[0][0], CHOOSER_STATES * CHOOSER_ACTIONS);
	walk_floats(walk, &policy->chooser.visits[0][0], CHOOSER_STATES * CHOOSER_ACTIONS);
	walk_floats(walk, policy->deep.weights, DEEP_WEIGHTS);
	walk_doubles(walk, &policy->deep.minutes, 1);
}

static size_t number_count(struct quantile_policy *policy)
{
	struct walk walk = {0};

	walk_policy(&walk, policy);
	return walk.count;
}

/* NULL: out of memory. */
static float *numbers_of(const struct quantile_policy *policy, size_t *count)
{
	/* The walk goes over what may be written to: a copy. */
	struct quantile_policy *copy = quantile_policy_clone(policy);
	struct walk walk = {0};

	if (copy == NULL)
		return NULL;
	walk.numbers = mem_zalloc(number_count(copy), sizeof(float));
	/* More readings than that tell no more. */
	if (copy->control.capacity_readings > 1000000)
		copy->control.capacity_readings = 1000000;
	if (walk.numbers != NULL)
		walk_policy(&walk, copy);
	quantile_policy_close(copy);
	*count = walk.count;
	return walk.numbers;
}

/* numbers: [number_count(policy)] */
static void take_numbers(struct quantile_policy *policy, float *numbers)
{
	struct walk walk = {.numbers = numbers, .reading = true};
	bool promoted;

	walk_policy(&walk, policy);
	for (size_t i = 0; i < FORESIGHT_SAID; i++)
		policy->state.said[i].slot = INT64_MIN;
	policy->foresight.known = false;
	policy->day_slot = policy->due_slot = -1;
	deep_chooser_restored(&policy->deep, policy->config.seed);
	promoted = policy->standing.promoted;
	quantile_policy_judge(policy);
	policy->standing.promoted = policy->standing.promoted && promoted;
}

enum status quantile_policy_save(const struct quantile_policy *policy, const char *path,
	int64_t now_ms, struct error *error)
{
	struct model_info info = {.kind = KIND,
		.made_by = "nimbusguard " NIMBUSGUARD_VERSION,
		.shapes = {QUANTILE_POLICY_VERSION, TRAFFIC_FEATURES, NIGHTLY_POLICIES},
		.trained_ms = now_ms,
		.seed = policy->config.seed,
		.score_names = {"violated %", "bad %", "pods", "hpa: violated %", "hpa: bad %",
			"hpa: pods", "objective %"},
		.scores = {policy->standing.policy.violated, policy->standing.policy.bad,
			policy->standing.policy.pod_slots, policy->standing.hpa.violated,
			policy->standing.hpa.bad, policy->standing.hpa.pod_slots,
			policy->config.objective}};
	size_t count;
	float *numbers = numbers_of(policy, &count);
	enum status status;

	if (numbers == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a policy's file");
	status = model_file_write(path, &info, numbers, count, error);
	mem_free(numbers);
	return status;
}

enum status quantile_policy_load(struct quantile_policy *policy, const char *path,
	struct error *error)
{
	struct model_info info;
	float *numbers;
	size_t count;
	enum status status = model_file_read(path, &info, &numbers, &count, error);

	if (status != STATUS_OK)
		return status;
	if (strcmp(info.kind, KIND) != 0)
		status = error_set(error, STATUS_BAD_INPUT, "%s: a model of kind %s, not %s", path,
			info.kind, KIND);
	else if (info.shapes[0] != QUANTILE_POLICY_VERSION)
		status = error_set(error, STATUS_UNSUPPORTED,
			"%s: a policy of version %u, and this version knows %d", path,
			(unsigned)info.shapes[0], QUANTILE_POLICY_VERSION);
	else if (info.shapes[1] != TRAFFIC_FEATURES || info.shapes[2] != NIGHTLY_POLICIES ||
		count != number_count(policy))
		status = error_set(error, STATUS_BAD_INPUT,
			"%s: %zu numbers for %u features and %u policies: not what this version makes",
			path, count, (unsigned)info.shapes[1], (unsigned)info.shapes[2]);
	if (status == STATUS_OK)
		take_numbers(policy, numbers);
	mem_free(numbers);
	return status;
}

/* ---- in a file of what was learnt ---- */

struct kept_head {
	uint32_t version, features, policies, numbers;
};

enum status quantile_policy_keep(const struct quantile_policy *policy, struct buf *body,
	struct error *error)
{
	struct kept_head head = {QUANTILE_POLICY_VERSION, TRAFFIC_FEATURES, NIGHTLY_POLICIES, 0};
	size_t count = 0;
	float *numbers = numbers_of(policy, &count);

	head.numbers = (uint32_t)count;
	buf_add(body, &head, sizeof(head));
	if (numbers != NULL)
		buf_add(body, numbers, count * sizeof(*numbers));
	if (numbers == NULL || !buf_ok(body))
		error_set(error, STATUS_NO_MEMORY, "no memory for what a policy learned");
	else
		error->code = STATUS_OK;
	mem_free(numbers);
	return error->code;
}

enum status quantile_policy_restore(struct quantile_policy *policy, const void *body, size_t size,
	struct error *error)
{
	struct kept_head head = {0};
	size_t count = number_count(policy);
	float *numbers;

	if (size >= sizeof(head))
		memcpy(&head, body, sizeof(head));
	if (head.version != QUANTILE_POLICY_VERSION)
		return error_set(error, STATUS_UNSUPPORTED,
			"a policy of version %u, and this version knows %d", (unsigned)head.version,
			QUANTILE_POLICY_VERSION);
	if (head.features != TRAFFIC_FEATURES || head.policies != NIGHTLY_POLICIES ||
		head.numbers != count || size - sizeof(head) != count * sizeof(*numbers))
		return error_set(error, STATUS_BAD_INPUT,
			"%u numbers for %u features and %u policies: not what this version makes",
			(unsigned)head.numbers, (unsigned)head.features, (unsigned)head.policies);
	numbers = mem_zalloc(count, sizeof(*numbers));
	if (numbers == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for what a policy learned");
	memcpy(numbers, (const unsigned char *)body + sizeof(head), count * sizeof(*numbers));
	take_numbers(policy, numbers);
	mem_free(numbers);
	return STATUS_OK;
}
