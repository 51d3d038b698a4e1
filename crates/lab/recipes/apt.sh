# Sourced by the recipes. Uses the host's own Debian mirror with an apt root of its own, so that the host's sources stay untouched.

# The mirror: KUBESTEAD_DEBIAN_MIRROR, else the one that the host's apt already uses for Debian itself.
debian_mirror() {
  if [ -n "${KUBESTEAD_DEBIAN_MIRROR:-}" ]; then printf '%s\n' "$KUBESTEAD_DEBIAN_MIRROR"; return; fi
  m=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 2>/dev/null | head -n 1)
  [ -n "$m" ] || { echo "no Debian mirror found in the host's apt configuration: run 'apt-get update', or name one in KUBESTEAD_DEBIAN_MIRROR" >&2; return 1; }
  printf '%s\n' "$m"
}

# apt_root DIR SUITE...: a private apt root that knows the suites; use it with: apt_in DIR get|cache ...
apt_root() {
  root=$1; shift
  mirror=$(debian_mirror)
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -f "$keyring" ] || { echo "$keyring is missing: install debian-archive-keyring" >&2; return 1; }
  mkdir -p "$root/etc/apt.conf.d" "$root/etc/preferences.d" "$root/state/lists/partial" "$root/cache/archives/partial"
  : > "$root/state/status"
  for suite; do echo "deb [signed-by=$keyring] $mirror $suite main"; done > "$root/etc/sources.list"
  cp /etc/apt/apt.conf.d/* "$root/etc/apt.conf.d/" 2>/dev/null || true
  apt_in "$root" get -qq update
}

apt_in() {
  root=$1; tool=$2; shift 2
  "apt-$tool" -o Dir::Etc="$root/etc" -o Dir::Etc::sourcelist="$root/etc/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State="$root/state" -o Dir::State::status="$root/state/status" -o Dir::Cache="$root/cache" -o APT::Sandbox::User= "$@"
}
