//! What becomes documents: plain files, vaults of Ansible.

use super::*;

#[test]
fn plain_secrets_of_a_file_become_files_of_their_own() {
    let repo = Repo::new();
    let annotation =
        "  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {\"stringData\":{\"k\":\"canary-four\"}}\n";
    let plain = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: one\n  namespace: apps\n{annotation}stringData:\n  k: canary-four # why\n  h: pre$HOME\n---\nkind: ConfigMap\nmetadata: {{name: c}}\n---\nkind: Secret\nmetadata: {{name: two}}\ndata:\n  n: JHtEQl9VU0VSfQ==\n"
    );
    repo.write("old.yaml", &plain);
    let ran = repo.run(&["import", "old.yaml"], "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    for words in ["left out, ConfigMap", "holds $HOME", "holds ${DB_USER}", "last-applied-configuration"] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    assert_eq!(repo.get("secrets/apps/one.yaml", "stringData/k"), "canary-four");
    assert_eq!(repo.get("secrets/apps/one.yaml", "stringData/h"), "pre$HOME", "never substituted");
    assert_eq!(repo.get("secrets/two.yaml", "data/n"), "JHtEQl9VU0VSfQ==");
    assert!(
        !repo.read("secrets/apps/one.yaml").contains("canary")
            && repo.run(&["get", "secrets/apps/one.yaml"], "").out.contains("canary-four # why")
    );
    assert_eq!(repo.read("old.yaml"), plain);
    let again = repo.run(&["import", "old.yaml"], "");
    assert!(again.code == 2 && again.err.contains("is there already"), "{}", again.err);
    // A whole-document sops Secret: kind and metadata become readable.
    repo.write("whole.yaml", "kind: Secret\nmetadata: {name: whole}\nstringData: {k: v}\n");
    let rules = repo.read(".sops.yaml");
    repo.write(
        ".sops.yaml",
        &format!("creation_rules:\n  - age: {}\n", kubestead_secrets::public_keys(&repo.path("../keys.txt")).unwrap()[0]),
    );
    repo.run(&["new", "kit.yaml", "--key", "k", "--name", "kit"], "v$X");
    assert!(!repo.read("kit.yaml").contains("kind: Secret"));
    repo.write(".sops.yaml", &rules);
    let ran = repo.run(&["import", "kit.yaml"], "");
    assert!(ran.code == 0 && ran.err.contains("holds $X"), "{}", ran.err);
    assert!(repo.read("secrets/kit.yaml").contains("kind: Secret") && repo.get("secrets/kit.yaml", "stringData/k") == "v$X");
    for (name, text, words) in
        [("none.yaml", "a: b\n", "nothing to import"), ("done.yaml", repo.read("secrets/two.yaml").as_str(), "document of sops already")]
    {
        repo.write(name, text);
        let ran = repo.run(&["import", name], "");
        assert!(ran.code == 2 && ran.err.contains(words), "{name}: {}", ran.err);
    }
}

/// `tests/vault` was made by ansible-core 2.19 with this password.
const PASSWORD: &str = "throwaway password\n";

#[test]
fn vaults_of_ansible_become_documents_with_the_same_values() {
    let repo = Repo::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vault");
    let copy = |name: &str| std::fs::copy(golden.join(name), repo.path(name)).unwrap();
    for name in ["vault.yml", "vault-id.yml", "inline.yml", "tls.key", "anchors.yml"] {
        copy(name);
    }
    repo.write("../password", PASSWORD);
    let password = repo.path("../password").display().to_string();
    let ran = repo.run(&["import", "vault.yml"], "");
    assert!(ran.code == 2 && ran.err.contains("--vault-password-file"), "{}", ran.err);
    repo.write("../wrong", "another\n");
    let ran = repo.run(&["import", "vault-id.yml", "--vault-password-file", "../wrong"], "");
    assert!(ran.code == 1 && ran.err.contains("vault-id.yml: the password is wrong for this vault (vault id prod)"), "{}", ran.err);
    // The seed's vault: the API server's key, and a private key on one line.
    let ran = repo.with("ANSIBLE_VAULT_PASSWORD_FILE", &password, &["import", "vault.yml"]);
    assert!(ran.code == 0 && ran.err.contains("real ones now") && ran.err.contains("holds $HOME, $word"), "{}", ran.err);
    assert_eq!(repo.get("secrets/vault.yaml", "vault_k8s/encryption_key"), "c2VjcmV0IGJ1dCBub3QgcmVhbGx5ISE=");
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5\n-----END OPENSSH PRIVATE KEY-----\n";
    assert_eq!(repo.get("secrets/vault.yaml", "vault_ssh_keys_private/masterkey"), key);
    assert_eq!(repo.get("secrets/vault.yaml", "vault_db_password"), "pa$$word$HOME");
    let text = repo.read("secrets/vault.yaml");
    assert!(
        !text.contains("c2VjcmV0") && !text.contains("bm90") && !text.contains("HOME"),
        "all values are encrypted, whatever the rule selects"
    );
    // Its line is one of the text inside, and no line of the file.
    let ran = repo.with("ANSIBLE_VAULT_PASSWORD_FILE", &password, &["import", "anchors.yml"]);
    assert!(ran.code == 2 && ran.err.contains("anchors.yml: line 3 of what it holds, once decrypted"), "{}", ran.err);
    assert!(!ran.err.contains("canary") && !repo.path("secrets/anchors.yaml").exists(), "{}", ran.err);
    // A program as password file, which is told the id; inline values; a file that is no YAML.
    let client = repo.script(
        "pass-client",
        "test \"$1 $2\" = '--vault-id prod' || test \"$1 $2\" = '--vault-id default' && echo ' throwaway password '",
    );
    let ran = repo.run(&["import", "vault-id.yml", "inline.yml", "tls.key", "--vault-password-file", &client], "");
    assert!(ran.code == 0 && ran.err.contains("holds $X"), "{}", ran.err);
    assert_eq!(repo.get("secrets/vault-id.yaml", "vault_db_password"), "pa$$word$HOME");
    assert_eq!(repo.get("secrets/inline.yaml", "db_password"), "canary-five $X");
    assert_eq!(repo.get("secrets/inline.yaml", "[\"users\"][0][\"secret\"]"), "two\nlines\n");
    assert_eq!(repo.get("secrets/inline.yaml", "domain"), "example.org");
    assert_eq!(repo.run(&["get", "secrets/tls.key"], "").out, "plain key file\n");
    assert_eq!(repo.run(&["check"], "").code, 0);
    assert_eq!(repo.read("vault.yml"), std::fs::read_to_string(golden.join("vault.yml")).unwrap(), "the original stays");
}
