#include "daemon/replay_intake.h"

#include "base/mem.h"
#include "daemon/intake.h"
#include "remote_write/encode.h"

#define BODY_MAX ((size_t)16 << 20)

struct replay_intake {
	struct intake *intake;
	struct write_encoder *encoder;
};

struct replay_intake *replay_intake_open(const struct config *config, struct store *store,
	const struct clock *clock, struct error *error)
{
	struct replay_intake *intake = mem_zalloc(1, sizeof(*intake));

	if (intake == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	intake->intake = intake_open(config, store, clock, error);
	if (intake->intake != NULL)
		intake->encoder = write_encoder_open(BODY_MAX, error);
	if (intake->encoder != NULL)
		return intake;
	replay_intake_close(intake);
	return NULL;
}

void replay_intake_close(struct replay_intake *intake)
{
	if (intake == NULL)
		return;
	if (intake->encoder != NULL)
		write_encoder_close(intake->encoder);
	intake_close(intake->intake);
	mem_free(intake);
}

static enum status take(struct replay_intake *intake, const char *type, const void *body,
	size_t size, struct replay_intake_counts *counts)
{
	struct ingest_counts one;
	struct error error;
	enum status status = ingest_request(intake_receiver(intake->intake, 0), type, "snappy",
		body, size, &one, &error);

	counts->bodies_refused += status != STATUS_OK;
	counts->samples += one.results[APPEND_STORED] + one.results[APPEND_STALE_MARKER];
	counts->samples_refused += one.results[APPEND_CONFLICT] + one.results[APPEND_LATE] +
		one.results[APPEND_FUTURE];
	return status == STATUS_NO_MEMORY ? status : STATUS_OK;
}

enum status replay_intake_body(struct replay_intake *intake, const struct recording_frame *frame,
	struct replay_intake_counts *counts)
{
	return take(intake, recording_content_type(frame->kind), frame->body, frame->size, counts);
}

static enum status send(struct replay_intake *intake, struct replay_intake_counts *counts)
{
	const void *body;
	struct error error;
	size_t size;
	enum status status = write_encoder_finish(intake->encoder, &body, &size, &error);

	if (status == STATUS_OK)
		status = take(intake, write_encoder_content_type(intake->encoder), body, size,
			counts);
	write_encoder_reset(intake->encoder);
	return status;
}

static enum status add(struct replay_intake *intake, const struct tape *tape,
	const struct tape_sample *sample)
{
	return write_encoder_add(intake->encoder, &tape->series[sample->series], &sample->t_ms,
		&sample->value, 1);
}

enum status replay_intake_samples(struct replay_intake *intake, const struct tape *tape,
	size_t *next, int64_t now_ms, struct replay_intake_counts *counts)
{
	enum status status = STATUS_OK;
	bool some = false;

	for (; *next < tape->sample_count && status != STATUS_NO_MEMORY; ++*next) {
		const struct tape_sample *sample = &tape->samples[*next];

		if (sample->t_ms > now_ms)
			break;
		status = add(intake, tape, sample);
		if (status == STATUS_LIMIT && some) {
			status = send(intake, counts);
			if (status == STATUS_OK)
				status = add(intake, tape, sample);
		}
		/* A series that no body has room for. */
		counts->samples_refused += status == STATUS_LIMIT;
		some = some || status == STATUS_OK;
	}
	if (status == STATUS_NO_MEMORY)
		return status;
	return some ? send(intake, counts) : STATUS_OK;
}

void replay_intake_sweep(struct replay_intake *intake)
{
	intake_sweep(intake->intake);
}
