/*
 * The outbox out of the journal's records at start, and what is told of it.
 */
#include <string.h>

#include "base/mem.h"
#include "base/check.h"
#include "remediations/json_fields.h"
#include "remediations/outbox_state.h"

#define JSON_DEPTH_MAX 16

static const char *const state_names[] = {
#define X(state, name) name,
	OUTBOX_STATE_TABLE(X)
#undef X
};

/* ---- replay ---- */

static size_t find_service(const struct outbox *outbox, const char *name)
{
	for (size_t i = 0; i < outbox->config.service_count; i++)
		if (strcmp(outbox->config.services[i].name, name) == 0)
			return i;
	return OUTBOX_NONE;
}

static size_t find_entry(const struct outbox *outbox, const struct outbox_ticket *ticket,
	unsigned number)
{
	for (size_t i = 0; i < outbox->entry_max; i++)
		if (outbox->entries[i].state != ENTRY_FREE && outbox->entries[i].number == number &&
			&outbox->tickets[outbox->entries[i].ticket] == ticket)
			return i;
	return OUTBOX_NONE;
}

/* The ticket that a first record speaks of; made for an opening. NULL: there is none, or no room. */
static struct outbox_ticket *ticket_for(struct outbox *outbox, const struct outbox_record *record,
	size_t service, const struct ticket_event *event)
{
	struct outbox_ticket *ticket = outbox_find(outbox, record->incident, service);

	if (ticket != NULL || record->operation != TICKET_OPEN)
		return ticket;
	ticket = outbox_new_ticket(outbox);
	if (ticket == NULL)
		return NULL;
	/* In a state without an end to come; outbox_replayed_start() sets the right one. */
	*ticket = (struct outbox_ticket){.used = true,
		.service = service,
		.state = OUTBOX_DEAD,
		.order = ++outbox->order_last};
	outbox_describe(ticket, event);
	return ticket;
}

static enum status replay_start(struct outbox *outbox, const struct json_span *root,
	const struct outbox_record *record, size_t service, uint64_t record_number,
	struct error *error)
{
	struct ticket_event *event = mem_alloc(sizeof(*event));
	struct outbox_ticket *ticket;
	struct json_span value;
	enum status status;
	size_t slot;

	if (event == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a ticket");
	if (!fields_find(root, "event", &value)) {
		mem_free(event);
		return error_set(error, STATUS_BAD_INPUT, "event is absent");
	}
	status = ticket_event_read(&value, event, error);
	ticket = status == STATUS_OK ? ticket_for(outbox, record, service, event) : NULL;
	if (ticket != NULL && *event->joined != '\0')
		ticket->shared = true;
	if (ticket != NULL && record->operation == TICKET_OPEN)
		ticket->opened_number = record_number;
	if (ticket != NULL && find_entry(outbox, ticket, record->number) == OUTBOX_NONE) {
		slot = outbox_new_entry(outbox, ticket, record->operation, record->number);
		if (slot != OUTBOX_NONE) {
			outbox->entries[slot].queued_ms = event->time_ms;
			outbox_replayed_start(outbox, ticket, slot);
		}
	}
	mem_free(event);
	return status;
}

enum status outbox_replay(struct outbox *outbox, const struct record *record, bool *known,
	struct error *error)
{
	struct outbox_record body;
	struct outbox_ticket *ticket;
	struct json_span root;
	size_t service, slot;
	enum status status =
		json_span_init(&root, record->body, strlen(record->body), JSON_DEPTH_MAX, error);

	*known = true;
	if (status == STATUS_OK)
		status = outbox_record_read(&root, &body, error);
	if (status != STATUS_OK)
		return error_prefix(error, "ticket %s", record->key);
	service = find_service(outbox, body.service);
	*known = service != OUTBOX_NONE;
	if (!*known)
		return STATUS_OK;
	if (strcmp(body.state, "queued") == 0) {
		status = replay_start(outbox, &root, &body, service, record->number, error);
		return status == STATUS_OK ? status : error_prefix(error, "ticket %s", record->key);
	}
	ticket = outbox_find(outbox, body.incident, service);
	slot = ticket != NULL ? find_entry(outbox, ticket, body.number) : OUTBOX_NONE;
	if (slot != OUTBOX_NONE)
		outbox_replayed_end(outbox, ticket, slot, &body);
	return STATUS_OK;
}

/* ---- what is told of it ---- */

bool outbox_next_open(const struct outbox *outbox, uint64_t fingerprint, int64_t starts_ms,
	uint64_t number, size_t *at, size_t *service, struct ticket_event *event)
{
	while (*at < outbox->config.ticket_max) {
		const struct outbox_ticket *ticket = &outbox->tickets[(*at)++];

		/* Of several alerts the engine tells when the last one ended. */
		if (!ticket->used || ticket->closing || ticket->shared ||
			ticket->fingerprint != fingerprint || ticket->starts_ms > starts_ms ||
			ticket->opened_number >= number ||
			(ticket->state != OUTBOX_QUEUED && ticket->state != OUTBOX_OPEN))
			continue;
		*service = ticket->service;
		*event = (struct ticket_event){.operation = TICKET_CLOSE,
			.severity = TICKET_INFO,
			.fingerprint = fingerprint,
			.starts_ms = ticket->starts_ms};
		memcpy(event->incident, ticket->incident, sizeof(event->incident));
		memcpy(event->key, ticket->dedup, sizeof(event->key));
		return true;
	}
	return false;
}

bool outbox_has(const struct outbox *outbox, const char *incident)
{
	for (size_t i = 0; i < outbox->config.service_count; i++)
		if (outbox_find(outbox, incident, i) != NULL)
			return true;
	return false;
}

static void add_known(struct buf *json, const char *name, const char *text)
{
	buf_printf(json, ",\"%s\":", name);
	if (*text != '\0')
		buf_add_json_string(json, text, strlen(text));
	else
		buf_add_text(json, "null");
}

void outbox_write_incident(const struct outbox *outbox, const char *incident, struct buf *json)
{
	size_t count = 0;

	buf_add_char(json, '[');
	for (size_t i = 0; i < outbox->config.service_count; i++) {
		const struct outbox_ticket *ticket = outbox_find(outbox, incident, i);
		const struct ticket_service *service = &outbox->config.services[i];

		if (ticket == NULL)
			continue;
		buf_printf(json,
			"%s{\"service\":\"%s\",\"kind\":\"%s\",\"state\":\"%s\",\"queued\":%u",
			count++ ? "," : "", service->name, ticket_kind_name((int)service->kind),
			state_names[ticket->state], ticket->pending);
		add_known(json, "key", ticket->external);
		add_known(json, "url", ticket->url);
		add_known(json, "error", ticket->error);
		buf_add_char(json, '}');
	}
	buf_add_char(json, ']');
}

void outbox_state(const struct outbox *outbox, size_t service, int64_t now_ms, int64_t mono_ms,
	struct outbox_state *state)
{
	const struct outbox_service *of = &outbox->services[service];
	int64_t oldest = now_ms;

	*state = (struct outbox_state){.dead = of->dead, .gone = of->gone, .error = of->error};
	if (of->paused_until_ms > mono_ms)
		state->pause_ms = of->paused_until_ms - mono_ms;
	for (size_t i = 0; i < outbox->entry_max; i++) {
		const struct outbox_entry *entry = &outbox->entries[i];

		if (entry->state == ENTRY_FREE || outbox->tickets[entry->ticket].service != service)
			continue;
		state->queued++;
		if (entry->queued_ms < oldest)
			oldest = entry->queued_ms;
	}
	state->oldest_ms = now_ms - oldest;
}
