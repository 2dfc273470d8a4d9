#include "remote_write/replica_label.h"

#include <string.h>

#define TAG_LABEL 0x0a
#define TAG_NAME 0x0a
#define TAG_VALUE 0x12

/* A length in one or two bytes: no label is longer than 16 KiB here. */
static inline bool read_length(struct wire *wire, uint32_t *length)
{
	if (wire_left(wire) >= 1 && wire->at[0] < 0x80) {
		*length = *wire->at++;
	} else if (wire_left(wire) >= 2 && wire->at[1] < 0x80) {
		*length = (uint32_t)(wire->at[0] & 0x7f) | (uint32_t)wire->at[1] << 7;
		wire->at += 2;
	} else {
		return false;
	}
	return *length <= wire_left(wire);
}

static inline bool read_text(struct wire *wire, uint8_t tag, struct election_name *text)
{
	if (wire->at == wire->end || *wire->at != tag)
		return false;
	wire->at++;
	if (!read_length(wire, &text->size))
		return false;
	text->text = (const char *)wire->at;
	wire->at += text->size;
	return true;
}

static inline bool is_name(struct election_name name, struct election_name wanted)
{
	return name.size == wanted.size && memcmp(name.text, wanted.text, name.size) == 0;
}

bool replica_label_find(struct wire run, const struct replica_names *names,
	struct replica_label *found)
{
	found->cluster.size = 0;
	found->replica.size = 0;
	/* Sorted as they are, both stand near the front, and the rest need not be read. */
	while (run.at < run.end && (found->cluster.size == 0 || found->replica.size == 0)) {
		struct election_name name, value = {"", 0};
		const uint8_t *start = run.at;
		struct wire inside;
		uint32_t length;

		if (*run.at++ != TAG_LABEL || !read_length(&run, &length))
			return false;
		inside = wire_of(run.at, length);
		run.at += length;
		if (!read_text(&inside, TAG_NAME, &name) ||
			(inside.at < inside.end && !read_text(&inside, TAG_VALUE, &value)) ||
			inside.at != inside.end)
			return false;
		if (is_name(name, names->replica) && found->replica.size == 0) {
			found->replica = value;
			found->label = wire_of(start, (size_t)(run.at - start));
		} else if (is_name(name, names->cluster) && found->cluster.size == 0) {
			found->cluster = value;
		}
	}
	return true;
}
