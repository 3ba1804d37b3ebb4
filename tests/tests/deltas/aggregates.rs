//! Every built-in aggregate, and users' own.

use crate::support::World;

const SCHEMA: &str = "
    CREATE TABLE t (id int PRIMARY KEY, k int, i int, b int8, n numeric(8,2), x numeric, f float8, g float8,
        s text, v varchar(9), ok bool, d date, ts timestamp, iv interval, m money, y bytea, a int[], j jsonb,
        r int4range, mr int4multirange, bits bit(4), u uuid, h xml);
    CREATE FUNCTION row_of(i int) RETURNS SETOF t LANGUAGE sql AS $$
        SELECT i, i % 3, (i * 7) % 5, i * 100, i * 1.25, i / 3.0, i / 7.0, (i * i) % 11, 's' || i % 4, 'v' || i % 3,
            i % 2 = 0, date '2024-01-01' + i % 6, timestamp '2024-01-01' + i * interval '1 h', i * interval '1 day',
            i::money, ('x' || i % 3)::bytea, ARRAY[i % 3, i % 2], jsonb_build_object('a', i % 3),
            int4range(i, i + 3), int4multirange(int4range(i, i + 2)), (i % 16)::bit(4),
            lpad(i::text, 32, '0')::uuid, xmlelement(name e, i) $$;
    INSERT INTO t SELECT r.* FROM generate_series(1, 15) AS i, row_of(i) AS r";

/// Of numbers as exactly as the server does itself, the others with an order that fixes what they show.
const LISTS: &[(&str, &str)] = &[
    ("plain", "count(*) AS c, count(s) AS cs, sum(i) AS si, sum(b) AS sb, sum(n) AS sn, sum(x) AS sx, sum(m) AS sm, sum(iv) AS siv,
        avg(i) AS ai, avg(b) AS ab, avg(n) AS an, avg(x) AS ax, avg(iv) AS aiv"),
    ("extrema", "min(i) AS a0, max(i) AS a1, min(s) AS b0, max(s) AS b1, min(ts) AS c0, max(ts) AS c1, min(a) AS d0, max(a) AS d1,
        min(y) AS e0, max(y) AS e1, min(d) AS f0, max(d) AS f1"),
    ("booleans", "bool_and(ok) AS a, bool_or(ok) AS o, every(i > 0) AS e"),
    ("bits", "bit_and(i) AS a, bit_or(i) AS o, bit_xor(i) AS x, bit_and(bits) AS ba, bit_or(bits) AS bo, bit_xor(bits) AS bx"),
    ("spread", "variance(i) AS a, var_pop(n) AS b, var_samp(x) AS c, stddev(b) AS d, stddev_pop(i) AS e, stddev_samp(n) AS f"),
    ("arrays", "array_agg(id ORDER BY id) AS a, array_agg(s ORDER BY s DESC NULLS FIRST, id) AS b, array_agg(a ORDER BY id) AS c,
        array_agg(DISTINCT i) AS e, array_agg(v ORDER BY id) FILTER (WHERE ok) AS g"),
    ("strings", "string_agg(s, ',' ORDER BY id) AS a, string_agg(DISTINCT v, '; ' ORDER BY v DESC) AS b, string_agg(y, ' '::bytea ORDER BY id) AS c,
        string_agg(s || 'q', s ORDER BY i, id) AS d"),
    ("json", "json_agg(i ORDER BY id) AS a, jsonb_agg(n ORDER BY id) AS b, json_object_agg(id, s ORDER BY id) AS c, jsonb_object_agg(id, i) AS d,
        json_agg_strict(s ORDER BY id) AS e, jsonb_agg_strict(s ORDER BY id) AS f, json_object_agg_strict(id, s ORDER BY id) AS g,
        jsonb_object_agg_strict(id, s) AS h, json_object_agg_unique(id, i ORDER BY id) AS l, jsonb_object_agg_unique(id, i) AS o,
        json_object_agg_unique_strict(id, i ORDER BY id) AS p, jsonb_object_agg_unique_strict(id, s) AS q, jsonb_agg(ts ORDER BY id) AS r"),
    ("xml", "xmlagg(h ORDER BY id) AS h"),
    ("ranges", "range_agg(r) AS a, range_agg(mr) AS b, range_intersect_agg(r) AS c, range_intersect_agg(mr) AS d"),
    ("ordered_sets", "percentile_disc(0.5) WITHIN GROUP (ORDER BY i) AS a, percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY s DESC) AS b,
        percentile_cont(0.25) WITHIN GROUP (ORDER BY f) AS c, percentile_cont(ARRAY[0.5, 1]) WITHIN GROUP (ORDER BY iv) AS d,
        mode() WITHIN GROUP (ORDER BY i) AS e, mode() WITHIN GROUP (ORDER BY s DESC NULLS LAST) FILTER (WHERE ok) AS g"),
    ("hypothetical", "rank(3) WITHIN GROUP (ORDER BY i) AS a, dense_rank('s2'::text) WITHIN GROUP (ORDER BY s) AS b,
        percent_rank(2, 's1') WITHIN GROUP (ORDER BY i DESC, s) AS c, cume_dist(2) WITHIN GROUP (ORDER BY i) AS d"),
];

/// Rounding depends on the order of the rows.
const ROUNDED: &[(&str, &str)] = &[
    ("floats", "sum(f) AS s, avg(f) AS a, stddev(f) AS d, var_pop(f) AS v"),
    ("pairs", "corr(f, g) AS a, covar_pop(f, g) AS b, covar_samp(f, g) AS c, regr_avgx(f, g) AS d, regr_avgy(f, g) AS e, regr_count(f, g) AS h,
        regr_intercept(f, g) AS l, regr_r2(f, g) AS n, regr_slope(f, g) AS o, regr_sxx(f, g) AS p, regr_sxy(f, g) AS q, regr_syy(f, g) AS r"),
];

const BATCHES: [&str; 9] = [
    "INSERT INTO t SELECT r.* FROM generate_series(16, 24) AS i, row_of(i) AS r",
    "DELETE FROM t WHERE id % 4 = 1",
    "UPDATE t SET k = 2 - k WHERE id % 2 = 0",
    "UPDATE t SET i = i + 1, s = s || 'x', r = int4range(5, 9), ok = NOT ok, j = '7' WHERE id % 3 = 0",
    "UPDATE t SET i = NULL, b = NULL, n = NULL, x = NULL, f = NULL, g = NULL, s = NULL, v = NULL, ok = NULL, d = NULL, ts = NULL, iv = NULL,
        m = NULL, y = NULL, j = NULL, r = NULL, mr = NULL, bits = NULL, h = NULL WHERE id % 5 = 0",
    "INSERT INTO t SELECT (row_of(i)).* FROM generate_series(40, 44) AS i; DELETE FROM t WHERE id = 41",
    "UPDATE t SET k = NULL WHERE k = 1; UPDATE t SET a = ARRAY[9, 9]",
    "DELETE FROM t",
    "INSERT INTO t SELECT (row_of(i)).* FROM generate_series(1, 3) AS i",
];

#[test]
fn trap_every_aggregate() {
    let mut w = World::new(SCHEMA);
    for (name, list) in LISTS {
        w.keep(name, &format!("SELECT k, {list} FROM t GROUP BY k"));
        w.keep(&format!("{name}_of_all"), &format!("SELECT {list} FROM t"));
    }
    for (name, list) in ROUNDED {
        // What is left of the rounding is not shown.
        let shown: Vec<String> = list
            .split(',')
            .filter_map(|part| part.rsplit_once(" AS "))
            .map(|(_, name)| format!("round({name}::numeric, 6) AS {name}"))
            .collect();
        let shown = shown.join(", ");
        w.keep(
            name,
            &format!("SELECT k, {shown} FROM (SELECT k, {list} FROM t GROUP BY k) AS g"),
        );
    }
    for batch in BATCHES {
        w.batch(batch);
    }
}

/// The lists above have them all.
#[test]
fn every_aggregate_is_listed() {
    let mut w = World::new("");
    let names = w.rows("SELECT DISTINCT proname FROM pg_proc WHERE prokind = 'a' AND pronamespace = 'pg_catalog'::regnamespace");
    assert!(names.len() > 50, "{}", names.len());
    let lists: String = LISTS.iter().chain(ROUNDED).map(|(_, list)| *list).collect();
    let missing: Vec<String> = names
        .into_iter()
        .map(|n| n.trim_matches(['(', ')']).to_owned())
        .filter(|n| n != "any_value" && !lists.contains(&format!("{n}(")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Users' aggregates with VARIADIC parameters: called with several arguments, with an array, over
/// distinct ones, before WITHIN GROUP, and over windows.
#[test]
fn trap_variadic_aggregates() {
    let mut w = World::new(SCHEMA);
    w.run(
        "CREATE FUNCTION keep_least(state int, VARIADIC given int[]) RETURNS int LANGUAGE sql IMMUTABLE
             RETURN least(state, (SELECT min(g) FROM unnest(given) AS g));
         CREATE AGGREGATE least_of(VARIADIC int[]) (SFUNC = keep_least, STYPE = int);
         CREATE FUNCTION gather(state anyarray, VARIADIC given anyarray) RETURNS anyarray LANGUAGE sql IMMUTABLE
             AS 'SELECT state || given';
         CREATE AGGREGATE gathered(VARIADIC anyarray) (SFUNC = gather, STYPE = anyarray, INITCOND = '{}');
         CREATE FUNCTION join_up(text, VARIADIC \"any\") RETURNS text LANGUAGE internal IMMUTABLE AS 'text_concat_ws';
         CREATE AGGREGATE joined(VARIADIC \"any\") (SFUNC = join_up, STYPE = text, INITCOND = ',');
         CREATE AGGREGATE place(VARIADIC \"any\" ORDER BY VARIADIC \"any\") (SFUNC = ordered_set_transition_multi,
             STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
         CREATE VIEW least_values AS SELECT k, least_of(i, id, 7) AS a, least_of(VARIADIC a) FILTER (WHERE ok) AS b FROM t GROUP BY k",
    );
    for (name, query) in [
        (
            "several",
            "SELECT k, least_of(i, id) AS a, least_of(i) AS b, gathered(i, id ORDER BY id) AS c,
                 gathered(i ORDER BY i NULLS FIRST, id) AS d, joined(s, i ORDER BY id) AS e FROM t GROUP BY k",
        ),
        (
            "arrays_of_all",
            "SELECT least_of(VARIADIC a) AS a, least_of(VARIADIC ARRAY[i, id, 5]) FILTER (WHERE ok) AS b,
                 gathered(VARIADIC a ORDER BY id) AS c, joined(VARIADIC a ORDER BY id) AS d FROM t",
        ),
        (
            "told_apart",
            "SELECT k, gathered(DISTINCT i, id % 2) AS a, gathered(DISTINCT i) AS b, least_of(DISTINCT i, id) AS c,
                 joined(DISTINCT s, i) AS d FROM t GROUP BY k",
        ),
        (
            "places",
            "SELECT k, place(3, 's1'::text) WITHIN GROUP (ORDER BY i, s) AS a, place(k) WITHIN GROUP (ORDER BY i) AS b FROM t GROUP BY k",
        ),
        (
            "windows",
            "SELECT id, k, least_of(i, id) OVER (PARTITION BY k) AS a, gathered(VARIADIC a) OVER w AS b, gathered(i, 0) OVER w AS c,
                 joined(s, i) OVER w AS d FROM t WINDOW w AS (PARTITION BY k ORDER BY id)",
        ),
        ("of_a_view", "SELECT a, b, count(*) AS n FROM least_values GROUP BY a, b"),
    ] {
        w.keep(name, query);
    }
    for batch in BATCHES {
        w.batch(batch);
    }
}

/// What an order that nobody fixed shows may be anything; what does not depend on it is right.
#[test]
fn trap_aggregates_in_any_order() {
    let mut w = World::new(SCHEMA);
    w.run(
        "CREATE FUNCTION keep_longest(state text, s text) RETURNS text LANGUAGE sql IMMUTABLE
             RETURN CASE WHEN length(s) > coalesce(length(state), -1) THEN s ELSE state END;
         CREATE AGGREGATE longest(text) (SFUNC = keep_longest, STYPE = text);
         CREATE FUNCTION add_up(state int8, a int, b int) RETURNS int8 LANGUAGE sql IMMUTABLE RETURN state + coalesce(a * b, 0);
         CREATE AGGREGATE sum_of_products(int, int) (SFUNC = add_up, STYPE = int8, INITCOND = '0')",
    );
    w.keep("products", "SELECT k, sum_of_products(i, id) AS p, sum_of_products(DISTINCT i, k) FILTER (WHERE ok) AS q FROM t GROUP BY k");
    w.keep(
        "longest_of_all",
        "SELECT length(longest(s)) AS l, longest(s ORDER BY s) AS first FROM t",
    );
    w.run(
        "SELECT pgtrickle.create_stream_table('loose', 'SELECT k, array_agg(id) AS ids, any_value(id) AS one, string_agg(s, '','' ORDER BY k) AS s FROM t GROUP BY k', '1h', 'DIFFERENTIAL')",
    );
    for batch in BATCHES {
        w.batch(batch);
        w.run("SELECT pgtrickle.refresh_stream_table('loose')");
        let differences = "SELECT k, (SELECT array_agg(i ORDER BY i) FROM unnest(ids) AS i) AS ids, length(s) AS l, one = ANY (ids) AS fits FROM loose
            EXCEPT ALL SELECT k, array_agg(id ORDER BY id), length(string_agg(s, ',')), true FROM t GROUP BY k";
        assert_eq!(w.rows(differences).len(), 0, "after {batch}");
        let groups = "SELECT (SELECT count(*) FROM loose) = (SELECT count(DISTINCT k) + max((k IS NULL)::int) FROM t) OR NOT EXISTS (SELECT FROM t)";
        assert_eq!(w.rows(groups), ["(t)"], "after {batch}");
    }
}
