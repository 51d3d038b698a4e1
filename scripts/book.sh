#!/bin/bash
# book.sh FOLDER: the book of docs/ as HTML into FOLDER, which is made anew. Fails if a page of the summary is missing or a link within the book leads nowhere.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
into=$(realpath -m "$1")
if [ -e "$into" ] && [ ! -f "$into/.kubestead-book" ]; then
  echo "$into is there and is no book of this script: name another folder" >&2; exit 2
fi
mdbook=$(bash scripts/mdbook.sh)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

# Pages link to each other as they lie in the repository, so the book is made of a copy that lies the same, with the summary at its top.
mkdir "$work/src"
cp -r docs README.md CONTRIBUTING.md STYLE.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$work/src"
while read -r file; do
  mkdir -p "$work/src/$(dirname "$file")"
  cp "$file" "$work/src/$file"
done < <(grep -rhoE '\]\([^)]*examples/[^)#]*' docs README.md CONTRIBUTING.md | sed 's/.*examples\//examples\//' | sort -u)
mv "$work/src/docs/book.toml" "$work/book.toml"
sed -e 's/](/](docs\//' -e 's/](docs\/\.\.\//](/' "$work/src/docs/SUMMARY.md" > "$work/src/SUMMARY.md"
rm "$work/src/docs/SUMMARY.md"
# The summary is the book's own column.
sed -i 's/\[The book\](docs\/SUMMARY.md)/The book/' "$work/src/README.md"
# mdBook makes index.html of a README, and leaves links to it as they are.
find "$work/src" -name '*.md' ! -name SUMMARY.md -exec sed -i -E 's/\]\(([^):]*)README\.md/](\1index.md/g' {} +
RUST_LOG=error "$mdbook" build "$work" --dest-dir "$work/html"

bad=0
while IFS=: read -r page link; do
  target=${link#href=\"}; target=${target%\"}; target=${target%%#*}
  case $target in ''|*://*|mailto:*|javascript:*) continue;; esac
  [ -e "$(dirname "$page")/$target" ] || { echo "${page#"$work/html/"}: $target leads nowhere" >&2; bad=1; }
done < <(grep -roE 'href="[^"]*"' --include='*.html' --exclude=print.html --exclude=404.html "$work/html")
[ "$bad" = 0 ] || exit 1

touch "$work/html/.kubestead-book"
rm -rf "$into"
mkdir -p "$(dirname "$into")"
mv "$work/html" "$into"
chmod 755 "$into"
echo "$into/index.html"
