/*
 * dataset: what the models of a workload learn from, as CSV with a header: the minutes of its signals,
 * asked from a running service. `nimbusguard evaluate --dataset=csv` reads the file again.
 */
#include <stdio.h>

#include "analyzers/models/model_file.h"
#include "base/mem.h"
#include "daemon/minutes_csv.h"

const char dataset_flags[] =
	"usage: nimbusguard dataset --namespace=NAME --workload=NAME [flags]\n\n"
	"Writes what the models of a workload learn from: the mean of each minute of its signals, as CSV\n"
	"with a header, from a running service's 1-minute tier. An empty field is a minute without\n"
	"samples. nimbusguard evaluate --dataset=csv reads it again.\n\nflags:\n"
	"  --kind=KIND         of the workload (default Deployment)\n"
	"  --cluster=NAME      where series name one\n"
	"  --start=TIME, --end=TIME  RFC 3339 or seconds since 1970 (default: the 14 days\n"
	"                      up to the service's newest sample)\n"
	"  --model=FILE        the times that the model in this file learnt from\n"
	"  --url=URL           the service; default NIMBUSGUARD_URL, else http://127.0.0.1:9797\n"
	"  --token-file=FILE   a bearer token; default NIMBUSGUARD_TOKEN_FILE\n"
	"  --ca-file=FILE      certificate authority of the service\n\nexamples:\n"
	"  nimbusguard dataset --namespace=shop --workload=web >web.csv\n"
	"  nimbusguard dataset --namespace=shop --workload=web --model=web.model >seen.csv\n"
	"  nimbusguard evaluate --dataset=csv --path=web.csv --forecaster=all\n";

/* What a model saw: its header says from when to when. */
static enum status read_range(const char *path, struct minutes_range *range, struct error *error)
{
	struct model_info info;
	float *numbers;
	size_t count;
	enum status status = model_file_read(path, &info, &numbers, &count, error);

	if (status != STATUS_OK)
		return status;
	mem_free(numbers);
	/* The last row that it saw is a minute, too. */
	*range = (struct minutes_range){info.data_from_ms, info.data_to_ms + 60000};
	return info.data_from_ms >= 0 && info.data_to_ms > info.data_from_ms
		? STATUS_OK
		: error_set(error, STATUS_BAD_INPUT,
			  "%s: it does not say from when to when it learnt", path);
}

int command_dataset(const struct command_line *line)
{
	static const char *const known[] = {MINUTES_CSV_FLAGS, "model", NULL};
	const char *model = command_flag(line, "model");
	struct minutes_range range;
	struct error error;
	struct buf csv;
	int status;

	if (!command_flags_known(line, known))
		return EXIT_USAGE;
	if (model != NULL && read_range(model, &range, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	buf_init(&csv, MINUTES_CSV_MAX);
	status = minutes_csv_fetch(line, model != NULL ? &range : NULL, &csv);
	if (status == EXIT_GOOD && csv.data != NULL)
		fputs(csv.data, stdout);
	buf_fini(&csv);
	return status;
}
