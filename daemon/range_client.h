/*
 * Range queries to Prometheus for commands: days of minutes in as many answers as it takes, and whose pods
 * are meant.
 *
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_RANGE_CLIENT_H
#define NIMBUSGUARD_DAEMON_RANGE_CLIENT_H

#include <stdint.h>

#include "base/workload.h"
#include "daemon/command.h"
#include "daemon/prometheus_answer.h"

#define RANGE_EXPRESSION_MAX 4096

struct range_client;

/* By --start and --end (default: the last 14 days), with the credentials and limits of backfill.*; both
 * times on whole minutes, an hour to days_max days apart. NULL after a message on standard error; *result
 * is the exit status then. */
struct range_client *range_client_open(const struct command_line *line, const char *url,
	int64_t days_max, int *result);
void range_client_close(struct range_client *client);
int64_t range_client_start_ms(const struct range_client *client);
int64_t range_client_end_ms(const struct range_client *client);
const char *range_client_url(const struct range_client *client);
const struct config *range_client_config(const struct range_client *client);

/* All of the time, an answer for 1440 steps; take is called for each series of each answer. */
enum status range_client_ask(struct range_client *client, const char *expression, int64_t step_ms,
	matrix_series_fn *take, void *argument, struct error *error) MUST_CHECK;

/* NAMESPACE/KIND/NAME; pods: [RANGE_PODS_MAX], a regular expression for the names of its pods. False
 * after a message. */
#define RANGE_PODS_MAX 640
bool range_target_read(const char *text, struct workload_key *workload, char *pods);

#endif
