//! The report as one HTML page without external resources; pure.

use crate::report::DrillReport;
use base64::Engine as _;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2530;--dim:#5b6875;--paper:#fff;--card:#f4f6f8;--line:#d9dfe5;--good:#1a7f4b;--bad:#b3261e;--bar:#2f6fb0}\
@media(prefers-color-scheme:dark){:root{--ink:#e4e9ee;--dim:#98a5b3;--paper:#12171c;--card:#1b2229;--line:#2d3741;--good:#4cc38a;--bad:#ff8a80;--bar:#6aa9e9}}\
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
main{max-width:60rem;margin:0 auto;padding:2rem 1rem 4rem}h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.5rem 0 .75rem}\
.verdict{border-left:.5rem solid var(--good);background:var(--card);padding:1rem 1.25rem;border-radius:.25rem}.failed .verdict{border-color:var(--bad)}\
.verdict p{margin:.25rem 0 0;color:var(--dim)}.word{color:var(--good)}.failed .word{color:var(--bad)}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}\
th{font-weight:500;color:var(--dim);white-space:nowrap}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
td.t{width:50%}.track{position:relative;height:1rem;background:var(--card);border-radius:2px}.bar{position:absolute;top:0;bottom:0;background:var(--bar);border-radius:2px;min-width:2px}\
pre{background:var(--card);padding:1rem;overflow:auto;font-size:.8rem;border-radius:.25rem}\
.shots{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}figure{margin:0}img{width:100%;border:1px solid var(--line);border-radius:.25rem}figcaption{color:var(--dim);font-size:.9rem}\
li{overflow-wrap:anywhere}footer{margin-top:3rem;color:var(--dim);font-size:.9rem}";

/// The page; `picture` returns the bytes of a PNG file beside the report.
pub fn page(report: &DrillReport, picture: &dyn Fn(&str) -> Option<Vec<u8>>) -> String {
    let word = if report.passed { "PASSED" } else { "FAILED" };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{word}: recovery drill of {name}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body class=\"{class}\">\n<main>\n",
        name = escape(&report.machine),
        class = if report.passed { "passed" } else { "failed" },
    );
    let total = report.phases.iter().map(|phase| phase.start + phase.seconds).fold(0.0, f64::max);
    let summary = match &report.reason {
        None => format!("From lost disks to a working machine in {total:.0} s."),
        Some(reason) => reason.lines().next().unwrap_or_default().to_owned(),
    };
    out.push_str(&format!(
        "<div class=\"verdict\"><h1><span class=\"word\">{word}</span> recovery drill of {}</h1><p>{}</p></div>\n",
        escape(&report.machine),
        escape(&summary)
    ));
    out.push_str("<h2>What was rehearsed</h2>\n<table>\n");
    for (label, value) in report.facts() {
        out.push_str(&format!("<tr><th scope=\"row\">{label}</th><td>{}</td></tr>\n", escape(&value)));
    }
    out.push_str("</table>\n<h2>Timeline</h2>\n<table>\n<tr><th>Phase</th><th>Begin</th><th>Took</th><th></th></tr>\n");
    for phase in &report.phases {
        let scale = if total > 0.0 { 100.0 / total } else { 0.0 };
        out.push_str(&format!(
            "<tr><td>{}</td><td class=\"n\">{:.1} s</td><td class=\"n\">{:.1} s</td><td class=\"t\"><div class=\"track\">\
             <div class=\"bar\" style=\"left:{:.2}%;width:{:.2}%\"></div></div></td></tr>\n",
            escape(&phase.name),
            phase.start,
            phase.seconds,
            phase.start * scale,
            phase.seconds * scale
        ));
    }
    out.push_str("</table>\n");
    if !report.warnings.is_empty() {
        out.push_str("<h2>Warnings</h2>\n<ul>\n");
        for warning in &report.warnings {
            out.push_str(&format!("<li>{}</li>\n", escape(warning)));
        }
        out.push_str("</ul>\n");
    }
    if !report.screenshots.is_empty() {
        out.push_str("<h2>Screen</h2>\n<div class=\"shots\">\n");
        for shot in &report.screenshots {
            let Some(png) = picture(&shot.file) else { continue };
            let data = base64::engine::general_purpose::STANDARD.encode(png);
            let caption = format!("{}, {:.0} s after power-on", shot.name, shot.at);
            out.push_str(&format!(
                "<figure><img alt=\"{0}\" src=\"data:image/png;base64,{data}\"><figcaption>{0}</figcaption></figure>\n",
                escape(&caption)
            ));
        }
        out.push_str("</div>\n");
    }
    if let Some(reason) = report.reason.as_ref().filter(|reason| reason.contains('\n')) {
        out.push_str(&format!("<h2>Why it failed</h2>\n<pre>{}</pre>\n", escape(reason)));
    }
    out.push_str(&format!(
        "<h2>End of the console</h2>\n<pre>{}</pre>\n<footer>Whole consoles: recovery/console.log and booted/console.log beside \
         this page.</footer>\n</main>\n</body>\n</html>\n",
        escape(report.console_tail.trim_end())
    ));
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn page_of_a_drill() {
        let html = page(&sample(), &|_| Some(b"\x89PNG".to_vec()));
        assert!(html.contains("web&lt;1&gt;") && !html.contains("web<1>"));
        // Its style is long and says nothing about the report.
        insta::assert_snapshot!(html.replace(STYLE, "…"));
    }

    #[test]
    fn a_missing_picture_is_left_out() {
        assert!(!page(&sample(), &|_| None).contains("<img"));
    }
}
