"""The composition root: builds every object, owns start and stop. Nobody imports it but the command line."""
