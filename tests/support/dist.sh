#!/bin/bash
# Packs the last commit. Usage: dist.sh FOLDER NAME   writes FOLDER/NAME.tar.gz, whose bytes depend on the commit alone
# (and on SOURCE_DATE_EPOCH, by default the commit's time).
set -euo pipefail

folder=$1 name=$2
if ! git rev-parse --git-dir >/dev/null 2>&1; then
	echo "dist: needs the git checkout" >&2
	exit 1
fi
when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

rm -rf "${folder:?}/$name"
mkdir -p "$folder/$name"
git archive HEAD | tar -x -C "$folder/$name"
printf '%s\n' "${name#*-}" "$(git rev-parse --short=12 HEAD)" >"$folder/$name/.tarball-version"
tar -c -C "$folder" --sort=name --mtime="@$when" --owner=0 --group=0 --numeric-owner \
	--mode=u+rw,go+rX,go-w --format=ustar "$name" | gzip -9n >"$folder/$name.tar.gz"
rm -rf "${folder:?}/$name"
sha256sum "$folder/$name.tar.gz"
