#!/bin/bash
# The proof of the default source of software, on a lab of two machines: `kubernetes: {version: ...}` with the official addresses. The second machine
# answers for them over TLS, with an authority that the first one trusts, and repositories that are signed by keys made here; containerd.io is made of the
# bundle's containerd as Docker's package is. No registry is reached: images are put there by hand.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH), gpg, openssl, dpkg-dev, python3. Makes a lab of its own and removes it at the end; KEEP=1 keeps it.
. "$(dirname "$0")/lab-lib.sh" "lab, official software"

ready() { [ "$(on cp1 "kubectl --kubeconfig /etc/kubernetes/admin.conf get node cp1 -o 'jsonpath={.status.conditions[?(@.type==\"Ready\")].status}'")" = True ]; }
installed() { on cp1 "dpkg-query -W -f '\${db:Status-Want} \${db:Status-Status} \${Package} \${Version}\n' kubeadm kubelet kubectl containerd.io 2>/dev/null | grep -v not-installed"; }

echo "== from nothing"
bundle=$("$kubestead" lab build 2>/dev/null)
mkdir -p "$KUBESTEAD_LAB_DIR/lab"
cat > "$KUBESTEAD_LAB_DIR/lab/lab.json" <<'JSON'
{"machines": [
  {"name": "cp1", "address": "10.77.0.11", "memory": 2560, "disks": [{"serial": "cp1-data", "size": 4096}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []}
]}
JSON
expect "lab up" "$kubestead" lab up
ln -sf "$KUBESTEAD_LAB_DIR/lab/ssh_config" "$work/ssh"
"$kubestead" init --dir "$work" >/dev/null 2>&1
cat > "$KUBESTEAD_FILE" <<YAML
apiVersion: kubestead/v1
kind: Cluster
name: home
kubernetes: {version: 1.37.1, lab: true}
ssh: {config: $work/ssh}
nodes:
  - {name: cp1, address: 10.77.0.11, roles: [control-plane, worker]}
disks:
  vg01: {devices: {cp1: [/dev/disk/by-id/ubd-cp1-data]}}
volumes:
  kubernetes: {on: [all], group: vg01, size: 128MiB, path: /etc/kubernetes}
  kubelet: {on: [all], group: vg01, size: 1GiB, path: /var/lib/kubelet}
keys:
  servers: [{host: masterlock, address: 10.77.0.5}]
YAML
of_file() { "$kubestead" check "$@"; }
expect "the file needs no source of software" of_file
expect "a name that is not found is named, by machine" says "cp1/packages: https://pkgs.k8s.io/core:/stable:/v1.37/deb/Release.key: curl: (6)" status 4 plan

echo "== the two addresses answer over TLS"
export GNUPGHOME; GNUPGHOME=$(mktemp -d); chmod 700 "$GNUPGHOME"
gpg=(gpg --batch --quiet --yes --passphrase '')
"${gpg[@]}" --quick-generate-key kubernetes ed25519 sign 2y 2>/dev/null
"${gpg[@]}" --quick-generate-key docker ed25519 sign never 2>/dev/null
"${gpg[@]}" --faked-system-time=20240101T000000 --quick-generate-key ended ed25519 sign 1y 2>/dev/null
print() { "${gpg[@]}" --with-colons --list-keys "$1" 2>/dev/null | awk -F : '/^fpr/ { print $10; exit }'; }
mirror=$work/mirror
kubernetes=$mirror/core:/stable:/v1.37/deb docker=$mirror/linux/debian
packages=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1])))' "$KUBESTEAD_LAB_DIR/lab/packages.json")
mkdir -p "${kubernetes%/*}" "$docker/dists/bookworm/stable/binary-amd64" "$docker/pool"
cp -r "$packages/core:/stable:/v1.37/deb" "$kubernetes"
"${gpg[@]}" --local-user kubernetes --output "$kubernetes/InRelease" --clearsign "$kubernetes/Release"
"${gpg[@]}" --armor --export kubernetes > "$kubernetes/Release.key"
# containerd.io: programs of the bundle, the machine's runc, a configuration without CRI, and what it does not go with.
deb=$work/deb
mkdir -p "$deb/DEBIAN" "$deb/usr/bin" "$deb/etc/containerd" "$deb/usr/lib/systemd/system"
for name in containerd ctr containerd-shim-runc-v2; do
  path=$(python3 -c 'import json, sys; print(next(f["path"] for f in json.load(open(sys.argv[1] + "/bundle.json"))["files"] if f["name"] == sys.argv[2]))' "$bundle" "$name")
  install -m 755 "$bundle/$path" "$deb/usr/bin/$name"
done
on cp1 "cat /usr/sbin/runc" > "$deb/usr/bin/runc"; chmod 755 "$deb/usr/bin/runc"
echo 'disabled_plugins = ["cri"]' > "$deb/etc/containerd/config.toml"
echo /etc/containerd/config.toml > "$deb/DEBIAN/conffiles"
cat > "$deb/usr/lib/systemd/system/containerd.service" <<'UNIT'
[Unit]
Description=containerd container runtime
After=network.target local-fs.target
[Service]
ExecStart=/usr/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
printf '#!/bin/sh\nset -e\nsystemctl daemon-reload\nsystemctl enable -q containerd\nsystemctl start containerd\n' > "$deb/DEBIAN/postinst"; chmod 755 "$deb/DEBIAN/postinst"
containerd=$("$deb/usr/bin/containerd" --version | awk '{ sub(/^v/, "", $3); print $3 }')
revision="$containerd-1~debian.12~bookworm"
printf 'Package: containerd.io\nVersion: %s\nArchitecture: amd64\nMaintainer: The lab <lab@localhost>\nConflicts: containerd, runc\nDescription: as its official package\n' "$revision" > "$deb/DEBIAN/control"
dpkg-deb --root-owner-group -Znone --build "$deb" "$docker/pool/containerd.io.deb" > /dev/null
(
  cd "$docker"
  dpkg-scanpackages --multiversion pool > dists/bookworm/stable/binary-amd64/Packages 2> /dev/null
  cd dists/bookworm
  gzip -9kn stable/binary-amd64/Packages
  { printf 'Origin: Docker\nSuite: bookworm\nCodename: bookworm\nComponents: stable\nArchitectures: amd64\nDate: %s\nSHA256:\n' "$(date -Ru)"
    for file in stable/binary-amd64/Packages stable/binary-amd64/Packages.gz; do printf ' %s %s %s\n' "$(sha256sum < $file | cut -d' ' -f1)" "$(stat -c %s $file)" $file; done; } > Release
)
"${gpg[@]}" --local-user docker --output "$docker/dists/bookworm/InRelease" --clearsign "$docker/dists/bookworm/Release"
"${gpg[@]}" --armor --export docker > "$docker/gpg"
tls=$work/tls; mkdir -p "$tls"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=The lab' -keyout "$tls/authority.key" -out "$tls/authority.crt" 2> /dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=pkgs.k8s.io' -keyout "$tls/server.key" -out "$tls/server.csr" 2> /dev/null
openssl x509 -req -in "$tls/server.csr" -CA "$tls/authority.crt" -CAkey "$tls/authority.key" -CAcreateserial -days 2 -out "$tls/server.crt" \
  -extfile <(echo 'subjectAltName=DNS:pkgs.k8s.io,DNS:download.docker.com') 2> /dev/null
cat > "$tls/serve" <<'SH'
#!/bin/bash
# Answers the requests of one connection with files of the mirror.
while IFS= read -r line; do
  path=${line#* }; file=/srv/mirror${path%% *}
  while IFS= read -r header && [ -n "${header%$'\r'}" ]; do :; done
  if [ -f "$file" ]; then printf 'HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n' "$(stat -c %s "$file")"; cat "$file"
  else printf 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'; fi
done
SH
chmod 755 "$tls/serve"
cat "$tls/server.key" "$tls/server.crt" > "$tls/server.pem"
serve() { tar -C "$work" -cf - mirror tls | on masterlock "mkdir -p /srv && tar -C /srv -xf -"; }
expect "both repositories are put there" serve
answers() { on masterlock "systemd-run -q --unit $1 socat -b 65536 OPENSSL-LISTEN:443,reuseaddr,fork,cert=/srv/tls/server.pem,verify=0 EXEC:/srv/tls/serve"; }
expect "and are served" answers lab-mirror
on cp1 "echo '10.77.0.5 pkgs.k8s.io download.docker.com' >> /etc/hosts"
expect "an authority that the machine does not know is named with what to do" says "/usr/local/share/ca-certificates" status 4 plan
on cp1 "cat > /usr/local/share/ca-certificates/lab.crt && update-ca-certificates > /dev/null 2>&1" < "$tls/authority.crt"

echo "== what is not signed by the expected key is not taken"
none() { [ -z "$(installed)" ]; }
expect "another key than the published one is refused" says "the key there is $(print kubernetes), and DE15B14486CD377B9E876E1A234654DA9A296436 is expected; it is not taken" status 4 plan
expect "and so by up" fails_saying "is expected; it is not taken" "$kubestead" up
with() { sed "s#^kubernetes: .*#kubernetes: {version: ${3:-1.37.1}, lab: true, packages: {fingerprint: $1, docker: {fingerprint: $2}}}#" "$KUBESTEAD_FILE"; }
with "$(print kubernetes)" "$(print kubernetes)" > "$work/docker.yaml"
expect "another key of Docker's too" says "https://download.docker.com/linux/debian/gpg: the key there is $(print docker)" status 4 plan -f "$work/docker.yaml"
good=$(print kubernetes) ended=$(print ended)
key() { "${gpg[@]}" --armor --export "$@" | on masterlock "cat > /srv/mirror/core:/stable:/v1.37/deb/Release.key"; }
with "$ended" "$(print docker)" > "$work/ended.yaml"
key ended
expect "a key that has expired is refused, with the day and the way on" says "the key $ended expired on 2024-12-31" status 4 plan -f "$work/ended.yaml"
key kubernetes docker
with "$good" "$(print docker)" > "$work/good.yaml"
expect "a file with a second key is refused" says "it holds 2 keys" status 4 plan -f "$work/good.yaml"
key kubernetes
with "$good" "$(print docker)" 1.37.9 > "$work/next.yaml"
expect "a version that the repository does not have" says "kubeadm 1.37.9 is not in https://pkgs.k8s.io/core:/stable:/v1.37/deb, which has: 1.37.1-1.1" status 4 plan -f "$work/next.yaml"
expect "a package that Docker's does not go with" says "apt-get remove runc" status 4 plan -f "$work/good.yaml"
expect "nothing was installed" none
cp "$work/good.yaml" "$KUBESTEAD_FILE"
on cp1 "DEBIAN_FRONTEND=noninteractive apt-get -q -y remove runc" > /dev/null

echo "== the default path"
expect "the plan tells the very version of containerd" says "install and hold containerd.io $revision of https://download.docker.com/linux/debian" status 3 plan
expect "up installs all, and ends where images are asked of a registry that is not there" fails_saying "registry.k8s.io" "$kubestead" up
expect "all are installed at their versions and held" diff <(installed | sort) <(printf 'hold installed %s\n' "containerd.io $revision" "kubeadm 1.37.1-1.1" "kubectl 1.37.1-1.1" "kubelet 1.37.1-1.1")
expect "containerd runs by our configuration from the beginning, and the package's is beside it" on cp1 "grep -q 'Written by kubestead' /etc/containerd/config.toml && ctr version > /dev/null && ! ctr plugins ls | grep -q 'cri.*skip'"
images() {
  python3 -c 'import json, sys; [print(f["path"]) for f in json.load(open(sys.argv[1] + "/bundle.json"))["files"] if f["kind"] == "image"]' "$bundle" > "$work/images"
  while read -r path; do
    on cp1 "cat > /root/image && ctr -n k8s.io images import --label io.cri-containerd.pinned=pinned /root/image > /dev/null && rm /root/image" < "$bundle/$path" || return 1
  done < "$work/images"
  on cp1 'wanted=$(containerd config dump | sed -n "s/.*sandbox = .\(registry[^\x27\"]*\).*/\1/p" | head -n 1); have=$(ctr -n k8s.io images ls -q | grep "/pause:" | head -n 1); [ "$wanted" = "$have" ] || ctr -n k8s.io images tag "$have" "$wanted"'
}
expect "images are put there by hand" images
expect "the next up finishes" "$kubestead" up
expect "the node is Ready" eventually 240 ready
expect "the plan is empty" eventually 180 status 0 plan
expect "up changes nothing" says "Nothing to do" "$kubestead" up
on masterlock "systemctl stop lab-mirror"
expect "a machine that has everything asks nobody" status 0 plan

echo "== what is other than it should be"
on cp1 "apt-mark unhold containerd.io > /dev/null; rm /etc/apt/keyrings/kubestead-kubernetes.asc"
expect "a keyring that is gone cannot be fetched now, which is told" says "the machine does not reach it" status 4 plan
answers lab-mirror-2
expect "what is no longer held" says "hold containerd.io $revision, which is there" status 3 plan
started() { on cp1 "systemctl show -P ExecMainStartTimestampMonotonic containerd"; }
before=$(started)
expect "both are mended" "$kubestead" up
expect "without a restart of containerd" [ "$(started)" = "$before" ]
expect "all are held" [ "$(installed | grep -c '^hold installed ')" = 4 ]
expect "the plan is empty again" status 0 plan

echo "== reset"
expect "the cluster goes" "$kubestead" reset --yes-reset home
expect "packages stay, held" [ "$(installed | grep -c '^hold installed ')" = 4 ]
rm -rf "$GNUPGHOME"
expect "down leaves no process" bash -c "'$kubestead' lab down && ! pgrep -f '[u]mid=.* ubd0=$work'"
