/*
 * What classes of actions share by the shape of their change: what is written into the pod template,
 * and values of an object's spec.
 *
 * Threads: pure functions, but for what reads the cluster, which is the session's.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_ACTIONS_SHAPES_H
#define NIMBUSGUARD_REMEDIATIONS_ACTIONS_SHAPES_H

#include "remediations/actions/action_class.h"

/* Lines of struct action_need for a verb on each kind of workload. */
#define NEED_WORKLOADS(verb, reason, look)                                                         \
	{"apps", "deployments", verb, TARGET_BIT(TARGET_DEPLOYMENT), reason, look},                \
		{"apps", "statefulsets", verb, TARGET_BIT(TARGET_STATEFULSET), reason, look},      \
	{                                                                                          \
		"apps", "daemonsets", verb, TARGET_BIT(TARGET_DAEMONSET), reason, look             \
	}

/* Whether the object's spec has each value that the command writes (after: true), or has each that it
 * starts from. `read` tells the value of a field, false where it has none. */
typedef bool read_change_fn(const json_t *object, enum change_field field, int64_t *value);
bool object_has(const json_t *object, const struct changes *changes, bool after,
	read_change_fn *read);

/* Patches of containers go by name: fills sending->container from the target, or with the only
 * container that the object has. STATUS_BAD_INPUT: it has several. */
enum status prepare_container(struct sending *sending, struct error *error);

/* Whether the object carries this action's key. */
bool has_key(const struct sending *sending, const json_t *object);

/* "restart " and the target. */
void describe_restart(struct words *words, const struct command *command);

/* One flag of the spec: {"metadata":..,"spec":{"<name>":true}} */
void write_flag_body(struct buf *body, const struct sending *sending, const char *name,
	enum change_field field);
bool flag_is(const json_t *object, const char *name, const struct change *change, bool after);

/* Of nodes. Whether the mark of an action of ours (NULL: of any) is on it, and nobody else wrote
 * spec.unschedulable since. */
bool cordoned_by_us(const json_t *node, const char *action_id);
/* Cordons or uncordons, by the command's change, and sets or takes away the mark. */
void write_cordon_body(struct buf *body, const struct sending *sending);
bool is_cordon_wanted(const struct sending *sending, const json_t *node);

#endif
