//! Reasons with carets under the SQL.

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
    Severity,
};
use spec::reason::{self, Reason, Span};

/// All reasons, each with its excerpt of the query.
pub fn reasons(query: &str, origin: &str, reasons: &[Reason]) -> String {
    let parts: Vec<String> = reasons.iter().map(|r| one(query, origin, r)).collect();
    parts.join("\n")
}

fn one(query: &str, origin: &str, reason: &Reason) -> String {
    let severity = match reason.code.severity() {
        reason::Severity::Refused => Severity::Error,
        reason::Severity::NotIncremental => Severity::Warning,
        reason::Severity::Bounded => Severity::Advice,
    };
    excerpt(
        query,
        origin,
        severity,
        Some(reason.code.code()),
        &reason.message,
        reason.span,
        reason.hint.as_deref(),
    )
}

/// One message about a place in a text.
pub fn excerpt(
    text: &str,
    origin: &str,
    severity: Severity,
    code: Option<&str>,
    message: &str,
    span: Option<Span>,
    hint: Option<&str>,
) -> String {
    let mut diagnostic = MietteDiagnostic::new(message).with_severity(severity);
    if let Some(code) = code {
        diagnostic = diagnostic.with_code(code);
    }
    if let Some(hint) = hint {
        diagnostic = diagnostic.with_help(hint);
    }
    if let Some(range) = span.and_then(|s| within(text, s)) {
        diagnostic = diagnostic.with_label(LabeledSpan::underline(range));
    }
    let report =
        Report::new(diagnostic).with_source_code(NamedSource::new(origin, text.to_owned()));
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(100)
        .with_links(false);
    let mut out = String::new();
    match handler.render_report(&mut out, report.as_ref()) {
        Ok(()) => out,
        // Only a span outside the text can fail, and those are cut above.
        Err(_) => format!("{message}\n"),
    }
}

/// The span, cut to the text and to whole characters.
fn within(text: &str, span: Span) -> Option<std::ops::Range<usize>> {
    let floor = |i: u32| {
        let mut i = (i as usize).min(text.len());
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        i
    };
    let (start, end) = (floor(span.start), floor(span.end));
    (start <= end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::reason::ReasonCode;

    #[test]
    fn carets_stand_under_the_construct() {
        let query = "SELECT *\nFROM a CROSS JOIN LATERAL (SELECT 1) AS b";
        let start = query.find("LATERAL").unwrap() as u32;
        let reason = Reason {
            code: ReasonCode::Lateral,
            message: "LATERAL".into(),
            span: Some(Span {
                start,
                end: start + 7,
            }),
            hint: Some("use FULL".into()),
        };
        let shown = reasons(query, "q.sql", &[reason]);
        let lines: Vec<&str> = shown.lines().collect();
        let at = lines
            .iter()
            .position(|l| l.contains("JOIN LATERAL ("))
            .unwrap();
        let column = |line: &str, c: char| line.chars().position(|x| x == c);
        assert!(shown.contains("PGT0109") && shown.contains("use FULL"));
        assert_eq!(
            column(lines[at + 1], '─'),
            lines[at]
                .chars()
                .collect::<String>()
                .find("LATERAL")
                .map(|b| lines[at][..b].chars().count())
        );
    }

    #[test]
    fn a_span_outside_of_the_text_is_cut() {
        let span = Some(Span { start: 2, end: 99 });
        let shown = excerpt("é", "q", Severity::Error, None, "message", span, None);
        assert!(shown.contains("message"));
    }
}
