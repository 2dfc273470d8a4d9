/*
 * GET /api/v1/scaler: what the scaler would have each workload have, or one of them, with its accounts.
 * GET /api/v1/scaler/NAMESPACE/KIND/NAME: the number alone, for those who act on it themselves, such as
 * KEDA's metrics-api trigger: a number only while it serves and is fresh, else an error, so that what they
 * do without us comes into force.
 */
#include "daemon/scaling.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "daemon/api.h"
#include "daemon/routes.h"
#include "daemon/service.h"

#define ANSWER_MAX (64 * 1024 * 1024)

void service_scaler_config(const struct config *config, struct scaler_config *scaler)
{
	struct follow_config *follow = &scaler->follow;
	const char *mode = config_text(config, SETTING_SCALER_MODE);
	int64_t start = config_int(config, SETTING_SCALER_STARTUP);

	scaler_config_default(scaler);
	scaler->off = strcmp(mode, "off") == 0;
	scaler->serve = strcmp(mode, "serve") == 0;
	scaler->workload_max = (unsigned)config_int(config, SETTING_ANALYZE_WORKLOADS_MAX);
	scaler->reading_age_max_ms = config_int(config, SETTING_SCALER_READING_AGE);
	scaler->pod_hour_price = config_double(config, SETTING_SCALER_PRICE);
	scaler->pods_max = (double)config_int(config, SETTING_SCALER_PODS_MAX);
	scaler->namespace_pods_max = (double)config_int(config, SETTING_SCALER_NAMESPACE_PODS_MAX);
	scaler->policies_max = (size_t)config_int(config, SETTING_SCALER_POLICIES_MAX);
	scaler->objective = config_double(config, SETTING_SCALER_OBJECTIVE);
	scaler->cost_max = config_double(config, SETTING_SCALER_COST_MAX);
	follow->start_slots = (int)((start + SCALER_SLOT_MS - 1) / SCALER_SLOT_MS);
	follow->replicas_max = (int)config_int(config, SETTING_GUARD_REPLICAS_MAX);
	follow->replicas_min = (int)config_int(config, SETTING_SCALER_REPLICAS_MIN);
	if (follow->replicas_min > follow->replicas_max)
		follow->replicas_min = follow->replicas_max;
	follow->hpa.target_percent = config_double(config, SETTING_SCALER_HPA_TARGET);
	follow->hpa.replicas_min = follow->replicas_min;
	follow->hpa.replicas_max = follow->replicas_max;
	follow->shadow_slots = config_int(config, SETTING_SCALER_SHADOW) / SCALER_SLOT_MS;
}

static enum status read_limit(const struct request *request, size_t *limit, struct error *error)
{
	const char *text = request_query(request, "limit");
	int64_t value = 0;

	if (text != NULL && (parse_int(text, &value) != STATUS_OK || value < 1 || value > 100000))
		return error_set(error, STATUS_BAD_INPUT,
			"limit \"%.40s\" is not between 1 and 100000", text);
	*limit = (size_t)value;
	return STATUS_OK;
}

void route_scaler(struct request *request, void *argument)
{
	struct scaler *scaler = service_scaler(argument);
	struct workload_key key;
	struct error error;
	struct buf json;
	size_t limit = 0;
	bool given = false;
	enum status status = api_read_workload(request, &key, &given, &error);

	buf_init(&json, ANSWER_MAX);
	if (status == STATUS_OK)
		status = read_limit(request, &limit, &error);
	if (status == STATUS_OK && scaler == NULL)
		status = error_set(&error, STATUS_NOT_FOUND, "analyze is not enabled");
	if (status == STATUS_OK) {
		error_set(&error, STATUS_NO_MEMORY, "out of memory");
		status = given ? scaler_write_one(scaler, &key, &json, &error)
			       : scaler_write(scaler, &json, limit);
	}
	api_reply(request, &json, status, &error);
	buf_fini(&json);
}

/* "namespace/kind/name". */
static enum status read_path(const char *path, struct workload_key *key, struct error *error)
{
	size_t space = strcspn(path, "/"), kind;
	char word[KIND_MAX];

	*key = (struct workload_key){.kind = TARGET_NONE};
	path += path[space] == '/' ? space + 1 : space;
	kind = strcspn(path, "/");
	if (path[kind] != '/' || space == 0 || kind == 0 || path[kind + 1] == '\0' ||
		strchr(path + kind + 1, '/') != NULL)
		return error_set(error, STATUS_BAD_INPUT,
			"the path is /api/v1/scaler/NAMESPACE/KIND/NAME");
	if (space >= sizeof(key->namespace_name) || kind >= sizeof(word) ||
		strlen(path + kind + 1) >= sizeof(key->name))
		return error_set(error, STATUS_BAD_INPUT, "a name is too long");
	memcpy(word, path, kind);
	word[kind] = '\0';
	key->kind = target_kind_parse(word);
	if (key->kind == TARGET_NONE)
		return error_set(error, STATUS_BAD_INPUT, "kind \"%.60s\" is unknown", word);
	memcpy(key->namespace_name, path - space - 1, space);
	memcpy(key->name, path + kind + 1, strlen(path + kind + 1));
	return STATUS_OK;
}

void route_scaler_value(struct request *request, void *argument)
{
	struct service *service = argument;
	struct scaler *scaler = service_scaler(service);
	struct workload_key key;
	struct error error;
	struct buf json;
	int replicas = 0;
	enum status status = read_path(request_rest(request), &key, &error);

	if (status == STATUS_OK && scaler == NULL)
		status = error_set(&error, STATUS_NOT_FOUND, "analyze is not enabled");
	if (status == STATUS_OK)
		status = scaler_value(scaler, request_query(request, "cluster"), &key,
			clock_now_ms(service_clock(service)), &replicas, &error);
	buf_init(&json, 256);
	buf_printf(&json, "{\"value\":%d}", replicas);
	api_reply(request, &json, status, &error);
	buf_fini(&json);
}
