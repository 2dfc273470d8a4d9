/*
 * Reads a net, writes the graph; the file's header becomes one note each, its scores one note each. Of a
 * forest the notes tell the workload, the detector, the columns and from when the data are.
 */
#include "daemon/models_onnx.h"

#include <stdio.h>

#include "analyzers/models/lstm_file.h"
#include "analyzers/learnt_file.h"
#include "analyzers/models/onnx.h"
#include "analyzers/models/onnx_forest.h"
#include "analyzers/watch.h"
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

static enum status write_out(const struct buf *out, const char *to, struct error *error)
{
	return buf_ok(out) ? file_write_atomic(to, out->data, out->size, 0644, error)
			   : error_set(error, STATUS_NO_MEMORY, "%s: no memory to write it", to);
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
	status = write_out(&out, to, error);
	buf_fini(&out);
	lstm_fini(&lstm);
	return status;
}

/* ---- forests ---- */

#define FOREST_NOTES 7
#define NOTE_SIZE 512

struct forest_notes {
	struct onnx_note notes[FOREST_NOTES];
	char workload[WORKLOAD_TEXT_MAX], columns[NOTE_SIZE], from[MODEL_TEXT], to[MODEL_TEXT],
		rows[MODEL_TEXT], seed[MODEL_TEXT];
};

/* The signals in the order of the columns. */
static void columns_write(uint32_t roles, char text[NOTE_SIZE])
{
	size_t size = 0;

	text[0] = '\0';
	for (int role = 0; role < ROLE_COUNT && size < NOTE_SIZE; role++)
		if ((roles & 1u << role) != 0)
			size += (size_t)snprintf(text + size, NOTE_SIZE - size, "%s%s",
				size > 0 ? "," : "", role_name((enum signal_role)role));
}

static void forest_notes_fill(const struct workload_key *workload, const struct watch_kept *kept,
	const struct forest_view *view, struct forest_notes *notes)
{
	workload_key_write(workload, notes->workload, sizeof(notes->workload));
	columns_write(kept->roles, notes->columns);
	format_rfc3339(kept->first * 60000, notes->from, sizeof(notes->from));
	format_rfc3339(kept->end * 60000, notes->to, sizeof(notes->to));
	snprintf(notes->rows, sizeof(notes->rows), "%zu", kept->rows);
	snprintf(notes->seed, sizeof(notes->seed), "%llu", (unsigned long long)kept->seed);
	notes->notes[0] = (struct onnx_note){"workload", notes->workload};
	notes->notes[1] = (struct onnx_note){"columns", notes->columns};
	notes->notes[2] = (struct onnx_note){"features", view->rolling ? "rolling" : "values"};
	notes->notes[3] = (struct onnx_note){"data_from", notes->from};
	notes->notes[4] = (struct onnx_note){"data_to", notes->to};
	notes->notes[5] = (struct onnx_note){"data_rows", notes->rows};
	notes->notes[6] = (struct onnx_note){"seed", notes->seed};
}

static enum status forest_export(const struct workload_key *workload, const struct watch_kept *kept,
	const char *to, struct error *error)
{
	struct forest_notes notes;
	struct forest_view view;
	enum status status;
	struct buf out;

	if (!forest_view(kept->class, kept->detector, &view))
		return error_set(error, STATUS_UNSUPPORTED,
			"the detector \"%s\" has no isolation forest", kept->class->name);
	forest_notes_fill(workload, kept, &view, &notes);
	buf_init(&out, ONNX_MAX);
	status = onnx_write_forest(&out, &view, notes.notes, FOREST_NOTES, error);
	if (status == STATUS_OK)
		status = write_out(&out, to, error);
	buf_fini(&out);
	return status;
}

enum status models_onnx_export_forest(const char *folder, const struct workload_key *workload,
	const char *to, struct error *error)
{
	char path[LEARNT_PATH_MAX];
	struct watch_kept kept;
	const void *body = NULL;
	size_t size = 0;
	enum status status;
	struct buf bytes;

	buf_init(&bytes, LEARNT_BYTES_MAX);
	status = learnt_file_read(folder, "detect", workload, &bytes, &body, &size, error);
	if (status == STATUS_OK) {
		learnt_file_path(folder, "detect", workload, path);
		status = watch_read_kept(body, size, &kept, error);
		if (status == STATUS_OK) {
			status = forest_export(workload, &kept, to, error);
			kept.class->close(kept.detector);
		}
		if (status == STATUS_BAD_INPUT || status == STATUS_UNSUPPORTED)
			error_prefix(error, "%s", path);
	}
	buf_fini(&bytes);
	return status;
}
