/*
 * Any bytes as a webhook message: what is refused leaves nothing behind and says why; what is taken
 * is within its limits, and each event is written as JSON and read back to the same JSON.
 */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "receiver/webhook.h"

#define ALERTS_MAX 50

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

static void check_text(const struct labels *labels)
{
	for (uint32_t i = 0; i < labels->count; i++) {
		const struct label *pair = &labels->pairs[i];

		CHECK(pair->name_size && pair->name_size <= EVENT_LABEL_NAME_MAX);
		CHECK(pair->value_size && pair->value_size <= EVENT_LABEL_VALUE_MAX);
		CHECK(strlen(pair->name) == pair->name_size);
		CHECK(strlen(pair->value) == pair->value_size);
		CHECK(utf8_valid(pair->name, pair->name_size));
		CHECK(utf8_valid(pair->value, pair->value_size));
	}
}

static void check_event(const struct event *event)
{
	struct event back;
	struct buf once, twice;

	CHECK(event->labels.count && event->labels.count <= EVENT_LABELS_MAX);
	CHECK(event->fingerprint == labels_fingerprint(&event->labels));
	check_text(&event->labels);
	check_text(&event->annotations);
	buf_init(&once, 64 * 1024 * 1024);
	buf_init(&twice, 64 * 1024 * 1024);
	event_write_json(&once, event);
	CHECK(buf_ok(&once));
	CHECK(!event_read_json(&back, once.data, once.size, NULL));
	event_write_json(&twice, &back);
	CHECK(buf_ok(&twice) && !strcmp(once.data, twice.data));
	CHECK(labels_equal(&event->labels, &back.labels));
	event_fini(&back);
	buf_fini(&once);
	buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct event_batch batch;
	struct error error = {0};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	if (webhook_parse(input, input_size, ALERTS_MAX, 1000, &batch, &error)) {
		CHECK(!batch.events && !batch.count && *error.text);
		return 0;
	}
	CHECK(batch.count + batch.invalid_count + batch.own_count <= ALERTS_MAX);
	for (size_t i = 0; i < batch.count; i++)
		check_event(&batch.events[i]);
	event_batch_fini(&batch);
	return 0;
}
