use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

/// Each is a secret as it stands in a text, between what must stay.
const CANARIES: [(&str, &str); 64] = [
    ("password: hunter2canary", "hunter2canary"),
    ("password=hunter2canary user=me", "hunter2canary"),
    ("DB_PASSWORD=hunter2canary", "hunter2canary"),
    ("{\"password\":\"hunter2canary\"}", "hunter2canary"),
    ("msg=\"{\\\"password\\\":\\\"hunter2 canary\\\"}\"", "hunter2 canary"),
    ("{'adminPasswd': 'hunter2 canary'}", "hunter2 canary"),
    ("password: \"hunter2 \\\" canary\"", "canary"),
    ("password: 'hunter2 canary'", "hunter2 canary"),
    ("password: my canary of words", "canary"),
    ("password = canary of words", "canary"),
    ("mysql --password canaryword -u root", "canaryword"),
    ("ExecStart=x --token=canaryword --y", "canaryword"),
    ("[\"--api-key\",\"canaryword\",\"-v\"]", "canaryword"),
    ("--certificate-key 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "0123456789abcdef"),
    ("[upload-certs] Using certificate key:\n0123456789abcdef0123456789abcdef", "0123456789abcdef"),
    ("kubeadm join 10.77.0.11:6443 abcdef.0123456789abcdef", "abcdef.0123456789abcdef"),
    ("the token \"k8s0ab.0123456789canary\" is gone", "0123456789canary"),
    ("Authorization: Bearer canaryword", "canaryword"),
    ("\"Authorization\":[\"Basic Y2FuYXJ5OmNhbmFyeQ==\"]", "Y2FuYXJ5"),
    ("proxy-authorization: Basic Y2FuYXJ5", "Y2FuYXJ5"),
    ("curl -H 'bearer canaryword.of.some'", "canaryword"),
    ("Cookie: session=canaryword; other=canaryother", "canaryother"),
    ("http://user:canaryword@proxy.example.org:3128/", "canaryword"),
    ("postgres://user:can/ary@word@db.example.org/app", "ary@word"),
    ("https://canaryword@github.example.org/x.git", "canaryword"),
    ("https://s3.example.org/x?X-Amz-Signature=canaryword&y=1", "canaryword"),
    ("https://example.org/?access_token=canaryword", "canaryword"),
    ("eyJhbGciOiJSUzI1NiIsImtpZCI6IkNhbmFyeSJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlY2FuYXJ5", "c2lnbmF0dXJlY2FuYXJ5"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIICanary\nword\n-----END RSA PRIVATE KEY-----", "MIICanary"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1canary\n(cut)", "b3BlbnNzaC1canary"),
    ("key=\"-----BEGIN PRIVATE KEY-----\\nMIICanary\\n-----END PRIVATE KEY-----\\n\"", "MIICanary"),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYCanary\n-----END PGP PRIVATE KEY BLOCK-----", "lQOYCanary"),
    ("    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo=", "LS0tLS1CRUdJTi"),
    ("host app[1]: MIIEpAIBAAKCAQEAu5bCanary0WlQzYjY8Vn2", "MIIEpAIBAAKCAQEA"),
    ("AGE-SECRET-KEY-1QQPQZRFVZ9CANARY0QQPQZ", "CANARY"),
    ("identity age-plugin-yubikey-1qqpcanary9", "canary"),
    ("root:$6$canarysalt$hashcanary:19000:0", "canary"),
    ("remote ghp_0123456789canary0123456789abcd failed", "canary"),
    ("AKIA0123456789CANARY", "CANARY"),
    ("apiVersion: v1\nstringData:\n  x: y\nsecretKey: |\n  canary one\n  canary two\nkind: x", "canary"),
    ("tokens:\n- canaryone\n- canarytwo", "canaryone"),
    ("last-applied: {\"kind\":\"Secret\",\"data\":{\"word\":\"Y2FuYXJ5\"}}", "Y2FuYXJ5"),
    ("pass\u{1b}[31mword\u{1b}[0m: canaryword", "canaryword"),
    ("pass\u{200b}word: canaryword", "canaryword"),
    ("secret-key:\n-----BEGIN PRIVATE KEY-----\nMIICanary\n-----END PRIVATE KEY-----", "MIICanary"),
    // What other collections were reported to leak.
    ("'identity': {'proxy_shared_secret':\n'canary4PaLQ'}, 'x'", "canary4PaLQ"),
    ("- name: BROKER_TOKEN\n  value: canaryword", "canaryword"),
    ("{\\\"name\\\":\\\"DB_PASSWORD\\\",\\\"value\\\":\\\"canary word\\\"}", "canary word"),
    ("container &Container{Name:x,Env:[]EnvVar{EnvVar{Name:PLAIN,Value:canary,word,ValueFrom:nil,},},", "canary,word"),
    ("\"dashboard/RGW_API_ACCESS_KEY\": \"50CANARY\",", "50CANARY"),
    ("line {\\\"apiKey\\\":\\\"canaryword\\\"}", "canaryword"),
    // Signs within a value, and values of several words or lines.
    ("DB_PASSWORD=pa&ss-word1", "ss-word1"),
    ("DB_PASSWORD=it's4canary", "s4canary"),
    ("DB_PASSWORD='it'\\''s4canary' next", "s4canary"),
    ("password=two\"parts\"canary x", "canary"),
    ("PASSPHRASE=a b canary", "canary"),
    ("LUKS_PASSPHRASE_OLD=>a b canary", "canary"),
    ("mysql --password it's4canary -u root", "s4canary"),
    ("mysql --password 'my canary' -u root", "my canary"),
    ("Cookie: session=it's4canary; x=y", "s4canary"),
    ("- name: BROKER_TOKEN\n  value: my canary, of words", "canary, of words"),
    ("Env:[]EnvVar{EnvVar{Name:PLAIN,Value:one\ncanary word\n,ValueFrom:nil,},},", "canary word"),
    ("Env:[]EnvVar{EnvVar{Name:PLAIN,Value:one\ncanary word", "canary word"),
    ("\"credentials\": {\n  \"user\": \"me\",\n  \"word\": \"canaryword\"\n}", "canaryword"),
];

#[test]
fn every_kind_of_secret_is_taken_out_and_what_stands_around_it_stays() {
    for (text, canary) in CANARIES {
        assert!(text.contains(canary) || text.contains('\u{1b}'), "{text}");
        let told = Redactor::default().redact(&format!("before\n{text}\nafter the text"));
        assert!(!told.contains(canary) && told.starts_with("before\n") && told.contains(GONE), "{text:?} became {told:?}");
    }
}

#[test]
fn what_helps_another_person_stays() {
    for text in [
        "2026-11-28T15:34:23+0000 kube1 kubelet[812]: E1128 reflector.go:205] Failed to watch *v1.Pod: connection refused",
        "containerd://0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "registry.k8s.io/pause@sha256:7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097",
        "/var/lib/kubelet/pods/3f0c5b1e-8f1f-4c1e-9c39-0f4a2f1f9d11/volumes/kubernetes.io~configmap/config",
        "NAME   STATUS   ROLES           AGE   VERSION   INTERNAL-IP   OS-IMAGE\ncp1    Ready    control-plane   1d    v1.37.1   10.77.0.11",
        "MountVolume.SetUp failed for volume \"kube-api-access-x7k2p\" : object \"apps\"/\"kube-root-ca.crt\" not registered",
        "Nov 28 15:34:23 cp1 systemd[1]: Started systemd-cryptsetup@luks\\x2dvolkube.service - Cryptography Setup for luks-volkube.",
        "10.244.1.7:53 i/o timeout at http://10.96.0.1:443/api/v1/nodes?limit=500",
    ] {
        assert_eq!(Redactor::default().redact(text), text);
    }
}

#[test]
fn what_became_of_a_container_stays_behind_its_environment() {
    let end = "ValueFrom:nil,},},} start failed in pod x: CreateContainerConfigError";
    let told = Redactor::default().redact(&format!("Env:[]EnvVar{{EnvVar{{Name:DB_PASSWORD,Value:canary word,{end}"));
    assert!(!told.contains("canary") && told.ends_with("nil,},},} start failed in pod x: CreateContainerConfigError"), "{told}");
}

#[test]
fn known_values_are_found_as_they_are_line_by_line_and_in_base64() {
    let values = [Secret::new(b"correct horse".to_vec()), Secret::new(b"first line\nsecond line\n".to_vec()), Secret::new(b"ab".to_vec())];
    let redactor = Redactor::knowing(&values);
    let text = format!("x correct horse y {} z second line; ab", STANDARD.encode("correct horse"));
    assert_eq!(redactor.redact(&text), format!("x {GONE} y {GONE} z {GONE}; ab"));
}

#[test]
fn a_text_is_read_once_however_it_is_made() {
    for hostile in [
        "password: ",
        "-----BEGIN PRIVATE KEY-----",
        "\\\"",
        "://@",
        "\"data\":{",
        "a/",
        "eyJ",
        "\u{1b}[",
        "EnvVar{Name:,Value:",
        "passphrase=",
        "--key '",
    ] {
        let text = hostile.repeat(100_000 / hostile.len());
        assert!(Redactor::default().redact(&text).len() <= 12 * text.len());
    }
}

proptest! {
    /// Whatever stands around it, on its line and on others.
    #[test]
    fn no_surrounding_hides_a_canary(before in "[ -~\n]{0,60}", after in "[ -~\n]{0,60}", which in 0..CANARIES.len()) {
        let (text, canary) = CANARIES[which];
        prop_assume!(!before.contains(canary) && !after.contains(canary));
        let told = Redactor::default().redact(&format!("{before}\n{text}\n{after}"));
        prop_assert!(!told.contains(canary), "{:?}", told);
    }
}
