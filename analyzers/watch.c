/*
 * States: without a model -> watch_adopt() -> with a model -> (a row that does not follow) -> without.
 * The episode is the watch's own, so that a refit in its middle neither ends nor repeats it.
 */
#include "analyzers/watch.h"

#include <math.h>
#include <string.h>

#include "analyzers/minutes.h"
#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"

#define MINUTE_MS 60000
#define RETRY_ROWS 60
/* Rows whose windows are not yet filled by training alone. */
#define WARM_ROWS 60
#define SURPRISE_MAX 300.0
/* Of a detector in what was kept. */
#define KEPT_NAME_MAX 32

struct watch {
	struct watch_model *model;
	struct watch_state state;
	int64_t over_since; /* first of the rows over the threshold at the end; ROLLUP_NEVER: none */
};

struct watch *watch_open(void)
{
	struct watch *watch = mem_zalloc(1, sizeof(*watch));

	if (watch == NULL)
		return NULL;
	watch->state = (struct watch_state){.quarantine = ALARM_UNFITTED, .tried = ROLLUP_NEVER};
	watch->state.answer = (struct watch_answer){.minute = ROLLUP_NEVER,
		.score = NAN,
		.threshold = NAN,
		.probability = NAN,
		.surprise = NAN};
	watch->state.worst = watch->state.answer;
	watch->over_since = ROLLUP_NEVER;
	return watch;
}

void watch_model_close(struct watch_model *model)
{
	if (model == NULL)
		return;
	if (model->detector != NULL)
		model->class->close(model->detector);
	mem_free(model);
}

void watch_close(struct watch *watch)
{
	if (watch == NULL)
		return;
	watch_model_close(watch->model);
	mem_free(watch);
}

const struct watch_state *watch_state(const struct watch *watch)
{
	return &watch->state;
}

size_t watch_bytes(const struct watch *watch)
{
	return sizeof(*watch) + (watch->model != NULL ? watch->model->bytes : 0);
}

/* ---- learning ---- */

/* Minutes [from, to) of all columns, row-major. column: [to - from). Returns the rows that have any
 * value; *first: the first of them. */
static size_t read_rows(struct rollup *rollup, const struct workload_key *workload, uint32_t roles,
	size_t columns, int64_t from, int64_t to, double *column, double *rows, size_t *first)
{
	size_t count = (size_t)(to - from), at = 0, there = 0;
	char key[ROLLUP_KEY_MAX];

	for (int role = 0; role < ROLE_COUNT; role++) {
		if ((roles >> role & 1) == 0)
			continue;
		(void)rollup_read(rollup, key, minutes_key(workload, (enum signal_role)role, key),
			from, to, &(struct rollup_columns){.mean = column});
		for (size_t i = 0; i < count; i++)
			rows[i * columns + at] = column[i];
		at++;
	}
	*first = count;
	for (size_t i = count; i-- > 0;) {
		bool any = false;

		for (size_t k = 0; k < columns && !any; k++)
			any = !isnan(rows[i * columns + k]);
		there += any ? 1 : 0;
		*first = any ? i : *first;
	}
	return there;
}

static size_t columns_of(uint32_t roles)
{
	size_t columns = 0;

	for (int role = 0; role < ROLE_COUNT; role++)
		columns += (roles >> role & 1) != 0 ? 1 : 0;
	return columns;
}

static enum status model_open(const struct watch_spec *spec, struct watch_model *model,
	struct error *error)
{
	const struct detector_config config = {.rows_per_day = 1440,
		.seed = spec->seed,
		.shared = spec->shared};
	const struct alarm_config alarm = {.rows_min = spec->rows_min};

	model->detector = model->class->open(&config, model->columns, error);
	alarm_init(&model->alarm, &alarm);
	return model->detector != NULL ? STATUS_OK : error->code;
}

/* The detector and what its scores mean. train: the rows from the first with a value on. */
static enum status fit(const struct watch_spec *spec, struct watch_model *model,
	const struct detector_rows *train, double *scores, struct error *error)
{
	enum status status = model_open(spec, model, error);

	if (status != STATUS_OK)
		return status;
	status = model->class->fit(model->detector, train, error);
	if (status != STATUS_OK)
		return status;
	/* Once more along training: how high usual scores are, and the state stands at its end. */
	detector_score(model->class, model->detector, train, scores);
	for (size_t i = 0; i < WARM_ROWS && i < train->count; i++)
		scores[i] = NAN;
	(void)alarm_fit(&model->alarm, scores, train->count, scores + train->count);
	model->bytes = sizeof(*model) + model->class->size(model->detector);
	return STATUS_OK;
}

enum status watch_train(const struct watch_spec *spec, struct rollup *rollup,
	const struct workload_key *workload, uint32_t roles, int64_t end,
	struct watch_model **model, struct error *error)
{
	int64_t count =
		spec->train_rows < WATCH_TRAIN_ROWS_MAX ? spec->train_rows : WATCH_TRAIN_ROWS_MAX;
	size_t columns = columns_of(roles), first, there;
	struct watch_model *made = mem_zalloc(1, sizeof(*made));
	double *rows = mem_zalloc((size_t)count * columns + 1, sizeof(double));
	double *scores = mem_zalloc((size_t)count * 2, sizeof(double));
	enum status status = STATUS_OK;

	*model = NULL;
	if (made == NULL || rows == NULL || scores == NULL) {
		status = error_set(error, STATUS_NO_MEMORY, "out of memory");
		goto done;
	}
	*made = (struct watch_model){.class = spec->class,
		.probability_max = spec->probability_max,
		.roles = roles,
		.columns = columns,
		.end = end};
	there = read_rows(rollup, workload, roles, columns, end - count, end, scores, rows, &first);
	made->first = end - count + (int64_t)first;
	made->next = end;
	made->rows = there;
	if (end - made->first < spec->train_rows_min || 2 * (int64_t)there < end - made->first) {
		status = error_set(error, STATUS_UNAVAILABLE,
			"not enough history: %zu minutes with values in the last %lld", there,
			(long long)(end - made->first));
		goto done;
	}
	status = fit(spec, made,
		&(struct detector_rows){.values = rows + first * columns,
			.count = (size_t)count - first,
			.columns = columns},
		scores, error);
	if (status == STATUS_OK) {
		*model = made;
		made = NULL;
	}
done:
	watch_model_close(made);
	mem_free(rows);
	mem_free(scores);
	return status;
}

/* ---- keeping ---- */

/* What stands before the detector. */
static void head_pack(struct watch_model *model, struct pack *pack)
{
	const char *name = model->class->name;

	for (size_t i = 0; i == 0 || name[i - 1] != '\0'; i++)
		pack_same(pack, (unsigned char)name[i]);
	pack_same(pack, model->roles);
	pack_value(pack, &model->first);
	pack_value(pack, &model->end);
	pack_value(pack, &model->next);
	pack_value(pack, &model->rows);
}

static void model_pack(struct watch_model *model, struct pack *pack)
{
	head_pack(model, pack);
	if (!pack->failed)
		model->class->pack(model->detector, pack);
	alarm_pack(&model->alarm, pack);
}

void *watch_model_write(struct watch_model *model, size_t *size)
{
	struct pack pack;
	void *bytes;

	pack_measure(&pack);
	model_pack(model, &pack);
	*size = pack.done;
	bytes = pack_ok(&pack) ? mem_alloc(*size) : NULL;
	if (bytes == NULL)
		return NULL;
	pack_write(&pack, bytes, *size);
	model_pack(model, &pack);
	CHECK(pack_ok(&pack));
	return bytes;
}

void *watch_write(struct watch *watch, size_t *size)
{
	return watch->model != NULL ? watch_model_write(watch->model, size) : NULL;
}

/* The rows that it has missed, so many at a time. */
static void catch_up(struct watch_model *model, struct rollup *rollup,
	const struct workload_key *workload, int64_t end)
{
	double rows[WATCH_BEHIND_ROWS_MAX * ROLE_COUNT], column[WATCH_BEHIND_ROWS_MAX];
	size_t first;

	while (model->next < end) {
		int64_t from = model->next, to = from + WATCH_BEHIND_ROWS_MAX;

		to = to < end ? to : end;
		(void)read_rows(rollup, workload, model->roles, model->columns, from, to, column,
			rows, &first);
		for (; model->next < to; model->next++)
			(void)alarm_step(&model->alarm,
				model->class->step(model->detector,
					rows + (size_t)(model->next - from) * model->columns,
					NULL));
	}
}

enum status watch_restore(const struct watch_spec *spec, struct rollup *rollup,
	const struct workload_key *workload, uint32_t roles, int64_t end, const void *bytes,
	size_t size, struct watch_model **model, struct error *error)
{
	struct watch_model *made = mem_zalloc(1, sizeof(*made));
	enum status status;
	struct pack pack;

	*model = NULL;
	if (made == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	*made = (struct watch_model){.class = spec->class,
		.probability_max = spec->probability_max,
		.roles = roles,
		.columns = columns_of(roles)};
	status = model_open(spec, made, error);
	pack_read(&pack, bytes, size);
	if (status == STATUS_OK) {
		model_pack(made, &pack);
		if (!pack_ok(&pack) || made->first > made->end || made->end > made->next ||
			made->next > end)
			status = error_set(error, STATUS_BAD_INPUT,
				"what was learnt before is of other settings or signals, or of a time to come");
		else if (end - made->next > WATCH_RESTORE_ROWS_MAX)
			status = error_set(error, STATUS_UNAVAILABLE,
				"what was learnt before ends %lld minutes ago",
				(long long)(end - made->next));
	}
	if (status != STATUS_OK) {
		watch_model_close(made);
		return status;
	}
	catch_up(made, rollup, workload, end);
	made->bytes = sizeof(*made) + made->class->size(made->detector);
	*model = made;
	return STATUS_OK;
}

/* Numbers as pack_same() has them, seen before it is known what they should be. */
static uint64_t number_next(struct pack *pack)
{
	uint64_t number = 0;

	pack_value(pack, &number);
	return number;
}

/* Class and roles of the head, and the seed of the detector behind it (detector_pack()). */
static enum status foresee(const void *bytes, size_t size, struct watch_model *model,
	struct watch_spec *spec, struct error *error)
{
	char name[KEPT_NAME_MAX] = "";
	struct pack pack;
	size_t length = 0;
	uint64_t roles;

	pack_read(&pack, bytes, size);
	while (length < sizeof(name) - 1 && (name[length] = (char)number_next(&pack)) != '\0')
		length++;
	roles = number_next(&pack);
	/* Of the head four numbers more, of the detector columns, trees, sample and rows a day. */
	for (int i = 0; i < 8; i++)
		(void)number_next(&pack);
	spec->seed = number_next(&pack);
	if (pack.failed || roles == 0 || roles >> ROLE_COUNT != 0)
		return error_set(error, STATUS_BAD_INPUT, "it is no detector that was learnt");
	spec->class = detector_class_find(name);
	if (spec->class == NULL || strcmp(name, "lstm_residual") == 0)
		return error_set(error, STATUS_UNSUPPORTED,
			"it is of the detector \"%s\", which cannot be read alone", name);
	*model = (struct watch_model){.class = spec->class,
		.roles = (uint32_t)roles,
		.columns = columns_of((uint32_t)roles)};
	return STATUS_OK;
}

enum status watch_read_kept(const void *bytes, size_t size, struct watch_kept *kept,
	struct error *error)
{
	struct watch_model model;
	struct watch_spec spec = {.rows_min = 1};
	enum status status = foresee(bytes, size, &model, &spec, error);
	struct pack pack;

	if (status == STATUS_OK)
		status = model_open(&spec, &model, error);
	if (status != STATUS_OK)
		return status;
	pack_read(&pack, bytes, size);
	head_pack(&model, &pack);
	if (!pack.failed)
		model.class->pack(model.detector, &pack);
	*kept = (struct watch_kept){.class = model.class,
		.detector = model.detector,
		.roles = model.roles,
		.first = model.first,
		.end = model.end,
		.rows = model.rows,
		.seed = spec.seed};
	if (!pack.failed)
		return STATUS_OK;
	model.class->close(model.detector);
	kept->detector = NULL;
	return error_set(error, STATUS_BAD_INPUT,
		"it is of a detector with other settings, or memory is out");
}

bool watch_wants_model(const struct watch *watch, uint32_t roles, int64_t minute,
	int64_t refit_rows)
{
	int64_t since = minute - watch->state.tried;

	/* A clock that was set back counts as late enough. */
	if (watch->state.tried != ROLLUP_NEVER && since >= 0 && since < RETRY_ROWS)
		return false;
	return watch->model == NULL || watch->model->roles != roles ||
		minute - watch->model->end >= refit_rows;
}

void watch_tried(struct watch *watch, int64_t minute)
{
	watch->state.tried = minute;
}

/* Without a model nothing is said. */
static void let_go(struct watch *watch)
{
	watch_model_close(watch->model);
	watch->model = NULL;
	watch->state.fitted = false;
	watch->state.quarantine = ALARM_UNFITTED;
	watch->state.bytes = 0;
}

/* ---- stepping ---- */

static void answer_of(struct watch *watch, int64_t minute, const double *values,
	struct alarm_answer *alarm)
{
	struct watch_answer *answer = &watch->state.answer;
	struct watch_model *model = watch->model;
	double parts[ROLE_COUNT] = {0};
	size_t at = 0;

	answer->minute = minute;
	answer->score = model->class->step(model->detector, values, NULL);
	*alarm = alarm_step(&model->alarm, answer->score);
	/* What is usual needs no reason, and finding one costs more than the score. */
	if (alarm->over || watch->state.active)
		model->class->explain(model->detector, parts);
	answer->threshold = alarm->threshold;
	answer->probability = alarm->probability;
	answer->surprise = -log10(alarm->probability);
	if (answer->surprise > SURPRISE_MAX)
		answer->surprise = SURPRISE_MAX;
	for (int role = 0; role < ROLE_COUNT; role++)
		answer->contributions[role] = (model->roles >> role & 1) != 0 ? parts[at++] : 0;
	watch->state.quarantine = alarm->quarantine;
}

void watch_adopt(struct watch *watch, struct watch_model *model, struct rollup *rollup,
	const struct workload_key *workload, int64_t next)
{
	double rows[WATCH_BEHIND_ROWS_MAX * ROLE_COUNT], column[WATCH_BEHIND_ROWS_MAX];
	struct alarm_answer alarm;
	size_t first;

	if (next < model->next || next - model->next > WATCH_BEHIND_ROWS_MAX) {
		watch_model_close(model);
		return;
	}
	let_go(watch);
	watch->model = model;
	watch->state.fitted = true;
	watch->state.first = model->first;
	watch->state.end = model->end;
	watch->state.rows = model->rows;
	watch->state.bytes = model->bytes;
	watch->state.quarantine = model->alarm.quarantine;
	if (next == model->next)
		return;
	(void)read_rows(rollup, workload, model->roles, model->columns, model->next, next, column,
		rows, &first);
	for (size_t i = 0; model->next < next; i++)
		answer_of(watch, model->next++, rows + i * model->columns, &alarm);
}

/* Whose the rows over the threshold are, from the first of them on. */
static void track_over(struct watch *watch, const struct alarm_answer *alarm, int64_t minute)
{
	if (isnan(alarm->probability))
		return;
	if (!alarm->over && !watch->state.active)
		watch->over_since = ROLLUP_NEVER;
	else if (alarm->over && watch->over_since == ROLLUP_NEVER)
		watch->over_since = minute;
}

static enum signal_role lead_of(const struct watch_answer *answer)
{
	int lead = 0;

	for (int role = 1; role < ROLE_COUNT; role++)
		if (answer->contributions[role] > answer->contributions[lead])
			lead = role;
	return (enum signal_role)lead;
}

enum watch_change watch_step(struct watch *watch, int64_t minute, uint32_t roles,
	const double *values)
{
	struct watch_state *state = &watch->state;
	struct alarm_answer alarm;

	if (watch->model != NULL && (minute != watch->model->next || roles != watch->model->roles))
		let_go(watch);
	if (watch->model == NULL) {
		bool ended = state->active;

		state->answer.score = state->answer.probability = state->answer.surprise = NAN;
		state->active = false;
		watch->over_since = ROLLUP_NEVER;
		return ended ? WATCH_ENDED : WATCH_NONE;
	}
	watch->model->next = minute + 1;
	answer_of(watch, minute, values, &alarm);
	track_over(watch, &alarm, minute);
	if (!state->active && watch->model->alarm.open && alarm.over &&
		alarm.probability <= watch->model->probability_max) {
		state->active = true;
		state->since_ms = (watch->over_since != ROLLUP_NEVER ? watch->over_since : minute) *
			MINUTE_MS;
		state->worst = state->answer;
		state->lead = lead_of(&state->answer);
		return WATCH_RAISED;
	}
	if (!state->active)
		return WATCH_NONE;
	if (state->answer.surprise > state->worst.surprise)
		state->worst = state->answer;
	/* A model that came in the middle of an episode has not raised it: without an alarm of its
	 * own it ends by the first row that is usual to it. */
	if (alarm.ended ||
		(!watch->model->alarm.open && !isnan(alarm.probability) && !alarm.over)) {
		state->active = false;
		watch->over_since = ROLLUP_NEVER;
		return WATCH_ENDED;
	}
	return WATCH_GOES_ON;
}
