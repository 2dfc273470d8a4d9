#!/bin/bash
# Usage: python.sh sklearn|torch FOLDER
# Fetches Debian's scikit-learn or PyTorch with what it needs and unpacks it under the folder, for comparisons. Nothing is
# installed and no root is needed. Afterwards FOLDER/python runs Python with it.
set -euo pipefail

name=$1
case $name in
sklearn) size=60 ;;
torch) size=100 ;;
*)
	echo "python.sh: no set of packages is named $name" >&2
	exit 2
	;;
esac
mkdir -p "$2"
dest=$(cd "$2" && pwd)
[ ! -e "$dest/.unpacked" ] || exit 0

mkdir -p "$dest/archives/partial"
options=(-q -y --no-install-recommends --download-only -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=true
	-o "Dir::Cache::archives=$dest/archives")
# OpenBLAS, for the reference BLAS would be no opponent.
packages=("python3-$name" libopenblas0-pthread)
lists=()
echo "$name: fetching python3-$name (about $size MB)"
if ! apt-get "${options[@]}" install "${packages[@]}" >"$dest/log" 2>&1; then
	mkdir -p "$dest/lists/partial" "$dest/cache"
	lists=(-o "Dir::State::Lists=$dest/lists" -o "Dir::Cache=$dest/cache")
	if ! { apt-get "${options[@]}" "${lists[@]}" update && apt-get "${options[@]}" "${lists[@]}" install "${packages[@]}"; } >>"$dest/log" 2>&1; then
		cat "$dest/log" >&2
		echo "$name: the Debian packages could not be fetched" >&2
		exit 1
	fi
fi
for deb in "$dest"/archives/*.deb; do
	dpkg-deb -x "$deb" "$dest"
done
rm -rf "$dest/archives" "$dest/lists" "$dest/cache" "${dest:?}/usr/share"
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo x86_64-linux-gnu)
libraries=$dest/usr/lib/$multiarch
cat >"$dest/python" <<END
#!/bin/sh
# A preset core type would halve the opponent.
unset OPENBLAS_CORETYPE OPENBLAS_NUM_THREADS
export LD_LIBRARY_PATH=$libraries/openblas-pthread:$libraries:$dest/usr/lib:$dest/lib/$multiarch:$libraries/lapack
export PYTHONPATH=$dest/usr/lib/python3/dist-packages
exec python3 "\$@"
END
chmod +x "$dest/python"
if ! "$dest/python" -c "import $name; print('$name', $name.__version__)"; then
	echo "$name: it does not run here" >&2
	exit 1
fi
touch "$dest/.unpacked"
