/* Each page is asked for by the path of the first and the token of the page before. */
#include "remediations/kube_list.h"

#include <stdio.h>

#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"

#define TOKEN_MAX 1024

/* token: [TOKEN_MAX], "" for the first page; becomes that of the page after, "" behind the last. */
static enum status read_page(struct kube_session *session, const char *path, char *token,
	json_t **list, struct error *error)
{
	const char *more;
	struct buf url;
	enum status status;

	*list = NULL;
	buf_init(&url, KUBE_PATH_MAX);
	buf_add_text(&url, path);
	if (*token != '\0') {
		buf_add_text(&url, "&continue=");
		kube_path_escape(&url, token);
	}
	status = buf_ok(&url) ? kube_read(session, url.data, list, error)
			      : error_set(error, STATUS_NO_MEMORY, "no memory for a path");
	buf_fini(&url);
	if (status != STATUS_OK)
		return status;
	if (!json_is_array(json_object_get(*list, "items")))
		return error_set(error, STATUS_IO, "it has no items");
	more = json_string_value(kube_get(*list, "metadata", "continue", NULL));
	if (snprintf(token, TOKEN_MAX, "%s", more != NULL ? more : "") >= TOKEN_MAX)
		return error_set(error, STATUS_LIMIT, "its token is too long");
	return STATUS_OK;
}

enum status kube_list_read(struct kube_session *session, const char *path, const char *what,
	kube_page_fn *page, void *argument, struct error *error)
{
	char token[TOKEN_MAX] = "";

	for (int pages = 0; pages < KUBE_LIST_PAGES_MAX; pages++) {
		bool enough = false;
		json_t *list;
		enum status status = read_page(session, path, token, &list, error);

		if (status == STATUS_OK)
			status = page(argument, list, &enough, error);
		else
			status = error_prefix(error, "the list of %s", what);
		json_decref(list);
		if (status != STATUS_OK || enough || *token == '\0')
			return status;
	}
	return error_set(error, STATUS_LIMIT, "the list of %s is too long", what);
}
