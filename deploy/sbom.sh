#!/bin/bash
# The program's bill of materials, CycloneDX 1.5 in JSON: each package of Debian that a library comes from which is linked
# in, with its version. Usage: sbom.sh PROGRAM VERSION
set -euo pipefail

program=$1 version=$2
when=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}" +%Y-%m-%dT%H:%M:%SZ)
ldd "$program" | awk '$3 ~ /^\// { print $3 }' | while read -r file; do
	# By either name of a merged /usr.
	real=$(readlink -f "$file")
	dpkg-query -S "$real" "${real#/usr}" 2>/dev/null | head -n 1 | cut -d : -f 1 || true
done | sort -u | while read -r package; do
	# shellcheck disable=SC2016 # the dollars are dpkg-query's
	dpkg-query -W -f '${Package}\t${Version}\t${Architecture}\t${source:Package}\n' "$package" | head -n 1
done | jq -R -s --arg version "$version" --arg when "$when" '
	[split("\n")[] | select(. != "") | split("\t") | {
		type: "library", name: .[0], version: .[1],
		"bom-ref": "pkg:deb/debian/\(.[0])@\(.[1])?arch=\(.[2])",
		purl: "pkg:deb/debian/\(.[0])@\(.[1] | @uri)?arch=\(.[2])",
		properties: [{name: "debian:source", value: .[3]}]
	}] as $parts | {
		bomFormat: "CycloneDX", specVersion: "1.5", version: 1,
		metadata: {
			timestamp: $when,
			component: {
				type: "application", name: "nimbusguard", version: $version,
				"bom-ref": "nimbusguard@\($version)",
				licenses: [{license: {id: "Apache-2.0"}}]
			}
		},
		components: $parts,
		dependencies: [{ref: "nimbusguard@\($version)", dependsOn: [$parts[]["bom-ref"]]}]
	}'
