/*
 * The serving policy of one workload: pods for a quantile of the highest rate of the next minutes, corrected
 * by what came, above a guard, up at once and down slowly; its setting is chosen each night by replay.
 *
 * Live, in this order:
 *   open (or load and recall)
 *   learn(history)            once, from a week or more where there is one; without it the first lesson
 *                             comes from what was seen
 *   step(view) -> wish        every 15 s. view->slot is the time of the decision / 15 s since 1970; the
 *                             readings are the newest that are there, as of two slots before; NaN: missing.
 *                             wish.serves false: shadow, the wish is shown and not applied
 *   night_due -> night_begin, night_run (on any thread, some tenths of a second), night_end
 *   lesson_make (on any thread, seconds), take   once a week, from the history in the store
 *   save                      after each night; about 100 kB
 *
 * An arm serves only after its replay of up to seven days beats what serves now, the user's own HPA first
 * of all; a policy that was not reached at night keeps yesterday's setting. Without an estimate of what a
 * pod serves, or without a lesson, the policy observes and says so.
 *
 * Ownership: open and close; what is passed is borrowed for the call. A night holds the policy's model: the
 *   policy may step but not take, load or close until night_end.
 * Limits: 0.7 MB a policy.
 * Threads: one at a time; a night runs beside steps as said above.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_QUANTILE_POLICY_H
#define NIMBUSGUARD_ANALYZERS_SCALER_QUANTILE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/plant.h"
#include "analyzers/scaler/hpa.h"
#include "analyzers/scaler/nightly.h"
#include "analyzers/scaler/off_policy.h"
#include "analyzers/scaler/policies.h"
#include "analyzers/scaler/policy.h"
#include "analyzers/scaler/quantile_control.h"
#include "base/buf.h"
#include "base/error.h"

#define QUANTILE_POLICY_VERSION 2

/* What chooses the quantile. X(arm, name) */
#define QUANTILE_ARM_TABLE(X)                                                                      \
	X(QUANTILE_SETTING, "setting") /* the best setting's, all day */                           \
	X(QUANTILE_TABLE, "table")     /* quantile_chooser.h, once a minute */                     \
	X(QUANTILE_DQN, "dqn")         /* deep_chooser.h, likewise */

enum quantile_choice {
#define X(arm, name) arm,
	QUANTILE_ARM_TABLE(X)
#undef X
		QUANTILE_ARMS
};
const char *quantile_choice_name(enum quantile_choice arm);

struct quantile_policy_config {
	/* Bounds, start-up times, latency limit; service_rate: what a pod serves, NaN: worked out from the
	 * readings. */
	struct plant_config plant;
	double objective;         /* per cent of violated minutes and of bad requests at most */
	bool has_hpa;             /* the workload has an HPA, which serves until it is beaten */
	struct hpa_config hpa;    /* its target, window and behavior */
	double capacity_factor;   /* on the estimate, to see what a wrong one does; 1 */
	bool forced;              /* for comparison: the arm serves, whatever its replays say */
	enum quantile_choice arm; /* where it is forced */
	uint64_t seed;
};

/* The plant's defaults with no service rate, .5 %, an HPA at 80 %. */
void quantile_policy_config_default(struct quantile_policy_config *config);

enum quantile_reason {
	QUANTILE_NO_CAPACITY, /* what a pod serves is not known yet: observes */
	QUANTILE_NO_FORECAST, /* nothing was learned yet: observes, guard only */
	QUANTILE_MISSING,     /* the rate is missing or cannot be: holds or raises */
	QUANTILE_FORECAST,    /* the forecast asks for it */
	QUANTILE_GUARD,       /* the guard asks for more */
	QUANTILE_STABILIZED,  /* the window holds more than is needed now */
	QUANTILE_BOUND,       /* a bound cuts what was asked for */
	QUANTILE_REASONS
};
/* For records and metrics: "no_capacity", ... */
const char *quantile_reason_name(enum quantile_reason reason);

struct quantile_wish {
	int wanted;        /* within the bounds */
	bool serves;       /* false: shadow; the user's HPA (or nothing) serves */
	bool contradicted; /* the rate cannot be what it is, by the CPU readings */
	bool observes;     /* no decision is possible: wanted is what is there */
	enum quantile_reason reason;
	double quantile; /* the level, 0 to 1 */
	double capacity; /* requests a second a pod; NaN: not known */
	double load;     /* rho that pods are wanted for */
	struct control_parts parts;
	struct foresight foresight; /* all arms and levels */
};

struct quantile_policy;

/* NULL: STATUS_BAD_INPUT names the field, STATUS_NO_MEMORY. */
struct quantile_policy *quantile_policy_open(const struct quantile_policy_config *config,
	struct error *error) MUST_CHECK;
/* NULL is allowed. */
void quantile_policy_close(struct quantile_policy *policy);

/*
 * From what was: rates: [count] slots from `first` on, NaN: missing. Fits on the first two thirds (or all
 * but the last seven days), replays the days behind that and chooses. Seconds. STATUS_BAD_INPUT: less than
 * a day is known; then nothing changes but the traffic that is remembered.
 */
enum status quantile_policy_learn(struct quantile_policy *policy, const float *rates, size_t count,
	int64_t first, struct error *error) MUST_CHECK;
/* The traffic before the next step, after a restart: nothing is learned from it. */
void quantile_policy_recall(struct quantile_policy *policy, const float *rates, size_t count,
	int64_t first);

void quantile_policy_step(struct quantile_policy *policy, const struct policy_view *view,
	struct quantile_wish *wish);

/* ---- nights ---- */

struct quantile_night;

/* A day ended and was not replayed yet. */
bool quantile_policy_night_due(const struct quantile_policy *policy);
/* NULL: STATUS_NO_MEMORY, or STATUS_NOT_FOUND: no night is due. */
struct quantile_night *quantile_night_begin(struct quantile_policy *policy,
	struct error *error) MUST_CHECK;
void quantile_night_run(struct quantile_night *night);
/* What was found is taken over; frees the night. */
void quantile_night_end(struct quantile_night *night, struct quantile_policy *policy);
/* All three. */
enum status quantile_policy_night(struct quantile_policy *policy, struct error *error) MUST_CHECK;

/* What the replays say: of what serves now, of the best setting, of the user's HPA. */
struct quantile_standing {
	size_t days; /* replayed; 0: nothing else is known */
	bool promoted;
	struct control_setting setting;
	enum quantile_choice arm;
	struct nightly_sum policy, hpa;
	/* What serves against the user's HPA, where there is one; the learners against the best setting. */
	struct off_policy_trials trials;
};
void quantile_policy_standing(const struct quantile_policy *policy,
	struct quantile_standing *standing);
/* What a learner says of the minute under way. */
struct quantile_opinion {
	double level,
		best; /* the quantile that it would choose, 0 to 1, and what that is worth to it */
	double usual; /* what the setting's own is worth to it; NaN: it never saw it here */
	double explored; /* part of the minutes in which it tries any level while it learns */
	double minutes;  /* it learned from, not all of them other days */
};
/* learner: QUANTILE_TABLE or QUANTILE_DQN. False: nothing was forecast, or it never saw such a state. */
bool quantile_policy_opinion(const struct quantile_policy *policy, enum quantile_choice learner,
	struct quantile_opinion *opinion);
/* Another objective, per cent above 0; the days that were replayed are judged anew. */
void quantile_policy_aim(struct quantile_policy *policy, double objective);
/* Back to shadow, as after drift; the next night may promote it anew. */
void quantile_policy_demote(struct quantile_policy *policy);

/* ---- lessons ---- */

struct quantile_lesson;

/* A model from all of a history. NULL: as quantile_policy_learn(). */
struct quantile_lesson *quantile_lesson_make(const float *rates, size_t count, int64_t first,
	uint64_t seed, struct error *error) MUST_CHECK;
void quantile_lesson_drop(struct quantile_lesson *lesson);
/* The lesson serves from now on; frees it. One of another workload will do for the first days: what it says
 * is corrected, and it serves no sooner than its replays are better. */
void quantile_policy_take(struct quantile_policy *policy, struct quantile_lesson *lesson);
/* As just opened. */
void quantile_policy_forget(struct quantile_policy *policy);

/* ---- files ---- */

/* A model file (models/model_file.h) of kind "quantile_policy"; what was there stays as <path>.previous. */
enum status quantile_policy_save(const struct quantile_policy *policy, const char *path,
	int64_t now_ms, struct error *error) MUST_CHECK;
/* STATUS_UNSUPPORTED: of another version, which the error names; STATUS_BAD_INPUT: another kind, damaged;
 * STATUS_NOT_FOUND. The policy is as before after an error. */
enum status quantile_policy_load(struct quantile_policy *policy, const char *path,
	struct error *error) MUST_CHECK;

/* The same as the body of a file of what was learnt (analyzers/learnt_file.h): appended to body.
 * STATUS_NO_MEMORY. error: not NULL. */
enum status quantile_policy_keep(const struct quantile_policy *policy, struct buf *body,
	struct error *error) MUST_CHECK;
/* As quantile_policy_load(), of such a body. */
enum status quantile_policy_restore(struct quantile_policy *policy, const void *body, size_t size,
	struct error *error) MUST_CHECK;

/* ---- in the simulator ---- */

/* `ours`: learns from the days before the judged part, then nights and lessons as live. */
enum status quantile_arm_open(struct policy *policy, const struct quantile_policy_config *config,
	const struct policy_scene *scene, struct error *error) MUST_CHECK;
/* The next run begins without a history, with a model of another workload; frees the lesson. */
void quantile_arm_stranger(struct policy *policy, struct quantile_lesson *lesson);
/* The next run is for another objective. */
void quantile_arm_aim(struct policy *policy, double objective);

#endif
