# shellcheck shell=bash disable=SC2154
# Around the writing of files that something has to load: a mark, "pending", stands from before the first file until all are loaded.
begin_loading() {
  mkdir -p "${pending%/*}"
  touch "$pending"
  sync "$pending"
}
end_loading() {
  rm "$pending"
}
