# shellcheck shell=bash disable=SC2154
# arguments FILE: those of a manifest of kubeadm's, one a line, as its process has them.
arguments() {
  sed -n "s/^    - \\(.*--.*\\)\$/\\1/p" "$1" | sed -e "s/^'\\(--.*\\)'\$/\\1/" -e "s/''/'/g" -e 's/^"\(--.*\)"$/\1/' | grep -- ^-- || true
}
# process PROGRAM: its number, if it runs. The kernel keeps 15 characters of a name. A pod may run a program of the same name, in a network of its own.
process() {
  local folder name own
  own=$(readlink /proc/self/ns/net) || true
  for folder in /proc/[0-9]*; do
    if read -r name 2> /dev/null < "$folder/comm" && [ "$name" = "${1:0:15}" ] && [ "$(readlink "$folder/ns/net")" = "$own" ]; then
      echo "${folder##*/}"
      return
    fi
  done
  return 1
}
# healthy PROGRAM: it says so itself.
healthy() {
  case $1 in
    kube-apiserver | etcd) [ "$(as_admin -f -m 30 https://kubernetes:6443/readyz)" = ok ] ;;
    kube-controller-manager) [ "$(curl -sk -m 10 https://127.0.0.1:10257/healthz)" = ok ] ;;
    kube-scheduler) [ "$(curl -sk -m 10 https://127.0.0.1:10259/healthz)" = ok ] ;;
  esac
}
# runs PROGRAM: its process has the arguments of its manifest, each of them and no other, and it is healthy.
runs() {
  local pid
  pid=$(process "$1") || return 1
  diff -q <(arguments "$folder/$1.yaml" | sort) <(tr '\0' '\n' < "/proc/$pid/cmdline" | grep -- ^-- | sort) > /dev/null && healthy "$1"
}
# newest_log PROGRAM: of its container that began last; nothing if it never began. The number in its name is how often it has begun again.
newest_log() {
  find /var/log/pods -path "*kube-system_$1-*/$1/*.log" -printf '%T@ %p\n' 2> /dev/null | sort -n | tail -n 1 | cut -d ' ' -f 2-
}
# comes_up PROGRAM [MOST]: waits for it, "restart" seconds at most, and no longer when it has ended so often since. Each manifest has a folder of logs of
# its own, whose numbers go on for years.
# A kubelet that has not heard from the API server since it began ends no pod whose manifest is gone, and starts none of that name beside it: for ever, if
# that pod is the API server's. It is started again then, and knows what lies there now alone; unless the manifest is on trial, which may have to go again.
comes_up() {
  local begin=$SECONDS end=$((SECONDS + restart)) log from='' first=0 number woken=''
  until runs "$1"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    if [ -z "${2:-}${woken}" ] && [ "$((SECONDS - begin))" -ge "$stuck" ] && ! process "$1" > /dev/null && ! healthy kube-apiserver; then
      woken=yes
      systemctl restart kubelet
    fi
    if [ -n "${2:-}" ]; then
      log=$(newest_log "$1")
      number=${log##*/}
      number=${number%.log}
      if [ "${log%/*}" != "$from" ]; then
        from=${log%/*}
        first=${number:-0}
      fi
      [ "$((${number:-0} - first))" -lt "$2" ] || return 1
    fi
    sleep 1
  done
}
# place FILE PROGRAM: it takes the place of the program's manifest, whole. The kubelet passes over names that begin with a dot.
place() {
  local new
  new=$(mktemp "$folder/.kubestead.XXXXXX")
  cat "$1" > "$new"
  sync "$new"
  mv -fT "$new" "$folder/$2.yaml"
  sync "$folder"
}
# replaced PROGRAM: whether its manifest is still the one that took the place of that in "kept", and nobody's since.
replaced() {
  [ -f "$kept/$1.yaml" ] && [ "$(cat "$kept/.$1" 2> /dev/null)" = "$(sha256sum < "$folder/$1.yaml" 2> /dev/null)" ]
}
# settle_certificate: the API server's key and its certificate lie beside theirs until both are whole. A power cut between the two leaves the
# certificate there, which follows its key.
settle_certificate() {
  local pki=/etc/kubernetes/pki
  if [ -e "$pki/.kubestead.apiserver.crt" ] && [ ! -e "$pki/.kubestead.apiserver.key" ]; then
    mv -fT "$pki/.kubestead.apiserver.crt" "$pki/apiserver.crt"
    sync "$pki"
  fi
  rm -f "$pki"/.kubestead.*
}
# last_words PROGRAM: the last line of its log that tells of an error, or the last one at all; nothing if it wrote none. It never fails: a log may be
# empty yet, and the kubelet takes old ones away at any time.
last_words() {
  local log words=() line
  log=$(find /var/log/pods -path "*kube-system_$1-*/$1/*.log" -size +0 -printf '%T@ %p\n' 2> /dev/null | sort -n | tail -n 1 | cut -d ' ' -f 2-) || true
  [ -n "$log" ] || return 0
  while read -r _ _ _ line; do
    case $line in
      '' | Usage* | --*) ;;
      *[Ee]rror* | *unknown* | *invalid*) words=("$line") ;;
      *) [ "${#words[@]}" != 0 ] || words=("$line") ;;
    esac
  done < <(tail -n 40 "$log" 2> /dev/null)
  printf '%.300s\n' "${words[*]}"
}
