/*
 * What the parties cost and how they did, on the same traffic: reward over windows of ten minutes
 * (efficiency 40 %, SLA 40 %, stability 20 %), what was predicted against what came, and what ours saves
 * against each of the others, with an interval.
 *
 * Efficiency of a slot: pods that are needed at the highest load without a violation, over pods that are
 * there. SLA: share of slots in which no more than 5 % of the requests were late, dropped or failed.
 * Stability: 1 minus changes of the wanted number over CHANGES_MOST, as in qlearning.c.
 *
 * Savings: pod-hours of an hour, the other's minus ours; hours are blocks, and the interval is of their
 * mean by the normal law, widened by what one hour tells of the next.
 *
 * Ownership: plain values.
 * Threads: one at a time; deterministic.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_FEEDBACK_H
#define NIMBUSGUARD_ANALYZERS_SCALER_FEEDBACK_H

#include <stdbool.h>
#include <stdint.h>

#define FEEDBACK_WINDOW_SLOTS 40
#define FEEDBACK_BLOCK_SLOTS 240
#define FEEDBACK_LATE 0.05
/* Windows of which misses are remembered. */
#define FEEDBACK_MISSES 64

/* X(party, name) */
#define FEEDBACK_PARTY_TABLE(X)                                                                    \
	X(FEEDBACK_ACTUAL, "actual")                                                               \
	X(FEEDBACK_OURS, "ours")                                                                   \
	X(FEEDBACK_HPA, "hpa")                                                                     \
	X(FEEDBACK_STATIC, "static")

enum feedback_party {
#define X(party, name) party,
	FEEDBACK_PARTY_TABLE(X)
#undef X
		FEEDBACK_PARTIES
};

const char *feedback_party_name(enum feedback_party party);

/* Sums over judged slots. */
struct feedback_sums {
	double slots, pods, late, efficiency, changes;
};

/* What decides whether ours may serve: sums over the slots and windows since the trial began. */
struct feedback_trial {
	double slots, windows;
	double late[FEEDBACK_PARTIES];   /* slots */
	double reward[FEEDBACK_PARTIES]; /* of windows */
};

/* A complete window of ten minutes. */
struct feedback_window {
	int64_t end;                     /* slot after its last */
	double reward[FEEDBACK_PARTIES]; /* NaN: nothing was judged */
	double pods[FEEDBACK_PARTIES];   /* means */
	double late[FEEDBACK_PARTIES];   /* share of slots */
	double predicted, came;          /* the most rate of the window; NaN: not known */
};

/* Blocks of pod-hours saved against one party. */
struct feedback_saving {
	double blocks, mean, squares; /* Welford */
	double cross, before;         /* products of neighbours; NaN: none yet */
	double other;                 /* pod-hours of the other, in all blocks */
};

struct feedback {
	struct feedback_sums window[FEEDBACK_PARTIES], total[FEEDBACK_PARTIES];
	double block[FEEDBACK_PARTIES], block_slots;
	struct feedback_saving savings[FEEDBACK_PARTIES]; /* against ours: not used */
	struct feedback_trial trial;
	struct feedback_window last;
	int64_t window_number, block_number; /* slot / their length */
	double predicted, came;              /* of the window under way */
	double error;                        /* smoothed |ln(came / predicted)|; NaN: none */
	uint64_t missed;                     /* bits: the newest window is bit 0 */
	unsigned windows,
		predicted_windows; /* with a reward; with a prediction, to FEEDBACK_MISSES */
	double lead;               /* smoothed reward of ours minus that of the HPA */
};

/* A party in one slot. */
struct feedback_slot {
	double pods, late; /* late: share of requests */
	bool changed;
};

void feedback_init(struct feedback *feedback);
/* A slot whose traffic is known. need: pods; rate: the load; predicted: the most that is expected of it
 * within the next ten minutes, NaN: not told. */
void feedback_add(struct feedback *feedback, int64_t slot, double need, double rate,
	double predicted, const struct feedback_slot slots[FEEDBACK_PARTIES]);

/* Forgets the trial; the accounts go on. */
void feedback_begin_trial(struct feedback *feedback);

/* Efficiency 40 %, SLA 40 %, stability 20 %; NaN without slots. */
double feedback_reward(const struct feedback_sums *sums);
/* Share of the windows that came out above what was predicted; NaN before there were any. */
double feedback_miss_share(const struct feedback *feedback);
/* Of the other's pod-hours, with the 95 % interval; NaN before there were three blocks. */
struct feedback_saved {
	double hours;            /* pod-hours in all */
	double share, low, high; /* of the other's: .14 is 14 % fewer */
	double blocks;
};
struct feedback_saved feedback_saved(const struct feedback *feedback, enum feedback_party other);
/* What it does now is worse than the HPA or far from what it predicts; words: [size], why. */
bool feedback_drifts(const struct feedback *feedback, char *words, unsigned size);

#endif
