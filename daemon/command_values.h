/*
 * Values of a command's flags: read, or refused on the standard error with the flag's name.
 *
 * Threads: the command's own.
 */
#ifndef NIMBUSGUARD_DAEMON_COMMAND_VALUES_H
#define NIMBUSGUARD_DAEMON_COMMAND_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/command.h"

/* Says what is wrong and, unless NULL, which value is; EXIT_USAGE. */
/* The token in the file of --token-file, or of NIMBUSGUARD_TOKEN_FILE: false after a message that names which.
 * *token: to be freed by mem_free(); NULL when neither is given. */
bool flag_token(const struct command_line *line, char **token);
int usage_refused(const char *what, const char *value);

/* All of them: true, and *value as it was, when the flag is not given; false when it was refused. */
bool flag_natural(const struct command_line *line, const char *name, int64_t least, int64_t most,
	int64_t *value) MUST_CHECK;
bool flag_number(const struct command_line *line, const char *name, double least, double most,
	double *value) MUST_CHECK;

/* Two numbers with that sign between them. */
bool text_pair(const char *text, char sign, int64_t *first, int64_t *second) MUST_CHECK;

#endif
