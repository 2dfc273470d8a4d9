/*
 * What happens to the requests of one slot: the law of the plant, for plants of named pods (plant.h) and
 * for counted ones (scaler/simulate.h) alike.
 *
 * C = ready mu; tot = B + a; served = min(tot, 15 C); B' = tot - served, at most 10 s of C, what is above
 * is dropped; W = (B + B') / 2C; rho = served / 15C; P(late) = 1 if W >= L or rho >= 1, else
 * exp(-mu (1 - rho) (L - W)); bad = P(late) max(0, a - drop) + drop.
 *
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_ANALYZERS_PLANT_LAW_H
#define NIMBUSGUARD_ANALYZERS_PLANT_LAW_H

#include <math.h>

#define PLANT_SLOT_S 15.0
#define PLANT_BACKLOG_S 10.0
#define PLANT_WAIT_MAX_S 30.0

struct plant_law {
	double served, dropped, bad; /* requests */
	double backlog;              /* left for the next slot */
	double utilization, wait_s;  /* rho, W */
};

/* rate: mu of one pod; limit_s: L; capacity: C, requests a second of all ready pods; backlog, arrivals:
 * requests; all finite and not negative. */
static inline struct plant_law plant_serve(double rate, double limit_s, double capacity,
	double backlog, double arrivals)
{
	double total = backlog + arrivals, room = PLANT_SLOT_S * capacity;
	double served = total < room ? total : room, left = total - served;
	double most = PLANT_BACKLOG_S * capacity;
	struct plant_law law = {.served = served,
		.utilization = 1,
		.wait_s = PLANT_WAIT_MAX_S,
		.backlog = left};
	double late = 1, kept;

	if (left > most) {
		law.dropped = left - most;
		law.backlog = most;
	}
	if (capacity > 0) {
		double inverse = 1 / capacity;

		law.utilization = served >= room ? 1 : served * inverse * (1 / PLANT_SLOT_S);
		law.wait_s = (backlog + law.backlog) * inverse * 0.5;
	}
	if (law.wait_s < limit_s && law.utilization < 1)
		late = exp(-rate * (1 - law.utilization) * (limit_s - law.wait_s));
	kept = arrivals > law.dropped ? arrivals - law.dropped : 0;
	law.bad = late * kept + law.dropped;
	return law;
}

#endif
