#!/bin/bash
# Builds what the end-to-end tests need and Debian does not have, from Go modules: Kubernetes' control plane, Helm and a
# current Prometheus; takes definitions of KEDA's, Argo CD's and the Prometheus Operator's objects out of their modules; and
# packages of Python and npm, each test's in an environment of its own. Usage: build.sh FOLDER TEST...   The folder gets
# what the named tests need; what is there and up to date is left alone. Without a Go toolchain nothing is built, and the
# tests say that they skip.
set -euo pipefail

dest=$1
tests="${*:2}"
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)

# take_python NAME: an environment of Python with the packages of python/NAME.txt, which the test NAME runs with.
take_python() {
	local venv=$dest/python-$1
	if [ -e "$venv/.installed" ] && [ "$venv/.installed" -nt "$here/python/$1.txt" ]; then
		return
	fi
	echo "e2e: fetching what python/$1.txt names"
	if python3 -m venv "$venv" &&
		"$venv/bin/pip" install -q --disable-pip-version-check -r "$here/python/$1.txt"; then
		touch "$venv/.installed"
	else
		echo "e2e: it could not be fetched, and its test says that it skips"
	fi
}
case $tests in *onnx*) take_python onnx ;; esac
case $tests in *mlflow*) take_python mlflow ;; esac
case $tests in
*dashboards*)
	# By the lock file, without the scripts of packages.
	if [ ! -e "$dest/grafana/.installed" ] || [ "$here/grafana/package-lock.json" -nt "$dest/grafana/.installed" ]; then
		echo "e2e: fetching what grafana/package.json names"
		mkdir -p "$dest/grafana"
		cp "$here"/grafana/package*.json "$dest/grafana/"
		if (cd "$dest/grafana" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); then
			touch "$dest/grafana/.installed"
		else
			echo "e2e: it could not be fetched, and its test says that it skips"
		fi
	fi
	;;
esac

# context FOLDER: a tarball of what git has and what is new there, the same for the same files.
context() {
	(cd "$1" && git ls-files -z -c -o --exclude-standard | tar --null -T - --sort=name --mtime=@0 --ignore-failed-read -cf - 2>/dev/null) || true
}

# make_images: by images.sh, anew when a file of the checkout changed.
make_images() {
	local store=$dest/images source=$here/../.. known
	known=$(context "$source" | sha256sum)
	if [ "$(cat "$dest/nimbusguard-image.known" 2>/dev/null)" = "$known" ]; then
		return
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "e2e: images are made by root only, and their test says that it skips"
		return
	fi
	echo "e2e: making the image of deploy/docker/Dockerfile"
	rm -rf "$store" "$dest"/*-image.*
	mkdir -p "$store/context"
	context "$source" | tar -xf - -C "$store/context"
	if "$here/images.sh" "$store" "$dest" >"$dest/images.log" 2>&1; then
		echo "$known" >"$dest/nimbusguard-image.known"
	else
		tail -n 20 "$dest/images.log"
		echo "e2e: the images could not be made, and their test says that it skips"
		rm -f "$dest"/*-image.*
	fi
	rm -rf "$store"
}
case $tests in
*containers*)
	if [ ! -e "$dest/node/.unpacked" ]; then
		"$here/../support/servers.sh" "$dest/node" containerd runc:usr/sbin/runc \
			containernetworking-plugins:usr/lib/cni/bridge
	fi
	make_images
	;;
esac

if ! command -v go >/dev/null; then
	echo "e2e: no Go toolchain, Kubernetes and a current Prometheus are not built"
	exit 0
fi

# version_of NAME MODULE: by the go.mod in the folder NAME.
version_of() {
	awk -v module="$2" '{ sub(/^require /, "") } $1 == module && $2 ~ /^v/ { print $2; exit }' "$here/$1/go.mod"
}

# build NAME WHAT PACKAGE FLAG...
build() {
	local name=$1 what=$2 package=$3 began=$SECONDS
	if [ -x "$dest/$name" ] && [ -z "$(find "$here/$name" -newer "$dest/$name" -print -quit)" ]; then
		return
	fi
	echo "e2e: building $what"
	(cd "$here/$name" && GOTOOLCHAIN=local GOFLAGS=-mod=readonly go build "${@:4}" -o "$dest/$name" "$package")
	echo "e2e: $what built in $((SECONDS - began)) s"
}

# take NAME MODULE FILE TARGET: a file of a module into the folder. Without it the tests have a stand-in.
take() {
	local version folder
	if [ -e "$dest/$4" ] && [ "$dest/$4" -nt "$here/$1/go.mod" ]; then
		return
	fi
	version=$(version_of "$1" "$2")
	folder=$(cd "$here/$1" && GOTOOLCHAIN=local go mod download -json "$2@$version" | awk -F '"' '$2 == "Dir" { print $4 }') || true
	if [ -n "$folder" ] && install -m 644 "$folder/$3" "$dest/$4"; then
		echo "e2e: $4 of $2 $version"
	else
		echo "e2e: $2 $version could not be fetched"
	fi
}

case $tests in
*kubernetes*)
	version=$(version_of kubernetes k8s.io/kubernetes)
	minor=${version#v*.}
	symbols=k8s.io/component-base/version
	take keda github.com/kedacore/keda/v2 config/crd/bases/keda.sh_scaledobjects.yaml keda-scaledobjects.yaml
	take keda github.com/kedacore/keda/v2 config/crd/bases/keda.sh_triggerauthentications.yaml keda-triggerauthentications.yaml
	take operator github.com/prometheus-operator/prometheus-operator \
		example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml servicemonitors.yaml
	take operator github.com/prometheus-operator/prometheus-operator \
		example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml prometheusrules.yaml
	take argocd github.com/argoproj/argo-cd/v3 manifests/crds/application-crd.yaml applications.yaml
	CGO_ENABLED=0 build kubernetes "Kubernetes $version" . -buildvcs=false -trimpath -ldflags "-s -w \
		-X $symbols.gitVersion=$version -X $symbols.gitMajor=1 -X $symbols.gitMinor=${minor%%.*}"
	;;
esac
case $tests in
*containers*)
	module=k8s.io/kube-state-metrics/v2
	CGO_ENABLED=0 build state-metrics "kube-state-metrics $(version_of state-metrics $module)" $module -buildvcs=false -trimpath \
		-ldflags "-s -w"
	;;
esac
# With the flags and versions of Kubernetes above, so that what both are made of is compiled once.
case $tests in
*deploy*)
	module=helm.sh/helm/v3
	CGO_ENABLED=0 build helm "Helm $(version_of helm $module)" $module/cmd/helm -buildvcs=false -trimpath -ldflags "-s -w"
	;;
esac
case $tests in
*prometheus*)
	module=github.com/prometheus/prometheus
	build prometheus "Prometheus $(version_of prometheus $module)" $module/cmd/prometheus
	;;
esac
