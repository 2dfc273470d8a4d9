/*
 * A number of pods that does not suffice for all, divided by what each further pod is worth: where it takes
 * the most risk of late requests away, there it goes.
 *
 * Risk of n pods under a load: the share of requests that are late by the law of fleet.h without a
 * backlog, exp(-FLEET_LATE (1 - rho)), and above the capacity 1 + (rho - 1): the more is missing, the
 * worse. The step from few pods to enough is taken as a whole for what it is worth a pod, as its parts
 * bring nothing one by one.
 *
 * Ownership: the caller's arrays.
 * Limits: BUDGET_SCOPES_MAX scopes a claim (its namespace, the whole).
 * Threads: pure; deterministic: of equal claims the first is served first.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_BUDGET_H
#define NIMBUSGUARD_ANALYZERS_SCALER_BUDGET_H

#include <stddef.h>

#include "base/error.h"

struct budget_claim {
	double load; /* rate over what one pod serves: pods' worth of traffic that is prepared for */
	int least; /* what it keeps whatever others need: what it has, or fewer if it wants fewer */
	int wanted;     /* at least `least` */
	unsigned scope; /* index of its namespace's limit */
	int granted;    /* the answer: least to wanted */
};

/* Risk of late requests at n pods; falls with n. */
double budget_risk(double load, int pods);

/* scopes: [scope_count], pods left for each namespace; total: for all; below 0: no limit. What is least is
 * granted also where a limit is below it already. Returns whether anything had to be cut; in *cut by how
 * many pods. STATUS_NO_MEMORY: nobody got more than its least. */
enum status budget_divide(struct budget_claim *claims, size_t count, const double *scopes,
	size_t scope_count, double total, int *cut, struct error *error) MUST_CHECK;

#endif
