//! What becomes of the annotations of ingress-nginx on an Ingress that Traefik serves, as Traefik v3.7 documents and reads them.

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};

use crate::file::{Yaml, YamlKind};

/// How all of them begin.
const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// Those that do the same, or nearly.
const CARRIED: [&str; 84] = [
    "affinity",
    "allowlist-source-range",
    "app-root",
    "auth-method",
    "auth-realm",
    "auth-response-headers",
    "auth-secret",
    "auth-secret-type",
    "auth-signin",
    "auth-tls-pass-certificate-to-upstream",
    "auth-tls-secret",
    "auth-tls-verify-client",
    "auth-type",
    "auth-url",
    "backend-protocol",
    "canary",
    "canary-by-cookie",
    "canary-by-header",
    "canary-by-header-pattern",
    "canary-by-header-value",
    "canary-weight",
    "canary-weight-total",
    "client-body-buffer-size",
    "cors-allow-credentials",
    "cors-allow-headers",
    "cors-allow-methods",
    "cors-allow-origin",
    "cors-expose-headers",
    "cors-max-age",
    "custom-headers",
    "custom-http-errors",
    "default-backend",
    "enable-cors",
    "enable-global-auth",
    "force-ssl-redirect",
    "from-to-www-redirect",
    "limit-burst-multiplier",
    "limit-connections",
    "limit-rpm",
    "limit-rps",
    "permanent-redirect",
    "permanent-redirect-code",
    // Traefik keeps a trailing slash as it is.
    "preserve-trailing-slash",
    "proxy-body-size",
    "proxy-buffer-size",
    "proxy-buffering",
    "proxy-buffers-number",
    "proxy-connect-timeout",
    "proxy-http-version",
    "proxy-max-temp-file-size",
    "proxy-next-upstream",
    "proxy-next-upstream-timeout",
    "proxy-next-upstream-tries",
    "proxy-read-timeout",
    "proxy-request-buffering",
    "proxy-send-timeout",
    "proxy-ssl-name",
    "proxy-ssl-secret",
    "proxy-ssl-server-name",
    "proxy-ssl-verify",
    "rewrite-target",
    "server-alias",
    "service-upstream",
    "session-cookie-domain",
    "session-cookie-expires",
    "session-cookie-max-age",
    "session-cookie-name",
    "session-cookie-path",
    "session-cookie-samesite",
    "session-cookie-secure",
    "ssl-passthrough",
    "ssl-redirect",
    "temporal-redirect",
    "temporal-redirect-code",
    "upstream-hash-by",
    "upstream-vhost",
    "use-regex",
    "whitelist-source-range",
    "x-forwarded-prefix",
    // Nothing is logged of any request unless a patch switches that on.
    "enable-access-log",
    // Sessions stay with their canary, which is what the usual value says.
    "affinity-canary-behavior",
    // These have one value that is carried.
    "affinity-mode",
    "auth-tls-verify-depth",
    "load-balance",
];

/// Values by which one that is carried otherwise means another thing.
const EXCEPT: [(&str, &[&str], &str); 7] = [
    ("affinity-canary-behavior", &["legacy"], "sessions stay with their canary"),
    ("affinity-mode", &["balanced"], "sessions stay where they are, as with `persistent`"),
    ("auth-tls-verify-depth", &[""], "a chain of any length is taken"),
    ("backend-protocol", &["FCGI", "AUTO_HTTP"], "the pods are asked by HTTP"),
    ("enable-access-log", &["true"], "requests are logged where a patch switches that on, with TRAEFIK_ACCESSLOG"),
    ("load-balance", &[""], "requests go to the pods in turn"),
    ("proxy-http-version", &["1.0"], "the pods are asked by HTTP/1.1"),
];

/// Those by which Traefik serves nothing of the Ingress, unless they are allowed.
const REFUSED: [&str; 3] = ["auth-snippet", "configuration-snippet", "server-snippet"];

/// What does not carry over of an annotation with a value. `None` if it does, or is none of ingress-nginx.
fn lost(key: &str, value: &str) -> Option<String> {
    let name = key.strip_prefix(PREFIX)?;
    if REFUSED.contains(&name) {
        return Some("pieces of nginx's configuration are refused, and with it the whole Ingress".to_owned());
    }
    let except =
        EXCEPT.iter().find(|(one, values, _)| *one == name && values.iter().any(|one| one.is_empty() || one.eq_ignore_ascii_case(value)));
    match except {
        Some((.., instead)) => Some(format!("Traefik does not do what {value:?} asks: {instead}")),
        None if CARRIED.contains(&name) => None,
        None => Some("Traefik does not know it, and serves the Ingress without".to_owned()),
    }
}

/// What does not carry over of an Ingress, if it is of that class; and one with such annotations that is of no class, which nobody serves.
pub(crate) fn warnings(ingress: &[(String, Place, Yaml)], class: &str) -> Vec<Diagnostic> {
    let annotations = map(ingress, "metadata").and_then(|meta| map(meta, "annotations")).unwrap_or_default();
    let named = map(ingress, "spec").and_then(|spec| word(spec, "ingressClassName")).or_else(|| word(annotations, CLASS));
    if named.is_none_or(str::is_empty) {
        let first = annotations.iter().find(|(key, ..)| key.starts_with(PREFIX));
        return first.map(|(_, place, _)| of_no_class(place, class)).into_iter().collect();
    }
    if named != Some(class) {
        return Vec::new();
    }
    let all = annotations.iter().filter_map(|(key, place, value)| {
        let YamlKind::Scalar { text, .. } = &value.kind else { return None };
        let message = format!("the annotation {key} does not carry over from ingress-nginx: {}", lost(key, text)?);
        let hint = Some("take it away, or do it by a route of the Gateway API".to_owned());
        Some(Diagnostic { place: place.clone(), severity: Severity::Warning, message, hint })
    });
    all.collect()
}

fn of_no_class(place: &Place, class: &str) -> Diagnostic {
    let message = "an Ingress with annotations of ingress-nginx that names no class: nobody serves it".to_owned();
    Diagnostic {
        place: place.clone(),
        severity: Severity::Warning,
        message,
        hint: Some(format!("write `ingressClassName: {class}` in its spec")),
    }
}

/// An older way to name the class.
const CLASS: &str = "kubernetes.io/ingress.class";

fn value<'a>(entries: &'a [(String, Place, Yaml)], key: &str) -> Option<&'a YamlKind> {
    entries.iter().find(|(found, ..)| found == key).map(|(.., value)| &value.kind)
}

fn map<'a>(entries: &'a [(String, Place, Yaml)], key: &str) -> Option<&'a [(String, Place, Yaml)]> {
    if let Some(YamlKind::Map(map)) = value(entries, key) { Some(map) } else { None }
}

fn word<'a>(entries: &'a [(String, Place, Yaml)], key: &str) -> Option<&'a str> {
    if let Some(YamlKind::Scalar { text, .. }) = value(entries, key) { Some(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_carry_over_is_told_and_nothing_else() {
        let lost = |name: &str, value: &str| lost(&format!("{PREFIX}{name}"), value);
        for (name, value) in [("rewrite-target", "/$2"), ("backend-protocol", "HTTPS"), ("affinity-mode", "persistent")] {
            assert_eq!(lost(name, value), None, "{name}");
        }
        for (name, value, words) in [
            ("server-snippet", "x", "the whole Ingress"),
            ("mirror-target", "x", "does not know it"),
            ("backend-protocol", "fcgi", "asked by HTTP"),
            ("load-balance", "ewma", "in turn"),
        ] {
            assert!(lost(name, value).is_some_and(|told| told.contains(words)), "{name}");
        }
        assert_eq!(super::lost("example.org/mirror-target", "x"), None);
    }

    #[test]
    fn the_page_lists_what_carries_over_and_what_is_taken_in_another_way() {
        let page = include_str!("../../../../../../docs/gateway.md");
        let (_, section) = page.split_once("### Annotations that carry over").unwrap_or_default();
        let (section, _) = section.split_once("\n## ").unwrap_or_default();
        let (list, rest) = section.split_once("Of these").unwrap_or_default();
        let listed: Vec<&str> = list.split('`').skip(3).step_by(2).collect();
        let mut carried = CARRIED.to_vec();
        carried.sort_unstable();
        assert_eq!(listed, carried);
        let value = |values: &[&str]| {
            values.iter().map(|value| if value.is_empty() { "any".to_owned() } else { format!("`{value}`") }).collect::<Vec<_>>()
        };
        let rows = EXCEPT.map(|(name, values, instead)| format!("| `{name}` | {} | {instead} |", value(values).join(", ")));
        assert!(rows.iter().all(|row| rest.contains(row)) && rest.matches("\n| `").count() == EXCEPT.len(), "{rows:#?}");
        assert!(REFUSED.iter().all(|name| rest.contains(&format!("`{name}`"))));
    }
}
