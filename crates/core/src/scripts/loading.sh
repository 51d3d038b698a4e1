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
# Has systemd read its units again if it holds an older state of one among "paths". All generators run then, which takes long on a small machine,
# and a unit that is not loaded is read when it is needed.
reload() {
  local path told units=()
  for path in "${paths[@]}"; do
    case $path in
      /etc/systemd/system/*)
        path=${path#/etc/systemd/system/}
        path=${path%%/*}
        units+=("${path%.d}")
        ;;
    esac
  done
  [ "${#units[@]}" != 0 ] || return 0
  told=$(systemctl show -p NeedDaemonReload "${units[@]}") || told=unknown
  case $told in
    *=yes* | unknown) systemctl daemon-reload ;;
  esac
}
