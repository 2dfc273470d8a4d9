/*
 * The table of HTTP routes and what serves them.
 *
 * Ownership: the table belongs to the caller (mem_free); it points to the service.
 * Threads: the functions run on the server's threads.
 */
#ifndef NIMBUSGUARD_DAEMON_ROUTES_H
#define NIMBUSGUARD_DAEMON_ROUTES_H

#include <stddef.h>

#include "base/error.h"
#include "receiver/server.h"

struct service;

struct route *routes_build(struct service *service, size_t *count, struct error *error) MUST_CHECK;

/* Parts of the table, a file each. `argument` is the service. */
void route_write(struct request *request, void *argument);
void route_webhook(struct request *request, void *argument);
enum status route_write_head(struct request *request, struct error *error);

void route_series(struct request *request, void *argument);
void route_query(struct request *request, void *argument);
void route_rollup(struct request *request, void *argument);
void route_signals(struct request *request, void *argument);
void route_detect(struct request *request, void *argument);
void route_predict(struct request *request, void *argument);
void route_scaler(struct request *request, void *argument);
void route_scaler_value(struct request *request, void *argument);
void route_rightsize(struct request *request, void *argument);
void route_workloads(struct request *request, void *argument);
void route_findings(struct request *request, void *argument);
void route_alerts(struct request *request, void *argument);
void route_incidents(struct request *request, void *argument);
void route_actions(struct request *request, void *argument);
void route_action_change(struct request *request, void *argument);
void route_why(struct request *request, void *argument);
void route_status(struct request *request, void *argument);
void route_handover(struct request *request, void *argument);
void route_pause(struct request *request, void *argument);
void route_modes(struct request *request, void *argument);
void route_lift(struct request *request, void *argument);

void route_page(struct request *request, void *argument);

#endif
