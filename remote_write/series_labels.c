/*
 * Rules for label sets (specification sheet remote_write, section 4), and where they are wider
 * than the letter of the protocol:
 *   - names not in order are taken and sorted: the order is a duty of the sender, Prometheus' own
 *     receiver sorts too, and the series is the same one;
 *   - a series without __name__ is taken (it SHOULD be there), one without any label is not;
 *   - an empty value means that the label is absent, but its name must be valid all the same;
 *   - a name twice is refused even when one of the values is empty: nobody can tell what was meant;
 *   - in 1.0 names are the ASCII of its text, also when a Prometheus 3 would send UTF-8; in 2.0 label
 *     and metric names are any UTF-8.
 *
 * Text from the request goes into messages only through describe(): it may hold line feeds, quotes
 * or bytes that are no text at all, and the message ends up in logs.
 */
#include "remote_write/series_labels.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

/* Room for a series or a label name in a message, so that the reason after it is never cut off. */
#define SERIES_TEXT_MAX 256
#define NAME_TEXT_MAX 80
/* A value longer than this is cut within a message. */
#define VALUE_TEXT_MAX 48

#define METRIC_NAME_RULE "[a-zA-Z_:][a-zA-Z0-9_:]*"
#define LABEL_NAME_RULE "[a-zA-Z_][a-zA-Z0-9_]*"

const char *refusal_label(enum refusal refusal)
{
	static const char *const labels[REFUSAL_COUNT] = {
#define X(reason, label) [reason] = label,
		REFUSAL_TABLE(X)
#undef X
	};

	return refusal > REFUSAL_NONE && refusal < REFUSAL_COUNT ? labels[refusal] : "";
}

enum status series_labels_init(struct series_labels *labels, uint32_t count_max, uint32_t name_max,
	uint32_t value_max, struct error *error)
{
	*labels = (struct series_labels){
		.count_max = count_max,
		.name_max = name_max,
		.value_max = value_max,
	};
	labels->pairs = mem_zalloc(count_max, sizeof(*labels->pairs));
	labels->known = mem_zalloc(count_max, sizeof(*labels->known));
	if (labels->pairs != NULL && labels->known != NULL)
		return STATUS_OK;
	series_labels_fini(labels);
	return error_set(error, STATUS_NO_MEMORY, "no memory for %" PRIu32 " labels", count_max);
}

void series_labels_fini(struct series_labels *labels)
{
	mem_free(labels->known);
	mem_free(labels->pairs);
	*labels = (struct series_labels){.pairs = NULL};
}

void series_labels_forget(struct series_labels *labels)
{
	labels->known_count = 0;
}

static int compare_names(const struct label *a, const struct label *b)
{
	uint32_t shorter = a->name_size < b->name_size ? a->name_size : b->name_size;
	int order;

	if (shorter == 0)
		return (a->name_size > 0) - (b->name_size > 0);
	/* The first bytes mostly tell. */
	order = (unsigned char)a->name[0] - (unsigned char)b->name[0];
	if (order == 0)
		order = memcmp(a->name, b->name, shorter);
	if (order != 0)
		return order;
	return (a->name_size > b->name_size) - (a->name_size < b->name_size);
}

/* Shell's sort (CACM 1959) with the gaps of Ciura: no memory, and no input makes it quadratic to
 * an extent that matters at a few hundred labels. */
static void sort_pairs(struct label *pairs, uint32_t count)
{
	static const uint32_t gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};

	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
		for (uint32_t i = gaps[g]; i < count; i++) {
			struct label moving = pairs[i];
			uint32_t at = i;
			while (at >= gaps[g] && compare_names(&pairs[at - gaps[g]], &moving) > 0) {
				pairs[at] = pairs[at - gaps[g]];
				at -= gaps[g];
			}
			pairs[at] = moving;
		}
	}
}

/* Places of labels that were not seen side by side before: [from, to). */
struct label_range {
	uint32_t from, to;
};

/* Each name after the one before it and none twice: how every honest sender has them. Two that are both
 * out of the range are not compared again. */
static bool is_strictly_sorted(const struct label *pairs, uint32_t count, struct label_range fresh)
{
	uint32_t end = fresh.to < count ? fresh.to + 1 : count;

	for (uint32_t i = fresh.from > 0 ? fresh.from : 1; i < end; i++)
		if (compare_names(&pairs[i - 1], &pairs[i]) >= 0)
			return false;
	return true;
}

/* UTF-8, with a short cut for ASCII, which nearly all values are: eight bytes at a time, a third of
 * the cost of a new series otherwise. */
static bool value_valid(const char *text, size_t size)
{
	uint64_t high_bits = 0, word;
	size_t at = 0;

	for (; at + sizeof(word) <= size; at += sizeof(word)) {
		memcpy(&word, text + at, sizeof(word));
		high_bits |= word;
	}
	for (; at < size; at++)
		high_bits |= (unsigned char)text[at];
	return (high_bits & UINT64_C(0x8080808080808080)) == 0 || utf8_valid(text, size);
}

/* A text being written into fixed room. */
struct cut_text {
	char *at, *end; /* end: where the NUL will stand at the latest */
};

static bool cut_text_add(struct cut_text *text, const char *bytes, size_t size)
{
	if (size > (size_t)(text->end - text->at))
		return false;
	memcpy(text->at, bytes, size);
	text->at += size;
	return true;
}

/* Escaped bytes; false when they did not fit as a whole. */
static bool cut_text_add_escaped(struct cut_text *text, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size;) {
		char escape[8];
		size_t length = utf8_length(bytes + i, size - i);
		unsigned char byte = (unsigned char)bytes[i];
		bool added;

		if (byte == '"' || byte == '\\' || byte == '\n') {
			escape[0] = '\\';
			escape[1] = byte == '\n' ? 'n' : (char)byte;
			added = cut_text_add(text, escape, 2);
		} else if (length == 0 || byte < 0x20 || byte == 0x7f) {
			snprintf(escape, sizeof(escape), "\\x%02x", byte);
			added = cut_text_add(text, escape, 4);
			length = 1;
		} else {
			added = cut_text_add(text, bytes + i, length);
		}
		if (!added)
			return false;
		i += length;
	}
	return true;
}

static bool is_metric_name(const struct label *label)
{
	return label->name_size == sizeof(LABEL_METRIC_NAME) - 1 &&
		memcmp(label->name, LABEL_METRIC_NAME, label->name_size) == 0;
}

/* name="value", the value cut when it is long. */
static bool describe_label(struct cut_text *text, const struct label *label)
{
	size_t shown = label->value_size <= VALUE_TEXT_MAX ? label->value_size : VALUE_TEXT_MAX;

	return cut_text_add_escaped(text, label->name, label->name_size) &&
		cut_text_add(text, "=\"", 2) && cut_text_add_escaped(text, label->value, shown) &&
		cut_text_add(text, shown < label->value_size ? "...\"" : "\"",
			shown < label->value_size ? 4 : 1);
}

void series_labels_describe(const struct series_labels *labels, char *text, size_t size)
{
	static const char tail[] = ", ...}";
	/* Room for the tail is kept back, so that a cut list is still closed. */
	struct cut_text cut = {.at = text, .end = text + size - sizeof(tail)};
	bool first = true;

	for (uint32_t i = 0; i < labels->count; i++)
		if (is_metric_name(&labels->pairs[i]))
			cut_text_add_escaped(&cut, labels->pairs[i].value,
				labels->pairs[i].value_size);
	*cut.at++ = '{';
	for (uint32_t i = 0; i < labels->count; i++) {
		char *start = cut.at;
		if (is_metric_name(&labels->pairs[i]))
			continue;
		if (cut.at >= cut.end || (!first && !cut_text_add(&cut, ",", 1)) ||
			!describe_label(&cut, &labels->pairs[i])) {
			cut.at = start;
			memcpy(cut.at, first ? "...}" : ",...}", first ? 5 : 6);
			return;
		}
		first = false;
	}
	memcpy(cut.at, "}", 2);
}

void series_labels_name(const struct series_labels *labels, struct error *error)
{
	char text[SERIES_TEXT_MAX];

	if (error == NULL)
		return;
	series_labels_describe(labels, text, sizeof(text));
	error_prefix(error, "series %s", text);
}

/* Puts the series before the reason. */
static enum refusal refuse(const struct series_labels *labels, enum refusal refusal,
	struct error *error)
{
	series_labels_name(labels, error);
	return refusal;
}

static enum refusal refuse_label(const struct series_labels *labels, const struct label *label,
	enum refusal refusal, const char *why, struct error *error)
{
	char name[NAME_TEXT_MAX];
	struct cut_text cut = {.at = name, .end = name + sizeof(name) - 4};

	if (error == NULL)
		return refusal;
	if (!cut_text_add_escaped(&cut, label->name, label->name_size)) {
		memcpy(cut.at, "...", 3);
		cut.at += 3;
	}
	*cut.at = '\0';
	error_set(error, STATUS_BAD_INPUT, "label \"%s\" %s", name, why);
	return refuse(labels, refusal, error);
}

/* distinct: no name is there twice, that is known already. */
static enum refusal check_label(const struct series_labels *labels, uint32_t index, bool distinct,
	struct error *error)
{
	const struct label *label = &labels->pairs[index];

	if (label->name_size == 0)
		return refuse_label(labels, label, REFUSAL_EMPTY_NAME, "has an empty name", error);
	if (label->name_size > labels->name_max || label->value_size > labels->value_max) {
		char why[96];
		snprintf(why, sizeof(why),
			"is too long: its %s has %" PRIu32 " bytes, the limit is %" PRIu32,
			label->name_size > labels->name_max ? "name" : "value",
			label->name_size > labels->name_max ? label->name_size : label->value_size,
			label->name_size > labels->name_max ? labels->name_max : labels->value_max);
		return refuse_label(labels, label, REFUSAL_LABEL_SIZE, why, error);
	}
	if (index > 0 && !distinct && compare_names(label - 1, label) == 0)
		return refuse_label(labels, label, REFUSAL_REPEATED_NAME, "is there twice", error);
	if (labels->any_name ? !value_valid(label->name, label->name_size)
			     : !label_name_valid(label->name, label->name_size))
		return refuse_label(labels, label, REFUSAL_LABEL_NAME,
			labels->any_name ? "has a name that is not UTF-8"
					 : "has a name that does not match " LABEL_NAME_RULE,
			error);
	if (!value_valid(label->value, label->value_size))
		return refuse_label(labels, label, REFUSAL_VALUE_UTF8,
			"has a value that is not UTF-8", error);
	if (!labels->any_name && is_metric_name(label) && label->value_size > 0 &&
		!metric_name_valid(label->value, label->value_size))
		return refuse_label(labels, label, REFUSAL_METRIC_NAME,
			"holds a metric name that does not match " METRIC_NAME_RULE, error);
	return REFUSAL_NONE;
}

/* Absent labels leave the set only after all were checked. Those out of the range have a value. */
static void drop_empty(struct series_labels *labels, struct label_range fresh)
{
	uint32_t kept = fresh.from;

	while (kept < fresh.to && labels->pairs[kept].value_size > 0)
		kept++;
	if (kept == fresh.to)
		return;
	for (uint32_t i = kept; i < labels->count; i++)
		if (labels->pairs[i].value_size > 0)
			labels->pairs[kept++] = labels->pairs[i];
	labels->count = kept;
}

static void begin(struct series_labels *labels, bool any_name)
{
	labels->count = 0;
	labels->any_name = any_name;
}

/* All labels are there (those past the room are only counted in `found`): are they a valid set?
 * Out of the range stand labels of the set read before, each in the place it had there. */
static enum refusal check_set(struct series_labels *labels, uint32_t found,
	struct label_range fresh, struct error *error)
{
	bool distinct;

	if (found > labels->count_max) {
		error_set(error, STATUS_BAD_INPUT,
			"%" PRIu32 " labels are too many, the limit is %" PRIu32, found,
			labels->count_max);
		return refuse(labels, REFUSAL_LABEL_COUNT, error);
	}
	distinct = is_strictly_sorted(labels->pairs, labels->count, fresh);
	if (!distinct) {
		sort_pairs(labels->pairs, labels->count);
		fresh = (struct label_range){0, labels->count};
	}
	for (uint32_t i = fresh.from; i < fresh.to; i++) {
		enum refusal refusal = check_label(labels, i, distinct, error);
		if (refusal != REFUSAL_NONE)
			return refusal;
	}
	drop_empty(labels, fresh);
	if (distinct && labels->count == found && !labels->any_name)
		labels->known_count = found;
	if (labels->count == 0) {
		error_set(error, STATUS_BAD_INPUT, "a series has no labels");
		return REFUSAL_NO_LABELS;
	}
	return REFUSAL_NONE;
}

/* The next label when its bytes are those of the label that stood in this place before. Whatever else
 * may stand before a label belongs to its bytes: from one start they can be read in one way only. */
static bool take_known(struct series_labels *labels, uint32_t place, struct wire *rest)
{
	const struct label_bytes *known;

	if (place >= labels->known_count)
		return false;
	known = &labels->known[place];
	if (wire_left(rest) < known->size || memcmp(rest->at, known->at, known->size) != 0)
		return false;
	labels->pairs[labels->count++] = known->pair;
	rest->at += known->size;
	return true;
}

/* The same for all labels that are left, where those of the series before stood together: after the one
 * that differs, mostly the metric's name, the rest is the same in one comparison. */
static bool take_known_rest(struct series_labels *labels, uint32_t place, struct wire *rest)
{
	const struct label_bytes *first, *last;
	size_t size;

	if (place < labels->known_together || place >= labels->known_count)
		return false;
	first = &labels->known[place];
	last = &labels->known[labels->known_count - 1];
	size = (size_t)(last->at + last->size - first->at);
	if (wire_left(rest) != size || memcmp(rest->at, first->at, size) != 0)
		return false;
	for (uint32_t i = place; i < labels->known_count; i++)
		labels->pairs[labels->count++] = labels->known[i].pair;
	rest->at = rest->end;
	return true;
}

/* Labels that were read: how many, those that were not known, and from where on to the end they stand side
 * by side in labels->known. */
struct labels_found {
	uint32_t count;
	struct label_range fresh;
	uint32_t together;
};

static void note_fresh(struct labels_found *found)
{
	if (found->fresh.to == 0)
		found->fresh.from = found->count;
	if (found->fresh.to != found->count || found->count == 0)
		found->together = found->count;
	found->fresh.to = ++found->count;
}

/* All labels up to the end or a fault of `rest`. only: stops where something else than a label begins. */
static struct labels_found read_all(struct series_labels *labels, struct wire *rest, bool only)
{
	struct labels_found found = {.count = 0};
	struct label label;

	begin(labels, false);
	while (!only || (rest->at < rest->end && *rest->at == SERIES_LABEL_TAG)) {
		const uint8_t *start = rest->at;
		if (take_known(labels, found.count, rest)) {
			found.count++;
			continue;
		}
		if (!series_view_label(rest, &label))
			break;
		note_fresh(&found);
		/* The rest is read even when there are too many: it may be malformed. */
		if (found.count > labels->count_max)
			continue;
		labels->pairs[labels->count++] = label;
		labels->known[found.count - 1] =
			(struct label_bytes){start, (size_t)(rest->at - start), label};
		if (only && take_known_rest(labels, found.count, rest))
			found.count = labels->count;
	}
	/* When the last ones are those of before, they stand as they stood. */
	if (found.fresh.to < found.count)
		found.together = found.fresh.to > labels->known_together ? found.fresh.to
									 : labels->known_together;
	labels->known_together = only ? found.together : UINT32_MAX;
	labels->known_count = 0;
	return found;
}

enum refusal series_labels_read(struct series_labels *labels, const struct series_view *view,
	struct wire *rest, struct error *error)
{
	struct labels_found found;

	*rest = view->frame;
	found = read_all(labels, rest, false);
	if (rest->fault != NULL)
		return REFUSAL_PROTOBUF;
	return check_set(labels, found.count, found.fresh, error);
}

bool series_labels_read_run(struct series_labels *labels, struct wire run)
{
	struct labels_found found = read_all(labels, &run, true);

	return run.at == run.end && run.fault == NULL &&
		check_set(labels, found.count, found.fresh, NULL) == REFUSAL_NONE;
}

/* Half a label, or one of a symbol that is not there: named by what can be read of it. */
static enum refusal refuse_reference(const struct series_labels *labels,
	const struct symbols *symbols, const uint32_t *references, bool value_missing,
	struct error *error)
{
	uint32_t name = references[0];
	bool name_known = name < symbols->count;
	char why[96];
	struct label label = {.name = "", .value = ""};

	if (name_known) {
		label.name = symbols->texts[name].text;
		label.name_size = symbols->texts[name].size;
	}
	if (name_known && value_missing)
		return refuse_label(labels, &label, REFUSAL_SYMBOL,
			"has no value: the number of label references is odd", error);
	snprintf(why, sizeof(why),
		"refers to symbol %" PRIu32 " for its %s, the request has %" PRIu32,
		name_known ? references[1] : name, name_known ? "value" : "name", symbols->count);
	return refuse_label(labels, &label, REFUSAL_SYMBOL, why, error);
}

enum refusal series_labels_of_references(struct series_labels *labels,
	const struct symbols *symbols, const uint32_t *references, uint32_t count,
	struct error *error)
{
	uint32_t kept = count / 2 < labels->count_max ? count / 2 : labels->count_max;

	begin(labels, true);
	for (uint32_t i = 0; i < kept; i++) {
		const uint32_t *pair = references + (size_t)i * 2;
		const struct symbol *name, *value;
		if (pair[0] >= symbols->count || pair[1] >= symbols->count)
			return refuse_reference(labels, symbols, pair, false, error);
		name = &symbols->texts[pair[0]];
		value = &symbols->texts[pair[1]];
		labels->pairs[labels->count++] =
			(struct label){name->text, value->text, name->size, value->size};
	}
	if (count / 2 == kept && count % 2 != 0)
		return refuse_reference(labels, symbols, references + count - 1, true, error);
	return check_set(labels, count / 2, (struct label_range){0, kept}, error);
}

void series_labels_remove(struct series_labels *labels, uint32_t index)
{
	labels->count--;
	for (uint32_t i = index; i < labels->count; i++)
		labels->pairs[i] = labels->pairs[i + 1];
}
