//! The text format: families with their help and type, samples with their labels.

use std::fmt::Write as _;

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many values are not above which bound.
    Histogram,
}

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    /// Adds a sample to the family that was begun last.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            self.0.push_str(if place == 0 { "{" } else { "," });
            let _ = write!(self.0, "{label}=\"");
            for letter in text.chars() {
                match letter {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// Writes a family with a histogram's one series: bounds with how many values are not above
    /// them, then how many there are and their sum.
    pub(super) fn histogram(
        &mut self,
        (name, help): (&str, &str),
        labels: &[(&str, &str)],
        buckets: &[(f64, u64)],
        (count, sum): (u64, f64),
    ) {
        self.family(name, Kind::Histogram, help);
        let bucket = format!("{name}_bucket");
        let bounds = buckets.iter().map(|(bound, count)| (bound.to_string(), *count));
        for (bound, count) in bounds.chain([("+Inf".to_owned(), count)]) {
            let labels = [labels, &[("le", bound.as_str())]].concat();
            self.sample(&bucket, &labels, count as f64);
        }
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, count as f64);
    }

    /// The text.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_ends_with_all_its_values() {
        let mut page = Page::default();
        page.histogram(("h", "help"), &[("a", "b")], &[(0.5, 1), (1.0, 3)], (4, 9.5));
        let text = String::from_utf8(page.into_bytes()).unwrap();
        let expected = "# TYPE h histogram\n# HELP h help\nh_bucket{a=\"b\",le=\"0.5\"} 1\n\
            h_bucket{a=\"b\",le=\"1\"} 3\nh_bucket{a=\"b\",le=\"+Inf\"} 4\n\
            h_sum{a=\"b\"} 9.5\nh_count{a=\"b\"} 4\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_name_cannot_end_its_label() {
        let mut page = Page::default();
        page.family("m", Kind::Gauge, "help");
        page.sample("m", &[("queue", "a\"}\n\\"), ("vhost", "/")], 1.5);
        page.sample("m", &[], 2.0);
        let text = String::from_utf8(page.into_bytes()).unwrap();
        let expected =
            "# TYPE m gauge\n# HELP m help\nm{queue=\"a\\\"}\\n\\\\\",vhost=\"/\"} 1.5\nm 2\n";
        assert_eq!(text, expected);
    }
}
