//! Kubeconfigs of a host that somebody has taken over: what kubeadm does not write is refused by its name, and no value is told.
#![allow(clippy::unwrap_used)] // a test fails by it

use kubestead_core::credentials::{Credentials, CredentialsError};

const GOOD: &str = include_str!("admin.conf");

fn parse(text: &str) -> Result<Credentials, CredentialsError> {
    Credentials::parse("cp1", "admin.conf", text)
}

/// The good one with a line before or after another.
fn with(before: &str, lines: &str) -> String {
    assert_eq!(GOOD.matches(before).count(), 1, "{before}");
    GOOD.replace(before, &format!("{lines}{before}"))
}

const USER: &str = "    client-key-data: ";
const CLUSTER: &str = "    server: ";
const CONTEXT: &str = "    user: kubernetes-admin\n";
const TOP: &str = "kind: Config\n";

#[test]
fn what_kubeadm_writes_is_read() {
    let found = parse(GOOD).unwrap();
    assert_eq!(found.server(), "https://10.0.0.11:6443");
    assert!(GOOD.contains(&format!("certificate-authority-data: {}\n", found.authority())));
    assert!(GOOD.contains(&format!("client-certificate-data: {}\n", found.certificate())));
    let key = String::from_utf8(found.key().expose().to_vec()).unwrap();
    assert!(GOOD.contains(&format!("client-key-data: {key}\n")));
    for more in
        [with(TOP, "preferences: {}\n"), with(CONTEXT, "    namespace: kube-system\n"), format!("# made by kubeadm\n---\n{GOOD}...\n")]
    {
        parse(&more).unwrap();
    }
    let json: serde_json::Value = serde_saphyr::from_str(GOOD).unwrap();
    parse(&json.to_string()).unwrap();
}

#[test]
fn every_other_field_is_refused_by_its_name() {
    let cases = [
        (
            USER,
            "    exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/true, interactiveMode: Never}\n",
            "users[0].user.exec",
        ),
        (USER, "    exec: {}\n", "users[0].user.exec"),
        (USER, "    auth-provider: {name: gcp, config: {cmd-path: /bin/true}}\n", "users[0].user.auth-provider"),
        (USER, "    token: abc\n", "users[0].user.token"),
        (USER, "    tokenFile: /etc/passwd\n", "users[0].user.tokenFile"),
        (USER, "    client-key: /root/.config/sops/age/keys.txt\n", "users[0].user.client-key"),
        (USER, "    client-certificate: /etc/passwd\n", "users[0].user.client-certificate"),
        (USER, "    username: admin\n", "users[0].user.username"),
        (USER, "    password: admin\n", "users[0].user.password"),
        (USER, "    as: system:admin\n", "users[0].user.as"),
        (USER, "    as-uid: '1'\n", "users[0].user.as-uid"),
        (USER, "    as-groups: [system:masters]\n", "users[0].user.as-groups"),
        (USER, "    as-user-extra: {a: [b]}\n", "users[0].user.as-user-extra"),
        (USER, "    extensions: []\n", "users[0].user.extensions"),
        (USER, "    <<: {exec: {command: /bin/true}}\n", "users[0].user.<<"),
        (CLUSTER, "    insecure-skip-tls-verify: true\n", "clusters[0].cluster.insecure-skip-tls-verify"),
        (CLUSTER, "    proxy-url: http://192.0.2.1:3128\n", "clusters[0].cluster.proxy-url"),
        (CLUSTER, "    tls-server-name: elsewhere\n", "clusters[0].cluster.tls-server-name"),
        (CLUSTER, "    certificate-authority: /etc/passwd\n", "clusters[0].cluster.certificate-authority"),
        (CLUSTER, "    disable-compression: true\n", "clusters[0].cluster.disable-compression"),
        (CLUSTER, "    extensions: [{name: a, extension: {}}]\n", "clusters[0].cluster.extensions"),
        (CONTEXT, "    extensions: [{name: a, extension: {}}]\n", "contexts[0].context.extensions"),
        (TOP, "extensions: [{name: a, extension: {}}]\n", "extensions[0]"),
        (TOP, "preferences: {colors: true}\n", "preferences.colors"),
    ];
    for (before, lines, field) in cases {
        let error = parse(&with(before, lines)).unwrap_err();
        assert!(matches!(&error, CredentialsError::Field { field: found, .. } if found.starts_with(field)), "{field}: {error}");
        let text = error.to_string();
        assert!(text.contains("cp1 may be compromised") && text.contains(field), "{text}");
    }
}

#[test]
fn a_second_entry_is_refused_by_its_name() {
    for (list, entry) in [
        ("clusters:\n", "- {name: b, cluster: {server: 'https://192.0.2.1:6443'}}\n"),
        ("users:\n", "- {name: b, user: {token: t}}\n"),
        ("contexts:\n", "- {name: b, context: {cluster: kubernetes, user: kubernetes-admin}}\n"),
    ] {
        // Before the good one, and after it.
        let (name, end) = (list.trim_end_matches(":\n"), GOOD.find(list).unwrap() + list.len());
        let first = format!("{}{entry}{}", &GOOD[..end], &GOOD[end..]);
        assert!(matches!(parse(&first), Err(CredentialsError::Field { field, .. }) if field.starts_with(name)), "{name}");
    }
    let last = format!("{GOOD}- {{name: b, user: {{exec: {{command: /bin/true}}}}}}\n");
    assert!(matches!(parse(&last), Err(CredentialsError::Field { field, .. }) if field == "users[1].name"));
}

#[test]
fn tricks_of_yaml_are_refused() {
    let cases = [
        (with(CONTEXT, "    cluster: kubernetes\n"), "written twice"),
        (format!("{GOOD}kind: Config\n"), "written twice"),
        (GOOD.replace("  name: kubernetes\n", "  name: &n kubernetes\n"), "an anchor or a tag"),
        (
            GOOD.replace("    cluster: kubernetes\n", "    cluster: *n\n").replace("  name: kubernetes\n", "  name: &n kubernetes\n"),
            "an anchor",
        ),
        (GOOD.replace("kind: Config", "kind: !!str Config"), "an anchor or a tag"),
        (format!("{GOOD}---\n{GOOD}"), "second document"),
        (format!("{GOOD}? [a]\n: b\n"), "a key that is no word"),
        (format!("x: {}{}\n{GOOD}", "[".repeat(40), "]".repeat(40)), "nested too deep"),
        (format!("x: {}{}\n{GOOD}", "[".repeat(9000), "]".repeat(9000)), "recursion limit"),
        (format!("{GOOD}{}", "#".repeat(300_000)), "longer than"),
        (String::new(), "ends too early"),
        ("- a\n".to_owned(), "no map"),
        ("a".to_owned(), "no map"),
        ((0..400).map(|n| format!("k{n}: v\n")).collect(), "too many"),
    ];
    for (text, what) in cases {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("cp1"), "{what}: {error}");
    }
}

#[test]
fn values_are_checked_and_told_in_no_error() {
    let value = |key: &str| GOOD.lines().find_map(|l| l.trim().strip_prefix(&format!("{key}: "))).unwrap().to_owned();
    let (ca, key) = (value("certificate-authority-data"), value("client-key-data"));
    let cases = [
        (GOOD.replace(&key, &ca), "another block"),
        (GOOD.replace(&ca, &key), "another block"),
        (GOOD.replace(&key, &format!("{key}%")), "no base64"),
        (GOOD.replace(&key, &key[..40]), "whole blocks"),
        (GOOD.replace(&key, "''"), "whole blocks"),
        (GOOD.replace(&key, "aGVsbG8K"), "text outside"),
        (GOOD.replace(&key, &"QUFB".repeat(40_000)), "longer than"),
        (GOOD.replace("https://10.0.0.11:6443", "http://10.0.0.11:6443"), "not https"),
        (GOOD.replace("https://10.0.0.11:6443", "https://user@10.0.0.11:6443"), "not https"),
        (GOOD.replace("https://10.0.0.11:6443", "https://10.0.0.11:6443/path?x"), "not https"),
        (GOOD.replace("https://10.0.0.11:6443", "https://10.0.0.11:99999"), "not https"),
        (GOOD.replace("https://10.0.0.11:6443", "\"https://10.0.0.11\\e[2J:6443\""), "not https"),
        (GOOD.replace("current-context: kubernetes-admin@kubernetes", "current-context: other"), "names another entry"),
        (GOOD.replace("kind: Config", "kind: Pod"), "kind is not Config"),
    ];
    for (text, what) in cases {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
        assert!(!error.contains(&key[..40]) && !error.contains("hello"), "{error}");
    }
    let shown = format!("{:?}", parse(GOOD).unwrap());
    let plain = "EC PRIVATE KEY";
    assert!(!shown.contains(&key[..40]) && !shown.contains(plain), "{shown}");
    let bytes = format!("{:?}", plain.as_bytes());
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
    assert_eq!(
        parse(&GOOD.replace("https://10.0.0.11:6443", "https://[2001:db8::1]:6443/")).unwrap().server(),
        "https://[2001:db8::1]:6443"
    );
}
