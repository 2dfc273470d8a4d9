/*
 * The processes: the one that was started makes cgroups and waits; its child makes the namespaces; its child in turn is
 * the first process of the new one and runs the test. When it ends the kernel ends all others there, containers too, and
 * the first one removes the cgroups.
 */
#define _GNU_SOURCE /* unshare() */
#include "tests/support/kube_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_ROOM (SERVER_PATH_MAX * 3)
#define READY_S 120
#define NAME_VARIABLE "NIMBUSGUARD_TEST_MACHINE"

/* ---- what there has to be ---- */

static const char *part(const char *name)
{
	static char paths[4][PATH_ROOM];
	static unsigned next;
	const char *folder = getenv("NIMBUSGUARD_TEST_E2E");
	char *path = paths[next++ % 4];

	snprintf(path, PATH_ROOM, "%s/%s", folder != NULL ? folder : "", name);
	return path;
}

static bool is_missing(const char *what)
{
	fprintf(stderr, "skipped: %s\n", what);
	return true;
}

static bool lacks_something(void)
{
	static const char *const files[] = {"kubernetes", "state-metrics",
		"node/usr/bin/containerd", "node/usr/sbin/runc", "node/usr/lib/cni/bridge",
		"nimbusguard-image.tar", "pause-image.tar"};
	char text[PATH_ROOM];

	if (geteuid() != 0)
		return is_missing("a node needs root");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (access(part(files[i]), R_OK) != 0) {
			snprintf(text, sizeof(text), "%s was not built", files[i]);
			return is_missing(text);
		}
	return false;
}

bool kube_machine_there(void)
{
	return getenv(NAME_VARIABLE) != NULL;
}

/* The exit status of a script, whose words are shown when it is not 0. */
__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...)
{
	const char *parent = getenv("TMPDIR");
	char script[PATH_ROOM * 2], log[PATH_ROOM];
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	va_list arguments;
	char *said;
	int status;

	va_start(arguments, format);
	vsnprintf(script, sizeof(script), format, arguments);
	va_end(arguments);
	snprintf(log, sizeof(log), "%s/machine-%d.log", parent != NULL ? parent : "/tmp",
		(int)getpid());
	said = proc_output(log, argv, NULL, &status);
	if (status != 0)
		fprintf(stderr, "%s: %d: %s\n", script, status, said);
	free(said);
	(void)remove(log);
	return status;
}

/* ---- cgroups ---- */

/* One in each hierarchy, or in the only one. False when that is not allowed. */
static bool make_cgroups(const char *name)
{
	static const char controllers[] = "+cpu +memory +pids +cpuset +io";
	bool unified = access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0, made = false;
	char path[PATH_ROOM];
	FILE *control;
	glob_t found;

	if (unified) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", name);
		/* What is on already stays so, and what there is not is not needed. */
		control = fopen("/sys/fs/cgroup/cgroup.subtree_control", "w");
		if (control != NULL) {
			fputs(controllers, control);
			fclose(control);
		}
		return mkdir(path, 0755) == 0;
	}
	if (glob("/sys/fs/cgroup/*/cgroup.procs", 0, NULL, &found) != 0)
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		snprintf(path, sizeof(path), "%.*s%s",
			(int)(strlen(found.gl_pathv[i]) - strlen("cgroup.procs")),
			found.gl_pathv[i], name);
		made = mkdir(path, 0755) == 0 || made;
	}
	globfree(&found);
	return made;
}

/* The kernel needs a moment until the processes in them are gone. */
static void remove_cgroups(const char *name)
{
	if (shell("for i in 1 2 3 4 5 6 7 8 9 10; do "
		  "find /sys/fs/cgroup -depth -type d \\( -name '%s' -o -path '*/%s/*' \\) "
		  "-exec rmdir {} + && exit 0; sleep 0.5; done; exit 1",
		    name, name) != 0)
		fprintf(stderr, "cgroups named %s are left over\n", name);
}

/* ---- namespaces ---- */

/* Where a node keeps what it knows is a copy that goes with the test: /var through an overlay, /run empty. */
static bool furnish(void)
{
	const char *parent = getenv("TMPDIR");
	char folder[PATH_ROOM];

	snprintf(folder, sizeof(folder), "%s/machine-XXXXXX", parent != NULL ? parent : "/tmp");
	if (mkdtemp(folder) == NULL)
		return false;
	if (shell("mount --make-rprivate / && mount -t proc proc /proc && mkdir %s/upper %s/work && "
		  "mount -t overlay overlay -o lowerdir=/var,upperdir=%s/upper,workdir=%s/work /var && "
		  "mount -t tmpfs tmpfs /run && mount --make-rshared /",
		    folder, folder, folder, folder) != 0)
		return false;
	return shell("ip link set lo up && ip link add node0 type bridge && "
		     /* Addresses of Services are nowhere; without a route nothing would be sent to them. */
		     "ip address add " KUBE_MACHINE_ADDRESS
		     "/32 dev node0 && ip link set node0 up && "
		     "ip route add default dev node0") == 0;
}

/* Waits for the child and gives what it ended with. */
static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static pid_t fork_bound(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

bool kube_machine_enter(int *status)
{
	char name[64];
	pid_t pid;

	if (lacks_something())
		return false;
	snprintf(name, sizeof(name), "nimbusguard-e2e-%d", (int)getpid());
	if (!make_cgroups(name))
		return !is_missing("cgroups cannot be made here");
	pid = fork_bound();
	if (pid < 0)
		exit(1);
	if (pid > 0) {
		*status = status_of(pid);
		remove_cgroups(name);
		return true;
	}
	if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID) != 0) {
		(void)is_missing("namespaces cannot be made here");
		return false;
	}
	pid = fork_bound();
	if (pid < 0)
		exit(1);
	if (pid > 0)
		_exit(status_of(pid));
	if (furnish())
		setenv(NAME_VARIABLE, name, 1);
	else
		(void)is_missing("a node cannot be furnished here");
	return false;
}

/* ---- the node ---- */

static void write_configuration(struct kube_cluster *cluster)
{
	const char *folder = cluster->parts.folder;
	char text[4 * PATH_ROOM];

	snprintf(text, sizeof(text),
		"version = 2\nroot = \"%s/containerd\"\nstate = \"/run/containerd\"\n"
		"[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"localhost/pause:e2e\"\n"
		/* Where the right to lower a score is not given, as in some virtual machines. */
		"restrict_oom_score_adj = true\n"
		"[plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"%s\"\n"
		"conf_dir = \"%s/cni\"\n",
		folder, part("node/usr/lib/cni"), folder);
	servers_write(&cluster->parts, "containerd.toml", text);
	snprintf(text, sizeof(text), "%s/cni", folder);
	assert_int_equal(mkdir(text, 0755), 0);
	servers_write(&cluster->parts, "cni/pods.conflist",
		"{\"cniVersion\":\"0.4.0\",\"name\":\"pods\",\"plugins\":[{\"type\":\"bridge\","
		"\"bridge\":\"pods0\",\"isGateway\":true,\"hairpinMode\":true,\"ipam\":{\"type\":"
		"\"host-local\",\"ranges\":[[{\"subnet\":\"10.98.0.0/24\"}]],\"routes\":[{\"dst\":"
		"\"0.0.0.0/0\"}]}}]}\n");
	snprintf(text, sizeof(text),
		"{\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"kind\":\"KubeletConfiguration\","
		"\"authentication\":{\"x509\":{\"clientCAFile\":\"%s\"}},"
		/* The API server's certificate is that of a person who may do nothing elsewhere. */
		"\"authorization\":{\"mode\":\"AlwaysAllow\"},"
		"\"containerRuntimeEndpoint\":\"unix:///run/containerd/containerd.sock\","
		"\"cgroupDriver\":\"cgroupfs\",\"cgroupRoot\":\"/%s\",\"failCgroupV1\":false,"
		"\"failSwapOn\":false,\"resolvConf\":\"\",\"healthzPort\":0,"
		/* What else the machine holds is not the test's. */
		"\"evictionHard\":{\"memory.available\":\"1Mi\",\"nodefs.available\":\"0%%\","
		"\"imagefs.available\":\"0%%\",\"nodefs.inodesFree\":\"0%%\"},"
		"\"imageGCHighThresholdPercent\":100}\n",
		cluster->ca_file, getenv(NAME_VARIABLE));
	servers_write(&cluster->parts, "kubelet.yaml", text);
}

static void start_containerd(struct kube_cluster *cluster)
{
	char config[PATH_ROOM], path[2 * PATH_ROOM], program[PATH_ROOM];
	const char *const argv[] = {program, "--config", config, NULL};
	const char *const environment[] = {path, NULL};
	struct server *containerd = server_add(&cluster->parts, "containerd");

	snprintf(program, sizeof(program), "%s", part("node/usr/bin/containerd"));
	snprintf(config, sizeof(config), "%s/containerd.toml", cluster->parts.folder);
	/* It looks for its shim and for runc there. */
	snprintf(path, sizeof(path), "PATH=%s:%s:%s", part("node/usr/bin"), part("node/usr/sbin"),
		getenv("PATH"));
	proc_start(&containerd->proc, argv, environment);
	AWAIT(&cluster->parts,
		proc_runs(&containerd->proc) &&
			server_said(containerd, "containerd successfully booted"),
		READY_S);
}

static void import_image(struct kube_cluster *cluster, const char *file)
{
	const char *const argv[] = {part("node/usr/bin/ctr"), "-n", "k8s.io", "images", "import",
		part(file), NULL};
	char log[PATH_ROOM], *said;
	int status;

	snprintf(log, sizeof(log), "%s/import.log", cluster->parts.folder);
	said = proc_output(log, argv, NULL, &status);
	if (status != 0)
		fail_msg("%s: %d: %s", file, status, said);
	free(said);
}

/* Whether the images can be had, and a container of one of them runs here: else that is shown. */
static bool runs_containers(struct kube_cluster *cluster)
{
	char program[PATH_ROOM], cgroup[PATH_ROOM], log[PATH_ROOM], *said;
	const char *const argv[] = {program, "-n", "k8s.io", "run", "--rm", "--cgroup", cgroup,
		"localhost/pause:e2e", "probe", "/bin/true", NULL};
	int status;

	import_image(cluster, "pause-image.tar");
	import_image(cluster, "nimbusguard-image.tar");
	snprintf(program, sizeof(program), "%s", part("node/usr/bin/ctr"));
	snprintf(cgroup, sizeof(cgroup), "/%s/probe", getenv(NAME_VARIABLE));
	snprintf(log, sizeof(log), "%s/probe.log", cluster->parts.folder);
	said = proc_output(log, argv, NULL, &status);
	if (status != 0)
		(void)is_missing(said);
	free(said);
	return status == 0;
}

bool kube_machine_open(struct kube_cluster *cluster)
{
	static const char *const kubelet[] = {"--config=FOLDER/kubelet.yaml",
		"--kubeconfig=FOLDER/kubeconfig", "--hostname-override=node-1",
		"--node-ip=" KUBE_MACHINE_ADDRESS, NULL};
	static const char *const proxy[] = {"--kubeconfig=FOLDER/kubeconfig",
		"--hostname-override=node-1", "--proxy-mode=iptables",
		"--cluster-cidr=10.98.0.0/24",
		/* Limits of the whole machine, which stay as they are. */
		"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s",
		"--conntrack-tcp-timeout-close-wait=0s", NULL};

	cluster->address = KUBE_MACHINE_ADDRESS;
	kube_cluster_open_control(cluster);
	write_configuration(cluster);
	start_containerd(cluster);
	if (!runs_containers(cluster)) {
		kube_cluster_close(cluster);
		return false;
	}
	kube_cluster_start(cluster, server_add(&cluster->parts, "kubelet"), kubelet);
	kube_cluster_start(cluster, server_add(&cluster->parts, "kube-proxy"), proxy);
	AWAIT(&cluster->parts, kube_cluster_nodes_ready(cluster, 1), READY_S);
	return true;
}
