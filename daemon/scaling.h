/*
 * The scaler's settings, and what the API says of it.
 *
 * Threads: pure, but for the routes, which run on the server's threads.
 */
#ifndef NIMBUSGUARD_DAEMON_SCALING_H
#define NIMBUSGUARD_DAEMON_SCALING_H

#include "analyzers/scaler/scaler.h"
#include "daemon/config.h"

/* Without what proposals are given to. */
void service_scaler_config(const struct config *config, struct scaler_config *scaler);

#endif
