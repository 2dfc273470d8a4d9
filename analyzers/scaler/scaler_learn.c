/*
 * Which workload learns next, and what it learned put in place. One job a slot at most: at 240 an hour a
 * day has room for more nights than there are workloads. Due are, in this order, days that ended (the
 * workload that waited longest first, so that whoever was not reached comes first next time and keeps its
 * setting until then), policies to be made (the workload with the most pods first), and weekly lessons.
 */
#include <math.h>

#include "analyzers/scaler/scaler_kept.h"
#include "analyzers/scaler/scaler_parts.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

/* A workload whose history was too short is looked at again after so long. */
#define AGAIN_SLOTS (6 * 240)
#define WEEK_SLOTS (7 * POLICY_SLOTS_PER_DAY)

/* ---- the policy as a follower's arm ---- */

/* 0: the policy was not better than the HPA in its replay, or cannot say anything. */
static int decide(void *state, const struct policy_view *view)
{
	struct scaler_pupil *pupil = state;

	quantile_policy_step(pupil->policy, view, &pupil->wish);
	return pupil->wish.serves && !pupil->wish.observes ? pupil->wish.wanted : 0;
}

static double pods_or_none(int pods)
{
	return pods > 0 ? (double)pods : NAN;
}

static void explain(const void *state, struct follow_parts *parts, enum follow_reason *reason)
{
	static const enum follow_reason reasons[QUANTILE_REASONS] = {[QUANTILE_NO_CAPACITY] =
									     FOLLOW_NO_CAPACITY,
		[QUANTILE_NO_FORECAST] = FOLLOW_NO_CAPACITY,
		[QUANTILE_MISSING] = FOLLOW_MISSING,
		[QUANTILE_FORECAST] = FOLLOW_FORECAST,
		[QUANTILE_GUARD] = FOLLOW_GUARD,
		[QUANTILE_STABILIZED] = FOLLOW_STABILIZED,
		[QUANTILE_BOUND] = FOLLOW_BOUND};
	const struct quantile_wish *wish = &((const struct scaler_pupil *)state)->wish;

	*reason = reasons[wish->reason];
	parts->forecast = fmax(wish->parts.up, wish->parts.down);
	parts->ahead = pods_or_none(wish->parts.need);
	parts->stabilized = pods_or_none(wish->parts.stabilized);
}

static void adopt(struct scaler_entry *entry, struct quantile_policy *policy)
{
	struct scaler_pupil *pupil = &entry->pupil;
	const struct follow_arm arm = {.name = "quantile",
		.policy = {.state = pupil, .decide = decide},
		.explain = explain};

	quantile_policy_close(pupil->policy);
	pupil->policy = policy;
	follower_set_arm(&entry->follower, &arm);
}

void scaler_pupil_fini(struct scaler_pupil *pupil)
{
	quantile_policy_close(pupil->policy);
	*pupil = (struct scaler_pupil){.tried = -1, .taught = -1};
}

/* ---- what was learned ---- */

static void tell(const struct tutor_job *job, const struct scaler_pupil *pupil)
{
	struct quantile_standing standing;
	char name[WORKLOAD_TEXT_MAX];

	workload_key_write(&job->workload, name, sizeof(name));
	if (job->error.code != STATUS_OK) {
		LOG_DEBUG("the scaler learned nothing", LOG_TEXT("workload", name),
			LOG_TEXT("job", tutor_kind_name(job->kind)), LOG_ERROR_FIELD(&job->error));
		return;
	}
	quantile_policy_standing(pupil->policy, &standing);
	LOG_INFO("the scaler learned", LOG_TEXT("workload", name),
		LOG_TEXT("job", tutor_kind_name(job->kind)), LOG_UINT("days", standing.days),
		LOG_BOOL("beats_hpa", standing.promoted),
		LOG_DOUBLE("pods", standing.policy.pod_slots),
		LOG_DOUBLE("hpa_pods", standing.hpa.pod_slots));
}

static void put_in_place(struct scaler_entry *entry, struct tutor_job *job, int64_t slot)
{
	struct scaler_pupil *pupil = &entry->pupil;

	pupil->with_tutor = false;
	pupil->tried = slot;
	if (job->kind == TUTOR_LEARN && job->policy != NULL) {
		adopt(entry, job->policy);
		if (!job->restored || pupil->taught < 0)
			pupil->taught = slot;
	}
	if (job->kind == TUTOR_NIGHT)
		quantile_night_end(job->night, pupil->policy);
	if (job->kind == TUTOR_LESSON && job->lesson != NULL)
		quantile_policy_take(pupil->policy, job->lesson);
	if (job->kind == TUTOR_LESSON)
		pupil->taught = slot;
	tell(job, pupil);
}

void scaler_take_learned(struct scaler *scaler)
{
	struct scaler_entry *entry;
	struct tutor_job job;

	if (scaler->tutor == NULL || !tutor_take(scaler->tutor, &job))
		return;
	/* Who is with the tutor is not forgotten. */
	entry = scaler_find(scaler, &job.workload);
	put_in_place(entry, &job, scaler->slot);
	if (scaler->folder != NULL && job.error.code == STATUS_OK && !job.restored &&
		entry->pupil.policy != NULL)
		scaler_keep_policy(scaler->folder, &job.workload, entry->follower.load_role,
			scaler->slot, entry->pupil.policy);
}

/* ---- what is due ---- */

static bool is_due(const struct scaler *scaler, const struct scaler_entry *entry,
	enum tutor_kind kind)
{
	const struct scaler_pupil *pupil = &entry->pupil;
	int64_t slot = scaler->slot;

	switch (kind) {
	case TUTOR_LEARN:
		return pupil->policy == NULL && entry->follower.view.state != FOLLOW_OBSERVING &&
			(pupil->tried < 0 || slot - pupil->tried >= AGAIN_SLOTS);
	case TUTOR_NIGHT:
		return pupil->policy != NULL && quantile_policy_night_due(pupil->policy);
	default:
		return pupil->policy != NULL && slot - pupil->taught >= WEEK_SLOTS;
	}
}

/* Whether one is to be served before another. */
static bool comes_first(const struct scaler_entry *one, const struct scaler_entry *other,
	enum tutor_kind kind)
{
	if (other == NULL)
		return true;
	if (kind == TUTOR_LEARN)
		return one->follower.view.wanted > other->follower.view.wanted;
	return kind == TUTOR_NIGHT ? one->pupil.tried < other->pupil.tried
				   : one->pupil.taught < other->pupil.taught;
}

static void configure(const struct scaler *scaler, const struct follower *follower,
	struct quantile_policy_config *config)
{
	const struct follow_config *follow = &scaler->config.follow;

	quantile_policy_config_default(config);
	config->objective = scaler->config.objective;
	config->hpa = follow->hpa;
	config->plant.replicas_min = follow->replicas_min;
	config->plant.replicas_max = follow->replicas_max;
	config->plant.service_rate = follower->capacity.rate;
	config->plant.latency_limit_s = FLEET_LATE / follower->capacity.rate;
	config->plant.start_slots_min = (follow->start_slots + 1) / 2;
	config->plant.start_slots_max = follow->start_slots + follow->start_slots / 2;
	if (config->plant.start_slots_max > SIMULATE_START_MAX)
		config->plant.start_slots_max = SIMULATE_START_MAX;
}

static bool give(struct scaler *scaler, struct scaler_entry *entry, enum tutor_kind kind)
{
	struct tutor_job job = {.kind = kind,
		.workload = entry->follower.key,
		.load_role = entry->follower.load_role,
		.end = scaler->slot,
		.folder = scaler->folder};

	if (kind == TUTOR_LEARN)
		configure(scaler, &entry->follower, &job.config);
	if (kind == TUTOR_NIGHT) {
		job.night = quantile_night_begin(entry->pupil.policy, &job.error);
		if (job.night == NULL)
			return false;
	}
	entry->pupil.with_tutor = true;
	tutor_give(scaler->tutor, &job);
	return true;
}

void scaler_give_next(struct scaler *scaler)
{
	static const enum tutor_kind order[] = {TUTOR_NIGHT, TUTOR_LEARN, TUTOR_LESSON};
	size_t policies = 0;

	if (scaler->tutor == NULL || !tutor_idle(scaler->tutor))
		return;
	for (size_t i = 0; i < scaler->count; i++)
		policies += scaler->entries[i]->pupil.policy != NULL;
	for (size_t k = 0; k < ARRAY_COUNT(order); k++) {
		struct scaler_entry *first = NULL;

		if (order[k] == TUTOR_LEARN && policies >= scaler->config.policies_max)
			continue;
		for (size_t i = 0; i < scaler->count; i++) {
			struct scaler_entry *entry = scaler->entries[i];

			if (is_due(scaler, entry, order[k]) && comes_first(entry, first, order[k]))
				first = entry;
		}
		if (first != NULL && give(scaler, first, order[k]))
			return;
	}
}
