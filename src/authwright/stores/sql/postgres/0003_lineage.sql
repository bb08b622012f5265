-- A grant made from another has an id that begins with the other's and a dot; revoking the other finds it here.

CREATE INDEX grants_by_lineage ON grants (grant_id COLLATE "C") WHERE strpos(grant_id, '.') > 0;
