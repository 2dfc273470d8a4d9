/*
 * Bodies open with a version and what numbers them: another version is refused by name before anything of
 * it is believed. Then come records of plain values, as this machine has them; one value out of its bounds,
 * and nothing of the file is taken.
 */
#include "analyzers/scaler/scaler_kept.h"

#include <math.h>
#include <string.h>

#include "analyzers/learnt_file.h"
#include "analyzers/scaler/scaler_parts.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

/* To be raised with every change of what is packed or of struct feedback. */
#define KEPT_VERSION 1
#define ACCOUNTS "scaler"
#define POLICY "policy"

struct kept_head {
	uint32_t version, size; /* of one workload's record */
	uint64_t count;
};

struct policy_head {
	uint32_t version, load_role;
	int64_t slot;
};

/* What is kept of one workload: plain values. */
struct kept_record {
	struct workload_key key;
	uint32_t load_role, state, drifted;
	int64_t seen, taught, set_back, shadow_since, peak_day;
	struct capacity capacity;
	int peaks[8];
	struct feedback feedback;
	char words[sizeof(((struct follow_view *)NULL)->words)];
};

static void tell_kept(const char *kind, enum status status, const struct error *error)
{
	metrics_inc(METRIC_MODELS_KEPT, kind, status_label(status));
	if (status != STATUS_OK)
		LOG_WARN("what the scaler learnt is not kept", LOG_TEXT("kind", kind),
			LOG_ERROR_FIELD(error));
}

static bool tell_restored(const char *kind, enum status status, const struct error *error)
{
	metrics_inc(METRIC_MODELS_RESTORED, kind, status_label(status));
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		LOG_WARN("what the scaler learnt before is refused, it is learnt anew",
			LOG_TEXT("kind", kind), LOG_ERROR_FIELD(error));
	return status == STATUS_OK;
}

/* ---- all workloads ---- */

static const struct workload_key everybody = {.kind = TARGET_NONE};

static void record_make(const struct scaler_entry *entry, struct kept_record *record)
{
	const struct follower *follower = &entry->follower;

	memset(record, 0, sizeof(*record));
	record->key = follower->key;
	record->load_role = (uint32_t)follower->load_role;
	record->state = (uint32_t)follower->view.state;
	record->drifted = follower->view.drifted;
	record->seen = entry->seen;
	record->taught = entry->pupil.taught;
	record->set_back = follower->set_back;
	record->shadow_since = follower->view.shadow_since;
	record->peak_day = follower->peak_day;
	record->capacity = follower->capacity;
	memcpy(record->peaks, follower->peaks, sizeof(record->peaks));
	record->feedback = follower->feedback;
	memcpy(record->words, follower->view.words, sizeof(record->words));
}

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool record_ok(const struct kept_record *record)
{
	const struct capacity *capacity = &record->capacity;

	return ends(record->key.cluster, sizeof(record->key.cluster)) &&
		ends(record->key.namespace_name, sizeof(record->key.namespace_name)) &&
		ends(record->key.name, sizeof(record->key.name)) &&
		ends(record->words, sizeof(record->words)) &&
		(unsigned)record->key.kind < TARGET_KIND_COUNT &&
		(record->load_role == ROLE_REQUEST_RATE || record->load_role == ROLE_CPU) &&
		record->state < FOLLOW_STATE_COUNT && record->drifted <= 1 &&
		record->feedback.predicted_windows <= FEEDBACK_MISSES &&
		(capacity->readings == 0 || (isfinite(capacity->rate) && capacity->rate > 0));
}

static void record_take(const struct kept_record *record, struct scaler_entry *entry)
{
	struct follower *follower = &entry->follower;

	entry->seen = record->seen;
	entry->pupil.taught = record->taught;
	follower->view.state = (enum follow_state)record->state;
	follower->view.drifted = record->drifted != 0;
	follower->view.shadow_since = record->shadow_since;
	follower->set_back = record->set_back;
	follower->peak_day = record->peak_day;
	follower->capacity = record->capacity;
	memcpy(follower->peaks, record->peaks, sizeof(follower->peaks));
	follower->feedback = record->feedback;
	memcpy(follower->view.words, record->words, sizeof(follower->view.words));
}

void scaler_keep(struct scaler *scaler)
{
	struct kept_head head = {KEPT_VERSION, (uint32_t)sizeof(struct kept_record), 0};
	struct kept_record *record;
	struct error error = {.code = STATUS_OK};
	enum status status;
	struct buf body;

	if (scaler->folder == NULL)
		return;
	/* The header and checksum of the file need some room, too. */
	buf_init(&body, LEARNT_BYTES_MAX - 1024);
	head.count = (LEARNT_BYTES_MAX - 1024 - sizeof(head)) / sizeof(*record);
	if (head.count > scaler->count)
		head.count = scaler->count;
	buf_add(&body, &head, sizeof(head));
	record = mem_zalloc(1, sizeof(*record));
	for (size_t i = 0; i < head.count && record != NULL; i++) {
		record_make(scaler->entries[i], record);
		buf_add(&body, record, sizeof(*record));
	}
	if (record != NULL && buf_ok(&body))
		status = learnt_file_write(scaler->folder, ACCOUNTS, &everybody, body.data,
			body.size, &error);
	else
		status = error_set(&error, STATUS_NO_MEMORY, "no memory for %zu workloads",
			scaler->count);
	tell_kept(ACCOUNTS, status, &error);
	mem_free(record);
	buf_fini(&body);
}

static enum status restore_all(struct scaler *scaler, const void *body, size_t size,
	struct error *error)
{
	struct kept_head head = {0};
	struct kept_record record;
	const unsigned char *at = (const unsigned char *)body + sizeof(head);

	if (size >= sizeof(head))
		memcpy(&head, body, sizeof(head));
	if (head.version != KEPT_VERSION)
		return error_set(error, STATUS_UNSUPPORTED,
			"accounts of version %u, and this version knows %d", (unsigned)head.version,
			KEPT_VERSION);
	if (head.size != sizeof(record) || head.count != (size - sizeof(head)) / sizeof(record) ||
		size != sizeof(head) + head.count * sizeof(record))
		return error_set(error, STATUS_BAD_INPUT,
			"%zu bytes of %llu workloads: not what this version makes", size,
			(unsigned long long)head.count);
	for (uint64_t i = 0; i < head.count; i++) {
		memcpy(&record, at + i * sizeof(record), sizeof(record));
		if (!record_ok(&record))
			return error_set(error, STATUS_BAD_INPUT,
				"workload %llu: a value is out of its bounds",
				(unsigned long long)i);
	}
	for (uint64_t i = 0; i < head.count; i++) {
		struct scaler_entry *entry;

		memcpy(&record, at + i * sizeof(record), sizeof(record));
		entry = scaler_entry_of(scaler, &record.key, (enum signal_role)record.load_role);
		/* Fewer may be followed than before: the others are new when they are seen. */
		if (entry != NULL)
			record_take(&record, entry);
	}
	return STATUS_OK;
}

void scaler_restore(struct scaler *scaler)
{
	struct error error = {.code = STATUS_OK};
	enum status status;
	struct buf bytes;
	const void *body;
	size_t size;

	if (scaler->folder == NULL)
		return;
	buf_init(&bytes, LEARNT_BYTES_MAX);
	status = learnt_file_read(scaler->folder, ACCOUNTS, &everybody, &bytes, &body, &size,
		&error);
	if (status == STATUS_OK)
		status = restore_all(scaler, body, size, &error);
	(void)tell_restored(ACCOUNTS, status, &error);
	buf_fini(&bytes);
}

void scaler_welcome(struct scaler_entry *entry, int64_t slot)
{
	struct follower *follower = &entry->follower;

	/* Of a clock that was set back, or of another day: it proves itself anew. */
	if (entry->seen > slot || slot - entry->seen > SCALER_KEPT_AGE_SLOTS) {
		follower->view.state = FOLLOW_OBSERVING;
		feedback_begin_trial(&follower->feedback);
	}
	entry->seen = slot;
}

/* ---- a policy ---- */

void scaler_keep_policy(const char *folder, const struct workload_key *workload,
	enum signal_role load_role, int64_t slot, const struct quantile_policy *policy)
{
	const struct policy_head head = {KEPT_VERSION, (uint32_t)load_role, slot};
	struct error error = {.code = STATUS_OK};
	enum status status;
	struct buf body;

	buf_init(&body, LEARNT_BYTES_MAX - 1024);
	buf_add(&body, &head, sizeof(head));
	status = quantile_policy_keep(policy, &body, &error);
	if (status == STATUS_OK)
		status = learnt_file_write(folder, POLICY, workload, body.data, body.size, &error);
	tell_kept(POLICY, status, &error);
	buf_fini(&body);
}

static enum status restore_one(const void *body, size_t size, enum signal_role load_role,
	int64_t now, struct quantile_policy *policy, struct error *error)
{
	struct policy_head head = {0};

	if (size >= sizeof(head))
		memcpy(&head, body, sizeof(head));
	if (head.version != KEPT_VERSION)
		return error_set(error, STATUS_UNSUPPORTED,
			"a policy kept in version %u, and this version knows %d",
			(unsigned)head.version, KEPT_VERSION);
	if (head.load_role != (uint32_t)load_role)
		return error_set(error, STATUS_BAD_INPUT, "a policy for a load in another unit");
	if (head.slot > now || now - head.slot > 2 * SCALER_KEPT_AGE_SLOTS)
		return error_set(error, STATUS_BAD_INPUT, "a policy of another time");
	return quantile_policy_restore(policy, (const unsigned char *)body + sizeof(head),
		size - sizeof(head), error);
}

bool scaler_restore_policy(const char *folder, const struct workload_key *workload,
	enum signal_role load_role, int64_t now, struct quantile_policy *policy)
{
	struct error error = {.code = STATUS_OK};
	enum status status;
	struct buf bytes;
	const void *body;
	size_t size;

	buf_init(&bytes, LEARNT_BYTES_MAX);
	status = learnt_file_read(folder, POLICY, workload, &bytes, &body, &size, &error);
	if (status == STATUS_OK)
		status = restore_one(body, size, load_role, now, policy, &error);
	buf_fini(&bytes);
	return tell_restored(POLICY, status, &error);
}
