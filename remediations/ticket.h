/*
 * Tickets as values: what a service is, what is told it, how that stands in the journal, and texts
 * that are cut for services without breaking a character.
 *
 * Ownership: plain values; a struct ticket_service borrows its texts.
 * Limits: as the fields say; what is longer is cut at a character.
 * Threads: any.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_TICKET_H
#define NIMBUSGUARD_REMEDIATIONS_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "remediations/incident.h"

#define TICKET_SERVICES_MAX 8
#define TICKET_LABELS_MAX 16
#define TICKET_NAME_MAX 64

#define TICKET_KIND_TABLE(X)                                                                       \
	X(TICKET_PAGERDUTY, "pagerduty")                                                           \
	X(TICKET_JIRA, "jira")                                                                     \
	X(TICKET_WEBHOOK, "webhook")

enum ticket_kind {
#define X(kind, name) kind,
	TICKET_KIND_TABLE(X)
#undef X
		TICKET_KIND_COUNT
};

/* X(operation, name, type of the webhook's message) */
#define TICKET_OPERATION_TABLE(X)                                                                  \
	X(TICKET_OPEN, "open", "incident.opened")                                                  \
	X(TICKET_COMMENT, "comment", "incident.updated")                                           \
	X(TICKET_CLOSE, "close", "incident.resolved")

enum ticket_operation {
#define X(operation, name, type) operation,
	TICKET_OPERATION_TABLE(X)
#undef X
		TICKET_OPERATION_COUNT
};

/* In the words of PagerDuty. */
enum ticket_severity {
	TICKET_CRITICAL,
	TICKET_ERROR,
	TICKET_WARNING,
	TICKET_INFO,
	TICKET_SEVERITY_COUNT
};

/* NULL behind the last of each. */
const char *ticket_kind_name(int kind);
const char *ticket_operation_name(int operation);
const char *ticket_operation_type(enum ticket_operation operation);
const char *ticket_severity_name(int severity);
/* Of an alert's label severity: critical and page; error, high and major; info, none, low and
 * informational; all else, and no label, is a warning. Letter case does not matter. */
enum ticket_severity ticket_severity_of(const char *label);

/* A service that takes tickets. */
struct ticket_service {
	enum ticket_kind kind;
	const char *name; /* unique; letters, digits, '-', '_' */
	/* PagerDuty and Jira: scheme and host, with a path before the API's if need be; webhook: all of
	 * it. Never told in logs, for a webhook's URL may be a secret. */
	const char *url;
	const char *secret_file; /* PagerDuty: routing key; Jira: token; webhook: whsec_ secrets */
	const char *ca_file;     /* NULL: the system's */
	/* Jira only. */
	const char *user; /* e-mail of the token's owner: Jira Cloud; NULL: Data Center, bearer */
	const char *project, *issue_type;
	const char *close_transition;                  /* NULL: a comment says that it is over */
	const char *priorities[TICKET_SEVERITY_COUNT]; /* NULL: not sent */
	const char *labels[TICKET_LABELS_MAX];         /* beside our own */
	size_t label_count;
};

#define TICKET_KEY_MAX 201
#define TICKET_ID_MAX 128
#define TICKET_LINK_MAX 1024
#define TICKET_GATES_MAX 1536
#define TICKET_TRIED_MAX 2048

/* One thing to be told about an incident. */
struct ticket_event {
	enum ticket_operation operation;
	enum ticket_severity severity;
	char key[TICKET_KEY_MAX]; /* the incident's, the same for all that is told of it; ASCII */
	char incident[INCIDENT_ID_MAX], action[ACTION_ID_MAX];
	char name[256], playbook[PLAYBOOK_NAME_MAX];
	char cluster[NAMESPACE_MAX], namespace_name[NAMESPACE_MAX];
	char workload_kind[32], workload[OBJECT_NAME_MAX], target[TARGET_TEXT_MAX];
	char title[256], text[ACTION_TEXT_MAX]; /* of a comment or close: what happened */
	char reason[REASON_MAX], sentence[SENTENCE_MAX];
	char joined
		[TICKET_TRIED_MAX]; /* the incident's other alerts and findings; "" when there are none */
	char tried[TICKET_TRIED_MAX]; /* the incident's other actions, a line each */
	char gates[TICKET_GATES_MAX]; /* what the guard said, a line each; filled before sending */
	char link[TICKET_LINK_MAX], runbook[TICKET_LINK_MAX];
	uint64_t fingerprint;
	int64_t starts_ms; /* of the incident's newest alert */
	int64_t time_ms;
};

/*
 * What an incident tells. action: the ticket's or the one that something became of; may be NULL.
 * external_url: of this service, or "". runbook: or NULL. text NULL: the action's own title and text.
 */
void ticket_event_fill(struct ticket_event *event, enum ticket_operation operation,
	const struct incident *incident, const struct action *action, const char *external_url,
	const char *runbook, const char *text, int64_t now_ms);

/* As an object, and back. */
void ticket_event_write(struct buf *json, const struct ticket_event *event);
enum status ticket_event_read(const struct json_span *object, struct ticket_event *event,
	struct error *error) MUST_CHECK;

/* All of it as plain text for people, for services whose tickets are text. */
void ticket_event_words(struct buf *text, const struct ticket_event *event);

/* Copies as much of text as fits, cut between characters; what is no UTF-8 becomes U+FFFD, but for a
 * sequence that somebody cut at the end: it is left out. */
void ticket_text_copy(char *to, size_t size, const char *text);
/* A JSON string of at most rune_max characters and byte_max bytes of UTF-8, cut the same way and with
 * "..." when it was. one_line: line breaks and tabs become blanks. */
void ticket_add_json(struct buf *json, const char *text, size_t rune_max, size_t byte_max,
	bool one_line);

#endif
