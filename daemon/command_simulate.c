/*
 * simulate: what would autoscalers have done with this traffic, and which HPA settings would have been the
 * cheapest?
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/rightsize/sizing_replay.h"
#include "analyzers/scaler/compare.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/command.h"
#include "daemon/command_values.h"
#include "daemon/simulate_prometheus.h"

#define OUTPUT_MAX ((size_t)1 << 28)
#define POLICIES_TEXT_MAX 2048
#define MINUTE_MS INT64_C(60000)
#define PEAK_QUANTILE 0.999
#define RESOURCES_HISTORY_DAYS 7

const char simulate_flags[] =
	"usage: nimbusguard simulate --trace=FILE|--shape=NAME|--from-prometheus=URL [flags]\n\n"
	"Runs autoscalers on recorded or generated traffic: pods that take time to start, a backlog, late\n"
	"and dropped requests. Shows what each would have cost and who would have waited, beside an oracle\n"
	"that knows the next two minutes, and names the cheapest HPA target and stabilization window within\n"
	"the objective. Changes nothing anywhere. The plant and the figures: docs/simulation.md.\n\n"
	"traffic:\n"
	"  --trace=FILE        CSV with a header: time, timestamp, minute or second; rate, rps, rpm,\n"
	"                      requests_per_second, requests_per_minute, requests or count; or gzipped\n"
	"  --unit=UNIT         rps, rpm or count, whatever the header says\n"
	"  --keep-odd          zeros, spikes of a hundred times and counters are as they are\n"
	"  --shape=NAME        steady, diurnal, weekly, spike, ramp, flash_crowd, scheduled_bursts, drift,\n"
	"                      capacity_loss, metrics_missing, pods_lost\n"
	"  --days=N            of a shape (default 7)\n"
	"  --from-prometheus=URL  the workload's own traffic from Prometheus' API; credentials and limits\n"
	"                      are those of backfill.*\n"
	"  --target=NAMESPACE/KIND/NAME  whose\n"
	"  --query=EXPRESSION  its requests a second (default: the rate of a well-known metric)\n"
	"  --start=TIME, --end=TIME  of what is fetched (default: the last 14 days)\n"
	"plant:\n"
	"  --pod-rate=N        requests a second that one pod serves; from Prometheus: by default from the\n"
	"                      CPU seconds that a request takes and the CPU request of a pod\n"
	"  --peak-pods=N       without --pod-rate traffic is scaled so that its 99.9 % minute needs N pods\n"
	"                      of 50 requests/s (default 25)\n"
	"  --pods=MIN-MAX      bounds (default 1-50)\n"
	"  --startup=MIN-MAX   seconds until a pod is ready (default 30-120)\n"
	"comparison:\n"
	"  --policy=NAME,...   hpa[:TARGET[:WINDOW]], static[:PODS], oracle,\n"
	"                      ours[:OBJECTIVE[:setting|table|dqn]] (%; what chooses the quantile),\n"
	"                      qlearning[:classic|balanced[:DAYS]], trained on the history\n"
	"                      (default hpa:80,hpa:70,hpa:60,hpa:50,static,oracle)\n"
	"  --history=DURATION  of the trace's beginning is not judged (default 0)\n"
	"  --seeds=N           runs with other chance (default 3), --seed=N the first (default 1)\n"
	"  --objective=N       violated minutes and late requests at most, in per cent (default 0.5)\n"
	"  --price=N           of a pod-hour, in any currency\n"
	"  --no-advice         without the search for the best HPA settings\n"
	"  --hpa-fractions     the HPA does not cut the utilization to whole per cents as Kubernetes does\n"
	"  --resources=FILE    CSV of one container (nimbusguard help rightsize, --trace): what requests by\n"
	"                      the rule of the Vertical Pod Autoscaler, the peak and our forecast would\n"
	"                      have cost, and the minutes they would have throttled or killed\n"
	"output:\n"
	"  --format=FORMAT     text (the default) or json\n"
	"  --report=FILE       write an HTML page with the table and drawings\n\n"
	"examples:\n"
	"  nimbusguard simulate --shape=scheduled_bursts --days=14 --report=bursts.html\n"
	"  nimbusguard simulate --trace=mine.csv --pod-rate=80 --pods=2-40 --price=0.05\n"
	"  nimbusguard simulate --from-prometheus=http://127.0.0.1:9090 --target=shop/Deployment/web\n";

struct simulate_command {
	const struct command_line *line;
	struct compare_options options;
	struct trace trace;
	char policies[POLICIES_TEXT_MAX];
	double pod_rate; /* NaN: not told */
	double peak_pods;
	char shown[96]; /* the last words of the progress bar */
};

static int failed(const struct error *error)
{
	fprintf(stderr, "nimbusguard: %s\n", error->text);
	return EXIT_FAILED;
}

/* ---- the command line ---- */

/* MIN-MAX, both from least to most. */
static bool read_range(const struct command_line *line, const char *name, int64_t least,
	int64_t most, int64_t *low, int64_t *high)
{
	const char *text = command_flag(line, name);

	if (text == NULL ||
		(text_pair(text, '-', low, high) && *low >= least && *low <= *high &&
			*high <= most))
		return true;
	fprintf(stderr, "nimbusguard: --%s is MIN-MAX within %lld and %lld\n", name,
		(long long)least, (long long)most);
	return false;
}

static bool read_policies(struct simulate_command *at)
{
	static const char defaults[] = "hpa:80,hpa:70,hpa:60,hpa:50,static,oracle";
	const char *text = command_flag(at->line, "policy");
	struct compare_options *options = &at->options;

	if (text == NULL)
		text = defaults;
	if (strlen(text) >= sizeof(at->policies))
		return usage_refused("--policy is too long", NULL) == EXIT_GOOD;
	memcpy(at->policies, text, strlen(text) + 1);
	for (char *name = at->policies; name != NULL;) {
		char *comma = strchr(name, ',');

		if (comma != NULL)
			*comma++ = '\0';
		if (*name == '\0' || strlen(name) >= POLICY_NAME_MAX ||
			options->policy_count == COMPARE_POLICIES_MAX)
			return usage_refused(
				       "--policy is a list of up to 32 names, such as hpa:60,oracle",
				       text) == EXIT_GOOD;
		options->policies[options->policy_count++] = name;
		name = comma;
	}
	return true;
}

static bool read_plant(struct simulate_command *at)
{
	struct plant_config *plant = &at->options.plant;
	int64_t pods[2] = {plant->replicas_min, plant->replicas_max};
	int64_t start_s[2] = {plant->start_slots_min * (int64_t)POLICY_SLOT_S,
		plant->start_slots_max * (int64_t)POLICY_SLOT_S};

	at->pod_rate = NAN;
	at->peak_pods = 25;
	if (!flag_number(at->line, "pod-rate", 1e-3, 1e6, &at->pod_rate) ||
		!flag_number(at->line, "peak-pods", 1, PLANT_PODS_MAX, &at->peak_pods) ||
		!read_range(at->line, "pods", 1, PLANT_PODS_MAX, &pods[0], &pods[1]) ||
		!read_range(at->line, "startup", 0, SIMULATE_START_MAX * (int64_t)POLICY_SLOT_S,
			&start_s[0], &start_s[1]))
		return false;
	plant->replicas_min = (int)pods[0];
	plant->replicas_max = (int)pods[1];
	/* To whole slots, up: a pod is never ready before its time. */
	plant->start_slots_min = (int)((start_s[0] + POLICY_SLOT_S - 1) / POLICY_SLOT_S);
	plant->start_slots_max = (int)((start_s[1] + POLICY_SLOT_S - 1) / POLICY_SLOT_S);
	return true;
}

static bool read_options(struct simulate_command *at)
{
	struct compare_options *options = &at->options;
	const char *history = command_flag(at->line, "history");
	int64_t seeds = 3, seed = 1, history_ms = 0;

	compare_options_default(options);
	if (!read_policies(at) || !read_plant(at) ||
		!flag_natural(at->line, "seeds", 1, COMPARE_SEEDS_MAX, &seeds) ||
		!flag_natural(at->line, "seed", 0, INT32_MAX, &seed) ||
		!flag_number(at->line, "objective", 0, 100, &options->objective) ||
		!flag_number(at->line, "price", 0, 1e9, &options->price))
		return false;
	if (history != NULL && parse_duration(history, &history_ms) != STATUS_OK)
		return usage_refused("--history is no duration, such as 7d", history) == EXIT_GOOD;
	options->first_minute = (size_t)(history_ms / MINUTE_MS);
	options->seeds = (size_t)seeds;
	options->seed = (uint64_t)seed;
	options->advice = command_flag(at->line, "no-advice") == NULL;
	options->hpa_whole_percent = command_flag(at->line, "hpa-fractions") == NULL;
	options->trails = command_flag(at->line, "report") != NULL;
	return true;
}

/* ---- the traffic ---- */

static int read_trace(struct simulate_command *at, const char *path)
{
	static const char *const units[] = {"", "rps", "rpm", "count"};
	struct trace_csv_options options = {.keep_odd = command_flag(at->line, "keep-odd") != NULL};
	const char *unit = command_flag(at->line, "unit"), *base = strrchr(path, '/');
	struct error error;

	for (int i = TRACE_UNIT_PER_SECOND; unit != NULL && i <= TRACE_UNIT_COUNT; i++)
		if (strcmp(unit, units[i]) == 0)
			options.unit = (enum trace_unit)i;
	if (unit != NULL && options.unit == TRACE_UNIT_HEADER)
		return usage_refused("--unit is rps, rpm or count", unit);
	trace_init(&at->trace, base != NULL ? base + 1 : path);
	if (trace_read_csv(&at->trace, path, &options, &error) != STATUS_OK)
		return failed(&error);
	return EXIT_GOOD;
}

static int generate_trace(struct simulate_command *at, const char *shape)
{
	int64_t days = 7;
	const char *nearest = nearest_word(shape, trace_shapes);
	struct error error;

	if (!flag_natural(at->line, "days", 1, TRACE_MINUTES_MAX / 1440, &days))
		return EXIT_USAGE;
	trace_init(&at->trace, shape);
	/* A shape has no size of its own: with --pod-rate its peak is that of --peak-pods, too. */
	if (trace_generate(&at->trace, shape, (size_t)days, 1, at->options.seed, &error) !=
		STATUS_OK)
		return nearest != NULL
			? usage_refused("--shape: did you mean", nearest)
			: usage_refused("--shape is not known, see nimbusguard help simulate",
				  shape);
	return EXIT_GOOD;
}

static int make_trace(struct simulate_command *at)
{
	const char *trace = command_flag(at->line, "trace");
	const char *shape = command_flag(at->line, "shape");
	const char *url = command_flag(at->line, "from-prometheus");

	if ((trace != NULL) + (shape != NULL) + (url != NULL) != 1)
		return usage_refused(
			"say which traffic: --trace=FILE, --shape=NAME or --from-prometheus=URL",
			NULL);
	if (trace != NULL)
		return read_trace(at, trace);
	if (shape != NULL)
		return generate_trace(at, shape);
	return simulate_fetch(at->line, url, &at->trace, &at->pod_rate);
}

/* Traffic as it is where a pod's rate is known, else scaled to pods of 50 requests a second. */
static int set_scale(struct simulate_command *at)
{
	struct compare_options *options = &at->options;
	bool generated = command_flag(at->line, "shape") != NULL;
	struct error error;
	double peak;

	if (!isnan(at->pod_rate))
		options->plant.service_rate = at->pod_rate;
	if (!isnan(at->pod_rate) && !generated)
		return EXIT_GOOD;
	if (trace_quantile(&at->trace, PEAK_QUANTILE, &peak, &error) != STATUS_OK)
		return failed(&error);
	if (!(peak > 0))
		return usage_refused("there are no requests in this traffic", NULL);
	options->scale = load_pods_rate(&options->plant, at->peak_pods) / peak;
	if (!generated)
		trace_note(&at->trace,
			"what a pod serves is not known (--pod-rate): traffic is scaled by %.4g, so that "
			"its 99.9 %% minute needs %g pods of %g requests/s",
			options->scale, at->peak_pods, options->plant.service_rate);
	return EXIT_GOOD;
}

/* ---- running ---- */

/* A line of a terminal that is written over; once for each per cent. */
static void show_progress(void *user, double part, const char *what)
{
	struct simulate_command *at = user;
	char words[sizeof(at->shown)];
	int filled = (int)(part * 30);

	snprintf(words, sizeof(words), "[%.*s%*s] %3.0f %% %.32s", filled,
		"##############################", 30 - filled, "", part * 100, what);
	if (strcmp(words, at->shown) == 0)
		return;
	memcpy(at->shown, words, sizeof(words));
	fprintf(stderr, "\r\033[K%s", words);
}

/* What requests by each way would have done, behind the comparison of replicas. */
static int add_resources(const struct command_line *line, bool json, struct buf *text)
{
	const char *path = command_flag(line, "resources");
	struct sizing_prices prices;
	struct sizing_trace trace;
	struct sizing_replay replay;
	struct error error;
	enum status status;

	if (path == NULL)
		return EXIT_GOOD;
	if (command_prices(line, &prices) != EXIT_GOOD)
		return EXIT_FAILED;
	status = sizing_trace_read_csv(&trace, path, &error);
	if (status == STATUS_OK)
		status = sizing_replay(&trace, RESOURCES_HISTORY_DAYS, &prices, &replay, &error);
	sizing_trace_fini(&trace);
	if (status != STATUS_OK)
		return failed(&error);
	if (json && buf_ok(text)) {
		/* The object goes on. */
		while (text->size > 0 && text->data[text->size - 1] != '}')
			text->size--;
		text->size -= text->size > 0;
		buf_add_text(text, ",\"requests\":");
		sizing_replay_write_json(&replay, text);
		buf_add_text(text, "}\n");
	} else {
		buf_printf(text, "\nRequests of the container in %.200s. ", path);
		sizing_replay_write_text(&replay, text);
	}
	return EXIT_GOOD;
}

static int write_out(const struct command_line *line, const struct comparison *comparison,
	bool json, const char *report)
{
	int status = EXIT_GOOD;
	struct error error;
	struct buf text;

	buf_init(&text, OUTPUT_MAX);
	if (json)
		comparison_write_json(comparison, &text);
	else
		comparison_write_text(comparison, &text);
	status = add_resources(line, json, &text);
	if (status == EXIT_GOOD && buf_ok(&text) && text.data != NULL)
		fputs(text.data, stdout);
	buf_reset(&text);
	if (report != NULL) {
		comparison_write_html(comparison, &text);
		if (buf_ok(&text) &&
			file_write_atomic(report, text.data, text.size, 0644, &error) != STATUS_OK)
			status = failed(&error);
	}
	if (!buf_ok(&text)) {
		fprintf(stderr, "nimbusguard: out of memory\n");
		status = EXIT_FAILED;
	}
	buf_fini(&text);
	return status;
}

static int simulate_and_tell(struct simulate_command *at, bool json)
{
	struct comparison comparison;
	struct error error;
	enum status status;
	int result;

	at->options.trace = &at->trace;
	if (isatty(STDERR_FILENO)) {
		at->options.progress = show_progress;
		at->options.progress_user = at;
	}
	status = compare(&at->options, &comparison, &error);
	if (at->options.progress != NULL)
		fputs("\r\033[K", stderr);
	if (status != STATUS_OK)
		return failed(&error);
	result = write_out(at->line, &comparison, json, command_flag(at->line, "report"));
	comparison_fini(&comparison);
	return result;
}

int command_simulate(const struct command_line *line)
{
	static const char *const known[] = {"trace", "unit", "keep-odd", "shape", "days",
		"from-prometheus", "target", "query", "start", "end", "pod-rate", "peak-pods",
		"pods", "startup", "policy", "history", "seeds", "seed", "objective", "price",
		"no-advice", "hpa-fractions", "format", "report", "resources", NULL};
	const char *format = command_flag(line, "format");
	struct simulate_command *at;
	int result;

	if (!command_flags_known(line, known))
		return EXIT_USAGE;
	if (line->word_count > 0)
		return usage_refused("simulate takes flags only, see nimbusguard help simulate",
			NULL);
	if (format != NULL && strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
		return usage_refused("--format is text or json", format);
	at = mem_zalloc(1, sizeof(*at));
	if (at == NULL)
		return EXIT_FAILED;
	at->line = line;
	trace_init(&at->trace, "");
	result = read_options(at) ? make_trace(at) : EXIT_USAGE;
	if (result == EXIT_GOOD)
		result = set_scale(at);
	if (result == EXIT_GOOD)
		result = simulate_and_tell(at, format != NULL && strcmp(format, "json") == 0);
	trace_fini(&at->trace);
	mem_free(at);
	return result;
}
