/*
 * Track records: an array that is searched from its end; there are as many as playbooks were used in
 * namespaces, and they are asked for once a decision.
 */
#include "remediations/track.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/json_fields.h"

#define TRACKS_FIRST 16
#define Z 1.645 /* one-sided 95 % of the normal distribution */

void tracks_init(struct tracks *tracks)
{
	*tracks = (struct tracks){.list = NULL};
}

void tracks_fini(struct tracks *tracks)
{
	mem_free(tracks->list);
	tracks_init(tracks);
}

struct track *tracks_find(const struct tracks *tracks, const char *playbook, const char *cluster,
	const char *namespace_name)
{
	for (size_t i = tracks->count; i--;) {
		struct track *track = &tracks->list[i];

		if (!strcmp(track->namespace_name, namespace_name) &&
			!strcmp(track->playbook, playbook) && !strcmp(track->cluster, cluster))
			return track;
	}
	return NULL;
}

/* Where one more may stand; NULL when there is no room. */
static struct track *make_room(struct tracks *tracks)
{
	struct track *oldest = NULL;

	if (tracks->count == tracks->capacity && tracks->capacity < TRACKS_MAX) {
		size_t capacity = tracks->capacity ? tracks->capacity * 2 : TRACKS_FIRST;
		void *grown = mem_resize(tracks->list, capacity, sizeof(*tracks->list));

		if (!grown)
			return NULL;
		tracks->list = grown;
		tracks->capacity = capacity;
	}
	if (tracks->count < tracks->capacity)
		return &tracks->list[tracks->count++];
	for (size_t i = 0; i < tracks->count; i++) {
		struct track *track = &tracks->list[i];

		if (!track->demoted && track->noted &&
			(!oldest || track->touched_ms < oldest->touched_ms))
			oldest = track;
	}
	return oldest;
}

struct track *tracks_get(struct tracks *tracks, const char *playbook, const char *cluster,
	const char *namespace_name, int64_t now_ms)
{
	struct track *track = tracks_find(tracks, playbook, cluster, namespace_name);

	if (track)
		return track;
	track = make_room(tracks);
	tracks->full = !track;
	if (!track)
		return NULL;
	*track = (struct track){.noted = true, .touched_ms = now_ms};
	snprintf(track->playbook, sizeof(track->playbook), "%s", playbook);
	snprintf(track->cluster, sizeof(track->cluster), "%s", cluster);
	snprintf(track->namespace_name, sizeof(track->namespace_name), "%s", namespace_name);
	return track;
}

void track_count(struct track *track, enum track_verdict verdict, int64_t now_ms)
{
	track->touched_ms = now_ms;
	track->noted = false;
	switch (verdict) {
#define X(name, field)                                                                             \
	case name:                                                                                 \
		track->field++;                                                                    \
		break;
		TRACK_TABLE(X)
#undef X
	case TRACK_VERDICT_COUNT:
		break;
	}
}

double wilson_lower(unsigned right, unsigned all)
{
	double n = all, share, z2 = Z * Z;

	CHECK(right <= all);
	if (!all)
		return 0;
	share = right / n;
	return (share + z2 / (2 * n) - Z * sqrt((share * (1 - share) + z2 / (4 * n)) / n)) /
		(1 + z2 / n);
}

enum mode track_proposal(const struct track *track, enum mode mode, double precision_min,
	unsigned outcomes_min, double *lower, unsigned *all)
{
	bool acted = mode == MODE_APPROVE;
	unsigned right = acted ? track->cured : track->needed;
	unsigned count = acted ? track->cured + track->failed + track->healed
			       : track->needed + track->unneeded;
	double bound = wilson_lower(right, count);

	if (lower)
		*lower = bound;
	if (all)
		*all = count;
	/* What was demoted is lifted by a person first. */
	if (track->demoted || !count || count < outcomes_min || bound < precision_min)
		return mode;
	if (acted)
		return MODE_AUTO;
	return mode == MODE_SUGGEST ? MODE_APPROVE : mode == MODE_OBSERVE ? MODE_SUGGEST : mode;
}

/* ---- in the journal ---- */

static const struct field track_fields[] = {
	FIELD(FIELD_TEXT, struct track, playbook),
	FIELD(FIELD_TEXT, struct track, cluster),
	FIELD_NAMED("namespace", FIELD_TEXT, struct track, namespace_name),
#define X(verdict, field) FIELD(FIELD_UNSIGNED, struct track, field),
	TRACK_TABLE(X)
#undef X
		FIELD(FIELD_BOOL, struct track, demoted),
	FIELD(FIELD_TEXT, struct track, reason),
	FIELD(FIELD_TEXT, struct track, action),
	FIELD_NAMED("lifted_by", FIELD_TEXT, struct track, by),
	FIELD_NAMED("changed_at", FIELD_TIME, struct track, changed_ms),
	FIELD_NAMED("touched_at", FIELD_TIME, struct track, touched_ms),
};

void track_key(const struct track *track, char key[TRACK_KEY_MAX])
{
	snprintf(key, TRACK_KEY_MAX, TRACK_KEY "%s/%s/%s", track->playbook, track->cluster,
		track->namespace_name);
}

void track_write_json(struct buf *json, const struct track *track)
{
	buf_add_char(json, '{');
	fields_write(json, track_fields, ARRAY_COUNT(track_fields), track);
	buf_add_char(json, '}');
}

enum status tracks_replay(struct tracks *tracks, const char *body, struct error *error)
{
	struct json_span root;
	struct track read = {.noted = true}, *track;
	enum status status = json_span_init(&root, body, strlen(body), 4, error);

	if (!status)
		status = fields_read(&root, track_fields, ARRAY_COUNT(track_fields), &read, error);
	if (status)
		return status;
	if (!*read.playbook)
		return error_set(error, STATUS_BAD_INPUT, "playbook is absent");
	track = tracks_get(tracks, read.playbook, read.cluster, read.namespace_name,
		read.touched_ms);
	if (!track)
		return error_set(error, STATUS_NO_MEMORY, "no room for a track record");
	*track = read;
	return STATUS_OK;
}
