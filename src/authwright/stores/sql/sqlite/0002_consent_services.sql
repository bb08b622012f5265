-- The services that decide about their own scopes when a token is exchanged.

CREATE TABLE consent_services (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
