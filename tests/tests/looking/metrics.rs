//! Metrics for Prometheus, and the dashboard that uses them.

use crate::{query, run, texts, two_stream_tables};
use harness::Database;
use harness::law::describe;
use postgres::Client;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

struct Metric {
    name: String,
    labels: Vec<(String, Option<String>)>,
    value: f64,
    help: String,
    kind: String,
}

fn metrics(client: &mut Client) -> Vec<Metric> {
    query(
        client,
        "SELECT name, (SELECT coalesce(array_agg(k ORDER BY k), '{}') FROM jsonb_object_keys(labels) k),
             (SELECT coalesce(array_agg(CASE jsonb_typeof(v) WHEN 'string' THEN v #>> '{}' END ORDER BY k), '{}')
                 FROM jsonb_each(labels) AS e (k, v)),
             value, help, type
         FROM pgtrickle.prometheus_metrics",
    )
    .iter()
    .map(|row| {
        let (keys, values): (Vec<String>, Vec<Option<String>>) = (row.get(1), row.get(2));
        Metric {
            name: row.get(0),
            labels: keys.into_iter().zip(values).collect(),
            value: row.get(3),
            help: row.get(4),
            kind: row.get(5),
        }
    })
    .collect()
}

/// A letter, and letters, digits and underscores.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// What Prometheus asks of them.
fn check(metrics: &[Metric]) {
    let mut families: BTreeMap<&str, (&str, &str, Vec<&str>)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for m in metrics {
        assert!(
            is_name(&m.name) && m.name.starts_with("pg_trickle_"),
            "{}",
            m.name
        );
        assert_eq!(
            m.kind == "counter",
            m.name.ends_with("_total"),
            "{}",
            m.name
        );
        assert!(
            ["counter", "gauge"].contains(&m.kind.as_str()),
            "{}",
            m.name
        );
        assert!(
            m.help.ends_with('.') && !m.help.contains('\n'),
            "{}",
            m.help
        );
        assert!(
            m.value.is_finite() && m.value >= 0.0,
            "{} {}",
            m.name,
            m.value
        );
        assert!(
            m.labels.iter().all(|(k, v)| is_name(k) && v.is_some()),
            "{}",
            m.name
        );
        assert!(
            seen.insert((&m.name, &m.labels)),
            "twice: {} {:?}",
            m.name,
            m.labels
        );
        let keys: Vec<&str> = m.labels.iter().map(|(k, _)| k.as_str()).collect();
        let family = (m.help.as_str(), m.kind.as_str(), keys);
        let known = families.entry(&m.name).or_insert_with(|| family.clone());
        assert_eq!(*known, family, "{}", m.name);
    }
}

fn value(metrics: &[Metric], name: &str, labels: &[(&str, &str)]) -> f64 {
    let is = |m: &&Metric| {
        m.name == name
            && labels
                .iter()
                .all(|(k, v)| m.labels.contains(&((*k).into(), Some((*v).into()))))
    };
    let found: Vec<f64> = metrics.iter().filter(is).map(|m| m.value).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0]
}

#[test]
fn metrics_are_as_prometheus_wants_them() {
    let db = Database::new();
    let mut client = db.connect();
    let empty = metrics(&mut client);
    check(&empty);
    assert_eq!(
        value(&empty, "pg_trickle_stream_tables", &[("status", "ACTIVE")]),
        0.0
    );
    assert_eq!(value(&empty, "pg_trickle_scheduler_running", &[]), 0.0);

    two_stream_tables(&mut client);
    run(
        &mut client,
        "UPDATE orders SET amount = amount + 1 WHERE id <= 2;
         SELECT pgtrickle.refresh_stream_table('by_region'); DELETE FROM orders WHERE id = 3;
         CREATE TABLE s (id int);
         SELECT pgtrickle.create_stream_table('\"broken \"\"one\"\"\"', 'SELECT id FROM s', '1h');
         SELECT pgtrickle.alter_stream_table('\"broken \"\"one\"\"\"', status => 'SUSPENDED');
         SELECT pgtrickle.create_stream_table('never', 'SELECT id FROM s', '1h', initialize => false);
         SELECT pgtrickle.create_stream_table('now', 'SELECT id FROM s', refresh_mode => 'IMMEDIATE')",
    );
    let now = metrics(&mut client);
    check(&now);
    let by_region = ("stream_table", "by_region");
    let differential = [
        by_region,
        ("action", "DIFFERENTIAL"),
        ("status", "COMPLETED"),
        ("schema", "public"),
    ];
    assert_eq!(
        value(&now, "pg_trickle_refreshes_total", &differential),
        1.0
    );
    assert_eq!(
        value(&now, "pg_trickle_refresh_delta_rows_total", &differential),
        4.0
    );
    assert!(
        value(
            &now,
            "pg_trickle_refresh_duration_seconds_total",
            &differential
        ) < 60.0
    );
    assert_eq!(
        value(
            &now,
            "pg_trickle_pending_rows",
            &[by_region, ("source", "public.orders")]
        ),
        1.0
    );
    assert_eq!(
        value(&now, "pg_trickle_schedule_seconds", &[by_region]),
        60.0
    );
    assert_eq!(
        value(
            &now,
            "pg_trickle_active",
            &[("stream_table", "broken \"one\"")]
        ),
        0.0
    );
    assert_eq!(
        value(&now, "pg_trickle_stream_tables", &[("status", "SUSPENDED")]),
        1.0
    );

    // Counters do not fall when the history does.
    run(&mut client, "DELETE FROM pgtrickle.pgt_refresh_history");
    let later = metrics(&mut client);
    check(&later);
    for m in now.iter().filter(|m| m.kind == "counter") {
        let labels: Vec<(&str, &str)> = m
            .labels
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_deref().unwrap_or("")))
            .collect();
        assert!(value(&later, &m.name, &labels) >= m.value, "{}", m.name);
    }
}

/// Every query in a dashboard, with the title of what it is in.
fn queries(value: &Value, title: &str, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            let own = ["title", "name"]
                .iter()
                .find_map(|k| fields.get(*k)?.as_str());
            let title = own.unwrap_or(title);
            for (key, field) in fields {
                match field.as_str() {
                    Some(sql)
                        if key == "rawSql" || (key == "query" && sql.starts_with("SELECT")) =>
                    {
                        out.push((title.to_owned(), sql.to_owned()));
                    }
                    _ => queries(field, title, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, title, out)),
        _ => {}
    }
}

/// What Grafana's macros and variables become.
fn expanded(sql: &str, tables: &[String]) -> String {
    let mut sql = sql.to_owned();
    let quoted: Vec<String> = tables
        .iter()
        .map(|t| format!("'{}'", t.replace('\'', "''")))
        .collect();
    let list = if quoted.is_empty() {
        "''".to_owned()
    } else {
        quoted.join(",")
    };
    sql = sql.replace("${stream_table:sqlstring}", &list);
    let replace = |sql: &str, name: &str, with: &dyn Fn(&str) -> String| -> String {
        let mut out = String::new();
        let mut rest = sql;
        while let Some((before, after)) = rest.split_once(name) {
            let (inside, after) = after.split_once(')').expect("a closing parenthesis");
            out += before;
            out += &with(inside);
            rest = after;
        }
        out + rest
    };
    sql = replace(&sql, "$__timeFilter(", &|column| {
        format!("{column} BETWEEN '2020-01-01T00:00:00Z' AND '2100-01-01T00:00:00Z'")
    });
    replace(&sql, "$__timeGroupAlias(", &|arguments| {
        let column = arguments.split(',').next().unwrap_or("");
        format!("floor(extract(epoch from {column})/60)*60 AS \"time\"")
    })
}

#[test]
fn every_query_of_the_dashboard_runs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../grafana/pg_trickle.json");
    let text = std::fs::read_to_string(path).expect("a dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let mut all = vec![];
    queries(&dashboard, "", &mut all);
    assert!(all.len() > 20, "{}", all.len());
    assert!(
        all.iter()
            .any(|(_, sql)| sql.contains("prometheus_metrics"))
    );
    let ids: Vec<i64> = dashboard["panels"]
        .as_array()
        .expect("panels")
        .iter()
        .filter_map(|p| p["id"].as_i64())
        .collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len());

    let db = Database::new();
    let mut client = db.connect();
    for filled in [false, true] {
        if filled {
            two_stream_tables(&mut client);
            run(
                &mut client,
                "UPDATE orders SET amount = amount + 1; SELECT pgtrickle.refresh_stream_table('rich')",
            );
        }
        let tables = texts(
            &mut client,
            "SELECT pgt_schema || '.' || pgt_name FROM pgtrickle.pgt_stream_tables",
        );
        for (title, sql) in &all {
            let sql = expanded(sql, &tables);
            assert!(!sql.contains('$'), "{title}: {sql}");
            let statement = client
                .prepare(&sql)
                .unwrap_or_else(|error| panic!("{title}: {}\n{sql}", describe(&error)));
            let rows = client
                .query(&statement, &[])
                .unwrap_or_else(|error| panic!("{title}: {}\n{sql}", describe(&error)));
            let quiet = ["Failures", "Alerts that hold", "Replication slots"];
            assert!(
                !filled || !rows.is_empty() || quiet.contains(&title.as_str()),
                "{title}: no rows\n{sql}"
            );
        }
    }
    // Names of metrics that are asked for exist.
    let known: BTreeSet<String> = metrics(&mut client).into_iter().map(|m| m.name).collect();
    for (title, sql) in &all {
        for name in sql
            .split('\'')
            .filter(|part| part.starts_with("pg_trickle_"))
        {
            assert!(known.contains(name), "{title}: {name}");
        }
    }
}
