"""Python's own control flow on traced values: functions are written anew from their syntax trees, statement by statement."""
