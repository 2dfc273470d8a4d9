/*
 * Reads a net, writes the graph; the file's header becomes one note each, its scores one note each.
 */
#include "daemon/models_onnx.h"

#include <stdio.h>

#include "analyzers/models/lstm_file.h"
#include "analyzers/models/onnx.h"
#include "base/file.h"
#include "base/parse.h"

/* The numbers, the graph around them, and the buffers that grow by doubling. */
#define ONNX_MAX (5 * MODEL_NUMBERS_MAX)
#define NOTES_FIXED 6

struct notes {
	struct onnx_note notes[NOTES_FIXED + MODEL_SCORES];
	char values[NOTES_FIXED + MODEL_SCORES][MODEL_TEXT];
	size_t count;
};

static char *note_add(struct notes *notes, const char *key)
{
	char *value = notes->values[notes->count];

	notes->notes[notes->count++] = (struct onnx_note){key, value};
	return value;
}

static void notes_fill(const struct model_info *info, struct notes *notes)
{
	notes->count = 0;
	snprintf(note_add(notes, "made_by"), MODEL_TEXT, "%s", info->made_by);
	format_rfc3339(info->trained_ms, note_add(notes, "trained"), MODEL_TEXT);
	format_rfc3339(info->data_from_ms, note_add(notes, "data_from"), MODEL_TEXT);
	format_rfc3339(info->data_to_ms, note_add(notes, "data_to"), MODEL_TEXT);
	snprintf(note_add(notes, "seed"), MODEL_TEXT, "%llu", (unsigned long long)info->seed);
	snprintf(note_add(notes, "checksum"), MODEL_TEXT, "%016llx",
		(unsigned long long)info->checksum);
	for (size_t i = 0; i < MODEL_SCORES; i++)
		if (info->score_names[i][0] != '\0')
			snprintf(note_add(notes, info->score_names[i]), MODEL_TEXT, "%.9g",
				info->scores[i]);
}

enum status models_onnx_export(const char *from, const char *to, struct error *error)
{
	struct model_info info;
	struct notes notes;
	struct lstm lstm;
	struct buf out;
	enum status status = lstm_file_read(from, kernels_best(), &lstm, &info, error);

	if (status != STATUS_OK)
		return status;
	notes_fill(&info, &notes);
	buf_init(&out, ONNX_MAX);
	onnx_write_lstm(&out, &lstm, notes.notes, notes.count);
	status = buf_ok(&out) ? file_write_atomic(to, out.data, out.size, 0644, error)
			      : error_set(error, STATUS_NO_MEMORY, "%s: no memory to write it", to);
	buf_fini(&out);
	lstm_fini(&lstm);
	return status;
}
