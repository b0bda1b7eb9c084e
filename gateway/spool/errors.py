"""What may go wrong with the record."""


class AuditUnavailable(Exception):
    """Nothing can be recorded at the moment, so nothing that must be recorded may happen."""
