/*
 * Counters and gauges as values, for those who pass them on in another form than the page's.
 *
 * Under a family's lock nothing is done but copying; what becomes of the copies takes its own time.
 */
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "base/metrics_cells.h"

#define LIST_FIRST 256
/* Of the texts together; a value is at most 256 bytes. */
#define TEXTS_MAX ((size_t)1 << 30)

struct taking {
	struct metric_samples *samples;
	size_t capacity;
};

static struct metric_sample *add_place(struct taking *taking)
{
	struct metric_samples *samples = taking->samples;

	if (samples->count == taking->capacity) {
		size_t capacity = taking->capacity > 0 ? 2 * taking->capacity : LIST_FIRST;
		struct metric_sample *larger = mem_resize(samples->list, capacity, sizeof(*larger));

		if (larger == NULL)
			return NULL;
		samples->list = larger;
		taking->capacity = capacity;
	}
	return &samples->list[samples->count];
}

static enum status take_cell(struct taking *taking, enum metric_id id, size_t labels,
	const struct metric_cell *cell)
{
	struct metric_sample *sample;

	sample = add_place(taking);
	if (sample == NULL)
		return STATUS_NO_MEMORY;
	*sample = (struct metric_sample){.id = id, .value = metric_cell_sum(cell)};
	for (size_t i = 0; i < labels; i++) {
		sample->values[i] = arena_strndup(&taking->samples->texts, cell->values[i],
			strlen(cell->values[i]));
		if (sample->values[i] == NULL)
			return STATUS_NO_MEMORY;
	}
	taking->samples->count++;
	return STATUS_OK;
}

static enum status take_family(struct taking *taking, enum metric_id id)
{
	struct metric_family *family = metric_family(id);
	size_t labels = metric_label_count(id);
	enum status status = STATUS_OK;

	if (metric_describe(id)->type == METRIC_HISTOGRAM)
		return STATUS_OK;
	if (labels == 0)
		return take_cell(taking, id, 0, metric_single(id));
	pthread_mutex_lock(&family->lock);
	for (size_t i = 0; i < family->cell_count && status == STATUS_OK; i++)
		status = take_cell(taking, id, labels, family->cells[i]);
	pthread_mutex_unlock(&family->lock);
	return status;
}

enum status metrics_take(const enum metric_id *ids, size_t id_count, struct metric_samples *samples)
{
	struct taking taking = {.samples = samples};
	enum status status = STATUS_OK;

	*samples = (struct metric_samples){0};
	arena_init(&samples->texts, TEXTS_MAX);
	metrics_collect_begin();
	for (size_t i = 0; i < id_count && status == STATUS_OK; i++)
		status = take_family(&taking, ids[i]);
	metrics_collect_end();
	return status;
}

void metric_samples_fini(struct metric_samples *samples)
{
	mem_free(samples->list);
	arena_fini(&samples->texts);
	*samples = (struct metric_samples){0};
}
