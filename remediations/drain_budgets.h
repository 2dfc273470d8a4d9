/*
 * Which PodDisruptionBudgets (policy/v1) the pods of a drain are under, and which of them would hold it
 * up as they stand.
 *
 * Limits: DRAIN_BUDGETS_MAX budgets are told by name, of more their number; DRAIN_PODS_MAX pods.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_DRAIN_BUDGETS_H
#define NIMBUSGUARD_REMEDIATIONS_DRAIN_BUDGETS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define DRAIN_BUDGETS_MAX 4
#define DRAIN_PODS_MAX 1000

/* A budget that allows fewer of the node's pods to go now than are under it. */
struct drain_budget {
	char name[80]; /* "shop/web", cut */
	unsigned pods, allowed;
};

struct drain_budgets {
	struct drain_budget list[DRAIN_BUDGETS_MAX];
	unsigned count;  /* of those that hold it up, told or not */
	char twice[160]; /* a pod under two of them, which cannot be evicted; "": none */
};

/* Pods that are to be evicted, and how many budgets each is under. */
struct drain_crowd {
	json_t *pods[DRAIN_PODS_MAX];
	unsigned char under[DRAIN_PODS_MAX];
	size_t count;
	bool full; /* there were more */
};

/* Adds a pod, which is held until the crowd's end; one that no budget is asked for is left out. */
void drain_crowd_add(struct drain_crowd *crowd, json_t *pod);
void drain_crowd_fini(struct drain_crowd *crowd);
/* Adds a page of the list of budgets to zeroed ones. */
void drain_budgets_add(struct drain_budgets *budgets, struct drain_crowd *crowd,
	const json_t *list);
/* "; PodDisruptionBudget shop/web allows 0 of 3 pods now"; "" when none holds it up. Cut at size. */
void drain_budgets_write(const struct drain_budgets *budgets, char *text, size_t size);

#endif
