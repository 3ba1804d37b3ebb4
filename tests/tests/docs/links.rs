//! Links between the pages lead somewhere.

use crate::{directory, page};

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    let pages = std::fs::read_dir(directory()).expect("docs/");
    let mut names: Vec<String> = pages
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".md"))
        .collect();
    let index = page("README.md");
    for name in &names {
        assert!(
            name == "README.md" || index.contains(&format!("({name})")),
            "the index does not name {name}"
        );
    }
    names.push("../README.md".to_owned());
    for name in &names {
        let text = page(name);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = directory().join(name).with_file_name(file);
            assert!(path.exists(), "{name}: {target} leads nowhere");
            if !anchor.is_empty() {
                let there = std::fs::read_to_string(&path).expect("a page");
                let found = there
                    .lines()
                    .filter(|l| l.starts_with('#'))
                    .any(|l| slug(l) == anchor);
                assert!(found, "{name}: {target} leads to no heading");
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} links");
}

/// The anchor of a heading, as renderers of Markdown make it.
fn slug(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}
