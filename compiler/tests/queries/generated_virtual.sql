SELECT id, area, half FROM shapes WHERE area > 10
