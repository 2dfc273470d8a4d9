/*
 * The simulation's world: deployments and pods with preconditions as the API server has them, signals
 * that lie now and then, and ports that are busy, slow or silent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/engine_sim.h"

uint64_t sim_totals[SIM_TOTALS];

bool sim_chance(struct sim *sim, unsigned percent)
{
	return !sim->calm && random_below(&sim->random, 100) < percent;
}

/* ---- the model cluster ---- */

size_t sim_deployment(const struct sim *sim, const struct target *target)
{
	const char *name =
		target->workload.kind != TARGET_NONE ? target->workload.name : target->name;

	for (size_t i = 0; i < DEPLOYMENTS; i++)
		if (!strncmp(name, sim->deployments[i].name, strlen(sim->deployments[i].name)))
			return i;
	return 0;
}

static int pod_of(const struct target *target)
{
	return target->kind == TARGET_POD ? target->name[strlen(target->name) - 1] - '0' : -1;
}

static void uid_of(const struct deployment *deployment, int pod, char uid[UID_MAX])
{
	if (pod < 0)
		snprintf(uid, UID_MAX, "uid-%s", deployment->name);
	else
		snprintf(uid, UID_MAX, "uid-%u", deployment->uid[pod]);
}

void sim_observe(struct sim *sim, const struct target *target, struct observation *seen)
{
	const struct deployment *deployment = &sim->deployments[sim_deployment(sim, target)];

	memset(seen, 0, sizeof(*seen));
	seen->target = *target;
	seen->found = true;
	seen->replicas = seen->ready_replicas = deployment->replicas;
	seen->memory_limit_bytes = deployment->memory;
	seen->managed = deployment->managed;
	seen->paused = deployment->paused;
	seen->replicas_writer = deployment->replicas_writer;
	seen->limits_writer = deployment->memory_writer;
	if (target->kind != TARGET_POD)
		memcpy(seen->action_key, deployment->action_key, sizeof(seen->action_key));
	if (deployment->owned)
		snprintf(seen->owner_of_replicas, sizeof(seen->owner_of_replicas), "HPA/x");
	uid_of(deployment, pod_of(target), seen->target.uid);
	snprintf(seen->target.resource_version, UID_MAX, "%u", deployment->version);
	seen->target.workload = (struct workload_key){.kind = TARGET_DEPLOYMENT};
	snprintf(seen->target.workload.namespace_name, NAMESPACE_MAX, "%s",
		deployment->namespace_name);
	snprintf(seen->target.workload.name, OBJECT_NAME_MAX, "%s", deployment->name);
}

bool sim_apply(struct sim *sim, const struct command *command)
{
	struct deployment *deployment = &sim->deployments[sim_deployment(sim, &command->target)];
	int pod = pod_of(&command->target);
	char uid[UID_MAX], version[UID_MAX];
	struct field_writer ours = {.time_ms = sim->now_ms};

	uid_of(deployment, pod, uid);
	snprintf(version, sizeof(version), "%u", deployment->version);
	if (strcmp(uid, command->target.uid) != 0)
		return false;
	if (command->kind == ACTION_RESTART_POD) {
		deployment->uid[pod] = ++sim->uid_last;
	} else {
		if (strcmp(version, command->target.resource_version) != 0)
			return false;
		deployment->version++;
		if (command->kind != ACTION_SCALE)
			memcpy(deployment->action_key, command->action_id,
				sizeof(deployment->action_key));
		snprintf(ours.manager, sizeof(ours.manager), FIELD_MANAGER);
		if (command->kind == ACTION_SCALE)
			deployment->replicas_writer = ours;
		if (command->kind == ACTION_ADJUST_RESOURCES)
			deployment->memory_writer = ours;
		if (command->kind == ACTION_SCALE)
			deployment->replicas = (int32_t)changes_after(&command->changes,
				CHANGE_REPLICAS, deployment->replicas);
		if (command->kind == ACTION_ADJUST_RESOURCES)
			deployment->memory = changes_after(&command->changes, CHANGE_MEMORY_LIMIT,
				deployment->memory);
	}
	if (sim_chance(sim, 50))
		deployment->well = true;
	return true;
}

static void sim_read_signal(void *self, const struct workload_key *workload, enum signal_role role,
	enum signal_fold fold, int64_t from_ms, int64_t to_ms, struct signal_reading *reading)
{
	struct sim *sim = self;
	struct target target = {.workload = *workload};
	bool well = sim->deployments[sim_deployment(sim, &target)].well;

	(void)fold, (void)from_ms;
	*reading = (struct signal_reading){.newest_ms = to_ms, .samples = 5};
	reading->quality = sim_chance(sim, 8) ? QUALITY_GAPS : QUALITY_GOOD;
	reading->value = role == ROLE_SATURATION ? (well ? 0.6 : 0.95) : well ? 0 : 2;
	if (!well && sim_chance(sim, 30))
		reading->value *= 2;
}

void sim_event(const struct sim *sim, const struct alert *alert, struct event *event)
{
	const struct deployment *deployment = &sim->deployments[alert->deployment];
	char pod[32];
	struct label pairs[5] = {{"alertname", alert->name, 9, (uint32_t)strlen(alert->name)},
		{"namespace", deployment->namespace_name, 9,
			(uint32_t)strlen(deployment->namespace_name)},
		{"workload", deployment->name, 8, (uint32_t)strlen(deployment->name)},
		{"workload_kind", "Deployment", 13, 10}};
	size_t count = 4;

	if (alert->pod >= 0) {
		snprintf(pod, sizeof(pod), "%s-%d", deployment->name, alert->pod);
		pairs[count++] = (struct label){"pod", pod, 3, (uint32_t)strlen(pod)};
	}
	event_init(event);
	if (labels_init(&event->labels, pairs, count, NULL))
		abort();
	event->fingerprint = labels_fingerprint(&event->labels);
	event->firing = alert->firing;
	event->starts_ms = alert->starts_ms;
	event->ends_ms = alert->firing ? 0 : sim->now_ms;
	event->received_ms = sim->now_ms;
}

/* ---- ports ---- */

static enum status port_journal(void *self, uint64_t ticket, struct record *records, size_t count)
{
	struct sim *sim = self;
	struct submission *submission = &sim->waiting[sim->waiting_count];

	if (sim_chance(sim, 2) || sim->waiting_count == QUEUE)
		return STATUS_BUSY;
	sim->waiting_count++;
	submission->ticket = ticket;
	submission->count = count;
	memcpy(submission->records, records, count * sizeof(*records));
	return STATUS_OK;
}

static enum status port_observe(void *self, uint64_t ticket, const struct target *target,
	const struct purpose *purpose)
{
	struct sim *sim = self;

	(void)purpose;
	if (sim_chance(sim, 4) || sim->look_count == QUEUE)
		return STATUS_BUSY;
	sim->looks[sim->look_count++] = (struct look){ticket, *target};
	return STATUS_OK;
}

static enum status port_send(void *self, const struct command *command, bool dry_run)
{
	struct sim *sim = self;
	struct flight *flight = &sim->flights[sim->flight_count];
	int64_t latest = command->deadline_ms + sim->config.times.send_margin - 1 - sim->now_ms;
	uint64_t fate = sim->calm ? 0 : random_below(&sim->random, 100);

	if (sim_chance(sim, 5))
		return STATUS_BUSY;
	if (sim->flight_count == SENDS)
		return STATUS_UNAVAILABLE;
	sim->flight_count++;
	sim_totals[0]++;
	memset(flight, 0, sizeof(*flight));
	flight->command = *command;
	flight->dry_run = dry_run;
	flight->epoch = sim->epoch;
	flight->looks_before = sim->answered_looks[sim_deployment(sim, &command->target)];
	flight->applies = fate < 85;
	flight->outcome = fate < 70 ? COMMAND_DONE : fate < 80 ? COMMAND_UNKNOWN : COMMAND_FAILED;
	/* 80 to 84: done, and the answer says nothing; 85 and more: not done, and it says so or not. */
	if (fate >= 80 && fate < 85)
		flight->outcome = COMMAND_UNKNOWN;
	if (fate >= 95)
		flight->outcome = COMMAND_UNKNOWN;
	flight->at_ms = sim->now_ms;
	if (!sim->calm && latest > 0)
		flight->at_ms += (int64_t)random_below(&sim->random, (uint64_t)latest);
	check_wanted(sim, flight);
	check_alone(sim, flight);
	check_budgets(sim, flight);
	return STATUS_OK;
}

static void port_told(void *self, const struct news *news)
{
	struct sim *sim = self;

	/* An event that became no incident, with a reason. */
	if (news->kind == NEWS_REFUSAL && !news->incident)
		for (size_t i = 0; i < ALERTS; i++)
			if (sim->alerts[i].fingerprint == sim->delivering)
				sim->alerts[i].excused = true;
	if (news->kind == NEWS_MODE && strcmp(news->word, "promotion_proposed") != 0)
		sim_note_mode(sim, news->track, !strcmp(news->word, "demoted"));
	if (news->kind == NEWS_OUTCOME && news->action && !strcmp(news->word, "reverted"))
		sim->reverted_ms[sim_deployment(sim, &news->action->target)]
				[news->action->plan.kind] = news->time_ms;
	sim_totals[4] += news->kind == NEWS_OUTCOME && !strcmp(news->word, "reverted");
	sim_totals[5] += news->kind == NEWS_OUTCOME && !strcmp(news->word, "worse");
	sim_totals[6] += news->kind == NEWS_OUTCOME && !strcmp(news->word, "self_healed");
	sim_totals[7] += news->kind == NEWS_MODE && !strcmp(news->word, "demoted");
	sim_totals[2] += news->kind == NEWS_OUTCOME && !news->incident->open;
	sim_totals[3] += news->kind == NEWS_STATE && !strcmp(news->word, "unknown");
}

static bool knows(void *self, const struct workload_key *workload)
{
	(void)self, (void)workload;
	return true;
}

struct signal_source sim_signals(struct sim *sim)
{
	return (struct signal_source){.self = sim, .read = sim_read_signal, .knows = knows};
}

struct engine_ports sim_ports(struct sim *sim)
{
	return (struct engine_ports){sim, port_journal, port_observe, port_send, port_told};
}
