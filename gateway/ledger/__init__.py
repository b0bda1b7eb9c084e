"""The audit record as bytes and hashes. Pure: no file, no clock; `spool` puts it on disk."""
