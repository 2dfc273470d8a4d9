/*
 * What leaves the simulated cluster: the workload series by remote write, the alerts by webhook, as
 * Prometheus and Alertmanager would send them.
 *
 * Ownership: the sender owns its connections and buffers.
 * Limits: ALERTS_MAX alerts at once; what could not be delivered is sent again at the next slot.
 * Threads: one thread.
 */
#ifndef NIMBUSGUARD_DEMO_SENDER_H
#define NIMBUSGUARD_DEMO_SENDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "demo/cluster.h"

struct sender;

/* One alert rule on one object, and how far it is. */
struct sim_alert {
	bool active, firing, told_firing, used;
	char name[48], severity[16], workload[32], pod[64], container[32], summary[160];
	int64_t pending_ms, starts_ms, ends_ms;
};

struct sender *sender_open(const char *service_url, struct error *error) MUST_CHECK;
void sender_close(struct sender *sender);

/* The series of all workloads at now_ms. STATUS_UNAVAILABLE: no answer; STATUS_BAD_INPUT: refused. */
enum status sender_write(struct sender *sender, struct cluster *cluster, int64_t now_ms,
	struct error *error) MUST_CHECK;
/* Evaluates the alert rules on the cluster and sends what changed. *changed: the alerts that began
 * or ended to fire, copied to the caller (at most max). */
enum status sender_alert(struct sender *sender, struct cluster *cluster, int64_t now_ms,
	struct sim_alert *changed, size_t max, size_t *changed_count,
	struct error *error) MUST_CHECK;

#endif
