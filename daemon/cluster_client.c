/*
 * The same choice as the service's actuator makes: kubernetes.url or
 * kubernetes.kubeconfig, else the pod's service account.
 */
#include "daemon/cluster_client.h"

#include "daemon/review.h"

bool cluster_client_known(const struct config *config)
{
	return review_cluster(config) != NULL;
}

static const char *text_or_null(const struct config *config, enum setting_id id)
{
	const char *text = config_text(config, id);

	return text[0] != '\0' ? text : NULL;
}

enum status cluster_client_open(struct cluster_client *cluster, const struct config *config,
	struct error *error)
{
	struct kube_client_config client = {.url = text_or_null(config, SETTING_KUBE_URL),
		.token_file = text_or_null(config, SETTING_KUBE_TOKEN_FILE),
		.ca_file = text_or_null(config, SETTING_KUBE_CA_FILE),
		.kubeconfig = text_or_null(config, SETTING_KUBE_CONFIG),
		.context = text_or_null(config, SETTING_KUBE_CONTEXT)};
	enum status status = STATUS_OK;
	char url[512];

	*cluster = (struct cluster_client){NULL, NULL};
	if (client.url == NULL && client.kubeconfig == NULL)
		status = kube_config_in_cluster(&client, url, sizeof(url), error);
	if (status == STATUS_OK)
		status = kube_client_open(&cluster->client, &client, error);
	if (status != STATUS_OK)
		return status;
	cluster->session = kube_session_open(cluster->client);
	if (cluster->session != NULL)
		return STATUS_OK;
	cluster_client_close(cluster);
	return error_set(error, STATUS_NO_MEMORY, "out of memory");
}

void cluster_client_close(struct cluster_client *cluster)
{
	kube_session_close(cluster->session);
	if (cluster->client != NULL)
		kube_client_close(cluster->client);
	*cluster = (struct cluster_client){NULL, NULL};
}
