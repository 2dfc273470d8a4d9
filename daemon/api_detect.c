/*
 * GET /api/v1/detect: what the detector of one workload says of its last minute, and why.
 * GET /api/v1/predict: the forecasts of its signals.
 */
#include "analyzers/analyzer.h"
#include "daemon/api.h"
#include "daemon/routes.h"
#include "daemon/service.h"

#define ANSWER_MAX (1024 * 1024)

typedef enum status write_fn(struct analyzer *analyzer, struct buf *json,
	const struct workload_key *workload);

static void reply_workload(struct request *request, struct analyzer *analyzer, write_fn *write)
{
	struct workload_key key;
	struct error error;
	struct buf json;
	bool given = false;
	enum status status = api_read_workload(request, &key, &given, &error);

	buf_init(&json, ANSWER_MAX);
	if (status == STATUS_OK && !given)
		status = error_set(&error, STATUS_BAD_INPUT,
			"namespace, kind and workload are needed");
	if (status == STATUS_OK && analyzer == NULL)
		status = error_set(&error, STATUS_NOT_FOUND, "analyze is not enabled");
	if (status == STATUS_OK) {
		error_set(&error, STATUS_NOT_FOUND, "the workload is not watched");
		status = write(analyzer, &json, &key);
	}
	api_reply(request, &json, status, &error);
	buf_fini(&json);
}

void route_detect(struct request *request, void *argument)
{
	reply_workload(request, service_analyzer(argument), analyzer_write_detection);
}

void route_predict(struct request *request, void *argument)
{
	reply_workload(request, service_analyzer(argument), analyzer_write_outlook);
}
