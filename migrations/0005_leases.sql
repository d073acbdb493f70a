-- Who steers which Asterisk. A replica that owns a node holds its lease; each new owner has a higher epoch, and whatever it
-- writes about calls is refused once there is a higher one.

CREATE TABLE node_leases (
    node       text PRIMARY KEY
        CONSTRAINT lease_node_is_lower_case_letters_digits_hyphens CHECK (node ~ '^[a-z][a-z0-9-]{0,30}$'),
    epoch      bigint NOT NULL CONSTRAINT lease_epoch_is_positive CHECK (epoch > 0),
    owner      uuid,
    owner_name text NOT NULL,
    host       text,
    taken_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Makes the epoch part of a key, so that a takeover waits for every transaction that holds the lease, and a renewal for none.
    CONSTRAINT lease_has_its_epoch_once UNIQUE (node, epoch)
) WITH (fillfactor = 50);
COMMENT ON TABLE node_leases IS 'Which replica owns which Asterisk. Written by the daemons.';
COMMENT ON COLUMN node_leases.epoch IS 'Counts the owners. Only ever grows.';
COMMENT ON COLUMN node_leases.owner IS 'The process; empty: nobody owns the node.';
COMMENT ON COLUMN node_leases.owner_name IS 'The replica''s name, for people.';
COMMENT ON COLUMN node_leases.host IS 'The running system and network in which the process lives, where that can be told.';
COMMENT ON COLUMN node_leases.expires_at IS 'By the clock of this database. Nobody else may take the node before, unless it is released.';

CREATE TABLE node_standbys (
    node    text NOT NULL,
    replica uuid NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (node, replica)
);
COMMENT ON TABLE node_standbys IS 'Replicas that wait for a node. An owner that is told to stop hands over to them at once.';

-- Called within every transaction that writes about calls. What holds the lease keeps the next owner waiting until it is
-- committed, so the next owner reads all that the last one wrote. Without a node there is nothing to hold.
CREATE FUNCTION cordboard_hold_lease(a_node text, an_epoch bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF a_node IS NOT NULL THEN
        PERFORM FROM node_leases WHERE node = a_node AND epoch = an_epoch AND owner IS NOT NULL FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'epoch % of the node % is over', an_epoch, a_node USING ERRCODE = 'CB002';
        END IF;
    END IF;
    RETURN true;
END $$;

-- An account that an agent lost is taken out of every node; it is forgotten when all of them have done so.
CREATE TABLE sip_accounts_gone_from (
    endpoint text NOT NULL REFERENCES sip_accounts_gone ON DELETE CASCADE,
    node     text NOT NULL,
    PRIMARY KEY (endpoint, node)
);
COMMENT ON TABLE sip_accounts_gone_from IS 'Nodes that an account was taken out of. Written by the daemons.';
