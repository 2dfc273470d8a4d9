/*
 * Reads the web configuration file. A key that the exporter toolkit knows and that this server does
 * not apply is a warning where leaving it out only costs comfort, and an error where somebody would
 * be let in who should not be.
 */
#include "receiver/web_config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/mem.h"

static const char *const root_keys[] = {"tls_server_config", "http_server_config",
	"basic_auth_users", "rate_limit", NULL};
static const char *const tls_keys[] = {"cert_file", "key_file", "client_auth_type",
	"client_ca_file", "min_version", "max_version", "cipher_suites", "curve_preferences",
	"prefer_server_cipher_suites", "client_allowed_sans", "cert", "key", "client_ca", NULL};
static const char *const http_keys[] = {"http2", "headers", NULL};
/* The ones that the exporter toolkit allows. */
static const char *const header_names[] = {"Content-Security-Policy", "Strict-Transport-Security",
	"X-Content-Type-Options", "X-Frame-Options", "X-XSS-Protection", NULL};
static const char *const auth_types[] = {
	[CLIENT_AUTH_NONE] = "NoClientCert",
	[CLIENT_AUTH_REQUEST] = "RequestClientCert",
	[CLIENT_AUTH_REQUIRE_ANY] = "RequireAnyClientCert",
	[CLIENT_AUTH_VERIFY_IF_GIVEN] = "VerifyClientCertIfGiven",
	[CLIENT_AUTH_REQUIRE] = "RequireAndVerifyClientCert",
	NULL,
};
static const char *const versions[] = {"TLS10", "TLS11", "TLS12", "TLS13", NULL};
static const char *const curve_names[] = {"CurveP256", "CurveP384", "CurveP521", "X25519", NULL};
static const char *const curve_groups[] = {"GROUP-SECP256R1", "GROUP-SECP384R1", "GROUP-SECP521R1",
	"GROUP-X25519"};

struct reading {
	struct yaml_reader reader;
	struct web_config *config;
	const char *path;
};

static void report_memory(const struct reading *reading)
{
	yaml_report(&reading->reader, NULL, "out of memory");
}

int bcrypt_cost(const char *hash)
{
	static const char alphabet[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	int cost;

	if (strlen(hash) != 60 || hash[0] != '$' || hash[1] != '2' || !strchr("aby", hash[2]) ||
		hash[3] != '$' || hash[6] != '$' || strspn(hash + 7, alphabet) != 53)
		return 0;
	if (hash[4] < '0' || hash[4] > '3' || hash[5] < '0' || hash[5] > '9')
		return 0;
	cost = (hash[4] - '0') * 10 + hash[5] - '0';
	return cost >= 4 && cost <= 31 ? cost : 0;
}

/* Relative paths start at the folder of the web configuration file. */
static char *resolve_path(const char *base, const char *path)
{
	const char *slash = strrchr(base, '/');
	struct buf joined;

	buf_init(&joined, 8192);
	if (*path != '/' && slash)
		buf_add(&joined, base, (size_t)(slash + 1 - base));
	buf_add_text(&joined, path);
	return buf_take(&joined, NULL);
}

static void read_path(struct reading *reading, const struct yaml_node *map, const char *key,
	bool required, char **path)
{
	const char *text;

	if (!yaml_read_text(&reading->reader, map, key, required, &text))
		return;
	if (!*text) {
		yaml_report(&reading->reader, yaml_get(map, key), "%s is empty", key);
		return;
	}
	*path = resolve_path(reading->path, text);
	if (!*path)
		report_memory(reading);
}

static void read_version(struct reading *reading, const struct yaml_node *map, const char *key,
	char version[8])
{
	int index;

	if (!yaml_read_choice(&reading->reader, map, key, false, versions, &index))
		return;
	if (index < 2) {
		yaml_warn(&reading->reader, yaml_get(map, key),
			"%s is not offered any more, TLS12 is used instead", versions[index]);
		index = 2;
	}
	memcpy(version, versions[index], 6);
}

static void read_curves(struct reading *reading, const struct yaml_node *list)
{
	struct web_config *config = reading->config;
	bool seen[4] = {0};

	if (!list || list->kind == YAML_NULL)
		return;
	for (size_t i = 0; i < list->child_count; i++) {
		const struct yaml_node *item = list->children[i];
		size_t index = 0, used;

		while (curve_names[index] &&
			(item->kind != YAML_SCALAR || strcmp(curve_names[index], item->text) != 0))
			index++;
		if (!curve_names[index]) {
			yaml_report(&reading->reader, item,
				"curve_preferences: CurveP256, CurveP384, CurveP521 or X25519 is "
				"expected");
			continue;
		}
		if (seen[index])
			continue;
		seen[index] = true;
		/* Four names fit, and each comes once. */
		used = strlen(config->curves);
		snprintf(config->curves + used, sizeof(config->curves) - used, "%s%s",
			used ? "," : "", curve_groups[index]);
	}
	if (list->kind != YAML_LIST)
		yaml_report(&reading->reader, list, "curve_preferences: a list is expected");
}

static void warn_unapplied(struct reading *reading, const struct yaml_node *tls)
{
	static const char *const refused[] = {"client_allowed_sans", "cert", "key", "client_ca"};
	const struct yaml_node *suites = yaml_get(tls, "cipher_suites");

	if (suites && suites->child_count)
		yaml_warn(&reading->reader, suites,
			"cipher_suites is not applied: GnuTLS offers its own secure set");
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		const struct yaml_node *node = yaml_get(tls, refused[i]);

		if (node && node->kind != YAML_NULL)
			yaml_report(&reading->reader, node, "%s is not supported", refused[i]);
	}
}

static void read_client_auth(struct reading *reading, const struct yaml_node *tls)
{
	struct web_config *config = reading->config;
	bool verified;
	int index = CLIENT_AUTH_NONE;

	yaml_read_choice(&reading->reader, tls, "client_auth_type", false, auth_types, &index);
	config->client_auth = (enum access_client_auth)index;
	read_path(reading, tls, "client_ca_file", false, &config->client_ca_file);
	verified = index == CLIENT_AUTH_REQUIRE || index == CLIENT_AUTH_VERIFY_IF_GIVEN;
	if (verified && !yaml_get(tls, "client_ca_file"))
		yaml_report(&reading->reader, yaml_get(tls, "client_auth_type"),
			"%s needs client_ca_file", auth_types[index]);
	if (index == CLIENT_AUTH_NONE && config->client_ca_file)
		yaml_report(&reading->reader, yaml_get(tls, "client_ca_file"),
			"client_ca_file has no effect without client_auth_type");
}

static void read_tls(struct reading *reading, const struct yaml_node *tls)
{
	struct web_config *config = reading->config;
	bool prefer;

	/* The exporter toolkit takes an empty block as no TLS. */
	if (!tls || tls->kind == YAML_NULL || (tls->kind == YAML_MAP && !tls->child_count))
		return;
	if (!yaml_check_keys(&reading->reader, tls, tls_keys))
		return;
	config->tls = true;
	memcpy(config->min_version, "TLS12", 6);
	read_path(reading, tls, "cert_file", true, &config->cert_file);
	read_path(reading, tls, "key_file", true, &config->key_file);
	read_client_auth(reading, tls);
	read_version(reading, tls, "min_version", config->min_version);
	read_version(reading, tls, "max_version", config->max_version);
	if (*config->max_version && strcmp(config->max_version, config->min_version) < 0)
		yaml_report(&reading->reader, yaml_get(tls, "max_version"),
			"max_version %s is below min_version %s", config->max_version,
			config->min_version);
	read_curves(reading, yaml_get(tls, "curve_preferences"));
	yaml_read_bool(&reading->reader, tls, "prefer_server_cipher_suites", false, &prefer);
	warn_unapplied(reading, tls);
}

static bool keep_pair(struct reading *reading, struct web_pair *pair, const char *name,
	const char *value)
{
	pair->name = mem_strdup(name);
	pair->value = mem_strdup(value);
	if (pair->name && pair->value)
		return true;
	mem_free(pair->name);
	mem_free(pair->value);
	*pair = (struct web_pair){0};
	report_memory(reading);
	return false;
}

static void read_headers(struct reading *reading, const struct yaml_node *headers)
{
	struct web_config *config = reading->config;

	if (!headers || headers->kind == YAML_NULL ||
		!yaml_check_keys(&reading->reader, headers, header_names))
		return;
	for (size_t i = 0; i < headers->child_count; i++) {
		const struct yaml_node *header = headers->children[i];

		if (config->header_count == WEB_HEADERS_MAX || header->kind == YAML_NULL)
			continue;
		if (header->kind != YAML_SCALAR || strpbrk(header->text, "\r\n")) {
			yaml_report(&reading->reader, header, "a text of one line is expected");
			continue;
		}
		if (keep_pair(reading, &config->headers[config->header_count], header->key,
			    header->text))
			config->header_count++;
	}
}

static void read_http(struct reading *reading, const struct yaml_node *http)
{
	bool http2;

	if (!http || http->kind == YAML_NULL || !yaml_check_keys(&reading->reader, http, http_keys))
		return;
	/* HTTP/2 is an offer to clients; HTTP/1.1 is what they get. */
	yaml_read_bool(&reading->reader, http, "http2", false, &http2);
	read_headers(reading, yaml_get(http, "headers"));
}

static void read_user(struct reading *reading, const struct yaml_node *user)
{
	struct web_config *config = reading->config;
	int cost = user->kind == YAML_SCALAR ? bcrypt_cost(user->text) : 0;

	if (!*user->key || strchr(user->key, ':') || strlen(user->key) > 128) {
		yaml_report(&reading->reader, user,
			"a user's name has 1 to 128 bytes and no colon");
		return;
	}
	if (!cost) {
		yaml_report(&reading->reader, user,
			"the password of \"%s\" is no bcrypt hash ($2y$10$...)", user->key);
		return;
	}
	if (cost > BCRYPT_COST_MAX) {
		yaml_report(&reading->reader, user,
			"the hash of \"%s\" has cost %d, at most %d is allowed: each check would "
			"take minutes",
			user->key, cost, BCRYPT_COST_MAX);
		return;
	}
	if (!keep_pair(reading, &config->users[config->user_count], user->key, user->text))
		return;
	config->user_count++;
	if (cost > config->cost_max)
		config->cost_max = cost;
}

static void read_users(struct reading *reading, const struct yaml_node *users)
{
	if (!users || users->kind == YAML_NULL)
		return;
	if (users->kind != YAML_MAP) {
		yaml_report(&reading->reader, users,
			"basic_auth_users: names with their bcrypt hashes are expected");
		return;
	}
	if (users->child_count > WEB_USERS_MAX) {
		yaml_report(&reading->reader, users, "more than %d users", WEB_USERS_MAX);
		return;
	}
	reading->config->users = mem_zalloc(users->child_count, sizeof(*reading->config->users));
	if (!reading->config->users) {
		report_memory(reading);
		return;
	}
	for (size_t i = 0; i < users->child_count; i++)
		read_user(reading, users->children[i]);
}

bool web_config_init(struct web_config *config, const char *path, struct diagnostics *diagnostics)
{
	struct yaml_document *document;
	struct reading reading = {.config = config, .path = path};
	const struct yaml_node *root, *limit;
	size_t errors = diagnostics->errors;

	*config = (struct web_config){0};
	document = yaml_open_file(path, diagnostics);
	if (!document)
		return false;
	reading.reader = (struct yaml_reader){yaml_file(document), diagnostics};
	root = yaml_root(document);
	if (root->kind != YAML_NULL && yaml_check_keys(&reading.reader, root, root_keys)) {
		read_tls(&reading, yaml_get(root, "tls_server_config"));
		read_http(&reading, yaml_get(root, "http_server_config"));
		read_users(&reading, yaml_get(root, "basic_auth_users"));
		limit = yaml_get(root, "rate_limit");
		if (limit && limit->kind != YAML_NULL)
			yaml_warn(&reading.reader, limit,
				"rate_limit is not applied: slots and connections bound the load");
	}
	yaml_close(document);
	if (diagnostics->errors == errors)
		return true;
	web_config_fini(config);
	return false;
}

static void free_pairs(struct web_pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		mem_free(pairs[i].name);
		mem_free(pairs[i].value);
	}
}

void web_config_fini(struct web_config *config)
{
	free_pairs(config->users, config->user_count);
	free_pairs(config->headers, config->header_count);
	mem_free(config->users);
	mem_free(config->cert_file);
	mem_free(config->key_file);
	mem_free(config->client_ca_file);
	*config = (struct web_config){0};
}
