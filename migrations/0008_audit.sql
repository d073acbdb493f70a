-- Who changed what, and what it was before. Written by triggers, so that what is typed into psql is on record as well, in the
-- transaction of the change itself. Only ever added to; each row holds the SHA-256 of what it says and of the row before it, so
-- that `cordboard audit verify` finds what was changed or taken out behind the triggers' back.
--
-- Each organization has a chain of its own; the chain of the house (nil) has what belongs to nobody, such as the inventory.
--
-- The triggers are deferred: a transaction asks for the chain at its very end, when it waits for nothing else, so that nobody
-- waits for an organization's chain behind a psql that was left open, and nobody waits in a circle. One consequence: a
-- migration that changes rows of an audited table and then the table itself says SET CONSTRAINTS ALL IMMEDIATE in between.

-- From version 16 on, who makes a role is a member of it, but may not yet speak as it.
DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 160000 THEN
        IF NOT pg_has_role(current_user, 'cordboard_tenant', 'SET') THEN
            EXECUTE format('GRANT cordboard_tenant TO %I', current_user);
        END IF;
    END IF;
END $$;

CREATE TABLE audit (
    organization_id uuid NOT NULL,
    seq             bigint NOT NULL CONSTRAINT audit_seq_is_positive CHECK (seq > 0),
    at              timestamptz NOT NULL,
    actor           text NOT NULL,
    database_user   text NOT NULL,
    request         text,
    action          text NOT NULL
        CONSTRAINT audit_action_is_known CHECK (action IN ('insert', 'update', 'delete', 'join', 'leave', 'truncate')),
    what            text NOT NULL,
    row_id          text,
    before          jsonb,
    after           jsonb,
    previous        bytea NOT NULL CONSTRAINT audit_previous_is_32_bytes CHECK (length(previous) = 32),
    hash            bytea NOT NULL CONSTRAINT audit_hash_is_32_bytes CHECK (length(hash) = 32),
    PRIMARY KEY (organization_id, seq)
);
COMMENT ON TABLE audit IS 'Who changed what. Only ever added to, by triggers.';
COMMENT ON COLUMN audit.organization_id IS 'Whose chain; nil: the house''s. No foreign key: it outlives what it tells of.';
COMMENT ON COLUMN audit.actor IS 'user:<id>, token:<id>, cli:<name>, daemon; sql:<role> if somebody wrote to the tables by hand.';
COMMENT ON COLUMN audit.database_user IS 'As whom the connection was made.';
COMMENT ON COLUMN audit.action IS 'join, leave: the row became the organization''s, or somebody else''s.';
COMMENT ON COLUMN audit.before IS 'Of an update, what was changed only. Secrets are not shown.';

CREATE TRIGGER audit_is_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION cordboard_refuse_change();
CREATE OR REPLACE FUNCTION cordboard_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'audit' THEN
        RAISE EXCEPTION 'the audit trail is only ever added to'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_is_only_added', TABLE = TG_TABLE_NAME;
    END IF;
    RAISE EXCEPTION 'facts are only ever added'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'facts_are_only_added', TABLE = TG_TABLE_NAME;
END $$;

-- A text with its length before it, so that no two rows read the same.
CREATE FUNCTION cordboard_audit_word(word text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(octet_length(convert_to(word, 'UTF8')) || ':' || word, '-')
$$;

CREATE FUNCTION cordboard_audit_note(
    organization uuid, action text, what text, row_id text, before jsonb, after jsonb
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    row_at   timestamptz;
    row_seq  bigint;
    last     bytea;
    actor    text := coalesce(nullif(current_setting('cordboard.actor', true), ''), 'sql:' || session_user);
    request  text := nullif(current_setting('cordboard.request', true), '');
    content  text;
BEGIN
    -- One after the other. Asked for again by the same transaction, it is there already.
    PERFORM pg_advisory_xact_lock(17986, hashtext(organization::text));
    SELECT a.seq, a.hash INTO row_seq, last FROM audit a WHERE a.organization_id = organization ORDER BY a.seq DESC LIMIT 1;
    row_seq := coalesce(row_seq, 0) + 1;
    last := coalesce(last, decode(repeat('00', 32), 'hex'));
    row_at := clock_timestamp();
    content := cordboard_audit_word(organization::text)
        || cordboard_audit_word(row_seq::text)
        || cordboard_audit_word((extract(epoch FROM row_at) * 1000000)::bigint::text)
        || cordboard_audit_word(actor)
        || cordboard_audit_word(session_user::text)
        || cordboard_audit_word(request)
        || cordboard_audit_word(action)
        || cordboard_audit_word(what)
        || cordboard_audit_word(row_id)
        || cordboard_audit_word(before::text)
        || cordboard_audit_word(after::text);
    INSERT INTO audit (organization_id, seq, at, actor, database_user, request, action, what, row_id, before, after, previous, hash)
    VALUES (organization, row_seq, row_at, actor, session_user, request, action, what, row_id, before, after, last,
        sha256(last || convert_to(content, 'UTF8')));
END $$;

-- What nobody needs to read, whoever they are: whether it is there is all that is told.
CREATE FUNCTION cordboard_audit_shown(entry jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    hidden CONSTANT text[] := ARRAY['password_hash', 'sip_ha1', 'sha256', 'secret'];
    name   text;
BEGIN
    IF entry ?| hidden THEN
        FOREACH name IN ARRAY hidden LOOP
            IF entry ->> name IS NOT NULL THEN
                entry := jsonb_set(entry, ARRAY[name], '"(hidden)"');
            END IF;
        END LOOP;
    END IF;
    RETURN entry;
END $$;

CREATE FUNCTION cordboard_audit_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    house   CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    -- what changes with mere use
    quiet   CONSTANT text[] := ARRAY['last_used_at', 'last_seen_at', 'seen_at', 'open_organization_id'];
    was     jsonb;
    is_now  jsonb;
    was_of  uuid := house;
    is_of   uuid := house;
    before  jsonb;
    after   jsonb;
    row_id  text;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        was := to_jsonb(OLD) - quiet;
        was_of := coalesce(CASE TG_TABLE_NAME WHEN 'organizations' THEN was ->> 'id' ELSE was ->> 'organization_id' END, house::text);
        row_id := was ->> 'id';
    END IF;
    IF TG_OP <> 'DELETE' THEN
        is_now := to_jsonb(NEW) - quiet;
        is_of := coalesce(CASE TG_TABLE_NAME WHEN 'organizations' THEN is_now ->> 'id' ELSE is_now ->> 'organization_id' END, house::text);
        row_id := is_now ->> 'id';
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM cordboard_audit_note(is_of, 'insert', TG_TABLE_NAME, row_id, NULL, cordboard_audit_shown(jsonb_strip_nulls(is_now)));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM cordboard_audit_note(was_of, 'delete', TG_TABLE_NAME, row_id, cordboard_audit_shown(jsonb_strip_nulls(was)), NULL);
    ELSIF was_of <> is_of THEN
        -- Neither side reads what the other does with it; the house knows all.
        PERFORM cordboard_audit_note(was_of, 'leave', TG_TABLE_NAME, row_id, cordboard_audit_shown(jsonb_strip_nulls(was)),
            CASE was_of WHEN house THEN jsonb_build_object('organization_id', is_of) END);
        PERFORM cordboard_audit_note(is_of, 'join', TG_TABLE_NAME, row_id,
            CASE is_of WHEN house THEN jsonb_build_object('organization_id', was_of) END,
            cordboard_audit_shown(jsonb_strip_nulls(is_now)));
    ELSE
        SELECT jsonb_object_agg(e.key, e.value), jsonb_object_agg(e.key, is_now -> e.key) INTO before, after
        FROM jsonb_each(was) e WHERE e.value IS DISTINCT FROM is_now -> e.key;
        IF before IS NOT NULL THEN
            PERFORM cordboard_audit_note(is_of, 'update', TG_TABLE_NAME, row_id,
                cordboard_audit_shown(before), cordboard_audit_shown(after));
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION cordboard_audit_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM cordboard_audit_note('00000000-0000-0000-0000-000000000000', 'truncate', TG_TABLE_NAME, NULL, NULL, NULL);
    RETURN NULL;
END $$;

-- Only the triggers write here.
REVOKE EXECUTE ON FUNCTION cordboard_audit_note(uuid, text, text, text, jsonb, jsonb) FROM PUBLIC;

-- Puts a table on record: SELECT cordboard_audit_table('campaigns').
CREATE FUNCTION cordboard_audit_table(name regclass) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    EXECUTE format('CREATE CONSTRAINT TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON %s
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cordboard_audit_row()', name);
    EXECUTE format('CREATE TRIGGER audited_truncate AFTER TRUNCATE ON %s
        FOR EACH STATEMENT EXECUTE FUNCTION cordboard_audit_truncate()', name);
END $$;

SELECT cordboard_audit_table(name) FROM unnest(
    '{organizations,users,sessions,api_tokens,trunks,agents,numbers,assignments}'::regclass[]) name;

-- Rows of the time before have no beginning here; this is where the trail begins.
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON audit FOR SELECT TO cordboard_tenant USING (organization_id = cordboard_organization());
GRANT SELECT ON audit TO cordboard_tenant;
