SELECT k.id, u.v, u.o FROM kinds k LEFT JOIN unnest(k.ta) WITH ORDINALITY AS u (v, o) ON u.v < k.t
