/*
 * Opening for reading: a journal in use has its log beside it, and SQLite needs that log's index in
 * shared memory, which it makes itself if it may write to the folder. A copy without a log, in a
 * folder that can't be written to, is opened as a file that nobody changes.
 */
#include "remediations/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "remediations/audit_state.h"
#include "remediations/audit_walk.h"
#include "remediations/journal_file.h"
#include "remediations/journal_schema.h"

#define PATH_MAX_SIZE 4096

void audit_head_write(uint64_t number, const unsigned char hash[JOURNAL_HASH_SIZE], char *text,
	size_t size)
{
	char hex[JOURNAL_HASH_TEXT_SIZE];

	chain_hex(hash, hex);
	snprintf(text, size, "%" PRIu64 ":%s", number, hex);
}

/* A path as a URI: what means something in one is escaped. */
static bool write_uri(struct buf *uri, const char *path, const char *query)
{
	static const char digits[] = "0123456789ABCDEF";

	buf_add_text(uri, "file:");
	for (; *path != '\0'; path++) {
		unsigned char c = (unsigned char)*path;

		if (c > ' ' && c < 0x7f && c != '%' && c != '?' && c != '#') {
			buf_add_char(uri, *path);
		} else {
			buf_add_char(uri, '%');
			buf_add_char(uri, digits[c >> 4]);
			buf_add_char(uri, digits[c & 15]);
		}
	}
	buf_add_text(uri, query);
	return buf_ok(uri);
}

static enum status open_connection(struct audit *audit, const char *path, const char *query,
	struct error *error)
{
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
		SQLITE_OPEN_URI;
	enum status status;
	struct buf uri;
	int code;

	buf_init(&uri, 3 * PATH_MAX_SIZE + 64);
	if (!write_uri(&uri, path, query)) {
		buf_fini(&uri);
		return error_set(error, STATUS_NO_MEMORY, "the journal's path is too long");
	}
	code = sqlite3_open_v2(uri.data, &audit->connection, flags, NULL);
	buf_fini(&uri);
	if (code != SQLITE_OK) {
		journal_sql_error(audit->connection, code, "cannot open it", error);
		return error_prefix(error, "the journal %s", path);
	}
	sqlite3_busy_timeout(audit->connection, 5000);
	sqlite3_db_config(audit->connection, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_exec(audit->connection, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON",
		NULL, NULL, NULL);
	status = journal_schema_known(audit->connection, path, error);
	return status;
}

static void close_connection(struct audit *audit)
{
	sqlite3_close(audit->connection);
	audit->connection = NULL;
}

static bool has_log(const char *path)
{
	char name[PATH_MAX_SIZE];
	struct stat stat_buffer;

	snprintf(name, sizeof(name), "%s-wal", path);
	return stat(name, &stat_buffer) == 0 && stat_buffer.st_size > 0;
}

enum status audit_open(struct audit **opened, const char *path, struct error *error)
{
	struct audit *audit = mem_zalloc(1, sizeof(*audit));
	struct stat stat_buffer;
	enum status status;

	*opened = NULL;
	if (audit == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the audit");
	if (stat(path, &stat_buffer) != 0) {
		int number = errno;

		mem_free(audit);
		return error_set_errno(error, number == ENOENT ? STATUS_NOT_FOUND : STATUS_IO,
			number, "cannot open the journal %s", path);
	}
	status = open_connection(audit, path, "", error);
	if (status == STATUS_IO && !has_log(path)) {
		close_connection(audit);
		status = open_connection(audit, path, "?immutable=1", error);
	}
	if (status != STATUS_OK) {
		audit_close(audit);
		return status;
	}
	*opened = audit;
	return STATUS_OK;
}

void audit_close(struct audit *audit)
{
	if (audit == NULL)
		return;
	close_connection(audit);
	mem_free(audit);
}

enum status audit_verify(struct audit *audit, const struct audit_head *head,
	struct audit_report *report, struct error *error)
{
	return audit_walk(audit->connection, head, NULL, NULL, report, error);
}
