/*
 * Values of flags.
 */
#include "daemon/command_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"

const char *command_flag(const struct command_line *line, const char *name)
{
	for (size_t i = line->own_count; i > 0; i--)
		if (strcmp(line->own[i - 1].name, name) == 0)
			return line->own[i - 1].value != NULL ? line->own[i - 1].value : "";
	return NULL;
}

bool flag_token(const struct command_line *line, char **token)
{
	const char *path = command_flag(line, "token-file"), *named = "--token-file";
	struct error error;

	*token = NULL;
	if (path == NULL) {
		named = "NIMBUSGUARD_TOKEN_FILE";
		path = getenv(named);
	}
	if (path == NULL || file_read_secret(path, token, &error) == STATUS_OK)
		return true;
	fprintf(stderr, "nimbusguard: the token of %s: %s\n", named, error.text);
	return false;
}

int usage_refused(const char *what, const char *value)
{
	fprintf(stderr, "nimbusguard: %s%s%s\n", what, value != NULL ? ": " : "",
		value != NULL ? value : "");
	return EXIT_USAGE;
}

bool flag_natural(const struct command_line *line, const char *name, int64_t least, int64_t most,
	int64_t *value)
{
	const char *text = command_flag(line, name);

	if (text == NULL)
		return true;
	if (parse_int(text, value) == STATUS_OK && *value >= least && *value <= most)
		return true;
	fprintf(stderr, "nimbusguard: --%s is a number from %lld to %lld\n", name, (long long)least,
		(long long)most);
	return false;
}

bool flag_number(const struct command_line *line, const char *name, double least, double most,
	double *value)
{
	const char *text = command_flag(line, name);

	if (text == NULL)
		return true;
	if (parse_double(text, value) == STATUS_OK && *value >= least && *value <= most)
		return true;
	fprintf(stderr, "nimbusguard: --%s is a number from %g to %g\n", name, least, most);
	return false;
}

bool text_pair(const char *text, char sign, int64_t *first, int64_t *second)
{
	const char *between = strchr(text, sign);
	char begin[24];

	if (between == NULL || between - text >= (long)sizeof(begin))
		return false;
	snprintf(begin, sizeof(begin), "%.*s", (int)(between - text), text);
	return parse_int(begin, first) == STATUS_OK && parse_int(between + 1, second) == STATUS_OK;
}
