SELECT j.id, j.label FROM (customers c JOIN nodes n USING (id)) AS j (id)
