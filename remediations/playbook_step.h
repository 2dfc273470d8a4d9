/*
 * One step of a playbook from its YAML map, and the readers that the classes of actions read their
 * keys with: each reports what it does not understand at its place.
 *
 * Ownership: texts that are read are the step's (playbook_fini()).
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_PLAYBOOK_STEP_H
#define NIMBUSGUARD_REMEDIATIONS_PLAYBOOK_STEP_H

#include "remediations/playbook.h"

struct step_reading {
	const struct yaml_reader *at;
	const struct playbook *playbook; /* its target, conditions and mode are read already */
	const struct guard_limits *limits;
	const struct yaml_node *map; /* of the step */
};

/* Reads reading->map. */
void playbook_read_step(const struct step_reading *reading, struct playbook_step *step);

/* A further change of the step, zeroed. */
struct step_change *step_add_change(struct playbook_step *step, enum change_field field);
/* "+2", "-25%", "512MiB": true when stored. absolute: whether a form without a sign is allowed. */
bool step_read_amount(const struct step_reading *reading, const char *key, enum change_unit unit,
	bool absolute, struct amount *amount);
/* An absolute value of at least 1, for bounds. */
void step_read_quantity(const struct step_reading *reading, const char *key, enum change_unit unit,
	int64_t *value);
/* A number of replicas from `least`; false when absent. */
bool step_read_replicas(const struct step_reading *reading, const char *key, int64_t least,
	int64_t *value);
/* A bound on replicas that the guard's own goes below is worth a warning. */
void step_warn_replicas(const struct step_reading *reading, const char *key, int64_t value);
/* A relative raise needs its highest value, a cut its lowest and a condition. */
void step_check_bounds(const struct step_reading *reading, const char *key,
	const struct step_change *change);
/* What makes a workload smaller needs a condition. */
void step_need_condition(const struct step_reading *reading);
/* A template of at most size_max bytes. */
void step_read_template(const struct step_reading *reading, const char *key, bool required,
	size_t size_max, char **text);

/* Of what a step sends, never 0 but for NULL. */
uint64_t content_hash(const char *text);

/* For playbook_read.c: a text on the heap, and one that is bounded. */
char *playbook_copy_text(const struct yaml_reader *at, const struct yaml_node *node,
	const char *text);
void playbook_read_text(const struct yaml_reader *at, const struct yaml_node *map, const char *key,
	bool required, size_t size_max, char **text);

#endif
