/*
 * rightsize: what containers should request, of a running service, of Prometheus, or of a table.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "daemon/client.h"
#include "daemon/command_values.h"
#include "daemon/range_client.h"
#include "daemon/rightsize_prometheus.h"

#define OUTPUT_MAX ((size_t)64 << 20)
#define DAY_MS INT64_C(86400000)
#define HISTORY_DAYS 7
#define URL_MAX 4096

const char rightsize_flags[] =
	"usage: nimbusguard rightsize [--trace=FILE|--from-prometheus=URL] [flags]\n\n"
	"Shows what containers should request and be limited to: by the rule of the Vertical Pod\n"
	"Autoscaler, as the peak of their history, and by a forecast of the next day; each with its money\n"
	"a month and its risk. Changes nothing anywhere. The rules: docs/rightsizing.md.\n\n"
	"of a running service (the default):\n"
	"  --namespace=NAME, --kind=KIND, --workload=NAME, --cluster=NAME  one workload (default: all)\n"
	"  --url=URL           the service; default NIMBUSGUARD_URL, else http://127.0.0.1:9797\n"
	"  --token-file=FILE   a bearer token; default NIMBUSGUARD_TOKEN_FILE\n"
	"  --ca-file=FILE      certificate authority of the service\n"
	"of a recording, with what each way would have done in it:\n"
	"  --trace=FILE        CSV with a header: time or timestamp; cpu (cores) or cpu_millicores;\n"
	"                      memory (bytes) or memory_mib; oom_kills, replicas if they are known; or\n"
	"                      gzipped. What nimbusguard dataset writes will do.\n"
	"  --name=NAME         of the container (default app)\n"
	"  --from-prometheus=URL  all containers of a workload from Prometheus' API; credentials and\n"
	"                      limits are those of backfill.*\n"
	"  --target=NAMESPACE/KIND/NAME  whose\n"
	"  --start=TIME, --end=TIME  of what is fetched (default: the last 14 days)\n"
	"  --history=DURATION  of the recording is not judged (default 7d)\n"
	"output:\n"
	"  --format=FORMAT     text (the default), json, or manifest: YAML for kubectl\n"
	"  --by=WAY            of the manifest: forecast (the default), vpa, peak\n"
	"Prices are the settings --rightsize.price-core-hour and --rightsize.price-gib-hour.\n\n"
	"examples:\n"
	"  nimbusguard rightsize --namespace=shop --workload=web\n"
	"  nimbusguard rightsize --from-prometheus=http://127.0.0.1:9090 --target=shop/Deployment/web\n"
	"  nimbusguard rightsize --trace=web.csv --target=shop/Deployment/web --format=manifest >web.yaml\n";

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_MANIFEST, FORMATS };

static const char *const format_names[FORMATS] = {"text", "json", "manifest"};

struct rightsize_command {
	const struct command_line *line;
	enum format format;
	enum sizing_way way;
	size_t history; /* days */
	struct sizing_prices prices;
	struct rightsize_containers containers;
};

static int usage(const char *what, const char *value)
{
	fprintf(stderr, "nimbusguard: %s%s%s\n", what, value != NULL ? ": " : "",
		value != NULL ? value : "");
	return EXIT_USAGE;
}

static int read_options(struct rightsize_command *at)
{
	const char *format = command_flag(at->line, "format"), *by = command_flag(at->line, "by");
	const char *history = command_flag(at->line, "history");
	int64_t history_ms = HISTORY_DAYS * DAY_MS;
	int found = FORMAT_TEXT;

	while (format != NULL && found < FORMATS && strcmp(format, format_names[found]) != 0)
		found++;
	if (found == FORMATS)
		return usage("--format is text, json or manifest", format);
	at->format = (enum format)found;
	at->way = SIZING_OURS;
	if (by != NULL && !sizing_way_parse(by, &at->way))
		return usage("--by is forecast, vpa or peak", by);
	if (history != NULL &&
		(parse_duration(history, &history_ms) != STATUS_OK ||
			history_ms < (DAYS_MIN + 1) * DAY_MS))
		return usage("--history is a duration of at least 4d", history);
	at->history = (size_t)(history_ms / DAY_MS);
	return EXIT_GOOD;
}

static int print(struct buf *text)
{
	bool good = buf_ok(text);

	if (good && text->data != NULL)
		fputs(text->data, stdout);
	else if (!good)
		fprintf(stderr, "nimbusguard: no memory for the answer\n");
	buf_fini(text);
	return good ? EXIT_GOOD : EXIT_FAILED;
}

/* ---- a running service ---- */

/* Adds "&name=value" of a flag; what names in Kubernetes are made of needs no escapes. */
static bool add_flag(const struct command_line *line, const char *name, const char *fallback,
	struct buf *url)
{
	const char *value = command_flag(line, name);

	value = value != NULL ? value : fallback;
	if (value == NULL)
		return true;
	if (strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") !=
		strlen(value)) {
		fprintf(stderr, "nimbusguard: --%s is no name: %s\n", name, value);
		return false;
	}
	buf_printf(url, "&%s=%s", name, value);
	return true;
}

static int ask_service(const struct rightsize_command *at, const char *url, const char *token)
{
	struct error error;
	struct buf body;
	long http = 0;

	buf_init(&body, OUTPUT_MAX);
	if (client_request("GET", url, token, command_flag(at->line, "ca-file"), &http, &body,
		    &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		buf_fini(&body);
		return EXIT_FAILED;
	}
	if (http == 200)
		return print(&body);
	fprintf(stderr, "nimbusguard: HTTP %ld: %s\n", http, body.data != NULL ? body.data : "");
	buf_fini(&body);
	return EXIT_FAILED;
}

static int of_service(const struct rightsize_command *at)
{
	const char *base = command_flag(at->line, "url");
	bool one = command_flag(at->line, "workload") != NULL;
	char *token = NULL;
	struct buf url;
	int result = EXIT_USAGE;

	base = base != NULL ? base : getenv("NIMBUSGUARD_URL");
	if (!flag_token(at->line, &token))
		return EXIT_FAILED;
	buf_init(&url, URL_MAX);
	buf_printf(&url, "%s/api/v1/rightsize?format=%s&limit=100000",
		base != NULL ? base : "http://127.0.0.1:9797", format_names[at->format]);
	if (at->format == FORMAT_MANIFEST)
		buf_printf(&url, "&by=%s", sizing_way_name(at->way));
	if (add_flag(at->line, "namespace", NULL, &url) &&
		add_flag(at->line, "workload", NULL, &url) &&
		add_flag(at->line, "kind", one ? "Deployment" : NULL, &url) &&
		add_flag(at->line, "cluster", NULL, &url))
		result = buf_ok(&url) ? ask_service(at, url.data, token)
				      : usage("a name is too long", NULL);
	buf_fini(&url);
	mem_free(token);
	return result;
}

/* ---- a recording ---- */

int command_prices(const struct command_line *line, struct sizing_prices *prices)
{
	struct diagnostics diagnostics;
	struct config *config;
	struct buf words;

	diagnostics_init(&diagnostics);
	config = config_load(line->config_path, line->environment, line->settings,
		line->setting_count, &diagnostics);
	if (config != NULL) {
		prices->core_hour = config_double(config, SETTING_RIGHTSIZE_PRICE_CORE_HOUR);
		prices->gib_hour = config_double(config, SETTING_RIGHTSIZE_PRICE_GIB_HOUR);
	} else {
		buf_init(&words, 1 << 20);
		diagnostics_write(&diagnostics, &words);
		fprintf(stderr, "%s", words.data != NULL ? words.data : "");
		buf_fini(&words);
	}
	diagnostics_fini(&diagnostics);
	config_close(config);
	return config != NULL ? EXIT_GOOD : EXIT_FAILED;
}

static int read_trace(struct rightsize_command *at, const char *path)
{
	struct rightsize_container *container = &at->containers.list[0];
	const char *name = command_flag(at->line, "name");
	const char *target = command_flag(at->line, "target");
	char pods[RANGE_PODS_MAX];
	struct error error;

	name = name != NULL ? name : "app";
	if (strlen(name) >= CONTAINER_NAME_MAX)
		return usage("--name is too long", name);
	memset(container, 0, sizeof(*container));
	if (!range_target_read(target != NULL ? target : "default/Deployment/trace",
		    &container->sized.workload, pods))
		return EXIT_USAGE;
	memcpy(container->sized.container, name, strlen(name) + 1);
	container->sized.now = (struct sizing_now){{NAN, NAN}, {NAN, NAN}, NAN, 1};
	if (sizing_trace_read_csv(&container->trace, path, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	at->containers.count = 1;
	return EXIT_GOOD;
}

static enum status advise(struct rightsize_command *at, struct rightsize_container *container,
	struct error *error)
{
	const struct sizing_trace *trace = &container->trace;
	struct sizing *sizing = mem_alloc(sizeof(*sizing));

	if (sizing == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	sizing_trace_learn(trace, sizing);
	sizing_advise(sizing, trace->first + (int64_t)trace->count, &container->sized.now,
		&at->prices, &container->sized.advice);
	mem_free(sizing);
	return STATUS_OK;
}

/* What it says, and what each way would have done; a recording too short for that says the former alone. */
static enum status write_container(struct rightsize_command *at,
	struct rightsize_container *container, struct buf *text, struct error *error)
{
	struct sizing_replay replay;
	enum status status = advise(at, container, error);
	bool json = at->format == FORMAT_JSON;

	if (status != STATUS_OK || at->format == FORMAT_MANIFEST)
		return status;
	if (json)
		sized_write_json(&container->sized, text);
	else
		sized_write_text(&container->sized, text);
	status = sizing_replay(&container->trace, at->history, &at->prices, &replay, error);
	if (status == STATUS_OK && json && buf_ok(text)) {
		/* The object goes on. */
		text->data[--text->size] = '\0';
		buf_add_text(text, ",\"replay\":");
		sizing_replay_write_json(&replay, text);
		buf_add_char(text, '}');
	} else if (status == STATUS_OK) {
		sizing_replay_write_text(&replay, text);
	} else if (status == STATUS_UNAVAILABLE && !json) {
		buf_printf(text, "  Not replayed: %s.\n", error->text);
	}
	return status == STATUS_UNAVAILABLE ? STATUS_OK : status;
}

static int of_recording(struct rightsize_command *at)
{
	struct sized rows[RIGHTSIZE_CONTAINERS_MAX];
	struct error error = {.code = STATUS_OK};
	enum status status = STATUS_OK;
	struct buf text;

	buf_init(&text, OUTPUT_MAX);
	if (at->format == FORMAT_JSON)
		buf_add_char(&text, '[');
	for (size_t i = 0; i < at->containers.count && status == STATUS_OK; i++) {
		if (i > 0 && at->format != FORMAT_MANIFEST)
			buf_add_char(&text, at->format == FORMAT_JSON ? ',' : '\n');
		status = write_container(at, &at->containers.list[i], &text, &error);
		rows[i] = at->containers.list[i].sized;
	}
	if (at->format == FORMAT_JSON)
		buf_add_text(&text, "]\n");
	if (at->format == FORMAT_MANIFEST && status == STATUS_OK)
		sized_write_manifest(rows, at->containers.count, at->way, &text);
	if (status == STATUS_OK)
		return print(&text);
	fprintf(stderr, "nimbusguard: %s\n", error.text);
	buf_fini(&text);
	return EXIT_FAILED;
}

int command_rightsize(const struct command_line *line)
{
	static const char *const known[] = {"namespace", "kind", "workload", "cluster", "url",
		"token-file", "ca-file", "trace", "name", "from-prometheus", "target", "start",
		"end", "history", "format", "by", NULL};
	const char *trace = command_flag(line, "trace");
	const char *url = command_flag(line, "from-prometheus");
	struct rightsize_command *at;
	int result;

	if (!command_flags_known(line, known))
		return EXIT_USAGE;
	if (line->word_count > 0 || (trace != NULL && url != NULL))
		return usage("rightsize takes flags only, and one of --trace and --from-prometheus",
			NULL);
	at = mem_zalloc(1, sizeof(*at));
	if (at == NULL)
		return EXIT_FAILED;
	at->line = line;
	result = read_options(at);
	if (result == EXIT_GOOD && trace == NULL && url == NULL) {
		result = of_service(at);
	} else if (result == EXIT_GOOD) {
		result = command_prices(line, &at->prices);
		if (result == EXIT_GOOD)
			result = trace != NULL ? read_trace(at, trace)
					       : rightsize_fetch(line, url, &at->containers);
		if (result == EXIT_GOOD)
			result = of_recording(at);
	}
	rightsize_containers_fini(&at->containers);
	mem_free(at);
	return result;
}
