use super::*;
use crate::golden;

fn table(heading: &'static str, columns: &'static [&'static str], rows: &[(bool, &[&str])]) -> Table {
    let rows = rows.iter().map(|(is_good, cells)| (*is_good, cells.iter().map(|cell| (*cell).to_owned()).collect())).collect();
    Table { heading, columns, rows, none: "None." }
}

fn page() -> Page {
    Page {
        name: "home".into(),
        seen: "2026-11-28 16:00 UTC".into(),
        is_well: false,
        verdict: "not well: 1 thing is held, 1 line below is bad, 2 steps to do".into(),
        next: Some("kubestead up".into()),
        todo: vec![Todo {
            what: "kube1/volkube".into(),
            why: "no key server opens it".into(),
            next: "kubestead volume unlock kube1".into(),
        }],
        tables: vec![
            table("Machines", &["Machine", "State"], &[(true, &["cp1", "Ready"]), (false, &["kube1", "not Ready: network not ready"])]),
            table("Services", &["Service", "State"], &[]),
        ],
    }
}

#[test]
fn a_page_is_as_it_was_read() {
    golden::holds("page", &page().html());
}

/// The elements of a page, in order, without their attributes; all that stands between them is text.
fn elements(html: &str) -> Vec<&str> {
    html.split('<').skip(1).filter_map(|part| part.split([' ', '>']).next()).collect()
}

const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</style><style>*{background:url(//x)}",
    "--><script>",
    "&lt;script&gt;",
    "\u{202e}\u{2066}kube1\u{1b}]0;x\u{7}",
];

#[test]
fn no_word_of_a_machine_or_of_the_api_becomes_an_element() {
    let plain = page();
    for hostile in HOSTILE {
        let text = || hostile.to_owned();
        let mut page = plain.clone();
        (page.name, page.seen, page.verdict, page.next) = (text(), text(), text(), Some(text()));
        page.todo[0] = Todo { what: text(), why: text(), next: text() };
        page.tables[0].rows = vec![(true, vec![text(), text()]), (false, vec![text(), text()])];
        let html = page.html();
        assert_eq!(elements(&html), elements(&plain.html()), "{hostile}");
        // Attributes hold constants of ours alone, and what `policy` and `id` are made of.
        assert!(
            !html.contains(" on") || !html.split('<').any(|part| part.split('>').next().is_some_and(|tag| tag.contains(" on"))),
            "{hostile}"
        );
        assert!(!html.chars().any(|c| c != '\n' && kubestead_core::visible::is_hidden(c)), "{hostile}");
    }
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    let html = page().html();
    for word in ["http://", "https://", "url(", "@import", "<script", "<link", "<img", "<iframe", "src=", "href="] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("default-src &#39;none&#39;; style-src &#39;sha256-"));
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert!(policy().contains(&STANDARD.encode(Sha256::digest(style))), "the policy is about what stands there");
}

#[test]
fn one_heading_leads_and_tables_have_heads() {
    let html = page().html();
    assert_eq!(html.matches("<h1>").count(), 1);
    assert!(html.starts_with(MARK) && html.contains("<html lang=\"en\">") && html.contains("name=\"viewport\""));
    assert_eq!(html.matches("<table>").count(), html.matches("<thead>").count());
    assert!(html.contains("<th scope=\"col\">Machine</th>") && html.contains("<th scope=\"row\">kube1</th>"));
    let (no, yes) = (html.find("✘ no").unwrap(), html.find("✔ yes").unwrap());
    assert!(no < yes, "what is not well comes first, and is said in words");
}

#[test]
fn a_page_is_small_however_much_there_is() {
    let mut page = page();
    let cell = "<&\"'>".repeat(100);
    page.tables = vec![page.tables[0].clone(); 7];
    for table in &mut page.tables {
        table.rows = (0..2000).map(|n| (n % 2 == 0, vec![cell.clone(); 5])).collect();
    }
    page.todo = vec![Todo { what: cell.clone(), why: cell.clone(), next: cell }; 2000];
    let html = page.html();
    assert!(html.len() < 300_000, "{}", html.len());
    assert!(html.contains(" more: <code>kubestead status</code>") && html.contains(" more: <code>kubestead plan</code>"));
}

/// The signed contrast of two colours of the style, by WCAG 2.2.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126f64.mul_add(part(1), 0.7152f64.mul_add(part(3), 0.0722 * part(5)))
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_colour_can_be_read_on_what_it_stands_on_in_the_light_and_in_the_dark() {
    let schemes: Vec<&str> = STYLE.split(":root {").skip(1).collect();
    assert_eq!(schemes.len(), 2);
    for scheme in schemes {
        let colour = |name: &str| scheme.split(&format!("--{name}: ")).nth(1).unwrap().split(';').next().unwrap();
        for text in ["text", "quiet", "good", "bad"] {
            for back in ["back", "raised"] {
                let found = contrast(colour(text), colour(back));
                assert!(found >= 4.5, "{text} on {back}: {found}");
            }
        }
    }
}
