-- Times are microseconds since 1970-01-01T00:00:00Z. Digests are keyed; no value of a code or token is stored.

CREATE TABLE grants (
    grant_id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    subject TEXT,
    session_id TEXT,
    scopes TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX grants_by_client ON grants (client_id);
CREATE INDEX grants_by_subject ON grants (subject) WHERE subject IS NOT NULL;
CREATE INDEX grants_by_session ON grants (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX grants_by_expiry ON grants (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX grants_by_revocation ON grants (revoked_at) WHERE revoked_at IS NOT NULL;

-- No foreign key: a commit locks its grant's row itself, and a purge deletes both.
CREATE TABLE tickets (
    digest TEXT NOT NULL,
    kind TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    ticket BYTEA NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT,
    parent TEXT,
    origin_grant TEXT NOT NULL,
    binding TEXT,
    changed_by TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    used_at BIGINT,
    used_by TEXT,
    PRIMARY KEY (digest, kind)
);
CREATE INDEX tickets_by_grant ON tickets (grant_id);
CREATE INDEX tickets_by_expiry ON tickets (expires_at) WHERE used_at IS NULL AND expires_at IS NOT NULL;

CREATE TABLE once (
    key TEXT PRIMARY KEY,
    until BIGINT NOT NULL
);
CREATE INDEX once_by_until ON once (until);

CREATE TABLE limits (
    key TEXT PRIMARY KEY,
    arrival BIGINT NOT NULL
);
CREATE INDEX limits_by_arrival ON limits (arrival);

CREATE TABLE clients (
    client_id TEXT PRIMARY KEY,
    body TEXT NOT NULL
);

CREATE TABLE accounts (
    subject TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
);

CREATE TABLE consents (
    subject TEXT NOT NULL,
    client_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (subject, client_id)
);

CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX sessions_by_session_id ON sessions (session_id);
CREATE INDEX sessions_by_subject ON sessions (subject);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX one_active_key_per_algorithm ON signing_keys (algorithm) WHERE state = 'active';

CREATE TABLE relying_party_sessions (
    digest TEXT PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    session_id TEXT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX relying_party_sessions_by_subject ON relying_party_sessions (issuer, subject);
CREATE INDEX relying_party_sessions_by_session_id ON relying_party_sessions (issuer, session_id)
    WHERE session_id IS NOT NULL;
CREATE INDEX relying_party_sessions_by_expiry ON relying_party_sessions (expires_at);
