/*
 * The run: each slot of simulated time the cluster steps, its series and alerts are sent, and the
 * view is drawn. The clock of the simulation is real time stretched by `speed`, so that the service,
 * which reads the same clock, lives in simulated time too.
 */
#include "demo/demo.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parse.h"
#include "demo/cluster.h"
#include "demo/kube_api.h"
#include "demo/sender.h"
#include "demo/story.h"
#include "demo/view.h"

#define SLOT_MS INT64_C(15000)
#define DRAW_MS 200
#define ALERTS_SHOWN 16
#define FAILURES_MAX 20

/* real: the system's monotonic clock at demo_open. */
struct stretched_clock {
	struct clock clock; /* first: the functions below cast back */
	double speed;
	int64_t start_ms, start_mono_ns;
};

struct demo {
	struct demo_config config;
	struct stretched_clock clock;
	struct cluster cluster;
	struct kube_api *api;
	struct view view;
	char kube_url[64], service_url[128];
	struct story story;
	uint64_t samples; /* sent */
	double demand_low, demand_high;
	int replicas_first, replicas_most;
};

static int64_t stretched_mono_ns(const struct clock *clock)
{
	const struct stretched_clock *stretched =
		(const struct stretched_clock *)(const void *)clock;
	int64_t elapsed_ns = clock_mono_ns(clock_system()) - stretched->start_mono_ns;

	return (int64_t)((double)elapsed_ns * stretched->speed);
}

static int64_t stretched_now_ms(const struct clock *clock)
{
	const struct stretched_clock *stretched =
		(const struct stretched_clock *)(const void *)clock;

	return stretched->start_ms + stretched_mono_ns(clock) / 1000000;
}

struct demo *demo_open(const struct demo_config *config, struct error *error)
{
	struct demo *demo = mem_zalloc(1, sizeof(*demo));

	if (demo == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	demo->config = *config;
	demo->clock = (struct stretched_clock){
		.clock = {stretched_now_ms, stretched_mono_ns},
		.speed = config->speed,
		.start_ms = clock_now_ms(clock_system()),
		.start_mono_ns = clock_mono_ns(clock_system()),
	};
	view_init(&demo->view, config->output, config->live, config->color);
	story_init(&demo->story, &demo->view);
	cluster_init(&demo->cluster, demo->clock.start_ms, config->seed);
	demo->api = kube_api_start(&demo->cluster, config->kube_port, error);
	if (demo->api == NULL) {
		demo_close(demo);
		return NULL;
	}
	snprintf(demo->kube_url, sizeof(demo->kube_url), "http://127.0.0.1:%u",
		kube_api_port(demo->api));
	return demo;
}

const struct clock *demo_clock(struct demo *demo)
{
	return &demo->clock.clock;
}

const char *demo_kube_url(struct demo *demo)
{
	return demo->kube_url;
}

static int64_t elapsed_ms(const struct demo *demo, int64_t time_ms)
{
	return time_ms > demo->clock.start_ms ? time_ms - demo->clock.start_ms : 0;
}

void demo_tell(struct demo *demo, int64_t time_ms, const char *incident, const char *state,
	const char *text)
{
	story_step(&demo->story, elapsed_ms(demo, time_ms), incident, state, text);
}

void demo_tell_finding(struct demo *demo, int64_t time_ms, const char *episode, bool firing,
	const char *summary)
{
	if (firing)
		story_finding(&demo->story, elapsed_ms(demo, time_ms), episode, summary);
}

/* What a person would notice in the traffic and the replicas of the first workload. */
static void watch_cluster(struct demo *demo, const struct sim_reading *readings, int64_t now_ms)
{
	double demand = readings[0].values[ROLE_REQUEST_RATE];
	char line[VIEW_LINE_SIZE];

	if (demo->demand_low == 0)
		demo->demand_low = demo->demand_high = demand;
	if (demo->replicas_first == 0)
		demo->replicas_first = demo->replicas_most = readings[0].wanted;
	if (demand > demo->demand_high * 1.2) {
		snprintf(line, sizeof(line), "requests to shop/web rose from %.0f to %.0f a second",
			demo->demand_low, demand);
		view_tell(&demo->view, elapsed_ms(demo, now_ms), TONE_PLAIN, "traffic", line);
		demo->demand_high = demand;
	}
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		const struct sim_reading *before = &demo->view.last[i];

		if (demo->view.history_count == 0 ||
			(before->wanted == readings[i].wanted &&
				before->memory_limit_mib == readings[i].memory_limit_mib &&
				before->ready == readings[i].ready))
			continue;
		snprintf(line, sizeof(line),
			"shop/%.31s: %d of %d pods ready, memory limit %.0f Mi",
			readings[i].workload, readings[i].ready, readings[i].wanted,
			readings[i].memory_limit_mib);
		view_tell(&demo->view, elapsed_ms(demo, now_ms), TONE_DIM, "cluster", line);
	}
	if (readings[0].wanted > demo->replicas_most)
		demo->replicas_most = readings[0].wanted;
}

static enum status run_slot(struct demo *demo, struct sender *sender, int64_t now_ms,
	struct error *error)
{
	struct sim_reading readings[CLUSTER_WORKLOADS];
	struct sim_alert changed[ALERTS_SHOWN];
	size_t count = 0;
	enum status status;

	cluster_step(&demo->cluster, now_ms);
	kube_api_step(demo->api);
	for (int i = 0; i < CLUSTER_WORKLOADS; i++)
		cluster_read(&demo->cluster, i, &readings[i]);
	watch_cluster(demo, readings, now_ms);
	view_update(&demo->view, readings);
	status = sender_write(sender, &demo->cluster, now_ms, error);
	if (status == STATUS_OK) {
		demo->samples += (uint64_t)CLUSTER_WORKLOADS * ROLE_COUNT;
		story_alerts_begin(&demo->story);
		status = sender_alert(sender, &demo->cluster, now_ms, changed, ALERTS_SHOWN, &count,
			error);
		story_alerts_end(&demo->story, elapsed_ms(demo, now_ms), changed, count);
	}
	return status;
}

static void draw(struct demo *demo)
{
	int64_t passed_s = elapsed_ms(demo, clock_now_ms(&demo->clock.clock)) / 1000;
	char header[256];

	snprintf(header, sizeof(header),
		"NimbusGuard demo   simulated time %lld:%02lld (%.0fx)   page: %s/   Ctrl-C ends",
		(long long)(passed_s / 60), (long long)(passed_s % 60), demo->config.speed,
		demo->service_url);
	view_draw(&demo->view, header);
}

static void tell_start(struct demo *demo)
{
	char line[VIEW_LINE_SIZE];

	snprintf(line, sizeof(line), "status page %.90s/   metrics %.90s/metrics",
		demo->service_url, demo->service_url);
	view_tell(&demo->view, 0, TONE_ACT, "demo", line);
	view_tell(&demo->view, 0, TONE_DIM, "demo",
		"three simulated deployments; the detector needs 10 minutes of history first");
}

enum status demo_run(struct demo *demo, const char *service_url, const atomic_bool *stop,
	struct error *error)
{
	struct sender *sender = sender_open(service_url, error);
	int64_t begun_ns = clock_mono_ns(clock_system());
	int64_t next_ms = demo->clock.start_ms + SLOT_MS, drawn_ms = -DRAW_MS;
	unsigned failures = 0;

	if (sender == NULL)
		return error->code;
	snprintf(demo->service_url, sizeof(demo->service_url), "%s", service_url);
	tell_start(demo);
	error_reset(error);
	while (!atomic_load(stop) && failures < FAILURES_MAX) {
		int64_t passed_ms = (clock_mono_ns(clock_system()) - begun_ns) / 1000000;

		if (demo->config.duration_ms > 0 && passed_ms >= demo->config.duration_ms)
			break;
		if (clock_now_ms(&demo->clock.clock) >= next_ms) {
			failures = run_slot(demo, sender, next_ms, error) == STATUS_OK
				? 0
				: failures + 1;
			if (failures == 1)
				view_tell(&demo->view, elapsed_ms(demo, next_ms), TONE_BAD, "demo",
					error->text);
			next_ms += SLOT_MS;
		}
		if (passed_ms - drawn_ms >= DRAW_MS) {
			draw(demo);
			drawn_ms = passed_ms;
		}
		if (clock_now_ms(&demo->clock.clock) < next_ms)
			clock_sleep_ms(10);
	}
	draw(demo);
	sender_close(sender);
	if (failures < FAILURES_MAX)
		error_reset(error);
	return error->code;
}

void demo_write_summary(struct demo *demo)
{
	struct story_tally tally = story_tally(&demo->story);
	struct buf text;

	view_end(&demo->view);
	buf_init(&text, 8192);
	buf_printf(&text, "\nWhat happened in %.0f simulated minutes:\n",
		(double)demo->view.history_count * (double)SLOT_MS / 60000);
	buf_printf(&text, "  traffic of shop/web   %.0f -> %.0f requests a second\n",
		demo->demand_low, demo->demand_high);
	buf_printf(&text, "  replicas of shop/web  %d -> %d\n", demo->replicas_first,
		demo->replicas_most);
	buf_printf(&text, "  samples sent          %llu\n", (unsigned long long)demo->samples);
	buf_printf(&text, "  findings              %llu\n", (unsigned long long)tally.findings);
	buf_printf(&text, "  alerts fired          %llu\n", (unsigned long long)tally.alerts);
	buf_printf(&text, "  plans refused         %llu\n", (unsigned long long)tally.refused);
	buf_printf(&text, "  changes made          %llu, tickets %llu, failed %llu\n",
		(unsigned long long)tally.changes, (unsigned long long)tally.tickets,
		(unsigned long long)tally.failed);
	if (tally.dry > 0)
		buf_printf(&text, "  in dry run            %llu, not sent to the cluster\n",
			(unsigned long long)tally.dry);
	buf_printf(&text, "  of the changes        %llu helped, %llu did not\n",
		(unsigned long long)tally.cured, (unsigned long long)tally.ineffective);
	if (buf_ok(&text) && write(demo->config.output, text.data, text.size) < 0)
		error_reset(NULL);
	buf_fini(&text);
}

bool demo_complete(struct demo *demo)
{
	struct story_tally tally = story_tally(&demo->story);

	return tally.alerts > 0 && tally.done > 0 && tally.cured > 0;
}

void demo_close(struct demo *demo)
{
	if (demo == NULL)
		return;
	kube_api_stop(demo->api);
	cluster_fini(&demo->cluster);
	story_fini(&demo->story);
	view_fini(&demo->view);
	mem_free(demo);
}
