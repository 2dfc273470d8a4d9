/*
 * What the files of the scaler share: scaler.c (followers and their slots), scaler_propose.c (events),
 * scaler_read.c (what readers see) and scaler_arms.c (what they see of learned policies). Nobody else includes it.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_SCALER_PARTS_H
#define NIMBUSGUARD_ANALYZERS_SCALER_SCALER_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "analyzers/scaler/scaler.h"
#include "analyzers/scaler/tutor.h"

enum scaler_direction { SCALER_OUT, SCALER_IN, SCALER_DIRECTIONS };

/* An episode in which ours differs from what the workload has. */
struct proposal {
	bool open;
	int replicas; /* as told last */
	int64_t since_ms, told_ms;
};

/* A workload's policy that learns (quantile_policy.h). */
struct scaler_pupil {
	struct quantile_policy *policy; /* NULL: none was made yet */
	struct quantile_wish wish;      /* of the newest slot */
	int64_t tried, taught;          /* slots: last job; last lesson; -1: never */
	bool with_tutor;                /* a job is under way: neither is to be closed */
};

struct scaler_entry {
	struct follower follower;
	struct scaler_pupil pupil;
	int64_t seen;   /* slot */
	unsigned scope; /* its namespace's number */
	struct proposal proposals[SCALER_DIRECTIONS];
};

#define SCALER_LEARNERS 2
/* Makes the wish where no learned policy does. */
#define SCALER_RULE "rule"

/* What readers see of a learned policy. */
struct scaler_arms {
	enum quantile_choice arm;
	bool serves; /* its wish is the workload's; else the built-in rule's is */
	struct off_policy_trials trials;
	bool known[SCALER_LEARNERS];
	struct quantile_opinion opinions[SCALER_LEARNERS]; /* of the table, of the net */
};

/* What readers see of one workload. */
struct scaler_row {
	struct workload_key key;
	enum signal_role load_role;
	struct follow_view view;
	struct feedback feedback;
	double confidence;
	const struct scaler_arms *arms; /* of the same page; NULL: nothing was learned */
};

/* As of one slot. */
struct scaler_page {
	_Atomic unsigned holders;
	int64_t decided_ms;
	size_t count, left_out;
	int cut;
	double pod_hour_price;
	uint64_t *names; /* [count], hashes of the keys without their clusters */
	struct scaler_row *rows;
	struct scaler_arms *arms; /* of those rows that have a policy */
};

struct scaler {
	pthread_mutex_t lock; /* a leaf: config and page */
	struct scaler_config config, next;
	bool reloaded;
	struct scaler_entry **entries;
	size_t count, left_out;
	uint32_t *slots; /* open addressing: index + 1, 0 is free */
	size_t slot_count;
	int64_t slot;                  /* the newest; -1: none yet */
	int64_t window;                /* whose beginning was told the end of the one before */
	char (*scopes)[NAMESPACE_MAX]; /* [config.workload_max] */
	size_t scope_count;
	struct budget_claim *claims;
	double *scope_limits;
	int cut;
	struct tutor *tutor;      /* NULL: nothing is learned */
	char *folder;             /* of what was learnt; NULL: it is kept nowhere */
	struct scaler_page *page; /* NULL: none yet */
};

/* NULL: it is not followed. */
struct scaler_entry *scaler_find(const struct scaler *scaler, const struct workload_key *key);
/* The entry of a workload, made when there is none. NULL: it is not followed, for want of room or memory. */
struct scaler_entry *scaler_entry_of(struct scaler *scaler, const struct workload_key *key,
	enum signal_role load_role);
/* What the tutor has done is put in place; it is given what is due next. */
void scaler_take_learned(struct scaler *scaler);
void scaler_give_next(struct scaler *scaler);
void scaler_pupil_fini(struct scaler_pupil *pupil);

/* Tells what the entry's wish asks for now. */
void scaler_propose(const struct scaler_config *config, struct scaler_entry *entry, int64_t now_ms);
/* Tells the accounts of the window that ended with this slot, once. */
void scaler_tell_windows(struct scaler *scaler);
/* The same names in any cluster have the same. */
uint64_t scaler_name_hash(const struct workload_key *key);
/* Makes a page of the entries and puts it in place of the last. */
void scaler_publish(struct scaler *scaler, int64_t now_ms);
void scaler_page_release(struct scaler_page *page);

/* Writes ,"name":value; null where it is not finite. */
void scaler_add_number(struct buf *json, const char *name, double value);

/* scaler_arms.c. The pupil has a policy. */
void scaler_arms_fill(const struct scaler_pupil *pupil, struct scaler_arms *arms);
/* Fields of a row: ,"arm": ... ,"trials": ... ,"learners": ... */
void scaler_arms_write(const struct scaler_arms *arms, struct buf *json);
void scaler_arms_clear(void);
void scaler_arms_collect(const struct scaler_row *row);

#endif
