-- Who could call from which number, when, and with which limits. Written by a trigger, whoever edits the table.

CREATE TABLE assignment_history (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    event             text NOT NULL CONSTRAINT assignment_event_is_known CHECK (event IN ('assigned', 'changed', 'ended')),
    organization_id   uuid NOT NULL REFERENCES organizations,
    assignment_id     uuid NOT NULL REFERENCES assignments,
    agent_id          uuid NOT NULL,
    number_id         uuid NOT NULL,
    daily_limit       integer NOT NULL,
    allowed_countries text[] NOT NULL,
    allowed_classes   text[] NOT NULL,
    starts_at         timestamptz NOT NULL,
    ends_at           timestamptz,
    actor             text NOT NULL
);
CREATE INDEX assignment_history_of_number ON assignment_history (number_id, id);
CREATE INDEX assignment_history_of_agent ON assignment_history (agent_id, id);
CREATE INDEX assignment_history_of_organization ON assignment_history (organization_id, id);
CREATE INDEX assignment_history_of_assignment ON assignment_history (assignment_id);
COMMENT ON TABLE assignment_history IS 'Every change of an assignment. Only ever added to.';
COMMENT ON COLUMN assignment_history.actor IS 'Who did it: what the program says (cordboard.actor), or the database user.';

INSERT INTO assignment_history (at, event, organization_id, assignment_id, agent_id, number_id, daily_limit,
    allowed_countries, allowed_classes, starts_at, ends_at, actor)
SELECT created_at, 'assigned', organization_id, id, agent_id, number_id, daily_limit, allowed_countries, allowed_classes,
    starts_at, ends_at, 'before the history was kept'
FROM assignments ORDER BY id;

-- As the owner of the tables: whoever may change an assignment may not, for that, write its history.
CREATE FUNCTION cordboard_assignment_history() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO assignment_history (event, organization_id, assignment_id, agent_id, number_id, daily_limit,
        allowed_countries, allowed_classes, starts_at, ends_at, actor)
    VALUES (
        CASE WHEN TG_OP = 'INSERT' THEN 'assigned' WHEN OLD.ends_at IS NULL AND NEW.ends_at IS NOT NULL THEN 'ended' ELSE 'changed' END,
        NEW.organization_id, NEW.id, NEW.agent_id, NEW.number_id, NEW.daily_limit, NEW.allowed_countries, NEW.allowed_classes,
        NEW.starts_at, NEW.ends_at, coalesce(nullif(current_setting('cordboard.actor', true), ''), session_user));
    RETURN NULL;
END $$;
CREATE TRIGGER assignment_history_of_insert AFTER INSERT ON assignments
    FOR EACH ROW EXECUTE FUNCTION cordboard_assignment_history();
CREATE TRIGGER assignment_history_of_update AFTER UPDATE ON assignments
    FOR EACH ROW WHEN (
        (OLD.daily_limit, OLD.allowed_countries, OLD.allowed_classes, OLD.starts_at, OLD.ends_at, OLD.agent_id, OLD.number_id)
        IS DISTINCT FROM
        (NEW.daily_limit, NEW.allowed_countries, NEW.allowed_classes, NEW.starts_at, NEW.ends_at, NEW.agent_id, NEW.number_id))
    EXECUTE FUNCTION cordboard_assignment_history();

CREATE FUNCTION cordboard_history_is_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of assignments is only ever added to'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'history_is_only_added', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER history_is_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON assignment_history
    FOR EACH STATEMENT EXECUTE FUNCTION cordboard_history_is_only_added();

ALTER TABLE assignment_history ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON assignment_history TO cordboard_tenant USING (organization_id = cordboard_organization());
GRANT SELECT ON assignment_history TO cordboard_tenant;
