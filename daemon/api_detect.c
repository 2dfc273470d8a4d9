/*
 * GET /api/v1/detect: what the detector of one workload says of its last minute, and why.
 */
#include "analyzers/analyzer.h"
#include "daemon/api.h"
#include "daemon/routes.h"
#include "daemon/service.h"

#define ANSWER_MAX (1024 * 1024)

void route_detect(struct request *request, void *argument)
{
	struct analyzer *analyzer = service_analyzer(argument);
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
		status = analyzer_write_detection(analyzer, &json, &key);
	}
	api_reply(request, &json, status, &error);
	buf_fini(&json);
}
