-- Who signs in, with what, and for how long. Of passwords, sessions and tokens only hashes are here.

-- As whom the API speaks to the tables. It owns nothing and cannot log in; 0007 says which rows it sees. Roles belong to the
-- whole server, so it may be there already, and another database may be making it right now.
DO $$
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cordboard_tenant') THEN
            CREATE ROLE cordboard_tenant NOLOGIN;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    IF NOT pg_has_role(current_user, 'cordboard_tenant', 'MEMBER') THEN
        EXECUTE format('GRANT cordboard_tenant TO %I', current_user);
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'the role % may not make the role cordboard_tenant; once, as a superuser: '
        'CREATE ROLE cordboard_tenant NOLOGIN; GRANT cordboard_tenant TO %; then run this again', current_user, current_user
        USING ERRCODE = 'insufficient_privilege';
END $$;

-- == users ==

ALTER TABLE users
    ADD COLUMN password_hash text
        CONSTRAINT password_hash_is_argon2id CHECK (password_hash LIKE '$argon2id$%'),
    ADD COLUMN password_changed_at timestamptz,
    ADD COLUMN last_seen_at timestamptz;
COMMENT ON COLUMN users.password_hash IS 'Empty: cannot sign in.';
COMMENT ON COLUMN users.active IS 'false: cannot sign in, and is signed out.';
CREATE UNIQUE INDEX user_is_one_agent ON agents (user_id);
DROP INDEX agents_of_user;

CREATE TABLE sessions (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    sha256          bytea NOT NULL UNIQUE CONSTRAINT session_sha256_is_32_bytes CHECK (length(sha256) = 32),
    created_at      timestamptz NOT NULL DEFAULT now(),
    seen_at         timestamptz NOT NULL DEFAULT now(),
    idle_s          integer NOT NULL CONSTRAINT session_idle_s_is_positive CHECK (idle_s > 0),
    expires_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    CONSTRAINT session_user_is_of_the_same_organization
        FOREIGN KEY (user_id, organization_id) REFERENCES users (id, organization_id)
);
CREATE INDEX sessions_of_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
COMMENT ON TABLE sessions IS 'Who is signed in. The random number in the cookie is kept only as its SHA-256.';
COMMENT ON COLUMN sessions.seen_at IS 'When it was last used, to within a minute.';
COMMENT ON COLUMN sessions.idle_s IS 'It ends when it was not used for so many seconds.';
COMMENT ON COLUMN sessions.expires_at IS 'It ends then, however much it is used.';

-- Whoever changes a password, or switches somebody off, throws out who is in, by whatever way it is done.
CREATE FUNCTION cordboard_user_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE sessions SET ended_at = now() WHERE user_id = NEW.id AND ended_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER user_changed AFTER UPDATE ON users
    FOR EACH ROW WHEN (OLD.password_hash IS DISTINCT FROM NEW.password_hash OR OLD.active AND NOT NEW.active)
    EXECUTE FUNCTION cordboard_user_changed();

-- == tokens ==

-- Those that were there before could do all that there was to do: they are an admin's.
ALTER TABLE api_tokens
    ADD COLUMN role text NOT NULL DEFAULT 'admin'
        CONSTRAINT token_role_is_owner_admin_manager_or_agent CHECK (role IN ('owner', 'admin', 'manager', 'agent')),
    ADD COLUMN acts text[]
        CONSTRAINT token_acts_are_names_of_acts CHECK (cordboard_each_matches(acts, '^[a-z]+\.[a-z_]+$')),
    ADD COLUMN agent_id uuid,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN created_by text,
    ADD CONSTRAINT agent_token_has_an_agent CHECK (role <> 'agent' OR agent_id IS NOT NULL),
    ADD CONSTRAINT token_agent_is_of_the_same_organization
        FOREIGN KEY (agent_id, organization_id) REFERENCES agents (id, organization_id);
CREATE INDEX api_tokens_of_agent ON api_tokens (agent_id);
COMMENT ON COLUMN api_tokens.role IS 'What it may do at most: what an owner, admin, manager or agent may.';
COMMENT ON COLUMN api_tokens.acts IS 'To which acts it is narrowed, such as {calls.see,numbers.see}; empty: to none.';
COMMENT ON COLUMN api_tokens.agent_id IS 'Whom it calls and sees for, if it is an agent''s.';
COMMENT ON COLUMN api_tokens.expires_at IS 'When it becomes void by itself; empty: never.';
COMMENT ON COLUMN api_tokens.created_by IS 'Who made it.';
