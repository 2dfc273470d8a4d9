/*
 * A node on which containers run: containerd, kubelet and kube-proxy as on any node, beside the control plane of
 * tests/support/kube_cluster.h. All of it, the test too, is in namespaces of its own (network, mounts, processes), so that
 * nothing of it is seen on the machine, and nothing is left when the test ends, however it ends.
 *
 * Usage: if (kube_machine_enter(&status)) return status; as the first of main(); then kube_machine_there(),
 *   kube_machine_open() in the setup, kube_cluster_close() in the teardown.
 * Limits: needs root and the programs and images that tests/e2e/build.sh makes; else kube_machine_there() is false. No DNS for pods,
 *   and no way out of the machine.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_KUBE_MACHINE_H
#define NIMBUSGUARD_TESTS_SUPPORT_KUBE_MACHINE_H

#include "tests/support/kube_cluster.h"

/* The node, as pods and the API server see it. */
#define KUBE_MACHINE_ADDRESS "10.99.0.1"
/* The product's image, from deploy/docker/Dockerfile. */
#define KUBE_MACHINE_IMAGE_NAME "localhost/nimbusguard"
#define KUBE_MACHINE_IMAGE_TAG "e2e"

/* True in the process that was started: the test has run in another one, in the namespaces, and ended with
 * *status. False where the test is to go on: there, or when there can be no machine. */
bool kube_machine_enter(int *status);
/* False when tests are to be skipped; what is missing was said on stderr. */
bool kube_machine_there(void);
/* Returns when the API server is ready, the node takes pods, and the images are on it. False, with nothing left open, where no
 * container can be run on this machine, as the one that was tried said. */
bool kube_machine_open(struct kube_cluster *cluster);

#endif
