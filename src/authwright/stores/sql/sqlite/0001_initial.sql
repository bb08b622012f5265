-- Times are microseconds since 1970-01-01T00:00:00Z. Digests are keyed; no value of a code or token is stored.

CREATE TABLE grants (
    id INTEGER PRIMARY KEY,
    grant_id TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    subject TEXT,
    session_id TEXT,
    scopes TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX grants_by_client ON grants (client_id);
CREATE INDEX grants_by_subject ON grants (subject) WHERE subject IS NOT NULL;
CREATE INDEX grants_by_session ON grants (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX grants_by_expiry ON grants (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX grants_by_revocation ON grants (revoked_at) WHERE revoked_at IS NOT NULL;

-- The grant is named by its number, which grows, so that this index is written at its end only.
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL,
    kind TEXT NOT NULL,
    grant_number INTEGER NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    ticket BLOB NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER,
    parent TEXT,
    origin_grant TEXT NOT NULL,
    binding TEXT,
    changed_by TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    used_at INTEGER,
    used_by TEXT,
    UNIQUE (digest, kind)
) STRICT;
CREATE INDEX tickets_by_grant ON tickets (grant_number);
CREATE INDEX tickets_by_expiry ON tickets (expires_at) WHERE used_at IS NULL AND expires_at IS NOT NULL;

CREATE TABLE once (
    key TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX once_by_until ON once (until);

CREATE TABLE limits (
    key TEXT PRIMARY KEY,
    arrival INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX limits_by_arrival ON limits (arrival);

CREATE TABLE clients (
    client_id TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE accounts (
    subject TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE consents (
    subject TEXT NOT NULL,
    client_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (subject, client_id)
) STRICT;

CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_session_id ON sessions (session_id);
CREATE INDEX sessions_by_subject ON sessions (subject);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_active_key_per_algorithm ON signing_keys (algorithm) WHERE state = 'active';

CREATE TABLE relying_party_sessions (
    digest TEXT PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    session_id TEXT,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX relying_party_sessions_by_subject ON relying_party_sessions (issuer, subject);
CREATE INDEX relying_party_sessions_by_session_id ON relying_party_sessions (issuer, session_id)
    WHERE session_id IS NOT NULL;
CREATE INDEX relying_party_sessions_by_expiry ON relying_party_sessions (expires_at);
