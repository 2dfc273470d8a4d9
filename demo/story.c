/*
 * From steps to lines. Each state of an incident has a row in the table below: under which word it is
 * told, or that it is passed over, because it only says that what was told goes on (written, sent,
 * watched).
 */
#include "demo/story.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define FINDING_QUIET_MS INT64_C(180000)

/* source NULL: not told. */
static const struct {
	const char *state, *source;
	enum view_tone tone;
} steps[] = {
	{"proposed", "playbook", TONE_PLAIN},
	{"cleared", "guard", TONE_PLAIN},
	{"blocked", "guard", TONE_WARN},
	{"awaiting_approval", "guard", TONE_WARN},
	{"written", NULL, TONE_DIM},
	{"sent", NULL, TONE_DIM},
	{"done", "action", TONE_ACT},
	{"failed", "action", TONE_BAD},
	{"unknown", "action", TONE_BAD},
	{"watched", NULL, TONE_DIM},
	{"cured", "verified", TONE_GOOD},
	{"ineffective", "verified", TONE_BAD},
	{"handed_over", "ticket", TONE_WARN},
};

void story_init(struct story *story, struct view *view)
{
	memset(story, 0, sizeof(*story));
	story->view = view;
	pthread_mutex_init(&story->lock, NULL);
}

void story_fini(struct story *story)
{
	pthread_mutex_destroy(&story->lock);
}

/* The functions below that take a story are called under its lock, unless they are in story.h. */

static bool step_is_new(struct story *story, const char *incident, const char *state)
{
	unsigned first = story->told_count > STORY_TOLD ? story->told_count - STORY_TOLD : 0;
	char step[64];

	snprintf(step, sizeof(step), "%.40s %.20s", incident, state);
	for (unsigned i = first; i < story->told_count; i++)
		if (strcmp(story->told[i % STORY_TOLD], step) == 0)
			return false;
	memcpy(story->told[story->told_count++ % STORY_TOLD], step, sizeof(step));
	return true;
}

static const char *deed_of(const struct story *story, const char *incident, bool *ticket)
{
	*ticket = false;
	for (unsigned i = 0; i < STORY_INCIDENTS; i++) {
		if (strcmp(story->incidents[i].incident, incident) == 0) {
			*ticket = story->incidents[i].ticket;
			return story->incidents[i].deed;
		}
	}
	return "the change";
}

/* "Done: scale Deployment shop/web 3 -> 5 replicas." */
static void note_deed(struct story *story, const char *incident, const char *text)
{
	unsigned slot = story->incident_count++ % STORY_INCIDENTS;
	const char *colon = strstr(text, ": ");
	const char *deed = colon != NULL ? colon + 2 : text;
	bool dry = strncmp(text, "Dry run", 7) == 0;
	size_t size;

	snprintf(story->incidents[slot].incident, sizeof(story->incidents[slot].incident), "%s",
		incident);
	snprintf(story->incidents[slot].deed, sizeof(story->incidents[slot].deed), "%s", deed);
	size = strlen(story->incidents[slot].deed);
	if (size > 0 && story->incidents[slot].deed[size - 1] == '.')
		story->incidents[slot].deed[size - 1] = '\0';
	story->incidents[slot].ticket = strncmp(deed, "ticket", 6) == 0;
	story->tally.done++;
	if (dry)
		story->tally.dry++;
	else if (story->incidents[slot].ticket)
		story->tally.tickets++;
	else
		story->tally.changes++;
}

static void count_step(struct story *story, const struct story_step *step)
{
	struct story_tally *tally = &story->tally;

	tally->refused += strcmp(step->state, "blocked") == 0;
	tally->failed += strcmp(step->state, "failed") == 0 || strcmp(step->state, "unknown") == 0;
	tally->cured += strcmp(step->state, "cured") == 0;
	tally->ineffective += strcmp(step->state, "ineffective") == 0;
	tally->handed_over += strcmp(step->state, "handed_over") == 0;
	if (strcmp(step->state, "done") == 0)
		note_deed(story, step->incident, step->text);
}

static void tell_step(struct story *story, const struct story_step *step)
{
	const char *source = "incident", *deed;
	enum view_tone tone = TONE_DIM;
	char line[VIEW_LINE_SIZE];
	bool ticket;

	for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
		if (strcmp(steps[i].state, step->state) == 0) {
			source = steps[i].source;
			tone = steps[i].tone;
		}
	}
	deed = deed_of(story, step->incident, &ticket);
	/* A ticket needs no guard's word, and it is how things are handed over. */
	if (source == NULL || strncmp(step->text, "Cleared: ticket", 15) == 0 ||
		(ticket && strcmp(step->state, "handed_over") == 0))
		return;
	if (strcmp(step->state, "cured") == 0)
		snprintf(line, sizeof(line), "Helped: %.100s; %.100s", deed, step->text);
	else if (strcmp(step->state, "ineffective") == 0)
		snprintf(line, sizeof(line), "Did not help: %.100s; %.100s", deed, step->text);
	else if (strcmp(step->state, "blocked") == 0)
		snprintf(line, sizeof(line), "Refused. %.180s", step->text);
	else if (strcmp(source, "incident") == 0)
		snprintf(line, sizeof(line), "%.20s: %.180s", step->state, step->text);
	else
		snprintf(line, sizeof(line), "%.199s", step->text);
	view_tell(story->view, step->elapsed_ms, tone, source, line);
}

void story_step(struct story *story, int64_t elapsed_ms, const char *incident, const char *state,
	const char *text)
{
	struct story_step step = {.elapsed_ms = elapsed_ms};

	snprintf(step.incident, sizeof(step.incident), "%.47s", incident);
	snprintf(step.state, sizeof(step.state), "%.23s", state);
	snprintf(step.text, sizeof(step.text), "%.199s", text);
	pthread_mutex_lock(&story->lock);
	if (step_is_new(story, incident, state)) {
		count_step(story, &step);
		if (story->holding && story->held_count < STORY_HELD)
			story->held[story->held_count++] = step;
		else
			tell_step(story, &step);
	}
	pthread_mutex_unlock(&story->lock);
}

void story_alerts_begin(struct story *story)
{
	pthread_mutex_lock(&story->lock);
	story->holding = true;
	pthread_mutex_unlock(&story->lock);
}

/* What an alert said of the value holds while it fires; when it ends, its age is what is true. */
static void tell_alert(struct story *story, int64_t elapsed_ms, const struct sim_alert *alert)
{
	char line[VIEW_LINE_SIZE];
	int64_t lasted_s = (alert->ends_ms - alert->starts_ms) / 1000;

	if (alert->firing)
		snprintf(line, sizeof(line), "FIRING %.47s: %.150s", alert->name, alert->summary);
	else
		snprintf(line, sizeof(line), "RESOLVED %.47s of shop/%.63s after %lld:%02lld",
			alert->name, alert->pod[0] != '\0' ? alert->pod : alert->workload,
			(long long)(lasted_s / 60), (long long)(lasted_s % 60));
	view_tell(story->view, elapsed_ms, alert->firing ? TONE_BAD : TONE_GOOD, "alert", line);
	story->tally.alerts += alert->firing;
}

void story_alerts_end(struct story *story, int64_t elapsed_ms, const struct sim_alert *alerts,
	size_t count)
{
	pthread_mutex_lock(&story->lock);
	for (size_t i = 0; i < count; i++)
		tell_alert(story, elapsed_ms, &alerts[i]);
	story->holding = false;
	for (unsigned i = 0; i < story->held_count; i++)
		tell_step(story, &story->held[i]);
	story->held_count = 0;
	pthread_mutex_unlock(&story->lock);
}

/* "latency of shop/Deployment/web is unusually high: ...": whether its workload was quiet. */
static bool was_quiet(struct story *story, int64_t elapsed_ms, const char *summary)
{
	const char *of = strstr(summary, " of ");
	char workload[64];

	if (of == NULL)
		return true;
	snprintf(workload, sizeof(workload), "%.*s", (int)strcspn(of + 4, " "), of + 4);
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		bool same = strcmp(story->findings[i].workload, workload) == 0;

		if (!same && story->findings[i].workload[0] != '\0')
			continue;
		if (same && elapsed_ms - story->findings[i].elapsed_ms < FINDING_QUIET_MS)
			return false;
		memcpy(story->findings[i].workload, workload, sizeof(workload));
		story->findings[i].elapsed_ms = elapsed_ms;
		return true;
	}
	return true;
}

void story_finding(struct story *story, int64_t elapsed_ms, const char *episode,
	const char *summary)
{
	pthread_mutex_lock(&story->lock);
	if (step_is_new(story, episode, "finding")) {
		story->tally.findings++;
		if (was_quiet(story, elapsed_ms, summary))
			view_tell(story->view, elapsed_ms, TONE_WARN, "finding", summary);
	}
	pthread_mutex_unlock(&story->lock);
}

struct story_tally story_tally(struct story *story)
{
	struct story_tally tally;

	pthread_mutex_lock(&story->lock);
	tally = story->tally;
	pthread_mutex_unlock(&story->lock);
	return tally;
}
