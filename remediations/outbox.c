/*
 * The outbox's tickets and entries, and the rules of trying again.
 */
#include "remediations/outbox.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/json_fields.h"
#include "remediations/outbox_state.h"

struct outbox *outbox_open(const struct outbox_config *config, uint64_t seed)
{
	struct outbox *outbox = mem_zalloc(1, sizeof(*outbox));

	if (outbox == NULL)
		return NULL;
	CHECK(config->service_count <= TICKET_SERVICES_MAX);
	outbox->config = *config;
	if (outbox->config.ticket_max == 0)
		outbox->config.ticket_max = OUTBOX_TICKETS_MAX;
	if (outbox->config.gap_first_ms == 0)
		outbox->config.gap_first_ms = 5000;
	if (outbox->config.gap_max_ms == 0)
		outbox->config.gap_max_ms = 3600 * 1000;
	if (outbox->config.pause_max_ms == 0)
		outbox->config.pause_max_ms = 300 * 1000;
	if (outbox->config.give_up_ms == 0)
		outbox->config.give_up_ms = 3 * 24 * 3600 * INT64_C(1000);
	random_init(&outbox->random, seed);
	outbox->entry_max = 2 * outbox->config.ticket_max;
	outbox->tickets = mem_zalloc(outbox->config.ticket_max, sizeof(*outbox->tickets));
	outbox->entries = mem_zalloc(outbox->entry_max, sizeof(*outbox->entries));
	if (outbox->tickets != NULL && outbox->entries != NULL)
		return outbox;
	outbox_close(outbox);
	return NULL;
}

void outbox_close(struct outbox *outbox)
{
	if (outbox == NULL)
		return;
	mem_free(outbox->tickets);
	mem_free(outbox->entries);
	mem_free(outbox);
}

/* ---- tickets ---- */

struct outbox_ticket *outbox_find(const struct outbox *outbox, const char *incident, size_t service)
{
	for (size_t i = 0; i < outbox->config.ticket_max; i++) {
		struct outbox_ticket *ticket = &outbox->tickets[i];

		if (ticket->used && ticket->service == service &&
			strcmp(ticket->incident, incident) == 0)
			return ticket;
	}
	return NULL;
}

static bool has_ended(const struct outbox_ticket *ticket)
{
	return ticket->state == OUTBOX_CLOSED || ticket->state == OUTBOX_DEAD ||
		ticket->state == OUTBOX_SKIPPED;
}

/* Whether an end may still come for it, for which an entry is kept free. */
static bool may_close(const struct outbox_ticket *ticket)
{
	return ticket->used && !has_ended(ticket) && !ticket->closing;
}

static void release(struct outbox *outbox, struct outbox_ticket *ticket)
{
	outbox->reserved -= may_close(ticket);
	*ticket = (struct outbox_ticket){.used = false};
}

/* Between two states; keeps count of the entries that are kept free. */
static void set_state(struct outbox *outbox, struct outbox_ticket *ticket,
	enum outbox_ticket_state state, bool closing)
{
	outbox->reserved -= may_close(ticket);
	ticket->state = state;
	ticket->closing = closing;
	outbox->reserved += may_close(ticket);
}

struct outbox_ticket *outbox_new_ticket(struct outbox *outbox)
{
	struct outbox_ticket *best = NULL;

	for (size_t i = 0; i < outbox->config.ticket_max; i++) {
		struct outbox_ticket *ticket = &outbox->tickets[i];

		if (!ticket->used)
			return ticket;
		if (ticket->pending > 0)
			continue;
		if (best == NULL || has_ended(ticket) > has_ended(best) ||
			(has_ended(ticket) == has_ended(best) && ticket->order < best->order))
			best = ticket;
	}
	if (best != NULL)
		release(outbox, best);
	return best;
}

/* ---- entries ---- */

static struct outbox_ticket *ticket_of(const struct outbox *outbox, size_t slot)
{
	return &outbox->tickets[outbox->entries[slot].ticket];
}

static void write_id(const struct outbox *outbox, const struct outbox_ticket *ticket,
	unsigned number, char id[TICKET_ID_MAX])
{
	snprintf(id, TICKET_ID_MAX, "%s/%.63s/%u", ticket->incident,
		outbox->config.services[ticket->service].name, number);
}

size_t outbox_new_entry(struct outbox *outbox, struct outbox_ticket *ticket,
	enum ticket_operation operation, unsigned number)
{
	size_t slot = 0;

	while (slot < outbox->entry_max && outbox->entries[slot].state != ENTRY_FREE)
		slot++;
	if (slot == outbox->entry_max)
		return OUTBOX_NONE;
	outbox->entries[slot] = (struct outbox_entry){.state = ENTRY_UNWRITTEN,
		.operation = operation,
		.number = number,
		.ticket = (size_t)(ticket - outbox->tickets)};
	outbox->entry_count++;
	ticket->pending++;
	if (ticket->next == 0 || number < ticket->next)
		ticket->next = number;
	if (number > ticket->last)
		ticket->last = number;
	return slot;
}

/* The entry ends; the ticket's next one may be told. */
void outbox_free_entry(struct outbox *outbox, size_t slot)
{
	struct outbox_ticket *ticket = ticket_of(outbox, slot);
	size_t index = outbox->entries[slot].ticket;

	CHECK(outbox->entries[slot].state != ENTRY_FREE && ticket->pending > 0);
	outbox->entries[slot].state = ENTRY_FREE;
	outbox->entry_count--;
	ticket->pending--;
	ticket->next = 0;
	for (size_t i = 0; i < outbox->entry_max && ticket->pending > 0; i++) {
		const struct outbox_entry *entry = &outbox->entries[i];

		if (entry->state != ENTRY_FREE && entry->ticket == index &&
			(ticket->next == 0 || entry->number < ticket->next))
			ticket->next = entry->number;
	}
}

/* ---- records ---- */

static const struct field record_fields[] = {
	FIELD(FIELD_TEXT, struct outbox_record, service),
	FIELD(FIELD_TEXT, struct outbox_record, incident),
	FIELD_ENUM("operation", struct outbox_record, operation, ticket_operation_name),
	FIELD(FIELD_UNSIGNED, struct outbox_record, number),
	FIELD(FIELD_TEXT, struct outbox_record, state),
	FIELD(FIELD_UNSIGNED, struct outbox_record, tries),
	FIELD(FIELD_TEXT, struct outbox_record, key),
	FIELD(FIELD_TEXT, struct outbox_record, url),
	FIELD(FIELD_TEXT, struct outbox_record, error),
};

enum status outbox_record_read(const struct json_span *object, struct outbox_record *record,
	struct error *error)
{
	memset(record, 0, sizeof(*record));
	return fields_read(object, record_fields, ARRAY_COUNT(record_fields), record, error);
}

static bool write_record(const struct outbox *outbox, size_t slot, const char *word,
	const char *words, const struct ticket_event *event, int64_t now_ms, struct record *record)
{
	const struct outbox_entry *entry = &outbox->entries[slot];
	const struct outbox_ticket *ticket = ticket_of(outbox, slot);
	struct outbox_record body = {.operation = entry->operation,
		.number = entry->number,
		.tries = entry->tries};
	char id[TICKET_ID_MAX];
	struct buf json;

	write_id(outbox, ticket, entry->number, id);
	snprintf(body.service, sizeof(body.service), "%.63s",
		outbox->config.services[ticket->service].name);
	memcpy(body.incident, ticket->incident, sizeof(body.incident));
	snprintf(body.state, sizeof(body.state), "%s", word);
	memcpy(body.key, ticket->external, sizeof(body.key));
	memcpy(body.url, ticket->url, sizeof(body.url));
	ticket_text_copy(body.error, sizeof(body.error), words);
	buf_init(&json, RECORD_BODY_MAX);
	buf_add_char(&json, '{');
	fields_write(&json, record_fields, ARRAY_COUNT(record_fields), &body);
	if (event != NULL) {
		buf_add_text(&json, ",\"event\":");
		ticket_event_write(&json, event);
	}
	buf_add_char(&json, '}');
	*record = (struct record){.kind = RECORD_TICKET, .time_ms = now_ms};
	record->body = buf_take(&json, NULL);
	record->key = mem_strdup(id);
	record->incident = mem_strdup(ticket->incident);
	if (record->body != NULL && record->key != NULL && record->incident != NULL)
		return true;
	record_fini(record);
	return false;
}

/* ---- putting ---- */

void outbox_describe(struct outbox_ticket *ticket, const struct ticket_event *event)
{
	memcpy(ticket->incident, event->incident, sizeof(ticket->incident));
	memcpy(ticket->dedup, event->key, sizeof(ticket->dedup));
	ticket->fingerprint = event->fingerprint;
	ticket->starts_ms = event->starts_ms;
	ticket->shared = *event->joined != '\0';
}

/* Whether there is room, and a ticket for it: found, or made for an opening. */
static enum status admit(struct outbox *outbox, const struct ticket_event *event, size_t service,
	struct outbox_ticket **found)
{
	struct outbox_ticket *ticket = outbox_find(outbox, event->incident, service);
	size_t taken = outbox->entry_count + outbox->reserved;

	*found = ticket;
	if (event->operation == TICKET_OPEN) {
		if (ticket != NULL && ticket->state != OUTBOX_DEAD)
			return STATUS_CONFLICT;
		if (taken + 2 > outbox->entry_max)
			return STATUS_LIMIT;
		if (ticket == NULL)
			*found = outbox_new_ticket(outbox);
		return *found != NULL ? STATUS_OK : STATUS_LIMIT;
	}
	if (ticket == NULL || has_ended(ticket))
		return STATUS_NOT_FOUND;
	if (ticket->closing)
		return STATUS_CONFLICT;
	if (event->operation == TICKET_COMMENT)
		return ticket->comments < OUTBOX_COMMENTS_MAX &&
				taken + 1 <= outbox->entry_max / 4 * 3
			? STATUS_OK
			: STATUS_LIMIT;
	return STATUS_OK;
}

enum status outbox_put(struct outbox *outbox, const struct ticket_event *event, size_t service,
	int64_t now_ms, int64_t mono_ms, size_t *slot, struct record *record)
{
	struct outbox_ticket *ticket;
	enum status status = admit(outbox, event, service, &ticket);

	*slot = OUTBOX_NONE;
	if (ticket != NULL && ticket->used && *event->joined != '\0')
		ticket->shared = true;
	if (status != STATUS_OK)
		return status;
	if (event->operation == TICKET_OPEN) {
		if (!ticket->used)
			*ticket = (struct outbox_ticket){.service = service,
				.state = OUTBOX_DEAD,
				.order = ++outbox->order_last};
		ticket->used = true;
		outbox_describe(ticket, event);
		set_state(outbox, ticket, OUTBOX_QUEUED, false);
	} else if (event->operation == TICKET_CLOSE) {
		set_state(outbox, ticket, ticket->state, true);
	} else {
		ticket->comments++;
	}
	*slot = outbox_new_entry(outbox, ticket, event->operation, ticket->last + 1);
	/* Room was counted above. */
	CHECK(*slot != OUTBOX_NONE);
	outbox->entries[*slot].queued_ms = now_ms;
	outbox->entries[*slot].due_ms = mono_ms;
	if (write_record(outbox, *slot, "queued", "", event, now_ms, record))
		return STATUS_OK;
	outbox_drop(outbox, *slot);
	*slot = OUTBOX_NONE;
	return STATUS_NO_MEMORY;
}

void outbox_written(struct outbox *outbox, size_t slot)
{
	CHECK(outbox->entries[slot].state == ENTRY_UNWRITTEN);
	outbox->entries[slot].state = ENTRY_WRITTEN;
}

void outbox_drop(struct outbox *outbox, size_t slot)
{
	struct outbox_ticket *ticket = ticket_of(outbox, slot);
	enum ticket_operation operation = outbox->entries[slot].operation;

	CHECK(outbox->entries[slot].state == ENTRY_UNWRITTEN);
	outbox_free_entry(outbox, slot);
	if (operation == TICKET_CLOSE)
		set_state(outbox, ticket, ticket->state, false);
	else if (operation == TICKET_COMMENT)
		ticket->comments--;
	else if (ticket->pending == 0)
		release(outbox, ticket);
	else
		set_state(outbox, ticket, OUTBOX_DEAD, false);
}

/* ---- taking ---- */

/* Whether telling it is of no use: the ticket is not there, or its end came before its beginning was
 * told. Where it may have been told without an answer, a service that is asked by key is told of the end
 * only, and a webhook of both. */
static bool not_needed(const struct outbox *outbox, const struct outbox_entry *entry)
{
	const struct outbox_ticket *ticket = &outbox->tickets[entry->ticket];

	if (entry->operation != TICKET_OPEN)
		return ticket->state == OUTBOX_DEAD || ticket->state == OUTBOX_SKIPPED;
	return ticket->closing &&
		(!entry->again || outbox->config.services[ticket->service].kind != TICKET_WEBHOOK);
}

size_t outbox_take(struct outbox *outbox, size_t service, int64_t mono_ms, int64_t *wait_ms,
	bool *skip)
{
	const struct outbox_service *state = &outbox->services[service];
	size_t best = OUTBOX_NONE;
	int64_t soonest = INT64_MAX;

	*skip = false;
	for (size_t i = 0; i < outbox->entry_max; i++) {
		const struct outbox_entry *entry = &outbox->entries[i];
		int64_t due = entry->due_ms;

		if (entry->state != ENTRY_WRITTEN)
			continue;
		const struct outbox_ticket *ticket = &outbox->tickets[entry->ticket];

		if (ticket->service != service || ticket->next != entry->number)
			continue;
		if (not_needed(outbox, entry))
			due = mono_ms;
		else if (due < state->paused_until_ms && !state->gone)
			due = state->paused_until_ms;
		if (due < soonest) {
			soonest = due;
			best = i;
		}
	}
	if (best == OUTBOX_NONE || soonest > mono_ms) {
		*wait_ms = best == OUTBOX_NONE ? INT64_MAX : soonest - mono_ms;
		return OUTBOX_NONE;
	}
	outbox->entries[best].state = ENTRY_SENDING;
	*skip = state->gone || not_needed(outbox, &outbox->entries[best]);
	return best;
}

void outbox_item(const struct outbox *outbox, size_t slot, struct outbox_item *item)
{
	const struct outbox_entry *entry = &outbox->entries[slot];
	const struct outbox_ticket *ticket = ticket_of(outbox, slot);

	*item = (struct outbox_item){.operation = entry->operation, .again = entry->again};
	write_id(outbox, ticket, entry->number, item->id);
	write_id(outbox, ticket, 1, item->opening_id);
	memcpy(item->incident, ticket->incident, sizeof(item->incident));
	memcpy(item->external, ticket->external, sizeof(item->external));
	memcpy(item->key, ticket->dedup, sizeof(item->key));
}

/* ---- what came of it ---- */

/* Doubled each time up to the longest, with chance so that many do not come back at once. */
static int64_t gap_ms(struct outbox *outbox, unsigned failures, int64_t longest)
{
	int64_t gap = outbox->config.gap_first_ms;

	for (unsigned i = 1; i < failures && gap < longest; i++)
		gap *= 2;
	if (gap > longest)
		gap = longest;
	return gap - gap / 4 + (int64_t)random_below(&outbox->random, (uint64_t)gap / 2 + 1);
}

static void try_later(struct outbox *outbox, struct outbox_entry *entry,
	struct outbox_service *service, const struct ticket_result *result, int64_t mono_ms)
{
	int64_t wait = gap_ms(outbox, entry->tries, outbox->config.gap_max_ms), pause;

	if (wait < result->wait_ms)
		wait = result->wait_ms;
	entry->state = ENTRY_WRITTEN;
	entry->again = true;
	entry->due_ms = mono_ms + wait;
	if (!result->pause)
		return;
	pause = gap_ms(outbox, ++service->failures, outbox->config.pause_max_ms);
	if (pause < result->wait_ms)
		pause = result->wait_ms;
	service->paused_until_ms = mono_ms + pause;
}

static void note_told(struct outbox *outbox, struct outbox_ticket *ticket,
	enum ticket_operation operation, const struct ticket_result *result)
{
	if (result->external[0] != '\0')
		memcpy(ticket->external, result->external, sizeof(ticket->external));
	if (result->url[0] != '\0')
		memcpy(ticket->url, result->url, sizeof(ticket->url));
	if (operation != TICKET_COMMENT)
		set_state(outbox, ticket, operation == TICKET_CLOSE ? OUTBOX_CLOSED : OUTBOX_OPEN,
			ticket->closing);
	ticket->error[0] = '\0';
}

/* An opening that was not told makes a ticket that is not there; one that may have been told is left to
 * what comes behind it. */
static void note_ended(struct outbox *outbox, struct outbox_ticket *ticket,
	const struct outbox_entry *entry, bool skipped, const char *words)
{
	/* Why the ticket is not there says more than that its comment is not needed then. */
	if (!skipped)
		ticket_text_copy(ticket->error, sizeof(ticket->error), words);
	if (entry->operation == TICKET_OPEN && skipped && entry->again)
		return;
	if (entry->operation == TICKET_OPEN)
		set_state(outbox, ticket, skipped ? OUTBOX_SKIPPED : OUTBOX_DEAD, ticket->closing);
	else if (entry->operation == TICKET_CLOSE && !has_ended(ticket))
		set_state(outbox, ticket, skipped ? OUTBOX_CLOSED : OUTBOX_DEAD, true);
}

bool outbox_done(struct outbox *outbox, size_t slot, const struct ticket_result *result,
	int64_t now_ms, int64_t mono_ms, const char **word, struct record *record)
{
	struct outbox_entry *entry = &outbox->entries[slot];
	struct outbox_ticket *ticket = ticket_of(outbox, slot);
	struct outbox_service *service = &outbox->services[ticket->service];
	bool skipped = result->verdict == TICKET_REFUSED &&
		(not_needed(outbox, entry) || result->error.code == STATUS_NOT_FOUND);

	CHECK(entry->state == ENTRY_SENDING);
	if (!skipped) {
		entry->tries++;
		ticket_text_copy(service->error, sizeof(service->error),
			result->verdict == TICKET_TOLD ? "" : result->error.text);
	}
	if (result->verdict == TICKET_LATER &&
		now_ms - entry->queued_ms < outbox->config.give_up_ms) {
		try_later(outbox, entry, service, result, mono_ms);
		return false;
	}
	service->gone = service->gone || result->gone;
	if (result->verdict == TICKET_TOLD) {
		service->failures = 0;
		service->paused_until_ms = 0;
		note_told(outbox, ticket, entry->operation, result);
		*word = "told";
	} else {
		note_ended(outbox, ticket, entry, skipped, result->error.text);
		service->dead += !skipped;
		*word = !skipped                                          ? "dead"
			: entry->operation == TICKET_OPEN && entry->again ? "unsure"
									  : "skipped";
	}
	if (!write_record(outbox, slot, *word,
		    result->verdict == TICKET_TOLD ? "" : result->error.text, NULL, now_ms, record))
		*record = (struct record){0};
	outbox_free_entry(outbox, slot);
	return true;
}

/* ---- replay ---- */

void outbox_replayed_end(struct outbox *outbox, struct outbox_ticket *ticket, size_t slot,
	const struct outbox_record *record)
{
	struct ticket_result result = {.verdict = TICKET_TOLD};
	const struct outbox_entry *entry = &outbox->entries[slot];

	if (strcmp(record->state, "told") == 0) {
		memcpy(result.external, record->key, sizeof(result.external));
		memcpy(result.url, record->url, sizeof(result.url));
		note_told(outbox, ticket, entry->operation, &result);
	} else if (strcmp(record->state, "unsure") != 0) {
		bool skipped = strcmp(record->state, "skipped") == 0;

		note_ended(outbox, ticket, &(struct outbox_entry){.operation = entry->operation},
			skipped, record->error);
		outbox->services[ticket->service].dead += !skipped;
	}
	outbox_free_entry(outbox, slot);
}

void outbox_replayed_start(struct outbox *outbox, struct outbox_ticket *ticket, size_t slot)
{
	struct outbox_entry *entry = &outbox->entries[slot];

	if (entry->operation == TICKET_OPEN)
		set_state(outbox, ticket, OUTBOX_QUEUED, false);
	else if (entry->operation == TICKET_CLOSE)
		set_state(outbox, ticket, ticket->state, true);
	else
		ticket->comments++;
	entry->state = ENTRY_WRITTEN;
	/* The program may have ended between telling it and noting that down. */
	entry->again = true;
}
