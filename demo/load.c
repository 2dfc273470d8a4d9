/*
 * Everything is a function of (seed, series, round) but the walks, which are sums. Nothing depends
 * on how many connections send it or in which order.
 */
#include "demo/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"

#define PODS_A_NODE 25
#define APPS 300
#define NAMESPACES 40
#define SPREAD_MS 7000
#define PAGE_BYTES 4096

/* With few labels the first ones stay: they tell series apart. */
enum load_label {
	LOAD_NAME,
	LOAD_POD,
	LOAD_NAMESPACE,
	LOAD_INSTANCE,
	LOAD_CONTAINER,
	LOAD_JOB,
	LOAD_NODE,
	LOAD_CLUSTER,
	LOAD_IMAGE,
	LOAD_ENDPOINT,
	LOAD_KNOWN
};

/* In the order of names. */
static const struct {
	const char *name;
	enum load_label label;
} known[LOAD_KNOWN] = {
	{"__name__", LOAD_NAME},
	{"cluster", LOAD_CLUSTER},
	{"container", LOAD_CONTAINER},
	{"endpoint", LOAD_ENDPOINT},
	{"image", LOAD_IMAGE},
	{"instance", LOAD_INSTANCE},
	{"job", LOAD_JOB},
	{"namespace", LOAD_NAMESPACE},
	{"node", LOAD_NODE},
	{"pod", LOAD_POD},
};

/* A pod's metrics: each resource in each unit. */
#define UNITS 5
static const char *const resources[LOAD_POD_SERIES / UNITS] = {"cpu_usage", "cpu_cfs_throttled",
	"memory_working_set", "memory_failures", "network_receive", "network_transmit", "fs_reads",
	"fs_writes", "sockets_open", "processes_running"};
static const char *const units[UNITS] = {"seconds", "bytes", "packets_dropped", "errors",
	"periods"};

/* The finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t mix_of(const struct load_shape *shape, uint32_t a, uint32_t b)
{
	return mix(shape->seed * UINT64_C(0x9e3779b97f4a7c15) + mix((uint64_t)a << 32 | b));
}

static uint32_t pod_of(uint32_t series)
{
	return series / LOAD_POD_SERIES;
}

/* How often the pod was replaced so far: its turn comes once in 100 / churn_percent rounds. */
static uint32_t life_of(const struct load_shape *shape, uint32_t pod, uint32_t round)
{
	uint64_t turn = mix_of(shape, pod, UINT32_MAX) % 100;

	return (uint32_t)(((uint64_t)round * shape->churn_percent + turn) / 100);
}

bool load_replaced(const struct load_shape *shape, uint32_t series, uint32_t round)
{
	uint32_t pod = pod_of(series);

	return round > 0 && life_of(shape, pod, round) != life_of(shape, pod, round - 1);
}

void load_cursor_init(struct load_cursor *cursor, const struct load_shape *shape)
{
	*cursor = (struct load_cursor){.shape = shape, .labels = {.pairs = cursor->pairs}};
}

static void write_text(const struct load_shape *shape, enum load_label label, uint32_t pod,
	uint32_t life, char text[LOAD_TEXT_MAX])
{
	uint32_t app = pod % APPS, node = pod / PODS_A_NODE;

	switch (label) {
	case LOAD_CLUSTER:
		snprintf(text, LOAD_TEXT_MAX, "load-%" PRIu64 "-europe-west-1", shape->seed);
		break;
	case LOAD_CONTAINER:
		snprintf(text, LOAD_TEXT_MAX, "app-%" PRIu32, app);
		break;
	case LOAD_ENDPOINT:
		snprintf(text, LOAD_TEXT_MAX, "https-metrics");
		break;
	case LOAD_IMAGE:
		snprintf(text, LOAD_TEXT_MAX,
			"registry.example.org/team/app-%" PRIu32 ":v1.2.3-%07" PRIx64, app,
			mix_of(shape, app, UINT32_MAX - 2) & 0xfffffff);
		break;
	case LOAD_INSTANCE:
		snprintf(text, LOAD_TEXT_MAX, "10.%" PRIu32 ".%" PRIu32 ".7:10250",
			node / 256 % 256, node % 256);
		break;
	case LOAD_JOB:
		snprintf(text, LOAD_TEXT_MAX, "kubelet");
		break;
	case LOAD_NAMESPACE:
		snprintf(text, LOAD_TEXT_MAX, "namespace-%" PRIu32, pod % NAMESPACES);
		break;
	case LOAD_NODE:
		snprintf(text, LOAD_TEXT_MAX, "node-%" PRIu32 ".internal", node);
		break;
	case LOAD_POD:
		/* The number keeps pods of equal hashes apart. */
		snprintf(text, LOAD_TEXT_MAX, "app-%" PRIu32 "-%08" PRIx32 "-%" PRIx32, app,
			(uint32_t)mix_of(shape, pod, life), pod);
		break;
	case LOAD_NAME: /* written for each series */
	case LOAD_KNOWN:
		break;
	}
}

static void add_pair(struct load_cursor *cursor, const char *name)
{
	uint32_t i = cursor->labels.count++;

	cursor->pairs[i] = (struct label){name, cursor->texts[i], (uint32_t)strlen(name),
		(uint32_t)strlen(cursor->texts[i])};
}

static void fill_pod(struct load_cursor *cursor, uint32_t pod, uint32_t life)
{
	const struct load_shape *shape = cursor->shape;

	cursor->labels.count = 0;
	for (int i = 0; i < LOAD_KNOWN; i++) {
		if ((uint32_t)known[i].label >= shape->label_count)
			continue;
		if (known[i].label == LOAD_NAME)
			cursor->name_index = cursor->labels.count;
		write_text(shape, known[i].label, pod, life, cursor->texts[cursor->labels.count]);
		add_pair(cursor, known[i].name);
	}
	for (uint32_t i = LOAD_KNOWN; i < shape->label_count; i++) {
		snprintf(cursor->texts[cursor->labels.count], LOAD_TEXT_MAX,
			"value-%" PRIu32 "-of-%" PRIu32, pod % (i + 1), i);
		/* Sorts behind "pod". */
		snprintf(cursor->tags[i - LOAD_KNOWN], LOAD_TAG_MAX, "tag_%02" PRIu32, i);
		add_pair(cursor, cursor->tags[i - LOAD_KNOWN]);
	}
	cursor->pod = pod;
	cursor->life = life;
	cursor->filled = true;
}

const struct labels *load_labels(struct load_cursor *cursor, uint32_t series, uint32_t round)
{
	uint32_t pod = pod_of(series), life = life_of(cursor->shape, pod, round);
	char *name;

	if (!cursor->filled || cursor->pod != pod || cursor->life != life)
		fill_pod(cursor, pod, life);
	name = cursor->texts[cursor->name_index];
	cursor->pairs[cursor->name_index].value_size =
		(uint32_t)snprintf(name, LOAD_TEXT_MAX, "container_%s_%s_total",
			resources[series % LOAD_POD_SERIES / UNITS], units[series % UNITS]);
	return &cursor->labels;
}

int64_t load_time_ms(const struct load_shape *shape, uint32_t series, uint32_t round)
{
	int64_t spread = shape->interval_ms < SPREAD_MS ? shape->interval_ms : SPREAD_MS;
	uint32_t node = pod_of(series) / PODS_A_NODE;

	return shape->start_ms + (int64_t)round * shape->interval_ms +
		(int64_t)(mix_of(shape, node, UINT32_MAX - 1) % (uint64_t)spread);
}

double load_value(const struct load_shape *shape, uint32_t series, uint32_t round, double *walk)
{
	uint64_t own = mix_of(shape, series, UINT32_MAX), kind = own % 100;
	uint64_t now = mix_of(shape, series, round);
	struct random random;

	if (kind < 30)
		return (double)(own >> 8 & 63);
	/* The jitter is smaller than the step, so that a counter never falls. */
	if (kind < 85)
		return (double)(own >> 40) + (double)round * (double)(kind * 10) +
			(double)(now % kind);
	if (kind < 95)
		return PAGE_BYTES * (double)(10000 + now % 200);
	random_init(&random, now);
	*walk += random_normal(&random);
	return *walk;
}
