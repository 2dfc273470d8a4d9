/*
 * The parts find each other by files in one folder: etcd's socket, the API server's certificate, and
 * a configuration with the token of an administrator, whom the API server knows from a static file.
 */
#include "tests/support/kube_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/certificates.h"

#define BODY_MAX 8192
#define FLAG_MAX (SERVER_PATH_MAX * 2)
#define FLAGS_MAX 32
/* Of a machine that compiles something else beside. */
#define READY_S 240
#define ADMIN_TOKEN "token-of-the-administrator"

static const char *program(void)
{
	static char path[SERVER_PATH_MAX];
	const char *folder = getenv("NIMBUSGUARD_TEST_E2E");

	snprintf(path, sizeof(path), "%s/kubernetes", folder != NULL ? folder : "");
	return path;
}

bool kube_cluster_there(void)
{
	return access(program(), X_OK) == 0;
}

/* ---- calls ---- */

__attribute__((format(printf, 2, 0))) static void write_json(char *json, const char *format,
	va_list arguments)
{
	int size = vsnprintf(json, BODY_MAX, format, arguments);

	assert_true(size >= 0 && size < BODY_MAX);
	for (char *at = json; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
}

static struct web_answer ask(struct kube_cluster *cluster, const char *method, const char *path,
	const char *body)
{
	bool merge = strcmp(method, "MERGE") == 0;
	const struct web_access access = {.token = ADMIN_TOKEN,
		.ca = cluster->ca_file,
		.header = merge ? "Content-Type: application/merge-patch+json"
			: strcmp(method, "PATCH") == 0
			? "Content-Type: application/strategic-merge-patch+json"
			: NULL};
	char url[SERVER_PATH_MAX * 2];

	snprintf(url, sizeof(url), "%s%s", cluster->api->url, path);
	return web_call(merge ? "PATCH" : method, url, &access, body);
}

static json_t *call(struct kube_cluster *cluster, const char *method, const char *path,
	long *status, const char *body)
{
	struct web_answer answer = ask(cluster, method, path, body);
	json_t *json = json_loadb(answer.body, answer.size, 0, NULL);

	*status = answer.status;
	web_answer_fini(&answer);
	return json;
}

static void must(struct kube_cluster *cluster, const char *method, const char *path,
	const char *body)
{
	struct web_answer answer = ask(cluster, method, path, body);

	if (answer.status != 200 && answer.status != 201)
		fail_msg("%s %s: %ld: %.1000s", method, path, answer.status, answer.body);
	web_answer_fini(&answer);
}

json_t *kube_cluster_call(struct kube_cluster *cluster, const char *method, const char *path,
	long *status, const char *body, ...)
{
	char json[BODY_MAX];
	va_list arguments;

	va_start(arguments, body);
	write_json(json, body, arguments);
	va_end(arguments);
	return call(cluster, method, path, status, json[0] != '\0' ? json : NULL);
}

json_t *kube_cluster_get(struct kube_cluster *cluster, const char *path)
{
	long status;
	json_t *json = call(cluster, "GET", path, &status, NULL);

	if (status != 200)
		fail_msg("GET %s: %ld", path, status);
	assert_non_null(json);
	return json;
}

bool kube_cluster_has(struct kube_cluster *cluster, const char *path)
{
	long status;

	json_decref(call(cluster, "GET", path, &status, NULL));
	return status == 200;
}

void kube_cluster_create(struct kube_cluster *cluster, const char *path, const char *body, ...)
{
	char json[BODY_MAX];
	va_list arguments;

	va_start(arguments, body);
	write_json(json, body, arguments);
	va_end(arguments);
	must(cluster, "POST", path, json);
}

void kube_cluster_patch(struct kube_cluster *cluster, const char *path, const char *body, ...)
{
	char json[BODY_MAX];
	va_list arguments;

	va_start(arguments, body);
	write_json(json, body, arguments);
	va_end(arguments);
	must(cluster, "PATCH", path, json);
}

/* ---- parts ---- */

void kube_cluster_start(struct kube_cluster *cluster, struct server *part, const char *const *flags)
{
	static char texts[FLAGS_MAX][FLAG_MAX];
	const char *argv[FLAGS_MAX + 3] = {program(), part->name};
	size_t count = 0;

	for (; flags[count] != NULL; count++) {
		const char *folder = strstr(flags[count], "FOLDER");
		int size;

		assert_true(count < FLAGS_MAX);
		size = folder == NULL
			? snprintf(texts[count], FLAG_MAX, "%s", flags[count])
			: snprintf(texts[count], FLAG_MAX, "%.*s%s%s", (int)(folder - flags[count]),
				  flags[count], cluster->parts.folder, folder + strlen("FOLDER"));
		assert_true(size < FLAG_MAX);
		argv[2 + count] = texts[count];
	}
	argv[2 + count] = NULL;
	proc_start(&part->proc, argv, NULL);
}

/* The test fails when the part has ended. */
static bool runs(struct kube_cluster *cluster, struct server *part)
{
	if (!proc_runs(&part->proc)) {
		servers_tell(&cluster->parts);
		fail_msg("%s has ended", part->name);
	}
	return true;
}

static bool api_ready(struct kube_cluster *cluster)
{
	struct web_answer answer;
	bool ready;

	(void)runs(cluster, cluster->api);
	answer = ask(cluster, "GET", "/readyz", NULL);
	ready = answer.status == 200;
	web_answer_fini(&answer);
	return ready;
}

void kube_cluster_start_api(struct kube_cluster *cluster)
{
	char port[64], advertised[128];
	const char *const flags[] = {port, "--etcd-servers=unix://FOLDER/etcd.sock",
		cluster->address != NULL ? "--bind-address=0.0.0.0" : "--bind-address=127.0.0.1",
		advertised,
		/* Without a network there is none that the Service `kubernetes` could have an endpoint in. */
		cluster->address != NULL ? "--endpoint-reconciler-type=lease"
					 : "--endpoint-reconciler-type=none",
		"--kubelet-client-certificate=FOLDER/person.pem",
		"--kubelet-client-key=FOLDER/person.key",
		"--kubelet-preferred-address-types=InternalIP", "--tls-cert-file=FOLDER/api.pem",
		"--tls-private-key-file=FOLDER/api.key",
		"--service-account-key-file=FOLDER/accounts.pem",
		"--service-account-signing-key-file=FOLDER/accounts.key",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--client-ca-file=FOLDER/ca.pem", "--token-auth-file=FOLDER/tokens.csv",
		"--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
		"--cert-dir=FOLDER", cluster->forgetful ? "--etcd-compaction-interval=1s" : NULL,
		NULL};

	snprintf(port, sizeof(port), "--secure-port=%u", cluster->api->port.number);
	snprintf(advertised, sizeof(advertised), "--advertise-address=%s",
		cluster->address != NULL ? cluster->address : "127.0.0.1");
	kube_cluster_start(cluster, cluster->api, flags);
	AWAIT(&cluster->parts, api_ready(cluster), READY_S);
}

void kube_cluster_kill_api(struct kube_cluster *cluster)
{
	server_kill(cluster->api);
}

/* Whether a list of that version is not to be had any more. */
static bool is_forgotten(struct kube_cluster *cluster, const char *version)
{
	char path[SERVER_PATH_MAX];
	long status;

	snprintf(path, sizeof(path),
		"/api/v1/namespaces?resourceVersion=%s&resourceVersionMatch=Exact&limit=1",
		version);
	json_decref(call(cluster, "GET", path, &status, NULL));
	return status == 410;
}

void kube_cluster_forget(struct kube_cluster *cluster,
	void (*meanwhile)(struct kube_cluster *cluster))
{
	struct server *usual = cluster->api;
	char version[64];
	json_t *list;

	cluster->api = server_add(&cluster->parts, "kube-apiserver");
	server_use_tls(cluster->api);
	cluster->forgetful = true;
	kube_cluster_start_api(cluster);
	list = kube_cluster_get(cluster, "/api/v1/namespaces");
	snprintf(version, sizeof(version), "%s",
		json_string_value(
			json_object_get(json_object_get(list, "metadata"), "resourceVersion")));
	json_decref(list);
	meanwhile(cluster);
	AWAIT(&cluster->parts, is_forgotten(cluster, version), READY_S);
	server_kill(cluster->api);
	cluster->forgetful = false;
	cluster->api = usual;
}

static void write_secrets(struct kube_cluster *cluster)
{
	struct certificate ca = certificate_make("kubernetes", CERTIFICATE_CA, NULL, 86400);
	struct certificate api = certificate_make("kube-apiserver", CERTIFICATE_SERVER, &ca, 86400);
	struct certificate person = certificate_make("person", CERTIFICATE_CLIENT, &ca, 86400);
	struct certificate accounts =
		certificate_make("service-accounts", CERTIFICATE_CA, NULL, 86400);
	char config[BODY_MAX];

	certificate_write(&ca, servers_write(&cluster->parts, "ca.pem", ""), NULL);
	certificate_write(&api, servers_write(&cluster->parts, "api.pem", ""),
		servers_write(&cluster->parts, "api.key", ""));
	certificate_write(&accounts, servers_write(&cluster->parts, "accounts.pem", ""),
		servers_write(&cluster->parts, "accounts.key", ""));
	certificate_write(&person, servers_write(&cluster->parts, "person.pem", ""),
		servers_write(&cluster->parts, "person.key", ""));
	certificate_free(&ca);
	certificate_free(&person);
	certificate_free(&api);
	certificate_free(&accounts);
	servers_write(&cluster->parts, "tokens.csv",
		ADMIN_TOKEN ",administrator,administrator,\"system:masters\"\n");
	snprintf(config, sizeof(config),
		"{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"current-context\":\"e2e\","
		"\"clusters\":[{\"name\":\"e2e\",\"cluster\":{\"server\":\"%s\","
		"\"certificate-authority\":\"%s\"}}],"
		"\"users\":[{\"name\":\"e2e\",\"user\":{\"token\":\"" ADMIN_TOKEN "\"}}],"
		"\"contexts\":[{\"name\":\"e2e\",\"context\":{\"cluster\":\"e2e\",\"user\":"
		"\"e2e\"}}]}\n",
		cluster->api->url, cluster->ca_file);
	servers_write(&cluster->parts, "kubeconfig", config);
}

/* A new node has a taint until the controllers have seen it. */
bool kube_cluster_nodes_ready(struct kube_cluster *cluster, size_t count)
{
	json_t *list = kube_cluster_get(cluster, "/api/v1/nodes");
	json_t *nodes = json_object_get(list, "items"), *node;
	bool all = json_array_size(nodes) == count;
	size_t i;

	for (i = 0; i < cluster->parts.count; i++)
		(void)runs(cluster, &cluster->parts.list[i]);

	json_array_foreach(nodes, i, node)
	{
		json_t *spec = json_object_get(node, "spec");

		all = all && json_array_size(json_object_get(spec, "taints")) == 0;
	}
	json_decref(list);
	return all;
}

void kube_cluster_open_control(struct kube_cluster *cluster)
{
	char peer_port[64];
	const char *const etcd[] = {"--folder=FOLDER", peer_port, NULL};
	static const char *const controllers[] = {"--kubeconfig=FOLDER/kubeconfig",
		"--leader-elect=false", "--secure-port=0", "--root-ca-file=FOLDER/ca.pem",
		"--service-account-private-key-file=FOLDER/accounts.key", "--kube-api-qps=200",
		"--kube-api-burst=400", NULL};
	static const char *const scheduler[] = {"--kubeconfig=FOLDER/kubeconfig",
		"--leader-elect=false", "--secure-port=0", NULL};

	servers_open(&cluster->parts);
	cluster->etcd = server_add(&cluster->parts, "etcd");
	cluster->api = server_add(&cluster->parts, "kube-apiserver");
	cluster->controllers = server_add(&cluster->parts, "kube-controller-manager");
	cluster->scheduler = server_add(&cluster->parts, "kube-scheduler");
	server_use_tls(cluster->api);
	snprintf(cluster->ca_file, sizeof(cluster->ca_file), "%.400s/ca.pem",
		cluster->parts.folder);
	write_secrets(cluster);
	snprintf(peer_port, sizeof(peer_port), "--peer-port=%u", cluster->etcd->port.number);
	kube_cluster_start(cluster, cluster->etcd, etcd);
	AWAIT(&cluster->parts,
		runs(cluster, cluster->etcd) && server_said(cluster->etcd, "etcd is ready"),
		READY_S);
	kube_cluster_start_api(cluster);
	kube_cluster_start(cluster, cluster->controllers, controllers);
	kube_cluster_start(cluster, cluster->scheduler, scheduler);
}

void kube_cluster_open(struct kube_cluster *cluster)
{
	static const char *const kubelets[] = {"--kubeconfig=FOLDER/kubeconfig", NULL};

	kube_cluster_open_control(cluster);
	cluster->kubelets = server_add(&cluster->parts, "kubelets");
	kube_cluster_start(cluster, cluster->kubelets, kubelets);
	AWAIT(&cluster->parts, kube_cluster_nodes_ready(cluster, 2), READY_S);
}

void kube_cluster_close(struct kube_cluster *cluster)
{
	/* Those that would complain about the others first. */
	for (size_t i = cluster->parts.count; i-- > 0;)
		if (cluster->parts.list[i].proc.pid > 0)
			(void)proc_stop(&cluster->parts.list[i].proc, SIGKILL, 10000);
	servers_close(&cluster->parts);
}

/* ---- objects ---- */

void kube_cluster_namespace(struct kube_cluster *cluster, const char *name)
{
	char path[SERVER_PATH_MAX];

	kube_cluster_create(cluster, "/api/v1/namespaces", "{'metadata':{'name':'%s'}}", name);
	snprintf(path, sizeof(path), "/api/v1/namespaces/%s/serviceaccounts/default", name);
	AWAIT(&cluster->parts, kube_cluster_has(cluster, path), READY_S);
}

bool kube_cluster_rolled_out(struct kube_cluster *cluster, const char *namespace_name,
	const char *name, int replicas)
{
	char path[SERVER_PATH_MAX];
	json_t *object, *status;
	bool done;

	snprintf(path, sizeof(path), "/apis/apps/v1/namespaces/%s/deployments/%s", namespace_name,
		name);
	object = kube_cluster_get(cluster, path);
	status = json_object_get(object, "status");
#define NUMBER(name) json_integer_value(json_object_get(status, name))
	done = NUMBER("observedGeneration") ==
			json_integer_value(json_object_get(json_object_get(object, "metadata"),
				"generation")) &&
		NUMBER("replicas") == replicas && NUMBER("updatedReplicas") == replicas &&
		NUMBER("readyReplicas") == replicas;
#undef NUMBER
	json_decref(object);
	return done;
}

void kube_cluster_deployment(struct kube_cluster *cluster, const char *namespace_name,
	const char *name, int replicas, const char *annotations)
{
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "/apis/apps/v1/namespaces/%s/deployments", namespace_name);
	kube_cluster_create(cluster, path,
		"{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'%s',"
		"'annotations':{%s}},'spec':{'replicas':%d,'selector':{'matchLabels':{'app':'%s'}},"
		"'template':{'metadata':{'labels':{'app':'%s'}},'spec':{"
		"'terminationGracePeriodSeconds':1,'containers':[{'name':'app',"
		"'image':'example.org/app:1','resources':{'requests':{'cpu':'10m','memory':'64Mi'},"
		"'limits':{'cpu':'1','memory':'128Mi'}}}]}}}}",
		name, annotations, replicas, name, name);
	AWAIT(&cluster->parts, kube_cluster_rolled_out(cluster, namespace_name, name, replicas),
		READY_S);
}

json_t *kube_cluster_pods(struct kube_cluster *cluster, const char *namespace_name,
	const char *deployment)
{
	char path[SERVER_PATH_MAX];
	json_t *list, *items;

	snprintf(path, sizeof(path), "/api/v1/namespaces/%s/pods?labelSelector=app%%3D%s",
		namespace_name, deployment);
	list = kube_cluster_get(cluster, path);
	items = json_incref(json_object_get(list, "items"));
	json_decref(list);
	return items;
}

void kube_cluster_token(struct kube_cluster *cluster, const char *namespace_name,
	const char *account, const char *secret, const char *file, char *path)
{
	char where[SERVER_PATH_MAX], bound[SERVER_PATH_MAX] = "";
	json_t *answer;
	const char *token;
	long status;

	snprintf(where, sizeof(where), "/api/v1/namespaces/%s/serviceaccounts/%s/token",
		namespace_name, account);
	if (secret != NULL)
		snprintf(bound, sizeof(bound),
			",'boundObjectRef':{'kind':'Secret','apiVersion':'v1','name':'%s'}",
			secret);
	answer = kube_cluster_call(cluster, "POST", where, &status,
		"{'apiVersion':'authentication.k8s.io/v1','kind':'TokenRequest',"
		"'spec':{'expirationSeconds':3600%s}}",
		bound);
	assert_int_equal(status, 201);
	token = json_string_value(json_object_get(json_object_get(answer, "status"), "token"));
	assert_non_null(token);
	snprintf(path, SERVER_PATH_MAX, "%s", servers_write(&cluster->parts, file, token));
	json_decref(answer);
}

/* ---- kubectl ---- */

#define WORDS_MAX 24

struct kubectl {
	char config[SERVER_PATH_MAX * 2], cache[SERVER_PATH_MAX * 2];
	char *words;
	const char *argv[WORDS_MAX + 5];
};

static void kubectl_init(struct kubectl *kubectl, const struct kube_cluster *cluster,
	const char *arguments)
{
	const char *folder = cluster->parts.folder;
	size_t count = 0;
	char *rest, *word;

	*kubectl = (struct kubectl){.words = strdup(arguments)};
	assert_non_null(kubectl->words);
	snprintf(kubectl->config, sizeof(kubectl->config), "--kubeconfig=%s/kubeconfig", folder);
	snprintf(kubectl->cache, sizeof(kubectl->cache), "--cache-dir=%s/kubectl", folder);
	kubectl->argv[count++] = program();
	kubectl->argv[count++] = "kubectl";
	kubectl->argv[count++] = kubectl->config;
	kubectl->argv[count++] = kubectl->cache;
	rest = kubectl->words;
	while ((word = strsep(&rest, " ")) != NULL) {
		assert_true(count < WORDS_MAX + 4);
		kubectl->argv[count++] = word;
	}
}

char *kube_cluster_kubectl(struct kube_cluster *cluster, const char *arguments)
{
	char log[SERVER_PATH_MAX * 2], *output;
	struct kubectl kubectl;
	int status;

	kubectl_init(&kubectl, cluster, arguments);
	snprintf(log, sizeof(log), "%s/kubectl.log", cluster->parts.folder);
	output = proc_output(log, kubectl.argv, NULL, &status);
	if (status != 0)
		fail_msg("kubectl %s: %d: %s", arguments, status, output);
	free(kubectl.words);
	return output;
}

void kube_cluster_follow(struct kube_cluster *cluster, const char *arguments, struct proc *follower)
{
	static unsigned number;
	struct kubectl kubectl;

	kubectl_init(&kubectl, cluster, arguments);
	*follower = (struct proc){0};
	snprintf(follower->log_path, sizeof(follower->log_path), "%.400s/followed-%u.log",
		cluster->parts.folder, ++number);
	proc_start(follower, kubectl.argv, NULL);
	free(kubectl.words);
}

void kube_cluster_prints(struct kube_cluster *cluster, const char *where, const char *path,
	const char *wanted)
{
	char arguments[1024];
	char *output;

	snprintf(arguments, sizeof(arguments), "get %s -o jsonpath={%s}", where, path);
	output = kube_cluster_kubectl(cluster, arguments);
	if (strcmp(output, wanted) != 0)
		fail_msg("kubectl %s: %s, wanted: %s", arguments, output, wanted);
	free(output);
}

const json_t *kube_managed(const json_t *object, const char *manager, const char *subresource)
{
	json_t *list = json_object_get(json_object_get(object, "metadata"), "managedFields");
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		const char *own = json_string_value(json_object_get(entry, "subresource"));

		if (strcmp(json_string_value(json_object_get(entry, "manager")), manager) == 0 &&
			strcmp(own != NULL ? own : "", subresource) == 0)
			return json_object_get(entry, "fieldsV1");
	}
	return NULL;
}

/* ---- KEDA ---- */

static void make_stand_in(struct kube_cluster *cluster)
{
	kube_cluster_create(cluster, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		"{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition',"
		"'metadata':{'name':'scaledobjects.keda.sh'},'spec':{'group':'keda.sh',"
		"'scope':'Namespaced','names':{'kind':'ScaledObject','plural':'scaledobjects',"
		"'singular':'scaledobject'},'versions':[{'name':'v1alpha1','served':true,"
		"'storage':true,'schema':{'openAPIV3Schema':{'type':'object','properties':{"
		"'spec':{'type':'object','x-kubernetes-preserve-unknown-fields':true,"
		"'properties':{'minReplicaCount':{'type':'integer','format':'int32'},"
		"'maxReplicaCount':{'type':'integer','format':'int32'}}}}}}}]}}");
}

void kube_cluster_keda(struct kube_cluster *cluster)
{
	const char *folder = getenv("NIMBUSGUARD_TEST_E2E");
	char arguments[SERVER_PATH_MAX + 32];

	snprintf(arguments, sizeof(arguments), "create -f %s/keda-scaledobjects.yaml",
		folder != NULL ? folder : "");
	if (access(arguments + strlen("create -f "), R_OK) == 0) {
		free(kube_cluster_kubectl(cluster, arguments));
	} else {
		print_message("KEDA's own definition is not there: a stand-in\n");
		make_stand_in(cluster);
	}
	AWAIT(&cluster->parts, kube_cluster_has(cluster, "/apis/keda.sh/v1alpha1/scaledobjects"),
		READY_S);
}
