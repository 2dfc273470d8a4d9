/*
 * The thread that makes models in the background: asked for a workload, it learns from the 1-minute
 * tier, or goes on with what a file tells of an earlier run, and holds the model ready for the scan. What
 * was learnt it writes to a file. It runs at the lowest priority.
 *
 * Ownership: models taken belong to the caller. The tier is borrowed.
 * Limits: TRAINER_QUEUE_MAX orders wait, a further one is answered false; as many models at most
 *   are ready and not taken.
 * Threads: asking and taking from one thread (the scan's).
 */
#ifndef NIMBUSGUARD_ANALYZERS_TRAINER_H
#define NIMBUSGUARD_ANALYZERS_TRAINER_H

#include <stdbool.h>

#include "analyzers/demand.h"
#include "analyzers/outlook.h"
#include "analyzers/training.h"
#include "analyzers/watch.h"

#define TRAINER_QUEUE_MAX 1024
/* Of what is to be written, which holds its bytes while it waits. */
#define TRAINER_KEEP_MAX 64

struct trainer;

enum train_kind { TRAIN_WATCH, TRAIN_OUTLOOK, TRAIN_DEMAND, KEEP_WATCH, KEEP_OUTLOOK, KEEP_DEMAND };

/* What is to be learnt from the minutes before `end`. */
struct train_order {
	enum train_kind kind;
	struct workload_key workload;
	uint32_t roles;
	int64_t end;
	struct watch_spec watch;     /* of TRAIN_WATCH */
	struct outlook_spec outlook; /* of TRAIN_OUTLOOK */
	enum signal_role role;       /* of TRAIN_DEMAND, */
	int64_t rows;                /* and the minutes that it is fitted to, at most */
	bool restore;                /* what was learnt before, when its file is good */
	void *kept; /* of KEEP_*: what is to be written; the trainer's once it is asked */
	size_t kept_size;
};

/* What came of it: of its kind one, or none when it did not work, and the error says why. */
struct trained {
	enum train_kind kind;
	struct workload_key workload;
	struct watch_model *model;
	struct outlook *outlook;
	struct demand *demand;
	bool restored; /* out of a file */
	struct error error;
};

struct trainer *trainer_open(struct rollup *rollup, struct error *error) MUST_CHECK;
/* Before trainer_start(). What is learnt is written to files of this folder (learnt_file.h), and read from
 * there when that is asked for. */
void trainer_keep_in(struct trainer *trainer, const char *folder);
/* Whether anything is written. */
bool trainer_keeps(const struct trainer *trainer);
/* Before trainer_start(). */
void trainer_tell(struct trainer *trainer, training_told_fn *told, void *argument);
/* Ends the thread; what waits is given up. */
void trainer_close(struct trainer *trainer);
/* Without the thread trainer_run() does its work. */
enum status trainer_start(struct trainer *trainer, struct error *error) MUST_CHECK;
void trainer_stop(struct trainer *trainer);

/* false: the queue is full. */
bool trainer_ask(struct trainer *trainer, const struct train_order *order);
/* The next that is done; false: none. */
bool trainer_take(struct trainer *trainer, struct trained *trained);
/* One job in the caller's thread; false: none waits. */
bool trainer_run(struct trainer *trainer);

#endif
