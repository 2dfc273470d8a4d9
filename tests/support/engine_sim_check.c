/*
 * The simulation's checkers: at most one live action a target, no budget exceeded, nothing sent that
 * is not journaled, UNKNOWN never blindly repeated, modes kept, replay as recorded, nothing lost.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "tests/support/engine_sim.h"

struct guard_limits sim_limits;

void sim_breaks(struct sim *sim, const char *format, ...)
{
	va_list arguments;

	if (sim->broken)
		return;
	va_start(arguments, format);
	vsnprintf(sim->words, sizeof(sim->words), format, arguments);
	va_end(arguments);
	sim->broken = true;
}

static bool same_owner(const struct sim *sim, const struct command *a, const struct command *b)
{
	return sim_deployment(sim, &a->target) == sim_deployment(sim, &b->target);
}

bool flight_is_change(const struct flight *flight)
{
	return !flight->dry_run && flight->command.kind != ACTION_TICKET;
}

/* The committed record says WRITTEN for this action; its time is what budgets count. */
static int64_t written_at(const struct sim *sim, const char *action_id)
{
	for (size_t i = sim->journal_count; i--;) {
		const struct record *record = &sim->journal[i];
		const char *at;
		char text[32];
		int64_t time_ms;

		if (record->kind != RECORD_ACTION || strcmp(record->key, action_id) != 0)
			continue;
		at = strstr(record->body, "\"written_at\":\"");
		if (at && sscanf(at + 14, "%31[^\"]", text) == 1 && !parse_rfc3339(text, &time_ms))
			return time_ms;
	}
	return 0;
}

void check_budgets(struct sim *sim, const struct flight *newest)
{
	unsigned target = 0, namespace_count = 0, kind = 0, cluster = 0, under_way = 0;
	int64_t since = written_at(sim, newest->command.action_id) - sim_limits.window_ms;
	const struct command *command = &newest->command;

	for (size_t i = 0; i < sim->flight_count; i++) {
		const struct flight *flight = &sim->flights[i];
		const struct command *other = &flight->command;

		if ((other->kind == ACTION_TICKET) != (command->kind == ACTION_TICKET))
			continue;
		under_way +=
			flight_is_change(flight) && !flight->over && flight->at_ms > sim->now_ms;
		if (written_at(sim, other->action_id) <= since)
			continue;
		cluster++;
		kind += other->kind == command->kind;
		namespace_count +=
			!strcmp(other->target.namespace_name, command->target.namespace_name);
		target += command->target.kind != TARGET_NONE && same_owner(sim, other, command);
	}
	if (cluster > sim_limits.per_cluster || kind > sim_limits.per_kind ||
		namespace_count > sim_limits.per_namespace ||
		(command->kind != ACTION_TICKET && target > sim_limits.per_target))
		sim_breaks(sim,
			"a budget is exceeded: %u on the target, %u in the namespace, %u of the "
			"kind, %u in the cluster",
			target, namespace_count, kind, cluster);
	if (under_way > sim_limits.concurrent)
		sim_breaks(sim, "%u commands are under way at once", under_way);
}

struct asking {
	struct sim *sim;
	const char *action_id;
	bool undo;
};

static bool find_undo(void *argument, const struct incident *incident)
{
	struct asking *asking = argument;
	const struct action *action = incident_find_action(incident, asking->action_id);

	asking->undo = asking->undo || (action && *action->undo_of);
	return true;
}

/* Of the same incident, the same kind of change, and not because somebody asked to undo one. */
static bool is_repeat(struct sim *sim, const struct command *first, const struct command *second)
{
	struct asking asking = {sim, second->action_id, false};
	const char *end = strrchr(first->action_id, '-');
	size_t size = (size_t)(end - first->action_id) + 1;

	engine_visit(sim->engine, find_undo, &asking);
	return first->kind == second->kind && !asking.undo &&
		!strncmp(first->action_id, second->action_id, size);
}

void check_alone(struct sim *sim, const struct flight *newest)
{
	for (size_t i = 0; i + 1 < sim->flight_count; i++) {
		const struct flight *flight = &sim->flights[i];

		if (!strcmp(flight->command.action_id, newest->command.action_id))
			sim_breaks(sim, "%s is sent twice", newest->command.action_id);
		/* It was done and nobody undid it: whoever looks sees that. */
		if (flight->applied && is_repeat(sim, &flight->command, &newest->command) &&
			flight->touched ==
				sim->deployments[sim_deployment(sim, &flight->command.target)]
					.touched)
			sim_breaks(sim, "%s does again what %s did", newest->command.action_id,
				flight->command.action_id);
		if (!flight_is_change(newest) || !flight_is_change(flight) ||
			!same_owner(sim, &flight->command, &newest->command))
			continue;
		if (!flight->over)
			sim_breaks(sim,
				"%s is sent while %s may still be under way on the same target",
				newest->command.action_id, flight->command.action_id);
		/* Without an answer only a look can tell; one must have come back since. */
		if ((flight->outcome == COMMAND_UNKNOWN || flight->epoch != sim->epoch) &&
			sim->answered_looks[sim_deployment(sim, &newest->command.target)] ==
				flight->looks_before)
			sim_breaks(sim, "%s repeats the unknown %s without a look",
				newest->command.action_id, flight->command.action_id);
	}
}

/* Whether an alert that joined the incident was told as firing last. */
static bool companion_fires(const struct sim *sim, const struct incident *incident)
{
	for (const struct companion *at = incident->companions; at; at = at->next)
		for (size_t i = 0; i < ALERTS; i++)
			if (sim->alerts[i].fingerprint == at->fingerprint &&
				sim->alerts[i].told_firing)
				return true;
	return false;
}

static bool check_firing(void *argument, const struct incident *incident)
{
	struct asking *asking = argument;
	const struct action *action = incident_find_action(incident, asking->action_id);

	if (!action || *action->undo_of)
		return true;
	for (size_t i = 0; i < ALERTS; i++) {
		const struct alert *alert = &asking->sim->alerts[i];

		if (alert->fingerprint == incident->event.fingerprint && alert->told_ms &&
			alert->told_ms >= incident->starts_ms && !alert->told_firing &&
			!companion_fires(asking->sim, incident))
			sim_breaks(asking->sim, "%s is sent for an alert that ended", action->id);
	}
	return false;
}

/* ---- people ---- */

static char *find_demoted(struct sim *sim, const char *key)
{
	for (size_t i = 0; i < DEMOTED; i++)
		if (!strcmp(sim->demoted[i], key))
			return sim->demoted[i];
	return NULL;
}

void sim_note_mode(struct sim *sim, const struct track *track, bool demoted)
{
	char key[TRACK_KEY_MAX], *at;

	track_key(track, key);
	at = find_demoted(sim, key);
	if (at && !demoted)
		at[0] = '\0';
	if (at || !demoted)
		return;
	at = find_demoted(sim, "");
	if (at)
		memcpy(at, key, sizeof(key));
	else
		sim_breaks(sim, "more demotions than there are playbooks and namespaces");
}

void sim_read_back(struct sim *sim)
{
	memset(sim->demoted, 0, sizeof(sim->demoted));
	memset(sim->reverted_ms, 0, sizeof(sim->reverted_ms));
	for (size_t i = 0; i < sim->journal_count; i++) {
		const struct record *record = &sim->journal[i];
		struct tracks tracks;
		struct action action;

		tracks_init(&tracks);
		if (record->kind == RECORD_NOTE && !strncmp(record->key, TRACK_KEY, 5) &&
			!tracks_replay(&tracks, record->body, NULL))
			sim_note_mode(sim, &tracks.list[0], tracks.list[0].demoted);
		tracks_fini(&tracks);
		if (record->kind == RECORD_ACTION &&
			strstr(record->body, "\"state\":\"reverted\"") &&
			!action_read_json(&action, record->body, strlen(record->body), NULL))
			sim->reverted_ms[sim_deployment(sim, &action.target)][action.plan.kind] =
				action.ended_ms;
	}
}

struct acting {
	const char *action_id;
	const struct incident *incident;
	const struct action *action;
};

static bool find_action(void *argument, const struct incident *incident)
{
	struct acting *acting = argument;
	const struct action *action = incident_find_action(incident, acting->action_id);

	if (action) {
		acting->incident = incident;
		acting->action = action;
	}
	return !action;
}

static bool same_changes(const struct changes *a, const struct changes *b)
{
	return changes_hash(a, 1) == changes_hash(b, 1);
}

/* A yes to just this, not too long before it was written. */
static bool word_fits(const struct sim *sim, const struct word *word, const struct command *command,
	int64_t written_ms)
{
	return !strcmp(word->action_id, command->action_id) &&
		written_ms < word->given_ms + sim->config.times.approval_valid &&
		(word->any_plan ||
			(same_changes(&word->changes, &command->changes) &&
				!strcmp(word->uid, command->target.uid)));
}

static unsigned persons_for(const struct sim *sim, const struct command *command)
{
	int64_t written_ms = written_at(sim, command->action_id);
	unsigned count = 0;

	for (size_t i = 0; i < sim->word_count; i++) {
		const struct word *word = &sim->words_given[i];
		bool counted = !word_fits(sim, word, command, written_ms);

		for (size_t k = 0; k < i && !counted; k++)
			counted = word_fits(sim, &sim->words_given[k], command, written_ms) &&
				!strcmp(sim->words_given[k].by, word->by);
		count += !counted;
	}
	return count;
}

static void check_persons(struct sim *sim, const struct flight *newest)
{
	struct acting acting = {.action_id = newest->command.action_id};
	struct track track = {.playbook = ""};
	char key[TRACK_KEY_MAX];
	unsigned needed, persons = persons_for(sim, &newest->command);
	bool demoted;

	engine_visit(sim->engine, find_action, &acting);
	if (!acting.action) {
		sim_breaks(sim, "%s is sent and nobody knows it", newest->command.action_id);
		return;
	}
	if (acting.action->rollback) {
		const struct action *undone =
			incident_find_action(acting.incident, acting.action->undo_of);

		if (!undone || undone->state != STATE_WORSE)
			sim_breaks(sim, "%s rolls back what was not worse", acting.action_id);
		return;
	}
	memcpy(track.playbook, acting.incident->playbook, sizeof(track.playbook));
	memcpy(track.namespace_name, acting.incident->target.namespace_name,
		sizeof(track.namespace_name));
	track_key(&track, key);
	demoted = find_demoted(sim, key) != NULL;
	needed = sim->config.limits.two_persons >> newest->command.kind & 1 ? 2
		: sim->config.mode == MODE_APPROVE || demoted               ? 1
									    : 0;
	sim_totals[8] += needed == 2;
	if (persons < needed)
		sim_breaks(sim, "%s is sent with the word of %u persons of %u%s", acting.action_id,
			persons, needed, demoted ? ", its playbook is demoted" : "");
}

/* With whoever takes a change back one does not fight. */
static void check_reverted(struct sim *sim, const struct flight *newest)
{
	struct asking asking = {sim, newest->command.action_id, false};
	int64_t *at = &sim->reverted_ms[sim_deployment(sim, &newest->command.target)]
				       [newest->command.kind];

	engine_visit(sim->engine, find_undo, &asking);
	if (asking.undo)
		*at = 0; /* a person took the field back */
	else if (*at &&
		written_at(sim, newest->command.action_id) < *at + sim_limits.hands_off_ms &&
		written_at(sim, newest->command.action_id) > *at)
		sim_breaks(sim, "%s writes again what somebody else took back",
			newest->command.action_id);
}

void check_wanted(struct sim *sim, const struct flight *newest)
{
	struct asking asking = {sim, newest->command.action_id, false};

	if (!written_at(sim, newest->command.action_id))
		sim_breaks(sim, "%s is sent without a committed record", newest->command.action_id);
	if (newest->dry_run != (sim->config.dry_run || sim->config.mode == MODE_OBSERVE))
		sim_breaks(sim, "a dry run is not dry");
	if (!flight_is_change(newest))
		return;
	engine_visit(sim->engine, check_firing, &asking);
	check_persons(sim, newest);
	check_reverted(sim, newest);
	if (engine_paused(sim->engine))
		sim_breaks(sim, "%s is sent while all is paused", newest->command.action_id);
	if (sim->config.mode == MODE_SUGGEST)
		sim_breaks(sim, "mode suggest sends %s", newest->command.action_id);
}

struct liveness {
	struct sim *sim;
	unsigned live[DEPLOYMENTS];
};

static bool count_live(void *argument, const struct incident *incident)
{
	struct liveness *liveness = argument;
	const struct action *action = incident_action(incident);
	bool sent = false;

	for (size_t i = 0; action && i < liveness->sim->flight_count; i++)
		sent = sent || !strcmp(liveness->sim->flights[i].command.action_id, action->id);
	if (incident->open && sent && action && !action->ended &&
		action->plan.kind != ACTION_TICKET &&
		(action->state == STATE_WRITTEN || action->state == STATE_SENT ||
			action->state == STATE_UNKNOWN || action->state == STATE_WATCHED))
		liveness->live[sim_deployment(liveness->sim, &action->target)]++;
	if (incident->open && incident->wait == WAIT_NOTHING)
		sim_breaks(liveness->sim, "incident %s waits for nothing", incident->id);
	return true;
}

void check_live(struct sim *sim)
{
	struct liveness liveness = {.sim = sim};

	engine_visit(sim->engine, count_live, &liveness);
	for (size_t i = 0; i < DEPLOYMENTS; i++)
		if (liveness.live[i] > 1)
			sim_breaks(sim, "%u live actions on %s", liveness.live[i],
				sim->deployments[i].name);
}

bool check_replayed(void *argument, const struct incident *incident)
{
	struct sim *sim = argument;
	struct buf json;

	/* Half a group says less than the whole: there is nothing to compare with. */
	for (size_t i = 0; i < sim->torn_count; i++)
		if (!strcmp(sim->torn[i], incident->id))
			return true;
	buf_init(&json, 1 << 20);
	incident_write_json(&json, incident);
	for (size_t i = sim->journal_count; i--;) {
		const struct record *record = &sim->journal[i];

		if (record->kind != RECORD_INCIDENT || strcmp(record->key, incident->id) != 0)
			continue;
		for (size_t at = 0; strcmp(record->body, json.data) != 0; at++) {
			if (record->body[at] == json.data[at])
				continue;
			sim_breaks(sim, "replay of %s differs from its record: %.60s / %.60s",
				record->key, record->body + at, json.data + at);
			break;
		}
		if (record->ended == incident->open)
			sim_breaks(sim, "the record of %s is not marked as its state says",
				incident->id);
		break;
	}
	buf_fini(&json);
	return true;
}

void check_heard(struct sim *sim)
{
	for (size_t i = 0; i < ALERTS; i++) {
		struct event event;
		char part[64];
		bool found = false;

		if (!sim->alerts[i].heard || sim->alerts[i].excused)
			continue;
		sim_event(sim, &sim->alerts[i], &event);
		snprintf(part, sizeof(part), "\"fingerprint\":\"%016" PRIx64 "\"",
			event.fingerprint);
		event_fini(&event);
		for (size_t k = 0; k < sim->journal_count && !found; k++)
			found = sim->journal[k].kind == RECORD_INCIDENT &&
				strstr(sim->journal[k].body, part);
		if (!found)
			sim_breaks(sim, "alert %s %zu was acknowledged and lost",
				sim->alerts[i].name, i);
	}
}
