#!/bin/bash
# Images for the node on which containers run (tests/support/kube_machine.h): the product's by its own Dockerfile, on a Debian
# made of Debian's packages as no registry is asked, and one that holds a pod's namespaces. Needs root.
# Usage: images.sh FOLDER TARGET   FOLDER/context is what the Dockerfile is given; TARGET gets nimbusguard-image.tar and pause-image.tar.
set -euo pipefail

folder=$1 target=$2
debian=docker.io/library/debian
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=overlay

b() {
	buildah --root "$folder/root" --runroot "$folder/run" "$@"
}

mmdebstrap --quiet --variant=minbase bookworm "$folder/debian.tar"
container=$(b from scratch)
b add -q "$container" "$folder/debian.tar" /
b commit -q "$container" "$debian:12"
b tag "$debian:12" "$debian:12-slim"
b config --cmd "/bin/sleep infinity" "$container"
b commit -q "$container" localhost/pause:e2e
b bud --pull-never -q -f "$folder/context/deploy/docker/Dockerfile" -t localhost/nimbusguard:e2e "$folder/context"
for name in pause nimbusguard; do
	b push -q "localhost/$name:e2e" "docker-archive:$target/$name-image.tar:localhost/$name:e2e"
done
