/*
 * The configuration in force: each setting with its value and where it came from. Layers: default,
 * file, environment, flag; later ones win.
 *
 * Ownership: struct config owns all values; texts it returns live as long as it does.
 * Threads: read-only after config_load().
 */
#ifndef NIMBUSGUARD_DAEMON_CONFIG_H
#define NIMBUSGUARD_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/yaml.h"
#include "daemon/config_table.h"
#include "receiver/access.h"
#include "remediations/remediator.h"
#include "remediations/ticket.h"

enum setting_id {
#define SETTING(id, path, type, fallback, min, max, choices, reloadable, help) SETTING_##id,
	SETTING_TABLE(SETTING)
#undef SETTING
		SETTING_COUNT
};

enum setting_type {
	SETTING_TEXT,
	SETTING_INT,
	SETTING_DOUBLE,
	SETTING_BOOL,
	SETTING_DURATION,
	SETTING_SIZE,
	SETTING_CHOICE,
	SETTING_LIST
};

enum setting_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };

struct config;

/* One flag of the command line as given: name without dashes, value NULL for a bare one. */
struct config_flag {
	const char *name, *value;
};

/* path: configuration file or NULL. environment: as environ. All that is wrong goes to diagnostics
 * (file, line, column; the variable; the flag) and gives NULL. */
struct config *config_load(const char *path, char *const *environment,
	const struct config_flag *flags, size_t flag_count,
	struct diagnostics *diagnostics) MUST_CHECK;
void config_close(struct config *config);

const char *config_text(const struct config *config, enum setting_id id); /* TEXT, CHOICE */
int64_t config_int(const struct config *config, enum setting_id id);      /* INT, DURATION, SIZE */
double config_double(const struct config *config, enum setting_id id);
bool config_bool(const struct config *config, enum setting_id id);
int config_choice(const struct config *config, enum setting_id id); /* index of the choice */
const char *const *config_list(const struct config *config, enum setting_id id, size_t *count);

/* web.tokens and web.user_roles ({user: role}, here without file) of the configuration file. */
const struct access_token *config_tokens(const struct config *config, size_t *count);

/* modes: the rules of the configuration file. */
const struct mode_rule *config_modes(const struct config *config, size_t *count);
/* tickets: the services of the configuration file. */
const struct ticket_service *config_tickets(const struct config *config, size_t *count);

enum setting_source config_source(const struct config *config, enum setting_id id);
/* Where the value stands, for messages: "nimbusguard.yml:3", "NIMBUSGUARD_MODE", "--mode"; the path
 * of the setting for a default. */
const char *config_place(const struct config *config, enum setting_id id);
/* The same for a token or role of config_tokens(). */
const char *config_token_place(const struct config *config, size_t index);
/* Settings that differ between the two and cannot be changed without a restart, as a list of YAML
 * paths in text; empty when there are none. */
void config_fixed_changes(const struct config *old, const struct config *new, struct buf *text);

/* Whether a flag of this name exists, and whether it takes a value. */
bool config_flag_known(const char *name, bool *takes_value);
/* Nearest known flag to a misspelt one, or NULL. more: further names (NULL-terminated), or NULL. */
const char *config_flag_nearest(const char *name, const char *const *more, char *text, size_t size);

/* `path = value  # source`, a line each, for `check --print`. */
void config_write(const struct config *config, struct buf *buf);
/* Usage lines of all flags; Markdown table for docs/configuration.md. */
void config_write_usage(struct buf *buf);
void config_write_docs(struct buf *buf);

#endif
