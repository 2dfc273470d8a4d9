#include "remediations/stages.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"

enum stage { STAGE_NONE, STAGE_DECIDE, STAGE_APPROVE, STAGE_ACT, STAGE_VERIFY };

static const char *const stage_names[] = {NULL, "decide", "approve", "act", "verify"};

struct mark {
	enum stage stage;
	int64_t since_ns;
};

struct stages {
	unsigned count;
	struct mark marks[];
};

struct stages *stages_open(unsigned incident_max)
{
	struct stages *stages =
		mem_zalloc(1, sizeof(*stages) + incident_max * sizeof(stages->marks[0]));

	if (stages)
		stages->count = incident_max;
	return stages;
}

void stages_close(struct stages *stages)
{
	mem_free(stages);
}

static void observe(const char *stage, int64_t since_ns, int64_t now_ns)
{
	metrics_observe(METRIC_ACTION_STAGE_SECONDS, (double)(now_ns - since_ns) / 1e9, stage);
}

void stages_receive(int64_t since_ns)
{
	observe("receive", since_ns, clock_mono_ns(clock_system()));
}

/* The stage that begins in this state; *ends: whether the one before is over. */
static enum stage stage_of(enum action_state state, bool *ends)
{
	*ends = true;
	switch (state) {
	case STATE_PROPOSED:
		*ends = false;
		return STAGE_DECIDE;
	case STATE_AWAITING_APPROVAL:
		return STAGE_APPROVE;
	case STATE_CLEARED:
		return STAGE_ACT;
	case STATE_DONE:
		return STAGE_VERIFY;
	case STATE_WRITTEN:
	case STATE_SENT:
	case STATE_WATCHED:
		*ends = false;
		return STAGE_NONE;
	default:
		/* What is blocked and asked again waits, which is no stage's time. */
		return STAGE_NONE;
	}
}

void stages_told(struct stages *stages, const struct news *news)
{
	struct mark *mark;
	int64_t now_ns;
	enum stage next;
	bool ends;

	if (news->kind != NEWS_STATE || !news->incident || !news->action ||
		news->incident->slot >= stages->count)
		return;
	mark = &stages->marks[news->incident->slot];
	next = stage_of(news->action->state, &ends);
	/* A state is told once more when only its words changed. */
	if ((next == STAGE_NONE && !ends) || (next == mark->stage && next != STAGE_NONE))
		return;
	now_ns = clock_mono_ns(clock_system());
	if (ends && mark->stage != STAGE_NONE)
		observe(stage_names[mark->stage], mark->since_ns, now_ns);
	*mark = (struct mark){next, now_ns};
}
