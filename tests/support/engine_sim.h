/*
 * The simulation of the engine: its model of the world and its checkers, which see only what went
 * through the ports and what is in the journal. The workload is tests/sim/test_engine_sim.c.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_ENGINE_SIM_H
#define NIMBUSGUARD_TESTS_SUPPORT_ENGINE_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "remediations/engine.h"

#define START_MS INT64_C(1767225600000)
#define DEPLOYMENTS 3
#define PODS 2
#define ALERTS (DEPLOYMENTS * (3 + PODS) + 1)
#define QUEUE 48
#define RECORDS 2000
#define SENDS 64

struct deployment {
	char name[16], namespace_name[16];
	int32_t replicas;
	int64_t memory;
	unsigned version, uid[PODS];
	bool paused, managed, owned, well;
	struct field_writer replicas_writer, memory_writer;
	char action_key[ACTION_ID_MAX]; /* annotation that patches of the object carry */
	unsigned touched;               /* times that somebody else changed what we write */
};

struct alert {
	char name[16];
	size_t deployment;
	int pod; /* -1: none */
	bool firing, heard, excused;
	int64_t starts_ms;
	uint64_t fingerprint;
	int64_t told_ms; /* startsAt of the newest event that this process was given; 0: none */
	bool told_firing;
};

/* A command on its way; it outlives the process that sent it. */
struct flight {
	struct command command;
	bool dry_run, applies, applied, over;
	int64_t at_ms;
	enum command_outcome outcome;
	bool answered; /* by intent: a lost answer counts as answered */
	unsigned epoch;
	unsigned touched;      /* of its deployment, when it was applied */
	unsigned looks_before; /* observations answered for its owner when it was sent */
};

struct submission {
	uint64_t ticket;
	struct record records[ACTIONS_MAX + 2];
	size_t count;
};

struct look {
	uint64_t ticket;
	struct target target;
};

struct delivery {
	size_t record; /* of the event, in the journal */
};

/* A person's yes that the engine took, to what the action was then. */
struct word {
	char action_id[ACTION_ID_MAX], by[16];
	bool any_plan; /* asked for an undo before it was planned */
	struct changes changes;
	char uid[UID_MAX];
	int64_t given_ms;
};

#define WORDS 256
#define DEMOTED 16

struct sim {
	struct random random;
	uint64_t seed;
	int64_t now_ms;
	bool calm, broken;
	char words[512];
	struct engine *engine;
	struct engine_config config;
	struct engine_ports ports;
	unsigned epoch;
	struct deployment deployments[DEPLOYMENTS];
	struct alert alerts[ALERTS];
	uint64_t delivering; /* fingerprint of the event that the engine is given */
	unsigned uid_last, answered_looks[DEPLOYMENTS];

	struct record journal[RECORDS]; /* committed */
	size_t journal_count;
	char torn[64][INCIDENT_ID_MAX]; /* incidents with a group that was torn by a crash */
	size_t torn_count;
	uint64_t checkpoint;
	struct submission waiting[QUEUE];
	size_t waiting_count;
	struct look looks[QUEUE];
	size_t look_count;
	struct flight flights[SENDS];
	size_t flight_count;
	struct delivery deliveries[RECORDS]; /* after a crash all above the checkpoint */
	size_t delivery_count;
	struct word words_given[WORDS];
	size_t word_count;
	int64_t reverted_ms[DEPLOYMENTS][ACTION_KIND_COUNT]; /* when it was found so; 0: not */
	char demoted[DEMOTED][TRACK_KEY_MAX];                /* "" where free */
};

extern struct guard_limits sim_limits;
#define SIM_TOTALS 9
/* Commands, crashes, incidents ended, unknown, reverted, worse, self-healed, demoted, by two persons. */
extern uint64_t sim_totals[SIM_TOTALS];

/* engine_sim_model.c */
bool sim_chance(struct sim *sim, unsigned percent);
size_t sim_deployment(const struct sim *sim, const struct target *target);
void sim_observe(struct sim *sim, const struct target *target, struct observation *seen);
/* The API server does it, if its preconditions hold. */
bool sim_apply(struct sim *sim, const struct command *command);
void sim_event(const struct sim *sim, const struct alert *alert, struct event *event);
struct signal_source sim_signals(struct sim *sim);
struct engine_ports sim_ports(struct sim *sim);

/* engine_sim_check.c */
void sim_breaks(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3);
/* A playbook was demoted in a namespace, or that was lifted. */
void sim_note_mode(struct sim *sim, const struct track *track, bool demoted);
/* After a crash: what the journal says of demotions and of what was reverted. */
void sim_read_back(struct sim *sim);
bool flight_is_change(const struct flight *flight);
void check_budgets(struct sim *sim, const struct flight *newest);
void check_alone(struct sim *sim, const struct flight *newest);
void check_wanted(struct sim *sim, const struct flight *newest);
void check_live(struct sim *sim);
/* For engine_visit(): a replayed incident is what its last record says. */
bool check_replayed(void *sim, const struct incident *incident);
/* Every acknowledged alert led to an incident, or to a word why not. */
void check_heard(struct sim *sim);

#endif
