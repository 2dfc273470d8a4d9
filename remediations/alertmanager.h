/*
 * Silences of an Alertmanager (API v2): found by the key of ours that stands in the comment, created when
 * there is none, and removed.
 *
 * Ownership: texts are borrowed.
 * Limits: those of ticket_http.h: lists of at most TICKET_ANSWER_MAX bytes.
 * Threads: one thread's own.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_ALERTMANAGER_H
#define NIMBUSGUARD_REMEDIATIONS_ALERTMANAGER_H

#include "base/matcher.h"
#include "remediations/actuator.h"
#include "remediations/webhook_call.h"

#define SILENCE_ID_MAX 64
#define SILENCE_CREATOR "nimbusguard"
#define SILENCE_TIME_MAX_MS (4 * 3600 * INT64_C(1000))

struct alertmanager_config {
	const char *url;        /* with a path before /api/v2 if need be; NULL: none */
	const char *token_file; /* a bearer token, or with `user` the password; NULL: none */
	const char *user;       /* NULL: bearer */
	const char *ca_file;    /* NULL: the system's */
};

/* [{"name","value","isRegex","isEqual"}] as the API takes it. */
void silence_write_matchers(struct buf *json, const struct matchers *matchers);
/* What a silence of an action is found by: of its incident and what it covers, the same for each try and
 * for its end. size of at least 128. */
void silence_key(const struct command *command, char *key, size_t size);

/*
 * command->payload: {"matchers":[..],"comment":".."}; CHANGE_SILENCED 0 -> 1 creates, 1 -> 0 removes, both
 * after a look for the key. The silence ends options.time_ms from now by itself. result->detail gets its
 * id and end.
 */
void silence_call(const struct alertmanager_config *config, const struct web_calling *calling,
	const struct command *command, struct command_result *result);

#endif
