-- A reservation is one statement, and all of it must be undone when a part of it came too late.
CREATE FUNCTION cordboard_lost_race() RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'another call was faster; this one is decided anew' USING ERRCODE = 'CB001';
END $$;
