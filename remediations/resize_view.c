/*
 * Pods are told apart by their uids and compared by the four values that a resize may write.
 */
#include "remediations/resize_view.h"

#include <string.h>

#include "base/check.h"

const char *in_place_word(enum in_place way)
{
	static const char *const words[IN_PLACE_COUNT] = {
#define X(way, word) [way] = #word,
		IN_PLACE_TABLE(X)
#undef X
	};

	CHECK((unsigned)way < IN_PLACE_COUNT);
	return words[way];
}

bool resize_pods_have(const struct resize_pods *pods, const char *uid)
{
	for (unsigned i = 0; i < pods->count; i++)
		if (strcmp(pods->uids[i], uid) == 0)
			return true;
	return false;
}

bool resize_pod_value(const struct resize_pod *pod, enum change_field field, int64_t *value)
{
	switch (field) {
	case CHANGE_MEMORY_LIMIT:
		*value = pod->memory_limit_bytes;
		return true;
	case CHANGE_CPU_LIMIT:
		*value = pod->cpu_limit_milli;
		return true;
	case CHANGE_MEMORY_REQUEST:
		*value = pod->memory_request_bytes;
		return true;
	case CHANGE_CPU_REQUEST:
		*value = pod->cpu_request_milli;
		return true;
	default:
		return false;
	}
}

bool resize_pod_has(const struct resize_pod *pod, const struct changes *changes, bool after)
{
	for (unsigned i = 0; i < changes->count; i++) {
		const struct change *change = &changes->list[i];
		int64_t value;

		if (!resize_pod_value(pod, change->field, &value) ||
			value != (after ? change->after : change->before))
			return false;
	}
	return changes->count > 0;
}
