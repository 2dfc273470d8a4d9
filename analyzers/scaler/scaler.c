/*
 * Followers in a table by workload, and a slot: readings of the scan, wishes of all, the budget, then the
 * accounts and proposals of each. The scan's thread owns the followers; readers see pages.
 */
#include "analyzers/scaler/scaler.h"

#include <math.h>
#include <string.h>

#include "analyzers/scaler/budget.h"
#include "analyzers/scaler/scaler_kept.h"
#include "analyzers/scaler/scaler_parts.h"
#include "analyzers/snapshot.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

void scaler_config_default(struct scaler_config *config)
{
	*config = (struct scaler_config){.workload_max = 5000,
		.reading_age_max_ms = 60000,
		.policies_max = 200,
		.objective = .5};
	follow_config_default(&config->follow);
}

struct scaler *scaler_open(const struct scaler_config *config, struct error *error)
{
	struct scaler *scaler = mem_zalloc(1, sizeof(*scaler));
	size_t max = config->workload_max;

	if (scaler == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&scaler->lock, NULL);
	scaler->config = *config;
	scaler->slot = -1;
	for (scaler->slot_count = 16; scaler->slot_count < 2 * max; scaler->slot_count *= 2)
		continue;
	scaler->entries = mem_zalloc(max, sizeof(struct scaler_entry *));
	scaler->slots = mem_zalloc(scaler->slot_count, sizeof(*scaler->slots));
	scaler->scopes = mem_zalloc(max, sizeof(*scaler->scopes));
	scaler->claims = mem_zalloc(max, sizeof(*scaler->claims));
	scaler->scope_limits = mem_zalloc(max, sizeof(*scaler->scope_limits));
	if (config->kept_folder != NULL)
		scaler->folder = mem_strdup(config->kept_folder);
	scaler->config.kept_folder = NULL;
	if (config->rollup != NULL)
		scaler->tutor = tutor_open(config->rollup, error);
	if (config->rollup != NULL && scaler->tutor == NULL) {
		scaler_close(scaler);
		return NULL;
	}
	if ((config->kept_folder != NULL && scaler->folder == NULL) || scaler->entries == NULL ||
		scaler->slots == NULL || scaler->scopes == NULL || scaler->claims == NULL ||
		scaler->scope_limits == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		scaler_close(scaler);
		return NULL;
	}
	scaler_restore(scaler);
	return scaler;
}

enum status scaler_start(struct scaler *scaler, struct error *error)
{
	return scaler->tutor != NULL ? tutor_start(scaler->tutor, error) : STATUS_OK;
}

bool scaler_learn(struct scaler *scaler)
{
	return scaler->tutor != NULL && tutor_run(scaler->tutor);
}

static void entry_close(struct scaler_entry *entry)
{
	follower_fini(&entry->follower);
	scaler_pupil_fini(&entry->pupil);
	mem_free(entry);
}

void scaler_close(struct scaler *scaler)
{
	if (scaler == NULL)
		return;
	if (scaler->tutor != NULL) {
		tutor_stop(scaler->tutor);
		scaler_take_learned(scaler);
		tutor_close(scaler->tutor);
	}
	if (scaler->slot >= 0)
		scaler_keep(scaler);
	for (size_t i = 0; i < scaler->count; i++)
		entry_close(scaler->entries[i]);
	mem_free(scaler->folder);
	scaler_page_release(scaler->page);
	mem_free(scaler->entries);
	mem_free(scaler->slots);
	mem_free(scaler->scopes);
	mem_free(scaler->claims);
	mem_free(scaler->scope_limits);
	pthread_mutex_destroy(&scaler->lock);
	mem_free(scaler);
}

void scaler_reload(struct scaler *scaler, const struct scaler_config *config)
{
	pthread_mutex_lock(&scaler->lock);
	scaler->next = *config;
	scaler->reloaded = true;
	pthread_mutex_unlock(&scaler->lock);
}

static void take_config(struct scaler *scaler)
{
	pthread_mutex_lock(&scaler->lock);
	if (scaler->reloaded) {
		scaler->next.workload_max = scaler->config.workload_max;
		scaler->next.rollup = scaler->config.rollup;
		scaler->next.proposed = scaler->config.proposed;
		scaler->next.window_ended = scaler->config.window_ended;
		scaler->next.proposed_argument = scaler->config.proposed_argument;
		scaler->config = scaler->next;
	}
	scaler->reloaded = false;
	pthread_mutex_unlock(&scaler->lock);
}

/* ---- the table ---- */

static uint32_t *place_of(const struct scaler *scaler, const struct workload_key *key)
{
	size_t at = (size_t)workload_key_hash(key);

	for (;; at++) {
		uint32_t *place = &scaler->slots[at & (scaler->slot_count - 1)];

		if (*place == 0 ||
			workload_key_equal(&scaler->entries[*place - 1]->follower.key, key))
			return place;
	}
}

struct scaler_entry *scaler_find(const struct scaler *scaler, const struct workload_key *key)
{
	uint32_t place = *place_of(scaler, key);

	return place != 0 ? scaler->entries[place - 1] : NULL;
}

static unsigned scope_of(struct scaler *scaler, const char *namespace_name)
{
	for (size_t i = 0; i < scaler->scope_count; i++)
		if (strcmp(scaler->scopes[i], namespace_name) == 0)
			return (unsigned)i;
	memcpy(scaler->scopes[scaler->scope_count], namespace_name, strlen(namespace_name) + 1);
	return (unsigned)scaler->scope_count++;
}

struct scaler_entry *scaler_entry_of(struct scaler *scaler, const struct workload_key *key,
	enum signal_role load_role)
{
	uint32_t *place = place_of(scaler, key);
	struct scaler_entry *entry;

	if (*place != 0)
		return scaler->entries[*place - 1];
	if (scaler->count == scaler->config.workload_max)
		return NULL;
	entry = mem_zalloc(1, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	follower_init(&entry->follower, key, load_role);
	scaler_pupil_fini(&entry->pupil);
	entry->scope = scope_of(scaler, key->namespace_name);
	scaler->entries[scaler->count++] = entry;
	*place = (uint32_t)scaler->count;
	return entry;
}

/* Those that were not seen for long are forgotten; namespaces are numbered anew. */
static void sweep(struct scaler *scaler)
{
	size_t kept = 0;

	for (size_t i = 0; i < scaler->count; i++) {
		struct scaler_entry *entry = scaler->entries[i];

		if (scaler->slot - entry->seen > SCALER_FORGET_SLOTS && !entry->pupil.with_tutor)
			entry_close(entry);
		else
			scaler->entries[kept++] = entry;
	}
	if (kept == scaler->count)
		return;
	scaler->count = kept;
	scaler->scope_count = 0;
	memset(scaler->slots, 0, scaler->slot_count * sizeof(*scaler->slots));
	for (size_t i = 0; i < kept; i++) {
		struct follower *follower = &scaler->entries[i]->follower;
		uint32_t *place = place_of(scaler, &follower->key);

		scaler->entries[i]->scope = scope_of(scaler, follower->key.namespace_name);
		*place = (uint32_t)(i + 1);
	}
}

/* ---- readings ---- */

static double reading_of(const struct watched_signal *signal, int64_t now_ms, int64_t age_max_ms)
{
	const struct judgement *last = &signal->last;

	if (signal->series == STORE_NO_SERIES || signal->duplicate ||
		last->quality == QUALITY_MISSING || last->quality == QUALITY_STALE ||
		last->quality == QUALITY_SKEW || last->quality == QUALITY_DUPLICATE ||
		last->quality == QUALITY_NOT_A_NUMBER || !isfinite(last->newest) ||
		last->newest < 0 || last->newest_ms < now_ms - age_max_ms)
		return NAN;
	return last->newest;
}

static double ahead(const struct watched_signal *signal, int64_t minutes)
{
	struct prediction prediction;

	return outlook_at(&signal->outlook, minutes, &prediction) ? prediction.high : NAN;
}

static bool is_followed(const struct watched_workload *workload, enum signal_role *load_role)
{
	const struct watched_signal *signals = workload->signals;

	*load_role =
		signals[ROLE_REQUEST_RATE].series != STORE_NO_SERIES ? ROLE_REQUEST_RATE : ROLE_CPU;
	return signals[*load_role].series != STORE_NO_SERIES &&
		signals[ROLE_CPU_UTILIZATION].series != STORE_NO_SERIES &&
		(signals[ROLE_REPLICAS].series != STORE_NO_SERIES ||
			signals[ROLE_REPLICAS_WANTED].series != STORE_NO_SERIES);
}

/* The soonest and the latest that a forecaster tells of; what is between start-up and the first is nearer
 * to the first. */
#define AHEAD_UP_MINUTES 5
#define AHEAD_DOWN_MINUTES 15

static void read_workload(const struct watched_workload *workload, enum signal_role load_role,
	int64_t now_ms, int64_t age_max_ms, struct follow_reading *reading)
{
	const struct watched_signal *signals = workload->signals;

	*reading =
		(struct follow_reading){.rate = reading_of(&signals[load_role], now_ms, age_max_ms),
			.cpu = reading_of(&signals[ROLE_CPU_UTILIZATION], now_ms, age_max_ms),
			.ready = reading_of(&signals[ROLE_REPLICAS], now_ms, age_max_ms),
			.wanted = reading_of(&signals[ROLE_REPLICAS_WANTED], now_ms, age_max_ms),
			.error_ratio = reading_of(&signals[ROLE_ERROR_RATE], now_ms, age_max_ms),
			.ahead_up = ahead(&signals[load_role], AHEAD_UP_MINUTES),
			.ahead_down = ahead(&signals[load_role], AHEAD_DOWN_MINUTES)};
	/* The series divides by the requests of all pods, of which those not ready use next to nothing. */
	if (reading->ready >= 1 && reading->wanted > reading->ready)
		reading->cpu *= reading->wanted / reading->ready;
}

/* ---- a slot ---- */

static double load_of(const struct follow_view *view)
{
	double rate = fmax(view->reading.rate, view->parts.forecast);

	return rate > 0 && view->parts.pod_rate > 0 ? rate / view->parts.pod_rate : 0;
}

static void claim(const struct scaler_entry *entry, struct budget_claim *claim)
{
	const struct follow_view *view = &entry->follower.view;
	double has = view->reading.wanted >= 1 ? view->reading.wanted : view->wanted;
	int least = has >= 1 ? (int)has : 1;

	*claim = (struct budget_claim){.load = load_of(view),
		.least = least < view->wish ? least : view->wish,
		.wanted = view->wish,
		.scope = entry->scope};
	claim->granted = claim->wanted;
}

static double total_limit(const struct scaler_config *config)
{
	double most = config->pods_max > 0 ? config->pods_max : INFINITY;

	if (config->cost_max > 0 && config->pod_hour_price > 0)
		most = fmin(most, floor(config->cost_max / config->pod_hour_price));
	return isfinite(most) ? most : -1;
}

/* What each of those that wish something is granted, in the order of the entries. */
static void divide(struct scaler *scaler)
{
	const struct scaler_config *config = &scaler->config;
	double total = total_limit(config);
	struct error error;
	size_t count = 0;

	scaler->cut = 0;
	for (size_t i = 0; i < scaler->count; i++)
		if (scaler->entries[i]->follower.view.wish > 0)
			claim(scaler->entries[i], &scaler->claims[count++]);
	if (total < 0 && !(config->namespace_pods_max > 0))
		return;
	for (size_t i = 0; i < scaler->scope_count; i++)
		scaler->scope_limits[i] =
			config->namespace_pods_max > 0 ? config->namespace_pods_max : -1;
	if (budget_divide(scaler->claims, count, scaler->scope_limits, scaler->scope_count, total,
		    &scaler->cut, &error) != STATUS_OK)
		LOG_WARN("the budget of replicas was not divided, nothing grows",
			LOG_ERROR_FIELD(&error));
}

static void settle(struct scaler *scaler, int64_t now_ms)
{
	const struct scaler_config *config = &scaler->config;
	size_t at = 0;

	for (size_t i = 0; i < scaler->count; i++) {
		struct scaler_entry *entry = scaler->entries[i];
		struct follower *follower = &entry->follower;
		enum follow_state before = follower->view.state;

		if (follower->view.wish > 0)
			follower_settle(follower, &config->follow, scaler->claims[at++].granted);
		follower->proven = entry->pupil.policy != NULL && entry->pupil.wish.serves;
		follower_judge(follower, &config->follow, config->serve);
		if (follower->view.state != before && before != FOLLOW_OBSERVING) {
			char name[WORKLOAD_TEXT_MAX];

			/* While its night is replayed it waits for the next drift. */
			if (follower->view.drifted && entry->pupil.policy != NULL &&
				!entry->pupil.with_tutor)
				quantile_policy_demote(entry->pupil.policy);
			workload_key_write(&follower->key, name, sizeof(name));
			LOG_INFO("scaler", LOG_TEXT("workload", name),
				LOG_TEXT("state", follow_state_name(follower->view.state)),
				LOG_TEXT("because", follower->view.words));
		}
		scaler_propose(config, entry, now_ms);
	}
}

void scaler_scan(void *argument, const struct snapshot *snapshot)
{
	struct scaler *scaler = argument;
	int64_t slot = snapshot->scanned_ms / SCALER_SLOT_MS;
	static const struct follow_reading nothing = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};

	take_config(scaler);
	if (slot == scaler->slot || scaler->config.off)
		return;
	/* Who is known from before the start has as long to be seen as any other. */
	for (size_t i = 0; i < scaler->count && scaler->slot < 0; i++)
		scaler_welcome(scaler->entries[i], slot);
	scaler->slot = slot;
	scaler->left_out = 0;
	scaler_take_learned(scaler);
	for (size_t i = 0; i < snapshot->roster.count; i++) {
		const struct watched_workload *workload = &snapshot->roster.workloads[i];
		enum signal_role load_role;
		struct scaler_entry *entry;
		struct follow_reading reading;

		if (!is_followed(workload, &load_role))
			continue;
		entry = scaler_entry_of(scaler, &workload->key, load_role);
		if (entry == NULL) {
			scaler->left_out++;
			continue;
		}
		entry->seen = slot;
		/* Its requests came to be known: what was learnt of CPU is of another unit. */
		if (load_role == ROLE_REQUEST_RATE && entry->follower.load_role != load_role &&
			!entry->pupil.with_tutor) {
			follower_fini(&entry->follower);
			scaler_pupil_fini(&entry->pupil);
			follower_init(&entry->follower, &workload->key, load_role);
		}
		read_workload(workload, entry->follower.load_role, snapshot->scanned_ms,
			scaler->config.reading_age_max_ms, &reading);
		follower_wish(&entry->follower, &scaler->config.follow, slot, &reading);
	}
	for (size_t i = 0; i < scaler->count; i++)
		if (scaler->entries[i]->seen != slot)
			follower_wish(&scaler->entries[i]->follower, &scaler->config.follow, slot,
				&nothing);
	divide(scaler);
	settle(scaler, snapshot->scanned_ms);
	scaler_tell_windows(scaler);
	if (slot % SCALER_FORGET_SLOTS == 0)
		sweep(scaler);
	scaler_give_next(scaler);
	if (slot % SCALER_KEEP_SLOTS == 0)
		scaler_keep(scaler);
	scaler_publish(scaler, snapshot->scanned_ms);
}
