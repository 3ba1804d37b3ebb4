-- One expression a line, over the table of schema.sql.
-- Literals
1
-1
- 1
+ 1
2147483647
2147483648
-2147483648
9223372036854775807
9223372036854775808
1.5
-1.5
.5
1e10
0x10
0o17
0b11
1_000_000
0xFFFFFFFFFF
'a'
NULL
true
b'1010'
x'1F'
'a' 'b'
'1'::int4
'1' :: int8
int4 '7'
date '2024-01-01'
interval '1 day'
interval '1' year
interval '1-2' year to month
interval(3) '1 second'
interval '1.2345' second(2)
timestamp(2) '2024-01-01 10:00:00.123456'
time with time zone '10:00+1'
bit '101'
bit(2) '10'
'x'::char
'x'::char(3)
'x'::bpchar
'x'::"char"
'abc'::varchar(2)
'abc'::varchar
'abc'::name
'1.234'::numeric(5,1)
'1.234'::numeric
'{1,2}'::int4[]
'{1.234}'::numeric(5,1)[]
'{a,b}'::varchar(1)[]
'ok'::mood
'bad'::mood
'x'::int4
'1.5'::int4
' 12 '::int4
'99999'::int2
'maybe'::bool
'on'::bool
'1e5'::numeric
'abc'::numeric
'nan'::float8
'[1,2)'::int4range
'{"a":1}'::jsonb
'(a,1,b)'::addr
'12'::posint
'abcdefghijkl'::label
'3.14159'::money2
'x'::ctext
NULL::int4
NULL::posint
NULL::varchar(3)
-- Operators
i4 + 1
i2 + i2
i2 + 1
i2 + 1.5
i4 + i8
i8 * f4
f4 + f4
f4 + 1.5
f8 / 2
n + 1
n2 * n2
n2 + 1
i4 / 2.0
i4 % 2
i4 ^ 2
-i2
- n2
@ f8
|/ f8
~ i4
i4 # 3
i4 << 2
i4 & i2
i4 = '1'
i4 = 'x'
'1' = i4
'1' + '2'
'a' = 'b'
'a' < 'b'
NULL = NULL
NULL + 1
NULL || 'a'
t || 'x'
t || i4
t || v
t || c
v || v
v || 'x'
c || c
i4 || t
i4 || i4
'a' || 'b'
'a' || 1
t || NULL
nm || nm
nm || 'x'
t = 'x'
t = v
v = 'x'
v = v
v = c
c = 'x'
c = c
c = t
nm = 'x'
nm = t
nm = v
ch = 'x'
ch = t
t < tc
tc < tx
t LIKE 'x%'
v LIKE 'x%'
c LIKE 'x%'
nm LIKE 'x%'
t LIKE v
t NOT LIKE 'x'
t ILIKE 'x'
t NOT ILIKE 'x'
t LIKE 'x' ESCAPE '!'
t SIMILAR TO 'a+'
t NOT SIMILAR TO 'a+'
t SIMILAR TO 'a' ESCAPE 'x'
t ~ 'a'
t !~* 'a'
c ~ 'a'
by LIKE 'x'
by || by
by = '\x01'
d + 1
d - 1
d - d
d + iv
d + '1 day'
d - '2024-01-01'
d = '2024-01-01'
d < ts
d < tstz
ts < tstz
ts - ts
tstz - tstz
tstz - ts
ts + iv
ts - iv
ts - '2024-01-01'
tstz + '1 day'::interval
tm + iv
tz - iv
iv * 2
2 * iv
iv / 2
iv + iv
tm - tm
d + tm
tm + d
d + tz
iv + d
u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
u = t
j -> 'a'
j -> 0
j ->> 'a'
j #> '{a,b}'
j #>> '{a}'
j @> '{"a":1}'
j ? 'a'
j ?| ta
j ?| '{a}'
j || j
j || '{}'
j - 'a'
j - 1
j - '{a}'::text[]
j = j
js -> 'a'
js ->> 1
js = js
j @? '$.a'
j @@ '$.a'
bt & bt
bt || bt
bt = vb
bt | vb
~ bt
o = 1
o = i4
o = i8
o + 1
mo + mo
mo * 2
mo / mo
mo * f8
mo * n
mo = 1
mo > '1.00'
pt = pt
pt <-> pt
pt + pt
inet << inet
inet = '10.0.0.1'
inet + 1
inet && '10.0.0.0/8'
tsv @@ 'a'
tsv @@ to_tsquery('a')
tsv || tsv
t @@ 'a'
ia || 1
ia || ia
1 || ia
ia || '{1}'
ia || NULL
ia || '1'
ia || i2
ia || i8
ia || 1.5
ta || 'x'
ta || t
ta || v
ta || ta
ta || i4
na || 1
na || n2
ia = ia
ia = '{1}'
ia @> ARRAY[1]
ia @> '{1}'
ia @> ta
ia && ia
ia < ia
ia @> 1
ia = na
r @> 1
r @> i8
r @> r
r @> '[1,2)'
r && r
r * r
r + '[1,2)'
r -|- mr
mr @> 1
mr + mr
mr && r
r < r
fr @> 1.0
fr @> f8
fr @> 1
e = 'ok'
e = 'bad'
e < e
e = t
e || 'x'
e = ANY (ea)
a = a
a = ROW('x', 1, 'y')
a = ROW('x', 1)
a === a
pi + 1
pi = 1
pi + pi
pi = pi
pi || 'x'
la = 'x'
la || 'x'
la = la
la = t
la LIKE 'x'
ds || 1
ds = ds
ds @> '{1}'
m2 + m2
m2 * 2
m2 = 1
ct = t
ct || 'x'
ct < ct
b = true
b = 't'
b = 1
b < b
b AND true
b AND 't'
b AND NULL
b OR i4
NOT b
NOT 't'
NOT i4
x = x
i4 OPERATOR(pg_catalog.+) 1
i4 OPERATOR(other.+) 1
i4 OPERATOR(nope.+) 1
i4 +++ 1
i4 + t
i4 = t
d = i4
t = 1
t = 1.5
i4 ! 
-- Tests
i4 IS NULL
a IS NULL
a IS NOT NULL
NULL IS NULL
'x' IS NULL
ROW(i4, t) IS NULL
b IS TRUE
b IS NOT UNKNOWN
'true' IS TRUE
i4 IS TRUE
i4 IS DISTINCT FROM 1
i4 IS DISTINCT FROM NULL
NULL IS NOT DISTINCT FROM i4
t IS NOT DISTINCT FROM 'x'
t IS DISTINCT FROM v
js IS DISTINCT FROM js
js IS DISTINCT FROM NULL
a IS DISTINCT FROM a
ROW(i4, t) IS DISTINCT FROM ROW(1, 'x')
ROW(i4, t) IS NOT DISTINCT FROM ROW(1, 'x')
ROW(i4) IS DISTINCT FROM ROW(1, 2)
NULLIF(i4, 1)
NULLIF(i4, 1.5)
NULLIF(i4, i8)
NULLIF(t, 'x')
NULLIF(v, 'x')
NULLIF(v, t)
NULLIF(n2, 0)
NULLIF('a', 'b')
NULLIF(NULL, 1)
NULLIF(1, NULL)
NULLIF(js, js)
NULLIF(ct, 'x')
NULLIF(pi, 1)
-- Lists
i4 IN (1, 2)
i4 IN (1)
i4 IN (1, 2.5)
i4 IN ('1', '2')
i4 IN (1, NULL)
i4 IN (1, 2, i8)
i4 IN (i2, i8)
i4 NOT IN (1, 2)
i4 NOT IN (i2, 3, 4)
i2 IN (1, 2)
i8 IN (1, 2147483648)
t IN ('a', 'b')
v IN ('a', 'b')
c IN ('a', 'b')
nm IN ('a', 'b')
n2 IN (1, 2)
f4 IN (1, 2.5)
d IN ('2024-01-01', '2024-01-02')
e IN ('ok', 'sad')
e IN ('ok', 'bad')
'a' IN ('a', 'b')
1 IN ('1', '2')
NULL IN (1, 2)
(i4, t) IN ((1, 'a'), (2, 'b'))
(i4, t) NOT IN ((1, 'a'), (2, 'b'))
(i4, t) IN ((1, 'a'))
ROW(i4) IN (ROW(1), ROW(2))
a IN (ROW('x', 1, 'y'), ROW('z', 2, 'w'))
js IN ('1', '2')
i4 IN ('x', 'y')
i4 IN (t, 'x')
i4 IN (1, t)
pi IN (1, 2)
la IN ('a', 'b')
m2 IN (1, 2.5)
ct IN ('a', 'b')
tc IN ('a', tx)
ia IN ('{1}', '{2}')
upper(t) IN (t, v, 'x')
(i4 + 1) IN (i4, i2, 5)
i4 BETWEEN 1 AND 2
i4 BETWEEN 1 AND 2.5
i4 NOT BETWEEN 1 AND i8
t BETWEEN 'a' AND v
d BETWEEN '2024-01-01' AND ts
i4 BETWEEN SYMMETRIC 2 AND 1
abs(i4) NOT BETWEEN SYMMETRIC i2 AND i8 + 1
v BETWEEN 'a' AND 'b'
i4 = ANY (ia)
i4 = ANY ('{1,2}')
i4 <> ALL (ia)
i4 = ANY (ARRAY[1, 2])
i8 = ANY (ia)
i2 = ANY (ia)
t = ANY (ta)
v = ANY (ta)
v = ANY ('{a}')
t LIKE ANY (ta)
t LIKE ALL (ARRAY['a', 'b'])
t ILIKE ANY ('{a}')
i4 = ANY (ds)
i4 < ANY (na)
i4 = ANY (t)
i4 = ANY (i4)
1 = ANY (NULL)
NULL = ANY (ia)
'a' = ANY (ta)
e = ANY ('{ok}')
i4 + ANY (ia)
-- Rows
(i4, t) = (1, 'x')
(i4, t) <> (1, 'x')
(i4, t) < (1, 'x')
(i4, t) <= (i8, v)
(i4, i8, d) > (1, 2, '2024-01-01')
(i2, i4) >= (i8, i2)
(ts, d) < (tstz, d)
(v, c) < ('a', 'b')
(i4, t) = (1, 2)
(i4, t) = (1)
(i4, t) = (1, 'x', 2)
(i4, t) + (1, 'x')
(i4, t) LIKE (1, 'x')
(e, u) < ('ok', NULL)
(tc, t) < ('a', 'b')
(i4) = (1)
ROW() = ROW()
ROW(i4, t) = a
ROW(1, 2.5) < ROW('3', 4)
(ROW(1, 'x')).f1
(ROW(1, 'x')).f3
-- Choices
CASE WHEN b THEN 1 ELSE 2 END
CASE WHEN b THEN 1 END
CASE WHEN b THEN 1 ELSE 2.5 END
CASE WHEN b THEN 'a' ELSE 'b' END
CASE WHEN b THEN NULL ELSE NULL END
CASE WHEN b THEN NULL END
CASE WHEN b THEN v ELSE 'x' END
CASE WHEN b THEN v ELSE t END
CASE WHEN b THEN t ELSE v END
CASE WHEN b THEN v ELSE v END
CASE WHEN b THEN v ELSE vn END
CASE WHEN b THEN c ELSE v END
CASE WHEN b THEN v ELSE c END
CASE WHEN b THEN n2 ELSE n2 END
CASE WHEN b THEN n2 END
CASE WHEN b THEN n2 ELSE 0 END
CASE WHEN b THEN n2 ELSE n END
CASE WHEN b THEN i2 WHEN NOT b THEN i8 ELSE i4 END
CASE WHEN b THEN d ELSE ts END
CASE WHEN b THEN ts ELSE tstz END
CASE WHEN b THEN '2024-01-01' ELSE d END
CASE WHEN b THEN 1 ELSE b END
CASE WHEN b THEN 1 ELSE 'x' END
CASE WHEN b THEN i4 ELSE t END
CASE WHEN b THEN pi ELSE pi END
CASE WHEN b THEN pi ELSE i4 END
CASE WHEN b THEN pi ELSE 1 END
CASE WHEN b THEN la ELSE la END
CASE WHEN b THEN la ELSE 'x' END
CASE WHEN b THEN e ELSE 'ok' END
CASE WHEN b THEN ia ELSE '{}' END
CASE WHEN b THEN ia ELSE ds END
CASE WHEN b THEN tc ELSE tx END
CASE WHEN tc = 'a' THEN tx ELSE 'a' END
CASE WHEN i4 THEN 1 END
CASE WHEN 't' THEN 1 END
CASE i4 WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END
CASE i4 WHEN '1' THEN 1 END
CASE i4 WHEN 1.5 THEN 1 END
CASE i2 WHEN 1 THEN 1 END
CASE t WHEN 'x' THEN 1 END
CASE v WHEN 'x' THEN 1 END
CASE 'x' WHEN 'x' THEN 1 END
CASE 'x' WHEN 1 THEN 1 END
CASE NULL WHEN 1 THEN 1 END
CASE upper(t) WHEN 'x' THEN 1 WHEN v THEN 2 END
CASE a WHEN ROW('x',1,'y') THEN 1 END
CASE js WHEN '1' THEN 1 END
COALESCE(i4, 1)
COALESCE(i4, 1.5)
COALESCE(NULL, i4)
COALESCE(NULL, NULL)
COALESCE(v, 'x')
COALESCE(v, t)
COALESCE(n2, 0)
COALESCE(n2, n2)
COALESCE(d, ts, tstz)
COALESCE(i4, t)
COALESCE(e, 'ok')
COALESCE(la, 'x')
COALESCE(j, '{}')
COALESCE(tc, tx)
COALESCE(pi, 0)
COALESCE(c, c)
GREATEST(i4, i8)
GREATEST(i4, 2.5)
GREATEST(t, 'x')
GREATEST(n2, n2)
LEAST(d, '2024-01-01')
LEAST(tc, t)
GREATEST(i4, t)
-- Arrays
ARRAY[1, 2]
ARRAY[1, 2.5]
ARRAY[1, NULL]
ARRAY['a', 'b']
ARRAY['a', t]
ARRAY[v, v]
ARRAY[v, 'a']
ARRAY[n2, n2]
ARRAY[i4, i8]
ARRAY[i4, t]
ARRAY[NULL]
ARRAY[]
ARRAY[]::int4[]
ARRAY[[1, 2], [3, 4]]
ARRAY[[1, 2], [3.5, 4]]
ARRAY[ia, ia]
ARRAY[ia, ARRAY[1]]
ARRAY[ARRAY['a'], ta]
ARRAY[[]]::int4[]
ARRAY['1', '2']::int4[]
ARRAY[1, 2]::text[]
ARRAY[1, '2']::numeric(5,2)[]
ARRAY[n2, 1]::numeric(10,2)[]
ARRAY[1, 2]::ints
ARRAY[pi, pi]
ARRAY[pi, 1]
ARRAY[e, 'ok']
ARRAY[a, a]
ARRAY[ROW(1, 2), ROW(3, 4)]
ARRAY[js]
ARRAY[tc, tx]
ARRAY[d, ts]
ia[1]
ia[1:2]
ia[:2]
ia[1:]
ia[:]
ia[1][2]
ia[1:2][3]
ia['1']
ia[1.5]
ia[t]
ia[i8]
na[1]
na[1:2]
ds[1]
ds[1:2]
ta[1] || 'x'
(ARRAY[1, 2])[1]
('{1,2}'::int4[])[1]
i4[1]
pt[0]
nm[1]
j['a']
j[0]
j['a']['b']
j[1:2]
j[1.5]
j[t]
js['a']
(a).street
(a).no
(a).zip
(a).nope
(i4).x
(t0.a).zip
t0.i4
t0.nope
nope
nope.i4
(t0).i4
(t0).a.zip
(t0.*).i4
street(a)
a.street
t0.f_row
f_row(t0)
f_row(t0.*)
f_addr(a)
(a).f_addr
f_addr(ROW('x', 1, 'z'))
ROW(t0.*) IS NULL
ROW('x', 1, 'y')::addr
ROW('x', '1', 'y')::addr
ROW('x', 1)::addr
ROW('x', 'abc'::text, 'y')::addr
a::text
(ROW('x', 1, 'y')::addr).no
t0 IS NULL
t0::text
-- Casts
i4::i8
i4::int8
i4::int2
i4::text
i4::varchar
i4::varchar(3)
i4::char(3)
i4::numeric
i4::numeric(10,2)
i4::float8
i4::bool
i4::bit(4)
i4::bit
i4::oid
i4::money
i4::mood
i4::date
i4::"char"
i4::posint
i8::int4
f8::int4
f8::numeric(10,2)
n::int4
n::numeric(10,2)
n2::numeric
n2::numeric(10,2)
n2::numeric(12,2)
n2::money2
n2::float8
n2::text
t::int4
t::varchar
t::varchar(3)
t::char(3)
t::name
t::date
t::jsonb
t::mood
t::posint
t::label
t::ctext
t::int4[]
t::bytea
t::regclass
v::text
v::varchar(10)
v::varchar(5)
v::varchar
v::char(10)
c::text
c::varchar
c::char(5)
c::char(3)
c::bpchar
nm::text
nm::varchar(3)
ch::text
ch::int4
b::int4
b::text
b::date
d::ts
d::timestamp
d::timestamptz
d::text
d::timestamp(2)
ts::date
ts::time
ts::timestamptz
ts::timestamp(3)
ts3::timestamp
ts3::timestamp(3)
ts3::timestamptz(3)
tstz::date
tstz::timestamp
tm::interval
tm::timetz
iv::time
iv::interval
iv::interval(2)
iv::interval day to second
j::text
j::int4
j::numeric(5,2)
j::json
j::bool
js::jsonb
by::text
bt::varbit
bt::bit(3)
bt::int4
u::text
u::bytea
mo::numeric
mo::numeric(5,2)
ia::text[]
ia::int8[]
ia::numeric(5,1)[]
ia::ints
ia::text
ia::int4
na::int4[]
na::numeric[]
na::numeric(8,3)[]
ta::varchar(2)[]
ta::int4[]
ds::int4[]
ds::text[]
r::text
r::int4multirange
mr::text
e::text
e::int4
e::varchar(2)
ea::text[]
pi::int4
pi::int8
pi::text
pi::posint
la::text
la::varchar(8)
la::varchar(3)
la::label
m2::numeric
m2::numeric(12,2)
m2::int4
ct::text
ct::varchar(3)
x::text
o::regclass
CAST(i4 AS text)
'now'::timestamptz
't0'::regclass
'int4'::regtype
'nope'::regclass
i4::nope
i4::public.posint
i4::pg_catalog.int8
i4::other.nope
i4::numeric(0)
i4::numeric(2000)
t::varchar(0)
ROW(1, 2)::text
(i4 + 1)::numeric(5,2) + 1
-- Functions
upper(t)
upper(v)
upper(c)
upper(nm)
upper('x')
upper(i4)
upper(r)
lower(r)
lower(mr)
lower(t)
length(t)
length(v)
length(c)
length(by)
length(bt)
length('x')
length(i4)
round(n)
round(n2, 1)
round(f8)
round(f8, 2)
round(i4)
round('1.5')
abs(i2)
abs(n2)
abs('1')
abs(t)
floor(n2)
ceil(f4)
sqrt(i4)
sqrt(n)
power(i4, 2)
power(2, n)
mod(i4, 2)
mod(i8, i2)
mod(n, 2)
div(n, 2)
log(10)
exp(1)
sign(i4)
trunc(n2, 1)
substr(t, 1, 2)
substring(t, 1)
substring(t FROM 1 FOR 2)
substring(t FROM 'a')
substring(t SIMILAR 'a' ESCAPE 'b')
substring(bt FROM 1)
substring(v FROM 2)
position('a' IN t)
position(by IN by)
overlay(t PLACING 'x' FROM 1 FOR 2)
trim(t)
trim(both 'x' from t)
trim(leading from v)
ltrim(t, 'x')
btrim(by, '\x00')
replace(t, 'a', 'b')
replace(v, 'a', c)
concat(t, i4, NULL, 'x')
concat_ws(',', t, i4)
concat_ws(i4, t)
format('%s %s', t, i4)
format('%s', VARIADIC ta)
format(t, VARIADIC ARRAY[1, 2])
left(t, 2)
repeat(t, 3)
repeat(t, i8)
split_part(t, ',', 1)
string_to_array(t, ',')
array_to_string(ia, ',')
array_to_string(ta, ',', '*')
regexp_replace(t, 'a', 'b')
regexp_replace(t, 'a', 'b', 'g')
regexp_match(t, 'a')
to_char(d, 'YYYY')
to_char(ts, 'YYYY')
to_char(i4, '999')
to_char(n, '999')
to_char('x', 'y')
to_date(t, 'YYYY')
to_timestamp(0)
to_timestamp(i4)
to_timestamp(t, 'YYYY')
to_number(t, '9')
date_trunc('month', d)
date_trunc('month', ts)
date_trunc('month', tstz)
date_trunc('month', '2024-01-01')
date_trunc('day', iv)
date_part('year', d)
date_part('year', ts)
extract(year FROM d)
extract(epoch FROM ts)
extract(epoch FROM tstz - tstz)
extract(hour FROM tm)
extract(day FROM iv)
extract(year FROM '2024-01-01')
age(ts)
age(ts, d)
age(tstz, tstz)
make_date(i4, 1, 1)
make_interval(days => i4)
make_interval(1, 2, secs => 1.5)
make_interval(secs := f8, years := 1)
make_interval(nope => 1)
make_interval(days => 1, days => 2)
make_interval(days => 1, 2)
isfinite(d)
now()
current_date
current_timestamp
current_timestamp(2)
localtime(1)
localtimestamp
current_time
current_user
session_user
current_schema
current_catalog
ts AT TIME ZONE 'UTC'
tstz AT TIME ZONE 'UTC'
tz AT TIME ZONE iv
d AT TIME ZONE 'UTC'
ts AT LOCAL
(ts, ts) OVERLAPS (ts, iv)
(d, d) OVERLAPS (d, d)
(d, iv) OVERLAPS (d, d)
random()
gen_random_uuid()
nextval('t0')
pg_typeof(i4)
pg_typeof('x')
num_nulls(i4, 'x', NULL)
num_nonnulls(VARIADIC ia)
num_nonnulls(VARIADIC i4)
coalesce(i4)
array_append(ia, 1)
array_append(ia, 1.5)
array_append(ia, '1')
array_append(NULL, 1)
array_append('{}', 'x')
array_prepend(1, ia)
array_cat(ia, ia)
array_cat(ia, na)
array_length(ia, 1)
array_length('{1}', 1)
array_position(ta, 'x')
array_position(ia, 1)
array_position(ia, i8)
array_remove(ia, 1)
array_replace(ta, 'a', 'b')
cardinality(ia)
cardinality(ds)
array_upper(ds, 1)
array_fill(0, ARRAY[3])
array_fill(t, ia)
unnest(i4)
int4range(1, 2)
int4range(i4, i8)
numrange(n, 1)
int4range('1', '2', '[]')
isempty(r)
range_merge(r, r)
range_merge(mr)
multirange(r)
lower_inc(r)
jsonb_build_object('a', i4, t, 'x')
jsonb_build_array(1, 'a', NULL)
json_build_object('a', 1)
to_json(t)
to_jsonb('x')
to_jsonb(a)
to_jsonb(t0)
row_to_json(a)
row_to_json(t0)
jsonb_typeof(j)
jsonb_extract_path(j, 'a', 'b')
jsonb_extract_path_text(j, VARIADIC ta)
jsonb_set(j, '{a}', '1')
jsonb_set(j, '{a}', '1', false)
jsonb_path_query_first(j, '$')
jsonb_path_exists(j, '$', silent => true)
jsonb_array_length(j)
jsonb_pretty(j)
jsonb_strip_nulls(j)
json_array_length(js)
enum_first(e)
enum_range(e)
enum_range(NULL, e)
enum_first(i4)
enum_range(NULL::mood)
md5(t)
md5(by)
sha256(by)
encode(by, 'hex')
decode(t, 'hex')
convert_from(by, 'UTF8')
get_byte(by, 0)
get_bit(bt, 0)
hashtext(t)
hashint4(i4)
chr(i4)
ascii(t)
initcap(t)
reverse(t)
strpos(t, 'a')
starts_with(t, 'a')
width_bucket(i4, 1, 10, 5)
width_bucket(n, 1, 10, 5)
width_bucket(f8, ARRAY[1.0, 2.0])
width_bucket(i4, ARRAY[1, 2])
gcd(i4, 2)
lcm(i8, i4)
factorial(i4)
scale(n2)
min_scale(n2)
trim_scale(n2)
numeric_inc(n)
int4(n)
int8('7')
text(v)
text(i4)
text('x')
varchar(t)
varchar('x')
bpchar(t)
name(t)
date('2024-01-01')
date(ts)
date(t)
numeric(i4)
numeric('1.5')
float8(t)
float8(i4)
bool(i4)
bool('t')
timestamptz(d)
timestamp(d)
"timestamp"(d)
"time"(ts)
interval(tm)
posint(i4)
label('x')
mood('ok')
addr('(a,1,b)')
jsonb(t)
jsonb('{}')
json(j)
oid(i4)
text(a)
inet_client_addr()
host(inet)
family(inet)
text(inet)
network(inet)
to_tsvector(t)
to_tsvector('english', t)
to_tsvector('english'::regconfig, t)
to_tsquery('a')
ts_rank(tsv, to_tsquery('a'))
point(f8, f8)
box(pt, pt)
circle(pt, 1)
area(circle(pt, 1))
pt[0] + 1
similarity(t, 'x')
nope(i4)
pg_catalog.upper(t)
other.upper(t)
nope.upper(t)
other.f_over(1)
other.f_hidden(1)
f_hidden(1)
f_over(1)
f_over(i2)
f_over(i8)
f_over('x')
f_over(n)
f_over(NULL)
f_over(v)
f_over(d)
f_default(1)
f_default(1, 'y')
f_default(1, c => 2)
f_default(c => 2, a => 1)
f_default(b => 'x')
f_default(1, 2)
f_default(1, 'y', 2.5, 3)
f_default(1, nope => 2)
f_default(1, a => 2)
f_default(1, 'y', b => 'z')
f_variadic('x', 1, 2, 3)
f_variadic('x', 1)
f_variadic('x')
f_variadic('x', VARIADIC ia)
f_variadic('x', VARIADIC '{1}')
f_variadic('x', 1.5)
f_variadic('x', '1', i2)
f_variadic('x', VARIADIC 1)
f_variadic(a => 'x', rest => ia)
f_variadic(a => 'x', VARIADIC rest => ia)
f_any(1, 2)
f_any(1, 2.5)
f_any(1, 'x')
f_any(1, '2')
f_any('a', 'b')
f_any(t, 'b')
f_any(t, v)
f_any(ia, '{1}')
f_any(pi, 1)
f_any(pi, pi)
f_any(e, 'ok')
f_any(tc, tx)
f_any(n2, n2)
f_compat(1, 2.5)
f_compat(1, 'x')
f_compat('a', 'b')
f_compat(i4, t)
f_compat(v, t)
f_compat(pi, i8)
f_compat(ia, na)
f_compat(d, ts)
f_compat_array(1, ARRAY[2.5])
f_compat_array(1.5, ia)
f_compat_array(i8, ds)
f_compat_array('x', '{y}')
f_compat_array('1', ia)
f_compat_array(ia, ia)
f_enum(e)
f_enum('ok')
f_enum(i4)
f_nonarray(1)
f_nonarray('x')
f_nonarray(ia)
f_nonarray(ds)
f_range(r)
f_range('[1,2)')
f_range(fr)
f_range(i4)
f_comprange(1, r)
f_comprange(1.5, r)
f_comprange(i2, r)
f_comprange('1', r)
f_comprange(1, '[1,2)')
f_domain(1)
f_domain(pi)
f_domain('1')
f_domain(i2)
f_domain(i8)
f_twice(1)
f_twice(1, 2)
f_vs('x')
f_vs('x', 'y')
f_vs(VARIADIC ta)
f_vs(t)
-- Aggregates
count(*)
count(i4)
count('x')
count(DISTINCT t)
count()
count(i4, t)
sum(i2)
sum(i4)
sum(i8)
sum(n2)
sum(f4)
sum(mo)
sum(iv)
sum('1')
sum(t)
sum(pi)
sum(DISTINCT i4)
sum(i4) FILTER (WHERE b)
sum(i4) FILTER (WHERE i4)
sum(i4 ORDER BY t)
avg(i4)
avg(n2)
avg(f4)
avg(iv)
min(t)
min(v)
min(c)
min(e)
min(ia)
min(d)
min(n2)
max(tc)
max(la)
max(pi)
max(b)
max(js)
max(a)
bool_and(b)
every(b)
bit_and(i4)
string_agg(t, ',')
string_agg(v, ',')
string_agg(t, ',' ORDER BY i4 DESC)
string_agg(i4, ',')
string_agg(by, '\x00')
array_agg(i4)
array_agg(ia)
array_agg(t ORDER BY i4, d DESC NULLS LAST)
array_agg(DISTINCT t ORDER BY t)
array_agg(DISTINCT t ORDER BY i4)
array_agg('x')
array_agg(js ORDER BY js)
array_agg(DISTINCT js)
array_agg(t ORDER BY t USING ~<~)
array_agg(t ORDER BY t USING +)
json_agg(t0)
jsonb_agg(i4)
jsonb_object_agg(t, i4)
json_object_agg(t, NULL)
stddev(i4)
variance(f8)
corr(f8, i4)
regr_slope(f8, f8)
percentile_cont(0.5) WITHIN GROUP (ORDER BY f8)
percentile_cont(0.5) WITHIN GROUP (ORDER BY i4)
percentile_cont(ARRAY[0.5]) WITHIN GROUP (ORDER BY f8)
percentile_disc(0.5) WITHIN GROUP (ORDER BY t)
percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY n2)
percentile_cont(0.5)
percentile_cont(0.5, 0.6) WITHIN GROUP (ORDER BY f8)
mode() WITHIN GROUP (ORDER BY t)
mode() WITHIN GROUP (ORDER BY t COLLATE "C")
rank(1) WITHIN GROUP (ORDER BY i4)
rank(1, 'x') WITHIN GROUP (ORDER BY i4, t)
rank('1') WITHIN GROUP (ORDER BY i4)
rank(1.5) WITHIN GROUP (ORDER BY i4)
rank(1) WITHIN GROUP (ORDER BY i4, t)
dense_rank('x') WITHIN GROUP (ORDER BY t)
f_first(i4)
f_first('x')
f_first(n2)
range_agg(r)
range_agg(mr)
range_intersect_agg(r)
any_value(t)
any_value('x')
upper(DISTINCT t)
upper(*)
upper(t) FILTER (WHERE b)
upper(t ORDER BY t)
sum(i4) WITHIN GROUP (ORDER BY i4)
rank()
row_number()
sum(i4) * 2 + count(*)
max(t COLLATE "C") || max(tx)
max(tc) || max(tx)
max(tc) || max(t)
min(v) = 'x'
sum(i4) BETWEEN 1 AND 2
-- Collations
t COLLATE "C"
t COLLATE "nope"
i4 COLLATE "C"
'x' COLLATE "C"
v COLLATE "C"
c COLLATE "POSIX"
(t COLLATE "C")::varchar(3)
(t COLLATE "C")::int4
t COLLATE "C" || tx
tc || tx
(tc || tx) COLLATE "C"
(t COLLATE "C") || (t COLLATE "POSIX")
(t COLLATE "C") = (t COLLATE "POSIX")
tc = tx
upper(tc)
upper(tc || 'x')
tc::varchar
ct || t
ct || tc
ct || tx
ct::text
t::ctext
COALESCE(tc, 'x')
COALESCE(t, tc)
i4::text COLLATE "C"
i4::text || tc
nm || 'x'
nm::text
nm || t
nm || tx
ta COLLATE "C"
(ta COLLATE "C")[1]
ARRAY[tc, 'x']
ARRAY[tc][1]
concat(tc, tx)
(a).street COLLATE "C"
(a).street || tc
CASE tc WHEN tx THEN 1 END
CASE WHEN tc < 'x' THEN tx ELSE NULL END
NULLIF(tc, tx)
NULLIF(tc, 'x')
GREATEST(tc, 'x')
t < tc COLLATE "POSIX"
t IN (tc, 'x')
t = ANY (ARRAY[tc])
length(tc || tx)
array_to_string(ta, tc)
string_agg(tc, ',')
string_agg(tc, tx)

-- SQL/JSON: query functions
JSON_EXISTS(j, '$.a')
JSON_EXISTS(j, '$.a' ERROR ON ERROR)
JSON_EXISTS(js, '$.a ? (@ > $x)' PASSING i4 AS x UNKNOWN ON ERROR)
JSON_EXISTS(t, '$')
JSON_EXISTS(by FORMAT JSON, '$')
JSON_EXISTS(by, '$')
JSON_EXISTS(i4, '$')
JSON_EXISTS(j, '$ ? (@ == $x && @ == $y)' PASSING j AS x, js AS y)
JSON_EXISTS(j, '$ ? (@ == $x && @ == $y)' PASSING e AS x, ia AS y)
JSON_EXISTS(j, '$ ? (@ == $x)' PASSING i4 + 1 AS x)
JSON_EXISTS(j, '$ ? (@ == $x)' PASSING upper(t) FORMAT JSON AS x)
JSON_EXISTS(j, '$ ? (@ == $x && @ == $y && @ == $z)' PASSING v AS x, label(t) AS y, a AS z)
JSON_EXISTS(j, '$ ? (@ == $x)' PASSING tstz AS x)
JSON_EXISTS(j, t::jsonpath)
JSON_EXISTS(j, t)
JSON_EXISTS(j, i4)
JSON_VALUE(j, '$.a')
JSON_VALUE(tc, '$.a')
JSON_VALUE(j, '$.a') || tc
JSON_VALUE(upper(tc), '$.a' RETURNING varchar)
JSON_VALUE(j, '$.a' RETURNING int)
JSON_VALUE(j, '$.a' RETURNING numeric(10, 2))
JSON_VALUE(j, '$.a' RETURNING varchar(3))
JSON_VALUE(j, '$.a' RETURNING int DEFAULT 5 ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING int DEFAULT '5' ON EMPTY DEFAULT 7.5 ON ERROR)
JSON_VALUE(j, '$.a' RETURNING int DEFAULT 5 + 1 ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING int DEFAULT i4 ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING int DEFAULT true ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING text DEFAULT true ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING text DEFAULT lower('X') ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING text DEFAULT 5 ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING varchar(3) DEFAULT 'xyz' ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING varchar(3) DEFAULT 'xyz'::text ON ERROR)
JSON_VALUE(j, '$.a' RETURNING varchar(3) DEFAULT NULL ON ERROR)
JSON_VALUE(j, '$.a' RETURNING numeric(5, 1) DEFAULT '1.25' ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING numeric(5, 1) DEFAULT 1.25 ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING bit(3) DEFAULT '101' ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING posint DEFAULT 5 ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING posint DEFAULT '5' ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING label)
JSON_VALUE(j, '$.a' RETURNING ctext)
JSON_VALUE(j, '$.a' RETURNING mood)
JSON_VALUE(j, '$.a' RETURNING float8) + i4
JSON_VALUE(j, '$.a' RETURNING bytea)
JSON_VALUE(j, '$.a' RETURNING text FORMAT JSON)
JSON_VALUE(j, '$.a' RETURNING text COLLATE "C")
JSON_VALUE(j, '$.a' RETURNING text) COLLATE "C"
JSON_VALUE(j, '$.a' RETURNING int EMPTY ON EMPTY)
JSON_VALUE(js, 'strict $.a' ERROR ON EMPTY ERROR ON ERROR)
JSON_QUERY(j, '$.a')
JSON_QUERY(j, '$.a' RETURNING text)
JSON_QUERY(js, '$.a' RETURNING json WITH WRAPPER)
JSON_QUERY(t, '$.a' RETURNING jsonb WITH CONDITIONAL WRAPPER)
JSON_QUERY(j, '$.a' RETURNING text OMIT QUOTES)
JSON_QUERY(j, '$.a' RETURNING text KEEP QUOTES EMPTY ARRAY ON EMPTY EMPTY OBJECT ON ERROR)
JSON_QUERY(j, '$.a' RETURNING bytea FORMAT JSON)
JSON_QUERY(j, '$.a' RETURNING int[])
JSON_QUERY(j, '$.a' RETURNING addr)
JSON_QUERY(j, '$.a' DEFAULT '[1]' ON EMPTY)
JSON_QUERY(j, '$.a' DEFAULT '[1]'::jsonb ON EMPTY)
JSON_QUERY(j, '$.a' RETURNING int[] DEFAULT '{1}' ON EMPTY)
JSON_QUERY(by FORMAT JSON ENCODING UTF8, '$')
JSON_QUERY(j, '$[$n]' PASSING length(t) AS n)
t IS JSON
js IS JSON OBJECT
j IS NOT JSON ARRAY
v IS JSON SCALAR WITH UNIQUE KEYS
by IS JSON
convert_to(t, 'UTF8') IS JSON
i4 IS JSON
NULL IS JSON

-- SQL/JSON: constructors
JSON_OBJECT('a' : i4, t : tc)
JSON_OBJECT('a' VALUE j)
JSON_OBJECT('a' : js ABSENT ON NULL WITH UNIQUE KEYS)
JSON_OBJECT('a' : t FORMAT JSON, 'b' : upper(t) FORMAT JSON)
JSON_OBJECT('a' : i4 FORMAT JSON)
JSON_OBJECT('a' : by FORMAT JSON ENCODING UTF8)
JSON_OBJECT(t : 1 RETURNING text)
JSON_OBJECT(tc : 1 RETURNING text)
JSON_OBJECT(tc : 1 RETURNING text) || tx
JSON_OBJECT(tc : tx RETURNING text)
JSON_OBJECT(t : 1 RETURNING varchar(20))
JSON_OBJECT(t : 1 RETURNING jsonb)
JSON_OBJECT(t : 1 RETURNING bytea FORMAT JSON)
JSON_OBJECT(t : 1 RETURNING int)
JSON_OBJECT()
JSON_OBJECT(RETURNING jsonb)
JSON_ARRAY(1, t, j, NULL)
JSON_ARRAY(1, js, ia NULL ON NULL)
JSON_ARRAY(1, 2 RETURNING jsonb)
JSON_ARRAY(t FORMAT JSON RETURNING text)
JSON_ARRAY()
JSON_ARRAY(RETURNING text)
JSON_SCALAR(i4)
JSON_SCALAR('x' RETURNING jsonb)
JSON_SCALAR(t RETURNING text)
JSON(t)
JSON('{}' RETURNING jsonb)
JSON(j)
JSON(j RETURNING jsonb)
JSON(js RETURNING jsonb)
JSON(by FORMAT JSON)
JSON(upper(t) WITH UNIQUE KEYS)
JSON(by WITH UNIQUE KEYS)
JSON(js WITH UNIQUE KEYS)
JSON(i4)
JSON_SERIALIZE(j)
JSON_SERIALIZE(js RETURNING varchar(10))
JSON_SERIALIZE(t)
JSON_SERIALIZE(upper(tc) RETURNING text)
JSON_SERIALIZE(j RETURNING bytea)
JSON_SERIALIZE(by FORMAT JSON RETURNING bytea FORMAT JSON)
JSON_SERIALIZE(j RETURNING int)
JSON_SERIALIZE(i4)

-- SQL/JSON: aggregates
JSON_ARRAYAGG(i4)
JSON_ARRAYAGG(i4 ORDER BY t DESC)
JSON_ARRAYAGG(i4 NULL ON NULL)
JSON_ARRAYAGG(j)
JSON_ARRAYAGG(i4 RETURNING jsonb)
JSON_ARRAYAGG(t FORMAT JSON)
JSON_ARRAYAGG(upper(t) FORMAT JSON RETURNING jsonb)
JSON_ARRAYAGG(tc RETURNING text)
JSON_ARRAYAGG(tc RETURNING varchar(30)) || 'x'
JSON_ARRAYAGG(i4 RETURNING bytea FORMAT JSON)
JSON_ARRAYAGG(i4 RETURNING int)
JSON_ARRAYAGG(i4 ORDER BY i4) FILTER (WHERE b)
JSON_OBJECTAGG(t : i4)
JSON_OBJECTAGG(t : i4 ABSENT ON NULL)
JSON_OBJECTAGG(t : i4 WITH UNIQUE KEYS)
JSON_OBJECTAGG(t : j ABSENT ON NULL WITH UNIQUE KEYS RETURNING jsonb)
JSON_OBJECTAGG('a' : 'b' RETURNING text)
JSON_OBJECTAGG(i4 : t FORMAT JSON)
JSON_OBJECTAGG(NULL : t)

-- SQL/XML
XMLCONCAT(x, '<a/>')
XMLCONCAT(t)
XMLELEMENT(NAME a)
XMLELEMENT(NAME "A b", XMLATTRIBUTES(i4, t AS "T", upper(t) AS u), x, t, 'lit', i4 + 1)
XMLELEMENT(NAME a, XMLATTRIBUTES(i4 + 1))
XMLELEMENT(NAME a, d, ts, tm, ia, e)
XMLELEMENT(NAME a, tstz)
XMLFOREST(i4, t AS "T", tc)
XMLFOREST(i4 + 1)
XMLPI(NAME php)
XMLPI(NAME php, t)
XMLPI(NAME php, v)
XMLPI(NAME php, i4)
XMLPARSE(DOCUMENT t)
XMLPARSE(CONTENT v PRESERVE WHITESPACE)
XMLPARSE(CONTENT '<a/>' STRIP WHITESPACE)
XMLPARSE(CONTENT i4)
XMLROOT(x, VERSION '1.0')
XMLROOT(x, VERSION NO VALUE, STANDALONE YES)
XMLROOT(x, VERSION t, STANDALONE NO VALUE)
XMLROOT(t, VERSION '1.0')
XMLSERIALIZE(CONTENT x AS text)
XMLSERIALIZE(DOCUMENT x AS varchar(10) INDENT)
XMLSERIALIZE(CONTENT x AS ctext)
XMLSERIALIZE(CONTENT x AS char(5)) || tc
XMLSERIALIZE(CONTENT x AS int)
XMLSERIALIZE(CONTENT x AS bytea)
x IS DOCUMENT
x IS NOT DOCUMENT
t IS DOCUMENT
xmlexists('//a' PASSING BY REF x)
xmlexists(t PASSING x)
xmlagg(XMLELEMENT(NAME a, i4) ORDER BY t)
JSON_VALUE(j, '$.a' RETURNING numeric(5, 1) DEFAULT 1.25::numeric(5, 1) ON EMPTY)
JSON_VALUE(j, '$.a' RETURNING varchar(3) DEFAULT v ON EMPTY)
JSON_QUERY(j, '$.a' TRUE ON EMPTY)
JSON_EXISTS(j, '$.a' DEFAULT true ON ERROR)
JSON_ARRAY(tc, t FORMAT JSON RETURNING text)
JSON_ARRAY(i4, tc FORMAT JSON RETURNING text)
JSON_ARRAY(tc, tx RETURNING text)
JSON_OBJECT(t : tc FORMAT JSON RETURNING jsonb)
