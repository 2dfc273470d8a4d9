/*
 * The inside of struct config, shared by config.c (values, layers, what is written) and config_file.c
 * (the file's layer). Nobody else includes it.
 *
 * Ownership: struct config owns all texts.
 * Threads: one thread while it is read; read-only after.
 */
#ifndef NIMBUSGUARD_DAEMON_CONFIG_VALUES_H
#define NIMBUSGUARD_DAEMON_CONFIG_VALUES_H

#include "daemon/config.h"

#define CONFIG_TOKENS_MAX 64

struct setting_description {
	const char *path;
	enum setting_type type;
	const char *fallback;
	int64_t min, max;
	const char *choices;
	bool reloadable;
	const char *help;
};

extern const struct setting_description setting_descriptions[SETTING_COUNT];

struct setting_value {
	enum setting_source source;
	char *place; /* "nimbusguard.yml:3", "NIMBUSGUARD_MODE", "--mode"; NULL for a default */
	char *text;  /* as given; for lists the first of `list` points into it */
	int64_t integer;
	double number;
	char *storage;     /* of a list: the text cut into its elements */
	const char **list; /* NULL-terminated */
	size_t list_count;
};

struct config {
	struct setting_value values[SETTING_COUNT];
	struct access_token tokens[CONFIG_TOKENS_MAX];
	char *token_places[CONFIG_TOKENS_MAX];
	size_t token_count;
	struct mode_rule modes[MODE_RULES_MAX];
	size_t mode_count;
	struct ticket_service tickets[TICKET_SERVICES_MAX];
	size_t ticket_count;
};

/* The next comma that separates elements of a list, or NULL. One inside the braces of a selector, or
 * of quotes in there, does not. */
const char *list_comma(const char *text);
/* Replaces one value; the old one stays when the text is refused. */
enum status setting_set(struct config *config, enum setting_id id, const char *text,
	enum setting_source source, const char *place, struct error *error) MUST_CHECK;
/* config_modes.c: the list `modes`. */
void config_read_modes(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *list);
void config_modes_fini(struct config *config);
void config_write_modes(const struct config *config, struct buf *buf);
/* config_tickets.c: the list `tickets`. */
void config_read_tickets(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *list);
void config_tickets_fini(struct config *config);
bool config_tickets_equal(const struct config *a, const struct config *b);
void config_write_tickets(const struct config *config, struct buf *buf);
/* Reads the tree of a file; what is wrong goes to the reader's diagnostics. */
void config_read_file(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *root);

#endif
