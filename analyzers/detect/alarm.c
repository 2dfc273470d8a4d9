/*
 * The window of the watch is filled and judged as a whole, then begun anew: what is counted is at most
 * two windows old, and nothing need be kept but three numbers.
 */
#include "analyzers/detect/alarm.h"

#include <math.h>

#include "analyzers/pack.h"

static const char *const reasons[] = {
	[ALARM_SERVING] = NULL,
	[ALARM_FLAGS_EVERYTHING] = "it flags half of all rows or more: what it learnt no longer "
				   "describes this workload",
	[ALARM_FLAGS_NOTHING] = "all rows have the same score: it tells nothing apart",
	[ALARM_UNFITTED] = "it has learnt nothing yet",
};

const char *alarm_reason(enum alarm_quarantine quarantine)
{
	return reasons[quarantine];
}

void alarm_init(struct alarm *alarm, const struct alarm_config *config)
{
	*alarm = (struct alarm){.config = *config, .quarantine = ALARM_UNFITTED, .last_score = NAN};
	if (config->rows_min == 0)
		alarm->config.rows_min = 1;
	if (config->rows_quiet == 0)
		alarm->config.rows_quiet = 5;
	track_init(&alarm->track, &config->track);
	tail_init(&alarm->tail, &config->tail);
}

bool alarm_fit(struct alarm *alarm, double *scores, size_t count, double *scratch)
{
	const struct alarm_config config = alarm->config;

	alarm_init(alarm, &config);
	(void)tail_fit(&alarm->tail, scores, count, scratch);
	if (!track_fit(&alarm->track, scores, count)) {
		alarm->quarantine = count < TRACK_SCORES_MIN ? ALARM_UNFITTED : ALARM_FLAGS_NOTHING;
		return false;
	}
	alarm->quarantine = ALARM_SERVING;
	return true;
}

void alarm_pack(struct alarm *alarm, struct pack *pack)
{
	size_t quarantine = alarm->quarantine;

	pack_same(pack, alarm->config.rows_min);
	pack_value(pack, &alarm->track.threshold);
	pack_value(pack, &alarm->track.least);
	pack_value(pack, &alarm->track.step);
	tail_pack(&alarm->tail, pack);
	pack_index(pack, &quarantine, ALARM_UNFITTED);
	alarm->quarantine = (enum alarm_quarantine)quarantine;
	pack_flag(pack, &alarm->open);
	pack_value(pack, &alarm->opened_at);
	pack_value(pack, &alarm->over_rows);
	pack_value(pack, &alarm->quiet_rows);
	pack_value(pack, &alarm->rest_rows);
	pack_value(pack, &alarm->lost_rows);
	pack_index(pack, &alarm->watched, ALARM_WATCH_ROWS - 1);
	pack_value(pack, &alarm->watched_over);
	pack_value(pack, &alarm->watched_changes);
	pack_value(pack, &alarm->last_score);
}

/* Counts the row and, when the window is full, decides on the detector. */
static void watch(struct alarm *alarm, double score, bool over)
{
	alarm->watched++;
	alarm->watched_over += over;
	/* The first score has none before it that it could differ from. */
	alarm->watched_changes += !isnan(alarm->last_score) && score != alarm->last_score;
	alarm->last_score = score;
	if (alarm->watched < ALARM_WATCH_ROWS)
		return;
	if ((double)alarm->watched_over > ALARM_EVERYTHING * ALARM_WATCH_ROWS)
		alarm->quarantine = ALARM_FLAGS_EVERYTHING;
	else if (alarm->watched_changes == 0)
		alarm->quarantine = ALARM_FLAGS_NOTHING;
	else
		alarm->quarantine = ALARM_SERVING;
	alarm->watched = alarm->watched_over = alarm->watched_changes = 0;
}

static void end_episode(struct alarm *alarm, struct alarm_answer *answer)
{
	answer->ended = true;
	alarm->open = false;
	alarm->over_rows = alarm->quiet_rows = 0;
	alarm->rest_rows = alarm->config.rows_rest;
}

static void step_open(struct alarm *alarm, double score, struct alarm_answer *answer)
{
	answer->active = answer->over;
	/* The threshold may have risen past what is still the same episode. */
	alarm->quiet_rows = answer->over || score > alarm->opened_at ? 0 : alarm->quiet_rows + 1;
	if (alarm->quiet_rows >= alarm->config.rows_quiet)
		end_episode(alarm, answer);
}

static void step_closed(struct alarm *alarm, struct alarm_answer *answer)
{
	bool rests = alarm->rest_rows > 0;

	alarm->rest_rows -= rests;
	alarm->over_rows = answer->over ? alarm->over_rows + 1 : 0;
	if (rests || alarm->over_rows < alarm->config.rows_min)
		return;
	alarm->open = answer->raised = answer->active = true;
	alarm->opened_at = answer->threshold;
	alarm->quiet_rows = 0;
}

struct alarm_answer alarm_step(struct alarm *alarm, double score)
{
	struct alarm_answer answer = {.probability = tail_step(&alarm->tail, score),
		.threshold = alarm->track.threshold,
		.quarantine = alarm->quarantine};

	if (isnan(alarm->track.threshold))
		return answer;
	if (!isfinite(score)) {
		alarm->lost_rows++;
		if (alarm->open && alarm->lost_rows >= ALARM_LOST_ROWS)
			end_episode(alarm, &answer);
		return answer;
	}
	alarm->lost_rows = 0;
	answer.over = track_step(&alarm->track, score);
	watch(alarm, score, answer.over);
	answer.quarantine = alarm->quarantine;
	if (alarm->open && alarm->quarantine != ALARM_SERVING)
		end_episode(alarm, &answer);
	else if (alarm->open)
		step_open(alarm, score, &answer);
	else if (alarm->quarantine == ALARM_SERVING)
		step_closed(alarm, &answer);
	return answer;
}
