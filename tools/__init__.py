"""The ``tidecast`` command; nothing imports from here."""
