/*
 * Track records and modes: what each answer turned out to be is counted by playbook and namespace;
 * failures take the right to act alone away, and what was measured proposes to give it, which only a
 * person does.
 *
 * The note of a track record goes into the journal in the same group as the outcome that it counts, in
 * front of it: a torn group leaves a demotion without its outcome, never the other way round. As long
 * as the group is not in the journal nothing else is written (engine_write()).
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "remediations/engine_state.h"

static void tell(struct engine *engine, const struct incident *incident, const struct track *track,
	const char *word, const char *text)
{
	const struct news news = {.kind = NEWS_MODE,
		.time_ms = engine->now_ms,
		.incident = incident,
		.track = track,
		.playbook = track->playbook,
		.word = word,
		.text = text};

	if (engine->ports.told)
		engine->ports.told(engine->ports.self, &news);
}

static void write_place(const struct track *track, char *text, size_t size)
{
	snprintf(text, size, "Playbook %s in namespace %s%s%s", track->playbook,
		*track->namespace_name ? track->namespace_name : "(none)",
		*track->cluster ? " of cluster " : "", track->cluster);
}

static const struct guard_limits *limits_of(const struct engine *engine, const char *name)
{
	const struct playbook *playbook = playbooks_find(engine->config.playbooks, name);

	return playbook ? &playbook->guard : &engine->config.limits;
}

static void demote(struct engine *engine, const struct incident *incident, struct track *track,
	const char *reason)
{
	const struct action *action = incident_action(incident);
	char place[256], text[512];

	track->demoted = true;
	track->changed_ms = engine->now_ms;
	track->by[0] = '\0';
	snprintf(track->reason, sizeof(track->reason), "%s", reason);
	snprintf(track->action, sizeof(track->action), "%s", action ? action->id : "");
	write_place(track, place, sizeof(place));
	snprintf(text, sizeof(text),
		"%s acts only when approved from now on, because of %s (%s), until a person lifts "
		"that.",
		place, track->action, track->reason);
	tell(engine, incident, track, "demoted", text);
}

static void consider_demotion(struct engine *engine, const struct incident *incident,
	struct track *track, const char *reason)
{
	const struct guard_limits *limits = limits_of(engine, incident->playbook);
	const struct action *action = incident_action(incident);
	int64_t since_ms = engine->now_ms - limits->window_ms;
	struct ledger_entry like;

	if (track->demoted || !limits->demote_after || !action)
		return;
	/* What was before a person lifted it is forgiven. */
	if (track->changed_ms > since_ms)
		since_ms = track->changed_ms;
	like = engine_entry(engine, incident, action);
	if (!strcmp(reason, "worse") ||
		ledger_failures(&engine->ledger, &like, since_ms) >= limits->demote_after)
		demote(engine, incident, track, reason);
}

static void consider_promotion(struct engine *engine, const struct incident *incident,
	struct track *track)
{
	const struct guard_limits *limits = limits_of(engine, incident->playbook);
	enum mode mode = engine_mode(engine, incident), higher;
	char place[256], text[512];
	double lower;
	unsigned all;

	higher = !limits->promote_outcomes ? mode
					   : track_proposal(track, mode, limits->promote_precision,
						     limits->promote_outcomes, &lower, &all);
	if (higher == mode) {
		track->proposed = false;
		return;
	}
	if (track->proposed)
		return;
	track->proposed = true;
	write_place(track, place, sizeof(place));
	snprintf(text, sizeof(text),
		"%s was right often enough for mode %s: at least %.0f %% of %u outcomes (95 %% "
		"confidence). A person has to set it.",
		place, mode_name(higher), 100 * lower, all);
	tell(engine, incident, track, "promotion_proposed", text);
}

void engine_track(struct engine *engine, struct incident *incident, enum track_verdict verdict,
	const char *reason)
{
	const struct target *target = &incident->target;
	struct track *track;

	if (target->kind == TARGET_NONE)
		return;
	track = tracks_get(&engine->tracks, incident->playbook, target->cluster,
		target->namespace_name, engine->now_ms);
	if (!track)
		return;
	track_count(track, verdict, engine->now_ms);
	incident->tracked = true;
	if (verdict == TRACK_FAILED)
		consider_demotion(engine, incident, track, reason);
	consider_promotion(engine, incident, track);
}

struct track *engine_track_pending(const struct engine *engine, const struct incident *incident)
{
	if (!incident->tracked)
		return NULL;
	return tracks_find(&engine->tracks, incident->playbook, incident->target.cluster,
		incident->target.namespace_name);
}

static uint64_t note(struct engine *engine, struct track *track)
{
	char key[TRACK_KEY_MAX];
	struct buf body;
	uint64_t ticket;

	buf_init(&body, RECORD_BODY_MAX);
	track_write_json(&body, track);
	track_key(track, key);
	track->noted_ms = engine->now_ms;
	ticket = engine_note(engine, RECORD_NOTE, key, buf_take(&body, NULL));
	track->noted = ticket != 0;
	return ticket;
}

void engine_keep_tracks(struct engine *engine)
{
	for (size_t i = 0; i < engine->tracks.count; i++) {
		struct track *track = &engine->tracks.list[i];

		if (!track->noted && engine->now_ms - track->noted_ms >= engine->config.times.retry)
			(void)note(engine, track);
	}
}

enum status engine_lift(struct engine *engine, const char *playbook, const char *cluster,
	const char *namespace_name, const char *identity, int64_t now_ms, struct error *error)
{
	struct track *track = tracks_find(&engine->tracks, playbook, cluster, namespace_name);
	char place[256], text[512];

	engine->now_ms = now_ms;
	if (!track || !track->demoted)
		return error_set(error, STATUS_NOT_FOUND,
			"playbook \"%.60s\" is not demoted in namespace \"%.60s\"%s%.60s", playbook,
			namespace_name, *cluster ? " of cluster " : "", cluster);
	track->demoted = false;
	track->changed_ms = now_ms;
	snprintf(track->by, sizeof(track->by), "%s", *identity ? identity : "someone");
	write_place(track, place, sizeof(place));
	snprintf(text, sizeof(text), "%s is no longer demoted: lifted by %s.", place, track->by);
	tell(engine, NULL, track, "lifted", text);
	engine->word_ticket = note(engine, track);
	return STATUS_OK;
}

void engine_write_modes(const struct engine *engine, struct buf *json)
{
	buf_add_char(json, '[');
	for (size_t i = 0; i < engine->tracks.count; i++) {
		const struct track *track = &engine->tracks.list[i];
		const struct guard_limits *limits = limits_of(engine, track->playbook);
		enum mode mode = engine_mode_at(engine, track->playbook, track->cluster,
			track->namespace_name);
		enum mode higher;
		double lower;
		unsigned all;

		higher = track_proposal(track, mode, limits->promote_precision,
			limits->promote_outcomes, &lower, &all);
		if (!limits->promote_outcomes)
			higher = mode;
		buf_add_text(json, i ? ",{\"record\":" : "{\"record\":");
		track_write_json(json, track);
		buf_printf(json,
			",\"mode\":\"%s\",\"outcomes\":%u,\"precision_lower_bound\":%.4f,"
			"\"proposed\":",
			mode_name(mode), all, lower);
		if (higher == mode)
			buf_add_text(json, "null}");
		else
			buf_printf(json, "\"%s\"}", mode_name(higher));
	}
	buf_add_char(json, ']');
}
