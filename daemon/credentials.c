/*
 * Bearer and basic authentication from files.
 */
#include "daemon/credentials.h"

#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "remediations/web_text.h"

#define HEADER_MAX 8192

bool credentials_url_good(const char *url, bool secret)
{
	if (web_url_good(url))
		return true;
	/* Without a secret there is nothing that plain HTTP would give away. */
	return !secret && strncmp(url, "http://", 7) == 0 && url[7] != '\0' &&
		strpbrk(url, " \t\r\n@") == NULL;
}

enum status credentials_header(const char *user, const char *secret_file, char **header,
	struct error *error)
{
	char *secret = NULL;
	struct buf text, plain;
	enum status status;

	*header = NULL;
	if (secret_file == NULL)
		return STATUS_OK;
	status = file_read_secret(secret_file, &secret, error);
	if (status != STATUS_OK)
		return status;
	buf_init(&text, HEADER_MAX);
	buf_init(&plain, HEADER_MAX);
	if (user == NULL) {
		buf_printf(&text, "Authorization: Bearer %s", secret);
	} else {
		buf_printf(&plain, "%s:%s", user, secret);
		buf_add_text(&text, "Authorization: Basic ");
		if (buf_ok(&plain))
			base64_encode(plain.data, plain.size, &text);
	}
	*header = buf_ok(&plain) ? buf_take(&text, NULL) : NULL;
	if (*header == NULL)
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the secret of %.200s",
			secret_file);
	buf_fini(&text);
	buf_fini(&plain);
	mem_free(secret);
	return status;
}
