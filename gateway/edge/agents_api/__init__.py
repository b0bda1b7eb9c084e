"""What agents and those who deploy them may ask of the gateway: one router a noun, below `/api/v1`."""
