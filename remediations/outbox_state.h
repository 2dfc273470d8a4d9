/*
 * What the outbox's files share: its memory. For outbox*.c only; everybody else uses outbox.h.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_OUTBOX_STATE_H
#define NIMBUSGUARD_REMEDIATIONS_OUTBOX_STATE_H

#include "remediations/outbox.h"

#define OUTBOX_ERROR_MAX 256

/* X(state, name) */
#define OUTBOX_STATE_TABLE(X)                                                                      \
	X(OUTBOX_QUEUED, "queued") /* its opening is still to be told */                           \
	X(OUTBOX_OPEN, "open")                                                                     \
	X(OUTBOX_CLOSED, "closed")                                                                 \
	X(OUTBOX_DEAD, "dead")       /* refused, or nobody answered for too long */                \
	X(OUTBOX_SKIPPED, "skipped") /* it was over before it was told */

enum outbox_ticket_state {
#define X(state, name) state,
	OUTBOX_STATE_TABLE(X)
#undef X
		OUTBOX_STATE_COUNT
};

struct outbox_ticket {
	bool used, closing; /* closing: its end was put */
	enum outbox_ticket_state state;
	size_t service;
	char incident[INCIDENT_ID_MAX], dedup[TICKET_KEY_MAX];
	char external[TICKET_EXTERNAL_MAX], url[TICKET_LINK_MAX], error[OUTBOX_ERROR_MAX];
	uint64_t fingerprint, order;
	uint64_t opened_number; /* record of its opening where it was replayed; 0: of this run */
	int64_t starts_ms;
	bool shared; /* of several alerts: the end of the first one is not the incident's */
	unsigned comments, pending;
	unsigned last, next; /* highest number of an entry; lowest of those that wait, 0: none */
};

enum outbox_entry_state { ENTRY_FREE, ENTRY_UNWRITTEN, ENTRY_WRITTEN, ENTRY_SENDING };

struct outbox_entry {
	enum outbox_entry_state state;
	enum ticket_operation operation;
	unsigned number, tries;
	size_t ticket;
	bool again;        /* it may have been told */
	int64_t queued_ms; /* wall clock */
	int64_t due_ms;    /* monotonic clock */
};

struct outbox_service {
	unsigned failures; /* in a row, that made it rest */
	int64_t paused_until_ms;
	uint64_t dead;
	bool gone;
	char error[OUTBOX_ERROR_MAX];
};

struct outbox {
	struct outbox_config config;
	struct random random;
	struct outbox_ticket *tickets; /* [config.ticket_max] */
	struct outbox_entry *entries;  /* [entry_max] */
	size_t entry_max, entry_count, reserved;
	uint64_t order_last;
	struct outbox_service services[TICKET_SERVICES_MAX];
};

/* The body of a record without its event. */
struct outbox_record {
	char service[TICKET_NAME_MAX], incident[INCIDENT_ID_MAX];
	enum ticket_operation operation;
	unsigned number, tries;
	char state[16]; /* queued, told, dead, skipped, unsure */
	char key[TICKET_EXTERNAL_MAX], url[TICKET_LINK_MAX], error[OUTBOX_ERROR_MAX];
};

/* outbox.c */
struct outbox_ticket *outbox_find(const struct outbox *outbox, const char *incident,
	size_t service);
struct outbox_ticket *outbox_new_ticket(struct outbox *outbox);
size_t outbox_new_entry(struct outbox *outbox, struct outbox_ticket *ticket,
	enum ticket_operation operation, unsigned number);
void outbox_free_entry(struct outbox *outbox, size_t slot);
void outbox_describe(struct outbox_ticket *ticket, const struct ticket_event *event);
enum status outbox_record_read(const struct json_span *object, struct outbox_record *record,
	struct error *error) MUST_CHECK;
void outbox_replayed_start(struct outbox *outbox, struct outbox_ticket *ticket, size_t slot);
void outbox_replayed_end(struct outbox *outbox, struct outbox_ticket *ticket, size_t slot,
	const struct outbox_record *record);

#endif
