//! HTML as it is written: our own words as they are, and all others through one function.

use kubestead_core::visible::visible;

/// The longest text of others that is shown, in characters.
const LONGEST: usize = 400;

/// A text of HTML. What is no constant of ours gets into it by [`Html::text`] alone.
#[derive(Default)]
pub(crate) struct Html(String);

impl Html {
    /// Our own words.
    pub(crate) fn own(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Words of others, within an element or within the quotes of an attribute: every sign that HTML knows is spelled out, and what nobody
    /// would see, or would turn round what stands beside it. A long text is cut.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let cut = text.char_indices().nth(LONGEST).map(|(end, _)| &text[..end]);
        for c in visible(cut.unwrap_or(text)).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '`' => self.0.push_str("&#96;"),
                c => self.0.push(c),
            }
        }
        if cut.is_some() {
            self.0.push('…');
        }
        self
    }

    /// How long it is, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of it.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_an_element_or_an_attribute_or_is_hidden() {
        let hostile = "</td><script>alert(1)</script>\" onload='x' `y` & \u{202e}\u{200b}\u{0}\u{1b}[2J";
        let mut html = Html::default();
        html.text(hostile);
        let text = html.into_string();
        assert_eq!(
            text,
            "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39; &#96;y&#96; &amp; \\u{202e}\\u{200b}\\u{0}\\u{1b}[2J"
        );
        let mut long = Html::default();
        long.text(&"ü".repeat(10_000));
        assert_eq!(long.into_string().chars().count(), LONGEST + 1);
    }
}
