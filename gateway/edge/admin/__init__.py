"""The admin API: one router a noun. Never on the data plane's path."""
