/*
 * From a detector's scores to alarms: a threshold that keeps a rate (detect/track.h), the probability
 * of the score (detect/tail.h), one alarm an episode, and a watch on the detector itself.
 *
 * Episode: `rows_min` scores in a row over the threshold raise it; it ends when `rows_quiet` judged
 * scores in a row were below the threshold that raised it; after that no other is raised for
 * `rows_rest` rows. Rows that are not judged change nothing, and an episode of which nothing was
 * judged for ALARM_LOST_ROWS ends.
 *
 * Quarantine: a detector over its threshold on more than ALARM_EVERYTHING of the last
 * ALARM_WATCH_ROWS rows flags everything; one whose score was the same in all of them, or whose
 * scores of training were, can flag nothing. It raises no alarm until a window of rows is free of
 * that, or until it is fitted again.
 *
 * Ownership: a plain value of about 2.5 kB; nothing to release. Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_ALARM_H
#define NIMBUSGUARD_ANALYZERS_DETECT_ALARM_H

#include "analyzers/detect/tail.h"
#include "analyzers/detect/track.h"
#include "base/error.h"

#define ALARM_WATCH_ROWS 256
#define ALARM_EVERYTHING 0.5
#define ALARM_LOST_ROWS 60

/* All zeros: the defaults. */
struct alarm_config {
	struct track_config track;
	struct tail_config tail;
	size_t rows_min;   /* 0: 1 */
	size_t rows_quiet; /* 0: 5 */
	size_t rows_rest;  /* 0: none */
};

enum alarm_quarantine {
	ALARM_SERVING,
	ALARM_FLAGS_EVERYTHING,
	ALARM_FLAGS_NOTHING,
	ALARM_UNFITTED
};

struct alarm_answer {
	double probability; /* of a usual score at least this high; NaN: not judged */
	double threshold;   /* of the score; NaN: none */
	bool over;          /* the score is over the threshold */
	bool raised;        /* an episode begins: the one alarm it has */
	bool active; /* within an episode, and over the threshold, which has moved since it began */
	bool ended;
	enum alarm_quarantine quarantine;
};

struct alarm {
	struct alarm_config config;
	struct track track;
	struct tail tail;
	enum alarm_quarantine quarantine;
	bool open;
	double opened_at; /* the threshold that raised the episode */
	size_t over_rows, quiet_rows, rest_rows, lost_rows;
	size_t watched, watched_over, watched_changes; /* of the window being filled */
	double last_score;
};

void alarm_init(struct alarm *alarm, const struct alarm_config *config);
/* scores: [count] of training, oldest first; their order is changed. scratch: [count]. Ends what is
 * open. False when nothing can be learnt from them: the alarm is in quarantine. */
bool alarm_fit(struct alarm *alarm, double *scores, size_t count, double *scratch);
/* All but the configuration, which must be the same; a moving mean cannot be packed. */
void alarm_pack(struct alarm *alarm, struct pack *pack);
struct alarm_answer alarm_step(struct alarm *alarm, double score);
/* Why it raises no alarms, as a sentence; NULL while it serves. */
const char *alarm_reason(enum alarm_quarantine quarantine);

#endif
